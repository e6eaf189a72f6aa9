"""What rules are told with: the reward under test, called on copies of its examples; completions in their forms."""

import copy
import math
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_all, reward_name
from semreward.testing.child import ChildAnswer, call_in_child

Batch: TypeAlias = dict[str, list[Any]]
"""The lists of a call: `completions`, `prompts` where the examples have them, and the columns."""

Form: TypeAlias = Callable[[str, str], Any]
"""Makes a completion or a prompt out of a text and a role."""

HOSTILE_TEXTS = (
    "",
    "   ",
    "\n\t",
    "\x00",
    "\ufeff",
    "\u200d",
    "་་། 12",
    "!?…",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁷󠁬󠁳󠁿",
    "e" + "\u0301" * 500,
    "\u202eمرحبا שלום\u202c abc",
    "<think>cut off while reasoning",
    "བོད་" * 2500,
)
"""What policies do produce: blank, unprintable, joined, right to left, unfinished, ten thousand characters."""

CALLS = 8
"""Calls that are under way at the same time, where concurrency is checked."""

THOUGHT = "Hmm, 我想 that བོད means Tibet: 42."
REASONING = f"<think>{THOUGHT}</think>\n"


class NotApplicableError(Exception):
    """A check can tell nothing about this reward, or nothing from these examples."""


