"""Makes a sentence encoder out of a pretrained one, contrastively, from translation pairs.

Needs the `train` extra.
"""

import logging
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from semreward.encoders.engine import engine_of
from semreward.encoders.local import SentenceTransformerEncoder, limit_tokens, resolved_name
from semreward.errors import ArgumentError, MissingDependencyError
from semreward.protocols import Encoder
from semreward.text import normalise

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)


class Pair(NamedTuple):
    """A sentence and its translation."""

    anchor: str
    positive: str


@dataclass(frozen=True)
class AdaptationConfig:
    """How an encoder is adapted.

    Args:
        base: Hub id or folder of a pretrained encoder, for example `hfl/cino-base-v2`.
        output_dir: Folder that receives the adapted encoder, in sentence-transformers' format.
        epochs: Passes over the pairs.
        batch_size: Pairs a batch; the rest of the batch are each pair's negatives.
        learning_rate: Peak of a cosine schedule.
        warmup_ratio: Share of the steps during which the learning rate rises.
        temperature: Divides cosines before the softmax, > 0.
        max_tokens: Longest input in tokens.
        mini_batch_size: Pairs whose activations are held at a time; `None` holds the whole batch.
        bf16: Train in bfloat16.
        seed: Order of the pairs.
        use_cpu: Train on the CPU though an accelerator is there.
    """

    base: str
    output_dir: str
    _: KW_ONLY
    epochs: float = 1.0
    batch_size: int = 128
    learning_rate: float = 2e-5
    warmup_ratio: float = 0.1
    temperature: float = 0.05
    max_tokens: int = 128
    mini_batch_size: int | None = None
    bf16: bool = False
    seed: int = 0
    use_cpu: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", resolved_name(self.base))
        positive = ("epochs", "batch_size", "learning_rate", "temperature", "max_tokens")
        for name in positive:
            if not getattr(self, name) > 0:
                raise ArgumentError(f"`{name}` must be positive, got {getattr(self, name)}")
        if not 0 <= self.warmup_ratio < 1:
            raise ArgumentError(f"`warmup_ratio` must be in [0, 1), got {self.warmup_ratio}")


class Retrieval(NamedTuple):
    """How often a sentence's nearest neighbour on the other side is its translation, in [0, 1]."""

    forward: float
    backward: float


class Adaptation(NamedTuple):
    """An adapted encoder and what was measured on the held-out pairs before and after."""

    encoder: SentenceTransformerEncoder
    pairs: int
    before: Retrieval | None
    after: Retrieval | None


def adapt_encoder(
    config: AdaptationConfig, train_pairs: Sequence[tuple[str, str]], eval_pairs: Sequence[tuple[str, str]] = ()
) -> Adaptation:
    """Train an encoder so that translations meet: multiple-negatives ranking, in both directions.

    Duplicate pairs, and training pairs that share a sentence with the held-out ones, are dropped.

    Args:
        config: Model and hyperparameters.
        train_pairs: Translation pairs, at least one batch of them.
        eval_pairs: Held-out pairs for retrieval precision; none: nothing is measured.

    Returns:
        The adapted encoder and the measurements.

    Raises:
        ArgumentError: A pair lacks a side, or there are fewer pairs than a batch holds.
        MissingDependencyError: The `train` extra is not installed.

    Source:
        Su et al. 2026, sections 3.4 and 4.1, https://arxiv.org/abs/2605.14366. Pooling (mean), temperature, sizes and
        the loss's two directions are not stated there.
    """
    held_out = checked_pairs(eval_pairs, "eval_pairs")
    seen = {text for pair in held_out for text in pair}
    pairs = [pair for pair in dict.fromkeys(checked_pairs(train_pairs, "train_pairs")) if not seen.intersection(pair)]
    if dropped := len(train_pairs) - len(pairs):
        logger.warning(
            "%d of %d training pairs are duplicates or occur in eval_pairs: dropped", dropped, len(train_pairs)
        )
    if len(pairs) < config.batch_size:
        raise ArgumentError(
            f"`train_pairs` must fill a batch of {config.batch_size}, got {len(pairs)} distinct ones; "
            "lower `batch_size` or add pairs"
        )
    device = "cpu" if config.use_cpu else "auto"
    base = SentenceTransformerEncoder(config.base, device=device, dtype="float32", max_tokens=config.max_tokens)
    before = retrieval_precision(base, held_out) if held_out else None
    base.close()
    _train(config, pairs)
    encoder = SentenceTransformerEncoder(config.output_dir, device=device)
    encoder.close()  # what an earlier run left in this folder may still be loaded
    after = retrieval_precision(encoder, held_out) if held_out else None
    logger.info("retrieval precision before %s, after %s", before, after)
    return Adaptation(encoder, len(pairs), before, after)


