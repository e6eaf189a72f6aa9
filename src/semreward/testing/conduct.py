"""Rules of how a reward behaves in event loops, in threads and towards the trainer's log."""

import asyncio
import copy
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from semreward.rewards.calling import is_async, reward_name, run_to_end
from semreward.testing.probe import CALLS, Batch, NotApplicableError, Probe, parts_of, rule, short, take

_CALLS_A_THREAD = 2


@rule(
    "a reward must work where an event loop is running (notebooks)",
    remedy="run coroutines on a thread of their own, or make the reward `async def`",
    after="deterministic",
)
def _inside_event_loop(probe: Probe) -> str | None:
    async def call() -> list[Any]:
        return probe.values()

    return probe.difference(run_to_end(call))


@rule(
    "concurrent calls from threads must earn what they earn one after the other",
    remedy="keep nothing of a call on the reward, and put a lock around what is shared",
    after="deterministic",
)
def _threads(probe: Probe) -> str | None:
    batches = probe.shifted
    expected = [probe.values(batch) for batch in batches]
    start = threading.Barrier(CALLS)

    def call(batch: Batch) -> list[list[Any]]:
        start.wait()
        return [probe.values(batch) for _ in range(_CALLS_A_THREAD)]

    with ThreadPoolExecutor(CALLS) as pool:
        answers = list(pool.map(call, batches))
    wanted = [values for values in expected for _ in range(_CALLS_A_THREAD)]
    return probe.first_difference([values for answer in answers for values in answer], wanted)


@rule(
    "calls that one event loop awaits together must earn what they earn one after the other",
    remedy="keep nothing of a call on the reward or in its thread while awaiting",
    after="deterministic",
)
def _awaited_together(probe: Probe) -> str | None:
    if not is_async(probe.reward):
        raise NotApplicableError("the reward is not async")
    batches = probe.shifted
    expected = [probe.values(batch) for batch in batches]

    async def call() -> list[Any]:
        return await asyncio.gather(*(probe.reward(**copy.deepcopy(batch)) for batch in batches))  # type: ignore[arg-type] # async, see above

    return probe.first_difference(run_to_end(call), expected)


@rule(
    "every call must log the same columns, each once, one value a row, under the reward's name",
    remedy="log them at every call, as f'{name}/{key}', with None where there is nothing to say",
    after="takes_trainer_arguments",
)
def _log_columns(probe: Probe) -> str | None:
    every_row = range(probe.rows)
    first: list[str] | None = None
    for rows in [list(every_row), *([row] for row in every_row)]:
        extras, _ = _logged(probe, take(probe.batch, rows))
        for column, values in extras:
            if problem := _misnamed(probe, column):
                return problem
            if not hasattr(values, "__len__") or isinstance(values, str) or len(values) != len(rows):
                return f"{column!r} got {short(values)} for {len(rows)} completions"
        columns = sorted(column for column, _ in extras)
        if len(set(columns)) != len(columns):
            return f"a call logged one twice: {', '.join(columns)}"
        first = columns if first is None else first
        if columns != first:
            return f"one call logged {first} and another {columns}"
    return None


@rule(
    "metrics must be finite floats under the reward's name",
    remedy="log f'{name}/{key}', and leave out what is undefined",
    after="takes_trainer_arguments",
)
def _log_metrics(probe: Probe) -> str | None:
    _, metrics = _logged(probe, probe.batch)
    for name, value in metrics:
        if problem := _misnamed(probe, name):
            return problem
        if not isinstance(value, float) or not math.isfinite(value):
            return f"{name!r} got {short(value)}"
    return None


def _logged(probe: Probe, batch: Batch) -> tuple[list[tuple[Any, Any]], list[tuple[Any, Any]]]:
    """What one call hands to `log_extra`, and what to `log_metric`."""
    extras: list[tuple[Any, Any]] = []
    metrics: list[tuple[Any, Any]] = []

    def log_extra(column: Any, values: Any) -> None:
        extras.append((column, values))

    def log_metric(name: Any, value: Any) -> None:
        metrics.append((name, value))

    probe.call(batch, log_extra=log_extra, log_metric=log_metric)
    return extras, metrics


def _own_names(reward: object) -> tuple[str, ...]:
    """Under which names a reward may log: its own and, as metrics belong to components, those of its components."""
    return (reward_name(reward), *(name for part in parts_of(reward) for name in _own_names(part)))


def _misnamed(probe: Probe, key: object) -> str | None:
    names = _own_names(probe.reward)
    if isinstance(key, str) and key.startswith(names):
        return None
    return f"{short(key)} was logged, which does not start with {' or '.join(map(repr, names))}"


CONDUCT_RULES = (
    _inside_event_loop,
    _awaited_together,
    _threads,
    _log_columns,
    _log_metrics,
)
