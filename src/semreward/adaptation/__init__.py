"""Makes a sentence encoder out of a pretrained one, contrastively, from translation pairs. Needs the `train` extra."""

from semreward.adaptation.adapting import Adaptation, adapt_encoder
from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.measuring import Measures, Retrieval, measure_encoder, retrieval_precision
from semreward.adaptation.negatives import (
    NEGATIONS,
    AllNegatives,
    MakeNegatives,
    RoleSwap,
    TermSwap,
    changed_number,
    truncated,
    wrong_language_copy,
)
from semreward.adaptation.pairs import Pair, PairData, PairReport, checked_pairs, read_pairs
from semreward.errors import TrainingDivergedError

__all__ = [
    "NEGATIONS",
    "Adaptation",
    "AdaptationConfig",
    "AllNegatives",
    "MakeNegatives",
    "Measures",
    "Pair",
    "PairData",
    "PairReport",
    "Retrieval",
    "RoleSwap",
    "TermSwap",
    "TrainingDivergedError",
    "adapt_encoder",
    "changed_number",
    "checked_pairs",
    "measure_encoder",
    "read_pairs",
    "retrieval_precision",
    "truncated",
    "wrong_language_copy",
]
