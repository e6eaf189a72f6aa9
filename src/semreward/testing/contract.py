"""The reward contract. A rule's docstring is its clause; it yields breaches, and the first is reported."""

import copy
import dataclasses
import inspect
import math
import pickle
import random
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain, cycle, islice
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from semreward.arguments import is_column
from semreward.rewards.calling import call_one, is_async, is_torch_module, reward_name, run_to_end
from semreward.testing import probe
from semreward.testing.probe import HOSTILE_TEXTS, TRAINER, Probe, attempt, described, nested, shortened, skip_unless

Check: TypeAlias = Callable[["Contract"], Iterator[str]]


class Rule(NamedTuple):
    """One rule: its clause without a full stop, how to keep it, and the rules that must pass before."""

    clause: str
    remedy: str
    after: str
    check: Check
    name: str = ""  # of the attribute that holds it


def rule(remedy: str, *, after: str = "deterministic") -> Callable[[Check], Rule]:
    """Make a method a rule; `after` names rules, separated by blanks."""

    def made(check: Check) -> Rule:
        clause = (check.__doc__ or check.__name__).rstrip(".")  # python -OO strips docstrings
        return Rule(clause[0].lower() + clause[1:], remedy, after, check)

    return made


def read_in(clause: str, *forms: str, after: str = "deterministic") -> Rule:
    """A rule: texts in the forms that `Probe.in_form` makes earn what they earn as they are."""

    def check(contract: "Contract") -> Iterator[str]:
        for form in forms:
            yield from contract.compare(contract.in_form(form), contract.texts, f"as {form!r}, ")

    return Rule(clause, "read completions with semreward.text.answer_text", after, check)


