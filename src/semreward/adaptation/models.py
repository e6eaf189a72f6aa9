"""The model that is trained: loaded, checked against its tokenizer, given pooling, dropout and adapters.

Loads torch and sentence-transformers.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.measuring import Measures, measure_encoder
from semreward.adaptation.pairs import Pair
from semreward.encoders.engine import close_engine
from semreward.encoders.local import limit_tokens
from semreward.errors import ArgumentError
from semreward.evaluation.graded import GradedPair

logger = logging.getLogger(__name__)

# Texts per call of the tokenizer.
_TOKENISED = 1000


@dataclass(frozen=True)
class LengthReport:
    """How many texts are longer than an encoder's window.

    Attributes:
        texts: Texts that were counted.
        too_long: Those with more tokens than fit; the encoder does not see their ends.
        window: Tokens that fit.
        mean: Mean number of tokens, those beyond the window included.
    """

    texts: int
    too_long: int
    window: int
    mean: float


def new_model(config: AdaptationConfig) -> SentenceTransformer:
    """The base as a sentence-transformers model that is ready to be trained.

    A plain transformers checkpoint gets the pooling asked for. Unit length becomes part of the model, so that everyone
    who loads the folder gets the vectors that rewards see.

    Raises:
        ArgumentError: The base is no transformer, or its tokenizer knows tokens without an embedding.
    """
    device = "cpu" if config.use_cpu else None
    model = SentenceTransformer(config.base, device=device, model_kwargs={"dtype": torch.float32})
    if not isinstance(model[0], Transformer):
        raise ArgumentError(f"`base` must be a transformer, got a {type(model[0]).__name__} in {config.base!r}")
    if config.pooling is not None:
        pooling = Pooling(model.get_embedding_dimension(), config.pooling)
        model = SentenceTransformer(modules=[model[0], pooling], device=device)
    if not any(isinstance(module, Normalize) for module in model):
        model.append(Normalize())
    limit_tokens(model, config.max_tokens)
    _check_vocabulary(model)
    if config.dropout is not None:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = config.dropout
    return model


def _check_vocabulary(model: SentenceTransformer) -> None:
    """Raise if the tokenizer knows a token that the model has no embedding for."""
    embeddings = model[0].auto_model.get_input_embeddings().num_embeddings
    token, number = max(model.tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    if number >= embeddings:
        raise ArgumentError(
            f"`base` must have an embedding for each token, but its tokenizer knows {token!r} as number {number} and "
            f"the model has {embeddings} embeddings; correct the checkpoint, or resize the model's embeddings to the "
            "tokenizer"
        )


def add_adapters(model: SentenceTransformer, config: AdaptationConfig) -> None:
    """Freeze a model and put LoRA adapters on all of its linear layers, if the configuration asks for them."""
    if config.lora_rank is None:
        return
    from peft import LoraConfig

    torch.manual_seed(config.seed)
    model.add_adapter(
        LoraConfig(
            task_type="FEATURE_EXTRACTION",
            r=config.lora_rank,
            lora_alpha=2 * config.lora_rank,
            lora_dropout=config.dropout or 0.0,
            target_modules="all-linear",
        )
    )


def merged(model: SentenceTransformer, config: AdaptationConfig) -> SentenceTransformer:
    """A trained model with its adapters' weights, if there are any, added to those of the base."""
    if config.lora_rank is None:
        return model
    from peft import PeftModel

    whole = new_model(config)
    with tempfile.TemporaryDirectory() as folder:
        model[0].auto_model.save_pretrained(folder)
        PeftModel.from_pretrained(whole[0].auto_model, folder).merge_and_unload()  # in place
    return whole


def text_lengths(model: SentenceTransformer, texts: Sequence[str]) -> LengthReport:
    """Count the texts that a model's window cuts, special tokens included, and log it."""
    window = int(model.max_seq_length)
    counts: list[int] = []
    for start in range(0, len(texts), _TOKENISED):
        portion = list(texts[start : start + _TOKENISED])
        rows = model.tokenizer(portion, truncation=False, padding=False, verbose=False)["input_ids"]
        counts += map(len, rows)
    report = LengthReport(len(counts), sum(count > window for count in counts), window, float(np.mean(counts)))
    if report.too_long:
        logger.warning(
            "%d of %d training texts are longer than %d tokens: their ends are not seen",
            report.too_long,
            report.texts,
            window,
        )
    return report


def measure_model(model: SentenceTransformer, pairs: Sequence[Pair], graded: Sequence[GradedPair]) -> Measures:
    """Measure a model as it is at this moment of its training."""
    encoder = _EncoderInTraining(model)
    try:
        return measure_encoder(encoder, pairs, graded)
    finally:
        close_engine(encoder)  # drops the vectors of these weights


class _EncoderInTraining:
    fingerprint = "in training"

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        vectors: Any = self._model.encode(list(texts), show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)
