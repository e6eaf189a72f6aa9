"""Rules of how a reward behaves in threads, in other processes and towards the trainer's log."""

import copy
import math
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from semreward.protocols import RewardFunction
from semreward.rewards.base import AsyncReward
from semreward.rewards.calling import call_all, reward_name, run_to_end
from semreward.rewards.composite import CompositeReward
from semreward.testing.probe import Batch, NotApplicableError, Probe, rule, short, take

_THREADS = 8
_CALLS_A_THREAD = 2
_SPAWN_TIMEOUT_S = 300
_CHILD = "from semreward.testing.conduct import answer_parent; answer_parent()"


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
    batches = [
        take(probe.batch, ((row + shift) % probe.rows for row in range(probe.rows))) for shift in range(_THREADS)
    ]
    expected = [probe.values(batch) for batch in batches]
    start = threading.Barrier(_THREADS)

    def call(batch: Batch) -> list[list[Any]]:
        start.wait()
        return [probe.values(batch) for _ in range(_CALLS_A_THREAD)]

    with ThreadPoolExecutor(_THREADS) as pool:
        answers = list(pool.map(call, batches))
    for answer, wanted in zip(answers, expected, strict=True):
        for values in answer:
            if difference := probe.difference(values, wanted):
                return difference
    return None


@rule(
    "a pickled copy must load and earn the same values",
    remedy="define the reward at module level, and leave models, clients and locks out in __getstate__",
    after="deterministic",
)
def _pickles(probe: Probe) -> str | None:
    _, twin = _pickled(probe)
    if reward_name(twin) != probe.name:
        return f"{probe.name!r} came back as {reward_name(twin)!r}"
    return probe.difference(list(call_all([twin], copy.deepcopy(probe.batch))[0]))


@rule(
    "`signature()` must return a constant string that survives pickling",
    remedy="render parameters, not objects or addresses",
    after="pickles",
)
def _signature(probe: Probe) -> str | None:
    render = getattr(probe.reward, "signature", None)
    if not callable(render):
        raise NotApplicableError("the reward has no `signature()`")
    first = render()
    if not isinstance(first, str) or not first:
        return f"it returned {short(first)}"
    twin: Any = _pickled(probe)[1]
    second = twin.signature()
    return None if second == first else f"{short(first)} came back as {short(second)}"


@rule(
    "a pickled copy must earn the same values in a spawned process",
    remedy="open what the reward needs at its first call in each process",
    after="pickles",
)
def _spawned_process(probe: Probe) -> str | None:
    if not probe.spawn:
        raise NotApplicableError("spawn=False")
    content, _ = _pickled(probe)
    if b"__main__" in content:
        raise NotApplicableError("the reward is defined in __main__, which a new process lacks; move it to a module")
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.pickle")
        done = subprocess.run(  # noqa: S603 - this interpreter, a fixed program
            [sys.executable, "-c", _CHILD, str(answer)],
            input=pickle.dumps((content, probe.batch)),
            capture_output=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=_SPAWN_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            return f"it ended with status {done.returncode}: {lines[-1]}"
        name, values = pickle.loads(answer.read_bytes())  # noqa: S301 - written by that process
    return probe.difference(values) if name == probe.name else f"{probe.name!r} is called {name!r} there"


def answer_parent() -> None:
    """In the new interpreter: call the reward that standard input carries, and write down its name and values."""
    content, batch = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - written by the parent
    reward = pickle.loads(content)  # noqa: S301
    values = list(call_all([reward], batch)[0])
    Path(sys.argv[1]).write_bytes(pickle.dumps((reward_name(reward), values)))


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


def _pickled(probe: Probe) -> tuple[bytes, RewardFunction]:
    content = pickle.dumps(probe.reward)
    return content, pickle.loads(content)  # noqa: S301 - just written


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
    reward = reward.reward if isinstance(reward, AsyncReward) else reward
    parts = reward.rewards if isinstance(reward, CompositeReward) else []
    return (reward_name(reward), *(name for part in parts for name in _own_names(part)))


def _misnamed(probe: Probe, key: object) -> str | None:
    names = _own_names(probe.reward)
    if isinstance(key, str) and key.startswith(names):
        return None
    return f"{short(key)} was logged, which does not start with {' or '.join(map(repr, names))}"


CONDUCT_RULES = (
    _inside_event_loop,
    _threads,
    _pickles,
    _spawned_process,
    _signature,
    _log_columns,
    _log_metrics,
)
