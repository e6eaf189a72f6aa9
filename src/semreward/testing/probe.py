"""Material for the rules: the reward under test, its examples in every form, and a new process that calls it."""

import asyncio
import copy
import logging
import math
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias, TypeVar

import numpy as np

from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_one, is_async, reward_name
from semreward.text import remove_reasoning

T = TypeVar("T")

Arguments: TypeAlias = dict[str, Any]
"""The arguments of a call: `completions`, `prompts` where the examples have them, and the columns."""

HOSTILE_TEXTS = (
    *("", "   ", "\n\t", "\x00", "\ufeff", "\u200d"),
    "་་། 12",
    "!?…",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁷󠁬󠁳󠁿",
    "e" + "\u0301" * 500,
    "\u202eمرحبا שלום\u202c abc",
    "<think>cut off while reasoning",
    "བོད་" * 2500,
)
"""Texts that policies do write: blank, unprintable, joined, right to left, unfinished, ten thousand characters."""

THOUGHT = "Hmm, 我想 that བོད means Tibet: 42."
REASONING = f"<think>{THOUGHT}</think>\n"
_TOOL_CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"word": "བོད"}}}
_TOOL_RESULT = {"role": "tool", "name": "look_up", "content": "Tibet 西藏 42"}
_TOOL_TURN = [{"role": "assistant", "content": "", "tool_calls": [_TOOL_CALL]}, _TOOL_RESULT]

FORMS: Mapping[str, Callable[[str, str], Any]] = {
    "text": lambda text, _: text,
    "message": lambda text, role: [{"role": role, "content": text}],
    "message with reasoning": lambda text, role: [{"role": role, "content": text, "reasoning_content": REASONING}],
    "message of content parts": lambda text, role: [{"role": role, "content": [{"type": "text", "text": text}]}],
    "message after a tool's": lambda text, role: [*copy.deepcopy(_TOOL_TURN), {"role": role, "content": text}],
    "message before a tool's": lambda text, role: [{"role": role, "content": text}, dict(_TOOL_RESULT)],
}
"""Each makes a completion or a prompt out of a text and a role."""

_CALLS = 8  # that run at the same time where concurrency is checked
_CHILD = "from semreward.testing.probe import answer_parent; answer_parent()"
_CHILD_TIMEOUT_S = 300
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}
TRAINER: Arguments = {
    "trainer_state": SimpleNamespace(global_step=1, max_steps=10, epoch=0.0, num_train_epochs=1, log_history=[]),
    "log_metric": lambda name, value: None,  # noqa: ARG005 - a trainer's hook that drops what it gets
    "log_extra": lambda column, values: None,  # noqa: ARG005
}


class NotApplicableError(Exception):
    """A rule cannot be checked on this reward, or not with these examples."""


def skip_unless(condition: object, reason: str) -> None:
    """Leave a rule unchecked unless a condition holds."""
    if not condition:
        raise NotApplicableError(reason)


