"""Rules of what a reward is and returns.

A check returns `None` where its rule holds, and otherwise says what came instead. The reward only sees copies of the
examples, so that breaking one rule (changing its inputs, say) does not fail the checks of the others.
"""

import contextlib
import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from semreward.rewards.calling import is_torch_module, reward_name
from semreward.testing.probe import HOSTILE_TEXTS, Batch, NotApplicableError, Probe, rule, said, short

_LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127


@rule(
    "a reward must not be a torch.nn.Module, which trainers take for a sequence classifier",
    remedy="hold the model in a plain class that calls it",
)
def _not_a_module(probe: Probe) -> str | None:
    return f"{type(probe.reward).__name__} derives from it" if is_torch_module(probe.reward) else None


@rule(
    "a reward must be callable by keyword: completions, prompts where there are any, and the columns",
    remedy="accept `completions`, the columns it needs and **kwargs, and check the examples",
)
def _called_by_keyword(probe: Probe) -> str | None:
    _ = probe.output  # raises what the reward raises
    return None


@rule(
    "a reward's name becomes a metric key: a constant string without blanks and angle brackets",
    remedy="give it a `__name__`, or define it with `def`",
)
def _stable_name(probe: Probe) -> str | None:
    name = getattr(probe.reward, "__name__", probe.name)
    if not isinstance(name, str):
        return f"`__name__` is {short(name)}"
    if not probe.name or not probe.name.isprintable() or any(sign.isspace() or sign in "<>" for sign in probe.name):
        return f"its name is {probe.name!r}"
    now = reward_name(probe.reward)
    return None if now == probe.name else f"it was {probe.name!r} first and {now!r} later"


@rule(
    "a reward must return one value a completion, in a list",
    remedy="return a list as long as `completions`, with None where the reward does not apply",
    after="called_by_keyword",
)
def _one_value_a_completion(probe: Probe) -> str | None:
    output = probe.output
    if inspect.iscoroutine(output):
        output.close()
        return "a coroutine came from a callable that is not `async def`, which trainers do not await"
    if not hasattr(output, "__len__") or isinstance(output, (str, bytes, Mapping)):
        return f"{type(output).__name__} came back: {short(output)}"
    return None if len(output) == probe.rows else f"{len(output)} values came back for {probe.rows} completions"


def _seen(probe: Probe) -> Iterator[tuple[str, Any]]:
    """Values of the examples and, if they earn any, of hostile texts, each after the place where it was earned."""
    yield from ((f"row {row}", value) for row, value in enumerate(probe.expected))
    yield from _seen_for_hostile_texts(probe)


def _seen_for_hostile_texts(probe: Probe) -> Iterator[tuple[str, Any]]:
    values = [] if isinstance(probe.hostile, Exception) else probe.hostile
    yield from ((f"the completion {short(text)}", value) for text, value in zip(HOSTILE_TEXTS, values, strict=False))


@rule(
    "values must be Python floats or None, in a list",
    remedy="convert them: [None if value is None else float(value) for value in values]",
    after="one_value_a_completion",
)
def _python_floats(probe: Probe) -> str | None:
    if not isinstance(probe.output, (list, tuple)):
        return f"{type(probe.output).__name__} came back"
    for place, value in _seen(probe):
        if value is not None and type(value) is not float:
            return f"{place} earned {short(value)} ({type(value).__name__})"
    return None


@rule(
    "values must be finite, in the trainer's float32, too",
    remedy="return None where the reward does not apply",
    after="one_value_a_completion",
)
def _finite_values(probe: Probe) -> str | None:
    return _not_finite((f"row {row}", value) for row, value in enumerate(probe.expected))


def _not_finite(values: Iterable[tuple[str, Any]]) -> str | None:
    for place, value in values:
        with contextlib.suppress(TypeError, ValueError):  # that a value must be a number is a rule of its own
            if value is not None and not math.isfinite(value):
                return f"{place} earned {value}"
            if value is not None and abs(value) > _LARGEST_FLOAT32:
                return f"{place} earned {value}, which float32 cannot hold"
    return None


