"""Several rewards as one callable, each of them logged: a weighted sum (eq. 4), optionally behind gates."""

import asyncio
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semreward.arguments import check_choice, check_number, in_one_order, is_column, is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError
from semreward.protocols import Completion, RewardFunction
from semreward.rewards.base import Batch, Outcome, Reward, as_values
from semreward.rewards.calling import AsyncReward, is_async, is_torch_module, reward_bounds, reward_name, run_to_end
from semreward.text import DEFAULT_ANSWER

Mode: TypeAlias = Literal["sum", "gate"]
"""How components combine: a weighted sum for all rows, or only for those that pass every gate."""

Weight: TypeAlias = float | Callable[[Any], float]
"""A component's weight: a finite number, or a schedule that returns it for TRL's `trainer_state`, at every call."""

# Keys of a breakdown, which no component may be named: the combined reward, and whether a gate closed the row.
TOTAL, GATED = "total", "gated"

# How far rounding may carry a component's value beyond the bounds that it declares.
_BOUNDS_SLACK = 1e-6
_OURS = (Reward, AsyncReward)  # what scores a batch that is already read


@dataclass(frozen=True)
class CompositeReward(Reward):
    r"""Weighted sum of rewards, optionally behind gates.

    $$R = \sum_k w_k R_k$$

    Components are rewards of this package or any callables in TRL's convention; async ones run together. A row is
    `None` if every component is, or if one cannot encode it; else a component that is `None` adds nothing. Every call
    logs each component's mean as `<component>/mean` and its values as column `<component>`.

    With `mode="gate"`, a row receives its sum only if it passes all `gates`, else the floor. A gate's `None` fails, so
    one that finds nothing to judge should return 1, as our guards do. Every call also logs `<name>/gated` (the share of
    rows that received the floor), `<gate>/failed` for each gate, and the column `<name>/failed_gates`.

    Args:
        components: Pairs of a reward function and its finite weight; 0 logs a component, or makes it a pure gate. A
            function of TRL's `trainer_state` schedules it, logged as `<name>/<component>/weight`; `bounds` are unknown.
        mode: `"sum"` or `"gate"`.
        gates: Names of the components that gate; their weights count as before.
        gate_threshold: Least value that passes a gate, finite; a value of 0 or less never does.
        floor: What a row that fails a gate receives, finite; by default the lowest possible total.
        name, answer, on_error: As for every `Reward`; they hold for the whole.

    Raises:
        ArgumentError: No component, a weight that is not finite, two components of one name, a component with an
            `answer` or `on_error` of its own, a gate that is not a component, or no `floor` and unknown bounds. In a
            call: a schedule without `trainer_state`, or one that raises or returns no finite number.
        ArgumentTypeError: A component is not callable, or is a `torch.nn.Module`.

    Source:
        Su et al. 2026, eq. 4, https://arxiv.org/abs/2605.14366; `None` is treated as in TRL. The minimum reward for
        answers in the wrong language: WALAR (2026), https://arxiv.org/abs/2603.13045.

    Example:
        >>> from semreward import LanguageConsistencyReward
        >>> def brief(completions, **columns):
        ...     return [float(len(completion) < 5) for completion in completions]
        >>> reward = CompositeReward([(LanguageConsistencyReward("en"), 1.0), (brief, 0.5)])
        >>> reward(completions=["yes", "certainly", "是"])
        [1.5, 1.0, 0.5]
        >>> {key: values.tolist() for key, values in reward.breakdown(completions=["yes"]).items()}
        {'language_consistency': [1.0], 'brief': [1.0], 'total': [1.5]}
        >>> gated = reward.replace(mode="gate", gates=["language_consistency"], floor=0.0)
        >>> gated(completions=["yes", "certainly", "是"])
        [1.5, 1.0, 0.0]
    """

    components: Sequence[tuple[RewardFunction, Weight]]
    _: KW_ONLY
    mode: Mode = "sum"
    gates: Sequence[str] = ()
    gate_threshold: float = 0.0
    floor: float | None = None
    name: str = "composite"
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)  # of the components, in order
    _declared: tuple[tuple[float, float] | None, ...] = field(init=False, repr=False, compare=False)  # their bounds

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_column(self.components):
            raise ArgumentTypeError(f"`components` must be a list of pairs (reward, weight), got {self.components!r}")
        object.__setattr__(self, "components", tuple(_checked_component(item) for item in self.components))
        if not self.components:
            raise ArgumentError("`components` must name at least one (reward, weight) pair, got none")
        object.__setattr__(self, "_declared", tuple(reward_bounds(reward) for reward, _ in self.components))
        object.__setattr__(self, "names", tuple(reward_name(reward) for reward, _ in self.components))
        names = [name for reward, _ in self.components for name in _logged_names(reward)]
        for name in names:
            if names.count(name) > 1 or name in {TOTAL, GATED, self.name}:
                raise ArgumentError(
                    f"`components`, and theirs, must have distinct names other than {TOTAL!r}, {GATED!r} and "
                    f"{self.name!r}, got {', '.join(names)}; rename one: reward.replace(name=...)"
                )
        object.__setattr__(self, "gates", _checked_gates(self.gates, self.names))
        self._check_mode()

    def __repr__(self) -> str:
        shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return re.sub(" at 0x[0-9a-fA-F]+", "", f"{type(self).__qualname__}({shown})")  # the same in every process

    def _check_mode(self) -> None:
        check_choice("mode", self.mode, get_args(Mode))
        check_number("gate_threshold", self.gate_threshold)
        if self.floor is not None:
            check_number("floor", self.floor)
        if self.mode == "gate":
            if not self.gates:
                raise ArgumentError("mode='gate' needs `gates`: name the components that a row must not fail")
            self._floor()
        elif self.gates or self.gate_threshold != 0 or self.floor is not None:
            raise ArgumentError("`gates`, `gate_threshold` and `floor` need mode='gate', got mode='sum'")

    @property
    def rewards(self) -> list[RewardFunction]:
        """The components, for `GRPOTrainer(reward_funcs=...)`; an error with gates or `on_error="none"`."""
        if self.mode == "gate" or self.on_error == "none":
            reason = "mode='gate'" if self.mode == "gate" else "on_error='none'"
            raise ArgumentError(
                f"a composite with {reason} cannot be taken apart: a trainer that sums its components would pay rows "
                "that it does not; pass the composite itself as the one reward"
            )
        return [_with_answer(reward, self.answer) for reward, _ in self.components]

    @property
    def weights(self) -> list[float]:
        """Their weights, for `GRPOConfig(reward_weights=...)`; an error if one is a schedule."""
        return [_finite_weight(name, part[1]) for name, part in zip(self.names, self.components, strict=True)]

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and greatest value that it can return; `None` if a paid component declares none, or has a schedule."""
        sums = self._sum_bounds()
        if self.mode == "sum" or sums is None:
            return sums
        return min(sums[0], self._floor()), max(sums[1], self._floor())

    def _sum_bounds(self) -> tuple[float, float] | None:
        low = high = 0.0
        for (_, weight), bounds in zip(self.components, self._declared, strict=True):
            declared = bounds if weight else (0.0, 0.0)
            if declared is None or callable(weight):
                return None
            ends = (0.0, weight * declared[0], weight * declared[1])  # nothing is added where it does not apply
            low, high = low + min(ends), high + max(ends)
        return (low, high) if math.isfinite(low) and math.isfinite(high) else None

    def _floor(self) -> float:
        """What a row that fails a gate receives."""
        if self.floor is not None:
            return float(self.floor)
        sums = self._sum_bounds()
        if sums is None:
            parts = zip(self.names, self.components, self._declared, strict=True)
            unknown = [name for name, (_, weight), known in parts if callable(weight) or (weight and not known)]
            raise ArgumentError(
                "the lowest total is not known, because there are no bounds (or too wide ones, or a schedule) of "
                f"{', '.join(unknown) or 'the sum'}; pass floor=..., or give the reward an attribute bounds=(low, high)"
            )
        return sums[0]

    def breakdown(self, *, completions: Sequence[Completion], **columns: Any) -> dict[str, NDArray[np.float64]]:
        """Each component's values, before its weight, and the total, for the arguments of a call.

        Returns:
            A float64 array of shape (N,) for each component's name, and for `"total"`; NaN means `None`. With
            gates, also for `"<gate>/failed"` and `"gated"`: 1 if a row failed, or received the floor, else 0.
        """
        given = {"prompts": None, "completion_ids": None, **columns}
        return self.decided(Batch(completions, given, answer=self.answer)).parts

    def score(self, batch: Batch) -> Outcome:
        """The combined rewards of a batch, with all that its components log.

        Raises:
            RewardOutputError: A component did not return a finite float or `None` per completion, or left its bounds.
        """
        rows = len(batch)  # before a component can change it, as the answers
        if any(isinstance(reward, Reward) for reward, _ in self.components):
            _ = batch.answers
        whole = Outcome(np.zeros(rows))
        weights = []
        for name, (_, weight) in zip(self.names, self.components, strict=True):
            if callable(weight):
                weight = whole.metrics[f"{self.name}/{name}/weight"] = _weight_now(name, weight, batch)  # noqa: PLW2901
            weights.append(weight)
        for name, output in zip(self.names, self._outputs(batch), strict=True):
            if isinstance(output, Outcome):
                values = output.values
                whole.metrics.update(output.metrics)
                whole.extras.update(output.extras)
                whole.errors.update(output.errors)
            else:
                values = _checked_output(output, name, rows)
            if not np.isnan(values).all():
                whole.metrics[f"{name}/mean"] = float(np.nanmean(values))
            whole.extras[name] = as_values(values)
            whole.parts[name] = values
        whole.values = weighted_sum(np.stack(list(whole.parts.values()), axis=1), weights)
        whole.values[list(whole.errors)] = np.nan
        if (infinite := np.flatnonzero(np.isinf(whole.values))).size:
            raise RewardOutputError(
                f"the weighted sum overflows at row {infinite[0]}; scale the components or their weights down"
            )
        if self.mode == "gate":
            self._close_gates(whole)
        whole.parts[TOTAL] = whole.values
        return whole

    def _outputs(self, batch: Batch) -> list[Any]:
        """Each component's values: sync ones one after the other, then all async ones together."""
        outputs: list[Any] = []
        pending: dict[int, Callable[[], Any]] = {}
        for index, (reward, _) in enumerate(self.components):
            call = partial(reward.score, batch) if isinstance(reward, _OURS) else partial(reward, **batch.arguments)
            if not isinstance(reward, Reward) and is_async(reward):
                pending[index] = call
            outputs.append(None if index in pending else call())

        async def awaited() -> list[Any]:
            return await asyncio.gather(*(call() for call in pending.values()))

        for index, output in zip(pending, run_to_end(awaited) if pending else (), strict=True):
            outputs[index] = output
        return outputs

    def _close_gates(self, whole: Outcome) -> None:
        """Give rows that fail a gate the floor; adds to the parts which gates each row fails, and logs it."""
        if self.floor is None:
            self._check_declared_bounds(whole.parts)
        judged = ~np.isnan(whole.values)
        gated = np.zeros_like(judged)
        names: list[list[str]] = [[] for _ in gated]
        for gate in self.gates:
            failed = ~((whole.parts[gate] > 0) & (whole.parts[gate] >= self.gate_threshold))
            gated |= failed & judged
            whole.parts[f"{gate}/failed"] = failed.astype(np.float64)
            if failed.size:
                whole.metrics[f"{gate}/failed"] = float(failed.mean())
            for row in np.flatnonzero(failed):
                names[row].append(gate)
        whole.parts[GATED] = gated.astype(np.float64)
        if gated.size:
            whole.metrics[f"{self.name}/{GATED}"] = float(gated.mean())
        whole.extras[f"{self.name}/failed_gates"] = [", ".join(found) for found in names]
        whole.values = np.where(gated, self._floor(), whole.values)

    def _check_declared_bounds(self, parts: Mapping[str, NDArray[np.float64]]) -> None:
        """Raise where a value lies outside the bounds that the floor was computed from: it could be below the floor."""
        for name, (_, weight), declared in zip(self.names, self.components, self._declared, strict=True):
            if not weight or declared is None:
                continue
            values = parts[name]
            slack = _BOUNDS_SLACK * max(1.0, abs(declared[0]), abs(declared[1]))
            outside = np.flatnonzero((values < declared[0] - slack) | (values > declared[1] + slack))
            if outside.size:
                raise RewardOutputError(
                    f"`{name}` declares values in [{declared[0]:g}, {declared[1]:g}], got "
                    f"{values[outside[0]]} at row {outside[0]}; correct its `bounds`, or pass floor=..."
                )


