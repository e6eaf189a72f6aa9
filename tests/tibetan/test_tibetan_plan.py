import socket
from pathlib import Path
from typing import NoReturn

import pytest

from tibetan.arguments import PROJECTIONS, Settings, parse
from tibetan.plan import QWEN3_4B, adapter_size, memory_estimate, planned_settings, print_plan

CONFIGS = Path(__file__).parents[2] / "examples" / "configs"

# Section 4.1 and appendix A of arXiv 2605.14366, as far as both tasks share them.
PAPER = {
    "lora_r": 64,
    "lora_alpha": 128,
    "lora_dropout": 0.05,
    "lora_target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "sft_learning_rate": 2e-5,
    "sft_lr_scheduler_type": "cosine",
    "sft_warmup_ratio": 0.1,
    "sft_batch_size": 8,
    "cold_start_epochs": 2.0,
    "strong_sft_epochs": 3.0,
    "cold_start_size": 5000,
    "learning_rate": 5e-7,
    "num_train_epochs": 1.0,
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 2,
    "num_generations": 8,
    "temperature": 0.8,
    "top_p": 0.9,
    "max_completion_length": 256,
    "bf16": True,
    "similarity_weight": 1.5,
    "language_weight": 1.0,
}


def _settings(preset: str, *arguments: str) -> tuple[Settings, Path]:
    return parse(["--config", str(CONFIGS / preset), "--plan", *arguments])


@pytest.mark.parametrize("preset", ["paper_mt.yaml", "paper_hg.yaml"])
def test_preset_carries_the_papers_values(preset: str) -> None:
    settings, _ = _settings(preset)
    values = {name: value for part in vars(settings).values() for name, value in vars(part).items()}
    assert {name: values[name] for name in PAPER} == PAPER
    assert values["sft_batch_size"] * values["sft_accumulation_steps"] == 32


def test_headline_preset_reads_cmhg_and_drops_long_samples() -> None:
    data = _settings("paper_hg.yaml")[0].data
    assert (data.source_column, data.target_column, data.max_row_tokens) == ("content", "title", 1024)


@pytest.mark.parametrize(
    ("preset", "arguments", "deviations"),
    [
        ("paper_mt.yaml", [], {"sft_accumulation_steps"}),
        ("paper_mt.yaml", ["--lora_r", "8"], {"sft_accumulation_steps", "lora_r"}),
        ("paper_hg.yaml", [], {"sft_accumulation_steps", "rl_size", "max_prompt_tokens"}),
    ],
)
def test_plan_marks_deviations_from_the_paper_and_nothing_else(
    preset: str, arguments: list[str], deviations: set[str]
) -> None:
    settings, config = _settings(preset, *arguments)
    assert {line.name for line in planned_settings(config, settings) if line.deviates} == deviations


def test_paper_adapter_has_its_size_on_qwen3_4b() -> None:
    _, trainable, projections = adapter_size(QWEN3_4B, _settings("paper_mt.yaml")[0])
    assert (trainable, projections) == (132_120_576, 252)


def test_estimate_counts_every_layers_activations_without_checkpointing() -> None:
    whole, parts = (_settings("paper_mt.yaml", "--gradient_checkpointing", value)[0] for value in ("false", "true"))
    (*_, more, _), (*_, less, _) = (memory_estimate(QWEN3_4B, one, 0, 0).values() for one in (whole, parts))
    assert more - less == 16 * 512 * 2560 * 2 * (36 * 55 - (36 + 55))


def test_plan_asks_no_network_and_names_every_choice_that_the_paper_leaves_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("a plan must not ask the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    print_plan(*_settings("paper_mt.yaml"))
    printed = capsys.readouterr().out
    assert "132,120,576 trainable in 252 adapted projections" in printed
    assert all(f"? {name}:" in printed for name in ("beta", "threshold_statistic", "lr_scheduler_type", "seed"))
    assert f"lora_target_modules: {list(PROJECTIONS)}".replace("'", '"') in printed


def test_plan_of_the_miniature_says_what_it_cannot_know(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(*parse(["--plan"]))
    assert "no estimate before" in capsys.readouterr().out
