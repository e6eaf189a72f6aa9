"""Rules of what a reward is, takes and returns.

A check returns `None` where its rule holds, and otherwise says what came instead. The reward only sees copies of the
examples, so that breaking one rule (changing its inputs, say) does not fail the checks of the others.
"""

import contextlib
import copy
import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from semreward.rewards.base import AsyncReward
from semreward.rewards.calling import call_all, is_torch_module, reward_name
from semreward.rewards.composite import CompositeReward
from semreward.testing.probe import (
    HOSTILE_TEXTS,
    REASONING,
    Form,
    NotApplicableError,
    Probe,
    agree,
    content_parts,
    form_of,
    message,
    plain,
    reasoned_message,
    rule,
    said,
    short,
    take,
    text_of,
)


@rule(
    "a reward must not be a torch.nn.Module, which trainers take for a sequence classifier",
    remedy="hold the model in a plain class that calls it",
)
def _not_a_module(probe: Probe) -> str | None:
    return f"{type(probe.reward).__name__} derives from it" if is_torch_module(probe.reward) else None


@rule(
    "a reward must be callable by keyword: completions, prompts where there are any, and the columns",
    remedy="accept `completions`, the columns it needs and **kwargs, and check the examples",
)
def _called_by_keyword(probe: Probe) -> str | None:
    _ = probe.output  # raises what the reward raises
    return None


@rule(
    "a reward's name becomes a metric key: a constant string without blanks and angle brackets",
    remedy="give it a `__name__`, or define it with `def`",
)
def _stable_name(probe: Probe) -> str | None:
    name = getattr(probe.reward, "__name__", probe.name)
    if not isinstance(name, str):
        return f"`__name__` is {short(name)}"
    if not probe.name or not probe.name.isprintable() or any(sign.isspace() or sign in "<>" for sign in probe.name):
        return f"its name is {probe.name!r}"
    now = reward_name(probe.reward)
    return None if now == probe.name else f"it was {probe.name!r} first and {now!r} later"


@rule(
    "a reward must return one value a completion, in a list",
    remedy="return a list as long as `completions`, with None where the reward does not apply",
    after="called_by_keyword",
)
def _one_value_a_completion(probe: Probe) -> str | None:
    output = probe.output
    if inspect.iscoroutine(output):
        output.close()
        return "a coroutine came from a callable that is not `async def`, which trainers do not await"
    if not hasattr(output, "__len__") or isinstance(output, (str, bytes, Mapping)):
        return f"{type(output).__name__} came back: {short(output)}"
    return None if len(output) == probe.rows else f"{len(output)} values came back for {probe.rows} completions"


def _seen(probe: Probe) -> Iterator[tuple[str, Any]]:
    """Values of the examples and, if they earn any, of hostile texts, each after the place where it was earned."""
    yield from ((f"row {row}", value) for row, value in enumerate(probe.expected))
    yield from _seen_for_hostile_texts(probe)


def _seen_for_hostile_texts(probe: Probe) -> Iterator[tuple[str, Any]]:
    values = [] if isinstance(probe.hostile, Exception) else probe.hostile
    yield from ((f"the completion {short(text)}", value) for text, value in zip(HOSTILE_TEXTS, values, strict=False))


@rule(
    "values must be Python floats or None, in a list",
    remedy="convert them: [None if value is None else float(value) for value in values]",
    after="one_value_a_completion",
)
def _python_floats(probe: Probe) -> str | None:
    if not isinstance(probe.output, (list, tuple)):
        return f"{type(probe.output).__name__} came back"
    for place, value in _seen(probe):
        if value is not None and type(value) is not float:
            return f"{place} earned {short(value)} ({type(value).__name__})"
    return None


@rule("values must be finite", remedy="return None where the reward does not apply", after="one_value_a_completion")
def _finite_values(probe: Probe) -> str | None:
    return _not_finite((f"row {row}", value) for row, value in enumerate(probe.expected))


def _not_finite(values: Iterable[tuple[str, Any]]) -> str | None:
    for place, value in values:
        with contextlib.suppress(TypeError, ValueError):  # that a value must be a number is a rule of its own
            if value is not None and not math.isfinite(value):
                return f"{place} earned {value}"
    return None


