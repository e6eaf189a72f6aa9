"""Several rewards as one callable, each of them logged: a weighted sum (eq. 4), which gates may close."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError
from semreward.protocols import Completion, RewardFunction, RewardValues
from semreward.rewards.base import (
    AsyncReward,
    LogExtra,
    LogMetric,
    Reward,
    check_rows,
    in_one_order,
    is_column,
    reward_bounds,
)
from semreward.rewards.calling import call_all, is_torch_module, reward_name
from semreward.shaping import weighted_sum

Mode: TypeAlias = Literal["sum", "gate"]
"""How components combine: as a weighted sum, or as one that rows receive only where every gate is open."""

Breakdown: TypeAlias = dict[str, NDArray[np.float64]]
"""What was found out about `N` rows: arrays of shape (N,) by name."""

MODES: tuple[Mode, ...] = ("sum", "gate")

TOTAL = "total"
"""Key of the combined reward in a breakdown; no component may be called so."""

GATED = "gated"
"""Key in a breakdown of whether a gate closed the row; no component may be called so."""

# How far rounding may carry a component's value beyond the bounds that it declares.
_BOUNDS_SLACK = 1e-6


@dataclass(frozen=True)
class CompositeReward(Reward):
    r"""Weighted sum of rewards, as it is or behind gates.

    $$R = \sum_k w_k R_k$$

    Components are rewards of this package or any callables in TRL's convention, sync or async; async ones run together.
    A row's value is a finite float, or `None` where every component's is; otherwise a component that is `None` adds
    nothing. Every call logs each component's mean as `<component>/mean` and its values as column `<component>`.

    With `mode="gate"`, components named in `gates` decide whether a row receives its sum at all. A row passes a gate
    whose value is above 0 and at least `gate_threshold`; a row that fails one, also by `None`, receives the floor. A
    gate that cannot tell stays shut, so a reward that finds nothing to judge in a row should return 1 to be a gate, as
    the guards of this package do. Every call also logs `<name>/gated`, the share of rows that received the floor,
    `<gate>/failed` for each gate, and the column `<name>/failed_gates` with the names of the gates that a row failed.

    Args:
        components: Pairs of a reward function and its finite weight; 0 logs a component, and lets it be a gate, without
            adding it.
        mode: `"sum"` or `"gate"`.
        gates: Names of the components that gate; they add to the sum by their weights like the others.
        gate_threshold: Least value that passes a gate, finite; a value of 0 or less never does.
        floor: What a row that fails a gate receives, finite. By default the lowest total that the components can add up
            to: not 0, which could be a prize where penalties are in the sum.
        name: Metric key of the whole.

    Raises:
        ArgumentError: No component, a weight that is not finite, two components of one name (trainers would merge
            their metrics), a gate that is no component, or no `floor` where a component with a weight declares no
            bounds.
        ArgumentTypeError: A component is not callable, or is a `torch.nn.Module` (trainers would take it for a
            sequence classifier).

    Source:
        Su et al. 2026, eq. 4, https://arxiv.org/abs/2605.14366; how `None` is treated is TRL's convention. The minimum
        reward for answers in the wrong language: WALAR (2026), https://arxiv.org/abs/2603.13045.

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

    components: Sequence[tuple[RewardFunction, float]]
    _: KW_ONLY
    mode: Mode = "sum"
    gates: Sequence[str] = ()
    gate_threshold: float = 0.0
    floor: float | None = None
    name: str = "composite"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_column(self.components):
            raise ArgumentTypeError(f"`components` must be a list of pairs (reward, weight), got {self.components!r}")
        object.__setattr__(self, "components", tuple(_checked_component(item) for item in self.components))
        if not self.components:
            raise ArgumentError("`components` must name at least one (reward, weight) pair, got none")
        names = [name for reward in self.rewards for name in _logged_names(reward)]
        for name in names:
            if names.count(name) > 1 or name in {TOTAL, GATED}:
                raise ArgumentError(
                    f"`components`, and theirs, must have distinct names other than {TOTAL!r} and {GATED!r}, got "
                    f"{', '.join(names)}; rename one: reward.replace(name=...)"
                )
        object.__setattr__(self, "gates", _checked_gates(self.gates, [reward_name(reward) for reward in self.rewards]))
        self._check_mode()

    def _check_mode(self) -> None:
        if self.mode not in MODES:
            raise ArgumentError(f"`mode` must be one of {', '.join(MODES)}; got {self.mode!r}")
        if not is_finite_number(self.gate_threshold):
            raise ArgumentError(f"`gate_threshold` must be a finite number, got {self.gate_threshold!r}")
        if self.floor is not None and not is_finite_number(self.floor):
            raise ArgumentError(f"`floor` must be a finite number or None, got {self.floor!r}")
        if self.mode == "gate":
            if not self.gates:
                raise ArgumentError("mode='gate' needs `gates`: name the components that a row must not fail")
            self._floor()
        elif self.gates or self.gate_threshold != 0 or self.floor is not None:
            raise ArgumentError("`gates`, `gate_threshold` and `floor` need mode='gate', got mode='sum'")

    @property
    def rewards(self) -> list[RewardFunction]:
        """The components, for `GRPOTrainer(reward_funcs=...)`."""
        return [reward for reward, _ in self.components]

    @property
    def weights(self) -> list[float]:
        """Their weights, for `GRPOConfig(reward_weights=...)`."""
        return [weight for _, weight in self.components]

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and greatest value that it can return; `None` where a component with a weight declares no bounds."""
        sums = self._sum_bounds()
        if self.mode == "sum" or sums is None:
            return sums
        return min(sums[0], self._floor()), max(sums[1], self._floor())

    def _sum_bounds(self) -> tuple[float, float] | None:
        low = high = 0.0
        for reward, weight in self.components:
            declared = reward_bounds(reward) if weight else (0.0, 0.0)
            if declared is None:
                return None
            ends = (0.0, weight * declared[0], weight * declared[1])  # nothing is added where it does not apply
            low, high = low + min(ends), high + max(ends)
        return (low, high) if math.isfinite(low) and math.isfinite(high) else None

    def _floor(self) -> float:
        """What a row receives that fails a gate."""
        if self.floor is not None:
            return float(self.floor)
        sums = self._sum_bounds()
        if sums is None:
            unknown = [reward_name(part) for part, weight in self.components if weight and not reward_bounds(part)]
            raise ArgumentError(
                "the lowest total is not known, because there are no bounds (or too wide ones) of "
                f"{', '.join(unknown) or 'the sum'}; pass floor=..., or give the reward an attribute bounds=(low, high)"
            )
        return sums[0]

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
        """Score `N` completions; every argument is handed on to the components.

        Returns:
            `N` values in order, each a finite float, or `None` where no component applies.

        Raises:
            RewardOutputError: A component returned something else than one finite float or `None` a completion, or
                left the bounds by which the floor is set.
            ArgumentError: As the components raise it.
        """
        hooks = {"log_metric": log_metric, "log_extra": log_extra}
        given = {name: hook for name, hook in hooks.items() if hook is not None}
        parts = self.breakdown(
            completions=completions, prompts=prompts, completion_ids=completion_ids, **columns, **given
        )
        for name in map(reward_name, self.rewards):
            if log_metric is not None and not np.isnan(parts[name]).all():
                log_metric(f"{name}/mean", float(np.nanmean(parts[name])))
            if log_extra is not None:
                log_extra(name, _as_values(parts[name]))
        if self.mode == "gate":
            self._log_gates(parts, log_metric, log_extra)
        return _as_values(parts[TOTAL])

    def breakdown(self, *, completions: Sequence[Completion], **columns: Any) -> Breakdown:
        """What each component says, before its weight, and what comes of them.

        Args:
            completions: `N` texts or lists of messages.
            **columns: As for a call.

        Returns:
            A float64 array of shape (N,) for each component's name, and for `"total"`; NaN stands for `None`. With
            gates, also for each one's `"<gate>/failed"`, and for `"gated"`: 1 where a row failed, and where it received
            the floor, else 0.
        """
        columns = {"prompts": None, "completion_ids": None, **columns}
        check_rows(completions, {name: columns[name] for name in ("prompts", "completion_ids")})
        count = len(completions)  # before a component can change it
        outputs = call_all(self.rewards, {"completions": completions, **columns})
        parts = {
            reward_name(reward): _checked_output(output, reward_name(reward), count)
            for reward, output in zip(self.rewards, outputs, strict=True)
        }
        total = weighted_sum(np.stack(list(parts.values()), axis=1), self.weights)
        if np.isinf(total).any():
            row = int(np.flatnonzero(np.isinf(total))[0])
            raise RewardOutputError(
                f"the weighted sum overflows at row {row}; scale the components or their weights down"
            )
        return {**parts, TOTAL: total} if self.mode == "sum" else self._gated(parts, total)

    def _gated(self, parts: Breakdown, total: NDArray[np.float64]) -> Breakdown:
        """A breakdown behind the gates: which gates each row fails, and the floor where it fails one."""
        if self.floor is None:
            self._check_declared_bounds(parts)
        failed = {
            f"{gate}/failed": (~((parts[gate] > 0) & (parts[gate] >= self.gate_threshold))).astype(np.float64)
            for gate in self.gates
        }
        gated = np.logical_or.reduce([values > 0 for values in failed.values()]) & ~np.isnan(total)
        return {**parts, **failed, GATED: gated.astype(np.float64), TOTAL: np.where(gated, self._floor(), total)}

    def _check_declared_bounds(self, parts: Breakdown) -> None:
        """Raise where a value lies outside the bounds that the floor was computed from: it could be below the floor."""
        for reward, weight in self.components:
            declared = reward_bounds(reward)
            if not weight or declared is None:
                continue
            values = parts[reward_name(reward)]
            slack = _BOUNDS_SLACK * max(1.0, abs(declared[0]), abs(declared[1]))
            outside = np.flatnonzero((values < declared[0] - slack) | (values > declared[1] + slack))
            if outside.size:
                raise RewardOutputError(
                    f"`{reward_name(reward)}` declares values in [{declared[0]:g}, {declared[1]:g}], got "
                    f"{values[outside[0]]} at row {outside[0]}; correct its `bounds`, or pass floor=..."
                )

    def _log_gates(self, parts: Breakdown, log_metric: LogMetric | None, log_extra: LogExtra | None) -> None:
        failed = {gate: parts[f"{gate}/failed"] for gate in self.gates}
        rows = len(parts[TOTAL])
        if log_metric is not None and rows:
            log_metric(f"{self.name}/{GATED}", float(parts[GATED].mean()))
            for gate, values in failed.items():
                log_metric(f"{gate}/failed", float(values.mean()))
        if log_extra is not None:
            names = [", ".join(gate for gate, values in failed.items() if values[row]) for row in range(rows)]
            log_extra(f"{self.name}/failed_gates", names)


def _checked_gates(gates: Any, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(gates, str) or not isinstance(gates, Collection):
        raise ArgumentTypeError(f"`gates` must be a list of component names, got {gates!r}; write gates=[...]")
    for gate in gates:
        if gate not in names:
            raise ArgumentError(f"`gates` must name components, got {gate!r}; there are {', '.join(names)}")
    return in_one_order(dict.fromkeys(gates) if not isinstance(gates, (set, frozenset)) else gates)


def _logged_names(reward: object) -> list[str]:
    """The names under which a component logs: its own, and those of what it is made of."""
    own = reward_name(reward)
    if not isinstance(reward, (Reward, AsyncReward)):
        return [own]
    inside = getattr(reward, "rewards", None) or [getattr(reward, "reward", None)]
    found = [name for part in inside if part is not None for name in _logged_names(part)]
    return found if own in found[:1] else [own, *found]  # a reward that only wraps another has its name


def _checked_component(item: Any) -> tuple[RewardFunction, float]:
    if not isinstance(item, Sequence) or len(item) != 2:  # noqa: PLR2004 - a pair
        raise ArgumentTypeError(f"`components` must be pairs (reward, weight), got {item!r}")
    reward, weight = item
    if is_torch_module(reward):
        raise ArgumentTypeError(
            f"a component must not be a torch.nn.Module, got {type(reward).__name__}; wrap it in a class that calls it"
        )
    if not callable(reward):
        raise ArgumentTypeError(f"a component must be callable, got {reward!r}")
    if not is_finite_number(weight):
        raise ArgumentError(f"the weight of `{reward_name(reward)}` must be a finite number, got {weight!r}")
    return reward, float(weight)


def _checked_output(output: Any, name: str, rows: int) -> NDArray[np.float64]:
    if isinstance(output, (str, bytes, Mapping)):
        raise RewardOutputError(f"`{name}` must return a list of values, got {type(output).__name__}")
    try:
        values = [None if value is None else _as_float(value) for value in output]
    except (TypeError, ValueError, OverflowError) as error:
        raise RewardOutputError(f"`{name}` must return one float or None a completion: {error}") from error
    if len(values) != rows:
        raise RewardOutputError(f"`{name}` must return one value a completion: {rows} expected, got {len(values)}")
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


def _as_values(array: NDArray[np.float64]) -> RewardValues:
    return [None if math.isnan(value) else value for value in array.tolist()]
