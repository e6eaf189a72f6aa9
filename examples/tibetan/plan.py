"""`--plan`: what would run, beside what the paper states, without loading weights or asking the network."""

import dataclasses
import re
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, Qwen3Config

from tibetan.arguments import Settings, config_files
from tibetan.policy import lora_config

STAGES = (
    "data: read, drop what is too long, split into cold start, calibration, RL and test",
    "encoder, held_out_encoder: adapt on translation pairs",
    "cold_start: supervised fine-tuning of a new adapter",
    "calibration: tau from the cold start's own samples",
    "grpo: reinforce the cold start's adapter",
    "strong_sft: supervised fine-tuning on all rows",
    "evaluate_*: quality, reading comprehension and drift of every policy",
)

QWEN3_4B = Qwen3Config(
    vocab_size=151_936,
    hidden_size=2560,
    intermediate_size=9728,
    num_hidden_layers=36,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=262_144,
    tie_word_embeddings=True,
)
"""The shape of Qwen3-4B, so that a plan needs no download."""

KNOWN_SHAPES = {"Qwen/Qwen3-4B-Instruct-2507": QWEN3_4B, "Qwen/Qwen3-4B": QWEN3_4B}

GIB = 2**30


class PlannedSetting(NamedTuple):
    """A line of a configuration file, with what its comment says of the paper.

    Attributes:
        name: The argument.
        value: Its value in this run, command line included.
        paper: What the comment says: the paper's value first, then reasons.
        deviates: Whether the value is another one than the paper's; `None` where the paper states none.
    """

    name: str
    value: str
    paper: str
    deviates: bool | None


def print_plan(settings: Settings, config: Path) -> None:
    """Print stages, sizes, hyperparameters, trainable parameters and a memory estimate."""
    print(f"Plan of {config}\n\nStages, in {settings.grpo.output_dir}, each skipped when its result stands:")
    for number, stage in enumerate(STAGES, start=1):
        skipped = stage.startswith("strong_sft") and not settings.run.strong_sft
        print(f"  {number}. {stage}{' (switched off)' if skipped else ''}")
    print(f"\nData: {_data(settings)}")
    print(f"Batches: {_batches(settings)}")

    print("\nSettings (= as in the paper, ! another value than the paper's, ? not stated in the paper):")
    for line in planned_settings(config, settings):
        sign = {None: "?", True: "!", False: "="}[line.deviates] if line.paper else " "
        print(f"  {sign} {line.name}: {line.value}" + (f"    paper: {line.paper}" if line.paper else ""))

    shape = policy_shape(settings)
    if shape is None:
        print("\nThe policy's shape is known when it has been made or downloaded; no estimate before.")
        return
    total, trainable, projections = adapter_size(shape, settings)
    print(f"\nPolicy: {total:,} parameters, of which {trainable:,} trainable in {projections} adapted projections")
    print("Memory a GPU, estimated:")
    for name, size in memory_estimate(shape, settings, total, trainable).items():
        print(f"  {size / GIB:6.1f} GiB  {name}")


def planned_settings(config: Path, settings: Settings) -> list[PlannedSetting]:
    """The settings that a configuration file and those that it extends name, in their order.

    A comment `paper: VALUE; reason` behind a setting says what the paper states.
    """
    values = {
        field.name: getattr(part, field.name)
        for part in (getattr(settings, item.name) for item in dataclasses.fields(settings))
        for field in dataclasses.fields(part)
    }
    planned: dict[str, PlannedSetting] = {}
    for line in "\n".join(file.read_text(encoding="utf-8") for file in config_files(config)).splitlines():
        match = re.match(r"(\w+):\s*(.*?)\s*(?:#\s*paper:\s*(.*))?$", line)
        if match and match[1] in values:
            paper = match[3] or ""
            value = _shown(values[match[1]])
            planned[match[1]] = PlannedSetting(match[1], value, paper, _deviates(value, paper))
    return list(planned.values())


