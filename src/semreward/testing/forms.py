"""Rules of the forms that completions come in: texts, messages, content parts, with and without reasoning."""

from semreward.testing.probe import (
    THOUGHT,
    Batch,
    Form,
    NotApplicableError,
    Probe,
    after_a_tool,
    content_parts,
    form_of,
    message,
    plain,
    reasoned_message,
    rule,
    take,
)
from semreward.text import remove_reasoning


@rule(
    "a completion that is a string must earn what the same text earns as a message",
    remedy="read completions with semreward.text.answer_text",
    after="deterministic",
)
def _plain_form(probe: Probe) -> str | None:
    return _form_difference(probe, plain)


@rule(
    "a completion that is a list of messages must earn what its text earns",
    remedy="read completions with semreward.text.answer_text",
    after="deterministic",
)
def _conversational_form(probe: Probe) -> str | None:
    if difference := _form_difference(probe, message):
        return difference
    difference = _form_difference(probe, reasoned_message)
    return difference and f"with the reasoning in a field of its own, {difference}"


@rule(
    "a completion whose content is a list of parts must earn what its text earns",
    remedy="read completions with semreward.text.answer_text",
    after="deterministic",
)
def _content_parts_form(probe: Probe) -> str | None:
    return _form_difference(probe, content_parts)


def _form_difference(probe: Probe, form: Form) -> str | None:
    batch, rows = probe.in_form(form)
    return probe.difference(probe.values(batch), [probe.expected[row] for row in rows])


@rule(
    "of several messages, with calls of tools among them, the last assistant message must decide",
    remedy="read completions with semreward.text.answer_text",
    after="conversational_form",
)
def _several_messages(probe: Probe) -> str | None:
    return _form_difference(probe, after_a_tool)


@rule(
    "a closed <think> block before the answer must not matter, even if it holds other answers",
    remedy="read completions with semreward.text.answer_text",
    after="deterministic",
)
def _reasoning_ignored(probe: Probe) -> str | None:
    batch, rows = probe.in_form(plain)
    answers = batch["completions"]
    thought = "\n".join([THOUGHT, *map(remove_reasoning, answers)])
    for opening, where in (("<think>", ""), ("", "with the opening tag left to the chat template, ")):
        texts = [f"{opening}{thought}\n</think>\n{answer}" for answer in answers]
        values = probe.values(_with_texts(probe, rows, texts))
        if difference := probe.difference(values, [probe.expected[row] for row in rows]):
            return where + difference
    return None


@rule(
    "a completion that is cut off while reasoning must earn what an empty one earns, even if its reasoning holds the "
    "answer",
    remedy="read completions with semreward.text.answer_text",
    after="reasoning_ignored",
)
def _unfinished_reasoning(probe: Probe) -> str | None:
    batch, rows = probe.in_form(plain)
    empty = probe.outcome(_with_texts(probe, rows, [""] * len(rows)))
    if isinstance(empty, Exception):
        raise NotApplicableError(f"empty completions raise {type(empty).__name__}")
    unfinished = [f"<think>{THOUGHT}\n{remove_reasoning(answer)}" for answer in batch["completions"]]
    return probe.difference(probe.values(_with_texts(probe, rows, unfinished)), empty)


def _with_texts(probe: Probe, rows: list[int], texts: list[str]) -> Batch:
    """The given examples with other texts as their completions, each in the form that it has."""
    batch = take(probe.batch, rows)
    pairs = zip(batch["completions"], texts, strict=True)
    return {**batch, "completions": [form_of(completion)(text, "assistant") for completion, text in pairs]}


FORM_RULES = (
    _plain_form,
    _conversational_form,
    _content_parts_form,
    _several_messages,
    _reasoning_ignored,
    _unfinished_reasoning,
)
