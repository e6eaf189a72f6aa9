"""A reading test for policies too small to quote an answer: which of the given answers does the model prefer?

Legend: Q questions, and none; A answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch.nn.functional import log_softmax
from transformers import DynamicCache, PreTrainedTokenizerBase

from semreward.errors import ArgumentError
from semreward.evaluation.policy import evaluating
from semreward.evaluation.reading import Dataset, reading_prompts

QUESTION, BLIND = "\nQuestion: {question}\nAnswer:", "\nAnswer:"


@dataclass(frozen=True)
class ChoiceScores:
    """Shares of questions whose right answer a model prefers, each in [0, 1]."""

    gain: float  # by the log-likelihood that the question adds to an answer
    likelihood: float  # by the log-likelihood per token
    blind: float  # by the log-likelihood per token without the question: right without reading it
    chance: float  # by guessing
    questions: int  # those on passages with one distinct answer are left out
    right: Mapping[str, bool]  # question id -> whether `gain` is right, for paired comparisons
    passages: Mapping[str, int]  # question id -> index of its passage, for a bootstrap over passages


def choice_scores(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, dataset: Dataset) -> ChoiceScores:
    r"""Let a model choose among the answers to all questions on a passage; for models too small to quote an answer.

    $$\hat a = \arg\max_a \; \log p(a | passage, question) - \log p(a | passage)$$

    The difference favours neither short answers nor those that the passage suggests anyway. The model reads plain
    texts: passage, question (or none), answer.

    Raises:
        ArgumentError: As for `reading_prompts`, or no passage has two distinct answers.

    Source:
        The measure is ours; dividing by an answer's probability without the question is Holtzman et al. 2021,
        https://aclanthology.org/2021.emnlp-main.564
    """
    rows: list[tuple[str, bool, bool, bool, float, int]] = []
    with evaluating(model), torch.no_grad():
        groups = groupby(reading_prompts(dataset), key=lambda question: question.passage)
        for number, (passage, group) in enumerate(groups):
            asked = [(item, {text.strip() for text in item.answers}) for item in group if item.answers]
            answers = list(dict.fromkeys(text.strip() for item, _ in asked for text in item.answers))
            if len(answers) < 2:  # noqa: PLR2004 - nothing to choose
                continue
            endings = [QUESTION.format(question=item.question) for item, _ in asked]
            scores, lengths = _log_likelihoods(model, tokenizer, passage, [*endings, BLIND], answers)
            blind = answers[int((scores[-1] / lengths).argmax())]
            for (item, right), score in zip(asked, scores[:-1], strict=True):
                gain, likely = (answers[int(by.argmax())] for by in (score - scores[-1], score / lengths))
                hits = (gain in right, likely in right, blind in right)
                rows.append((item.id, *hits, len(right) / len(answers), number))
    if not rows:
        raise ArgumentError("`dataset` must hold a passage with two distinct answers, got none; nothing can be chosen")
    names, *hits_and_chance, numbers = zip(*rows, strict=True)
    by_gain, by_likelihood, by_blind, chance = (sum(column) / len(rows) for column in hits_and_chance)
    is_right, passages = (dict(zip(names, column, strict=True)) for column in (hits_and_chance[0], numbers))
    return ChoiceScores(by_gain, by_likelihood, by_blind, chance, len(rows), is_right, passages)


def _log_likelihoods(
    model: Any, tokenizer: Any, passage: str, endings: Sequence[str], answers: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed log-likelihood of each answer after passage and ending, (Q, A), and tokens per answer, (A,)."""
    device = next(model.parameters()).device
    before = torch.tensor([tokenizer(passage)["input_ids"]], device=device)
    cache = DynamicCache(config=model.config)
    model(input_ids=before, past_key_values=cache, use_cache=True, logits_to_keep=1)  # the passage is read once
    cache.batch_repeat_interleave(len(endings) * len(answers))

    ending_ids = [tokenizer(ending, add_special_tokens=False)["input_ids"] for ending in endings]
    answer_ids = [tokenizer(" " + answer, add_special_tokens=False)["input_ids"] for answer in answers]
    ids, mask = _padded([[*ending, *answer] for ending in ending_ids for answer in answer_ids], 0, device)
    most = max(map(len, answer_ids))
    read = torch.cat([torch.ones(len(ids), before.shape[1], dtype=mask.dtype, device=device), mask], 1)[:, :-1]
    logits = model(
        input_ids=ids[:, :-1],
        attention_mask=read,
        position_ids=(read.cumsum(1) - 1)[:, before.shape[1] :],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=most,
    ).logits
    log_p = log_softmax(logits.float(), -1).gather(2, ids[:, -most:, None]).cpu().reshape(len(endings), -1, most)
    lengths = torch.tensor([len(answer) for answer in answer_ids])
    counts = torch.arange(most) >= most - lengths[:, None]  # which of the last tokens are the answer's
    return (log_p * counts).sum(-1).double(), lengths


def _padded(rows: list[list[int]], padding: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids, padded on the left, and their mask."""
    width = max(map(len, rows))
    ids = [[padding] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
