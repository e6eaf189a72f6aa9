"""How far a model has drifted on plain text: negative log-likelihood of its tokens, and KL to the model it came from.

Both are distributions over the same tokens: all but the first of each text, because the first has nothing before it to
be predicted from. (Where the tokenizer puts a begin-of-text token first, that is the one left out.)
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy, log_softmax

from semreward.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DEFAULT_MAX_TOKENS = 1024

# Positions that are turned into float32 log-probabilities at once: 64 x 150,000 x 4 bytes = 38 MB.
_POSITIONS_A_CHUNK = 64

_Forward: TypeAlias = Callable[[list[int]], torch.Tensor]


@dataclass(frozen=True)
class Distribution:
    """A number a token, summed up over the tokens of all texts.

    Attributes:
        mean: Mean, in nats.
        median: Median, in nats.
        p10: 10th percentile, in nats, interpolated linearly.
        p90: 90th percentile, in nats, interpolated linearly.
        tokens: How many tokens there are: all but the first of each text.
    """

    mean: float
    median: float
    p10: float
    p90: float
    tokens: int


def token_nll(
    model: torch.nn.Module,
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    *,
    max_tokens: int = DEFAULT_MAX_TOKENS,
) -> Distribution:
    r"""Negative log-likelihood of each token given those before it.

    $$NLL_t = -\log p(x_t | x_{<t})$$

    Args:
        model: A causal language model of transformers, or a PEFT model around one. It runs where it is, in evaluation
            mode, and is left as it was.
        tokenizer: Its tokenizer, which adds the special tokens that it adds by default.
        texts: At least one text; one at a time is run, without padding.
        max_tokens: Tokens of a text that are read, at least 2; the rest is cut off.

    Returns:
        Distribution of values in [0, inf) over all tokens but the first of each text. Texts of fewer than two tokens
        contribute none.

    Raises:
        ArgumentError: No text has two tokens, `max_tokens` is below 2, or the model's output is not finite.
        ArgumentTypeError: `texts` is not a list of strings.

    Source:
        Su et al. 2026, appendix C and Table 6a, https://arxiv.org/abs/2605.14366. Special tokens
        and a limit of length are not stated there.
    """
    forward = _forward_of(model)
    with evaluating(model):
        values = [_nll(forward(ids), torch.tensor(ids[1:])) for ids in _token_ids(tokenizer, texts, max_tokens)]
    return _distribution(values)


def token_kl(
    model: torch.nn.Module,
    base: torch.nn.Module | None,
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    *,
    contexts: Sequence[str] | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
) -> Distribution:
    r"""KL divergence of an adapted model from its base model, at each token, exactly over the vocabulary.

    $$KL_t = \sum_{v} p(v | x_{<t}) \log \frac{p(v | x_{<t})}{q(v | x_{<t})}, \quad p: adapted, \; q: base$$

    Args:
        model: The adapted model, p: a causal language model of transformers, or a PEFT model around one. Models run
            where they are, in evaluation mode, and are left as they were.
        base: The base model, q, of the same vocabulary; `None`: `model` is a PEFT model, and q is what it computes with
            its adapter disabled.
        tokenizer: The tokenizer of both.
        texts: At least one text; one at a time is run, without padding.
        contexts: What comes before each text and is read but not counted, such as a prompt in its chat template, as
            many as texts. Then special tokens are those that the context spells out, and all of a text counts.
        max_tokens: Tokens of a text and its context that are read, at least 2; the rest is cut off.

    Returns:
        Distribution of values in [0, inf) over the same tokens as `token_nll`: all but the first of each text, each
        standing for the prediction of it. What rounding leaves below 0 is 0. A model against itself gives 0.

    Raises:
        ArgumentError: The vocabularies differ in size, no text has two tokens, `max_tokens` is below 2, `contexts` are
            not as many as `texts`, or a model's output is not finite.
        ArgumentTypeError: `texts` or `contexts` is not a list of strings, or `base` is `None` and `model` is not a PEFT
            model.

    Source:
        Su et al. 2026, appendix C and Table 6b, https://arxiv.org/abs/2605.14366
    """
    forward, base_forward = _forward_of(model), _base_forward_of(model, base)
    with evaluating(model), evaluating(model if base is None else base):
        if contexts is None:
            values = [_kl(forward(ids), base_forward(ids)) for ids in _token_ids(tokenizer, texts, max_tokens)]
        else:
            rows = _token_ids_after(tokenizer, contexts, texts, max_tokens)
            values = [_kl(forward(ids)[first:], base_forward(ids)[first:]) for first, ids in rows]
    return _distribution(values)


def _forward_of(model: torch.nn.Module) -> _Forward:
    """The forward pass that both measures share: T token ids to the logits that predict the last T - 1, (T - 1, V)."""

    def forward(ids: list[int]) -> torch.Tensor:
        inputs = torch.tensor([ids], device=next(model.parameters()).device)
        with torch.no_grad():
            logits: torch.Tensor = model(
                input_ids=inputs, attention_mask=torch.ones_like(inputs), use_cache=False
            ).logits
        return logits[0, :-1]

    return forward


def _base_forward_of(model: torch.nn.Module, base: torch.nn.Module | None) -> _Forward:
    if base is not None:
        return _forward_of(base)
    disable: Any = getattr(model, "disable_adapter", None)  # PEFT's context manager
    if not callable(disable):
        raise ArgumentTypeError(
            f"`base` must be a model unless `model` is a PEFT model, got None and {type(model).__name__}; "
            "pass the base model, or the model with its adapter"
        )
    with_adapter = _forward_of(model)

    def forward(ids: list[int]) -> torch.Tensor:
        with disable():
            return with_adapter(ids)

    return forward


def _nll(logits: torch.Tensor, targets: torch.Tensor) -> NDArray[np.float64]:
    """Logits (T, V) and token ids (T,) to values (T,)."""
    targets = targets.to(logits.device)
    values = [
        cross_entropy(logits[chunk].float(), targets[chunk], reduction="none").cpu() for chunk in _chunks(len(logits))
    ]
    return torch.cat(values).double().numpy()


def _kl(logits: torch.Tensor, base_logits: torch.Tensor) -> NDArray[np.float64]:
    """Two logits (T, V) to values (T,)."""
    if logits.shape[-1] != base_logits.shape[-1]:
        raise ArgumentError(
            f"`model` and `base` must share a vocabulary, got {logits.shape[-1]} and {base_logits.shape[-1]} entries; "
            "compare with the model that the adapted one was trained from"
        )
    values = []
    # Terms of both signs nearly cancel, so they are added in double precision where the device has it.
    precision = torch.float32 if logits.device.type == "mps" else torch.float64
    for chunk in _chunks(len(logits)):
        log_p = log_softmax(logits[chunk].float(), dim=-1)
        log_q = log_softmax(base_logits[chunk].to(logits.device).float(), dim=-1)
        values.append((log_p.exp() * (log_p - log_q)).sum(dim=-1, dtype=precision).cpu())
    return torch.cat(values).double().clamp(min=0.0).numpy()


def _chunks(positions: int) -> Iterator[slice]:
    """Slices that together cover all positions, few enough at once that their log-probabilities fit in memory."""
    for start in range(0, positions, _POSITIONS_A_CHUNK):
        yield slice(start, start + _POSITIONS_A_CHUNK)


def _token_ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], max_tokens: int) -> Iterator[list[int]]:
    """Token ids of each text that has at least two."""
    if max_tokens < 2:  # noqa: PLR2004 - one to condition on, one to predict
        raise ArgumentError(f"`max_tokens` must be at least 2, got {max_tokens}")
    if isinstance(texts, str):
        raise ArgumentTypeError("`texts` must be a list of texts, got a string; wrap a single one: [text]")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise ArgumentTypeError(f"`texts` must be strings, got {type(text).__name__} at row {row}; drop the row")
        ids = list(tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"])
        if len(ids) > 1:
            yield ids


def _token_ids_after(
    tokenizer: "PreTrainedTokenizerBase", contexts: Sequence[str], texts: Sequence[str], max_tokens: int
) -> Iterator[tuple[int, list[int]]]:
    """Token ids of each context and text, and the position whose logits predict the text's first token."""
    if isinstance(texts, str) or isinstance(contexts, str):
        raise ArgumentTypeError(
            "`texts` and `contexts` must be lists of texts, got a string; wrap a single one: [text]"
        )
    if len(contexts) != len(texts):
        raise ArgumentError(f"`contexts` must be as many as `texts`, got {len(contexts)} and {len(texts)}")
    for row, pair in enumerate(zip(contexts, texts, strict=True)):
        if not all(isinstance(part, str) for part in pair):
            raise ArgumentTypeError(f"`texts` and `contexts` must be strings, got {pair!r} at row {row}; drop the row")
        before, ids = (list(tokenizer(part, add_special_tokens=False)["input_ids"]) for part in pair)
        if not before:
            raise ArgumentError(f"`contexts` must hold at least one token each, got {pair[0]!r} at row {row}")
        if ids and len(before) < max_tokens:
            yield len(before) - 1, [*before, *ids][:max_tokens]


def _distribution(values: list[NDArray[np.float64]]) -> Distribution:
    if not values:
        raise ArgumentError("`texts` must hold a text of at least two tokens, got none")
    tokens = np.concatenate(values)
    if not np.isfinite(tokens).all():
        raise ArgumentError("`model` must return finite logits, got NaN or inf; load it in float32 or bfloat16")
    p10, median, p90 = (float(value) for value in np.percentile(tokens, [10, 50, 90]))
    return Distribution(float(tokens.mean()), median, p10, p90, tokens.size)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, so that dropout is off; afterwards all is as it was.

    What requires gradients is put back, too: PEFT makes an adapter trainable when it enables it again.
    """
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, required in gradients:
            parameter.requires_grad_(required)