@rule(
    "values must lie in the declared range",
    remedy="clip them, or declare the true range",
    after="one_value_a_completion",
)
def _within_bounds(probe: Probe) -> str | None:
    if probe.bounds is None:
        raise NotApplicableError("no range is declared; pass bounds=(low, high)")
    low, high = probe.bounds
    for place, value in _seen(probe):
        if value is not None and (value < low or value > high):
            return f"{place} earned {short(value)}, outside [{low}, {high}]"
    return None


@rule(
    "a reward must apply to an example at least, or nothing is checked",
    remedy="give examples that earn a number",
    after="one_value_a_completion",
)
def _applies_to_examples(probe: Probe) -> str | None:
    return "every row earned None" if all(value is None for value in probe.expected) else None


@rule(
    "equal calls must earn equal values",
    remedy="seed or drop what is random, keep no state",
    after="one_value_a_completion",
)
def _deterministic(probe: Probe) -> str | None:
    return probe.difference(probe.values())


@rule(
    "every completion must earn a finite value or None",
    remedy="give degenerate completions a documented value, such as 0.0",
    after="one_value_a_completion",
)
def _hostile_texts(probe: Probe) -> str | None:
    if isinstance(probe.hostile, Exception):
        for text in HOSTILE_TEXTS:
            if isinstance(outcome := probe.outcome_of_texts([text]), Exception):
                return f"the completion {short(text)} raised {said(outcome)}"
        return f"{len(HOSTILE_TEXTS)} completions together raised {said(probe.hostile)}"
    if len(probe.hostile) != len(HOSTILE_TEXTS):
        return f"{len(probe.hostile)} values came back for {len(HOSTILE_TEXTS)} completions"
    return _not_finite(_seen_for_hostile_texts(probe))


@rule("an empty batch must earn an empty list", remedy="return [] for no completions", after="one_value_a_completion")
def _empty_batch(probe: Probe) -> str | None:
    output = probe.call({name: [] for name in probe.batch})
    return None if hasattr(output, "__len__") and len(output) == 0 else f"{short(output)} came back"


@rule("the order of rows must not matter", remedy="score every row by itself", after="deterministic")
def _row_order(probe: Probe) -> str | None:
    if all(agree(value, probe.expected[0], probe.tolerance) for value in probe.expected):
        raise NotApplicableError("all rows earn the same; give examples that earn different values")
    order = list(reversed(range(probe.rows)))
    difference = probe.difference(probe.values(take(probe.batch, order)), [probe.expected[row] for row in order])
    return difference and f"in reversed order, {difference}"


@rule("a row's value must not depend on the batch", remedy="score every row by itself", after="deterministic")
def _batch_split(probe: Probe) -> str | None:
    if probe.rows == 1:
        raise NotApplicableError("there is one example only; give at least two")
    singles = [probe.values(take(probe.batch, [row])) for row in range(probe.rows)]
    difference = probe.difference([value for values in singles for value in values])
    return difference and f"called for one row at a time, {difference}"


@rule(
    "identical rows must earn identical values, those that they earn alone",
    remedy="score every row by itself, each distinct text once",
    after="deterministic",
)
def _identical_rows(probe: Probe) -> str | None:
    doubled = probe.values(take(probe.batch, [*range(probe.rows), *range(probe.rows)]))
    if difference := probe.difference(doubled, probe.expected * 2):
        return f"with every row there twice, {difference}"
    for row in range(probe.rows):
        first, second = doubled[row], doubled[row + probe.rows]
        if not agree(first, second, 0.0):
            return f"row {row} earned {short(first)} and its copy {short(second)}"
    return None


@rule(
    "a reward must not change its inputs",
    remedy="copy before changing, get() not pop()",
    after="one_value_a_completion",
)
def _inputs_unchanged(probe: Probe) -> str | None:
    batches = [copy.deepcopy(probe.batch)]
    with contextlib.suppress(NotApplicableError):
        batches.append(copy.deepcopy(probe.in_form(message)[0]))
    for batch in batches:
        before = copy.deepcopy(batch)
        with contextlib.suppress(Exception):  # what cannot be called is told by other checks
            call_all([probe.reward], batch)
        for name, column in before.items():
            if not _same(column, batch[name]):
                return f"`{name}` was another one after the call"
    return None


def _same(first: Any, second: Any) -> bool:
    if type(first) is not type(second):
        return False
    if isinstance(first, Mapping):
        return list(first) == list(second) and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(_same, first, second))
    try:
        return first is second or bool(first == second)
    except (TypeError, ValueError):  # arrays compare element by element
        return repr(first) == repr(second)


