"""Reward functions that score meaning, for RL fine-tuning of language models.

Names resolve on first access, so that `import semreward` loads the standard library only.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.audit import audit_reward as audit_reward
    from semreward.calibration import Calibration as Calibration
    from semreward.calibration import calibrate as calibrate
    from semreward.calibration import calibrate_threshold as calibrate_threshold
    from semreward.calibration import ranking as ranking
    from semreward.encoders.checking import check_encoder as check_encoder
    from semreward.encoders.checking import compare_encoders as compare_encoders
    from semreward.encoders.local import SentenceTransformerEncoder as SentenceTransformerEncoder
    from semreward.encoders.server import EmbeddingServerEncoder as EmbeddingServerEncoder
    from semreward.errors import CalibrationMismatchWarning as CalibrationMismatchWarning
    from semreward.errors import SemRewardError as SemRewardError
    from semreward.errors import SemRewardWarning as SemRewardWarning
    from semreward.monitor.callback import RewardMonitor as RewardMonitor
    from semreward.monitor.reward import MonitoredReward as MonitoredReward
    from semreward.protocols import Encoder as Encoder
    from semreward.protocols import RewardFunction as RewardFunction
    from semreward.rewards.composite import CompositeReward as CompositeReward
    from semreward.rewards.detector import FastTextDetector as FastTextDetector
    from semreward.rewards.guards import LengthRatioGuard as LengthRatioGuard
    from semreward.rewards.guards import NumberRecallReward as NumberRecallReward
    from semreward.rewards.guards import RepetitionGuard as RepetitionGuard
    from semreward.rewards.guards import SourceCopyGuard as SourceCopyGuard
    from semreward.rewards.language import LanguageConsistencyReward as LanguageConsistencyReward
    from semreward.rewards.overlap import BleuReward as BleuReward
    from semreward.rewards.overlap import ChrfReward as ChrfReward
    from semreward.rewards.overlap import RougeLReward as RougeLReward
    from semreward.rewards.recipes import break_even_similarity as break_even_similarity
    from semreward.rewards.recipes import paper_reward as paper_reward
    from semreward.rewards.recipes import recommended_reward as recommended_reward
    from semreward.rewards.similarity import SemanticSimilarityReward as SemanticSimilarityReward
    from semreward.rewards.similarity import similarities as similarities
    from semreward.rewards.similarity import threshold_rescale as threshold_rescale
    from semreward.rewards.vocabulary import ForeignWordGuard as ForeignWordGuard
    from semreward.scripts import language_report as language_report
    from semreward.text import Answer as Answer

__version__ = "0.1.0"

_NAMES = {
    "audit": "audit_reward",
    "calibration": "Calibration calibrate calibrate_threshold ranking",
    "encoders.checking": "check_encoder compare_encoders",
    "encoders.local": "SentenceTransformerEncoder",
    "encoders.server": "EmbeddingServerEncoder",
    "errors": "CalibrationMismatchWarning SemRewardError SemRewardWarning",
    "monitor.callback": "RewardMonitor",
    "monitor.reward": "MonitoredReward",
    "protocols": "Encoder RewardFunction",
    "rewards.composite": "CompositeReward",
    "rewards.detector": "FastTextDetector",
    "rewards.guards": "LengthRatioGuard NumberRecallReward RepetitionGuard SourceCopyGuard",
    "rewards.language": "LanguageConsistencyReward",
    "rewards.overlap": "BleuReward ChrfReward RougeLReward",
    "rewards.recipes": "break_even_similarity paper_reward recommended_reward",
    "rewards.similarity": "SemanticSimilarityReward similarities threshold_rescale",
    "rewards.vocabulary": "ForeignWordGuard",
    "scripts": "language_report",
    "text": "Answer",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = ["__version__"]
__all__ += list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semreward' has no attribute {name!r}")
    return getattr(importlib.import_module(f"semreward.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
