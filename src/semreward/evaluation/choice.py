"""Reading comprehension for a model too small to answer: which of a passage's answers does it find likeliest?

A small model rarely quotes an answer to the letter, so exact match cannot fall. Here it only has to prefer the right
answer among those to all questions on the passage. Legend: Q questions or none, A answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import log_softmax

from semreward.arguments import check_text
from semreward.errors import ArgumentError
from semreward.evaluation.drift import evaluating
from semreward.evaluation.reading import Dataset, reading_questions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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


def choice_scores(
    model: torch.nn.Module,
    tokenizer: "PreTrainedTokenizerBase",
    dataset: Dataset,
    *,
    question_format: str = "\nQuestion: {question}\nAnswer:",
    blind_format: str = "\nAnswer:",
) -> ChoiceScores:
    r"""Let a model choose among the answers to all questions on a passage.

    $$\hat a = \arg\max_a \; \log p(a | passage, question) - \log p(a | passage)$$

    The difference favours neither short answers nor those that the passage suggests anyway.

    Args:
        model: A causal language model, as for `token_nll`.
        tokenizer: Its tokenizer; texts are plain, without a chat template.
        dataset: Questions in SQuAD's layout, or the path of a JSON file with them. Each answer to a question is right.
        question_format: Text between passage and answer, with `{question}`.
        blind_format: The same without the question.

    Raises:
        ArgumentError: The data set breaks the layout, no passage has two distinct answers, or a format is empty.
        FileNotFoundError: `dataset` is a path that does not exist.

    Source:
        The measure is ours; dividing by an answer's probability without the question is Holtzman et al. 2021,
        https://aclanthology.org/2021.emnlp-main.564
    """
    check_text("question_format", question_format)
    check_text("blind_format", blind_format)
    hits: dict[str, tuple[bool, bool, bool]] = {}
    passages: dict[str, int] = {}
    chance, number = 0.0, 0
    with evaluating(model), torch.no_grad():
        for passage, group in groupby(reading_questions(dataset), key=lambda question: question[0].passage):
            asked = [(prompt, dict.fromkeys(text.strip() for text in texts)) for prompt, texts in group if texts]
            answers = list(dict.fromkeys(text for _, right in asked for text in right))
            if len(answers) < 2:  # noqa: PLR2004 - nothing to choose
                continue
            endings = [question_format.format(question=prompt.question) for prompt, _ in asked]
            scores, lengths = _log_likelihoods(model, tokenizer, passage, [*endings, blind_format], answers)
            blind = answers[int((scores[-1] / lengths).argmax())]
            for (prompt, right), score in zip(asked, scores[:-1], strict=True):
                gain, likely = (answers[int(by.argmax())] for by in (score - scores[-1], score / lengths))
                hits[prompt.id] = (gain in right, likely in right, blind in right)
                passages[prompt.id] = number
                chance += len(right) / len(answers)
            number += 1
    if not hits:
        raise ArgumentError("`dataset` must hold a passage with two distinct answers, got none; nothing can be chosen")
    by_gain, by_likelihood, by_blind = (sum(column) / len(hits) for column in zip(*hits.values(), strict=True))
    right_by_gain = {question_id: found[0] for question_id, found in hits.items()}
    return ChoiceScores(by_gain, by_likelihood, by_blind, chance / len(hits), len(hits), right_by_gain, passages)


def _log_likelihoods(
    model: Any, tokenizer: Any, passage: str, endings: Sequence[str], answers: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed log-likelihood of each answer after passage and ending, (Q, A), and tokens per answer, (A,)."""
    from transformers import DynamicCache

    device = next(model.parameters()).device
    before = torch.tensor([tokenizer(passage)["input_ids"]], device=device)
    cache = DynamicCache(config=model.config)
    model(input_ids=before, past_key_values=cache, use_cache=True, logits_to_keep=1)  # the passage is read once
    cache.batch_repeat_interleave(len(endings) * len(answers))

    ending_ids = [tokenizer(ending, add_special_tokens=False)["input_ids"] for ending in endings]
    answer_ids = [tokenizer(" " + answer, add_special_tokens=False)["input_ids"] for answer in answers]
    rows = [[*ending, *answer] for ending in ending_ids for answer in answer_ids]
    width, most = max(map(len, rows)), max(map(len, answer_ids))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows], device=device)  # left padding
    mask = [[1] * before.shape[1] + [0] * (width - len(row)) + [1] * len(row) for row in rows]
    read = torch.tensor(mask, device=device)[:, :-1]
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
