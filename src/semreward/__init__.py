"""Reward functions that score meaning, for RL fine-tuning of language models.

Names resolve on first access, so that `import semreward` loads the standard library only.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.audit import audit_reward
    from semreward.calibration import Calibration, calibrate, calibrate_threshold
    from semreward.encoders.checking import check_encoder, compare_encoders
    from semreward.encoders.local import SentenceTransformerEncoder
    from semreward.encoders.server import EmbeddingServerEncoder
    from semreward.errors import CalibrationMismatchWarning, SemRewardError, SemRewardWarning
    from semreward.monitor import MonitoredReward, RewardMonitor
    from semreward.protocols import Encoder, RewardFunction
    from semreward.rewards.composite import CompositeReward
    from semreward.rewards.detector import FastTextDetector
    from semreward.rewards.guards import LengthRatioGuard, NumberRecallReward, RepetitionGuard, SourceCopyGuard
    from semreward.rewards.language import LanguageConsistencyReward
    from semreward.rewards.overlap import BleuReward, ChrfReward, RougeLReward
    from semreward.rewards.recipes import break_even_similarity, paper_reward, recommended_reward
    from semreward.rewards.similarity import SemanticSimilarityReward, similarities, threshold_rescale
    from semreward.scripts import language_report
    from semreward.text import Answer

__version__ = "0.1.0"

_NAMES = {
    "audit": "audit_reward",
    "calibration": "Calibration calibrate calibrate_threshold",
    "encoders.checking": "check_encoder compare_encoders",
    "encoders.local": "SentenceTransformerEncoder",
    "encoders.server": "EmbeddingServerEncoder",
    "errors": "CalibrationMismatchWarning SemRewardError SemRewardWarning",
    "monitor": "MonitoredReward RewardMonitor",
    "protocols": "Encoder RewardFunction",
    "rewards.composite": "CompositeReward",
    "rewards.detector": "FastTextDetector",
    "rewards.guards": "LengthRatioGuard NumberRecallReward RepetitionGuard SourceCopyGuard",
    "rewards.language": "LanguageConsistencyReward",
    "rewards.overlap": "BleuReward ChrfReward RougeLReward",
    "rewards.recipes": "break_even_similarity paper_reward recommended_reward",
    "rewards.similarity": "SemanticSimilarityReward similarities threshold_rescale",
    "scripts": "language_report",
    "text": "Answer",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Answer",
    "BleuReward",
    "Calibration",
    "CalibrationMismatchWarning",
    "ChrfReward",
    "CompositeReward",
    "EmbeddingServerEncoder",
    "Encoder",
    "FastTextDetector",
    "LanguageConsistencyReward",
    "LengthRatioGuard",
    "MonitoredReward",
    "NumberRecallReward",
    "RepetitionGuard",
    "RewardFunction",
    "RewardMonitor",
    "RougeLReward",
    "SemRewardError",
    "SemRewardWarning",
    "SemanticSimilarityReward",
    "SentenceTransformerEncoder",
    "SourceCopyGuard",
    "__version__",
    "audit_reward",
    "break_even_similarity",
    "calibrate",
    "calibrate_threshold",
    "check_encoder",
    "compare_encoders",
    "language_report",
    "paper_reward",
    "recommended_reward",
    "similarities",
    "threshold_rescale",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semreward' has no attribute {name!r}")
    return getattr(importlib.import_module(f"semreward.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
