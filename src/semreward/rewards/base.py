"""The calling convention of rewards, once: names, columns, rows, logging, signatures.

A reward is called as TRL calls one: by keyword, with lists of equal length. `Reward` is what every configured reward of
ours shares; `CompletionReward` adds reading the answers out of the completions and checking rows.
"""

import asyncio
import dataclasses
import functools
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

import semreward
from semreward.errors import ArgumentError, ArgumentTypeError, MissingColumnError
from semreward.protocols import Completion, Encoder, RewardValues
from semreward.rewards.calling import reward_name
from semreward.text import REASONING_POLICIES, ReasoningPolicy, answer_text, normalise

LogMetric: TypeAlias = Callable[[str, float], None]
LogExtra: TypeAlias = Callable[[str, list[Any]], None]

MissingPolicy: TypeAlias = Literal["raise", "none"]
"""What a row without its reference or language is: an error, or a row to which the reward does not apply."""

MISSING_POLICIES: tuple[MissingPolicy, ...] = ("raise", "none")

SelfReward = TypeVar("SelfReward", bound="Reward")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Reward(ABC):
    """A configured reward: an immutable value that is called like a function.

    Args:
        name: Key under which trainers log it; also its `__name__`.
    """

    name: str = field(kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ArgumentError(f"`name` must be a non-empty string, got {self.name!r}")

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and greatest value that it can return, both finite; `None` where it declares none."""
        return None

    @abstractmethod
    def __call__(
        self,
        *,
        completions: Sequence[Completion],
        prompts: Sequence[Any] | None = None,
        completion_ids: Sequence[Any] | None = None,
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **columns: Any,
    ) -> RewardValues:
        """Score `N` completions; returns `N` values, one finite float or `None` each, in order."""

    def replace(self: SelfReward, **changes: Any) -> SelfReward:
        """Another reward, equal but for the given parameters.

        Raises:
            TypeError: A parameter does not exist.
        """
        return dataclasses.replace(self, **changes)

    def signature(self) -> str:
        """All that decides the numbers, on one line: parameters, the encoder's fingerprint, the package version."""
        parameters = [f"{item.name}:{_rendered(getattr(self, item.name))}" for item in dataclasses.fields(self)]
        return "|".join([type(self).__qualname__, *sorted(parameters), f"semreward:{semreward.__version__}"])

    def as_async(self) -> "AsyncReward":
        """This reward as a coroutine function, for trainers that await rewards together; see `AsyncReward`."""
        return AsyncReward(self)


@dataclass(frozen=True)
class AsyncReward:
    """A reward whose `__call__` is a coroutine: it runs in a thread and leaves the event loop free.

    Trainers that await many samples at once lose nothing by it: the encoder's worker takes all that are under way in
    one forward pass. It has its reward's name, pickles, and takes its place in a `CompositeReward`. A call that is
    cancelled ends at once; what its thread had begun runs to its end unseen.

    Args:
        reward: The reward that is called.

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
        if _on_async_thread.get():  # inside another one; if all threads waited for a further one, none would end
            return self.reward(**arguments)
        context = copy_context()
        context.run(_on_async_thread.set, True)
        call = functools.partial(context.run, self.reward, **arguments)
        return await asyncio.get_running_loop().run_in_executor(_async_threads(), call)

    def signature(self) -> str:
        """The signature of the reward: awaiting it changes no number."""
        return self.reward.signature()


# Enough callers to fill a forward pass; the default executor of an event loop has as few as five on a small machine.
_ASYNC_THREADS = 64

_on_async_thread: ContextVar[bool] = ContextVar("semreward_on_async_thread", default=False)


@functools.lru_cache(maxsize=1)
def _async_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_ASYNC_THREADS, thread_name_prefix="semreward-async")


if hasattr(os, "register_at_fork"):  # a forked child has none of these threads
    os.register_at_fork(after_in_child=_async_threads.cache_clear)


@dataclass(frozen=True)
class Scores:
    """What a reward found out about `N` completions.

    Attributes:
        values: One float or `None` a completion.
        metrics: Numbers about the whole call, logged as `<reward name>/<key>`.
        extras: Columns of one value a completion, logged as `<reward name>/<key>`; the same ones at every call.
    """

    values: RewardValues
    metrics: Mapping[str, float] = field(default_factory=dict)
    extras: Mapping[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class CompletionReward(Reward):
    """A reward that judges each completion's answer text, alone or against columns of its row.

    Its values lie in [0, 1]; a subclass with other values says so by a `bounds` property of its own.

    Args:
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.
    """

    reasoning: ReasoningPolicy = field(default="remove", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reasoning not in REASONING_POLICIES:
            raise ArgumentError(f"`reasoning` must be one of {', '.join(REASONING_POLICIES)}; got {self.reasoning!r}")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and greatest value that it can return: 0 and 1."""
        return (0.0, 1.0)

    def __call__(
        self,
        *,
        completions: Sequence[Completion],
        prompts: Sequence[Any] | None = None,
        completion_ids: Sequence[Any] | None = None,
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **columns: Any,
    ) -> RewardValues:
        """Score `N` completions.

        Args:
            completions: `N` texts, or `N` lists of messages.
            prompts: `N` prompts; used by rewards that name `prompts` among their columns.
            completion_ids: `N` lists of token ids, not used.
            log_metric: The trainer's `log_metric(name, value)`, if it offers one.
            log_extra: The trainer's `log_extra(column, values)`, if it offers one.
            **columns: The data set's columns, `N` values each; those that the reward does not name are ignored.

        Returns:
            `N` values in order; see the class for their range and for what `None` means.

        Raises:
            MissingColumnError: A column that the reward names is absent.
            ArgumentError: Lengths differ, or a row breaks a rule.
            ArgumentTypeError: `completions` or a row has the wrong type.
        """
        check_rows(completions, {"prompts": prompts, "completion_ids": completion_ids})
        answers = answers_of(completions, reasoning=self.reasoning)
        scores = self._score(answers, columns if prompts is None else {**columns, "prompts": prompts})
        if log_metric is not None:
            for key, value in scores.metrics.items():
                log_metric(f"{self.name}/{key}", value)
        if log_extra is not None:
            for key, values in scores.extras.items():
                log_extra(f"{self.name}/{key}", values)
        return scores.values

    @abstractmethod
    def _score(self, answers: list[str], columns: Mapping[str, Any]) -> Scores:
        """Score `N` answer texts (possibly empty), given all columns of the call, and its prompts as `prompts`."""


def reward_bounds(reward: object) -> tuple[float, float] | None:
    """The range that a reward function of any make declares by an attribute `bounds`, its partial's function's for one.

    Returns:
        Two finite numbers, low <= high; `None` where it declares nothing of the kind.
    """
    while isinstance(reward, functools.partial):
        reward = reward.func
    try:
        low, high = map(float, getattr(reward, "bounds", None))  # type: ignore[arg-type] # what is no pair is caught
    except (TypeError, ValueError):
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low <= high else None


def check_rows(completions: Any, others: Mapping[str, Any]) -> None:
    """Raise unless `completions` is a list and every other column that is given has its length."""
    if not is_column(completions):
        raise ArgumentTypeError(
            f"`completions` must be a list of completions, got {type(completions).__name__}; "
            "wrap a single one: completions=[...]"
        )
    for name, column in others.items():
        if column is not None:
            check_column(name, column, len(completions))


def answers_of(completions: Sequence[Completion], *, reasoning: ReasoningPolicy) -> list[str]:
    """The answer texts of completions, see `semreward.text.answer_text`.

    Raises:
        ArgumentTypeError: `completions` is not a list, or one of them is neither text nor messages.
    """
    check_rows(completions, {})
    return [_row_answer(completion, row, reasoning) for row, completion in enumerate(completions)]


def _row_answer(completion: Completion, row: int, reasoning: ReasoningPolicy) -> str:
    try:
        return answer_text(completion, reasoning=reasoning)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"`completions` at row {row}: {error}") from None


