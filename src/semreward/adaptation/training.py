"""One stage of contrastive training, with sentence-transformers' trainer: checkpoints, early stopping, resuming.

Loads torch, datasets and sentence-transformers; `adapting` imports it when training starts.
"""

import hashlib
import json
import logging
import pickle
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import torch
from safetensors import SafetensorError
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator
from sentence_transformers.sentence_transformer.training_args import BatchSamplers
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback

from semreward.adaptation.batches import fast_preprocess
from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.losses import contrastive_loss
from semreward.adaptation.measuring import Measures
from semreward.errors import ArgumentError, TrainingDivergedError

logger = logging.getLogger(__name__)

# What does not decide the weights, and so may differ between a run and its continuation.
_FREE = ("output_dir", "resume", "use_cpu", "save_steps")

_LOGGING_STEPS = 20
_SETTINGS = "settings.json"
_AFRESH = "start afresh with resume=False"

# What loading a damaged file raises.
_DAMAGE = (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, pickle.UnpicklingError, SafetensorError)
_EMBEDDINGS = r"(word_embeddings|embed_tokens|tok_embeddings|\bembedding)\.weight$"


class CurvePoint(NamedTuple):
    """What was measured at one moment of the training.

    Attributes:
        step: Optimiser steps so far.
        epoch: Passes over the data so far.
        measures: Numbers by name, see `Measures.flat`; or `loss`, the mean since the point before.
    """

    step: int
    epoch: float
    measures: Mapping[str, float]


@dataclass(frozen=True)
class Stage:
    """One stage of a training.

    Attributes:
        name: `monolingual` or `pairs`; names the folder of its checkpoints.
        rows: Texts by column: anchor, positive and negatives, each of equal length.
        epochs: Passes over the rows.
    """

    name: str
    rows: Mapping[str, Sequence[str]]
    epochs: float

    def __len__(self) -> int:
        return len(self.rows["anchor"])


def train_stage(
    model: SentenceTransformer,
    config: AdaptationConfig,
    stage: Stage,
    measure: Callable[[SentenceTransformer], Measures] | None,
) -> list[CurvePoint]:
    """Train a model in place.

    Args:
        model: The model; it holds the last weights afterwards, or with `patience` the best.
        config: Hyperparameters.
        stage: The data.
        measure: Measures the model during training; `None`: nothing is measured.

    Returns:
        Losses and measures in order.

    Raises:
        ArgumentError: There are fewer rows than the processes' batches hold, no batch can be filled without
            duplicates, or the checkpoint to resume from belongs to other settings or is damaged.
        TrainingDivergedError: The loss is not finite.
    """
    arguments = training_arguments(config, stage, measures=measure is not None)
    if len(stage) < config.batch_size * arguments.world_size:
        raise ArgumentError(
            f"the {stage.name} stage must fill a batch of {config.batch_size} on each of {arguments.world_size} "
            f"processes, got {len(stage)} distinct rows; lower `batch_size` or add rows"
        )
    checkpoint = _prepared_folder(arguments, config, stage)
    callbacks: list[TrainerCallback] = [_LogCallback()]
    if arguments.load_best_model_at_end and config.patience is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=config.patience))
    trainer = _CheckingTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict({name: list(texts) for name, texts in stage.rows.items()}),
        loss=contrastive_loss(model, config),
        evaluator=None if measure is None else _Measuring(measure),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    if not trainer.state.global_step:
        raise ArgumentError(
            f"no batch of {config.batch_size} could be filled with rows of the {stage.name} stage that share no text; "
            "lower `batch_size` or add rows"
        )
    return _curve(trainer.state.log_history)


def training_arguments(
    config: AdaptationConfig, stage: Stage, *, measures: bool
) -> SentenceTransformerTrainingArguments:
    """The trainer's own arguments for a stage."""
    saves = config.saves_every
    rates = {} if config.embedding_learning_rate is None else {_EMBEDDINGS: config.embedding_learning_rate}
    return SentenceTransformerTrainingArguments(
        output_dir=str(stage_folder(config, stage.name)),
        num_train_epochs=stage.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        learning_rate_mapping=rates,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_ratio,
        weight_decay=config.weight_decay,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        seed=config.seed,
        bf16=config.bf16,
        use_cpu=config.use_cpu,
        eval_strategy="steps" if measures and config.measure_steps else "no",
        eval_steps=config.measure_steps,
        save_strategy="steps" if saves else "no",
        save_steps=saves or 1,
        save_total_limit=2,
        load_best_model_at_end=bool(measures and config.patience),
        metric_for_best_model="eval_precision" if measures and config.patience else None,
        greater_is_better=True if measures and config.patience else None,
        report_to="none",
        logging_steps=config.measure_steps or _LOGGING_STEPS,
        logging_nan_inf_filter=False,
        dataloader_drop_last=True,
        disable_tqdm=True,
    )


def stage_folder(config: AdaptationConfig, name: str) -> Path:
    """Where a stage keeps its checkpoints."""
    return Path(config.output_dir) / "training" / name


def is_finished(config: AdaptationConfig, stage: Stage, model_folder: Path) -> bool:
    """Whether an interrupted run had ended this stage, and left its model in a folder.

    Raises:
        ArgumentError: It had, with other settings or data.
    """
    if not (model_folder / "modules.json").is_file():  # written last
        return False
    _check_same(config, stage)
    return True


def remove_checkpoints(config: AdaptationConfig) -> None:
    """Remove what the stages have kept, once the encoder is written."""
    for name in ("monolingual", "pairs"):
        shutil.rmtree(stage_folder(config, name), ignore_errors=True)
    folder = Path(config.output_dir) / "training"
    if not any(folder.iterdir()):
        folder.rmdir()


