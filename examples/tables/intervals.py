"""Intervals: Student's t over seeds, and a bootstrap over questions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats  # type: ignore[import-untyped] # sentence-transformers brings scipy

_LEVEL = 0.95


class Estimate(NamedTuple):
    """A mean over seeds.

    Attributes:
        mean: The mean.
        half_width: Half the width of its 95 % t interval, which takes the seeds for a sample of normally distributed
            results; `None` for a single seed.
        seeds: Number of seeds.
    """

    mean: float
    half_width: float | None
    seeds: int


class PairedDifference(NamedTuple):
    """How exact match differs between two policies on the same questions.

    Attributes:
        mean: Mean difference, in [-1, 1].
        low: Lower end of its 95 % bootstrap interval over questions.
        high: Upper end.
        discordant: Mean share, over seeds, of questions with exactly one right answer.
        items: Number of questions.
    """

    mean: float
    low: float
    high: float
    discordant: float
    items: int


def over_seeds(values: Sequence[float]) -> Estimate:
    """Mean and t interval of one number a seed.

    Args:
        values: At least one number.

    Example:
        >>> over_seeds([0.4, 0.5, 0.6])
        Estimate(mean=0.5, half_width=0.248..., seeds=3)
    """
    count, mean = len(values), float(np.mean(values))
    if count == 1:
        return Estimate(mean, None, 1)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(mean, float(stats.t.ppf((1 + _LEVEL) / 2, count - 1)) * error, count)


def paired_difference(
    after: Sequence[str], before: Sequence[str], *, resamples: int = 10_000, seed: int = 0
) -> PairedDifference:
    """Difference of exact match between two policies, question by question.

    Differences are averaged over the seeds for each question; then questions are drawn anew. The interval tells how far
    the mean would move with other questions, for these trainings.

    Args:
        after: One string of `1` (right) and `0` a seed, one sign a question.
        before: Likewise, as many seeds or a single one to compare all with.
        resamples: Bootstrap samples.
        seed: Seed of these samples.

    Example:
        >>> paired_difference(["1100"], ["1111"]).mean
        -0.5
    """
    right_after, right_before = _table(after), _table(before)
    differences = (right_after - right_before).mean(axis=0)
    generator = np.random.default_rng(seed)
    items = len(differences)
    values, counts = np.unique(differences, return_counts=True)  # few distinct values: draw how often each occurs
    means = generator.multinomial(items, counts / items, size=resamples) @ values / items
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    discordant = float(np.mean(right_after != right_before))
    return PairedDifference(float(differences.mean()), float(low), float(high), discordant, items)


def _table(rows: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return np.array([[float(sign) for sign in row] for row in rows])