def column_of(columns: Mapping[str, Any], name: str, rows: int) -> Sequence[Any]:
    """The column of a call that a reward needs.

    Args:
        columns: All columns of the call.
        name: The column's name.
        rows: How many completions there are.

    Raises:
        MissingColumnError: It is absent or `None`.
        ArgumentError: Its length is not `rows`.
        ArgumentTypeError: It is not a list.
    """
    column = columns.get(name)
    if column is None:
        offered = ", ".join(sorted(columns)) or "none"
        raise MissingColumnError(
            f"column `{name}` is {'None' if name in columns else 'missing'} (columns of this call: {offered}); add it "
            "to the data set, or name the reward's column. TRL drops columns when `remove_unused_columns=True`"
        )
    check_column(name, column, rows)
    found: Sequence[Any] = column
    return found


def check_column(name: str, column: Any, rows: int) -> None:
    """Raise unless a column is a list of `rows` values."""
    if not is_column(column):
        raise ArgumentTypeError(f"`{name}` must be a list with one value a completion, got {type(column).__name__}")
    if len(column) != rows:
        raise ArgumentError(f"`{name}` must have one value a completion: {rows} expected, got {len(column)}")


def in_one_order(values: Iterable[_Item]) -> tuple[_Item, ...]:
    """A collection as a tuple: sets in an order that does not differ from process to process."""
    return tuple(sorted(values, key=str) if isinstance(values, (set, frozenset)) else values)


