"""How far two encoders lie apart: a model here and behind a server, in two precisions, before and after a change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError
from semreward.protocols import Encoder

_ROWS_A_BLOCK = 1024  # bounds the memory of the cosines of all pairs


@dataclass(frozen=True)
class EncoderComparison:
    """How far two encoders lie apart on a set of texts.

    Attributes:
        cosine_difference: Largest difference, over all pairs of texts, between the cosine that one encoder gives them
            and the one that the other gives, in [0, 2]. It bounds how far a similarity can move.
        pair: The two texts for which it is largest.
        row_difference: Largest 1 - cos between the two vectors of one text, in [0, 2]; `None` where the widths differ.
            Two encoders that are turned against each other differ here and yet give the same similarities.
        texts: Number of distinct texts compared.
    """

    cosine_difference: float
    pair: tuple[str, str]
    row_difference: float | None
    texts: int


def compare_encoders(a: Encoder, b: Encoder, texts: Sequence[str]) -> EncoderComparison:
    r"""How far two encoders lie apart on texts: pooling, prompts, precision or truncation may differ unnoticed.

    $$\max_{i<j} \left|\cos(a_i, a_j) - \cos(b_i, b_j)\right| \quad\text{and}\quad \max_i 1 - \cos(a_i, b_i)$$

    Args:
        a: An encoder.
        b: Another one.
        texts: Texts of the kind that will be judged, at least 2 distinct ones, none empty. All pairs are compared.

    Returns:
        Both differences: 0 for equal encoders, up to 1e-5 for one model in float32 on two machines, up to 1e-2 in half
        precision. Larger ones have a reason that should be known before a run.

    Raises:
        ArgumentError: There are fewer than 2 distinct texts, or one is empty.
        EncoderError: An encoder returned something else than one finite unit vector a text.

    Example:
        >>> import numpy as np
        >>> class Letters:
        ...     def __init__(self, weight):
        ...         self.weight, self.fingerprint = weight, f"letters-{weight}"
        ...     def encode(self, texts):
        ...         counts = np.array([[t.count("a") + 1, self.weight * t.count("b")] for t in texts], dtype=np.float32)
        ...         return counts / np.linalg.norm(counts, axis=1, keepdims=True)
        >>> comparison = compare_encoders(Letters(1), Letters(2), ["a", "ab", "bb"])
        >>> round(comparison.cosine_difference, 3), comparison.pair
        (0.205, ('a', 'bb'))
    """
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < 2 or not all(isinstance(text, str) and text for text in distinct):  # noqa: PLR2004 - a pair
        raise ArgumentError(f"`texts` must hold at least 2 distinct non-empty texts, got {len(distinct)}")
    first, second = (_unit_rows(engine_of(encoder).encode(distinct)) for encoder in (a, b))
    largest, row, column = _largest_difference(first, second)
    same_width = first.shape == second.shape
    return EncoderComparison(
        cosine_difference=largest,
        pair=(distinct[row], distinct[column]),
        row_difference=max(0.0, float((1.0 - (first * second).sum(axis=1)).max())) if same_width else None,
        texts=len(distinct),
    )


def _unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows of norm 1 to double precision, so that rounding of norms is not taken for a difference."""
    rows = vectors.astype(np.float64)
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _largest_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, int, int]:
    """The largest difference of cosines and the pair of rows that it belongs to."""
    largest = (-1.0, 0, 0)
    for start in range(0, len(first) - 1, _ROWS_A_BLOCK):
        rows = slice(start, start + _ROWS_A_BLOCK)
        difference = np.triu(np.abs(first[rows] @ first[start:].T - second[rows] @ second[start:].T), k=1)
        row, column = np.unravel_index(int(difference.argmax()), difference.shape)
        place = (start + int(row), start + int(column))
        if difference[row, column] == 0:
            place = (start, start + 1)  # all equal: any pair of two texts
        largest = max(largest, (float(difference[row, column]), *place), key=lambda found: found[0])
    return largest
