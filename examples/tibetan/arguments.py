"""What a run can be told, on the command line or in a YAML file. GRPO's own switches are TRL's `GRPOConfig`, as they are.

Defaults are the paper's where it states them (arXiv 2605.14366, section 4.1 and appendix A).
"""

from dataclasses import dataclass, field

from semreward.errors import ArgumentError

TASKS = ("translation", "headline")


@dataclass
class RunArguments:
    """Which stages run."""

    plan: bool = field(default=False, metadata={"help": "Print what would run and stop; loads no weights."})
    miniature: bool = field(default=False, metadata={"help": "Make a small world on the spot instead of reading data."})
    smoke: bool = field(default=False, metadata={"help": "Shrink the miniature until nothing is learned, in a minute."})
    seeds: list[int] = field(default_factory=list, metadata={"help": "Run once a seed, in folders seed-N."})
    strong_sft: bool = field(default=True, metadata={"help": "Also train the strong-SFT baseline."})
    similarity_only: bool = field(
        default=False, metadata={"help": "Also run GRPO with similarity alone, language consistency at weight 0."}
    )


@dataclass
class DataArguments:
    """Where the data is. A path names a JSONL, CSV, TSV or parquet file, compressed or not; anything else is a hub id."""

    task: str = field(default="translation", metadata={"help": "translation or headline."})
    train_data: str | None = field(default=None, metadata={"help": "Pairs for cold start, RL and strong SFT."})
    test_data: str | None = field(default=None, metadata={"help": "Pairs for evaluation."})
    source_column: str = field(default="zh", metadata={"help": "Column that the policy reads."})
    target_column: str = field(default="bo", metadata={"help": "Column with the reference."})
    target_language: str = field(default="bo", metadata={"help": "BCP-47 tag that the language reward demands."})
    prompt: str = field(default="请把下面的句子翻译成藏语：{source}", metadata={"help": "User turn; {source} is filled in."})
    cold_start_size: int = field(default=5000, metadata={"help": "Rows for the cold start."})
    calibration_size: int = field(default=200, metadata={"help": "Rows held out of all training, to measure tau on."})
    rl_size: int | None = field(default=None, metadata={"help": "Rows for GRPO; all that are left, by default."})
    test_size: int | None = field(default=None, metadata={"help": "Rows for evaluation; all, by default."})
    max_prompt_tokens: int = field(default=256, metadata={"help": "Rows with a longer prompt are dropped."})
    max_row_tokens: int = field(default=2048, metadata={"help": "Rows with more tokens in all are dropped."})
    reading_data: str | None = field(default=None, metadata={"help": "Reading comprehension, SQuAD layout (CMRC 2018)."})
    reading_prompt: str = field(
        default="阅读短文，用短文中的原文回答问题。\n短文：{passage}\n问题：{question}", metadata={"help": "User turn."}
    )
    reading_size: int | None = field(default=None, metadata={"help": "Questions to ask; all, by default."})
    drift_data: str | None = field(default=None, metadata={"help": "Out-of-domain texts, column `text`."})

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
    """The policy and its adapter."""

    model_name_or_path: str = field(default="Qwen/Qwen3-4B-Instruct-2507", metadata={"help": "Base policy."})
    lora_r: int = 64
    lora_alpha: int = 128
    lora_dropout: float = 0.05
    lora_target_modules: list[str] = field(
        default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )


@dataclass
class EncoderArguments:
    """The sentence encoder behind the reward, and a second one that only judges."""

    encoder: str = field(default="hfl/cino-base-v2", metadata={"help": "Encoder to start from, or to use as it is."})
    encoder_pairs: str | None = field(default=None, metadata={"help": "Pairs to adapt it on; none: used as it is."})
    held_out_encoder: str | None = field(default=None, metadata={"help": "Encoder that judges and pays no reward."})
    held_out_encoder_pairs: str | None = field(default=None, metadata={"help": "Pairs to adapt that one on."})
    encoder_epochs: float = 1.0
    encoder_batch_size: int = 128
    encoder_learning_rate: float = 2e-5
    encoder_temperature: float = 0.05
    encoder_max_tokens: int = 128


@dataclass
class RewardArguments:
    """Eq. 4."""

    similarity_weight: float = 1.5
    language_weight: float = 1.0
    threshold: float | None = field(default=None, metadata={"help": "tau; measured on the cold start by default."})
    threshold_statistic: str = field(default="mean", metadata={"help": "mean, median, or a quantile such as 0.4."})


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

    eval_batch_size: int = field(default=64, metadata={"help": "Prompts a generation batch."})
    reading_max_tokens: int = field(default=32, metadata={"help": "Longest answer in tokens."})
    drift_max_tokens: int = field(default=512, metadata={"help": "Longest drift text in tokens."})
    drift_size: int | None = field(default=None, metadata={"help": "Drift texts to read; all, by default."})
    drift_every: int = field(default=10, metadata={"help": "GRPO steps between two measurements of KL to the base."})
