"""How far a model has drifted on plain text: negative log-likelihood of its tokens, and KL to the model it came from.

Both are distributions over the same tokens: all but the first of each text, which nothing precedes. (Where the
tokenizer adds a begin-of-text token, that is the one left out.) Legend: T tokens, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, log_softmax

from semreward.arguments import check_count, is_column
from semreward.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Positions that become float32 log-probabilities at once: 64 x 150,000 x 4 bytes = 38 MB.
_CHUNK = 64


@dataclass(frozen=True)
class Distribution:
    """One number per token, in nats, over all `tokens`: mean, median, and percentiles with linear interpolation."""

    mean: float
    median: float
    p10: float
    p90: float
    tokens: int


def token_nll(
    model: torch.nn.Module, tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], *, max_tokens: int = 1024
) -> Distribution:
    r"""Negative log-likelihood of each token given those before it.

    $$NLL_t = -\log p(x_t | x_{<t})$$

    Args:
        model: A causal language model of transformers, or a PEFT model around one. It runs on its own device, in
            evaluation mode, and is left as it was.
        tokenizer: Its tokenizer, with its default special tokens.
        texts: At least one text; they run one by one, without padding.
        max_tokens: Length at which a text is cut off, at least 2.

    Returns:
        Distribution of values in [0, inf). A text of fewer than two tokens has none.

    Raises:
        ArgumentError: No text has two tokens, `max_tokens` is below 2, or the model's output is not finite.
        ArgumentTypeError: `texts` is not a list of strings.

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
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    *,
    contexts: Sequence[str] | None = None,
    max_tokens: int = 1024,
) -> Distribution:
    r"""KL divergence of an adapted model from its base model, at each token, exactly over the vocabulary.

    $$KL_t = \sum_{v} p(v | x_{<t}) \log \frac{p(v | x_{<t})}{q(v | x_{<t})}, \quad p: adapted, \; q: base$$

    Args:
        model: The adapted model p, as for `token_nll`.
        base: The base model q, of the same vocabulary. `None`: `model` is a PEFT model, q the same without its adapter.
        tokenizer: The tokenizer of both.
        texts: At least one text, as for `token_nll`.
        contexts: One context per text, such as a prompt in its chat template, which is read but not counted. Special
            tokens are then those that the context spells out, and the first token of a text counts, too.
        max_tokens: Length at which a text with its context is cut off, at least 2.

    Returns:
        Distribution of values in [0, inf), over the tokens of `token_nll`. A model against itself gives 0.

    Raises:
        ArgumentError: As for `token_nll`, or the vocabularies differ in size, or `contexts` do not fit `texts`.
        ArgumentTypeError: As for `token_nll`, or `base` is `None` and `model` is not a PEFT model.

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
    for part, base_part in zip(torch.split(logits, _CHUNK), torch.split(base_logits, _CHUNK), strict=True):
        log_p, log_q = log_softmax(part.float(), dim=-1), log_softmax(base_part.float(), dim=-1)
        values = (log_p.exp() * (log_p - log_q)).sum(dim=-1, dtype=precision)
        yield values.clamp(min=0.0).cpu()  # rounding may end just below 0


def _logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    """Logits, (T - 1, V), that predict all tokens but the first."""
    inputs = torch.tensor([ids], device=next(model.parameters()).device)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=inputs, attention_mask=torch.ones_like(inputs), use_cache=False).logits
    return logits[0, :-1]


def _token_ids(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], contexts: Sequence[str] | None, max_tokens: int
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
        raise ArgumentError(f"`contexts` must be as many as `texts`, got {len(contexts)} and {len(texts)}")
    for row, text in enumerate(texts):
        before: list[int] = []
        if contexts is None:
            ids = tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"]
        else:
            before = tokenizer(contexts[row], add_special_tokens=False)["input_ids"]
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            if not before:
                raise ArgumentError(f"`contexts` must hold at least one token each, got {contexts[row]!r} at row {row}")
        start = max(len(before) - 1, 0)
        whole = [*before, *ids][:max_tokens]
        if len(whole) > start + 1:
            yield whole, start


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
