"""What an encoder is worth on held-out pairs, measured before, while and after it is adapted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from semreward.adaptation.pairs import Pair, checked_pairs
from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError
from semreward.evaluation.graded import GradedPair, GradedScores, graded_scores
from semreward.evaluation.retrieval import mean_cosine, pair_auc, retrieval_scores
from semreward.protocols import Encoder


class Retrieval(NamedTuple):
    """How often a sentence's nearest neighbour on the other side is its translation, in [0, 1]."""

    forward: float
    backward: float


class Measures(NamedTuple):
    """What was measured on `N` held-out pairs; each in [0, 1] but for the cosine, and for the correlations.

    Attributes:
        forward: Precision at 1 of finding each anchor's positive among all N.
        backward: The same from positive to anchor.
        mrr_forward: Mean reciprocal rank of the positive.
        mrr_backward: Mean reciprocal rank of the anchor.
        auc: Probability that a true pair's cosine is above a mismatched one's; `None` for a single pair.
        anisotropy: Mean cosine of two different texts of one side, over both sides; `None` for a single pair.
        graded: Correlations with a graded diagnostic set; `None` where none was given.
    """

    forward: float
    backward: float
    mrr_forward: float
    mrr_backward: float
    auc: float | None
    anisotropy: float | None
    graded: GradedScores | None = None

    @property
    def precision(self) -> float:
        """Mean precision at 1 of both directions, by which the best model is chosen."""
        return (self.forward + self.backward) / 2

    def flat(self) -> dict[str, float]:
        """The numbers that are there, by name, as trainers log them."""
        numbers: dict[str, Any] = {**self._asdict(), "precision": self.precision}
        if (graded := numbers.pop("graded")) is not None:
            numbers["graded"] = graded.overall
            numbers |= {f"graded_{name}": value for name, value in graded.groups.items() if name}
        return {name: float(value) for name, value in numbers.items() if value is not None}


def measure_encoder(
    encoder: Encoder, pairs: Sequence[tuple[str, str]], graded: Sequence[GradedPair | tuple[Any, ...]] = ()
) -> Measures:
    """Retrieval in both directions, separation, anisotropy, and agreement with grades.

    Time and cosines grow with the square of the number of pairs: some thousands are plenty.

    Args:
        encoder: The encoder to measure.
        pairs: `N` translation pairs that it was not trained on, `N` at least 1.
        graded: Graded pairs; see `semreward.evaluation.graded.graded_scores`.

    Returns:
        The measures.

    Raises:
        ArgumentError: There are no pairs, one lacks a side, or a graded row is none.
        EncoderError: The encoder returned something else than one finite unit vector a text.
    """
    checked = _some_pairs(pairs)
    engine = engine_of(encoder)
    anchors = engine.encode([pair.anchor for pair in checked])
    positives = engine.encode([pair.positive for pair in checked])
    forward, backward = retrieval_scores(anchors, positives)
    several = len(checked) > 1
    return Measures(
        forward=forward.precision_at_1,
        backward=backward.precision_at_1,
        mrr_forward=forward.reciprocal_rank,
        mrr_backward=backward.reciprocal_rank,
        auc=pair_auc(anchors, positives) if several else None,
        anisotropy=float(np.mean([mean_cosine(anchors), mean_cosine(positives)])) if several else None,
        graded=graded_scores(encoder, graded) if graded else None,
    )


def retrieval_precision(encoder: Encoder, pairs: Sequence[tuple[str, str]]) -> Retrieval:
    """Precision at 1 of finding each sentence's translation among all `N` of them, in both directions.

    Ties count as misses.

    Args:
        encoder: The encoder to measure.
        pairs: `N` translation pairs, `N` at least 1.

    Raises:
        ArgumentError: There are no pairs, or one lacks a side.
    """
    checked = _some_pairs(pairs)
    engine = engine_of(encoder)
    anchors, positives = engine.encode([pair.anchor for pair in checked]), engine.encode([p.positive for p in checked])
    forward, backward = retrieval_scores(anchors, positives)
    return Retrieval(forward.precision_at_1, backward.precision_at_1)


def _some_pairs(pairs: Sequence[tuple[str, str]]) -> list[Pair]:
    checked = checked_pairs(pairs, "pairs")
    if not checked:
        raise ArgumentError("`pairs` must hold at least one pair, got none; there is nothing to find")
    return checked
