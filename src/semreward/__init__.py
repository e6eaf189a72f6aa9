"""Reward functions that score meaning, for RL fine-tuning of language models.

Names resolve on first access, so that `import semreward` loads the standard library only.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.calibration import Calibration, calibrate_threshold
    from semreward.encoders.comparison import compare_encoders
    from semreward.encoders.local import SentenceTransformerEncoder
    from semreward.encoders.remote import EmbeddingServerEncoder
    from semreward.errors import SemRewardError, SemRewardWarning
    from semreward.protocols import Encoder, RewardFunction
    from semreward.rewards.composite import CompositeReward, paper_reward
    from semreward.rewards.language import LanguageConsistencyReward
    from semreward.rewards.overlap import BleuReward, ChrfReward
    from semreward.rewards.similarity import SemanticSimilarityReward
    from semreward.shaping import threshold_rescale

__version__ = "0.1.0"

_HOMES = {
    "BleuReward": "rewards.overlap",
    "Calibration": "calibration",
    "ChrfReward": "rewards.overlap",
    "CompositeReward": "rewards.composite",
    "EmbeddingServerEncoder": "encoders.remote",
    "Encoder": "protocols",
    "LanguageConsistencyReward": "rewards.language",
    "RewardFunction": "protocols",
    "SemRewardError": "errors",
    "SemRewardWarning": "errors",
    "SemanticSimilarityReward": "rewards.similarity",
    "SentenceTransformerEncoder": "encoders.local",
    "calibrate_threshold": "calibration",
    "compare_encoders": "encoders.comparison",
    "paper_reward": "rewards.composite",
    "threshold_rescale": "shaping",
}

__all__ = [
    "BleuReward",
    "Calibration",
    "ChrfReward",
    "CompositeReward",
    "EmbeddingServerEncoder",
    "Encoder",
    "LanguageConsistencyReward",
    "RewardFunction",
    "SemRewardError",
    "SemRewardWarning",
    "SemanticSimilarityReward",
    "SentenceTransformerEncoder",
    "__version__",
    "calibrate_threshold",
    "compare_encoders",
    "paper_reward",
    "threshold_rescale",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semreward' has no attribute {name!r}")
    return getattr(importlib.import_module(f"semreward.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
