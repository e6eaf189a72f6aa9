"""Contrastive training with sentence-transformers' trainer. Loads torch; `adapting` imports it when training starts."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import NoDuplicatesBatchSampler
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator
from sentence_transformers.sentence_transformer.modules import Normalize, Transformer
from transformers import EarlyStoppingCallback, PrinterCallback

from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.measuring import measure_encoder
from semreward.adaptation.pairs import Pair
from semreward.encoders.engine import close_engine
from semreward.encoders.loading import check_weights, limit_tokens, loaded, resolved_device
from semreward.errors import ArgumentError, TrainingDivergedError
from semreward.evaluation.retrieval import GradedPair
from semreward.files import read_json

CHECKPOINTS = "semreward-checkpoints"  # their folder, within the encoder's, until the encoder is written

logger = logging.getLogger(__name__)

_FREE = ("output_dir", "resume", "use_cpu")  # may differ between a run and its continuation
_EMBEDDINGS = r"(word_embeddings?|shared|embed_tokens|tok_embeddings|\bembeddings?)\.weight$"


def new_model(config: AdaptationConfig) -> SentenceTransformer:
    """The base, checked, with unit length (so that everyone gets the vectors that rewards see) and dropout."""
    model = loaded(config.base, torch.float32)
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
    """Measures a model on held-out pairs, as it is at this moment."""

    def __init__(self, pairs: Sequence[Pair], graded: Sequence[GradedPair]) -> None:
        super().__init__()
        self._pairs, self._graded = pairs, graded

    def __call__(self, model: SentenceTransformer, *_: Any, **__: Any) -> dict[str, float]:
        """The measures as the trainer logs them."""
        encoder: Any = SimpleNamespace(fingerprint="in training", encode=partial(model.encode, show_progress_bar=False))
        try:
            return measure_encoder(encoder, self._pairs, self._graded)
        finally:
            close_engine(encoder)  # drops the vectors of these weights


def train(
    model: SentenceTransformer,
    config: AdaptationConfig,
    rows: Mapping[str, list[str]],
    evaluator: HeldOutEvaluator | None,
) -> list[Mapping[str, float]]:
    """Train a model in place, to the last weights, or with `patience` the best; returns losses and measures."""
    prompt = model.prompts.get(model.default_prompt_name)  # the one it is measured and used with
    arguments = training_arguments(config, measures=evaluator is not None, prompt=prompt)
    checkpoint = _prepared_folder(arguments, config, rows)
    trainer = ContrastiveTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict(dict(rows)),
        loss=contrastive_loss(model, config),
        evaluator=evaluator,
        callbacks=[EarlyStoppingCallback(config.patience)] if evaluator and config.patience else None,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    if not trainer.state.global_step:
        raise ArgumentError(
            f"`train_pairs` must hold {config.batch_size} rows that share no text, to fill a batch; "
            "lower `batch_size` or add pairs"
        )
    return [entry for entry in trainer.state.log_history if {"loss", "eval_precision"} & entry.keys()]


def training_arguments(
    config: AdaptationConfig, *, measures: bool, prompt: str | None = None
) -> SentenceTransformerTrainingArguments:
    """The trainer's own arguments."""
    rates = {} if config.embedding_learning_rate is None else {_EMBEDDINGS: config.embedding_learning_rate}
    return SentenceTransformerTrainingArguments(
        output_dir=str(Path(config.output_dir, CHECKPOINTS)),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        prompts=prompt,
        learning_rate_mapping=rates,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_ratio,
        batch_sampler=NoDuplicatesBatchSampler if config.mini_batch_size is None else LongestFirstSampler,
        seed=config.seed,
        bf16=config.bf16,
        use_cpu=config.use_cpu,
        eval_strategy="steps" if measures and config.measure_steps else "no",
        eval_steps=config.measure_steps,
        save_strategy="steps" if config.measure_steps else "no",
        save_steps=config.measure_steps or 1,
        save_total_limit=2,
        load_best_model_at_end=measures and config.patience is not None,
        metric_for_best_model="eval_precision",
        report_to="none",
        logging_steps=config.measure_steps or 20,
        logging_nan_inf_filter=False,
        dataloader_drop_last=True,
        disable_tqdm=True,
    )


