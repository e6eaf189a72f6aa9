"""Measures a policy on a test set, its drift from its base, and sentence encoders."""

import importlib
from typing import TYPE_CHECKING, Any

from semreward.evaluation.asking import ChatServer
from semreward.evaluation.judge import headline_prompt, pairwise_scores, translation_prompt, verdict_of
from semreward.evaluation.reading import READING_PROMPT, CmrcScores, cmrc_scores, first_questions, reading_answers
from semreward.evaluation.retrieval import (
    GradedPair,
    graded_scores,
    mean_cosine,
    pair_auc,
    rank_correlation,
    retrieval_scores,
)
from semreward.evaluation.score import (
    Score,
    bleu_score,
    chrf_score,
    language_consistency_score,
    rouge_l_score,
    similarity_score,
)

if TYPE_CHECKING:
    from semreward.evaluation.policy import ChatModel, Distribution, token_kl, token_nll

__all__ = ["Score", "bleu_score", "chrf_score", "language_consistency_score", "rouge_l_score", "similarity_score"]
__all__ += ["READING_PROMPT", "CmrcScores", "cmrc_scores", "first_questions", "reading_answers"]
__all__ += ["ChatModel", "Distribution", "token_kl", "token_nll"]
__all__ += ["ChatServer", "headline_prompt", "pairwise_scores", "translation_prompt", "verdict_of"]
__all__ += ["GradedPair", "graded_scores", "mean_cosine", "pair_auc", "rank_correlation", "retrieval_scores"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'semreward.evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module("semreward.evaluation.policy"), name)  # which loads torch


def __dir__() -> list[str]:
    return __all__
