"""Measures encoders: retrieval, separation of true pairs, anisotropy, and agreement with graded pairs.

Functions of vectors take unit rows: `N` anchors and the `N` positives that translate them. Time grows with the square
of N, memory does not. Sides of different lengths or too few rows are an `ArgumentError`. Legend: D width, B block.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semreward.arguments import is_column, is_finite_number
from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError
from semreward.protocols import Encoder
from semreward.text import normalise

_BLOCK = 1024  # rows of the N x N cosines that are in memory at once


class Ranking(NamedTuple):
    """How high texts rank their own translations among all `N`, in [0, 1]."""

    precision_at_1: float  # share of texts whose translation comes first; a tie with another text is a miss
    reciprocal_rank: float  # mean of 1 / rank; among equal cosines the translation ranks last


class RetrievalScores(NamedTuple):
    """Retrieval in both directions: from an anchor to its positive (`forward`), and the other way round."""

    forward: Ranking
    backward: Ranking


def retrieval_scores(anchors_ND: NDArray[np.float32], positives_ND: NDArray[np.float32]) -> RetrievalScores:  # noqa: N803 - axes
    """Rank the `N` positives by cosine for each anchor, and the other way round; N is at least 1.

    Values fall as N grows. A text in two pairs ties with itself and counts as missed.

    Example:
        >>> retrieval_scores(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)).forward
        Ranking(precision_at_1=1.0, reciprocal_rank=1.0)
    """
    _check(anchors_ND, positives_ND)
    return RetrievalScores(_ranking(anchors_ND, positives_ND), _ranking(positives_ND, anchors_ND))


def pair_auc(anchors_ND: NDArray[np.float32], positives_ND: NDArray[np.float32]) -> float:  # noqa: N803
    """The probability, in [0, 1], that a true pair's cosine is above a mismatched pair's; ties count half.

    Exact, over all pairs; N is at least 2. It asks whether one threshold tells right from wrong for all texts.
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

    A value in [-1 / (N - 1), 1], N at least 2. Near 1 unrelated texts look alike.

    Source:
        Ethayarajh 2019, section 4.1, https://arxiv.org/abs/1909.00512 (there over words in contexts).
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


class GradedPair(NamedTuple):
    """Two texts and how much meaning they share, on any rising scale, such as 0 (unrelated) to 5 (equivalent)."""

    first: str
    second: str
    grade: float
    group: str = ""  # such as "zh-bo"; pairs of one group get a correlation of their own


class GradedScores(NamedTuple):
    """Spearman correlations of cosine and grade, overall and by group, each as `rank_correlation`; number of pairs."""

    overall: float | None
    groups: dict[str, float | None]
    pairs: int


def graded_scores(encoder: Encoder, pairs: Sequence[GradedPair | tuple[Any, ...]]) -> GradedScores:
    """Correlate an encoder's cosines with the grades of a diagnostic set of at least two pairs.

    Raises:
        ArgumentError: A row is not a graded pair (its number is named), or there are fewer than two.
        EncoderError: The encoder did not return one finite unit vector per text.

    Source:
        Su et al. 2026, section 4.1, https://arxiv.org/abs/2605.14366, which does not state the statistic.
    """
    checked = checked_graded(pairs)
    if len(checked) < 2:  # noqa: PLR2004 - one point has no rank
        raise ArgumentError(f"`graded` must hold at least two pairs, got {len(checked)}; add some or leave it out")
    engine = engine_of(encoder)
    firsts, seconds, grades, groups = (list(column) for column in zip(*checked, strict=True))
    cosines = (engine.encode(firsts).astype(np.float64) * engine.encode(seconds)).sum(axis=1)
    of_group = {group: np.array([name == group for name in groups]) for group in dict.fromkeys(groups)}
    by_group = {group: rank_correlation(cosines[rows], np.array(grades)[rows]) for group, rows in of_group.items()}
    return GradedScores(rank_correlation(cosines, grades), by_group, len(checked))


def checked_graded(pairs: Sequence[GradedPair | tuple[Any, ...]]) -> list[GradedPair]:
    """Graded pairs with normalised texts; a row that is not one raises an `ArgumentError` with its number."""
    checked = []
    for row, pair in enumerate(pairs):
        first, second, grade, group = (*pair, "")[:4] if is_column(pair) and len(pair) in {3, 4} else ("", "", None, "")
        texts = [first, second, group]
        is_text = all(isinstance(text, str) for text in texts) and normalise(first) and normalise(second)
        if not is_text or not is_finite_number(grade):
            raise ArgumentError(
                f"`graded` must be (first, second, grade) or (first, second, grade, group) with non-empty texts and a "
                f"finite grade, got {pair!r} at row {row}; drop the row"
            )
        checked.append(GradedPair(normalise(first), normalise(second), float(grade), group))
    return checked


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation, in [-1, 1]; `None` if one side's values are all equal, or fewer than two."""
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    if np.size(first) != np.size(second):
        raise ArgumentError(f"`second` must have as many values as `first`: {np.size(first)}, got {np.size(second)}")
    if min(np.unique(first).size, np.unique(second).size) < 2:  # noqa: PLR2004 - without two values nothing is ranked
        return None
    return float(spearmanr(first, second).statistic)
