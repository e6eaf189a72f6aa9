"""Student's t interval over seeds, a bootstrap over questions, and how small a difference a reading test can see."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats  # type: ignore[import-untyped] # sentence-transformers brings scipy

from semreward.arguments import check_count, check_share

LEVEL, POWER = 0.95, 0.8


class Estimate(NamedTuple):
    """A mean over seeds."""

    mean: float
    half_width: float | None  # of its 95 % t interval over seeds; `None` for a single seed
    seeds: int

    def shown(self, digits: int) -> str:
        """As tables show it."""
        half = "" if self.half_width is None else f" ± {self.half_width:.{digits}f}"
        return f"{self.mean:.{digits}f}{half} ({self.seeds})"


class PairedDifference(NamedTuple):
    """How exact match differs between two policies on the same questions, in points of percent."""

    estimate: Estimate  # over seeds
    low: float  # of the mean's 95 % bootstrap interval over questions
    high: float
    discordant: float  # mean percentage, over seeds, of questions with exactly one right answer
    items: int  # number of questions


def over_seeds(values: Sequence[float]) -> Estimate:
    """Mean and t interval of one number per seed, at least one."""
    count, mean = len(values), float(np.mean(values))
    if count == 1:
        return Estimate(mean, None, 1)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(mean, float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error, count)


def paired_difference(
    after: Sequence[str], before: Sequence[str], *, resamples: int = 10_000, seed: int = 0
) -> PairedDifference:
    """Difference of exact match between two policies, question by question.

    Differences are averaged over the seeds for each question; then questions are drawn anew. The interval tells how far
    the mean would move with other questions, for these trainings. `after` has one string per seed, with `1` (right) or
    `0` for each question; `before` likewise, or a single one to compare all with.
    """
    right_after, right_before = (np.array([[float(sign) for sign in row] for row in rows]) for rows in (after, before))
    differences = (right_after - right_before).mean(axis=0)
    items = len(differences)
    values, counts = np.unique(differences, return_counts=True)  # few distinct values: draw how often each occurs
    means = np.random.default_rng(seed).multinomial(items, counts / items, size=resamples) @ values / items
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) * 100
    by_seed = (right_after - right_before).mean(axis=1) * 100
    discordant = 100 * float(np.mean(right_after != right_before))
    return PairedDifference(over_seeds(by_seed.tolist()), float(low), float(high), discordant, items)


def detectable_difference(items: int, discordant: float) -> float | None:
    r"""The smallest difference of exact match between two policies that a test of paired answers finds.

    With psi the share of questions that exactly one of them gets right and d the difference of their exact matches,
    McNemar's test (two-sided, 5 %) rejects equality with a power of 80 % where

    $$d \sqrt{n} = z_{1-\alpha/2} \sqrt{\psi} + z_{power} \sqrt{\psi - d^2}$$

    for n `items`, at least 1; `None` where no difference that psi (`discordant`, in [0, 1]) allows is found so. Only
    the choice of questions is random here: comparisons of methods need several trainings beside it.

    Source:
        Connor 1987, Biometrics 43(1), https://doi.org/10.2307/2531961, solved for the difference.

    Example:
        >>> round(detectable_difference(2500, 0.10), 4)
        0.0177
        >>> detectable_difference(20, 0.10) is None
        True
    """
    check_count("items", items)
    check_share("discordant", discordant)
    z_level, z_power = stats.norm.ppf([(1 + LEVEL) / 2, POWER]).tolist()
    under_root = items + z_power**2 - z_level**2
    if under_root < 0:
        return None
    difference: float = math.sqrt(discordant) * (math.sqrt(items) * z_level + z_power * math.sqrt(under_root))
    difference /= items + z_power**2
    return difference if difference <= discordant else None
