"""Whether similarity follows graded equivalence: rank correlation over a diagnostic set, by group and overall."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from semreward.arguments import is_finite_number
from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError
from semreward.protocols import Encoder
from semreward.text import normalise


class GradedPair(NamedTuple):
    """Two texts and how far they mean the same, on any growing scale, such as 0 (unrelated) to 5 (equivalent).

    Pairs of one group, such as `"zh-bo"`, get a correlation of their own: an encoder may follow the grades within a
    language and fail across two.
    """

    first: str
    second: str
    grade: float
    group: str = ""


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
        Su et al. 2026, section 4.1 (a small set graded by degree of equivalence), https://arxiv.org/abs/2605.14366. It
        does not state the statistic.
    """
    checked = checked_graded(pairs)
    if len(checked) < 2:  # noqa: PLR2004 - one point has no rank
        raise ArgumentError(f"`graded` must hold at least two pairs, got {len(checked)}; add some or leave it out")
    engine = engine_of(encoder)
    firsts, seconds, grades, groups = (list(column) for column in zip(*checked, strict=True))
    cosines = (engine.encode(firsts).astype(np.float64) * engine.encode(seconds)).sum(axis=1)
    by_group: dict[str, float | None] = {}
    for group in dict.fromkeys(groups):
        rows = [row for row, name in enumerate(groups) if name == group]
        by_group[group] = rank_correlation(cosines[rows], np.array(grades)[rows])
    return GradedScores(rank_correlation(cosines, grades), by_group, len(checked))


def checked_graded(pairs: Sequence[GradedPair | tuple[Any, ...]]) -> list[GradedPair]:
    """Graded pairs with normalised texts; a row that is not one raises an `ArgumentError` with its number."""
    checked = []
    for row, pair in enumerate(pairs):
        if not _is_graded(pair):
            raise ArgumentError(
                f"`graded` must be (first, second, grade) or (first, second, grade, group) with non-empty texts and a "
                f"finite grade, got {pair!r} at row {row}; drop the row"
            )
        first, second, grade, *group = pair
        checked.append(GradedPair(normalise(first), normalise(second), float(grade), *group))
    return checked


def _is_graded(pair: Any) -> bool:
    if not isinstance(pair, (tuple, list)) or len(pair) not in {3, 4}:
        return False
    first, second, grade, *group = pair
    texts = [first, second, *group]
    return all(isinstance(text, str) for text in texts) and all(map(normalise, texts[:2])) and is_finite_number(grade)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation, in [-1, 1]; ties share their mean rank.

    `None` if one side's values are all equal, or if there are fewer than two. Sides of different lengths are an
    `ArgumentError`.

    Example:
        >>> rank_correlation([1, 2, 3], [10, 200, 3000])
        1.0
        >>> rank_correlation([1, 2, 3], [5, 5, 5]) is None
        True
    """
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    ranks = [rankdata(values) for values in (first, second)]
    if ranks[0].size != ranks[1].size:
        raise ArgumentError(f"`second` must have as many values as `first`: {ranks[0].size}, got {ranks[1].size}")
    if ranks[0].size == 0:
        return None
    x, y = (values - values.mean() for values in ranks)
    norm = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float(np.clip((x * y).sum() / norm, -1.0, 1.0)) if norm else None
