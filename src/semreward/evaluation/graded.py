"""Whether similarity follows graded equivalence: rank correlation over a diagnostic set, by group and overall."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError
from semreward.protocols import Encoder
from semreward.text import normalise


class GradedPair(NamedTuple):
    """Two texts and how far they mean the same.

    Attributes:
        first: A text.
        second: Another, in the same language or in another one.
        grade: Degree of equivalence on any scale that grows with it, for example 0 (unrelated) to 5 (equivalent).
        group: What the pair belongs to, such as `"zh-bo"` or `"bo-bo"`; correlations are reported for each group.
    """

    first: str
    second: str
    grade: float
    group: str = ""


class GradedScores(NamedTuple):
    """Spearman correlations of cosine and grade, each in [-1, 1]; `None` where cosines or grades are all equal.

    Attributes:
        overall: Over all pairs.
        groups: By group; an encoder may follow the grades within a language and fail across two.
        pairs: How many pairs there are.
    """

    overall: float | None
    groups: dict[str, float | None]
    pairs: int


def graded_scores(encoder: Encoder, pairs: Sequence[GradedPair | tuple[Any, ...]]) -> GradedScores:
    """Correlate an encoder's cosines with the grades of a diagnostic set.

    Args:
        encoder: The encoder to measure.
        pairs: At least two graded pairs.

    Returns:
        The correlations, see `GradedScores`.

    Raises:
        ArgumentError: A row has no two texts or no finite grade (it is named), or there are fewer than two.
        EncoderError: The encoder returned something else than one finite unit vector a text.

    Source:
        Su et al. 2026, section 4.1 (a small set graded by degree of equivalence), https://arxiv.org/abs/2605.14366;
        the statistic is not stated there.
    """
    checked = checked_graded(pairs)
    if len(checked) < 2:  # noqa: PLR2004 - one point has no rank
        raise ArgumentError(f"`graded` must hold at least two pairs, got {len(checked)}; add some or leave it out")
    engine = engine_of(encoder)
    firsts, seconds = engine.encode([pair.first for pair in checked]), engine.encode([pair.second for pair in checked])
    cosines = (firsts.astype(np.float64) * seconds).sum(axis=1)
    grades = np.array([pair.grade for pair in checked])
    names = np.array([pair.group for pair in checked])
    groups = {
        name: rank_correlation(cosines[names == name], grades[names == name])
        for name in dict.fromkeys(pair.group for pair in checked)
    }
    return GradedScores(rank_correlation(cosines, grades), groups, len(checked))


def checked_graded(pairs: Sequence[GradedPair | tuple[Any, ...]]) -> list[GradedPair]:
    """Graded pairs with normalised texts.

    Raises:
        ArgumentError: A row is no pair of non-empty texts with a finite grade; its number is named.
    """
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


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank.

    Args:
        first: Values, shape (N,).
        second: Values, shape (N,).

    Returns:
        A value in [-1, 1]; `None` where one side's values are all equal, or N is 0 or 1.

    Example:
        >>> rank_correlation([1, 2, 3], [10, 200, 3000])
        1.0
        >>> rank_correlation([1, 2, 3], [5, 5, 5]) is None
        True
    """
    ranks = [_ranks(np.asarray(values, dtype=np.float64)) for values in (first, second)]
    centred = [values - values.mean() if values.size else values for values in ranks]
    norm = math.sqrt(float((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return None if norm == 0.0 else float(np.clip((centred[0] * centred[1]).sum() / norm, -1.0, 1.0))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = (last - (counts - 1) / 2)[places]
    return means


def _is_graded(pair: Any) -> bool:
    if not isinstance(pair, (tuple, list)) or not 3 <= len(pair) <= 4:  # noqa: PLR2004 - the group may be missing
        return False
    first, second, grade, *group = pair
    return (
        all(isinstance(text, str) and normalise(text) for text in (first, second))
        and isinstance(grade, (int, float))
        and math.isfinite(grade)
        and all(isinstance(name, str) for name in group)
    )