@dataclass
class Probe:
    """A reward under test, the batch that it is tested on, and what has to be found out only once.

    Attributes:
        reward: The reward.
        batch: The examples.
        tolerance: How far values of one text may lie apart in two calls.
        bounds: The range that was named for it, if any.
        ordered: Batches of one prompt each, their completions from best to worst.
        secrets: Texts that must show nowhere.
        spawn: Whether a process may be started.
    """

    reward: RewardFunction
    batch: Batch
    tolerance: float
    bounds: tuple[float, float] | None
    ordered: list[Batch]
    secrets: tuple[str, ...]
    spawn: bool

    def __post_init__(self) -> None:
        self.first_signature = self.signature()
        try:
            self.first_pickle = self.pickled
        except Exception:  # noqa: BLE001 - the rule about pickling tells it
            self.first_pickle = b""
        try:
            self.name = reward_name(self.reward)
        except Exception:  # noqa: BLE001 - the rule about names tells it
            self.name = type(self.reward).__name__

    def signature(self) -> Any:
        """What the reward's `signature()` returns, or what it raised; `None` where it has none."""
        render = getattr(self.reward, "signature", None)
        try:
            return render() if callable(render) else None
        except Exception as error:  # noqa: BLE001 - the rule about signatures tells it
            return error

    def call(self, batch: Batch | None = None, **extras: Any) -> Any:
        """What the reward returns for copies of a batch, by default of the examples."""
        return call_all([self.reward], {**copy.deepcopy(self.batch if batch is None else batch), **extras})[0]

    def values(self, batch: Batch | None = None, **extras: Any) -> list[Any]:
        """What `call` returns, as a list."""
        return list(self.call(batch, **extras))

    def outcome(self, batch: Batch) -> Exception | list[Any]:
        """The values for a batch, or what the reward raised."""
        try:
            return self.values(batch)
        except Exception as error:  # noqa: BLE001 - a reward may raise anything
            return error

    @cached_property
    def output(self) -> Any:
        """What the plain call returns."""
        return self.call()

    @cached_property
    def expected(self) -> list[Any]:
        """Its values, with which those of other calls are compared."""
        return list(self.output)

    @property
    def rows(self) -> int:
        """Number of examples."""
        return len(self.batch["completions"])

    @cached_property
    def without(self) -> dict[str, Exception | list[Any]]:
        """For each column beside completions and prompts, what came of leaving it out."""
        columns = [name for name in self.batch if name not in {"completions", "prompts"}]
        return {
            left_out: self.outcome({name: column for name, column in self.batch.items() if name != left_out})
            for left_out in columns
        }

    @property
    def shifted(self) -> list[Batch]:
        """As many batches as calls are under way at a time, each beginning with another row while there are enough."""
        return [take(self.batch, ((row + shift) % self.rows for row in range(self.rows))) for shift in range(CALLS)]

    def first_difference(self, answers: Iterable[Sequence[Any]], expected: Iterable[Sequence[Any]]) -> str | None:
        """The first difference between the values of several calls and those that were expected."""
        pairs = zip(answers, expected, strict=True)
        return next(filter(None, (self.difference(list(values), wanted) for values, wanted in pairs)), None)

    @property
    def used_columns(self) -> list[str]:
        """The columns without which the reward raises or returns other values.

        Raises:
            NotApplicableError: There is none.
        """
        used = [
            name
            for name, outcome in self.without.items()
            if isinstance(outcome, Exception) or self.difference(outcome) is not None
        ]
        if not used:
            raise NotApplicableError("the reward uses no column of the examples")
        return used

    @property
    def pickled(self) -> bytes:
        """The reward as bytes; raises what pickling raises."""
        return pickle.dumps(self.reward)

    @cached_property
    def child(self) -> ChildAnswer:
        """What a pickled copy answers in a new process.

        Raises:
            NotApplicableError: It may not be started, or would lack the reward's definition.
        """
        if not self.spawn:
            raise NotApplicableError("spawn=False")
        content = self.pickled
        if b"__main__" in content:
            raise NotApplicableError("the reward is defined in __main__, which new processes lack; move it to a module")
        groups = [as_trainers_call(batch) for batch in self.shifted]
        try:
            calls = pickle.dumps((self.batch, groups))
        except Exception as error:
            raise NotApplicableError(f"the examples cannot be sent to a process: {said(error)}") from error
        return call_in_child(content, calls)

    @cached_property
    def hostile(self) -> Exception | list[Any]:
        """What came of `HOSTILE_TEXTS`."""
        return self.outcome_of_texts(HOSTILE_TEXTS)

    def outcome_of_texts(self, texts: Sequence[str]) -> Exception | list[Any]:
        """What comes of texts that are completions of one example, in the form that its own has."""
        return self.outcome(self.with_texts(texts))

    def with_texts(self, texts: Sequence[str]) -> Batch:
        """Texts as completions of one example that earns a number, in the form that its own has."""
        row = next((row for row, value in enumerate(self.expected) if value is not None), 0)
        form = form_of(self.batch["completions"][row])
        completions = [form(text, "assistant") for text in texts]
        return {**take(self.batch, [row] * len(texts)), "completions": completions}

    def difference(self, values: Sequence[Any], expected: Sequence[Any] | None = None) -> str | None:
        """The first difference between values and those of the plain call, in words; `None` within the tolerance."""
        expected = self.expected if expected is None else expected
        if len(values) != len(expected):
            return f"{len(values)} values came back for {len(expected)} completions"
        for row, (value, wanted) in enumerate(zip(values, expected, strict=True)):
            if not agree(value, wanted, self.tolerance):
                return f"row {row} earned {short(value)} instead of {short(wanted)}"
        return None

    def in_form(self, form: Form) -> tuple[Batch, list[int]]:
        """The examples whose completion is a single text, put into a form, and their rows.

        Raises:
            NotApplicableError: There is none.
        """
        rows = [row for row, completion in enumerate(self.batch["completions"]) if text_of(completion) is not None]
        if not rows:
            raise NotApplicableError("no completion is a single text; add an example whose completion is one")
        batch = take(self.batch, rows)
        for name, role in (("completions", "assistant"), ("prompts", "user")):
            if name in batch:
                texts = [(value, text_of(value)) for value in batch[name]]
                batch[name] = [value if text is None else form(text, role) for value, text in texts]
        return batch, rows


