"""How well vectors tell translations from other texts: retrieval, separation of true pairs, anisotropy.

Pure functions over unit rows, as encoders return them: `N` anchors and the `N` positives that translate them, in the
same order. Time grows with the square of N, memory does not. Legend: N pairs, D width, B rows of a block.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semreward.errors import ArgumentError

# Rows of the N x N cosines that are in memory at once.
_BLOCK = 1024


class Ranking(NamedTuple):
    """How high texts rank their own translations among all `N`; both values are in [0, 1], higher is better."""

    precision_at_1: float  # share of texts whose translation comes first; a tie with another text is a miss
    reciprocal_rank: float  # mean of 1 / rank; among equal cosines the translation ranks last


class RetrievalScores(NamedTuple):
    """Retrieval in both directions: from an anchor to its positive (`forward`), and the other way round."""

    forward: Ranking
    backward: Ranking


def retrieval_scores(anchors_ND: NDArray[np.float32], positives_ND: NDArray[np.float32]) -> RetrievalScores:  # noqa: N803 - axes
    """Rank the `N` positives by cosine for each anchor, and the other way round; N is at least 1.

    Values fall as N grows. A text in two pairs ties with itself and counts as missed. Sides of different shapes, or
    without rows, are an `ArgumentError`.

    Example:
        >>> retrieval_scores(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)).forward
        Ranking(precision_at_1=1.0, reciprocal_rank=1.0)
    """
    _check(anchors_ND, positives_ND)
    return RetrievalScores(_ranking(anchors_ND, positives_ND), _ranking(positives_ND, anchors_ND))


def pair_auc(anchors_ND: NDArray[np.float32], positives_ND: NDArray[np.float32]) -> float:  # noqa: N803
    """The probability, in [0, 1], that a true pair's cosine is above a mismatched pair's; ties count half.

    Exact, over all N true and all N (N - 1) mismatched pairs; N is at least 2. Unlike retrieval this asks whether one
    threshold, such as a reward's tau, tells right from wrong for all texts. Raises like `retrieval_scores`.

    Example:
        >>> pair_auc(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32))
        1.0
    """
    rows = _check(anchors_ND, positives_ND, at_least=2)
    own = np.sort(np.concatenate([cosines.diagonal(start) for start, cosines in _blocks(anchors_ND, positives_ND)]))
    below = -float(rows**2)  # the blocks hold the true pairs, too; twice their wins over each other are N * N
    for _, cosines in _blocks(anchors_ND, positives_ND):
        below += float(np.searchsorted(own, cosines, side="left").sum(dtype=np.float64))
        below += float(np.searchsorted(own, cosines, side="right").sum(dtype=np.float64))
    return 1.0 - below / (2.0 * rows * (rows * (rows - 1)))


def mean_cosine(vectors_ND: NDArray[np.float32]) -> float:  # noqa: N803
    r"""Anisotropy: the mean cosine of two different rows of unrelated texts, exact over all pairs.

    $$\frac{\lVert\sum_i v_i\rVert^2 - \sum_i \lVert v_i\rVert^2}{N (N - 1)}$$

    A value in [-1 / (N - 1), 1], N at least 2. Near 0 the vectors use all directions; near 1 they lie in a narrow cone,
    where unrelated texts look alike and a reward's threshold has little room above them. One row is an `ArgumentError`.

    Source:
        Ethayarajh 2019, section 4.1, https://arxiv.org/abs/1909.00512 (there over words in contexts).

    Example:
        >>> mean_cosine(np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32))
        0.0
    """
    rows = _check(vectors_ND, vectors_ND, at_least=2)
    vectors = vectors_ND.astype(np.float64)
    return float((np.square(vectors.sum(axis=0)).sum() - np.square(vectors).sum()) / (rows * (rows - 1)))


def _ranking(queries: NDArray[np.float32], candidates: NDArray[np.float32]) -> Ranking:
    blocks = _blocks(queries, candidates)
    ranks = np.concatenate([(cosines >= cosines.diagonal(start)[:, None]).sum(axis=1) for start, cosines in blocks])
    return Ranking(float((ranks == 1).mean()), float((1.0 / ranks).mean()))


def _blocks(queries: NDArray[np.float32], candidates: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The first row of each block, and its cosines with all candidates, shape (B, N)."""
    for start in range(0, len(queries), _BLOCK):
        yield start, queries[start : start + _BLOCK] @ candidates.T


def _check(anchors: NDArray[np.float32], positives: NDArray[np.float32], *, at_least: int = 1) -> int:
    if anchors.ndim != 2 or anchors.shape != positives.shape:  # noqa: PLR2004 - rows and columns
        raise ArgumentError(
            f"vectors must have one shape (N, D) on both sides, got {anchors.shape} and {positives.shape}; "
            "encode both sides of the same pairs with one encoder"
        )
    if len(anchors) < at_least:
        raise ArgumentError(f"vectors must be of at least {at_least} texts, got {len(anchors)}; pass more of them")
    return len(anchors)
