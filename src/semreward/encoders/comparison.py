"""How far two encoders differ: a model here and behind a server, in two precisions, before and after a change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError
from semreward.protocols import Encoder

_BLOCK_ROWS = 1024  # bounds the memory of the cosines of all pairs


@dataclass(frozen=True)
class EncoderComparison:
    """How far two encoders differ on a set of texts.

    Attributes:
        cosine_difference: Largest difference between the cosines that the two encoders give a pair of texts, over all
            pairs, in [0, 2]. It bounds how far a similarity can move.
        pair: The two texts for which it is largest.
        row_difference: Largest 1 - cos between the two vectors of one text, in [0, 2]; `None` where the widths differ.
            Encoders that are rotated against each other differ here and give the same similarities.
        texts: Number of distinct texts compared.
    """

    cosine_difference: float
    pair: tuple[str, str]
    row_difference: float | None
    texts: int


def compare_encoders(a: Encoder, b: Encoder, texts: Sequence[str]) -> EncoderComparison:
    r"""Compare two encoders on texts: pooling, prompts, precision or truncation may differ unnoticed.

    $$\max_{i<j} \left|\cos(a_i, a_j) - \cos(b_i, b_j)\right| \quad\text{and}\quad \max_i 1 - \cos(a_i, b_i)$$

    Args:
        a: An encoder.
        b: Another one.
        texts: At least 2 distinct non-empty texts of the kind that will be judged. All pairs are compared.

    Returns:
        Both differences: 0 for equal encoders, up to 1e-5 for one model in float32 on two machines, up to 1e-2 in half
        precision.

    Raises:
        ArgumentError: There are fewer than 2 distinct texts, or one is empty.
        EncoderError: An encoder returned something else than one finite unit vector per text.

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
    units = []
    for encoder in (a, b):
        vectors = engine_of(encoder).encode(distinct).astype(np.float64)
        units.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))  # rounded norms make no difference
    first, second = units
    largest, pair = -1.0, (0, 1)
    for start in range(0, len(distinct) - 1, _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        difference = np.abs(first[rows] @ first[start:].T - second[rows] @ second[start:].T)
        difference[np.tril_indices_from(difference)] = -1.0  # a text with itself, and what was compared before
        row, column = np.unravel_index(int(difference.argmax()), difference.shape)
        if difference[row, column] > largest:
            largest, pair = float(difference[row, column]), (start + int(row), start + int(column))
    same_width = first.shape == second.shape
    return EncoderComparison(
        cosine_difference=largest,
        pair=(distinct[pair[0]], distinct[pair[1]]),
        row_difference=max(0.0, float((1.0 - (first * second).sum(axis=1)).max())) if same_width else None,
        texts=len(distinct),
    )
