"""What every reward of ours shares: called as TRL calls one, it scores a `Batch` and logs."""

import asyncio
import dataclasses
import functools
import logging
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal, TypeAlias, TypeVar, get_args
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

import semreward
from semreward.arguments import check_choice, check_text
from semreward.batch import Batch
from semreward.errors import ArgumentError, EncodingError
from semreward.protocols import Completion, Encoder, RewardValues
from semreward.rewards.calling import reward_name
from semreward.text import DEFAULT_ANSWER, Answer

logger = logging.getLogger(__name__)

ErrorPolicy: TypeAlias = Literal["raise", "none"]
"""What becomes of rows that cannot be encoded: an error, or rows without a reward."""

SelfReward = TypeVar("SelfReward", bound="Reward")
_T = TypeVar("_T")


@dataclass
class Outcome:
    """What a reward found for the `N` rows of a batch."""

    values: NDArray[np.float64]  # shape (N,); NaN where the reward does not apply, or could not be computed
    metrics: dict[str, float] = field(default_factory=dict)  # by the full name under which they are logged
    extras: dict[str, list[Any]] = field(default_factory=dict)  # columns, likewise; the same ones in every call
    errors: dict[int, EncodingError] = field(default_factory=dict)  # why rows have no value
    parts: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # what a composite's values are made of


@dataclass(frozen=True)
class Reward(ABC):
    """A configured reward: an immutable value that is called like a function.

    Args:
        name: Key under which trainers log it; also its `__name__`.
        answer: How the answer is found in a completion: an `Answer`, or any callable of a module from a completion to
            its text. The outermost reward decides: a `CompositeReward` takes it for all of its components.
        on_error: What becomes of rows whose encoder cannot be reached, or cannot encode their texts: `"raise"`, or
            `"none"` to give them no reward. Such calls are logged, and their rows counted in the metric
            `<name>/encoder_errors`. An encoder that fails at every text raises. The outermost reward decides.

    Raises:
        ArgumentError: A parameter is out of its range.
    """

    name: str = field(kw_only=True)
    answer: Answer = field(default=DEFAULT_ANSWER, kw_only=True)
    on_error: ErrorPolicy = field(default="raise", kw_only=True)

    def __post_init__(self) -> None:
        check_text("name", self.name)
        check_choice("on_error", self.on_error, get_args(ErrorPolicy))
        if not callable(self.answer) or "<" in getattr(self.answer, "__qualname__", ""):
            raise ArgumentError(
                f"`answer` must be an Answer or a callable from completions to texts, got {self.answer!r}; lambdas and "
                "functions inside functions do not pickle: write it with def in a module"
            )

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and greatest value that it can return; `None` if it declares none."""
        return (0.0, 1.0)

    def __call__(
        self,
        *,
        completions: Sequence[Completion],
        prompts: Sequence[Any] | None = None,
        completion_ids: Sequence[Any] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> RewardValues:
        """Score `N` completions.

        Args:
            completions: `N` texts, or `N` lists of messages.
            prompts: `N` prompts; used by rewards that name `prompts` as a column.
            completion_ids: `N` lists of token ids; not used.
            log_metric: The trainer's `log_metric(name, value)`, if it offers one.
            log_extra: The trainer's `log_extra(column, values)`, if it offers one.
            **columns: The data set's columns, `N` values each; columns that the reward does not name are ignored.

        Returns:
            `N` values in order, a finite float or `None` each; see the class.

        Raises:
            ArgumentError, ArgumentTypeError: A column is missing, lengths differ, or a row breaks a rule.
            EncoderUnavailableError: An encoder cannot be reached, and `on_error="raise"`.
            EncoderError: An encoder fails at every text, or at one of them, and `on_error="raise"`.
        """
        hooks = {"log_metric": log_metric, "log_extra": log_extra}
        given = {"prompts": prompts, "completion_ids": completion_ids, **columns}
        outcome = self.decided(Batch(completions, given, answer=self.answer, hooks=hooks))
        if log_metric is not None:
            for name, value in outcome.metrics.items():
                log_metric(name, value)
        if log_extra is not None:
            for name, values in outcome.extras.items():
                log_extra(name, values)
        return as_values(outcome.values)

    @abstractmethod
    def score(self, batch: Batch) -> Outcome:
        """The rewards of a batch; errors of encoders are returned per row unless they hold for every text."""

    def decided(self, batch: Batch) -> Outcome:
        """The outcome of a batch after `on_error`: an encoder's error is raised, or logged and counted."""
        outcome = self.score(batch)
        if outcome.errors and self.on_error == "raise":
            raise next(iter(outcome.errors.values()))
        if self.on_error == "none":
            outcome.metrics[f"{self.name}/encoder_errors"] = float(len(outcome.errors))
        if outcome.errors:
            error = next(iter(outcome.errors.values()))
            logger.warning("%s: %d rows get no reward: %s", self.name, len(outcome.errors), error)
        return outcome

    def replace(self: SelfReward, **changes: Any) -> SelfReward:
        """Another reward, equal except for the given parameters."""
        return dataclasses.replace(self, **changes)

    def signature(self) -> str:
        """All that decides the values, on one line: parameters, the encoder's fingerprint, the package's version."""
        parameters = [
            f"{item.name}:{_rendered(getattr(self, item.name))}" for item in dataclasses.fields(self) if item.init
        ]
        return "|".join([type(self).__qualname__, *sorted(parameters), f"semreward:{semreward.__version__}"])

    def as_async(self) -> "AsyncReward":
        """This reward as a coroutine function, for trainers that await rewards together; see `AsyncReward`."""
        return AsyncReward(self)


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

    reward: Reward

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

    async def score(self, batch: Batch) -> Outcome:
        """The rewards of a batch, see the reward's own `score`."""
        return await in_thread(functools.partial(self.reward.score, batch))

    def signature(self) -> str:
        """The signature of the reward: awaiting it changes no value."""
        return self.reward.signature()


