"""Several rewards as one callable, each of them logged (eq. 4)."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError
from semreward.protocols import Completion, Encoder, RewardFunction, RewardValues
from semreward.rewards.base import LogExtra, LogMetric, Reward, check_rows
from semreward.rewards.calling import call_all, is_torch_module, reward_name
from semreward.rewards.language import LanguageConsistencyReward
from semreward.rewards.similarity import SemanticSimilarityReward
from semreward.shaping import weighted_sum

Mode: TypeAlias = Literal["sum"]

TOTAL = "total"
"""Key of the combined reward in a breakdown; no component may be called so."""


@dataclass(frozen=True)
class CompositeReward(Reward):
    r"""Weighted sum of rewards.

    $$R = \sum_k w_k R_k$$

    Components are rewards of this package or any callables in TRL's convention, sync or async; async ones run together.
    A row's value is a finite float, or `None` where every component's is; otherwise a component that is `None` adds
    nothing. Every call logs each component's mean as `<component>/mean` and its values as column `<component>`.

    Args:
        components: Pairs of a reward function and its finite weight; 0 logs a component without using it.
        mode: `"sum"`.
        name: Metric key of the whole.

    Raises:
        ArgumentError: No component, a weight that is not finite, or two components of one name (trainers would merge
            their metrics).
        ArgumentTypeError: A component is not callable, or is a `torch.nn.Module` (trainers would take it for a
            sequence classifier).

    Source:
        Su et al. 2026, eq. 4, https://arxiv.org/abs/2605.14366; how `None` is treated is TRL's convention.

    Example:
        >>> def brief(completions, **columns):
        ...     return [float(len(completion) < 5) for completion in completions]
        >>> reward = CompositeReward([(LanguageConsistencyReward("en"), 1.0), (brief, 0.5)])
        >>> reward(completions=["yes", "certainly"])
        [1.5, 1.0]
        >>> {key: values.tolist() for key, values in reward.breakdown(completions=["yes"]).items()}
        {'language_consistency': [1.0], 'brief': [1.0], 'total': [1.5]}
    """

    components: Sequence[tuple[RewardFunction, float]]
    _: KW_ONLY
    mode: Mode = "sum"
    name: str = "composite"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode != "sum":
            raise ArgumentError(f"`mode` must be 'sum', got {self.mode!r}")
        object.__setattr__(self, "components", tuple(_checked_component(item) for item in self.components))
        names = [reward_name(reward) for reward in self.rewards]
        if not names:
            raise ArgumentError("`components` must name at least one (reward, weight) pair, got none")
        for name in names:
            if names.count(name) > 1 or name == TOTAL:
                raise ArgumentError(
                    f"`components` must have distinct names other than {TOTAL!r}, got {', '.join(names)}; "
                    "rename one: reward.replace(name=...)"
                )

    @property
    def rewards(self) -> list[RewardFunction]:
        """The components, for `GRPOTrainer(reward_funcs=...)`."""
        return [reward for reward, _ in self.components]

    @property
    def weights(self) -> list[float]:
        """Their weights, for `GRPOConfig(reward_weights=...)`."""
        return [weight for _, weight in self.components]

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
            RewardOutputError: A component returned something else than one finite float or `None` a completion.
            ArgumentError: As the components raise it.
        """
        hooks = {"log_metric": log_metric, "log_extra": log_extra}
        given = {name: hook for name, hook in hooks.items() if hook is not None}
        parts = self.breakdown(
            completions=completions, prompts=prompts, completion_ids=completion_ids, **columns, **given
        )
        total = parts.pop(TOTAL)
        for name, values in parts.items():
            if log_metric is not None and not np.isnan(values).all():
                log_metric(f"{name}/mean", float(np.nanmean(values)))
            if log_extra is not None:
                log_extra(name, _as_values(values))
        return _as_values(total)

    def breakdown(self, *, completions: Sequence[Completion], **columns: Any) -> dict[str, NDArray[np.float64]]:
        """What each component says, before its weight, and their weighted sum.

        Args:
            completions: `N` texts or lists of messages.
            **columns: As for a call.

        Returns:
            A float64 array of shape (N,) for each component's name, and for `"total"`; NaN stands for `None`.
        """
        columns = {"prompts": None, "completion_ids": None, **columns}
        check_rows(completions, {name: columns[name] for name in ("prompts", "completion_ids")})
        outputs = call_all(self.rewards, {"completions": completions, **columns})
        parts = {
            reward_name(reward): _checked_output(output, reward_name(reward), len(completions))
            for reward, output in zip(self.rewards, outputs, strict=True)
        }
        total = weighted_sum(np.stack(list(parts.values()), axis=1), self.weights)
        if np.isinf(total).any():
            row = int(np.flatnonzero(np.isinf(total))[0])
            raise RewardOutputError(
                f"the weighted sum overflows at row {row}; scale the components or their weights down"
            )
        return {**parts, TOTAL: total}


def paper_reward(
    encoder: Encoder | str, language: str, threshold: float, *, reference_column: str = "reference"
) -> CompositeReward:
    """The paper's reward: 1.5 x thresholded similarity + 1.0 x language consistency.

    Args:
        encoder: As for `SemanticSimilarityReward`.
        language: BCP-47 tag of the language that the policy must answer in.
        threshold: tau, measured on the cold-start policy with `calibrate_threshold`.
        reference_column: Column of the reference texts.

    Source:
        Su et al. 2026, eq. 4 and section 3.4.2 (weights), https://arxiv.org/abs/2605.14366
    """
    similarity = SemanticSimilarityReward(encoder, threshold=threshold, reference_column=reference_column)  # type: ignore[arg-type] # it takes paths
    return CompositeReward([(similarity, 1.5), (LanguageConsistencyReward(language), 1.0)])


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
    is_number = isinstance(weight, (int, float, np.integer, np.floating)) and not isinstance(weight, bool)
    if not is_number or not math.isfinite(weight):
        raise ArgumentError(f"the weight of `{reward_name(reward)}` must be a finite number, got {weight!r}")
    return reward, float(weight)


def _checked_output(output: Any, name: str, rows: int) -> NDArray[np.float64]:
    try:
        values = [None if value is None else float(value) for value in output]
    except (TypeError, ValueError) as error:
        raise RewardOutputError(f"`{name}` must return one float or None a completion: {error}") from error
    if len(values) != rows:
        raise RewardOutputError(f"`{name}` must return one value a completion: {rows} expected, got {len(values)}")
    for row, value in enumerate(values):
        if value is not None and not math.isfinite(value):
            raise RewardOutputError(
                f"`{name}` must return finite values, got {value} at row {row}; return None where it does not apply"
            )
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _as_values(array: NDArray[np.float64]) -> RewardValues:
    return [None if math.isnan(value) else value for value in array.tolist()]
