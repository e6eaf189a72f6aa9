"""What the rules work with: the reward under test, called on copies of its examples."""

import copy
import math
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_all, reward_name
from semreward.testing.child import call_in_child
from semreward.testing.forms import FORMS, HOSTILE_TEXTS, form_of, text_of

T = TypeVar("T")

Batch: TypeAlias = dict[str, Any]
"""The arguments of a call: `completions`, `prompts` where the examples have them, and the columns."""

_CALLS = 8  # that run at the same time where concurrency is checked


class NotApplicableError(Exception):
    """A rule cannot be checked on this reward, or not with these examples."""


@dataclass
class Probe:
    """A reward under test with its examples. What several rules need is computed once.

    The reward only receives copies of the examples. So a reward that breaks one rule (it changes its inputs, say) does
    not fail the others.
    """

    reward: RewardFunction
    batch: Batch
    tolerance: float
    bounds: tuple[float, float] | None
    ordered: list[Batch]
    secrets: Sequence[str]
    spawn: bool

    def __post_init__(self) -> None:
        self.rows = range(len(self.batch["completions"]))
        self.first_signature = self.current_signature()
        self.first_pickle = attempt(pickle.dumps, self.reward)
        name = attempt(reward_name, self.reward)
        self.name = name if isinstance(name, str) else type(self.reward).__name__

    def current_signature(self) -> Any:
        """What `signature()` returns or raises; `None` if the reward has no such method."""
        return attempt(getattr(self.reward, "signature", lambda: None))

    def call(self, batch: Batch) -> Any:
        """What the reward returns for a copy of a batch."""
        return call_all([self.reward], copy.deepcopy(batch))[0]

    def values(self, batch: Batch) -> list[Any]:
        """What the reward returns for a copy of a batch, as a list."""
        return list(self.call(batch))

    def outcome(self, batch: Batch) -> Exception | list[Any]:
        """The values for a batch, or the exception that the reward raised."""
        return attempt(self.values, batch)

    @cached_property
    def output(self) -> Any:
        """What the reward returns for the examples."""
        return self.call(self.batch)

    @cached_property
    def expected(self) -> list[Any]:
        """The values of the examples. Other calls are compared with them."""
        return list(self.output)

    @cached_property
    def hostile(self) -> Exception | list[Any]:
        """What `HOSTILE_TEXTS` earn or raise."""
        return self.outcome(self.with_hostile_texts())

    @cached_property
    def without(self) -> dict[str, Exception | list[Any]]:
        """The outcome without each of the columns beside completions and prompts."""
        return {
            left_out: self.outcome({name: column for name, column in self.batch.items() if name != left_out})
            for left_out in self.batch
            if left_out not in {"completions", "prompts"}
        }

    @cached_property
    def used_columns(self) -> list[str]:
        """The columns without which the reward raises or returns other values."""
        outcomes = self.without.items()
        used = [name for name, found in outcomes if isinstance(found, Exception) or any(self.differences(found))]
        if not used:
            raise NotApplicableError("the reward uses no column of the examples")
        return used

    @cached_property
    def shifted(self) -> list[Batch]:
        """Batches for concurrent calls. Each starts with another row while there are enough."""
        count = len(self.rows)
        return [self.of_rows((row + shift) % count for row in self.rows) for shift in range(_CALLS)]

    @cached_property
    def one_by_one(self) -> list[list[Any]]:
        """The values of the shifted batches, called one after the other."""
        return [self.values(batch) for batch in self.shifted]

    @cached_property
    def texts(self) -> dict[int, str]:
        """The completions that are a single text, by row."""
        texts = {row: text_of(completion) for row, completion in enumerate(self.batch["completions"])}
        found = {row: text for row, text in texts.items() if text is not None}
        if not found:
            raise NotApplicableError("no completion is a single text; add an example whose completion is one")
        return found

    @cached_property
    def child(self) -> Any:
        """What a pickled copy answers in a new process; see `call_in_child`."""
        if not self.spawn:
            raise NotApplicableError("spawn=False")
        if b"__main__" in pickle.dumps(self.reward):
            raise NotApplicableError("the reward is defined in __main__, which new processes lack; move it to a module")
        content = attempt(pickle.dumps, (self.reward, self.batch, [as_trainers_call(batch) for batch in self.shifted]))
        if isinstance(content, Exception):
            raise NotApplicableError(f"the examples cannot be sent to a process: {described(content)}")
        return call_in_child(content)

    def of_rows(self, rows: Iterable[int]) -> Batch:
        """A batch of the given examples."""
        rows = list(rows)
        return {name: [column[row] for row in rows] for name, column in self.batch.items()}

    def with_texts(self, rows: Iterable[int], texts: Iterable[str]) -> Batch:
        """The given rows with other texts as completions, in the form that each row's own completion has."""
        batch = self.of_rows(rows)
        pairs = zip(batch["completions"], texts, strict=True)
        return {**batch, "completions": [FORMS[form_of(old)](text, "assistant") for old, text in pairs]}

    def with_hostile_texts(self, texts: Sequence[str] = HOSTILE_TEXTS) -> Batch:
        """Hostile texts as completions of the first example that earns a number."""
        row = next((row for row, value in enumerate(self.expected) if value is not None), 0)
        return self.with_texts([row] * len(texts), texts)

    def in_form(self, form: str) -> Batch:
        """The rows of `texts` with completions and prompts in another form."""
        batch = self.of_rows(self.texts)
        for name, role in (("completions", "assistant"), ("prompts", "user")):
            if name in batch:
                texts = [(value, text_of(value)) for value in batch[name]]
                batch[name] = [value if text is None else FORMS[form](text, role) for value, text in texts]
        return batch

    def compare(self, batch: Batch, rows: Iterable[int] | None = None, where: str = "") -> Iterator[str]:
        """Call the reward, and yield where its values differ from those of the given examples (by default all)."""
        rows = self.rows if rows is None else rows
        yield from self.differences(self.values(batch), [self.expected[row] for row in rows], where)

    def differences(
        self, values: Sequence[Any], expected: Sequence[Any] | None = None, where: str = ""
    ) -> Iterator[str]:
        """Yield where values differ from the expected ones (by default those of the examples), in words."""
        expected = self.expected if expected is None else expected
        if len(values) != len(expected):
            yield f"{where}{len(values)} values came back for {len(expected)} completions"
        for row, (value, wanted) in enumerate(zip(values, expected, strict=False)):
            if not agree(value, wanted, self.tolerance):
                yield f"{where}row {row} earned {shortened(value)} instead of {shortened(wanted)}"


def attempt(function: Callable[..., T], *arguments: Any) -> T | Exception:
    """What a call returns, or the exception that it raises."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - a reward may raise anything
        return error


def as_trainers_call(batch: Batch) -> Batch:
    """A batch with the prompts and token ids that trainers always pass, made up where the examples lack them."""
    completions = batch["completions"]
    form = FORMS[form_of(completions[0])]
    made_up = {"prompts": [form("?", "user") for _ in completions], "completion_ids": [[1, 2, 3] for _ in completions]}
    return {**made_up, **batch}


def agree(value: Any, expected: Any, tolerance: float) -> bool:
    """Whether two values are the same within a tolerance; `None` agrees with `None` only."""
    if value is None or expected is None:
        return value is expected
    try:
        first, second = float(value), float(expected)
    except (TypeError, ValueError):  # another rule says that values must be numbers
        return bool(value == expected)
    return math.isclose(first, second, rel_tol=0, abs_tol=tolerance) or (math.isnan(first) and math.isnan(second))


def shortened(value: object) -> str:
    """An object in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - stated above


def described(error: Exception) -> str:
    """An exception's type and message."""
    return f"{type(error).__name__}: {error}"
