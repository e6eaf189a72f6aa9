"""Pure mathematics of rewards: how a similarity becomes a reward, how rewards become one."""

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semreward.arguments import check_number, is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError

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
        ArgumentError: `threshold` is outside [-1, 1), or a similarity outside [-1, 1].
        ArgumentTypeError: Similarities are not numbers.

    Source:
        Su et al. 2026, eq. 2, https://arxiv.org/abs/2605.14366

    Example:
        >>> threshold_rescale([0.2, 0.6, 1.0], threshold=0.6).tolist()
        [0.0, 0.0, 1.0]
    """
    check_threshold(threshold)
    cosines = as_cosines("s", s)
    tau = float(threshold)  # one precision above and below, so that a similarity of 1 earns exactly 1
    reward = np.maximum((cosines - tau) / (1.0 - tau), 0.0)
    return float(reward) if cosines.ndim == 0 else reward


def as_cosines(name: str, values: Any, *, at_least: int = 0) -> NDArray[np.float64]:
    """Numbers in lists, arrays or tensors as an array of cosines, clipped to [-1, 1]; an error for anything else."""
    try:
        if hasattr(values, "detach"):  # numpy reads no tensor that takes part in training, or is in bfloat16
            values = values.detach().cpu().double()
        array = np.asarray(values)
        casting: Literal["unsafe", "same_kind"] = "unsafe" if array.dtype == object else "same_kind"  # no texts
        cosines = array.astype(np.float64, casting=casting)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        kind = ArgumentError if "inhomogeneous" in str(error) else ArgumentTypeError
        raise kind(
            f"`{name}` must be numbers, in one row or in rows of one length, got {str(values)[:80]!r}: {error}; "
            "leave out prompts that have fewer samples, and give a tensor as a whole"
        ) from error
    if cosines.size < at_least:
        raise ArgumentError(
            f"`{name}` must hold at least {at_least} samples, got {cosines.size}; sample more completions"
        )
    wrong = np.flatnonzero(~(np.abs(cosines) <= 1 + COSINE_SLACK))  # also where one is NaN
    if wrong.size:
        raise ArgumentError(
            f"`{name}` must be cosines in [-1, 1], got {cosines.reshape(-1)[wrong[0]]} at position {wrong[0]}; leave "
            "out rows without a reference, and give vectors of unit norm"
        )
    return np.clip(cosines, -1.0, 1.0)


def check_threshold(threshold: float) -> None:
    """Raise `ArgumentError` unless a threshold lies in [-1, 1)."""
    if not is_finite_number(threshold) or not -1.0 <= threshold < 1.0:
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
    From a gap of 1 on (1 - tau in cosine) no similarity makes up for the language. Follows from the paper's eq. 4.

    Example:
        >>> round(break_even_similarity(1.5, 1.0), 3), round(break_even_similarity(1.5, 1.0, threshold=0.55), 3)
        (0.667, 0.3)
    """
    check_number("similarity_weight", similarity_weight, above=0)
    check_number("language_weight", language_weight, at_least=0)
    gap = float(language_weight) / float(similarity_weight)
    if threshold is None:
        return gap
    check_threshold(threshold)
    return (1.0 - float(threshold)) * gap
