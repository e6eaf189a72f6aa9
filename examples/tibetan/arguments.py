"""The arguments of a run, on the command line or in a YAML file. GRPO's own are those of TRL's `GRPOConfig`.

Defaults are the paper's where it states them (arXiv 2605.14366, section 4.1 and appendix A).
"""

import argparse
import copy
import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from trl import GRPOConfig, TrlParser

from semreward.arguments import check_choice, check_count, check_number
from semreward.errors import ArgumentError

TASKS = ("translation", "headline")
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
MINIATURE_CONFIG = Path(__file__).parent.parent / "configs" / "miniature.yaml"
EXTENDS = "extends"
"""Key of a YAML file that names another one beside it. The other one's values hold unless this file sets its own."""

MACHINERY = re.compile(
    "dataloader_|ddp_|disable_tqdm|hub_|log_|logging_|output_dir|push_to_hub|report_to|run_name|save_|trackio_"
)
"""How the names of those of TRL's arguments begin that do not affect a run's numbers."""


def argument(default: Any, help_text: str) -> Any:  # a dataclass field, which type checkers take for its default
    """A field with a line for `--help`."""
    return field(default=default, metadata={"help": help_text})


@dataclass
class RunArguments:
    """Which stages run."""

    plan: bool = argument(False, "Print what would run and stop; loads no weights.")
    miniature: bool = argument(False, "Make a small world on the spot instead of reading data.")
    pair: str | None = argument(None, "Languages such as fr-en: sets columns, target language and prompt.")
    real: str | None = argument(None, "Folder with policy, encoder, judge, detector and data.")
    seeds: list[int] = field(default_factory=list, metadata={"help": "Run once per seed, in folders seed-N."})
    strong_sft: bool = argument(True, "Also train the strong-SFT baseline.")
    monitor: bool = argument(True, "Warn of reward hacking while GRPO runs.")
    similarity_only: bool = argument(False, "Also run GRPO with similarity alone, language consistency at weight 0.")
    cold_start_minutes: float | None = argument(None, "Budget of the cold start; no limit by default.")
    grpo_minutes: float | None = argument(None, "Budget of GRPO; no limit by default.")
    strong_sft_minutes: float | None = argument(None, "Budget of strong SFT; no limit by default.")

    def __post_init__(self) -> None:
        for name in ("cold_start_minutes", "grpo_minutes", "strong_sft_minutes"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), above=0)


@dataclass
class DataArguments:
    """Where the data is: paths, URLs or hub ids, in the formats of `semreward.files.read_rows`.

    A name with `{column}` in it, such as `train.{column}.gz`, means one plain text file per column, aligned by line.
    """

    task: str = argument("translation", "translation or headline.")
    train_data: str | None = argument(None, "Pairs for cold start, RL and strong SFT.")
    test_data: str | None = argument(None, "Pairs for evaluation.")
    source_column: str = argument("zh", "Column that the policy reads.")
    target_column: str = argument("bo", "Column with the reference.")
    target_language: str = argument("bo", "BCP-47 tag that the language reward demands.")
    prompt: str = argument("请把下面的句子翻译成藏语：{source}", "User turn; {source} is filled in.")
    cold_start_size: int = argument(5000, "Rows for the cold start.")
    calibration_size: int = argument(200, "Rows held out of all training, to measure tau on.")
    rl_size: int | None = argument(None, "Rows for GRPO; all that are left, by default.")
    test_size: int | None = argument(None, "Rows for evaluation; all, by default.")
    max_prompt_tokens: int = argument(256, "Rows with a longer prompt are dropped.")
    max_row_tokens: int = argument(2048, "Rows with more tokens in all are dropped.")
    count_leaks: bool = argument(False, "Count source words in answers; for languages with spaces.")
    reading_data: str | None = argument(None, "Reading comprehension, SQuAD layout (CMRC 2018).")
    reading_prompt: str = argument(
        "阅读短文，用短文中的原文回答问题。\n短文：{passage}\n问题：{question}", "User turn."
    )
    reading_size: int | None = argument(None, "Questions to answer in words; all, by default.")
    drift_data: str | None = argument(None, "Out-of-domain texts: column `text`, or SQuAD layout.")

    def __post_init__(self) -> None:
        check_choice("task", self.task, TASKS)
        if "{source}" not in self.prompt:
            raise ArgumentError(f"`prompt` must contain {{source}}, got {self.prompt!r}")
        check_count("cold_start_size", self.cold_start_size)
        check_count("calibration_size", self.calibration_size)