class Contract(Probe):
    """The rules, in the order in which they are checked."""

    @cached_property
    def earned(self) -> list[tuple[str, Any]]:
        """What the examples earn, then what hostile texts earn (if anything), each value after its row."""
        values = [] if isinstance(self.hostile, Exception) else self.hostile
        rows = [f"row {row}" for row in self.rows] + [f"the completion {shortened(text)}" for text in HOSTILE_TEXTS]
        return list(zip(rows, [*self.expected, *values], strict=False))  # `hostile_texts` reports another length

    @rule("hold the model in a plain class that calls it", after="")
    def not_a_module(self) -> Iterator[str]:
        """A reward must not be a torch.nn.Module, which trainers take for a sequence classifier."""
        if is_torch_module(self.reward):
            yield f"{type(self.reward).__name__} derives from it"

    @rule("accept `completions`, the columns it needs and **kwargs, and check the examples", after="")
    def called_by_keyword(self) -> Iterator[str]:
        """A reward must be callable by keyword: completions, prompts where there are any, and the columns."""
        _ = self.output  # raises what the reward raises
        yield from ()

    @rule("give it a `__name__`, or define it with `def`", after="")
    def stable_name(self) -> Iterator[str]:
        """A reward's name becomes a metric key: a constant string without blanks and angle brackets."""
        name = getattr(self.reward, "__name__", self.name)
        if not isinstance(name, str) or not name.isprintable() or not name or any(char in " <>" for char in name):
            yield f"its name is {shortened(name)}"
        if (now := reward_name(self.reward)) != self.name:
            yield f"it was {self.name!r} first and {now!r} later"

    @rule("return a list as long as `completions`, None where the reward does not apply", after="called_by_keyword")
    def one_value_a_completion(self) -> Iterator[str]:
        """A reward must return one value per completion, in a list."""
        if inspect.iscoroutine(self.output):  # of a callable that is not `async def`: trainers do not await it
            self.output.close()
        if not is_column(self.output):
            yield f"{type(self.output).__name__} came back: {shortened(self.output)}"
        if len(self.output) != len(self.rows):
            yield f"{len(self.output)} values came back for {len(self.rows)} completions"

    @rule("convert them: [None if value is None else float(value) for ...]", after="one_value_a_completion")
    def python_floats(self) -> Iterator[str]:
        """Values must be Python floats or None, in a list."""
        for where, value in self.earned:
            if value is not None and type(value) is not float:
                yield f"{where} earned {shortened(value)} ({type(value).__name__})"

    @rule("return None where the reward does not apply", after="one_value_a_completion")
    def finite_values(self) -> Iterator[str]:
        """Values must be finite, in the trainer's float32, too."""
        yield from self._not_finite(self.earned[: len(self.rows)])

    def _not_finite(self, values: Iterable[tuple[str, Any]]) -> Iterator[str]:
        for where, value in values:
            number = attempt(float, value)  # `python_floats` reports anything else
            if isinstance(number, float) and not abs(number) <= np.finfo(np.float32).max:
                yield f"{where} earned {value}, which is not a finite float32"

    @rule("clip them, or declare the true range", after="one_value_a_completion")
    def within_bounds(self) -> Iterator[str]:
        """Values must lie in the declared range."""
        declared: Any = getattr(self.reward, "bounds", None) if self.bounds is None else self.bounds
        is_declared = declared is not None and not callable(declared)
        skip_unless(is_declared, "no range is declared; pass bounds=(low, high), or give the reward `bounds`")
        if not is_range(declared):
            yield f"`bounds` is {shortened(declared)}, not a pair (low, high) with low <= high"
        low, high = map(float, declared)
        for where, value in self.earned:
            if value is not None and (value < low or value > high):
                yield f"{where} earned {shortened(value)}, outside [{low}, {high}]"

    @rule("give examples that earn a number, and look for a swallowed exception", after="one_value_a_completion")
    def applies_to_examples(self) -> Iterator[str]:
        """A reward must apply to an example, and must not pay the same for every text."""
        values = [value for _, value in self.earned]
        if all(value is None for value in self.expected) or all(value == values[0] for value in values[1:] or [None]):
            yield f"all {len(values)} texts earned {shortened(values[0])}"

    @rule("seed or drop what is random, keep no state", after="one_value_a_completion")
    def deterministic(self) -> Iterator[str]:
        """Equal calls must earn equal values."""
        yield from self.compare(self.batch)

    @rule("give degenerate completions a documented value, such as 0.0", after="one_value_a_completion")
    def hostile_texts(self) -> Iterator[str]:
        """Every completion must earn a finite value or None."""
        if isinstance(self.hostile, Exception):
            for text in HOSTILE_TEXTS:
                if isinstance(error := self.outcome(self.with_hostile_texts([text])), Exception):
                    yield f"the completion {shortened(text)} raised {described(error)}"
            yield f"{len(HOSTILE_TEXTS)} completions together raised {described(self.hostile)}"
        elif len(self.hostile) != len(HOSTILE_TEXTS):
            yield f"{len(self.hostile)} values came back for {len(HOSTILE_TEXTS)} completions"
        yield from self._not_finite(self.earned[len(self.rows) :])

    @rule("return [] for no completions", after="one_value_a_completion")
    def empty_batch(self) -> Iterator[str]:
        """An empty batch must earn an empty list."""
        output = self.call({name: [] for name in self.batch})
        if not is_column(output) or len(output):
            yield f"{shortened(output)} came back"

    @rule("look at what sets these answers apart, and at which component of the reward prefers the worse")
    def ordered_cases(self) -> Iterator[str]:
        """A completion must not earn more than a better one, and the best must earn more than the worst."""
        skip_unless(self.ordered, "no ordered answers are given; pass ordered=[{'completions': [best, ..., worst]}]")
        for place, case in enumerate(self.ordered):
            values = self.values(case)
            pairs = zip(case["completions"], values, strict=True)
            shown = [f"{shortened(answer)} earned {shortened(value)}" for answer, value in pairs]
            if None in values:
                yield f"case {place}: {shown[values.index(None)]}, which cannot be ordered"
            for worse in range(1, len(values)):
                better = min(range(worse), key=values.__getitem__)
                if values[worse] > values[better] + self.tolerance:
                    yield f"case {place}: {shown[worse]}, more than the better answer {shown[better]}"
            if values[0] <= values[-1] + self.tolerance:
                yield f"case {place}: the best, {shown[0]}, and the worst, {shown[-1]}"

    @rule("copy before changing, get() not pop()", after="one_value_a_completion")
    def inputs_unchanged(self) -> Iterator[str]:
        """A reward must not change its inputs."""
        forms = [attempt(self.in_form, form) for form in probe.FORMS]  # or NotApplicableErrors
        for batch in [self.batch, *(batch for batch in forms if isinstance(batch, dict))]:
            given = copy.deepcopy(batch)
            with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
                before = {name: repr(column) for name, column in given.items()}
                attempt(call_one, self.reward, {**self.needed, **given})  # other rules report calls that raise
                changed = [name for name, text in before.items() if repr(given[name]) != text]
            yield from (f"`{name}` was another one after the call" for name in changed)

    @rule("accept **kwargs and ignore them")
    def ignores_unknown_columns(self) -> Iterator[str]:
        """Columns that a reward does not need must not matter."""
        yield from self.compare({**self.batch, "column_that_nobody_knows": [None for _ in self.rows]})

    @rule("accept **kwargs, and take them neither for columns nor for lists")
    def takes_trainer_arguments(self) -> Iterator[str]:
        """The arguments prompts=None, completion_ids=None, trainer_state, log_metric, log_extra must be accepted."""
        yield from self.compare({"prompts": None, "completion_ids": None, **self.batch, **TRAINER})

    @rule("accept **kwargs, and give examples with the prompts or ids that decide", after="takes_trainer_arguments")
    def grpo_call(self) -> Iterator[str]:
        """The call of TRL's GRPOTrainer must earn what the plain call earns."""
        environments = [SimpleNamespace() for _ in self.rows]
        yield from self.compare({**probe.as_trainers_call(self.batch), "environments": environments, **TRAINER})

    @rule("score every row by itself")
    def row_order(self) -> Iterator[str]:
        """The order of rows must not matter."""
        vary = any(self.differences(self.expected[:1] * len(self.rows)))
        skip_unless(vary, "all rows earn the same; give examples that earn different values")
        yield from self.compare(self.of_rows(self.rows[::-1]), self.rows[::-1], "in reversed order, ")

    @rule("score every row by itself")
    def batch_split(self) -> Iterator[str]:
        """A row's value must not depend on the batch."""
        skip_unless(len(self.rows) > 1, "there is only one example; give at least two")
        values = [value for row in self.rows for value in self.values(self.of_rows([row]))]
        yield from self.differences(values, where="called for one row at a time, ")

    @rule("score every row by itself, each distinct text once")
    def identical_rows(self) -> Iterator[str]:
        """Identical rows must earn identical values, those that they earn alone."""
        values = self.values(self.of_rows([*self.rows, *self.rows]))
        yield from self.differences(values, self.expected * 2, "with every row there twice, ")
        for row in self.rows:
            first, second = shortened(values[row]), shortened(values[row + len(self.rows)])
            if first != second:
                yield f"row {row} earned {first} and its copy {second}"

    @rule("score every row by itself, share no budget, mean or scale among them")
    def hostile_neighbours(self) -> Iterator[str]:
        """Degenerate completions in the same batch must not change a row's value."""
        skip_unless(not isinstance(self.hostile, Exception), "degenerate completions raise, see `hostile_texts`")
        neighbours = self.with_hostile_texts()
        batch = {name: [*column, *neighbours[name]] for name, column in self.batch.items()}
        yield from self.differences(self.values(batch)[: len(self.rows)])

    @rule("score every row by itself, in blocks that cover all rows", after="identical_rows hostile_neighbours")
    def large_batch(self) -> Iterator[str]:
        """A batch of 130 distinct rows must earn what they earn in small batches."""
        rows = list(islice(cycle(self.texts), 130))  # more than twice the 64 that a buffer may have
        batch = self.with_texts(rows, [f"{self.texts[row]} {number}" for number, row in enumerate(rows)])
        blocks = [slice(start, start + 13) for start in range(0, len(rows), 13)]
        small = [self.values({name: column[block] for name, column in batch.items()}) for block in blocks]
        yield from self.differences(self.values(batch), list(chain.from_iterable(small)))

    @rule("look it up and raise, give no default")
    def missing_column(self) -> Iterator[str]:
        """A needed column that is absent must raise an error that names it."""
        skip_unless(self.without, "the examples have no column besides completion and prompt")
        for name, outcome in self.without.items():
            if not isinstance(outcome, Exception):
                yield from self.differences(outcome, where=f"without `{name}` it raised nothing, and ")
            elif name not in str(outcome):
                yield f"without `{name}` it raised {described(outcome)}, which does not name the column"

    @rule("compare the lengths, zip(..., strict=True)")
    def mismatched_lengths(self) -> Iterator[str]:
        """A needed column of another length must raise an error."""
        for name in self.used_columns:
            column = self.batch[name]
            for wrong in (column[:-1], [*column, column[-1]]):
                if not isinstance(self.outcome({**self.batch, name: wrong}), Exception):
                    yield f"{len(wrong)} values of `{name}` for {len(self.rows)} completions raised nothing"

    @rule("check the value of each row")
    def missing_value(self) -> Iterator[str]:
        """A needed column that holds None must raise an error or earn None."""
        yield from self._accepted(None, "None")

    @rule("check the type of each row's value: a number never equals a text, and earns 0 in silence")
    def wrong_type(self) -> Iterator[str]:
        """A needed column that holds a value of an unknown type must raise an error or earn None."""
        yield from self._accepted(object(), "an object()")

    def _accepted(self, wrong: object, called: str) -> Iterator[str]:
        """What a bad value earns, in each needed column, at the first row that has a value there and earns one."""
        valued = [row for row in self.rows if self.expected[row] is not None]
        places = [(name, row) for name in self.used_columns for row in valued if self.batch[name][row] is not None]
        skip_unless(places, "no example has a value in a needed column and earns a number")
        for name, row in dict(reversed(places)).items():  # the first row of each column
            column = [*self.batch[name]]
            column[row] = wrong
            outcome = self.outcome({**self.batch, name: column})
            if isinstance(outcome, Exception):
                continue
            if len(outcome) != len(self.rows):
                yield f"with `{name}` {called} at row {row}, {len(outcome)} values came back"
            if outcome[row] is not None:
                is_single = len(nested(self.reward)) <= 2  # noqa: PLR2004 - itself, and one that it wraps
                skip_unless(is_single, "a composite only drops the component that lacks a value; check that one")
                yield f"with `{name}` {called} at row {row}, that row earned {shortened(outcome[row])}"

    plain_form = read_in("a completion that is a string must earn what the same text earns as a message", "text")
    conversational_form = read_in(
        "a completion that is a list of messages must earn what its text earns", "message", "message with reasoning"
    )
    content_parts_form = read_in(
        "a completion whose content is a list of parts must earn what its text earns", "message of content parts"
    )
    several_messages = read_in(
        "the last assistant message must decide where there are several, with tool calls among them",
        "message after a tool's",
        after="conversational_form",
    )
    trailing_tool_message = read_in(
        "a tool's message after the answer must not matter",
        "message before a tool's",
        after="content_parts_form several_messages",
    )
    reasoning_ignored = read_in(
        "a closed <think> block before the answer must not matter, even if it holds other answers",
        "<think>{thought}</think>\n{answer}",
        "{thought}</think>\n{answer}",
    )

    @rule("read completions with semreward.text.answer_text", after="reasoning_ignored")
    def unfinished_reasoning(self) -> Iterator[str]:
        """A completion cut off while reasoning must earn what an empty one earns, even if it holds the answer."""
        empty: Any = self.outcome(self.with_texts(self.texts, [""] * len(self.texts)))
        skip_unless(isinstance(empty, list), f"empty completions raise {type(empty).__name__}")
        yield from self.differences(self.values(self.in_form("<think>{thought}")), empty)

    second_reasoning = read_in(
        "a second <think> block, before or after the answer, must not matter either",
        "<think>{thought}</think>\n<think>{thought}</think>\n{answer}",
        "<think>{thought}</think>\n{answer}\n<think>{thought}",
        "<think>{thought}</think>\n{answer}\n<think>{thought}</think>",
        after="unfinished_reasoning",
    )

    @rule("run coroutines on a separate thread, or make the reward `async def`")
    def inside_event_loop(self) -> Iterator[str]:
        """A reward must work where an event loop is running (notebooks)."""

        async def call() -> list[Any]:
            return self.values(self.batch)

        yield from self.differences(run_to_end(call))

    @rule("keep nothing of a call on the reward or in its thread while awaiting")
    def awaited_together(self) -> Iterator[str]:
        """Calls that one event loop awaits together must earn what they earn one after the other."""
        skip_unless(is_async(self.reward), "the reward is not async")
        calls = [{**self.needed, **batch} for batch in copy.deepcopy(self.shifted)]
        yield from self._compare_calls(run_to_end(lambda: probe.call_together(self.reward, calls)))

    @rule("keep nothing of a call on the reward, and put a lock around what is shared")
    def threads(self) -> Iterator[str]:
        """Concurrent calls from threads must earn what they earn one after the other."""
        _ = self.one_by_one  # before the threads start
        count = len(self.shifted)
        with ThreadPoolExecutor(count, initializer=threading.Barrier(count).wait) as pool:  # all begin together
            yield from self._compare_calls(list(pool.map(self.values, self.shifted * 2)))

    def _compare_calls(self, answers: Sequence[list[Any]]) -> Iterator[str]:
        """Where concurrent calls of the shifted batches, once or twice, earn other values than one after the other."""
        for values, expected in zip(answers, self.one_by_one * 2, strict=False):
            yield from self.differences(values, expected)

    @rule("draw from a generator of its own: random.Random, numpy.random.default_rng, torch.Generator")
    def random_generators(self) -> Iterator[str]:
        """Calls must not reseed the global generators of random, numpy and torch."""
        draws: dict[str, Callable[[], float]] = {"random": random.random, "numpy.random": np.random.random}
        if torch := sys.modules.get("torch"):
            draws["torch"] = lambda: torch.rand(()).item()
        drawn = []
        for _ in range(2):
            self.call(self.batch)
            drawn.append([draw() for draw in draws.values()])
        for name, first, second in zip(draws, *drawn, strict=True):
            if first == second:
                yield f"{name} gave the same number after two calls"

    @rule("leave it alone, or put it back in a `finally`")
    def process_settings(self) -> Iterator[str]:
        """Calls must leave torch's grad mode, dtype and threads, np.seterr, logging, environment and folder alone."""
        for name, read, write, another in self.settings():
            usual = read()
            write(another)
            try:
                before = read()
                attempt(self.call, self.batch)  # which may not work there
                after = read()
            finally:
                write(usual)
            if after != before:
                yield f"{name} was another one after the call"

    @rule("log them at every call as f'{name}/{key}', None where there is no value", after="takes_trainer_arguments")
    def log_columns(self) -> Iterator[str]:
        """Every call must log the same columns, each once, one value per row, under the reward's name."""
        calls: list[list[str]] = []
        for rows in [self.rows, *([row] for row in self.rows)]:
            extras = self._logged("log_extra", rows)
            yield from self._misnamed(extras)
            for column, values in extras:
                if not is_column(values) or len(values) != len(rows):
                    yield f"{column!r} got {shortened(values)} for {len(rows)} completions"
            calls.append(sorted(column for column, _ in extras))
            if len(set(calls[-1])) != len(calls[-1]) or calls[-1] != calls[0]:
                yield f"a call logged {calls[-1]}, and the first one {calls[0]}"

    @rule("log f'{name}/{key}', and leave out what is undefined", after="takes_trainer_arguments")
    def log_metrics(self) -> Iterator[str]:
        """Metrics must be finite floats under the reward's name."""
        metrics = self._logged("log_metric", self.rows)
        yield from self._misnamed(metrics)
        for name, value in metrics:
            if not isinstance(value, float) or not math.isfinite(value):
                yield f"{name!r} got {shortened(value)}"

    def _logged(self, hook: str, rows: Iterable[int]) -> list[tuple[Any, Any]]:
        """What a call for the given rows passes to one of the trainer's hooks."""
        logged: list[tuple[Any, Any]] = []
        self.call({**self.of_rows(rows), **TRAINER, hook: lambda key, value: logged.append((key, value))})
        return logged

    def _misnamed(self, logged: list[tuple[Any, Any]]) -> Iterator[str]:
        names = tuple(map(reward_name, nested(self.reward)))  # metrics of a component have its name
        for key, _ in logged:
            if not isinstance(key, str) or not key.startswith(names):
                yield f"{shortened(key)} was logged, which does not start with {' or '.join(map(repr, names))}"

    @rule("define the reward at module level, and leave models, clients and locks out in __getstate__")
    def pickles(self) -> Iterator[str]:
        """A pickled copy must load and earn the same values."""
        twin = pickle.loads(pickle.dumps(self.reward))  # noqa: S301 - just written
        if reward_name(twin) != self.name:
            yield f"{self.name!r} came back as {reward_name(twin)!r}"
        yield from self.differences(list(call_one(twin, {**self.needed, **copy.deepcopy(self.batch)})))

    @rule("keep what a call finds out in the call, and what calls share out of __getstate__", after="pickles")
    def unchanged_by_calls(self) -> Iterator[str]:
        """Calls must leave nothing behind on the reward: its pickle must be the same before and after them."""
        if (now := pickle.dumps(self.reward)) != self.first_pickle:
            yield f"its {len(now)} bytes are others than before the calls"

    @rule("leave models and caches out in __getstate__, and load them at a process's first call", after="pickles")
    def pickles_without_weights(self) -> Iterator[str]:
        """A pickle must hold no weights: at most 1048576 bytes, also after calls."""
        if (size := len(pickle.dumps(self.reward))) > 2**20:
            yield f"it has {size} bytes"

    @rule("read them from the environment where they are used, omit them in __repr__ and __getstate__", after="")
    def hides_secrets(self) -> Iterator[str]:
        """Secrets must not show in repr, signature and pickle."""
        skip_unless(self.secrets, "no secret is named; pass secrets=[...] if the reward was given one")
        content = attempt(pickle.dumps, self.reward)  # if it is an error, `pickles` reports it
        text = content.decode("utf-8", errors="replace") if isinstance(content, bytes) else ""
        shown = {"repr": repr(self.reward), "signature": str(self.current_signature()), "pickle": text}
        for place, text in shown.items():
            if any(secret in text for secret in self.secrets):
                yield f"one shows in its {place}"

    @rule("open what the reward needs at a process's first call, on the devices that are there", after="pickles")
    def spawned_process(self) -> Iterator[str]:
        """A pickled copy must earn the same values in a new process, which sees no GPU."""
        name, values, _ = self.child
        if name != self.name:
            yield f"{self.name!r} is called {name!r}"
        yield from self.differences(values)

    @rule("load under a lock, in any thread, without signals and the main thread's loop", after="spawned_process")
    def async_grpo_call(self) -> Iterator[str]:
        """A new process must be able to begin with concurrent calls, one per group, as TRL's AsyncGRPO makes them."""
        skip_unless(not self.needed, "a scheduled weight needs a `trainer_state`, which AsyncGRPO does not pass")
        _, _, answers = self.child
        if isinstance(answers, str):
            yield f"it raised {answers}"
        yield from self._compare_calls(answers)

    @rule("render parameters, not objects, addresses or counters", after="pickles")
    def signature(self) -> Iterator[str]:
        """`signature()` must return a constant string that survives calls and pickling."""
        first = self.first_signature
        skip_unless(first is not None, "the reward has no `signature()`")
        if not isinstance(first, str) or not first:
            yield f"it returned or raised {shortened(first)}"
        twin = pickle.loads(pickle.dumps(self.reward))  # noqa: S301 - just written
        for other in (self.current_signature(), twin.signature()):
            if other != first:
                yield f"{shortened(first)} became {shortened(other)}"

    @rule("render every field, or mark those that decide no number with field(compare=False)", after="signature")
    def signature_complete(self) -> Iterator[str]:
        """Rewards that differ in a parameter must have different signatures."""
        reward: Any = self.reward
        skip_unless(dataclasses.is_dataclass(reward), "the reward is not a dataclass; its parameters are not known")
        for item in dataclasses.fields(reward):
            value = getattr(reward, item.name)
            other: Any = copy.copy(reward)
            object.__setattr__(other, item.name, not value if isinstance(value, bool) else f"another {value!r}")
            # An error about the type shows that `signature` has looked at the parameter. That is enough.
            if item.init and item.compare and attempt(other.signature) == self.first_signature:
                yield f"another `{item.name}` than {shortened(value)} left it as it was"


RULES = tuple(item._replace(name=name) for name, item in vars(Contract).items() if isinstance(item, Rule))


def is_range(value: Any) -> bool:
    """Whether a value is a pair of numbers (low, high) with low <= high."""
    pair = attempt(lambda: [float(end) for end in value])
    return isinstance(pair, list) and len(pair) == 2 and pair[0] <= pair[1]  # noqa: PLR2004 - a pair