@rule(
    "values must lie in the declared range",
    remedy="clip them, or declare the true range",
    after="one_value_a_completion",
)
def _within_bounds(probe: Probe) -> str | None:
    declared = getattr(probe.reward, "bounds", None) if probe.bounds is None else probe.bounds
    if declared is None or callable(declared):
        raise NotApplicableError(
            "no range is declared; pass bounds=(low, high), or give the reward an attribute `bounds`"
        )
    try:
        low, high = map(float, declared)
    except (TypeError, ValueError):
        return f"`bounds` is {short(declared)}, which is no pair (low, high)"
    if not low <= high:
        return f"`bounds` is {short(declared)}, which holds no value"
    for place, value in _seen(probe):
        if value is not None and (value < low or value > high):
            return f"{place} earned {short(value)}, outside [{low}, {high}]"
    return None


@rule(
    "a reward must apply to an example at least, or nothing is checked",
    remedy="give examples that earn a number",
    after="one_value_a_completion",
)
def _applies_to_examples(probe: Probe) -> str | None:
    return "every row earned None" if all(value is None for value in probe.expected) else None


@rule(
    "equal calls must earn equal values",
    remedy="seed or drop what is random, keep no state",
    after="one_value_a_completion",
)
def _deterministic(probe: Probe) -> str | None:
    return probe.difference(probe.values())


@rule(
    "every completion must earn a finite value or None",
    remedy="give degenerate completions a documented value, such as 0.0",
    after="one_value_a_completion",
)
def _hostile_texts(probe: Probe) -> str | None:
    if isinstance(probe.hostile, Exception):
        for text in HOSTILE_TEXTS:
            if isinstance(outcome := probe.outcome_of_texts([text]), Exception):
                return f"the completion {short(text)} raised {said(outcome)}"
        return f"{len(HOSTILE_TEXTS)} completions together raised {said(probe.hostile)}"
    if len(probe.hostile) != len(HOSTILE_TEXTS):
        return f"{len(probe.hostile)} values came back for {len(HOSTILE_TEXTS)} completions"
    return _not_finite(_seen_for_hostile_texts(probe))


@rule("an empty batch must earn an empty list", remedy="return [] for no completions", after="one_value_a_completion")
def _empty_batch(probe: Probe) -> str | None:
    output = probe.call({name: [] for name in probe.batch})
    return None if hasattr(output, "__len__") and len(output) == 0 else f"{short(output)} came back"


@rule(
    "a completion must not earn more than a better one, and the best must earn more than the worst",
    remedy="look at what sets these answers apart, and at which component of the reward prefers the worse",
    after="deterministic",
)
def _ordered_cases(probe: Probe) -> str | None:
    if not probe.ordered:
        raise NotApplicableError("no ordered completions are given; pass ordered=[{'completions': [best, ..., worst]}]")
    found = [
        f"case {place}: {problem}" for place, case in enumerate(probe.ordered) for problem in _disorder(probe, case)
    ]
    return ", ".join(found) or None


def _disorder(probe: Probe, case: Batch) -> Iterator[str]:
    """What contradicts the order of one case, best first."""
    values = probe.values(case)
    shown = [
        f"{short(answer)} earned {short(value)}" for answer, value in zip(case["completions"], values, strict=True)
    ]
    if None in values:
        yield f"{shown[values.index(None)]}, which cannot be ordered"
        return
    for worse in range(1, len(values)):
        better = min(range(worse), key=values.__getitem__)
        if values[worse] > values[better] + probe.tolerance:
            yield f"{shown[worse]}, more than the better answer {shown[better]}"
    if not values[0] > values[-1] + probe.tolerance:
        yield f"the best, {shown[0]}, and the worst, {shown[-1]}"


VALUE_RULES = (
    _not_a_module,
    _called_by_keyword,
    _stable_name,
    _one_value_a_completion,
    _python_floats,
    _finite_values,
    _within_bounds,
    _applies_to_examples,
    _deterministic,
    _hostile_texts,
    _empty_batch,
    _ordered_cases,
)
