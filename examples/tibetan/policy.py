"""The policy: loading, supervised fine-tuning and GRPO. TRL trains; nothing of it is written again."""

import copy
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import datasets
import torch
from peft import LoraConfig, PeftModel
from tqdm.auto import tqdm
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProgressCallback,
    set_seed,
)
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from semreward import CompositeReward
from semreward.evaluation import token_kl
from semreward.monitor import MonitoredReward, RewardMonitor
from tibetan.arguments import PolicyArguments, Settings
from tibetan.budget import TimeBudget
from tibetan.data import Row
from tibetan.generation import rollout
from tibetan.leak import SourceLeak
from tibetan.rewards import ExactMeaning
from tibetan.stages import last_whole_checkpoint

DRIFT_KEY = "drift/kl_to_base"


def load_tokenizer(policy: PolicyArguments) -> PreTrainedTokenizerBase:
    """The policy's tokenizer, padding on the left as generation needs it."""
    tokenizer = AutoTokenizer.from_pretrained(policy.model_name_or_path, padding_side="left")
    if policy.chat_template is not None:
        tokenizer.chat_template = policy.chat_template
    return tokenizer


def load_base(policy: PolicyArguments, config: GRPOConfig) -> PreTrainedModel:
    """The base policy in the precision that the run trains in."""
    half = config.bf16 and not policy.float32_weights
    return AutoModelForCausalLM.from_pretrained(
        policy.model_name_or_path, dtype=torch.bfloat16 if half else torch.float32
    )


def load_adapted(base: PreTrainedModel, adapter: Path, *, trainable: bool = False) -> PeftModel:
    """The base policy with an adapter that a stage has trained."""
    return PeftModel.from_pretrained(base, str(adapter), is_trainable=trainable)


def lora_config(arguments: PolicyArguments) -> LoraConfig:
    """The adapter's shape."""
    return LoraConfig(
        r=arguments.lora_r,
        lora_alpha=arguments.lora_alpha,
        lora_dropout=arguments.lora_dropout,
        target_modules=list(arguments.lora_target_modules),
        task_type="CAUSAL_LM",
    )


def train_sft(
    folder: Path,
    *,
    rows: Sequence[Row],
    settings: Settings,
    epochs: float,
    adapter: Path | None = None,
    minutes: float | None = None,
) -> None:
    """Fine-tune an adapter on prompts and completions; the loss covers completions only.

    Args:
        folder: Receives the adapter, and checkpoints in `training/`; goes on from the newest of them.
        rows: Rows with `prompt` and `completion`.
        settings: Base model, adapter, hyperparameters, and what all training shares: device, precision, seed, saving.
        epochs: Passes over the rows.
        adapter: Folder with the adapter to go on from; a new one by default.
        minutes: Budget; training ends before it is exceeded.
    """
    policy, sft, run = settings.policy, settings.sft, settings.grpo
    set_seed(run.seed)
    config = SFTConfig(
        output_dir=str(folder / "training"),
        num_train_epochs=epochs,
        learning_rate=sft.sft_learning_rate,
        lr_scheduler_type=sft.sft_lr_scheduler_type,
        warmup_steps=sft.sft_warmup_ratio,  # a number below 1 is a share of the steps
        per_device_train_batch_size=sft.sft_batch_size,
        gradient_accumulation_steps=sft.sft_accumulation_steps,
        max_length=sft.sft_max_tokens,
        train_sampling_strategy="group_by_length" if policy.like_lengths else "random",
        **_shared(run),
    )
    base = load_base(policy, run)
    trainer = SFTTrainer(
        model=base if adapter is None else load_adapted(base, adapter, trainable=True),
        args=config,
        train_dataset=datasets.Dataset.from_list([{key: row[key] for key in ("prompt", "completion")} for row in rows]),
        processing_class=load_tokenizer(policy),
        peft_config=lora_config(policy) if adapter is None else None,
    )
    _train_and_save(trainer, folder, minutes)


