"""What a policy is worth on a test set: `overlap`, `semantic`, `reading`, `judge`, and `drift` from its base.

Names resolve on first access, so that only `drift`, and asking a model in this process, load torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.evaluation.asking import READING_PROMPT, ChatModel, Reader, reading_answers
    from semreward.evaluation.chat import ChatError, ChatServer, ChatUnavailableError
    from semreward.evaluation.drift import Distribution, token_kl, token_nll
    from semreward.evaluation.judge import (
        Judge,
        JudgingEstimate,
        JudgingInterruptedError,
        judging_estimate,
        pairwise_scores,
    )
    from semreward.evaluation.overlap import bleu_score, chrf_score, rouge_l_score
    from semreward.evaluation.prompts import JudgePrompt, headline_prompt, translation_prompt, verdict_of
    from semreward.evaluation.reading import CmrcScores, ReadingPrompt, cmrc_scores, first_questions, reading_prompts
    from semreward.evaluation.score import Score
    from semreward.evaluation.semantic import language_consistency_score, similarity_score
    from semreward.evaluation.verdicts import JudgedPair, PairwiseScores

_HOMES = {
    "READING_PROMPT": "asking",
    "ChatError": "chat",
    "ChatModel": "asking",
    "ChatServer": "chat",
    "ChatUnavailableError": "chat",
    "CmrcScores": "reading",
    "Distribution": "drift",
    "Judge": "judge",
    "JudgePrompt": "prompts",
    "JudgedPair": "verdicts",
    "JudgingEstimate": "judge",
    "JudgingInterruptedError": "judge",
    "PairwiseScores": "verdicts",
    "Reader": "asking",
    "ReadingPrompt": "reading",
    "Score": "score",
    "bleu_score": "overlap",
    "chrf_score": "overlap",
    "cmrc_scores": "reading",
    "first_questions": "reading",
    "headline_prompt": "prompts",
    "judging_estimate": "judge",
    "language_consistency_score": "semantic",
    "pairwise_scores": "judge",
    "reading_answers": "asking",
    "reading_prompts": "reading",
    "rouge_l_score": "overlap",
    "similarity_score": "semantic",
    "token_kl": "drift",
    "token_nll": "drift",
    "translation_prompt": "prompts",
    "verdict_of": "prompts",
}

__all__ = [
    "READING_PROMPT",
    "ChatError",
    "ChatModel",
    "ChatServer",
    "ChatUnavailableError",
    "CmrcScores",
    "Distribution",
    "Judge",
    "JudgePrompt",
    "JudgedPair",
    "JudgingEstimate",
    "JudgingInterruptedError",
    "PairwiseScores",
    "Reader",
    "ReadingPrompt",
    "Score",
    "bleu_score",
    "chrf_score",
    "cmrc_scores",
    "first_questions",
    "headline_prompt",
    "judging_estimate",
    "language_consistency_score",
    "pairwise_scores",
    "reading_answers",
    "reading_prompts",
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
