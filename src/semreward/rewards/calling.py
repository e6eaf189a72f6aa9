"""How a reward function of any kind is called: its name, whether it is async, and its result, awaited where needed."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from semreward.protocols import RewardFunction


def reward_name(reward: object) -> str:
    """The name under which TRL logs a reward function: its (or its partial's function's) `__name__`, or its class's."""
    while isinstance(reward, functools.partial):
        reward = reward.func
    return str(getattr(reward, "__name__", type(reward).__name__))


def is_torch_module(reward: object) -> bool:
    """Whether an object is a `torch.nn.Module`, which trainers take for a sequence classifier; told without torch."""
    return any(base.__module__.startswith("torch.nn") and base.__name__ == "Module" for base in type(reward).__mro__)


def is_async(reward: object) -> bool:
    """Whether calling a reward function returns a coroutine: an async function, its partial, an async `__call__`."""
    while isinstance(reward, functools.partial):
        reward = reward.func
    return inspect.iscoroutinefunction(reward) or inspect.iscoroutinefunction(getattr(reward, "__call__", None))  # noqa: B004 - its method is looked at


def call_one(reward: RewardFunction, arguments: Mapping[str, Any]) -> Any:
    """What a reward function of any kind returns, awaited if it is async."""
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
