"""Rules of the forms that completions come in: texts, messages, content parts, with and without reasoning."""

from semreward.testing.probe import (
    REASONING,
    UNFINISHED_REASONING,
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
    said,
    take,
    text_of,
)


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
    "a closed <think> block before the answer must not matter",
    remedy="read completions with semreward.text.answer_text",
    after="deterministic",
)
def _reasoning_ignored(probe: Probe) -> str | None:
    if difference := _text_difference(probe, REASONING):
        return difference
    difference = _text_difference(probe, REASONING.removeprefix("<think>"))
    return difference and f"with the opening tag left to the chat template, {difference}"


@rule(
    "a completion that is cut off while reasoning must earn what an empty one earns",
    remedy="read completions with semreward.text.answer_text",
    after="reasoning_ignored",
)
def _unfinished_reasoning(probe: Probe) -> str | None:
    outcome, empty = probe.outcome_of_texts([UNFINISHED_REASONING]), probe.outcome_of_texts([""])
    if isinstance(empty, Exception):
        raise NotApplicableError(f"an empty completion raises {type(empty).__name__}")
    return f"it raised {said(outcome)}" if isinstance(outcome, Exception) else probe.difference(outcome, empty)


def _text_difference(probe: Probe, before: str) -> str | None:
    """What changes where a text stands before every answer."""
    _, rows = probe.in_form(plain)
    batch = take(probe.batch, rows)
    batch["completions"] = [
        form_of(completion)(before + (text_of(completion) or ""), "assistant") for completion in batch["completions"]
    ]
    return probe.difference(probe.values(batch), [probe.expected[row] for row in rows])


FORM_RULES = (
    _plain_form,
    _conversational_form,
    _content_parts_form,
    _several_messages,
    _reasoning_ignored,
    _unfinished_reasoning,
)