def is_column(value: object) -> bool:
    """Whether a value can be a column: sized and indexed, but neither a text, a mapping nor an array without axes."""
    if getattr(value, "ndim", 1) == 0:
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, (str, bytes, Mapping))


def references_of(
    columns: Mapping[str, Any], name: str, *, rows: int, on_missing: MissingPolicy
) -> list[tuple[str, ...] | None]:
    """Each row's references as `reference_texts`; `None` for a missing one under `"none"`.

    Raises:
        MissingColumnError: The column is absent.
        ArgumentError: A row's reference is missing under `"raise"`, or one of its list is blank.
        ArgumentTypeError: A row's reference is neither a string nor a list of strings.
    """
    return [
        None if on_missing == "none" and _is_missing(reference) else reference_texts(reference, name, row)
        for row, reference in enumerate(column_of(columns, name, rows))
    ]


def reference_texts(reference: object, name: str, row: int) -> tuple[str, ...]:
    """One row's reference, a string or a list of strings, as a non-empty tuple of normalised, non-empty texts.

    Raises:
        ArgumentError: It is missing, or one of the list is blank.
        ArgumentTypeError: It is neither a string nor a list of strings.
    """
    if _is_missing(reference):
        raise ArgumentError(
            f"`{name}` must be a non-empty string or a list of them, got {reference!r} at row {row}; "
            "drop the row, or let a reward pass it: on_missing='none'"
        )
    texts: Any = [reference] if isinstance(reference, str) else reference
    if not is_column(texts) or not all(isinstance(text, str) for text in texts):
        raise ArgumentTypeError(
            f"`{name}` must be a string or a list of strings, got {str(reference)[:80]!r} "
            f"({type(reference).__name__}) at row {row}; give the plain text"
        )
    normal = tuple(normalise(text) for text in texts)
    if not all(normal):
        raise ArgumentError(f"`{name}` must hold non-empty texts, got a blank one at row {row}; leave it out")
    return normal


def _is_missing(reference: object) -> bool:
    """Whether a row's reference is `None` (or NaN, as pandas has it), blank, or a list of nothing but such."""
    texts: Any = reference if is_column(reference) else [reference]
    return all(_is_blank(text) for text in texts)


def _is_blank(text: object) -> bool:
    if isinstance(text, float):
        return math.isnan(text)
    return text is None or (isinstance(text, str) and not normalise(text))


def check_missing_policy(on_missing: str) -> None:
    """Raise `ArgumentError` unless `on_missing` is a `MissingPolicy`."""
    if on_missing not in MISSING_POLICIES:
        raise ArgumentError(f"`on_missing` must be one of {', '.join(MISSING_POLICIES)}; got {on_missing!r}")


def _quoted(text: str) -> str:
    """A text among others, in quotation marks where it could be taken for several."""
    return repr(text) if any(sign in text for sign in ",()|'\"") else text


def _rendered(value: object) -> str:
    if isinstance(value, (Reward, AsyncReward)):
        return f"[{value.signature()}]"
    if isinstance(value, tuple):
        return "(" + ",".join(_quoted(item) if isinstance(item, str) else _rendered(item) for item in value) + ")"
    if isinstance(value, (set, frozenset)):
        return "{" + ",".join(sorted(map(str, value))) + "}"
    if isinstance(value, (str, int, float)) or value is None:
        return str(value)
    if isinstance(value, Encoder):
        return value.fingerprint
    return reward_name(value)