@rule(
    "columns that a reward does not need must not matter",
    remedy="accept **kwargs and ignore them",
    after="deterministic",
)
def _ignores_unknown_columns(probe: Probe) -> str | None:
    return probe.difference(probe.values(column_that_nobody_knows=[None] * probe.rows))


@rule(
    "prompts=None, completion_ids=None, trainer_state, log_metric and log_extra must be accepted",
    remedy="accept **kwargs, and take them neither for columns nor for lists",
    after="deterministic",
)
def _takes_trainer_arguments(probe: Probe) -> str | None:
    absent = {name: None for name in ("prompts", "completion_ids") if name not in probe.batch}
    state = SimpleNamespace(global_step=1, epoch=0.0, max_steps=10)
    return probe.difference(probe.values(trainer_state=state, log_metric=_ignore, log_extra=_ignore, **absent))


def _ignore(*arguments: Any, **named: Any) -> None:
    """A trainer's hook that drops what it gets."""


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
    "a closed <think> block before the answer must not matter",
    remedy="read completions with semreward.text.answer_text",
    after="deterministic",
)
def _reasoning_ignored(probe: Probe) -> str | None:
    _, rows = probe.in_form(plain)
    batch = take(probe.batch, rows)
    batch["completions"] = [
        form_of(completion)(REASONING + (text_of(completion) or ""), "assistant") for completion in batch["completions"]
    ]
    return probe.difference(probe.values(batch), [probe.expected[row] for row in rows])


@rule(
    "a needed column that is absent must raise an error that names it",
    remedy="look it up and raise, give no default",
    after="deterministic",
)
def _missing_column(probe: Probe) -> str | None:
    if not probe.without:
        raise NotApplicableError("the examples have no column beside completion and prompt")
    for name, outcome in probe.without.items():
        if isinstance(outcome, Exception):
            if name not in str(outcome):
                return f"without `{name}` it raised {said(outcome)}, which does not name the column"
        elif difference := probe.difference(outcome):
            return f"without `{name}` it raised nothing, and {difference}"
    return None


@rule(
    "a needed column of another length must raise an error",
    remedy="compare the lengths, zip(..., strict=True)",
    after="deterministic",
)
def _mismatched_lengths(probe: Probe) -> str | None:
    for name in probe.used_columns:
        column = probe.batch[name]
        for wrong in (column[:-1], [*column, column[-1]]):
            if not isinstance(probe.outcome({**probe.batch, name: wrong}), Exception):
                return f"{len(wrong)} values of `{name}` for {probe.rows} completions raised nothing"
    return None


@rule(
    "None in a needed column must raise an error or earn None",
    remedy="check the value of each row",
    after="deterministic",
)
def _missing_value(probe: Probe) -> str | None:
    tried = False
    for name in probe.used_columns:
        column = probe.batch[name]
        rows = [row for row in range(probe.rows) if column[row] is not None and probe.expected[row] is not None]
        for row in rows[:1]:
            tried = True
            outcome = probe.outcome({**probe.batch, name: [*column[:row], None, *column[row + 1 :]]})
            if isinstance(outcome, Exception):
                continue
            if len(outcome) != probe.rows:
                return f"with `{name}` None at row {row}, {len(outcome)} values came back for {probe.rows} completions"
            if outcome[row] is None:
                continue
            reward = probe.reward.reward if isinstance(probe.reward, AsyncReward) else probe.reward
            if isinstance(reward, CompositeReward):
                raise NotApplicableError("a composite only drops the component that lacks a value; check that one")
            return f"with `{name}` None at row {row}, that row earned {short(outcome[row])}"
    if not tried:
        raise NotApplicableError("no example has a value in a needed column and earns a number")
    return None


VALUE_RULES = (
    _not_a_module,
    _called_by_keyword,
    _stable_name,
    _one_value_a_completion,
    _python_floats,
    _finite_values,
    _within_bounds,
    _applies_to_examples,
    _deterministic,
    _hostile_texts,
    _empty_batch,
    _inputs_unchanged,
    _ignores_unknown_columns,
    _takes_trainer_arguments,
    _row_order,
    _batch_split,
    _identical_rows,
    _plain_form,
    _conversational_form,
    _content_parts_form,
    _reasoning_ignored,
    _missing_column,
    _mismatched_lengths,
    _missing_value,
)
