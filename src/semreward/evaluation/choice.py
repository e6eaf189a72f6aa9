"""Reading comprehension for a model that is too small to answer: which of a passage's answers does it find likeliest?

A small model quotes hardly an answer to the letter, and exact match has nothing to lose. Here it only has to prefer the
right one among the answers to all questions on the passage.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import log_softmax

from semreward.errors import ArgumentError
from semreward.evaluation.drift import evaluating
from semreward.evaluation.reading import Dataset, reading_questions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Axes: R rows that share a passage, S tokens of a question, T tokens of an answer.
QUESTION = "\nQuestion: {question}\nAnswer:"
NO_QUESTION = "\nAnswer:"


@dataclass(frozen=True)
class ChoiceScores:
    """Shares of questions whose right answer a model prefers, each in [0, 1].

    Attributes:
        gain: By the log-likelihood that the question adds to an answer.
        likelihood: By the log-likelihood per token.
        blind: By the log-likelihood per token without the question: what a model gets right that has not read it.
        chance: What guessing gets right.
        questions: Number of questions; those on passages with one distinct answer are left out.
        right: Question id -> whether `gain` is right, for paired comparisons.
        passages: Question id -> index of its passage, for a bootstrap over passages.
    """

    gain: float
    likelihood: float
    blind: float
    chance: float
    questions: int
    right: Mapping[str, bool]
    passages: Mapping[str, int]


@dataclass(frozen=True)
class _Passage:
    """A passage, its questions, its distinct answers, and for each question which of them are right."""

    text: str
    ids: list[str]
    questions: list[str]
    answers: list[str]
    right: list[set[int]]


def choice_scores(
    model: torch.nn.Module,
    tokenizer: "PreTrainedTokenizerBase",
    dataset: Dataset,
    *,
    question_format: str = QUESTION,
    blind_format: str = NO_QUESTION,
) -> ChoiceScores:
    r"""Let a model choose among the answers to all questions on a passage.

    $$\hat a = \arg\max_a \; \log p(a | passage, question) - \log p(a | passage)$$

    The difference favours neither short answers nor those that the passage suggests anyway. Texts are plain, without a
    chat template.

    Args:
        model: A causal language model of transformers, or a PEFT model around one. It runs where it is, in evaluation
            mode, and is left as it was.
        tokenizer: Its tokenizer.
        dataset: Questions in the layout of SQuAD, or the path of a JSON file with them.
        question_format: What follows the passage and precedes an answer, with `{question}`.
        blind_format: The same without the question.

    Raises:
        ArgumentError: The data set breaks the layout, no passage has two distinct answers, or a format is empty.
        FileNotFoundError: `dataset` is a path at which nothing is.

    Source:
        The measure is ours; dividing by an answer's probability without the question is Holtzman et al. 2021,
        https://aclanthology.org/2021.emnlp-main.564
    """
    for name, ending in (("question_format", question_format), ("blind_format", blind_format)):
        if not ending:
            raise ArgumentError(f"`{name}` must not be empty; it stands between the passage and an answer")
    hits: dict[str, tuple[bool, bool, bool]] = {}
    passages: dict[str, int] = {}
    chance = 0.0
    with evaluating(model), torch.no_grad():
        for number, passage in enumerate(_passages(dataset)):
            endings = [*(question_format.format(question=question) for question in passage.questions), blind_format]
            likelihood_qa, lengths_a = _log_likelihoods(model, tokenizer, passage.text, endings, passage.answers)
            asked, blind = likelihood_qa[:-1], likelihood_qa[-1]
            choices = zip(
                (asked - blind).argmax(1).tolist(),
                (asked / lengths_a).argmax(1).tolist(),
                [int((blind / lengths_a).argmax())] * len(asked),
                strict=True,
            )
            for question_id, right, chosen in zip(passage.ids, passage.right, choices, strict=True):
                hits[question_id] = (chosen[0] in right, chosen[1] in right, chosen[2] in right)
                passages[question_id] = number
                chance += len(right) / len(passage.answers)
    if not hits:
        raise ArgumentError("`dataset` must hold a passage with two distinct answers, got none; nothing can be chosen")
    gain, likelihood, unasked = (sum(column) / len(hits) for column in zip(*hits.values(), strict=True))
    right_by_gain = {question_id: found[0] for question_id, found in hits.items()}
    return ChoiceScores(gain, likelihood, unasked, chance / len(hits), len(hits), right_by_gain, passages)


def _passages(dataset: Dataset) -> Iterator[_Passage]:
    """Passages with at least two distinct answers; of a question's answers each counts as right."""
    for text, group in groupby(reading_questions(dataset), key=lambda question: question.prompt.passage):
        asked = [question for question in group if question.answers]
        answers = list(dict.fromkeys(answer.strip() for question in asked for answer in question.answers))
        if len(answers) > 1:
            yield _Passage(
                text,
                [question.prompt.id for question in asked],
                [question.prompt.question for question in asked],
                answers,
                [{answers.index(answer.strip()) for answer in question.answers} for question in asked],
            )


def _log_likelihoods(
    model: Any, tokenizer: Any, passage: str, endings: Sequence[str], answers: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed log-likelihood of `A` answers after each of `Q` endings of a passage, and the answers' tokens.

    The passage is read once, each ending once: (Q, A) and (A,).
    """
    from transformers import DynamicCache

    device = next(model.parameters()).device
    cache = DynamicCache(config=model.config)

    def read(ids: torch.Tensor, mask: torch.Tensor, *, logits_to_keep: int = 1) -> torch.Tensor:
        """Logits of tokens after what the cache holds, which then holds them, too; of the last one, or 0: of all."""
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        logits: torch.Tensor = model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=logits_to_keep,
        ).logits
        return logits

    passage_ids = list(tokenizer(passage)["input_ids"])
    ending_ids = [list(tokenizer(ending, add_special_tokens=False)["input_ids"]) for ending in endings]
    answer_ids = [list(tokenizer(" " + answer, add_special_tokens=False)["input_ids"]) for answer in answers]
    whole = torch.ones(1, len(passage_ids), dtype=torch.long)
    read(torch.tensor([passage_ids]), whole)

    cache.batch_select_indices(torch.zeros(len(endings), dtype=torch.long, device=device))
    before, before_mask = _padded([ids[:-1] for ids in ending_ids])  # the last token is read with the answer
    mask = torch.cat([whole.expand(len(endings), -1), before_mask], 1)
    if before.shape[1]:
        read(before, mask)

    rows = torch.arange(len(endings)).repeat_interleave(len(answers))
    cache.batch_select_indices(rows.to(device))
    targets, target_mask = _padded([ids for _ in endings for ids in answer_ids])
    last = torch.tensor([ids[-1] for ids in ending_ids])[rows][:, None]
    inputs = torch.cat([last, targets[:, :-1]], 1)
    mask = torch.cat([mask[rows], target_mask], 1)
    logits = read(inputs, mask, logits_to_keep=0)
    log_p = log_softmax(logits.float(), -1).gather(2, targets.to(device)[:, :, None])[:, :, 0].cpu()
    sums = (log_p * target_mask).sum(1).double().reshape(len(endings), len(answers))
    return sums, torch.tensor([len(ids) for ids in answer_ids])


def _padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids padded on the right, and a mask."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], dtype=torch.long)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], dtype=torch.long)
    return ids, mask