@dataclass(frozen=True)
class Rule:
    """One rule of the contract.

    Attributes:
        name: Key of the rule in reports and in `expected_failures`.
        says: The rule, as a sentence without its full stop.
        remedy: How to keep it.
        after: Name of the rule without which this one tells nothing.
        check: Returns `None` where the rule holds, else what came instead.
    """

    name: str
    says: str
    remedy: str
    after: str | None
    check: Callable[[Probe], str | None]


def rule(says: str, *, remedy: str, after: str | None = None) -> Callable[[Callable[[Probe], str | None]], Rule]:
    """Make a rule, named like the check that is decorated."""

    def made(check: Callable[[Probe], str | None]) -> Rule:
        return Rule(check.__name__.lstrip("_"), says, remedy, after, check)

    return made


def as_trainers_call(batch: Batch) -> Batch:
    """A batch with the prompts and token ids that trainers always pass, made up where the examples have none."""
    form = form_of(batch["completions"][0])
    rows = len(batch["completions"])
    return {
        "prompts": [form("?", "user") for _ in range(rows)],
        "completion_ids": [[1, 2, 3] for _ in range(rows)],
        **batch,
    }


def parts_of(reward: object) -> list[RewardFunction]:
    """The rewards that a reward is made of: its `rewards`, as a composite has them, or the `reward` that it wraps."""
    parts = getattr(reward, "rewards", None)
    if isinstance(parts, (list, tuple)):
        return [part for part in parts if callable(part)]
    inner = getattr(reward, "reward", None)
    return [inner] if callable(inner) else []


def take(batch: Batch, rows: Iterable[int]) -> Batch:
    """A batch of the given rows of another."""
    rows = list(rows)
    return {name: [column[row] for row in rows] for name, column in batch.items()}


def agree(value: Any, expected: Any, tolerance: float) -> bool:
    """Whether two values are the same within a tolerance; `None` agrees with `None` only."""
    try:
        first, second = float(value), float(expected)
    except (TypeError, ValueError):  # that a value must be a number is a rule of its own
        return value is expected or (value is not None and expected is not None and bool(value == expected))
    return first == second or abs(first - second) <= tolerance or (math.isnan(first) and math.isnan(second))


def short(value: object) -> str:
    """An object in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - said above


def said(error: Exception) -> str:
    """An exception's type and message."""
    return f"{type(error).__name__}: {error}"


def plain(text: str, role: str) -> str:  # noqa: ARG001 - forms share a signature
    """The text itself."""
    return text


def message(text: str, role: str) -> list[dict[str, Any]]:
    """One message."""
    return [{"role": role, "content": text}]


def reasoned_message(text: str, role: str) -> list[dict[str, Any]]:
    """One message with its reasoning in a field of its own, as chat templates leave it."""
    return [{"role": role, "content": text, "reasoning_content": REASONING}]


def after_a_tool(text: str, role: str) -> list[dict[str, Any]]:
    """The last of several messages: the model called a tool, read its result, and then said the text."""
    call = {"type": "function", "function": {"name": "look_up", "arguments": {"word": "བོད"}}}
    return [
        {"role": role, "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "look_up", "content": "Tibet 西藏 42"},
        {"role": role, "content": text},
    ]


def content_parts(text: str, role: str) -> list[dict[str, Any]]:
    """One message whose content is a list of one part, as vision models have it."""
    return [{"role": role, "content": [{"type": "text", "text": text}]}]


def form_of(completion: Any) -> Form:
    """The form that a completion has."""
    if isinstance(completion, str):
        return plain
    return content_parts if completion and isinstance(completion[-1].get("content"), list) else message


def text_of(completion: Any) -> str | None:
    """The text of a completion or prompt; `None` where it is not one message of nothing but text."""
    if isinstance(completion, str):
        return completion
    if not isinstance(completion, Sequence) or len(completion) != 1 or not isinstance(completion[0], Mapping):
        return None
    content = completion[0].get("content")
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    texts = [part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    return "".join(texts) if len(texts) == len(content) else None