def as_composite(reward: RewardFunction) -> CompositeReward:
    """A reward function of any kind as a composite with its `answer` and `on_error`; values stay the same."""
    inner = reward.reward if isinstance(reward, AsyncReward) else reward
    if isinstance(inner, CompositeReward):
        return inner
    if not isinstance(inner, Reward):
        return CompositeReward([(reward, 1.0)], name="adapted")
    options: dict[str, Any] = {"answer": inner.answer, "on_error": inner.on_error}  # the outermost reward decides
    return CompositeReward([(inner.replace(answer=DEFAULT_ANSWER, on_error="raise"), 1.0)], name="adapted", **options)


def _checked_gates(gates: Any, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(gates, str) or not isinstance(gates, Collection):
        raise ArgumentTypeError(f"`gates` must be a list of component names, got {gates!r}; write gates=[...]")
    for gate in gates:
        if gate not in names:
            raise ArgumentError(f"`gates` must name components, got {gate!r}; there are {', '.join(names)}")
    return in_one_order(dict.fromkeys(gates) if not isinstance(gates, (set, frozenset)) else gates)


def _logged_names(reward: object) -> list[str]:
    """The names under which a component logs: its own, and those of its parts."""
    own = reward_name(reward)
    if not isinstance(reward, _OURS):
        return [own]
    inside = [part for part, _ in getattr(reward, "components", ())] or [getattr(reward, "reward", None)]
    found = [name for part in inside if part is not None for name in _logged_names(part)]
    return found if own in found[:1] else [own, *found]  # a reward that only wraps another has its name


def _checked_component(item: Any) -> tuple[RewardFunction, Weight]:
    if not isinstance(item, Sequence) or len(item) != 2:  # noqa: PLR2004 - a pair
        raise ArgumentTypeError(f"`components` must be pairs (reward, weight), got {item!r}")
    reward, weight = item
    if is_torch_module(reward):
        raise ArgumentTypeError(
            f"a component must not be a torch.nn.Module, got {type(reward).__name__}; wrap it in a class that calls it"
        )
    if not callable(reward):
        raise ArgumentTypeError(f"a component must be callable, got {reward!r}")
    if not callable(weight) or isinstance(weight, (type, Reward)) or is_async(weight):
        weight = _finite_weight(reward_name(reward), weight, "or give a plain function from `trainer_state` to one")
    ours: Any = reward.reward if isinstance(reward, AsyncReward) else reward
    while isinstance(ours, partial):
        ours = ours.func
    ours = getattr(ours, "__self__", ours)  # of a method
    if isinstance(ours, Reward) and (ours.answer != DEFAULT_ANSWER or ours.on_error != "raise"):
        changed = "answer" if ours.answer != DEFAULT_ANSWER else "on_error"
        raise ArgumentError(
            f"`{changed}` belongs to the outermost reward, got {getattr(ours, changed)!r} on the component "
            f"`{ours.name}`; pass it to the CompositeReward instead"
        )
    return reward, weight


def _weight_now(name: str, schedule: Callable[[Any], float], batch: Batch) -> float:
    if (state := batch.columns.get("trainer_state")) is None:
        raise ArgumentError(
            f"the weight of `{name}`, `{reward_name(schedule)}`, needs `trainer_state`, which TRL passes and this call "
            "lacks; use a number as the weight, or functools.partial(reward, trainer_state=...)"
        )
    try:
        weight = schedule(state)
    except Exception as error:
        message = f"the schedule `{reward_name(schedule)}` of the weight of `{name}` raised {error!r}; correct it"
        raise ArgumentError(message) from error
    return _finite_weight(name, weight, f"correct its schedule `{reward_name(schedule)}`: return a float")


def _finite_weight(name: str, weight: Any, remedy: str = "pass the composite itself as the one reward") -> float:
    if not is_finite_number(weight):
        raise ArgumentError(f"the weight of `{name}` must be a finite number, got {weight!r}; {remedy}")
    return float(weight)


def _with_answer(reward: RewardFunction, answer: Any) -> RewardFunction:
    if isinstance(reward, AsyncReward):
        return replace(reward, reward=reward.reward.replace(answer=answer))
    return reward.replace(answer=answer) if isinstance(reward, Reward) and answer != reward.answer else reward


def _checked_output(output: Any, name: str, rows: int) -> NDArray[np.float64]:
    if isinstance(output, (str, bytes, Mapping)):
        raise RewardOutputError(f"`{name}` must return a list of values, got {type(output).__name__}")
    try:
        values = [None if value is None else _as_float(value) for value in output]
    except (TypeError, ValueError, OverflowError) as error:
        raise RewardOutputError(f"`{name}` must return one float or None per completion: {error}") from error
    if len(values) != rows:
        raise RewardOutputError(f"`{name}` must return one value per completion: {rows} expected, got {len(values)}")
    for row, value in enumerate(values):
        if value is not None and not math.isfinite(value):
            raise RewardOutputError(
                f"`{name}` must return finite values, got {value} at row {row}; return None where it does not apply"
            )
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _as_float(value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError(f"got the text {value!r}")
    return float(value)


def weighted_sum(values_NK: ArrayLike, weights_K: ArrayLike) -> NDArray[np.float64]:  # noqa: N803 - axes in names
    """Combine K rewards per row, shape (N, K), into one, shape (N,); missing ones (NaN) add nothing.

    Eq. 4 of Su et al. 2026. As in TRL, the result is NaN if every reward of the row is; it is infinite on overflow.

    Example:
        >>> weighted_sum([[0.5, 1.0], [float("nan"), 1.0]], [1.5, 1.0]).tolist()
        [1.75, 1.0]
    """
    values = np.asarray(values_NK, dtype=np.float64)
    weights = np.asarray(weights_K, dtype=np.float64)
    missing = np.isnan(values)
    with np.errstate(over="ignore"):  # callers look at what comes out
        total = (np.where(missing, 0.0, values) * weights).sum(axis=1)
    return np.where(missing.all(axis=1), np.nan, total)
