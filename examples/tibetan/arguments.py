"""What a run can be told, on the command line or in a YAML file. GRPO's own switches are TRL's `GRPOConfig`.

Defaults are the paper's where it states them (arXiv 2605.14366, section 4.1 and appendix A).
"""

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from trl import GRPOConfig, TrlParser

from semreward.errors import ArgumentError

TASKS = ("translation", "headline")
MINIATURE_CONFIG = Path(__file__).parent.parent / "configs" / "miniature.yaml"
EXTENDS = "extends"
"""Key of a YAML file that names another one, beside it, whose values hold where its own file is silent."""


@dataclass
class RunArguments:
    """Which stages run."""

    plan: bool = field(default=False, metadata={"help": "Print what would run and stop; loads no weights."})
    miniature: bool = field(default=False, metadata={"help": "Make a small world on the spot instead of reading data."})
    pair: str | None = field(
        default=None, metadata={"help": "Languages such as fr-en: sets both columns, the target language, the prompt."}
    )
    real: str | None = field(default=None, metadata={"help": "Folder with policy, encoder, judge, detector and data."})
    seeds: list[int] = field(default_factory=list, metadata={"help": "Run once a seed, in folders seed-N."})
    strong_sft: bool = field(default=True, metadata={"help": "Also train the strong-SFT baseline."})
    monitor: bool = field(default=True, metadata={"help": "Warn of reward hacking while GRPO runs."})
    similarity_only: bool = field(
        default=False, metadata={"help": "Also run GRPO with similarity alone, language consistency at weight 0."}
    )
    cold_start_minutes: float | None = field(
        default=None, metadata={"help": "Budget of the cold start; no limit by default."}
    )
    grpo_minutes: float | None = field(default=None, metadata={"help": "Budget of GRPO; no limit by default."})
    strong_sft_minutes: float | None = field(
        default=None, metadata={"help": "Budget of strong SFT; no limit by default."}
    )

    def __post_init__(self) -> None:
        for name in ("cold_start_minutes", "grpo_minutes", "strong_sft_minutes"):
            minutes = getattr(self, name)
            if minutes is not None and not minutes > 0:
                raise ArgumentError(f"`{name}` must be greater than 0, got {minutes}; leave it out for no limit")

    def minutes(self, stage: str) -> float | None:
        """The budget of a training stage in minutes; `None`: no limit."""
        given: float | None = getattr(self, f"{stage}_minutes", None)
        return given


@dataclass
class DataArguments:
    """Where the data is: paths of JSONL, CSV, TSV or parquet files, compressed or not, or hub ids.

    A name with `{column}` in it, such as `train.{column}.gz`, means one plain text file per column, aligned by line.
    """

    task: str = field(default="translation", metadata={"help": "translation or headline."})
    train_data: str | None = field(default=None, metadata={"help": "Pairs for cold start, RL and strong SFT."})
    test_data: str | None = field(default=None, metadata={"help": "Pairs for evaluation."})
    source_column: str = field(default="zh", metadata={"help": "Column that the policy reads."})
    target_column: str = field(default="bo", metadata={"help": "Column with the reference."})
    target_language: str = field(default="bo", metadata={"help": "BCP-47 tag that the language reward demands."})
    prompt: str = field(
        default="请把下面的句子翻译成藏语：{source}", metadata={"help": "User turn; {source} is filled in."}
    )
    cold_start_size: int = field(default=5000, metadata={"help": "Rows for the cold start."})
    calibration_size: int = field(default=200, metadata={"help": "Rows held out of all training, to measure tau on."})
    rl_size: int | None = field(default=None, metadata={"help": "Rows for GRPO; all that are left, by default."})
    test_size: int | None = field(default=None, metadata={"help": "Rows for evaluation; all, by default."})
    max_prompt_tokens: int = field(default=256, metadata={"help": "Rows with a longer prompt are dropped."})
    max_row_tokens: int = field(default=2048, metadata={"help": "Rows with more tokens in all are dropped."})
    count_leaks: bool = field(
        default=False,
        metadata={"help": "Count source words in answers; for languages with spaces."},
    )
    reading_data: str | None = field(
        default=None, metadata={"help": "Reading comprehension, SQuAD layout (CMRC 2018)."}
    )
    reading_prompt: str = field(
        default="阅读短文，用短文中的原文回答问题。\n短文：{passage}\n问题：{question}", metadata={"help": "User turn."}
    )
    reading_size: int | None = field(default=None, metadata={"help": "Questions to answer in words; all, by default."})
    drift_data: str | None = field(
        default=None, metadata={"help": "Out-of-domain texts: column `text`, or SQuAD layout."}
    )

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ArgumentError(f"`task` must be one of {', '.join(TASKS)}; got {self.task!r}")
        if "{source}" not in self.prompt:
            raise ArgumentError(f"`prompt` must contain {{source}}, got {self.prompt!r}")
        for name in ("cold_start_size", "calibration_size"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"`{name}` must be at least 1, got {getattr(self, name)}")


