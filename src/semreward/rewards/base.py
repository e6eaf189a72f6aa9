"""How our rewards are called: the trainer's call is read once into a `Batch`, scored, logged and answered."""

import dataclasses
import functools
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

import semreward
from semreward.arguments import check_choice, check_column, check_text, is_column, is_nothing
from semreward.errors import ArgumentError, ArgumentTypeError, EncodingError, MissingColumnError
from semreward.protocols import Completion, Encoder, RewardValues
from semreward.rewards.calling import AsyncReward, reward_name
from semreward.text import DEFAULT_ANSWER, Answer, Texts, is_missing_reference, normalise, reference_texts, source_text

logger = logging.getLogger(__name__)

MissingPolicy: TypeAlias = Literal["raise", "none"]
"""A row without its reference, source or language: an error, or a row to which the reward does not apply."""

MISSING_POLICIES: tuple[MissingPolicy, ...] = ("raise", "none")

ErrorPolicy: TypeAlias = Literal["raise", "none"]
"""Rows that cannot be encoded: an error, or rows without a reward."""

SelfReward = TypeVar("SelfReward", bound="Reward")

_TRAINERS_COLUMNS = ("prompts", "completion_ids")  # `None` means absent


@dataclass
class Outcome:
    """What a reward found for the `N` rows of a batch."""

    values: NDArray[np.float64]  # shape (N,); NaN where the reward does not apply, or could not be computed
    metrics: dict[str, float] = field(default_factory=dict)  # by the full name under which they are logged
    extras: dict[str, list[Any]] = field(default_factory=dict)  # columns, likewise; the same ones in every call
    errors: dict[int, EncodingError] = field(default_factory=dict)  # why rows have no value
    parts: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # the components of a composite's values


class Batch:
    """One call of a trainer. Rewards score a batch; the components of a composite share it.

    Errors name column, rule, value, row and remedy: `ArgumentTypeError` for a wrong type, `MissingColumnError` for an
    absent column, `ArgumentError` for the rest.

    Args:
        completions: `N` texts, or `N` lists of messages.
        columns: What else the trainer passed, by name: `prompts`, `completion_ids`, the data set's columns.
        answer: How the answer is found in a completion.
        hooks: The trainer's `log_metric` and `log_extra`, if it offers them.
    """

    def __init__(
        self,
        completions: Sequence[Completion],
        columns: Mapping[str, Any],
        *,
        answer: Callable[[Completion], str] = DEFAULT_ANSWER,
        hooks: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(answer):
            raise ArgumentError(f"`answer` must be an Answer or a callable from completions to texts, got {answer!r}")
        if not is_column(completions):
            raise ArgumentTypeError(
                f"`completions` must be a list of completions, got {type(completions).__name__}; "
                "wrap a single one: completions=[...]"
            )
        for name in _TRAINERS_COLUMNS:
            if columns.get(name) is not None:
                check_column(name, columns[name], len(completions))
        self.completions, self.columns, self.answer = completions, columns, answer
        self.hooks = {name: hook for name, hook in (hooks or {}).items() if hook is not None}
        self._texts: dict[tuple[Any, str, str], list[Any]] = {}

    def __len__(self) -> int:
        return len(self.completions)

    @property
    def arguments(self) -> dict[str, Any]:
        """The call as the trainer made it, for a reward function of any kind."""
        return {"completions": self.completions, **self.columns, **self.hooks}

    @cached_property
    def answers(self) -> list[str]:
        """The answer of each completion, possibly empty."""
        answers = []
        for row, completion in enumerate(self.completions):
            try:
                found: Any = self.answer(completion)
            except ArgumentTypeError as error:
                raise ArgumentTypeError(f"`completions` at row {row}: {error}") from None
            except Exception as error:
                raise ArgumentError(f"`answer` failed at row {row}, for {str(completion)[:80]!r}: {error!r}") from error
            if not isinstance(found, str):
                raise ArgumentTypeError(f"`answer` must return a text, got {found!r} at row {row}")
            answers.append(found if isinstance(self.answer, Answer) else normalise(found))
        return answers

    def column(self, name: str) -> Sequence[Any]:
        """A column that a reward needs, with one value per completion."""
        column: Sequence[Any] | None = self.columns.get(name)
        if column is None:
            given = [key for key, value in self.columns.items() if value is not None or key not in _TRAINERS_COLUMNS]
            raise MissingColumnError(
                f"column `{name}` is {'None' if name in given else 'missing'} (columns of this call: "
                f"{', '.join(sorted(given)) or 'none'}); "
                "add it to the data set, or name the reward's column. TRL drops columns when "
                "`remove_unused_columns=True`"
            )
        check_column(name, column, len(self))
        return column

    def references(self, name: str, on_missing: MissingPolicy = "raise") -> list[Texts | None]:
        """The references of each row, one or several normalised texts; `None` if missing and `on_missing="none"`."""
        return self._read(reference_texts, is_missing_reference, name, on_missing)

    def sources(self, name: str, on_missing: MissingPolicy = "raise") -> list[str | None]:
        """The source of each row: a text, or the texts of all its messages; `None` as for `references`."""
        return self._read(source_text, is_nothing, name, on_missing)

    def _read(
        self, read: Callable[[Any, str, int], Any], is_missing: Callable[[Any], bool], name: str, on_missing: str
    ) -> list[Any]:
        """The texts in a column, read once for all rewards that need it."""
        key = (read, name, on_missing)
        if key not in self._texts:
            self._texts[key] = [
                None if on_missing == "none" and is_missing(value) else read(value, name, row)
                for row, value in enumerate(self.column(name))
            ]
        return self._texts[key]


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

    def as_async(self) -> AsyncReward:
        """This reward as a coroutine function, for trainers that await rewards together; see `AsyncReward`."""
        return AsyncReward(self)


def as_values(array: NDArray[np.float64]) -> RewardValues:
    """One finite float per row; `None` for NaN."""
    values: RewardValues = array.tolist()
    for row in np.flatnonzero(np.isnan(array)):
        values[row] = None
    return values


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
    """The arguments of a partial, a method's object, or a dataclass without a signature."""
    value = getattr(value, "__self__", value)
    if isinstance(value, functools.partial):
        return _settings(value.func) + _rendered((*value.args, *sorted(value.keywords.items())))
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return ""
    return _rendered(tuple((item.name, getattr(value, item.name)) for item in dataclasses.fields(value) if item.repr))


def _quoted(text: str) -> str:
    """A text among others, in quotation marks where it could be taken for several."""
    return repr(text) if any(character in text for character in ",()|'\"") else text
