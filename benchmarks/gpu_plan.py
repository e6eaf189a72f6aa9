"""Memory and hours of the Qwen3-4B presets on GPUs of 24, 48 and 80 GB. Computed, not measured: loads nothing.

    python benchmarks/gpu_plan.py

Memory: the estimate of `--plan`, encoder and `SPARE_GB`; for vLLM weights, cache and `VLLM_GB`. Hours: 6 FLOPs per
parameter and token, 8 with vLLM; `STEP_S` per decoded token, or one reading of the weights. Constants are assumptions.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from tibetan.arguments import MINIATURE_CONFIG, parse
from tibetan.plan import QWEN3_4B, adapter_size, memory_estimate

SPARE_GB, VLLM_GB = 2.0, 2.0  # workspace and fragmentation; vLLM's activations and graphs
UTILISATION, BANDWIDTH_SHARE, PADDING = 0.35, 0.6, 1.3
STEP_S, SYNC_S = 0.05, 2.0  # one token of all rows with transformers and an adapter; weights into vLLM
ENCODER_BYTES = 190e6 * 2 + 13 * 768 * 2 * 32_768  # CINO-base in bfloat16: weights, 13 widths per token of a batch


class Gpu(NamedTuple):
    """By its data sheet: bfloat16 without sparsity."""

    name: str
    gb: float
    flops: float
    bandwidth: float


class Task(NamedTuple):
    """A preset, with its rows and tokens: all but `rl_rows` of the headlines are assumed."""

    preset: str
    rl_rows: int
    prompt: int
    completion: int
    longest: int  # completion of an update


GPUS = (Gpu("RTX 4090", 24, 165e12, 1.0e12), Gpu("L40S", 48, 362e12, 0.86e12), Gpu("A100", 80, 312e12, 2.0e12))
TASKS = (Task("paper_mt", 90_000, 160, 60, 120), Task("paper_hg", 11_249, 800, 100, 200))
NAMES = ("per_device_train_batch_size", "gradient_accumulation_steps", "sft_batch_size", "sft_accumulation_steps")
BATCHES = ((16, 2, 8, 4, True), (8, 4, 4, 8, True), (4, 8, 2, 16, False))  # and whether activations are checkpointed


def settings_of(task: Task, batch: tuple[int, ...]) -> Any:
    """A preset with its batch of 32 cut in another way."""
    options = [f"--{name}={value}" for name, value in zip((*NAMES, "gradient_checkpointing"), batch, strict=True)]
    return parse(["--plan", "--config", str(MINIATURE_CONFIG.with_stem(task.preset)), *options])[0]


def main() -> None:
    """Print both tables in Markdown."""
    total, trainable, _ = adapter_size(QWEN3_4B, settings_of(TASKS[0], BATCHES[0]))
    print("| preset | rows per pass | checkpointing | GRPO, GB | SFT, GB |", *(f"{gpu.gb} GB |" for gpu in GPUS))
    for task in TASKS:
        for batch in BATCHES:
            sizes = list(memory_estimate(QWEN3_4B, settings_of(task, batch), total, trainable).values())
            fixed, cached, grpo, sft = (size / 1e9 + ENCODER_BYTES / 1e9 + SPARE_GB for size in sizes)
            vllm = total * 2 / 1e9 + cached - fixed + VLLM_GB
            cells = [f"vLLM {vllm / gpu.gb:.2f}" if max(grpo + vllm, sft) < gpu.gb else "alone" for gpu in GPUS]
            cells = [cell if max(grpo, sft) < gpu.gb else "no" for cell, gpu in zip(cells, GPUS, strict=True)]
            print(f"| {task.preset} | {batch[0]} | {batch[4]} | {grpo:.1f} | {sft:.1f} | {' | '.join(cells)} |")
    print("\n| preset | GPU | update | generation | the same with vLLM | SFT |")
    for task in TASKS:
        updates, tokens = task.rl_rows * 8 / 32, (task.prompt + task.completion) * PADDING
        sft_rows = 5000 * 2 + (5000 + task.rl_rows) * 3
        for gpu in GPUS:
            token_s = 2 * total / gpu.flops / UTILISATION
            vllm_s = task.longest * total * 2 / gpu.bandwidth / BANDWIDTH_SHARE + SYNC_S + 32 * tokens * token_s
            seconds = (updates * 32 * tokens * 3 * token_s, updates * task.longest * STEP_S, updates * vllm_s)
            hours = [value / 3600 for value in (*seconds, sft_rows * tokens * 3 * token_s)]
            print(f"| {task.preset} | {gpu.name} | {' | '.join(f'{value:.1f}' for value in hours)} |")


if __name__ == "__main__":
    main()