@dataclass
class PolicyArguments:
    """The policy, its adapter, and what makes its training cheaper."""

    model_name_or_path: str = argument("Qwen/Qwen3-4B-Instruct-2507", "Base policy.")
    chat_template: str | None = argument(None, "Jinja template in place of the tokenizer's own.")
    lora_r: int = 64
    lora_alpha: int = 128
    lora_dropout: float = 0.05
    lora_target_modules: list[str] = field(default_factory=lambda: list(PROJECTIONS))
    float32_weights: bool = argument(False, "With bf16, keep weights in float32: faster generation on a CPU.")
    like_lengths: bool = argument(False, "Rows of like length share a batch, GRPO's too.")
    share_prompts: bool = argument(False, "On a CPU: read a prompt once for all its samples, with the adapter merged.")


@dataclass
class EncoderArguments:
    """The sentence encoder behind the reward, and a second one that only judges."""

    encoder: str = argument("hfl/cino-base-v2", "Encoder to start from, or to use as it is.")
    encoder_pairs: str | None = argument(None, "Pairs to adapt it on; none: used as it is.")
    encoder_pair_columns: list[str] = field(
        default_factory=list, metadata={"help": "Two columns of all pairs; those of the task, by default."}
    )
    held_out_encoder: str | None = argument(None, "Encoder that judges and pays no reward.")
    held_out_encoder_pairs: str | None = argument(None, "Pairs to adapt that one on.")
    encoder_prompt: str | None = argument(None, "Text before each text, such as 'query: '.")
    held_out_encoder_prompt: str | None = argument(None, "The same for the held-out encoder.")
    encoder_epochs: float = 1.0
    encoder_batch_size: int = 128
    encoder_learning_rate: float = 2e-5
    encoder_temperature: float = 0.05
    encoder_max_tokens: int = 128

    def __post_init__(self) -> None:
        if len(self.encoder_pair_columns) not in (0, 2):
            raise ArgumentError(f"`encoder_pair_columns` must name two columns, got {self.encoder_pair_columns}")


@dataclass
class RewardArguments:
    """Eq. 4."""

    similarity_weight: float = 1.5
    language_weight: float = 1.0
    threshold: float | None = argument(None, "tau; measured on the cold start by default.")
    threshold_statistic: str = argument("mean", "mean, median, youden, or a quantile (0.4).")
    language_detector: str | None = argument(None, "fastText model, where source and target language share a script.")
    gates: bool = argument(False, "Language, length, repetition, numbers and copies as gates.")
    foreign_word_gate: bool = argument(False, "A gate on words of the source language; where both share a script.")


@dataclass
class SftArguments:
    """Supervised fine-tuning, cold start and strong baseline alike."""

    sft_learning_rate: float = 2e-5
    sft_lr_scheduler_type: str = "cosine"
    sft_warmup_ratio: float = 0.1
    sft_batch_size: int = argument(8, "Rows per device and step.")
    sft_accumulation_steps: int = 2
    sft_max_tokens: int = 2048
    cold_start_epochs: float = 2.0
    strong_sft_epochs: float = 3.0
    strong_sft_size: int | None = argument(None, "Rows for strong SFT; cold-start and RL rows together, by default.")


@dataclass
class EvaluationArguments:
    """How the policies are measured."""

    generation_batch: int = argument(64, "Prompts per batch when answering.")
    reading_max_tokens: int = argument(32, "Longest answer in tokens.")
    drift_max_tokens: int = argument(512, "Longest drift text in tokens.")
    drift_size: int | None = argument(None, "Drift texts to read; all, by default.")
    drift_every: int = argument(10, "GRPO steps between two measurements of KL to the base.")
    choice_size: int = argument(0, "Questions to choose an answer for, among given ones.")
    task_drift_size: int = argument(0, "Test rows on which KL to the base is measured, too.")
    drift_curve_size: int = argument(20, "Drift texts that those measurements read.")


