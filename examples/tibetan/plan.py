"""`--plan`, first part: the settings beside the paper's, and sizes, without loading weights or asking the network."""

import dataclasses
import json
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
LAYER_WIDTHS, LOGITS_TILE = 55, 4096 * 32_768


class PlannedSetting(NamedTuple):
    """A line of a configuration file, with its comment about the paper."""

    name: str
    value: str  # in this run, command line included
    paper: str  # the comment: the paper's value first, then reasons
    deviates: bool | None  # whether it is another value than the paper's; None where the paper states none


def print_plan(settings: Settings, config: Path) -> None:
    """Print stages, sizes, hyperparameters, trainable parameters and a memory estimate."""
    data, grpo, sft = settings.data, settings.grpo, settings.sft
    print(f"Plan of {config}\n\nStages, in {grpo.output_dir}, each skipped when its result stands:")
    for number, stage in enumerate(STAGES, start=1):
        skipped = stage.startswith("strong_sft") and not settings.run.strong_sft
        print(f"  {number}. {stage}{' (switched off)' if skipped else ''}")
    source = "made on the spot" if settings.run.miniature else f"train {data.train_data}, test {data.test_data}"
    print(
        f"\nData: {source}; {data.source_column} -> {data.target_column}; cold start {data.cold_start_size} rows, "
        f"calibration {data.calibration_size}, RL {'all that are left' if data.rl_size is None else data.rl_size}"
    )
    completions = grpo.per_device_train_batch_size * grpo.gradient_accumulation_steps
    print(
        f"Batches: GRPO {completions} completions a process and update = "
        f"{completions / grpo.num_generations:g} prompts x {grpo.num_generations} samples; "
        f"SFT {sft.sft_batch_size * sft.sft_accumulation_steps} rows"
    )
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
    values: dict[str, Any] = {}
    for part in vars(settings).values():
        values |= {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    planned: dict[str, PlannedSetting] = {}
    for file in config_files(config):
        for line in file.read_text(encoding="utf-8").split("\n"):
            match = re.match(r"(\w+):\s*(.*?)\s*(?:#\s*paper:\s*(.*))?$", line)
            if match and match[1] in values:
                value, paper = _shown(values[match[1]]), match[3] or ""
                planned[match[1]] = PlannedSetting(match[1], value, paper, _deviates(value, paper))
    return list(planned.values())


def policy_shape(settings: Settings) -> PretrainedConfig | None:
    """The policy's configuration, if it can be read without the network."""
    name = settings.policy.model_name_or_path
    if settings.run.miniature:
        return None
    if (Path(name) / "config.json").is_file():
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
    """Bytes per GPU at the two peaks of a GRPO step and at that of supervised fine-tuning.

    Weights take 2 bytes each in bf16; trainable ones 16 (weight, gradient and two moments in float32). A layer keeps 55
    activations of the hidden width per token, counted on Qwen3-4B's with the paper's adapter in bf16; with gradient
    checkpointing all layers but one keep their input alone. TRL 1.16 computes logits in tiles of 4,096 x 32,768.
    Generation keeps a key and a value per layer, head and token.
    """
    grpo, sft = settings.grpo, settings.sft
    width, layers = shape.hidden_size, shape.num_hidden_layers
    bytes_each = 2 if grpo.bf16 else 4
    fixed = total * bytes_each + trainable * 16
    row = settings.data.max_prompt_tokens + (grpo.max_completion_length or 256)
    micro = grpo.per_device_train_batch_size
    generating = micro * grpo.steps_per_generation
    cache = generating * row * layers * 2 * shape.num_key_value_heads * shape.head_dim * bytes_each

    def updating(tokens: int) -> float:
        kept = layers + LAYER_WIDTHS if grpo.gradient_checkpointing else layers * LAYER_WIDTHS
        return float(fixed + tokens * width * bytes_each * kept + LOGITS_TILE * bytes_each)

    return {
        "weights, adapter, gradients and optimizer": fixed,
        f"GRPO, generating {generating} rows: the above and the key-value cache": fixed + cache,
        f"GRPO, updating {micro} rows of {row} tokens": updating(micro * row),
        f"SFT, updating {sft.sft_batch_size} rows of {sft.sft_max_tokens} tokens (the longest allowed)": updating(
            sft.sft_batch_size * sft.sft_max_tokens
        ),
    }


def _shown(value: Any) -> str:
    """A value as YAML writes it."""
    if isinstance(value, Enum):
        value = value.value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _deviates(value: str, paper: str) -> bool | None:
    """Whether a value is another one than the paper's; a name agrees when it contains the paper's name."""
    stated = paper.partition(";")[0].strip()
    if not stated or stated == "not stated":
        return None
    try:
        return float(value) != float(stated)
    except ValueError:
        return stated.lower() not in value.lower()