@dataclass
class PolicyArguments:
    """The policy, its adapter, and what makes its training cheaper."""

    model_name_or_path: str = field(default="Qwen/Qwen3-4B-Instruct-2507", metadata={"help": "Base policy."})
    chat_template: str | None = field(
        default=None,
        metadata={"help": "Jinja template in place of the tokenizer's own."},
    )
    lora_r: int = 64
    lora_alpha: int = 128
    lora_dropout: float = 0.05
    lora_target_modules: list[str] = field(
        default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )
    float32_weights: bool = field(
        default=False, metadata={"help": "With bf16, keep weights in float32: on a CPU, generation is faster so."}
    )
    like_lengths: bool = field(default=False, metadata={"help": "Rows of like length share a batch, GRPO's too."})
    share_prompts: bool = field(
        default=False, metadata={"help": "On a CPU: read a prompt once for all its samples, with the adapter merged."}
    )


@dataclass
class EncoderArguments:
    """The sentence encoder behind the reward, and a second one that only judges."""

    encoder: str = field(default="hfl/cino-base-v2", metadata={"help": "Encoder to start from, or to use as it is."})
    encoder_pairs: str | None = field(default=None, metadata={"help": "Pairs to adapt it on; none: used as it is."})
    encoder_pair_columns: list[str] = field(
        default_factory=list, metadata={"help": "Two columns of all pairs; those of the task, by default."}
    )
    held_out_encoder: str | None = field(default=None, metadata={"help": "Encoder that judges and pays no reward."})
    held_out_encoder_pairs: str | None = field(default=None, metadata={"help": "Pairs to adapt that one on."})
    encoder_prompt: str | None = field(default=None, metadata={"help": "Text before each text, such as 'query: '."})
    held_out_encoder_prompt: str | None = field(default=None, metadata={"help": "The same for the held-out encoder."})
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
    threshold: float | None = field(default=None, metadata={"help": "tau; measured on the cold start by default."})
    threshold_statistic: str = field(default="mean", metadata={"help": "mean, median, youden, or a quantile (0.4)."})
    language_detector: str | None = field(
        default=None, metadata={"help": "fastText model, where source and target language share a script."}
    )
    gates: bool = field(default=False, metadata={"help": "Language, length, repetition, numbers and copies as gates."})


@dataclass
class SftArguments:
    """Supervised fine-tuning, cold start and strong baseline alike."""

    sft_learning_rate: float = 2e-5
    sft_lr_scheduler_type: str = "cosine"
    sft_warmup_ratio: float = 0.1
    sft_batch_size: int = field(default=8, metadata={"help": "Rows a device and step."})
    sft_accumulation_steps: int = 2
    sft_max_tokens: int = 2048
    cold_start_epochs: float = 2.0
    strong_sft_epochs: float = 3.0
    strong_sft_size: int | None = field(
        default=None, metadata={"help": "Rows for strong SFT; cold-start and RL rows together, by default."}
    )


@dataclass
class EvaluationArguments:
    """How the four policies are measured."""

    generation_batch: int = field(default=64, metadata={"help": "Prompts a batch when answering."})
    reading_max_tokens: int = field(default=32, metadata={"help": "Longest answer in tokens."})
    drift_max_tokens: int = field(default=512, metadata={"help": "Longest drift text in tokens."})
    drift_size: int | None = field(default=None, metadata={"help": "Drift texts to read; all, by default."})
    drift_every: int = field(default=10, metadata={"help": "GRPO steps between two measurements of KL to the base."})
    choice_size: int = field(default=0, metadata={"help": "Questions to choose an answer for, among given ones."})
    task_drift_size: int = field(default=0, metadata={"help": "Test rows on which KL to the base is measured, too."})
    drift_curve_size: int = field(default=20, metadata={"help": "Drift texts that those measurements read."})


