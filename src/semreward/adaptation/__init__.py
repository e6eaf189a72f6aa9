"""Makes a sentence encoder out of a pretrained one, contrastively, from translation pairs. Needs the `train` extra."""

from semreward.adaptation.adapting import Adaptation, adapt_encoder
from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.measuring import measure_encoder
from semreward.adaptation.pairs import MakeNegatives, Pair, PairData, PairReport, read_pairs
from semreward.errors import TrainingDivergedError

__all__ = ["Adaptation", "AdaptationConfig", "TrainingDivergedError", "adapt_encoder", "measure_encoder"]
__all__ += ["MakeNegatives", "Pair", "PairData", "PairReport", "read_pairs"]
