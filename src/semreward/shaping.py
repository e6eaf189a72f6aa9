"""Pure mathematics of rewards: how a similarity becomes a reward, how rewards become one."""

from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError

# How far rounding may carry a cosine of unit vectors beyond [-1, 1]; it is clipped back.
COSINE_SLACK = 1e-3

SATURATION = 0.95
"""From this shaped reward on, a completion counts as saturated: there is next to nothing left to gain."""


@overload
def threshold_rescale(s: float, threshold: float) -> float: ...
@overload
def threshold_rescale(s: ArrayLike, threshold: float) -> NDArray[np.float64]: ...
def threshold_rescale(s: ArrayLike, threshold: float) -> float | NDArray[np.float64]:
    r"""Shape similarities into rewards: nothing up to a threshold, linear from there to 1.

    $$R(s) = 0 \text{ for } s \le \tau, \qquad R(s) = \frac{s - \tau}{1 - \tau} \text{ for } s > \tau$$

    Args:
        s: Similarities, any shape, in [-1, 1]; up to 0.001 beyond is clipped.
        threshold: tau, in [-1, 1).

    Returns:
        Rewards in [0, 1]: a float for a scalar, else a float64 array of the same shape; 1 exactly at `s = 1`.

    Raises:
        ArgumentError: `threshold` is outside [-1, 1), or a similarity is not a number in [-1, 1].

    Source:
        Su et al. 2026, eq. 2, https://arxiv.org/abs/2605.14366

    Example:
        >>> threshold_rescale(0.75, threshold=0.5)
        0.5
        >>> threshold_rescale([0.2, 0.6, 1.0], threshold=0.6).tolist()
        [0.0, 0.0, 1.0]
    """
    check_threshold(threshold)
    similarity = np.asarray(s, dtype=np.float64)
    legal = np.abs(similarity) <= 1 + COSINE_SLACK  # False for NaN
    if not legal.all():
        position = int(np.flatnonzero(~legal)[0])
        raise ArgumentError(
            f"similarities must be numbers in [-1, 1], got {similarity.reshape(-1)[position]} at position {position}; "
            "are the vectors of unit norm?"
        )
    tau = float(threshold)  # one precision above and below, so that a similarity of 1 earns exactly 1
    reward = np.clip((np.minimum(similarity, 1.0) - tau) / (1.0 - tau), 0.0, 1.0)
    return float(reward) if similarity.ndim == 0 else reward


def check_threshold(threshold: float) -> None:
    """Raise `ArgumentError` unless a threshold lies in [-1, 1)."""
    is_number = isinstance(threshold, (int, float, np.integer, np.floating)) and not isinstance(threshold, bool)
    if not is_number or not -1.0 <= threshold < 1.0:
        raise ArgumentError(
            f"`threshold` must be a number in [-1, 1), got {threshold!r}; calibrate_threshold() measures one"
        )


def weighted_sum(values_NK: ArrayLike, weights_K: ArrayLike) -> NDArray[np.float64]:  # noqa: N803 - axes in names
    """Combine K rewards per row, shape (N, K), into one, shape (N,); missing ones (NaN) add nothing.

    The result is NaN if every reward of the row is NaN, and infinite if the sum overflows.

    Source:
        Su et al. 2026, eq. 4, https://arxiv.org/abs/2605.14366; the treatment of NaN is TRL's.

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


def break_even_similarity(
    similarity_weight: float = 1.5, language_weight: float = 1.0, *, threshold: float | None = None
) -> float:
    r"""By how much more similarity an answer in the wrong language beats one in the right language under a plain sum.

    Of two answers that earn $a S + b L$, the one with $L = 0$ earns more as soon as its $S$ is higher by more than

    $$\Delta = \frac{b}{a}, \qquad \text{in cosine above } \tau: \quad \Delta_{cos} = (1 - \tau) \frac{b}{a}$$

    with a = `similarity_weight` > 0 and b = `language_weight` >= 0; in cosine if a `threshold` in [-1, 1) is given.
    From a gap of 1 on (1 - tau in cosine) no similarity makes up for the language.

    Source:
        Follows from Su et al. 2026, eq. 4, https://arxiv.org/abs/2605.14366; the paper does not state it.

    Example:
        >>> round(break_even_similarity(1.5, 1.0), 3)  # the paper's weights
        0.667
        >>> round(break_even_similarity(1.5, 1.0, threshold=0.55), 3)  # in cosine
        0.3
    """
    if not is_finite_number(similarity_weight) or not similarity_weight > 0:
        raise ArgumentError(f"`similarity_weight` must be a finite number above 0, got {similarity_weight!r}")
    if not is_finite_number(language_weight) or not language_weight >= 0:
        raise ArgumentError(f"`language_weight` must be a finite number of at least 0, got {language_weight!r}")
    if threshold is not None:
        check_threshold(threshold)
    scale = 1.0 if threshold is None else 1.0 - float(threshold)
    return scale * float(language_weight) / float(similarity_weight)
