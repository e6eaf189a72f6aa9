"""Rules of a call's rows, columns and other arguments."""

import contextlib
import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from semreward.rewards.calling import call_all
from semreward.testing.probe import (
    HOSTILE_TEXTS,
    NotApplicableError,
    Probe,
    agree,
    as_trainers_call,
    message,
    parts_of,
    rule,
    said,
    short,
    take,
)


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
    "degenerate completions in the same batch must not change a row's value",
    remedy="score every row by itself, share no budget, mean or scale among them",
    after="deterministic",
)
def _hostile_neighbours(probe: Probe) -> str | None:
    if isinstance(probe.hostile, Exception):
        raise NotApplicableError("degenerate completions raise, see `hostile_texts`")
    neighbours = probe.with_texts(HOSTILE_TEXTS)
    batch = {name: [*column, *neighbours[name]] for name, column in probe.batch.items()}
    return probe.difference(probe.values(batch)[: probe.rows])


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
    "the call of TRL's GRPOTrainer must earn what the plain call earns",
    remedy="accept **kwargs; where prompts or completion_ids decide the value, give examples that have them",
    after="takes_trainer_arguments",
)
def _grpo_call(probe: Probe) -> str | None:
    hooks = {"trainer_state": SimpleNamespace(global_step=1), "log_metric": _ignore, "log_extra": _ignore}
    environments = [SimpleNamespace() for _ in range(probe.rows)]
    return probe.difference(probe.values(as_trainers_call(probe.batch), environments=environments, **hooks))


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
    return _accepted(probe, None)


@rule(
    "a value of a type that nobody expects in a needed column must raise an error or earn None",
    remedy="check the type of each row's value: a number beside a text is equal to none, and earns 0 in silence",
    after="deterministic",
)
def _wrong_type(probe: Probe) -> str | None:
    return _accepted(probe, object())


def _accepted(probe: Probe, value: object) -> str | None:
    """What came of a bad value in each needed column, one row at a time; `None` where it was not accepted."""
    tried = False
    for name in probe.used_columns:
        column = probe.batch[name]
        rows = [row for row in range(probe.rows) if column[row] is not None and probe.expected[row] is not None]
        for row in rows[:1]:
            tried = True
            outcome = probe.outcome({**probe.batch, name: [*column[:row], value, *column[row + 1 :]]})
            if isinstance(outcome, Exception):
                continue
            place = f"with `{name}` {'None' if value is None else 'an object()'} at row {row}"
            if len(outcome) != probe.rows:
                return f"{place}, {len(outcome)} values came back for {probe.rows} completions"
            if outcome[row] is None:
                continue
            if _is_composite(probe.reward):
                raise NotApplicableError("a composite only drops the component that lacks a value; check that one")
            return f"{place}, that row earned {short(outcome[row])}"
    if not tried:
        raise NotApplicableError("no example has a value in a needed column and earns a number")
    return None


def _is_composite(reward: object) -> bool:
    parts = parts_of(reward)
    return len(parts) > 1 or any(map(_is_composite, parts))


ROW_RULES = (
    _inputs_unchanged,
    _ignores_unknown_columns,
    _takes_trainer_arguments,
    _grpo_call,
    _row_order,
    _batch_split,
    _identical_rows,
    _hostile_neighbours,
    _missing_column,
    _mismatched_lengths,
    _missing_value,
    _wrong_type,
)
