"""Examines a policy in this process: drift on plain text, and answers to prompts.

Models are causal language models of transformers, or PEFT models around one. They run on their own device, in
evaluation mode, and are left as they were. Legend: T tokens, V vocabulary.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, log_softmax
from transformers import PreTrainedTokenizerBase

from semreward.arguments import check_count, is_column
from semreward.errors import ArgumentError, ArgumentTypeError

_CHUNK = 64  # positions that become float32 log-probabilities at once: 64 x 150,000 x 4 bytes = 38 MB
_NUMBERS_PER_WEIGHT = 64  # sampled for a model's signature
_GREEDY: dict[str, Any] = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
_GREEDY |= {"temperature": None, "top_p": None, "top_k": None}


@dataclass(frozen=True)
class Distribution:
    """One number per token, in nats, over all `tokens`: mean, median, and percentiles with linear interpolation."""

    mean: float
    median: float
    p10: float
    p90: float
    tokens: int


def token_nll(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, max_tokens: int = 1024
) -> Distribution:
    r"""Negative log-likelihood, in [0, inf), of all tokens but the first of each text, with default special tokens.

    $$NLL_t = -\log p(x_t | x_{<t})$$

    Texts are cut off at `max_tokens`, at least 2.

    Raises:
        ArgumentError: No text has two tokens, or the model's output is not finite.

    Source:
        Su et al. 2026, appendix C and Table 6a, https://arxiv.org/abs/2605.14366, without special tokens or a limit.
    """
    values = []
    with evaluating(model):
        for ids, _ in _token_ids(tokenizer, texts, None, max_tokens):
            logits = _logits(model, ids)
            targets = torch.tensor(ids[1:], device=logits.device)
            for part, wanted in zip(torch.split(logits, _CHUNK), torch.split(targets, _CHUNK), strict=True):
                values.append(cross_entropy(part.float(), wanted, reduction="none").cpu())
    return _distribution(values)


def token_kl(
    model: torch.nn.Module,
    base: torch.nn.Module | None,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    contexts: Sequence[str] | None = None,
    max_tokens: int = 1024,
) -> Distribution:
    r"""KL divergence, in [0, inf), of an adapted model from its base, exactly over the vocabulary, as `token_nll`.

    $$KL_t = \sum_{v} p(v | x_{<t}) \log \frac{p(v | x_{<t})}{q(v | x_{<t})}, \quad p: adapted, \; q: base$$

    Both models have one vocabulary. `base=None`: `model` is a PEFT model, and q the same without its adapter.
    `contexts`, one per text, such as prompts in their chat template, are read but not counted; special tokens are then
    those that they spell out, and the first token of a text counts, too.

    Raises:
        ArgumentError: As for `token_nll`, or the vocabularies differ in size, or `contexts` do not fit `texts`.
        ArgumentTypeError: `base` is `None` and `model` is not a PEFT model.

    Source:
        Su et al. 2026, appendix C and Table 6b, https://arxiv.org/abs/2605.14366
    """
    disable_adapter: Any = getattr(model, "disable_adapter", None)  # PEFT's context manager
    if base is None and not callable(disable_adapter):
        raise ArgumentTypeError(
            f"`base` must be a model unless `model` is a PEFT model, got None and {type(model).__name__}; "
            "pass the base model, or the model with its adapter"
        )
    reference = model if base is None else base
    values: list[torch.Tensor] = []
    with evaluating(model), evaluating(reference):
        for ids, start in _token_ids(tokenizer, texts, contexts, max_tokens):
            logits = _logits(model, ids)[start:]
            with disable_adapter() if base is None else nullcontext():
                base_logits = _logits(reference, ids)[start:].to(logits.device)
            values += _kl(logits, base_logits)
    return _distribution(values)


def _kl(logits: torch.Tensor, base_logits: torch.Tensor) -> Iterator[torch.Tensor]:
    """Values, (T,), of logits, (T, V), in chunks."""
    if logits.shape != base_logits.shape:
        raise ArgumentError(
            f"`model` and `base` must share a vocabulary, got {logits.shape[-1]} and {base_logits.shape[-1]} entries; "
            "compare with the model that the adapted one was trained from"
        )
    # Terms of both signs nearly cancel, so they are added in double precision where the device has it.
    precision = torch.float32 if logits.device.type == "mps" else torch.float64
    for parts in zip(torch.split(logits, _CHUNK), torch.split(base_logits, _CHUNK), strict=True):
        log_p, log_q = (log_softmax(part.float(), dim=-1) for part in parts)
        values = (log_p.exp() * (log_p - log_q)).sum(dim=-1, dtype=precision)
        yield values.clamp(min=0.0).cpu()  # rounding may end just below 0


def _logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    """Logits, (T - 1, V), that predict all tokens but the first."""
    inputs = torch.tensor([ids], device=next(model.parameters()).device)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=inputs, attention_mask=torch.ones_like(inputs), use_cache=False).logits
    return logits[0, :-1]


def _token_ids(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], contexts: Sequence[str] | None, max_tokens: int
) -> Iterator[tuple[list[int], int]]:
    """Token ids of each text with its context, and the position that predicts the first token that counts."""
    check_count("max_tokens", max_tokens, at_least=2)
    for name, column in {"texts": texts, "contexts": [] if contexts is None else contexts}.items():
        if not is_column(column):
            raise ArgumentTypeError(f"`{name}` must be a list of texts, got {type(column).__name__}; wrap one: [text]")
        for row, text in enumerate(column):
            if not isinstance(text, str):
                raise ArgumentTypeError(f"`{name}` must be strings, got {type(text).__name__} at row {row}; drop it")
    if contexts is not None and len(contexts) != len(texts):
        raise ArgumentError(f"`contexts` must have one per text: {len(texts)} expected, got {len(contexts)}")
    for row, text in enumerate(texts):
        if contexts is None:
            before, ids = [], tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"]
        else:
            before, ids = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (contexts[row], text))
            if not before:
                raise ArgumentError(f"`contexts` must hold at least one token each, got {contexts[row]!r} at row {row}")
        start = max(0, len(before) - 1)
        ids = [*before, *ids][:max_tokens]
        if len(ids) > start + 1:
            yield ids, start


def _distribution(values: list[torch.Tensor]) -> Distribution:
    if not values:
        raise ArgumentError("`texts` must hold a text of at least two tokens, got none")
    tokens = torch.cat(values).double().numpy()
    if not np.isfinite(tokens).all():
        raise ArgumentError("`model` must return finite logits, got NaN or inf; load it in float32 or bfloat16")
    p10, median, p90 = np.percentile(tokens, [10, 50, 90]).tolist()
    return Distribution(float(tokens.mean()), median, p10, p90, tokens.size)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, without dropout; afterwards modes and required gradients are as before."""
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in model.parameters()]  # PEFT changes them, too
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, required in gradients:
            parameter.requires_grad_(required)