@dataclass
class WorldArguments:
    """How large the miniature's world is; without `miniature` they do nothing."""

    world_pairs: int = field(default=1200, metadata={"help": "Translation pairs for all policy training."})
    world_test_pairs: int = 200
    world_headlines: int = field(default=0, metadata={"help": "Articles with headlines for all policy training."})
    world_test_headlines: int = 0
    world_replay: int = field(default=0, metadata={"help": "Questions and answers to mix into fine-tuning."})
    world_encoder_pairs: int = field(default=12_800, metadata={"help": "Translation pairs for each encoder."})
    world_questions: int = 500
    world_drift_texts: int = 200
    world_pretrain_steps: int = 2000
    world_echoing: float = field(default=0.0, metadata={"help": "How much pretraining is requests to repeat."})
    world_policy_width: int = 128
    world_policy_layers: int = 3
    world_encoder_width: int = 128


MACHINERY = (
    "dataloader_",
    "ddp_",
    "disable_tqdm",
    "hub_",
    "log_",
    "logging_",
    "output_dir",
    "push_to_hub",
    "report_to",
    "run_name",
    "save_",
    "trackio_",
)
"""Beginnings of the names of TRL's arguments that do not decide a run's numbers."""


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

    def for_seed(self, seed: int, folder: Path) -> "Settings":
        """The same run with another seed, in a folder of its own."""
        parts = {item.name: copy.deepcopy(getattr(self, item.name)) for item in dataclasses.fields(self)}
        parts["grpo"].seed = seed
        parts["grpo"].output_dir = str(folder)
        return Settings(**parts)


def decisive(part: Any) -> dict[str, Any]:
    """What of a part of the settings decides a stage's result, as a mapping."""
    if isinstance(part, GRPOConfig):
        return {key: value for key, value in part.to_dict().items() if not key.startswith(MACHINERY)}
    return dataclasses.asdict(part)


def parse(argv: Sequence[str]) -> tuple[Settings, Path]:
    """Read the command line and the YAML file that `--config` names; without one, the miniature's.

    Returns:
        The settings and the YAML file's path.

    Raises:
        ArgumentError: The YAML file does not exist, is no mapping, or holds a key that does not exist.
    """
    arguments = list(argv)
    config = MINIATURE_CONFIG
    if "--config" in arguments:
        place = arguments.index("--config")
        if place + 1 == len(arguments):
            raise ArgumentError("`--config` must name a YAML file, got nothing; leave it out for the miniature")
        config = Path(arguments[place + 1])
        del arguments[place : place + 2]
    if "--plan" in arguments:
        arguments += ["--use_cpu", "true"]  # bf16 would be refused where no GPU is, and a plan needs none
    parser = TrlParser([item.type for item in dataclasses.fields(Settings)])
    values = {key: value for file in config_files(config) for key, value in _content(file).items() if key != EXTENDS}
    if unknown := parser.set_defaults_with_config(**values):
        names = ", ".join(item.removeprefix("--") for item in unknown[::2])
        raise ArgumentError(f"{config} must hold arguments of this script or of TRL's GRPOConfig, got {names}")
    try:
        parts: Any = parser.parse_args_into_dataclasses(arguments)
    except ValueError as error:
        raise ArgumentError(f"{config}: {error}") from error
    return Settings(*parts), config


def config_files(config: Path) -> list[Path]:
    """A YAML file after those that it extends; a later file's values win.

    Raises:
        ArgumentError: One does not exist or is no mapping, or they extend each other in a circle.
    """
    files = [config]
    while base := _content(files[0]).get(EXTENDS):
        files.insert(0, files[0].parent / str(base))
        if files[0] in files[1:]:
            raise ArgumentError(f"{files[0]} must not extend itself, by way of {', '.join(map(str, files[1:]))}")
    return files


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