# Threads of each event loop: enough to fill a forward pass, where the loop's own executor may have as few as five.
_ASYNC_THREADS = 64
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor] = WeakKeyDictionary()


async def in_thread(call: Callable[[], _T]) -> _T:
    """What a call returns, made in a thread: the event loop stays free. Nested loops have threads of their own."""
    loop = asyncio.get_running_loop()
    pool = _pools.setdefault(loop, ThreadPoolExecutor(_ASYNC_THREADS, thread_name_prefix="semreward-async"))
    return await loop.run_in_executor(pool, copy_context().run, call)


def as_values(array: NDArray[np.float64]) -> RewardValues:
    """One finite float per row; `None` for NaN."""
    values: RewardValues = array.tolist()
    for row in np.flatnonzero(np.isnan(array)):
        values[row] = None
    return values


def reward_bounds(reward: object) -> tuple[float, float] | None:
    """The range, low <= high, that a reward function of any kind declares by an attribute `bounds`; or `None`."""
    while isinstance(reward, functools.partial):
        reward = reward.func
    try:
        low, high = map(float, getattr(reward, "bounds", None))  # type: ignore[arg-type] # anything but a pair is caught
    except (TypeError, ValueError):
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low <= high else None


def in_one_order(values: Iterable[_T]) -> tuple[_T, ...]:
    """A collection as a tuple; sets in an order that is the same in every process."""
    return tuple(sorted(values, key=str) if isinstance(values, (set, frozenset)) else values)


def _rendered(value: object) -> str:
    if callable(signature := getattr(value, "signature", None)) and not isinstance(value, type):
        return f"[{signature()}]"
    if isinstance(value, (tuple, list)):
        return "(" + ",".join(_quoted(item) if isinstance(item, str) else _rendered(item) for item in value) + ")"
    if isinstance(value, (set, frozenset)):
        return "{" + ",".join(sorted(map(str, value))) + "}"
    if isinstance(value, re.Pattern):
        value = f"re:{value.flags}:{value.pattern!r}"
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (str, Real, Answer)) or value is None:
        return str(value)
    if not callable(value) and not isinstance(value, Encoder) and " at 0x" not in (text := repr(value)):
        return text
    fingerprint = getattr(value, "fingerprint", "")
    called = reward_name(value) + _settings(value)
    return fingerprint if isinstance(value, Encoder) else ":".join(filter(None, (called, fingerprint)))


def _settings(value: object) -> str:
    """What a partial, or a dataclass without a signature, was made with."""
    if isinstance(value, functools.partial):
        return _rendered((*value.args, *sorted(value.keywords.items())))
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return ""
    return _rendered(tuple((item.name, getattr(value, item.name)) for item in dataclasses.fields(value) if item.repr))


def _quoted(text: str) -> str:
    """A text among others, in quotation marks where it could be taken for several."""
    return repr(text) if any(character in text for character in ",()|'\"") else text