def contrastive_loss(model: SentenceTransformer, config: AdaptationConfig) -> torch.nn.Module:
    """In-batch negatives in both directions, a softmax for each; across processes, if there are several."""
    make_loss: Any = losses.MultipleNegativesRankingLoss
    if config.mini_batch_size is not None:
        make_loss = partial(losses.CachedMultipleNegativesRankingLoss, mini_batch_size=config.mini_batch_size)
    return make_loss(  # type: ignore[no-any-return] # the library is untyped
        model,
        scale=1.0 / config.temperature,
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
        gather_across_devices=torch.distributed.is_available() and torch.distributed.is_initialized(),
    )


class LongestFirstSampler(NoDuplicatesBatchSampler):  # type: ignore[misc] # the library is untyped
    """Orders each batch by length, so that gradient caching does not pad short texts to the batch's longest."""

    def __iter__(self) -> Iterator[list[int]]:
        lengths = [sum(map(len, row.values())) for row in self.dataset]
        for batch in super().__iter__():
            yield sorted(batch, key=lengths.__getitem__, reverse=True)


class ContrastiveTrainer(SentenceTransformerTrainer):  # type: ignore[misc] # the library is untyped
    """The trainer, with an error instead of a ruined model where the loss is not finite, and logs instead of prints."""

    def add_model_card_callback(self, default_args_dict: Any) -> None:
        """Skip the library's card, which computes examples at every start: `adapting` writes our own."""

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log losses and measures."""
        super().log(logs, start_time)
        if self.is_world_process_zero():
            shown = ", ".join(f"{name} {value:.4g}" for name, value in logs.items() if isinstance(value, float))
            logger.info("step %d of %d: %s", self.state.global_step, self.state.max_steps, shown)

    def compute_loss(self, *arguments: Any, **options: Any) -> Any:
        """The library's loss, checked."""
        loss = super().compute_loss(*arguments, **options)
        if not torch.isfinite(loss.detach()).all():
            raise TrainingDivergedError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}; lower `learning_rate`, raise "
                "`temperature` or `warmup_ratio`, or train without `bf16`"
            )
        return loss


def _prepared_folder(
    arguments: SentenceTransformerTrainingArguments, config: AdaptationConfig, rows: Mapping[str, list[str]]
) -> str | None:
    """Clear the folder of checkpoints, or find the last one in it that was written to its end."""
    folder = Path(config.output_dir, CHECKPOINTS)
    settings = folder / "settings.json"
    data = hashlib.sha256(json.dumps(dict(rows), ensure_ascii=False).encode()).hexdigest()
    decisive = {name: value for name, value in asdict(config).items() if name not in _FREE} | {"data": data[:16]}
    with arguments.main_process_first(local=False, desc="clearing old checkpoints"):
        if config.resume and settings.is_file():
            old = read_json(settings)
            if changed := [name for name, value in decisive.items() if old.get(name) != value]:
                changes = "; ".join(f"{name} {old.get(name)!r} -> {decisive[name]!r}" for name in changed)
                raise ArgumentError(
                    f"`resume` must use the settings and data of the checkpoints in {folder}, but these differ: "
                    f"{changes}; restore them, or start over with resume=False"
                )
        elif arguments.process_index == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            settings.write_text(json.dumps(decisive), encoding="utf-8")
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True):
        try:
            read_json(path / "trainer_state.json")  # which the trainer writes last
        except ArgumentError:  # noqa: PERF203 - of a few files
            logger.warning("%s was not written to its end: passed over", path)
        else:
            logger.info("resuming from %s", path)
            return str(path)
    return None
