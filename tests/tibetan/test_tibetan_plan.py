import socket
from pathlib import Path
from typing import NoReturn

import pytest

from tibetan.arguments import Settings, parse
from tibetan.plan import QWEN3_4B, adapter_size, planned_settings, print_plan

CONFIGS = Path(__file__).parents[2] / "examples" / "configs"

# Section 4.1 and appendix A of arXiv 2605.14366, as far as both tasks share them.
PAPER = {
    "lora_r": 64,
    "lora_alpha": 128,
    "lora_dropout": 0.05,
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


def _settings(preset: str) -> tuple[Settings, Path]:
    return parse(["--config", str(CONFIGS / preset), "--plan"])


def _values(settings: Settings) -> dict[str, object]:
    parts = (settings.data, settings.policy, settings.encoders, settings.reward, settings.sft, settings.grpo)
    return {name: value for part in parts for name, value in vars(part).items()}


@pytest.mark.parametrize("preset", ["paper_mt.yaml", "paper_hg.yaml"])
@pytest.mark.parametrize("name", PAPER)
def test_preset_carries_the_papers_value(preset: str, name: str) -> None:
    assert _values(_settings(preset)[0])[name] == PAPER[name]


@pytest.mark.parametrize("preset", ["paper_mt.yaml", "paper_hg.yaml"])
def test_updates_of_sft_hold_the_papers_32_rows(preset: str) -> None:
    sft = _settings(preset)[0].sft
    assert sft.sft_batch_size * sft.sft_accumulation_steps == 32


@pytest.mark.parametrize("preset", ["paper_mt.yaml", "paper_hg.yaml"])
def test_adapter_covers_the_papers_projections(preset: str) -> None:
    modules = _settings(preset)[0].policy.lora_target_modules
    assert modules == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def test_headline_preset_reads_cmhg_and_drops_long_samples() -> None:
    data = _settings("paper_hg.yaml")[0].data
    assert (data.source_column, data.target_column, data.max_row_tokens) == ("content", "title", 1024)


@pytest.mark.parametrize(
    ("preset", "deviations"),
    [
        ("paper_mt.yaml", {"sft_accumulation_steps"}),
        ("paper_hg.yaml", {"sft_accumulation_steps", "rl_size", "max_prompt_tokens"}),
    ],
)
def test_plan_marks_the_presets_deviations_and_no_others(preset: str, deviations: set[str]) -> None:
    settings, config = _settings(preset)
    assert {line.name for line in planned_settings(config, settings) if line.deviates} == deviations


def test_plan_marks_a_deviation_from_the_command_line() -> None:
    settings, config = parse(["--config", str(CONFIGS / "paper_mt.yaml"), "--plan", "--lora_r", "8"])
    marked = {line.name: line.value for line in planned_settings(config, settings) if line.deviates}
    assert marked["lora_r"] == "8"


def test_paper_adapter_has_its_size_on_qwen3_4b() -> None:
    _, trainable, projections = adapter_size(QWEN3_4B, _settings("paper_mt.yaml")[0])
    assert (trainable, projections) == (132_120_576, 252)


def test_plan_asks_no_network(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("a plan must not ask the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    print_plan(*_settings("paper_mt.yaml"))
    assert "132,120,576 trainable in 252 adapted projections" in capsys.readouterr().out


def test_plan_names_every_choice_that_the_paper_leaves_open(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(*_settings("paper_mt.yaml"))
    printed = capsys.readouterr().out
    assert all(f"? {name}:" in printed for name in ("beta", "threshold_statistic", "lr_scheduler_type", "seed"))


def test_plan_of_the_miniature_says_what_it_cannot_know(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(*parse(["--plan"]))
    assert "no estimate before" in capsys.readouterr().out
