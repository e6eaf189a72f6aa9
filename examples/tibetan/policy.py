"""The policy: loading, supervised fine-tuning and GRPO. TRL does the training."""

import copy
import dataclasses
import json
import random
import time
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
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from semreward import CompositeReward, MonitoredReward, RewardMonitor
from semreward.errors import ArgumentError
from semreward.evaluation import token_kl
from semreward.files import write_text
from tibetan.arguments import PolicyArguments, Settings
from tibetan.data import Row
from tibetan.generation import rollout
from tibetan.leak import SourceLeak
from tibetan.rewards import ExactMeaning
from tibetan.stages import last_whole_checkpoint

DRIFT_KEY = "drift/kl_to_base"

SHARED = ("bf16", "use_cpu", "seed", "gradient_checkpointing", "disable_tqdm", "ddp_timeout", "weight_decay")
SAVED = ("logging_steps", "save_strategy", "save_steps", "save_total_limit", "report_to")
"""With `SHARED`: the arguments that supervised fine-tuning takes from the GRPO settings of a run."""


def load_tokenizer(policy: PolicyArguments) -> PreTrainedTokenizerBase:
    """The policy's tokenizer, padding on the left as generation needs it."""
    tokenizer = AutoTokenizer.from_pretrained(policy.model_name_or_path, padding_side="left")
    if policy.chat_template is not None:
        tokenizer.chat_template = policy.chat_template
    return tokenizer


def load_base(policy: PolicyArguments, config: GRPOConfig) -> PreTrainedModel:
    """The base policy in the precision that the run trains in."""
    dtype = torch.bfloat16 if config.bf16 and not policy.float32_weights else torch.float32
    return AutoModelForCausalLM.from_pretrained(policy.model_name_or_path, dtype=dtype)


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
    """Fine-tune an adapter, a new one by default, on `prompt` and `completion`; the loss covers completions only.

    The folder receives the adapter, and checkpoints in `training/`. Training resumes from the newest of them, and ends
    before a budget of so many minutes is exceeded.
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
        **{name: getattr(run, name) for name in SHARED + SAVED},
    )
    base = load_base(policy, run)
    trainer = SFTTrainer(
        model=base if adapter is None else load_adapted(base, adapter, trainable=True),
        args=config,
        train_dataset=_dataset(rows, "prompt", "completion"),
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
    """Train the cold-start adapter further with GRPO, on rows with `prompt`, `reference` and `source`.

    The folder receives the adapter, the monitor's `alarms.jsonl`, and checkpoints in `training/`; training resumes
    from the newest of them. KL to the base policy is measured on `drift_texts` every `drift_every` steps; 0: never.
    """
    policy, run = settings.policy, settings.grpo
    set_seed(run.seed)
    config = copy.deepcopy(run)
    config.output_dir = str(folder / "training")
    if policy.like_lengths:
        rows, config.shuffle_dataset = alike(rows, config), False
    # A real run has no parser that could warn, and the leak is not a judge: low is good.
    watching = [part.__name__ for part, _ in reward.components if isinstance(part, (ExactMeaning, SourceLeak))]
    monitored = MonitoredReward(reward, ignore=watching)
    monitor = RewardMonitor(monitored)
    trainer = DriftLoggingTrainer(
        model=load_adapted(load_base(policy, run), cold_start, trainable=True),
        reward_funcs=monitored if settings.run.monitor else reward,
        callbacks=[monitor] if settings.run.monitor else [],
        args=config,
        train_dataset=_dataset(rows, "prompt", "reference", "source"),
        processing_class=load_tokenizer(policy),
        rollout_func=rollout if policy.share_prompts else None,
    )
    trainer.drift_texts, trainer.drift_every = drift_texts, drift_every
    _train_and_save(trainer, folder, settings.run.grpo_minutes)
    if settings.run.monitor and trainer.is_world_process_zero():
        alarms = (json.dumps(dataclasses.asdict(alarm), ensure_ascii=False) for alarm in monitor.alarms)
        write_text(folder / "alarms.jsonl", "".join(f"{alarm}\n" for alarm in alarms))


def alike(rows: Sequence[Row], config: GRPOConfig) -> list[Row]:
    """Rows in an order in which the prompts of a step are of like length; the steps' order is random."""
    prompts = config.generation_batch_size // config.num_generations
    ordered = sorted(rows, key=lambda row: len(row["prompt"][-1]["content"]))
    steps = [ordered[start : start + prompts] for start in range(0, len(ordered) - prompts + 1, prompts)]
    random.Random(config.seed).shuffle(steps)  # noqa: S311 - the order of rows, no cryptography
    return [row for step in steps for row in step]


class TimeBudget(TrainerCallback):
    """Ends training before the next step would exceed a budget. The learning rate keeps the schedule of all steps.

    Earlier attempts count up to their last checkpoint: the trainer's folder keeps the time. A budget that is shorter
    than the first step is an `ArgumentError` at its end.
    """

    def __init__(self, minutes: float, folder: Path) -> None:
        self.budget_s = minutes * 60
        self.record = folder / "seconds.json"
        self.used_s = self.longest_s = self.step_began = 0.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Count the time of earlier attempts."""
        if state.global_step and self.record.exists():
            self.used_s = json.loads(self.record.read_text())
        self.step_began = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Stop where another step does not fit."""
        now = time.perf_counter()
        step_s, self.step_began = now - self.step_began, now
        self.used_s += step_s
        self.longest_s = max(self.longest_s, step_s)
        if self.used_s > self.budget_s and state.global_step == 1:
            raise ArgumentError(
                f"the budget of {self.budget_s / 60:g} minutes is too short for one step, which took {step_s:.0f} s; "
                "raise it, or make a step smaller"
            )
        if self.used_s + self.longest_s > self.budget_s and state.global_step < state.max_steps:
            print(f"stopped at step {state.global_step} of {state.max_steps}: the budget is used up")
            control.should_training_stop = True

    def on_save(self, *_: Any, **__: Any) -> None:
        """Keep the time used beside the checkpoint."""
        write_text(self.record, json.dumps(round(self.used_s, 1)))


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
    """GRPO that also logs how far the policy has drifted from its base on plain text; not where FSDP shards it."""

    drift_texts: Sequence[str] = ()
    drift_every: int = 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with KL to the base policy every `drift_every` steps."""
        due = self.drift_every and self.drift_texts and self.state.global_step % self.drift_every == 0
        if due and "loss" in logs and self.accelerator.is_main_process and not self.is_fsdp_enabled:
            model = self.accelerator.unwrap_model(self.model)
            logs[DRIFT_KEY] = token_kl(model, None, self.processing_class, self.drift_texts, max_tokens=256).mean
        super().log(logs, start_time)


def _dataset(rows: Sequence[Row], *columns: str) -> datasets.Dataset:
    return datasets.Dataset.from_list([{column: row[column] for column in columns} for row in rows])


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
