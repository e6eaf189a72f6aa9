"""Two policies on the same items: the mean difference with a paired bootstrap interval."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from semreward.errors import ArgumentError

LEVEL = 0.95
POWER = 0.8
RESAMPLES = 10_000


class Comparison(NamedTuple):
    """How a number per item differs between two policies."""

    difference: float  # mean of after - before
    low: float  # its 95 % interval
    high: float
    detectable: float  # the smallest true difference that so many items show with a chance of 80 %: 2.8 standard errors
    items: int
    clusters: int


def compare(after: Sequence[float], before: Sequence[float], *, clusters: Sequence[int] | None = None) -> Comparison:
    """Difference of two policies, item by item. The interval covers the choice of items, not that of training seeds.

    `clusters` says which items are drawn together, such as the questions on one passage; each alone by default.
    """
    drawn = range(len(after)) if clusters is None else clusters
    if not after or not len(after) == len(before) == len(drawn):
        raise ArgumentError(
            f"`after`, `before` and `clusters` must be of one length and not empty, got {len(after)}, {len(before)} "
            f"and {len(drawn)}"
        )
    _, which = np.unique(np.asarray(drawn), return_inverse=True)
    differences = np.asarray(after, float) - np.asarray(before, float)
    sums, sizes = np.bincount(which, differences), np.bincount(which)
    generator = np.random.default_rng(0)
    means = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        chosen = generator.integers(len(sums), size=len(sums))
        means[number] = sums[chosen].sum() / sizes[chosen].sum()
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    errors = NormalDist().inv_cdf((1 + LEVEL) / 2) + NormalDist().inv_cdf(POWER)
    detectable = errors * float(means.std())
    return Comparison(float(differences.mean()), low, high, detectable, len(differences), len(sums))
