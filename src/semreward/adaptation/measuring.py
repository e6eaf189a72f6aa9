"""How well an encoder does on held-out pairs; measured before, during and after its adaptation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from semreward.adaptation.pairs import checked_pairs
from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError
from semreward.evaluation.retrieval import GradedPair, graded_scores, mean_cosine, pair_auc, retrieval_scores
from semreward.protocols import Encoder


def measure_encoder(
    encoder: Encoder, pairs: Sequence[tuple[str, str]], graded: Sequence[GradedPair | tuple[Any, ...]] = ()
) -> dict[str, float]:
    """Measure retrieval in both directions, separation, anisotropy, and agreement with grades.

    `pairs` are `N` translation pairs that the encoder was not trained on. Time grows with the square of `N`.

    Returns:
        Numbers by name. `forward`, `backward`, in [0, 1]: precision at 1, how often an anchor's nearest among all N
        positives is its own (ties miss), and the same from positive to anchor. `precision`: their mean, which selects
        the best model. `mrr_forward`, `mrr_backward`, in (0, 1]: mean reciprocal ranks. With several pairs `auc`, in
        [0, 1]: probability that a true pair's cosine is above a mismatched one's; and `anisotropy`, in [-1, 1]: mean
        cosine of two different texts of one side, over both sides. With graded pairs `graded` and `graded_<group>`, in
        [-1, 1]: rank correlations, where they are defined.

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
    measures = {
        "forward": forward.precision_at_1,
        "backward": backward.precision_at_1,
        "precision": (forward.precision_at_1 + backward.precision_at_1) / 2,
        "mrr_forward": forward.reciprocal_rank,
        "mrr_backward": backward.reciprocal_rank,
    }
    if len(checked) > 1:
        measures["auc"] = pair_auc(anchors, positives)
        measures["anisotropy"] = float(np.mean([mean_cosine(anchors), mean_cosine(positives)]))
    if graded:
        scores = graded_scores(encoder, graded)
        correlations = {
            "graded": scores.overall,
            **{f"graded_{name}": of for name, of in scores.groups.items() if name},
        }
        measures |= {name: value for name, value in correlations.items() if value is not None}
    return measures
