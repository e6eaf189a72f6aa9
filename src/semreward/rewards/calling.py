"""Reward functions of any kind: name and bounds, async or not, and how each kind is called from the other."""

import asyncio
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from semreward.protocols import RewardFunction, RewardValues

if TYPE_CHECKING:
    from semreward.rewards.base import Batch, Outcome, Reward

_T = TypeVar("_T")


def reward_name(reward: object) -> str:
    """The name under which TRL logs a reward function: its (or its partial's function's) `__name__`, or its class's."""
    while isinstance(reward, functools.partial):
        reward = reward.func
    return str(getattr(reward, "__name__", type(reward).__name__))


def reward_bounds(reward: object) -> tuple[float, float] | None:
    """The range, low <= high, that a reward function of any kind declares by an attribute `bounds`; or `None`."""
    while isinstance(reward, functools.partial):
        reward = reward.func
    try:
        low, high = map(float, getattr(reward, "bounds", None))  # type: ignore[arg-type] # anything but a pair is caught
    except (TypeError, ValueError):
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low <= high else None


def is_torch_module(reward: object) -> bool:
    """Whether an object is a `torch.nn.Module`, which trainers take for a sequence classifier; needs no torch."""
    return any(base.__module__.startswith("torch.nn") and base.__name__ == "Module" for base in type(reward).__mro__)


def is_async(reward: object) -> bool:
    """Whether calling a reward function returns a coroutine: an async function, its partial, an async `__call__`."""
    while isinstance(reward, functools.partial):
        reward = reward.func
    return inspect.iscoroutinefunction(reward) or inspect.iscoroutinefunction(getattr(reward, "__call__", None))  # noqa: B004 - its method is looked at


def call_one(reward: RewardFunction, arguments: Mapping[str, Any]) -> Any:
    """Call a reward function of any kind, and await it if it is async."""
    return run_to_end(lambda: reward(**arguments)) if is_async(reward) else reward(**arguments)


def run_to_end(make_coroutine: Callable[[], Any]) -> Any:
    """Run a coroutine to its end, on a thread of its own where this one already runs an event loop (notebooks)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make_coroutine())
    thread = ThreadPoolExecutor(1, thread_name_prefix="semreward-async")
    outcome = thread.submit(copy_context().run, lambda: asyncio.run(make_coroutine()))
    thread.shutdown(wait=False)  # Ctrl-C does not wait for it
    return outcome.result()


@dataclass(frozen=True)
class AsyncReward:
    """A reward whose `__call__` is a coroutine. It runs in a thread, so the event loop stays free.

    Samples that are awaited together share forward passes. It has its reward's name, pickles, and can be a component of
    a `CompositeReward`. A cancelled call ends at once; its thread runs to the end unseen.

    Example:
        >>> import asyncio
        >>> from semreward import LanguageConsistencyReward
        >>> reward = LanguageConsistencyReward("bo").as_async()
        >>> asyncio.run(reward(completions=["བོད་ཡིག", "Tibetan"]))
        [1.0, 0.0]
    """

    reward: "Reward"

    @property
    def __name__(self) -> str:
        return self.reward.name

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds of the reward."""
        return self.reward.bounds

    async def __call__(self, **arguments: Any) -> RewardValues:
        """Score `N` completions, see the reward's own `__call__`."""
        return await in_thread(functools.partial(self.reward, **arguments))

    async def score(self, batch: "Batch") -> "Outcome":
        """The rewards of a batch, see the reward's own `score`."""
        return await in_thread(functools.partial(self.reward.score, batch))

    def signature(self) -> str:
        """The signature of the reward: awaiting it changes no value."""
        return self.reward.signature()


# Threads of each event loop: enough to fill a forward pass, where the loop's own executor may have as few as five.
_ASYNC_THREADS = 64
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor] = WeakKeyDictionary()


async def in_thread(call: Callable[[], _T]) -> _T:
    """Run a call in a thread, so that the event loop stays free. Nested loops have threads of their own."""
    loop = asyncio.get_running_loop()
    pool = _pools.setdefault(loop, ThreadPoolExecutor(_ASYNC_THREADS, thread_name_prefix="semreward-async"))
    return await loop.run_in_executor(pool, copy_context().run, call)
