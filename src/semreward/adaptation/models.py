"""The model that is trained: loaded, checked against its tokenizer, given pooling, dropout and adapters, and saved.

Loads torch and sentence-transformers.
"""

import logging
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from semreward.adaptation.config import AdaptationConfig
from semreward.encoders.engine import close_engine
from semreward.encoders.forward import ModelForward
from semreward.encoders.local import limit_tokens
from semreward.errors import ArgumentError
from semreward.protocols import Encoder

logger = logging.getLogger(__name__)

# Tokens a forward pass while measuring, and texts the tokenizer is handed at a time.
_MEASURED_TOKENS = 4096
_MEASURED_TEXTS = 1024
_TOKENISED = 1000


def new_model(config: AdaptationConfig, name_or_path: str | None = None) -> SentenceTransformer:
    """The base, or another folder, as a sentence-transformers model that is ready to be trained.

    Its own modules are kept; a plain transformers checkpoint gets the pooling asked for. Unit length is made part of
    the model, so that whoever loads the folder gets what rewards see.

    Raises:
        ArgumentError: The tokenizer knows tokens that the model has no embedding for, or pooling was asked for where
            the base brings its own.
    """
    path = name_or_path or config.base
    options = {"device": "cpu" if config.use_cpu else None, "model_kwargs": {"dtype": torch.float32}}
    model = SentenceTransformer(path, **options)
    if config.pooling is not None and name_or_path is None:
        if not isinstance(model[0], Transformer):
            raise ArgumentError("`pooling` is for transformers; this base has none, leave `pooling` out")
        pooling = Pooling(model.get_embedding_dimension(), config.pooling)
        model = SentenceTransformer(modules=[model[0], pooling], device=options["device"])
    if not any(isinstance(module, Normalize) for module in model):
        model.append(Normalize())
    if model.max_seq_length != math.inf:  # a bag of embeddings has no window
        limit_tokens(model, config.max_tokens)
    check_vocabulary(model)
    if config.dropout is not None:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = config.dropout
    return model


def check_vocabulary(model: SentenceTransformer) -> None:
    """Raise `ArgumentError` where a tokenizer gives out numbers that the model has no embedding for."""
    table = next((module for module in model.modules() if isinstance(module, _TABLES)), None)
    tokenizer = model.tokenizer
    if table is None or tokenizer is None:
        return
    vocabulary = tokenizer.get_vocab()
    largest = max(vocabulary.values(), default=-1)
    if largest >= table.num_embeddings:
        token = next(token for token, number in vocabulary.items() if number == largest)
        raise ArgumentError(
            f"`base` must have an embedding for each token, but its tokenizer knows {token!r} as number {largest} and "
            f"the model has {table.num_embeddings} embeddings; the two do not belong together: correct the checkpoint, "
            "or resize the model's embeddings to the tokenizer"
        )


_TABLES = (torch.nn.Embedding, torch.nn.EmbeddingBag)


def add_adapters(model: SentenceTransformer, config: AdaptationConfig) -> None:
    """Freeze a model and put LoRA adapters on all of its linear layers, if the configuration asks for them.

    Raises:
        ArgumentError: The model is no transformer.
    """
    if config.lora_rank is None:
        return
    if not isinstance(model[0], Transformer):
        raise ArgumentError("`lora_rank` is for transformers; this base has no linear layers, leave it out")
    from peft import LoraConfig

    alpha = config.lora_alpha if config.lora_alpha is not None else 2 * config.lora_rank
    torch.manual_seed(config.seed)
    model.add_adapter(
        LoraConfig(
            task_type="FEATURE_EXTRACTION",
            r=config.lora_rank,
            lora_alpha=alpha,
            lora_dropout=config.dropout or 0.0,
            target_modules="all-linear",
        )
    )


def merged(model: SentenceTransformer, config: AdaptationConfig, base: str) -> SentenceTransformer:
    """A trained model without adapters, their weights added to those of the base.

    Args:
        model: What was trained.
        config: Its configuration; without `lora_rank` the model is returned as it is.
        base: Name or folder of the model that the adapters were put on.
    """
    if config.lora_rank is None:
        return model
    from peft import PeftModel

    whole = new_model(config, base) if base != config.base else new_model(config)
    with tempfile.TemporaryDirectory() as folder:
        model[0].auto_model.save_pretrained(folder)
        PeftModel.from_pretrained(whole[0].auto_model, folder).merge_and_unload()  # in place
    return whole


@dataclass(frozen=True)
class LengthReport:
    """How many texts are longer than an encoder's window.

    Attributes:
        texts: Texts that were looked at.
        too_long: Those that have more tokens than fit; their ends are not seen.
        window: Tokens that fit; `None`: any number.
        mean: Mean number of tokens, those beyond the window included.
    """

    texts: int
    too_long: int
    window: int | None
    mean: float


def text_lengths(model: SentenceTransformer, texts: Iterable[str]) -> LengthReport:
    """Count the texts that a model's window cuts, special tokens included, and log it."""
    window = model.max_seq_length if isinstance(model.max_seq_length, int) else None
    counts: list[int] = []
    rest = iter(texts)
    while portion := list(islice(rest, _TOKENISED)):
        counts += _token_counts(model.tokenizer, portion)
    too_long = 0 if window is None else sum(count > window for count in counts)
    report = LengthReport(len(counts), too_long, window, float(np.mean(counts)) if counts else 0.0)
    if too_long:
        logger.warning(
            "%d of %d training texts are longer than %d tokens: their ends are not seen", too_long, len(counts), window
        )
    return report


def _token_counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    if hasattr(tokenizer, "encode_batch"):  # of the tokenizers library, as static embeddings have it
        return [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    return [len(ids) for ids in tokenizer(list(texts), truncation=False, padding=False, verbose=False)["input_ids"]]


@contextmanager
def live_encoder(model: SentenceTransformer) -> Iterator[Encoder]:
    """A model in training as an encoder, for as long as its weights stay as they are."""
    encoder = _LiveEncoder(model)
    training = model.training
    model.eval()
    try:
        yield encoder
    finally:
        close_engine(encoder)  # with all vectors of these weights
        model.train(training)


class _LiveEncoder:
    fingerprint = "in training"

    def __init__(self, model: SentenceTransformer) -> None:
        self._forward = ModelForward(model, prompt=None, batch_tokens=_MEASURED_TOKENS, batch_size=_MEASURED_TEXTS)
        self._forward.counts_texts = False

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        return self._forward(list(texts))
