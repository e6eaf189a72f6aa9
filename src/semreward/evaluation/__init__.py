"""What a policy is worth on a test set, how far it has drifted from its base, and what an encoder is worth.

Names resolve on first access, so that only `drift`, `choice` and `asking` load torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.errors import ChatError, ChatUnavailableError
    from semreward.evaluation.asking import READING_PROMPT, ChatModel, reading_answers
    from semreward.evaluation.chat import ChatServer
    from semreward.evaluation.choice import choice_scores
    from semreward.evaluation.drift import Distribution, token_kl, token_nll
    from semreward.evaluation.graded import GradedPair, graded_scores, rank_correlation
    from semreward.evaluation.judge import JudgingInterruptedError, judging_estimate, pairwise_scores
    from semreward.evaluation.prompts import JudgePrompt, headline_prompt, translation_prompt, verdict_of
    from semreward.evaluation.reading import CmrcScores, cmrc_scores, first_questions, reading_prompts
    from semreward.evaluation.retrieval import mean_cosine, pair_auc, retrieval_scores
    from semreward.evaluation.score import (
        Score,
        bleu_score,
        chrf_score,
        language_consistency_score,
        rouge_l_score,
        similarity_score,
    )

_NAMES = {
    "asking": "READING_PROMPT ChatModel reading_answers",
    "chat": "ChatError ChatServer ChatUnavailableError",
    "choice": "choice_scores",
    "drift": "Distribution token_kl token_nll",
    "graded": "GradedPair graded_scores rank_correlation",
    "judge": "JudgingInterruptedError judging_estimate pairwise_scores",
    "prompts": "JudgePrompt headline_prompt translation_prompt verdict_of",
    "reading": "CmrcScores cmrc_scores first_questions reading_prompts",
    "retrieval": "mean_cosine pair_auc retrieval_scores",
    "score": "Score bleu_score chrf_score language_consistency_score rouge_l_score similarity_score",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "READING_PROMPT",
    "ChatError",
    "ChatModel",
    "ChatServer",
    "ChatUnavailableError",
    "CmrcScores",
    "Distribution",
    "GradedPair",
    "JudgePrompt",
    "JudgingInterruptedError",
    "Score",
    "bleu_score",
    "choice_scores",
    "chrf_score",
    "cmrc_scores",
    "first_questions",
    "graded_scores",
    "headline_prompt",
    "judging_estimate",
    "language_consistency_score",
    "mean_cosine",
    "pair_auc",
    "pairwise_scores",
    "rank_correlation",
    "reading_answers",
    "reading_prompts",
    "retrieval_scores",
    "rouge_l_score",
    "similarity_score",
    "token_kl",
    "token_nll",
    "translation_prompt",
    "verdict_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semreward.evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(f"semreward.evaluation.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