def policy_shape(settings: Settings) -> PretrainedConfig | None:
    """The policy's configuration, where it is at hand without the network."""
    name = settings.policy.model_name_or_path
    if settings.run.miniature:
        return None
    if Path(name).is_dir():
        shape: PretrainedConfig = AutoConfig.from_pretrained(name)
        return shape
    return KNOWN_SHAPES.get(name)


def adapter_size(shape: PretrainedConfig, settings: Settings) -> tuple[int, int, int]:
    """Parameters, trainable parameters, and adapted projections of a policy, counted on the meta device."""
    factory: Any = AutoModelForCausalLM  # untyped
    with torch.device("meta"):
        model: Any = get_peft_model(factory.from_config(shape), lora_config(settings.policy))
    trainable, with_adapter = model.get_nb_trainable_parameters()
    projections = sum(name.endswith("lora_A.default.weight") for name, _ in model.named_parameters())
    return with_adapter - trainable, trainable, projections


def memory_estimate(shape: PretrainedConfig, settings: Settings, total: int, trainable: int) -> dict[str, float]:
    """Bytes a GPU at the two peaks of a GRPO step and at that of supervised fine-tuning.

    Weights take 2 bytes a parameter in bf16; each trainable one 16 (weight, gradient and two moments in float32). With
    gradient checkpointing a layer keeps its input for each token, and one layer at a time is computed in full, taken
    as 16 activations of the hidden width a token. Logits are held in bf16 and, with their gradient, in float32. A key
    and a value a layer, head and token are kept while generating.
    """
    grpo, sft = settings.grpo, settings.sft
    width, layers, vocabulary = shape.hidden_size, shape.num_hidden_layers, shape.vocab_size
    bytes_each = 2 if grpo.bf16 else 4
    fixed = total * bytes_each + trainable * 16
    completion = grpo.max_completion_length or 256
    row = settings.data.max_prompt_tokens + completion

    def activations(tokens: int) -> float:
        kept = layers if grpo.gradient_checkpointing else layers * 16
        return float(tokens * width * bytes_each * (kept + 16))

    def logits(tokens: int) -> float:
        return float(tokens * vocabulary * (bytes_each + 8))

    micro = grpo.per_device_train_batch_size
    generating = micro * grpo.steps_per_generation
    cache = generating * row * layers * 2 * shape.num_key_value_heads * shape.head_dim * bytes_each
    sft_tokens = sft.sft_batch_size * sft.sft_max_tokens
    return {
        "weights, adapter, gradients and optimizer": fixed,
        f"GRPO, generating {generating} rows: the above and the key-value cache": fixed + cache,
        f"GRPO, updating {micro} rows of {row} tokens": fixed + activations(micro * row) + logits(micro * completion),
        f"SFT, updating {sft.sft_batch_size} rows of {sft.sft_max_tokens} tokens (the longest allowed)": fixed
        + activations(sft_tokens)
        + logits(sft_tokens),
    }


def _data(settings: Settings) -> str:
    data = settings.data
    source = "made on the spot" if settings.run.miniature else f"train {data.train_data}, test {data.test_data}"
    rest = "all that are left" if data.rl_size is None else data.rl_size
    return (
        f"{source}; {data.source_column} -> {data.target_column}; cold start {data.cold_start_size} rows, calibration "
        f"{data.calibration_size}, RL {rest}"
    )


def _batches(settings: Settings) -> str:
    grpo, sft = settings.grpo, settings.sft
    rows = grpo.per_device_train_batch_size * grpo.gradient_accumulation_steps
    return (
        f"GRPO {rows} completions a process and update = {rows / grpo.num_generations:g} prompts x "
        f"{grpo.num_generations} samples; SFT {sft.sft_batch_size * sft.sft_accumulation_steps} rows"
    )


def _shown(value: Any) -> str:
    """A value as YAML writes it."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def _deviates(value: str, paper: str) -> bool | None:
    """Whether a value is another one than the paper's; a name agrees when it contains the paper's name."""
    stated = paper.partition(";")[0].strip()
    if not stated or stated == "not stated":
        return None
    try:
        return float(value) != float(stated)
    except ValueError:
        return stated.lower() not in value.lower()
