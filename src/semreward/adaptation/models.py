"""The model that is trained: loaded, checked against its tokenizer, and measured. Loads torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator
from sentence_transformers.sentence_transformer.modules import Normalize, Transformer

from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.measuring import Measures, measure_encoder
from semreward.adaptation.pairs import Pair
from semreward.encoders.engine import close_engine
from semreward.encoders.loading import check_weights, limit_tokens, resolved_device
from semreward.errors import ArgumentError
from semreward.evaluation.retrieval import GradedPair


def new_model(config: AdaptationConfig) -> SentenceTransformer:
    """The base, checked, with unit length (so that everyone gets the vectors that rewards see) and dropout."""
    model = SentenceTransformer(config.base, device="cpu", model_kwargs={"dtype": torch.float32})
    if not isinstance(model[0], Transformer):
        raise ArgumentError(f"`base` must be a transformer, got a {type(model[0]).__name__} in {config.base!r}")
    check_weights(model)
    if model.default_prompt_name is None:
        model.prompts = {}  # a model that is trained without a prompt is used without one
    if not any(isinstance(module, Normalize) for module in model):
        model.append(Normalize())
    limit_tokens(model, config.max_tokens)
    embeddings = model[0].auto_model.get_input_embeddings().num_embeddings
    token, number = max(model.tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    if number >= embeddings:
        raise ArgumentError(
            f"`base` must have an embedding for each token, but its tokenizer knows {token!r} as number {number} and "
            f"the model has {embeddings} embeddings; correct the checkpoint, or resize the embeddings"
        )
    if config.dropout is not None:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = config.dropout
    return model.to(resolved_device("cpu" if config.use_cpu else "auto"))


class HeldOutEvaluator(SentenceEvaluator):  # type: ignore[misc] # the library is untyped
    """Measures a model in training on held-out pairs; `precision` selects the best one."""

    primary_metric = "precision"

    def __init__(self, pairs: Sequence[Pair], graded: Sequence[GradedPair]) -> None:
        super().__init__()
        self._pairs = pairs
        self._graded = graded

    def measures(self, model: SentenceTransformer) -> Measures:
        """Measure a model as it is at this moment."""
        encoder = _EncoderInTraining(model)
        try:
            return measure_encoder(encoder, self._pairs, self._graded)
        finally:
            close_engine(encoder)  # drops the vectors of these weights

    def __call__(self, model: SentenceTransformer, *_: Any, **__: Any) -> dict[str, float]:
        """The measures as the trainer logs them."""
        return self.measures(model).flat()


@dataclass(frozen=True, eq=False)
class _EncoderInTraining:
    model: SentenceTransformer
    fingerprint: str = "in training"

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        return np.asarray(self.model.encode(list(texts), show_progress_bar=False))
