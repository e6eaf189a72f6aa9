"""What a policy is worth on a test set: `overlap`, `semantic`, `reading`, and `drift` from the model it came from.

Names resolve on first access, so that only `drift` loads torch and transformers.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.evaluation.drift import Distribution, token_kl, token_nll
    from semreward.evaluation.overlap import bleu_score, chrf_score, rouge_l_score
    from semreward.evaluation.reading import CmrcScores, ReadingPrompt, cmrc_scores, reading_prompts
    from semreward.evaluation.score import Score
    from semreward.evaluation.semantic import language_consistency_score, similarity_score

_HOMES = {
    "CmrcScores": "reading",
    "Distribution": "drift",
    "ReadingPrompt": "reading",
    "Score": "score",
    "bleu_score": "overlap",
    "chrf_score": "overlap",
    "cmrc_scores": "reading",
    "language_consistency_score": "semantic",
    "reading_prompts": "reading",
    "rouge_l_score": "overlap",
    "similarity_score": "semantic",
    "token_kl": "drift",
    "token_nll": "drift",
}

__all__ = [
    "CmrcScores",
    "Distribution",
    "ReadingPrompt",
    "Score",
    "bleu_score",
    "chrf_score",
    "cmrc_scores",
    "language_consistency_score",
    "reading_prompts",
    "rouge_l_score",
    "similarity_score",
    "token_kl",
    "token_nll",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semreward.evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(f"semreward.evaluation.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