@dataclass
class Probe:
    """A reward under test with its examples. What several rules need is computed once.

    The reward only receives copies, so that one which changes its inputs does not fail the other rules.
    """

    reward: RewardFunction
    batch: Arguments
    tolerance: float
    bounds: tuple[float, float] | None
    ordered: list[Arguments]
    secrets: Sequence[str]
    spawn: bool

    def __post_init__(self) -> None:
        self.rows = range(len(self.batch["completions"]))
        self.first_signature = self.current_signature()
        self.first_environment = dict(os.environ)
        self.first_pickle = attempt(pickle.dumps, self.reward)
        name = attempt(reward_name, self.reward)
        self.name = name if isinstance(name, str) else type(self.reward).__name__

    def current_signature(self) -> Any:
        """What `signature()` returns or raises; `None` if the reward has no such method."""
        return attempt(getattr(self.reward, "signature", lambda: None))

    def call(self, batch: Arguments) -> Any:
        """What the reward returns for a copy of a batch."""
        return call_one(self.reward, {**self.needed, **copy.deepcopy(batch)})

    @cached_property
    def needed(self) -> Arguments:
        """A `trainer_state` for a composite with a scheduled weight, which only the calls of some trainers have."""
        pairs = [pair for part in nested(self.reward) for pair in getattr(part, "components", ())]
        return {"trainer_state": TRAINER["trainer_state"]} if any(callable(weight) for _, weight in pairs) else {}

    def values(self, batch: Arguments) -> list[Any]:
        """The same as a list."""
        return list(self.call(batch))

    def outcome(self, batch: Arguments) -> Exception | list[Any]:
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
        """The outcome without each of the columns besides completions and prompts."""
        columns = [name for name in self.batch if name not in {"completions", "prompts"}]
        return {name: self.outcome({key: self.batch[key] for key in self.batch if key != name}) for name in columns}

    @cached_property
    def used_columns(self) -> list[str]:
        """The columns without which the reward raises or returns other values."""
        outcomes = self.without.items()
        used = [name for name, found in outcomes if isinstance(found, Exception) or any(self.differences(found))]
        skip_unless(used, "the reward uses no column of the examples")
        return used

    @cached_property
    def shifted(self) -> list[Arguments]:
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
        texts = {row: _text_of(completion) for row, completion in enumerate(self.batch["completions"])}
        found = {row: text for row, text in texts.items() if text is not None}
        skip_unless(found, "no completion is a single text; add an example whose completion is one")
        return found

    @cached_property
    def child(self) -> Any:
        """What a pickled copy answers in a new process that sees no GPU: see `answer_parent`."""
        skip_unless(self.spawn, "spawn=False")
        skip_unless(b"__main__" not in pickle.dumps(self.reward), "the reward is in __main__; move it to a module")
        calls = [as_trainers_call(batch) for batch in self.shifted]
        content = attempt(pickle.dumps, (self.reward, {**self.needed, **self.batch}, calls))
        if isinstance(content, Exception):
            raise NotApplicableError(f"the examples cannot be sent to a process: {described(content)}")
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder, "answer.pickle")
            done = subprocess.run(  # noqa: S603 - this interpreter, a fixed program
                [sys.executable, "-c", _CHILD, str(answer)],
                input=content,
                capture_output=True,
                env={**os.environ, **_NO_GPU, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                timeout=_CHILD_TIMEOUT_S,
                check=False,
            )
            if done.returncode or not answer.exists():
                lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
                raise ChildProcessError(f"it ended with status {done.returncode}: {lines[-1]}")
            return pickle.loads(answer.read_bytes())  # noqa: S301 - written by that process

    def settings(self) -> Iterator[tuple[str, Callable[[], Any], Callable[[Any], Any], Any]]:
        """Settings of the process: name, how it is read and written, and a value that no call gives it."""
        # The environment before the first call, which may import what sets variables.
        yield "os.environ", lambda: dict(os.environ), _write_environment, self.first_environment
        yield "os.getcwd()", os.getcwd, os.chdir, Path(__file__).parent
        yield "np.geterr()", np.geterr, lambda modes: np.seterr(**modes), dict.fromkeys(np.geterr(), "print")
        yield "logging.disable()", lambda: logging.root.manager.disable, logging.disable, 1  # below every level
        if torch := sys.modules.get("torch"):
            grad, dtype, threads = torch.is_grad_enabled, torch.get_default_dtype, torch.get_num_threads
            another = torch.float32 if dtype() == torch.float64 else torch.float64
            yield "torch.is_grad_enabled()", grad, torch.set_grad_enabled, not grad()
            yield "torch.get_default_dtype()", dtype, torch.set_default_dtype, another
            yield "torch.get_num_threads()", threads, torch.set_num_threads, threads() + 1

    def of_rows(self, rows: Iterable[int]) -> Arguments:
        """A batch of the given examples."""
        rows = list(rows)
        return {name: [column[row] for row in rows] for name, column in self.batch.items()}

    def with_texts(self, rows: Iterable[int], texts: Iterable[str]) -> Arguments:
        """The given rows with other texts as completions: strings, or messages where the row has messages."""
        batch = self.of_rows(rows)
        pairs = zip(batch["completions"], texts, strict=True)
        return {**batch, "completions": [FORMS[_form_of(old)](text, "assistant") for old, text in pairs]}

    def with_hostile_texts(self, texts: Sequence[str] = HOSTILE_TEXTS) -> Arguments:
        """Hostile texts as completions of the first example that earns a number."""
        row = next((row for row, value in enumerate(self.expected) if value is not None), 0)
        return self.with_texts([row] * len(texts), texts)

    def in_form(self, form: str) -> Arguments:
        """The rows of `texts`, with completions and prompts in one of `FORMS`, or completions in a template."""
        if form not in FORMS:  # a template with {answer}, and {thought}, which holds all answers
            answers = self.texts.values()
            thought = "\n".join([THOUGHT, *map(remove_reasoning, answers)])
            return self.with_texts(self.texts, [form.format(thought=thought, answer=answer) for answer in answers])
        batch = self.of_rows(self.texts)
        for name, role in (("completions", "assistant"), ("prompts", "user")):
            if name in batch:
                texts = [(value, _text_of(value)) for value in batch[name]]
                batch[name] = [value if text is None else FORMS[form](text, role) for value, text in texts]
        return batch

    def compare(self, batch: Arguments, rows: Iterable[int] | None = None, where: str = "") -> Iterator[str]:
        """Call the reward, and yield where its values differ from those of the given examples (by default all)."""
        rows = self.rows if rows is None else rows
        yield from self.differences(self.values(batch), [self.expected[row] for row in rows], where)

    def differences(self, values: list[Any], expected: list[Any] | None = None, where: str = "") -> Iterator[str]:
        """Yield where values differ from the expected ones (by default those of the examples), in words."""
        expected = self.expected if expected is None else expected
        if len(values) != len(expected):
            yield f"{where}{len(values)} values came back for {len(expected)} completions"
        for row, (value, wanted) in enumerate(zip(values, expected, strict=False)):
            if not agree(value, wanted, self.tolerance):
                yield f"{where}row {row} earned {shortened(value)} instead of {shortened(wanted)}"


def _write_environment(environment: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def answer_parent() -> None:
    """In the new process: write the reward's name, its values, and those of concurrent calls (first) or their error."""
    reward, batch, concurrent = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - written by the parent
    answers = attempt(asyncio.run, call_together(reward, concurrent))
    found = described(answers) if isinstance(answers, Exception) else answers
    Path(sys.argv[1]).write_bytes(pickle.dumps((reward_name(reward), list(call_one(reward, batch)), found)))


async def call_together(reward: RewardFunction, calls: Iterable[Arguments]) -> list[list[Any]]:
    """Call a reward as the worker of TRL's AsyncGRPO does: coroutines share this loop, others run in threads."""
    waiting = [reward(**call) if is_async(reward) else asyncio.to_thread(reward, **call) for call in calls]
    return [list(values) for values in await asyncio.gather(*waiting)]  # type: ignore[arg-type] # see `is_async`


def as_trainers_call(batch: Arguments) -> Arguments:
    """A batch with the prompts and token ids that trainers always pass, made up where the examples lack them."""
    completions = batch["completions"]
    form = FORMS[_form_of(completions[0])]
    made_up = {"prompts": [form("?", "user") for _ in completions], "completion_ids": [[1, 2, 3] for _ in completions]}
    return {**made_up, **batch}


def _form_of(completion: Any) -> str:
    return "text" if isinstance(completion, str) else "message"


def _text_of(value: Any) -> str | None:
    """The text of a completion or prompt; `None` unless it is a text or one message that holds only a text."""
    while is_completion(value) and not isinstance(value, str) and len(value) == 1:
        value = value[0].get("content", value[0].get("text"))
    return value if isinstance(value, str) else None


def is_completion(value: object) -> bool:
    """Whether a value is a text or a list of messages."""
    return isinstance(value, str) or (isinstance(value, Sequence) and all(isinstance(item, Mapping) for item in value))


def nested(reward: object) -> list[object]:
    """A reward and those that it consists of: `components`, as in a composite, or the `reward` it wraps; and theirs."""
    parts = [part for part, _ in getattr(reward, "components", ())] or [getattr(reward, "reward", None)]
    return [reward, *(inner for part in parts if callable(part) for inner in nested(part))]


def attempt(function: Callable[..., T], *arguments: Any) -> T | Exception:
    """What a call returns, or the exception that it raises."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - a reward may raise anything
        return error


def agree(value: Any, expected: Any, tolerance: float) -> bool:
    """Whether two values are the same within a tolerance; `None` agrees with `None` only."""
    try:
        first, second = float(value), float(expected)
    except (TypeError, ValueError):  # another rule says that values must be numbers
        return bool(value == expected)
    return math.isclose(first, second, rel_tol=0, abs_tol=tolerance) or (math.isnan(first) and math.isnan(second))


def shortened(value: object) -> str:
    """An object in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - stated above


def described(error: BaseException) -> str:
    """An exception's type and message."""
    return f"{type(error).__name__}: {error}"
