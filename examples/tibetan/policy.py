"""The policy: loading, supervised fine-tuning, GRPO, and generation. TRL trains; nothing of it is written again."""

import copy
import json
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

from miniature.pretraining import raise_malloc_thresholds
from semreward import CompositeReward
from semreward.evaluation import token_kl
from semreward.monitor import MonitoredReward, RewardMonitor
from tibetan.arguments import PolicyArguments, Settings
from tibetan.data import Row
from tibetan.rewards import ExactMeaning
from tibetan.stages import last_whole_checkpoint

DRIFT_KEY = "drift/kl_to_base"


def load_tokenizer(name_or_path: str) -> PreTrainedTokenizerBase:
    """The policy's tokenizer, padding on the left as generation needs it."""
    return AutoTokenizer.from_pretrained(name_or_path, padding_side="left")


def load_base(name_or_path: str, config: GRPOConfig) -> PreTrainedModel:
    """The base policy in the precision that the run trains in."""
    return AutoModelForCausalLM.from_pretrained(name_or_path, dtype=torch.bfloat16 if config.bf16 else torch.float32)


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
    folder: Path, *, rows: Sequence[Row], settings: Settings, epochs: float, adapter: Path | None = None
) -> None:
    """Fine-tune an adapter on prompts and completions; the loss covers completions only.

    Args:
        folder: Receives the adapter, and checkpoints in `training/`; goes on from the newest of them.
        rows: Rows with `prompt` and `completion`.
        settings: Base model, adapter, hyperparameters, and what all training shares: device, precision, seed, saving.
        epochs: Passes over the rows.
        adapter: Folder with the adapter to go on from; a new one by default.
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
        **_shared(run),
    )
    base = load_base(policy.model_name_or_path, run)
    trainer = SFTTrainer(
        model=base if adapter is None else load_adapted(base, adapter, trainable=True),
        args=config,
        train_dataset=datasets.Dataset.from_list([{key: row[key] for key in ("prompt", "completion")} for row in rows]),
        processing_class=load_tokenizer(policy.model_name_or_path),
        peft_config=lora_config(policy) if adapter is None else None,
    )
    _train_and_save(trainer, folder)


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
            monitor leaves its alarms and curves there.
        rows: Rows with `prompt` and `reference`.
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
    parsers = [part.__name__ for part in reward.rewards if isinstance(part, ExactMeaning)]
    monitored = MonitoredReward(reward, ignore=parsers)  # a real run has no parser that could warn
    trainer = DriftLoggingTrainer(
        model=load_adapted(load_base(policy.model_name_or_path, run), cold_start, trainable=True),
        reward_funcs=monitored if settings.run.monitor else reward,
        callbacks=[RewardMonitor(monitored, folder=folder)] if settings.run.monitor else [],
        args=config,
        train_dataset=datasets.Dataset.from_list([{key: row[key] for key in ("prompt", "reference")} for row in rows]),
        processing_class=load_tokenizer(policy.model_name_or_path),
    )
    trainer.drift_texts, trainer.drift_every = drift_texts, drift_every
    _train_and_save(trainer, folder)


class Progress(ProgressCallback):
    """One bar with the numbers that matter; trackers and `log.json` have all of every step."""

    SHOWN: ClassVar[dict[str, str]] = {
        "reward": "reward",
        "semantic_similarity/similarity": "similarity",
        "language_consistency/mean": "language",
        "exact_meaning/mean": "exact",
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


def generate(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[dict[str, str]]],
    *,
    max_tokens: int,
    batch_size: int,
    title: str,
    temperature: float = 0.0,
    top_p: float = 1.0,
) -> list[str]:
    """Answer prompts, in their order; greedily at temperature 0."""
    texts = [tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True) for prompt in prompts]
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))  # like lengths share a batch
    sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if temperature:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    run: Any = model  # generate() is attached to models in a way that type checkers do not see
    answers = [""] * len(texts)
    model.eval()
    for start in tqdm(range(0, len(order), batch_size), desc=title, unit="batch", leave=False):
        rows = order[start : start + batch_size]
        batch = tokenizer([texts[row] for row in rows], return_tensors="pt", padding=True, add_special_tokens=False)
        batch = batch.to(model.device)
        with torch.no_grad():
            output = run.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=max_tokens,
                pad_token_id=tokenizer.pad_token_id,
                **sampling,
            )
        decoded = tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        for row, answer in zip(rows, decoded, strict=True):
            answers[row] = answer
    return answers


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


def _train_and_save(trainer: SFTTrainer | GRPOTrainer, folder: Path) -> None:
    if not trainer.args.disable_tqdm:
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(Progress())
    checkpoint = last_whole_checkpoint(folder / "training")
    if checkpoint:
        print(f"going on from {checkpoint}")
    if trainer.args.use_cpu:
        raise_malloc_thresholds()
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model(str(folder))
    if trainer.is_world_process_zero():
        (folder / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1))