def _padded(rows: list[list[int]], padding: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids, padded on the left, and their mask."""
    width = max(map(len, rows))
    ids = [[padding] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


@dataclass(frozen=True, eq=False)
class ChatModel:
    """A chat model in this process: a batch of prompts to its greedy answers; its own generation settings do not count.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer, with a chat template (else an `ArgumentError`); each prompt is one user message.
        max_tokens: Tokens per answer, at least 1 (else an `ArgumentError`).
        template_options: Further arguments of the chat template, such as `{"enable_thinking": False}`.
    """

    model: torch.nn.Module
    tokenizer: PreTrainedTokenizerBase
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
        """A hash of all that decides the answers: samples of all weights, adapters that are on, settings."""
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
        padding = self.tokenizer.pad_token_id or self.tokenizer.eos_token_id or 0  # any token will do, it is masked
        chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
        options = {"add_generation_prompt": True, "return_dict": True, **self.template_options}
        encoded: Any = self.tokenizer.apply_chat_template(chats, **options)
        ids, mask = _padded(encoded["input_ids"], padding, next(self.model.parameters()).device)
        model: Any = self.model  # type checkers do not see how generate() is attached
        with evaluating(self.model), torch.no_grad():
            output = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=self.max_tokens, pad_token_id=padding, **_GREEDY
            )
        return list(self.tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True))