def train_grpo(
    folder: Path,
    *,
    rows: Sequence[Row],
    cold_start: Path,
    settings: Settings,
    reward: CompositeReward,
    drift_texts: Sequence[str] = (),
    drift_every: int = 0,
) -> None:
    """Go on training the cold-start adapter with GRPO.

    Args:
        folder: Receives the adapter, and checkpoints in `training/`; goes on from the newest of them. The
            monitor appends its alarms to `alarms.jsonl`.
        rows: Rows with `prompt`, `reference` and `source`.
        cold_start: Folder with the cold start's adapter.
        settings: Base model and TRL's hyperparameters.
        reward: The reward; TRL calls it and logs its components.
        drift_texts: Texts on which KL to the base policy is measured while training.
        drift_every: Steps between two measurements; 0: none.
    """
    policy, run = settings.policy, settings.grpo
    set_seed(run.seed)
    config = copy.deepcopy(run)
    config.output_dir = str(folder / "training")
    if policy.like_lengths:
        rows, config.shuffle_dataset = alike(rows, config), False
    # A real run has no parser that could warn, and a leak is no judge: it is good where it is low.
    watching = [part.__name__ for part, _ in reward.components if isinstance(part, (ExactMeaning, SourceLeak))]
    columns = ("prompt", "reference", "source")
    monitored = MonitoredReward(reward, ignore=watching)
    trainer = DriftLoggingTrainer(
        model=load_adapted(load_base(policy, run), cold_start, trainable=True),
        reward_funcs=monitored if settings.run.monitor else reward,
        callbacks=[RewardMonitor(monitored, folder=folder)] if settings.run.monitor else [],
        args=config,
        train_dataset=datasets.Dataset.from_list([{key: row[key] for key in columns} for row in rows]),
        processing_class=load_tokenizer(policy),
        rollout_func=rollout if policy.share_prompts else None,
    )
    trainer.drift_texts, trainer.drift_every = drift_texts, drift_every
    _train_and_save(trainer, folder, settings.run.minutes("grpo"))


def alike(rows: Sequence[Row], config: GRPOConfig) -> list[Row]:
    """Rows in an order in which the prompts of a step are of like length; the steps' order is random."""
    prompts = config.generation_batch_size // config.num_generations
    ordered = sorted(rows, key=lambda row: len(row["prompt"][-1]["content"]))
    steps = [ordered[start : start + prompts] for start in range(0, len(ordered) - prompts + 1, prompts)]
    random.Random(config.seed).shuffle(steps)  # noqa: S311 - the order of rows, no cryptography
    return [row for step in steps for row in step]


class Progress(ProgressCallback):
    """One bar with the numbers that matter; trackers and `log.json` have all of every step."""

    SHOWN: ClassVar[dict[str, str]] = {
        "reward": "reward",
        "semantic_similarity/similarity": "similarity",
        "language_consistency/mean": "language",
        "exact_meaning/mean": "exact",
        "source_leak/mean": "leak",
        "mean_token_accuracy": "token accuracy",
        DRIFT_KEY: "KL",
    }

    def on_log(self, *_: Any, logs: dict[str, float] | None = None, **__: Any) -> None:
        """Show a few numbers behind the bar, which only the main process has."""
        if isinstance(self.training_bar, tqdm) and logs:
            shown = {label: f"{logs[key]:.3f}" for key, label in self.SHOWN.items() if logs.get(key) is not None}
            self.training_bar.set_postfix(shown)


class DriftLoggingTrainer(GRPOTrainer):  # type: ignore[misc] # trl is untyped
    """GRPO that also logs how far the policy has drifted from its base on plain text."""

    drift_texts: Sequence[str] = ()
    drift_every: int = 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with KL to the base policy every `drift_every` steps."""
        due = self.drift_every and self.drift_texts and self.state.global_step % self.drift_every == 0
        if due and "loss" in logs and self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(self.model)
            logs[DRIFT_KEY] = token_kl(model, None, self.processing_class, self.drift_texts, max_tokens=256).mean
        super().log(logs, start_time)


def _shared(run: GRPOConfig) -> dict[str, Any]:
    """What supervised fine-tuning takes over from the GRPO settings of a run."""
    names = (
        "bf16",
        "use_cpu",
        "seed",
        "gradient_checkpointing",
        "logging_steps",
        "save_strategy",
        "save_steps",
        "save_total_limit",
        "report_to",
        "disable_tqdm",
        "ddp_timeout",
        "weight_decay",
    )
    return {name: getattr(run, name) for name in names}


def _train_and_save(trainer: SFTTrainer | GRPOTrainer, folder: Path, minutes: float | None) -> None:
    if minutes is not None:
        trainer.add_callback(TimeBudget(minutes, folder / "training"))
    if not trainer.args.disable_tqdm:
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(Progress())
    checkpoint = last_whole_checkpoint(folder / "training")
    if checkpoint:
        print(f"going on from {checkpoint}")
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model(str(folder))
    if trainer.is_world_process_zero():
        (folder / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1))
