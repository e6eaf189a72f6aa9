"""Measuring tau: the threshold belongs to one encoder and one cold-start policy."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from semreward.errors import ArgumentError
from semreward.shaping import SATURATION, threshold_rescale

Statistic: TypeAlias = Literal["mean", "median"] | float
"""What of the policy's similarities becomes tau: their mean, their median, or the given quantile in (0, 1)."""


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it does to the samples it was measured on.

    Attributes:
        threshold: tau.
        statistic: What of the similarities it is.
        samples: How many similarities it was measured on.
        mean_similarity: Their mean.
        mean_reward: Their mean reward under this threshold, in [0, 1].
        dead_zone: Share of samples that earn 0; a group of samples that all do teaches nothing.
        saturation: Share of samples that earn at least 0.95.
        encoder_fingerprint: The encoder that judged, where it was given.
    """

    threshold: float
    statistic: Statistic
    samples: int
    mean_similarity: float
    mean_reward: float
    dead_zone: float
    saturation: float
    encoder_fingerprint: str | None = None

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        Path(path).write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """Read what `save` wrote.

        Raises:
            ArgumentError: The file holds something else.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{path} must be a saved calibration: {error}; calibrate again") from error


def calibrate_threshold(
    similarities: ArrayLike | Sequence[float],
    *,
    statistic: Statistic = "mean",
    encoder_fingerprint: str | None = None,
) -> Calibration:
    """Measure tau on a cold-start policy's own samples.

    Sample completions from the cold-start policy for prompts it was not trained on, and take their similarities to the
    references, `SemanticSimilarityReward.similarity(...)`. The paper's tau is "a minimal semantic adequacy level
    achieved after cold-start fine-tuning"; which statistic that is, it does not state. The mean is our default: about
    half of the samples then start in the dead zone, and reinforcement learning refines the better half.

    Args:
        similarities: Cosines of samples and references, in [-1, 1], at least 2.
        statistic: `"mean"`, `"median"`, or a quantile in (0, 1).
        encoder_fingerprint: `encoder.fingerprint`, to be stored beside the threshold.

    Returns:
        The threshold, the dead zone and the saturation that it causes.

    Raises:
        ArgumentError: Fewer than 2 similarities, one outside [-1, 1], an unknown statistic, or a threshold that would
            be 1.

    Source:
        Su et al. 2026, section 3.4.1, https://arxiv.org/abs/2605.14366

    Example:
        >>> calibration = calibrate_threshold([0.2, 0.4, 0.6, 0.8])
        >>> round(calibration.threshold, 3), calibration.dead_zone, calibration.saturation
        (0.5, 0.5, 0.0)
    """
    values = np.asarray(similarities, dtype=np.float64).reshape(-1)
    if values.size < 2:  # noqa: PLR2004 - one sample is no distribution
        raise ArgumentError(f"`similarities` must hold at least 2 samples, got {values.size}; sample more completions")
    threshold = _statistic(values, statistic)
    if not threshold < 1.0:  # also where a similarity is NaN
        raise ArgumentError(
            f"the {statistic} of the similarities must be a number below 1 to be a threshold, got {threshold}; "
            "the samples repeat their references, or a similarity is NaN"
        )
    rewards = threshold_rescale(values, threshold)
    return Calibration(
        threshold=threshold,
        statistic=statistic,
        samples=int(values.size),
        mean_similarity=float(values.mean()),
        mean_reward=float(rewards.mean()),
        dead_zone=float((rewards == 0).mean()),
        saturation=float((rewards >= SATURATION).mean()),
        encoder_fingerprint=encoder_fingerprint,
    )


def _statistic(values: np.ndarray, statistic: Statistic) -> float:
    if statistic == "mean":
        return float(values.mean())
    if statistic == "median":
        return float(np.median(values))
    if isinstance(statistic, float) and 0.0 < statistic < 1.0:
        return float(np.quantile(values, statistic))
    raise ArgumentError(f"`statistic` must be 'mean', 'median' or a quantile in (0, 1), got {statistic!r}")
