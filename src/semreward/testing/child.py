"""A new Python process that calls a pickled reward: first as the worker of TRL's AsyncGRPO does, then plainly."""

import asyncio
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_all, is_async, reward_name

_TIMEOUT_S = 300
_PROGRAM = "from semreward.testing.child import answer_parent; answer_parent()"
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}


def call_in_child(content: bytes) -> tuple[str, list[Any], Any] | str:
    """Call a reward in a new process that sees no GPU, for at most five minutes.

    Args:
        content: The reward, the arguments of a plain call, and a list of those of concurrent calls, which come first;
            pickled.

    Returns:
        The reward's name there, the values of the plain call and those of each concurrent call (or what one raised, in
        words). If the process failed, only a string that says how.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.pickle")
        done = subprocess.run(  # noqa: S603 - this interpreter, a fixed program
            [sys.executable, "-c", _PROGRAM, str(answer)],
            input=content,
            capture_output=True,
            env={**os.environ, **_NO_GPU, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            return f"it ended with status {done.returncode}: {lines[-1]}"
        found: tuple[str, list[Any], Any] = pickle.loads(answer.read_bytes())  # noqa: S301 - written by that process
    return found


def answer_parent() -> None:
    """In the new process: call the reward from standard input, and write its name and values into a file."""
    reward, batch, concurrent = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - written by the parent
    answers = call_concurrently(reward, concurrent)
    values = list(call_all([reward], batch)[0])
    Path(sys.argv[1]).write_bytes(pickle.dumps((reward_name(reward), values, answers)))


def call_concurrently(reward: RewardFunction, calls: Sequence[Mapping[str, Any]]) -> list[list[Any]] | str:
    """The values of every call, or what one raised. Coroutines share one event loop; other calls run in threads."""

    async def gather() -> list[Any]:
        return await asyncio.gather(
            *(reward(**call) if is_async(reward) else asyncio.to_thread(reward, **call) for call in calls)  # type: ignore[arg-type] # awaitable by the first branch
        )

    try:
        return [list(values) for values in asyncio.run(gather())]
    except Exception as error:  # noqa: BLE001 - a reward may raise anything
        return f"{type(error).__name__}: {error}"