class _CheckingTrainer(SentenceTransformerTrainer):  # type: ignore[misc] # the library is untyped
    """The trainer, but for a loss that is not finite: an error instead of a ruined model."""

    def add_model_card_callback(self, default_args_dict: Any) -> None:
        """None: the card is our own, and the library's computes examples for its own at every start."""

    def get_data_collator(self, model: SentenceTransformer, *arguments: Any, **options: Any) -> Any:
        collator = super().get_data_collator(model, *arguments, **options)
        if (preprocess := fast_preprocess(model)) is not None:
            collator.preprocess_fn = preprocess
        return collator

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        with named_damage(checkpoint_path):
            super()._load_from_checkpoint(checkpoint_path)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with named_damage(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with named_damage(checkpoint):
            super()._load_rng_state(checkpoint)

    def compute_loss(self, *arguments: Any, **options: Any) -> Any:
        result = super().compute_loss(*arguments, **options)
        loss = result[0] if isinstance(result, tuple) else result
        if not bool(torch.isfinite(loss.detach()).all()):
            raise TrainingDivergedError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}; lower `learning_rate`, raise "
                "`temperature` or `warmup_ratio`, or train without `bf16`"
            )
        return result


class _Measuring(SentenceEvaluator):  # type: ignore[misc] # the library is untyped
    """Lets the trainer measure; `precision` chooses the best model."""

    def __init__(self, measure: Callable[[SentenceTransformer], Measures]) -> None:
        super().__init__()
        self.primary_metric = "precision"
        self._measure = measure

    def __call__(self, model: SentenceTransformer, *_: Any, **__: Any) -> dict[str, float]:
        return self._measure(model).flat()


class _LogCallback(TrainerCallback):
    """Logs losses and measures, where the trainer would print them."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        if state.is_world_process_zero:
            numbers = {name: value for name, value in (logs or {}).items() if isinstance(value, float)}
            shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            logger.info("step %d of %d: %s", state.global_step, state.max_steps, shown)


def _prepared_folder(
    arguments: SentenceTransformerTrainingArguments, config: AdaptationConfig, stage: Stage
) -> str | None:
    """Clear the stage's folder, or find the checkpoint in it from which to go on."""
    folder = stage_folder(config, stage.name)
    with arguments.main_process_first(local=False, desc="clearing old checkpoints"):
        if config.resume and (folder / _SETTINGS).is_file():
            _check_same(config, stage)
        elif arguments.process_index == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            side = folder / f"{_SETTINGS}.part"  # a file that was cut off never has the name
            side.write_text(json.dumps(_settings(config, stage)), encoding="utf-8")
            side.replace(folder / _SETTINGS)
        checkpoint = _last_checkpoint(folder) if config.resume else None
    if checkpoint is not None:
        logger.info("resuming from %s", checkpoint)
    return checkpoint


def _last_checkpoint(folder: Path) -> str | None:
    """The checkpoint of the most steps that was written to its end, which is the trainer's state."""
    found = {path: re.fullmatch(r"checkpoint-(\d+)", path.name) for path in folder.iterdir() if path.is_dir()}
    steps = {path: int(match[1]) for path, match in found.items() if match}
    for path in sorted(steps, key=steps.__getitem__, reverse=True):
        if isinstance(_read_json(path / "trainer_state.json"), dict):
            return str(path)
        logger.warning("%s was not written to its end: passed over", path)
    return None


def _read_json(path: Path) -> Any:
    """What a file holds; `None` where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@contextmanager
def named_damage(checkpoint: str | None) -> Iterator[None]:
    """Turn what a damaged checkpoint raises into an error that names it."""
    try:
        yield
    except _DAMAGE as error:
        raise ArgumentError(
            f"`resume` must find a whole checkpoint, but {checkpoint} cannot be loaded: {str(error)[:200]}; remove it "
            f"to go on from the one before, or {_AFRESH}"
        ) from error


def _settings(config: AdaptationConfig, stage: Stage) -> dict[str, Any]:
    """All that decides a stage's steps, as JSON gives it back."""
    digest = hashlib.sha256()
    for name, texts in stage.rows.items():
        digest.update("\x1e".join([name, *texts]).encode())
    chosen = {name: value for name, value in asdict(config).items() if name not in _FREE}
    return {**chosen, "data": digest.hexdigest()[:16]}


def _check_same(config: AdaptationConfig, stage: Stage) -> None:
    folder = stage_folder(config, stage.name)
    old, new = _read_json(folder / _SETTINGS), _settings(config, stage)
    if not isinstance(old, dict):
        raise ArgumentError(
            f"`resume` must find the settings of the checkpoints in {folder / _SETTINGS}, "
            f"but that file is damaged or missing; {_AFRESH}"
        )
    changed = [f"{name} {old.get(name)!r} -> {value!r}" for name, value in new.items() if old.get(name) != value]
    if changed:
        raise ArgumentError(
            f"`resume` must go on with the settings and data of the checkpoint in {folder}, but these differ: "
            f"{'; '.join(changed)}; restore them, or {_AFRESH}"
        )


def _curve(history: Sequence[Mapping[str, Any]]) -> list[CurvePoint]:
    """The trainer's log, which its checkpoints carry along, so that a resumed run has all of it."""
    points = []
    for entry in history:
        measures = {
            name.removeprefix("eval_"): float(value)
            for name, value in entry.items()
            if name == "loss" or (name.startswith("eval_") and not re.search(r"runtime|per_second", name))
        }
        if measures:
            points.append(CurvePoint(int(entry["step"]), float(entry["epoch"]), measures))
    return points
