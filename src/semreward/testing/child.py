"""A new Python process that calls a pickled reward: as the worker of TRL's AsyncGRPO does, then plainly."""

import asyncio
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_all, is_async, reward_name

_TIMEOUT_S = 300
_PROGRAM = "from semreward.testing.child import answer_parent; answer_parent()"
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class ChildAnswer:
    """What came back from the process.

    Attributes:
        failure: Why it ended without an answer; `None` where it answered.
        name: The reward's name there.
        values: What the plain call returned.
        groups: What the calls of groups returned, or what one of them raised, in words.
    """

    failure: str | None
    name: str = ""
    values: Sequence[Any] = ()
    groups: Sequence[Sequence[Any]] | str = ()


def call_in_child(content: bytes, calls: bytes) -> ChildAnswer:
    """Load a pickled reward in a new process that sees no GPU, and call it.

    Args:
        content: The pickled reward.
        calls: Pickled arguments: those of the plain call, which comes last, and a list of those of the calls that come
            first, under way at the same time.

    Raises:
        subprocess.TimeoutExpired: There is no answer after five minutes.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.pickle")
        done = subprocess.run(  # noqa: S603 - this interpreter, a fixed program
            [sys.executable, "-c", _PROGRAM, str(answer)],
            input=pickle.dumps((content, calls)),
            capture_output=True,
            env={**os.environ, **_NO_GPU, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            return ChildAnswer(f"it ended with status {done.returncode}: {lines[-1]}")
        name, values, answers = pickle.loads(answer.read_bytes())  # noqa: S301 - written by that process
    return ChildAnswer(None, name, values, answers)


def answer_parent() -> None:
    """In the new interpreter: call the reward that standard input carries, and write down its name and values."""
    content, calls = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - written by the parent
    reward = pickle.loads(content)  # noqa: S301
    batch, groups = pickle.loads(calls)  # noqa: S301
    answers = _answers(reward, groups)
    values = list(call_all([reward], batch)[0])
    Path(sys.argv[1]).write_bytes(pickle.dumps((reward_name(reward), values, answers)))


def _answers(reward: RewardFunction, groups: Sequence[Mapping[str, Any]]) -> list[list[Any]] | str:
    """Every group's values, or what a call raised. Coroutines share one event loop, everything else runs in threads."""

    async def gather() -> list[Any]:
        return await asyncio.gather(
            *(reward(**group) if is_async(reward) else asyncio.to_thread(reward, **group) for group in groups)  # type: ignore[arg-type] # awaitable by the first branch
        )

    try:
        return [list(values) for values in asyncio.run(gather())]
    except Exception as error:  # noqa: BLE001 - a reward may raise anything
        return f"{type(error).__name__}: {error}"
