"""Asking a chat model the questions of a reading test; an interrupted run goes on where it stopped."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from semreward.arguments import check_count, is_column
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.evaluation.answers import AnswerFile, answerer_name, key_of
from semreward.evaluation.drift import evaluating
from semreward.evaluation.prompts import check_fields
from semreward.evaluation.reading import Dataset, reading_prompts
from semreward.text import ReasoningPolicy, remove_reasoning

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

READING_PROMPT = "阅读短文，用短文中的原文回答问题。只写答案。\n短文：{passage}\n问题：{question}"
"""The default prompt: answer in the passage's own words, and with the answer only. The paper does not state its own."""

_NUMBERS_PER_WEIGHT = 64  # sampled for a model's signature

_GREEDY: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": None,
    "top_p": None,
    "top_k": None,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
}


Reader: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""Whoever answers a batch of prompts: `ChatModel`, or your own function. Its `signature`, if it is a string, names it
in the file of answers."""


@dataclass(frozen=True, eq=False)
class ChatModel:
    """A chat model in this process: a batch of prompts to its greedy answers.

    Each prompt is one user message in the tokenizer's chat template. The model runs where it is, in evaluation mode and
    without the sampling of its generation settings, and is left as it was.

    Args:
        model: A causal language model of transformers, or a PEFT model around one.
        tokenizer: Its tokenizer, with a chat template. Batches are padded on the left in any case.
        max_tokens: Tokens per answer at most.
        template_options: Further arguments of the chat template, such as `{"enable_thinking": False}`.

    Raises:
        ArgumentError: The tokenizer has no chat template, or `max_tokens` is below 1.

    Example:
        >>> ChatModel(model, tokenizer)(["他买了什么？"])  # doctest: +SKIP
        ['苹果']
    """

    model: torch.nn.Module
    tokenizer: "PreTrainedTokenizerBase"
    _: KW_ONLY
    max_tokens: int = 64
    template_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_count("max_tokens", self.max_tokens)
        if not self.tokenizer.chat_template:
            raise ArgumentError(
                "`tokenizer` must have a chat template, got none; set `tokenizer.chat_template`, or use a chat model"
            )

    @property
    def signature(self) -> str:
        """What decides the answers: a hash of samples of all weights, of adapters that are on, and of the settings."""
        digest = hashlib.sha256()
        for name, weight in self.model.state_dict().items():
            flat = weight.detach().reshape(-1)
            sample = flat[:: max(1, flat.numel() // _NUMBERS_PER_WEIGHT)].cpu().double().numpy()
            digest.update(f"{name}{tuple(weight.shape)}".encode() + sample.tobytes())
        for name, module in self.model.named_modules():
            if hasattr(module, "disable_adapters"):  # a layer of PEFT, whose adapter may be off
                digest.update(f"{name}{module.disable_adapters}{getattr(module, 'active_adapters', None)}".encode())
        settings = [self.tokenizer.chat_template, len(self.tokenizer), dict(self.template_options)]
        digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
        return f"{digest.hexdigest()[:16]}|greedy|max_tokens:{self.max_tokens}"

    def __call__(self, prompts: Sequence[str], /) -> list[str]:
        """Answer a batch of prompts, all at once; texts are decoded without special tokens."""
        if not prompts:
            return []
        ids = [self._token_ids(prompt) for prompt in prompts]
        longest = max(map(len, ids))
        padding = self.tokenizer.pad_token_id
        if padding is None:
            padding = self.tokenizer.eos_token_id or 0  # it is masked
        device = next(self.model.parameters()).device
        inputs = torch.tensor([[padding] * (longest - len(row)) + row for row in ids], device=device)
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids], device=device)
        model: Any = self.model  # type checkers do not see how generate() is attached
        with evaluating(self.model), torch.no_grad():
            output = model.generate(
                input_ids=inputs, attention_mask=mask, max_new_tokens=self.max_tokens, pad_token_id=padding, **_GREEDY
            )
        return list(self.tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True))

    def _token_ids(self, prompt: str) -> list[int]:
        messages = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **self.template_options
        )
        return list(self.tokenizer(str(text), add_special_tokens=False)["input_ids"])


def reading_answers(
    reader: Reader,
    dataset: Dataset,
    *,
    path: str | os.PathLike[str] | None = None,
    prompt: str = READING_PROMPT,
    batch_size: int = 16,
    reader_name: str | None = None,
    reasoning: ReasoningPolicy = "remove",
) -> dict[str, str]:
    """The answers of a model to all questions of a data set, ready for `cmrc_scores`.

    Answers are written after each batch, longest prompts first. The same call after an interruption asks only for the
    rest. Answers of other models or to other prompts in the file are left alone.

    Args:
        reader: Answers batches of prompts.
        dataset: Questions in the layout of SQuAD, or the path of a JSON file with them; `first_questions` takes a part.
        path: JSON lines file that keeps the answers; created if missing. `None`: they are kept during the call.
        prompt: Text with the fields `{passage}` and `{question}`; other braces are doubled.
        batch_size: Prompts per batch. If memory runs out, call again with fewer: earlier answers are kept.
        reader_name: Name of a reader without a `signature`.
        reasoning: What becomes of `<think>` blocks in the result; see `semreward.text.remove_reasoning`.

    Returns:
        Question id to answer, in the data set's order; without outer white space, empty if nothing was answered.

    Raises:
        ArgumentError: The data set breaks the layout, the prompt has other fields, `batch_size` is below 1, `reasoning`
            is unknown, a reader with a file has no name, or it returns another number of answers.
        ArgumentTypeError: The reader, its answers, the prompt or the data set have the wrong type.
        FileNotFoundError: `dataset` is a path that does not exist.

    Source:
        Su et al. 2026, section 4.1.1, https://arxiv.org/abs/2605.14366, which states neither split nor prompt.

    Example:
        >>> squad = {"data": [{"paragraphs": [{"context": "他在北京。", "qas": [
        ...     {"id": "q1", "question": "他在哪里？", "answers": [{"text": "北京"}]}]}]}]}
        >>> reading_answers(lambda prompts: ["北京" if "北京" in prompt else "" for prompt in prompts], squad)
        {'q1': '北京'}
    """
    from tqdm.auto import tqdm

    check_fields(prompt, ("passage", "question"), argument="prompt")
    check_count("batch_size", batch_size)
    remove_reasoning("", policy=reasoning)  # a wrong policy must show before anything is asked
    name = answerer_name(reader, reader_name, argument="reader", keeps=path is not None)
    questions = list(reading_prompts(dataset))
    prompts = [prompt.format(passage=question.passage, question=question.question) for question in questions]
    keys = [key_of(name, text) for text in prompts]
    answers = AnswerFile(path)
    answers.prepare()
    todo = [row for row, key in enumerate(keys) if key not in answers]
    logger.info("%d of %d questions are answered already", len(questions) - len(todo), len(questions))
    todo.sort(key=lambda row: -len(prompts[row]))  # similar lengths share a batch; what does not fit shows at once
    for start in tqdm(range(0, len(todo), batch_size), desc="reading", unit="batch", disable=None):
        rows = todo[start : start + batch_size]
        for row, answer in zip(rows, _answers(reader, [prompts[row] for row in rows]), strict=True):
            answers.add(keys[row], answer, id=questions[row].id)
    return {
        question.id: remove_reasoning(answers[key], policy=reasoning).strip()
        for question, key in zip(questions, keys, strict=True)
    }


def _answers(reader: Reader, prompts: list[str]) -> list[str]:
    answers: Any = reader(prompts)
    if not is_column(answers):
        raise ArgumentTypeError(f"`reader` must return a list of texts, one per prompt, got {type(answers).__name__}")
    if len(answers) != len(prompts):
        raise ArgumentError(f"`reader` must return one answer per prompt: {len(prompts)} expected, got {len(answers)}")
    for answer in answers:
        if not isinstance(answer, str):
            raise ArgumentTypeError(f"`reader` must return texts, got {type(answer).__name__}")
    return list(answers)
