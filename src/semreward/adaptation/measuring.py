"""How well an encoder does on held-out pairs; measured before, during and after its adaptation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from semreward.adaptation.pairs import checked_pairs
from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError
from semreward.evaluation.retrieval import (
    GradedPair,
    GradedScores,
    graded_scores,
    mean_cosine,
    pair_auc,
    retrieval_scores,
)
from semreward.protocols import Encoder


class Measures(NamedTuple):
    """Measurements on `N` held-out pairs. All lie in [0, 1], except the mean cosine and the correlations: [-1, 1]."""

    forward: float  # precision at 1: how often an anchor's nearest neighbour is its own positive; ties miss
    backward: float  # the same from positive to anchor
    mrr_forward: float  # mean reciprocal rank of the positive
    mrr_backward: float  # mean reciprocal rank of the anchor
    auc: float | None  # probability that a true pair's cosine is above a mismatched one's; `None` for a single pair
    anisotropy: float | None  # mean cosine of two different texts of one side, over both sides; `None` as above
    graded: GradedScores | None = None  # correlations with a graded set; `None` without one

    @property
    def precision(self) -> float:
        """Mean precision at 1 of both directions, which selects the best model."""
        return (self.forward + self.backward) / 2

    def flat(self) -> dict[str, float]:
        """All numbers that are not `None`, by name, as trainers log them."""
        numbers: dict[str, Any] = {**self._asdict(), "precision": self.precision}
        graded = numbers.pop("graded")
        if graded is not None:
            numbers["graded"] = graded.overall
            numbers |= {f"graded_{name}": value for name, value in graded.groups.items() if name}
        return {name: float(value) for name, value in numbers.items() if value is not None}


def measure_encoder(
    encoder: Encoder, pairs: Sequence[tuple[str, str]], graded: Sequence[GradedPair | tuple[Any, ...]] = ()
) -> Measures:
    """Measure retrieval in both directions, separation, anisotropy, and agreement with grades.

    Args:
        encoder: Any encoder.
        pairs: `N` translation pairs that it was not trained on. Time and memory grow with the square of `N`.
        graded: Graded pairs, see `semreward.evaluation.retrieval`.

    Raises:
        ArgumentError: There are no pairs, a pair lacks a side, or a graded row is invalid.
        EncoderError: The encoder did not return one finite unit vector per text.
    """
    checked = checked_pairs(pairs, "pairs")
    if not checked:
        raise ArgumentError("`pairs` must hold at least one pair, got none")
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