def retrieval_precision(encoder: Encoder, pairs: Sequence[tuple[str, str]]) -> Retrieval:
    """Precision at 1 of finding each sentence's translation among all `N` of them, in both directions.

    Ties count as misses.

    Args:
        encoder: The encoder to measure.
        pairs: `N` translation pairs, `N` at least 1.

    Raises:
        ArgumentError: There are no pairs, or one lacks a side.
    """
    pairs = checked_pairs(pairs, "pairs")
    if not pairs:
        raise ArgumentError("`pairs` must hold at least one pair, got none; there is nothing to find")
    anchors_ND = engine_of(encoder).encode([anchor for anchor, _ in pairs])  # noqa: N806 - axes in names
    positives_ND = engine_of(encoder).encode([positive for _, positive in pairs])  # noqa: N806
    cosines_NN = anchors_ND @ positives_ND.T  # noqa: N806
    own = np.diag(cosines_NN).copy()
    np.fill_diagonal(cosines_NN, -np.inf)
    return Retrieval(float((own > cosines_NN.max(axis=1)).mean()), float((own > cosines_NN.max(axis=0)).mean()))


def checked_pairs(pairs: Sequence[tuple[str, str]], name: str) -> list[Pair]:
    """Normalised pairs.

    Raises:
        ArgumentError: A row is no pair of two non-blank strings; its number is named.
    """
    checked = []
    for row, pair in enumerate(pairs):
        is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2  # noqa: PLR2004 - a string of two letters is none
        if not is_pair or not all(isinstance(side, str) and normalise(side) for side in pair):
            raise ArgumentError(f"`{name}` must be pairs of non-empty strings, got {pair!r} at row {row}; drop the row")
        checked.append(Pair(normalise(pair[0]), normalise(pair[1])))
    return checked


def _train(config: AdaptationConfig, pairs: Sequence[Pair]) -> None:
    try:
        import datasets
        from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
        from sentence_transformers.sentence_transformer.training_args import BatchSamplers
    except ImportError as error:
        raise MissingDependencyError(f"{error}; install it with: pip install 'semreward[train]'") from error
    model = _new_sentence_encoder(config)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(Path(config.output_dir) / "training"),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_ratio,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        seed=config.seed,
        bf16=config.bf16,
        use_cpu=config.use_cpu,
        save_strategy="no",
        report_to="none",
        logging_steps=20,
        dataloader_drop_last=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_list([pair._asdict() for pair in pairs]),
        loss=_contrastive_loss(model, config),
    )
    trainer.train()
    if trainer.is_world_process_zero():
        model.save_pretrained(config.output_dir)
    trainer.accelerator.wait_for_everyone()  # no process reads before it is written


def _new_sentence_encoder(config: AdaptationConfig) -> "SentenceTransformer":
    """The base as a sentence-transformers model: its own modules, or mean pooling on a plain checkpoint."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        config.base, device="cpu" if config.use_cpu else None, model_kwargs={"dtype": "float32"}
    )
    limit_tokens(model, config.max_tokens)
    return model


def _contrastive_loss(model: "SentenceTransformer", config: AdaptationConfig) -> Any:  # the loss classes are untyped
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )

    options = {
        "scale": 1.0 / config.temperature,
        "directions": ("query_to_doc", "doc_to_query"),
        "partition_mode": "per_direction",  # a softmax for each of them
    }
    if config.mini_batch_size is None:
        return MultipleNegativesRankingLoss(model, **options)
    return CachedMultipleNegativesRankingLoss(model, mini_batch_size=config.mini_batch_size, **options)