@dataclass
class WorldArguments:
    """How large the miniature's world is; without `miniature` they do nothing."""

    world_pairs: int = argument(1200, "Translation pairs for all policy training.")
    world_test_pairs: int = 200
    world_headlines: int = argument(0, "Articles with headlines for all policy training.")
    world_test_headlines: int = 0
    world_replay: int = argument(0, "Questions and answers to mix into fine-tuning.")
    world_encoder_pairs: int = argument(12_800, "Translation pairs for each encoder.")
    world_questions: int = 500
    world_drift_texts: int = 200
    world_pretrain_steps: int = 2000
    world_echoing: float = argument(0.0, "How much pretraining is requests to repeat.")
    world_policy_width: int = 128
    world_policy_layers: int = 3
    world_encoder_width: int = 128


@dataclass(frozen=True)
class Settings:
    """All arguments of a run."""

    run: RunArguments
    data: DataArguments
    policy: PolicyArguments
    encoders: EncoderArguments
    reward: RewardArguments
    sft: SftArguments
    evaluation: EvaluationArguments
    world: WorldArguments
    grpo: GRPOConfig

    def replace(self, **values: Any) -> "Settings":
        """The same run with other values of some arguments, which are named as on the command line."""
        changed = copy.deepcopy(self)
        for name, value in values.items():
            part = next(part for part in vars(changed).values() if hasattr(part, name))
            setattr(part, name, value)
        return changed

    def for_seed(self, seed: int, folder: Path) -> "Settings":
        """The same run with another seed, in a folder of its own."""
        return self.replace(seed=seed, output_dir=str(folder))


def decisive(part: Any) -> dict[str, Any]:
    """The arguments in a part of the settings that affect a stage's result."""
    if isinstance(part, GRPOConfig):
        return {key: value for key, value in part.to_dict().items() if not MACHINERY.match(key)}
    return dataclasses.asdict(part)


def parse(argv: Sequence[str]) -> tuple[Settings, Path]:
    """The settings of the command line and of the YAML file that `--config` names, the miniature's by default."""
    before = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    before.add_argument("--config", type=Path, nargs="?", default=MINIATURE_CONFIG)
    options, arguments = before.parse_known_args(argv)
    config: Path | None = options.config
    if config is None:
        raise ArgumentError("`--config` must name a YAML file, got nothing; leave it out for the miniature")
    if "--plan" in arguments:
        arguments += ["--use_cpu", "true"]  # bf16 would be refused where no GPU is, and a plan needs none
    parser = TrlParser([part.type for part in dataclasses.fields(Settings)])
    values: dict[str, Any] = {}
    for content in config_files(config).values():
        values |= content
    values.pop(EXTENDS, None)
    if unknown := parser.set_defaults_with_config(**values):
        names = ", ".join(name.removeprefix("--") for name in unknown[::2])
        raise ArgumentError(f"{config} must hold arguments of this script or of TRL's GRPOConfig, got {names}")
    try:
        parts: Any = parser.parse_args_into_dataclasses(arguments)
    except ValueError as error:
        raise ArgumentError(f"{config}: {error}") from error
    return Settings(*parts), config


def config_files(config: Path) -> dict[Path, dict[str, Any]]:
    """The content of a YAML file, after that of the files that it extends; a later file's values win."""
    files: dict[Path, dict[str, Any]] = {}
    following: Path | None = config
    while following is not None:
        if following in files:
            raise ArgumentError(f"{following} must not extend itself, by way of {', '.join(map(str, files))}")
        files[following] = _content(following)
        base = files[following].get(EXTENDS)
        following = following.parent / str(base) if base else None
    return dict(reversed(files.items()))


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArgumentError(f"`--config` must name a YAML file, got {str(file)!r}, which does not exist") from error
    except yaml.YAMLError as error:
        raise ArgumentError(f"{file} must be a YAML file: {error}") from error
    if not isinstance(content, dict):
        raise ArgumentError(f"{file} must hold a mapping from argument to value, got {type(content).__name__}")
    return content
