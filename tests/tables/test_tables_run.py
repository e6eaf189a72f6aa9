"""A whole sweep in its smallest size: interrupted, gone on with, planned, and drawn."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import paper_tables
import tradeoff
from tables.cells import read_cell, read_cells
from tables.conditions import Condition, paper_conditions
from tables.planning import detectable_text, steps
from tables.rendering import TABLES
from tables.runner import Bench, run_cell
from tables.sweep import CONFIGS, Sweep, read_sweep

SMOKE = CONFIGS / "tables_smoke.yaml"
CELLS_BEFORE_INTERRUPTION = 4


class SweepStoppedError(Exception):
    """What stops a sweep half-way."""


@dataclasses.dataclass
class Ran:
    """What a sweep left.

    Attributes:
        folder: Where.
        first: Times of the stages that were finished when it was interrupted.
        last: Times of all stages at the end of `paper_tables.py`.
        drawn: Times of all stages after `tradeoff.py`, too.
    """

    folder: Path
    first: dict[str, int]
    last: dict[str, int]
    drawn: dict[str, int]


def stage_times(folder: Path) -> dict[str, int]:
    return {str(path.parent.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("stage.json")}


def interrupted(folder: Path) -> None:
    done = 0

    def stopping(bench: Bench, seed: int, condition: Condition) -> None:
        nonlocal done
        if done == CELLS_BEFORE_INTERRUPTION:
            raise SweepStoppedError
        done += 1
        run_cell(bench, seed, condition)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper_tables, "run_cell", stopping)
        with pytest.raises(SweepStoppedError):
            paper_tables.main(["--config", str(SMOKE), "--output_dir", str(folder)])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("sweep") / "smoke"
    arguments = ["--config", str(SMOKE), "--output_dir", str(folder)]
    interrupted(folder)
    first = stage_times(folder)
    paper_tables.main(arguments)
    last = stage_times(folder)
    tradeoff.main(arguments)
    return Ran(folder, first, last, stage_times(folder))


@pytest.fixture(scope="module")
def sweep(ran: Ran) -> Sweep:
    return read_sweep(SMOKE, output_dir=str(ran.folder))


def conditions(sweep: Sweep) -> list[Condition]:
    return paper_conditions(sweep)


def test_what_stood_at_the_interruption_is_not_done_again(ran: Ran) -> None:
    assert len(ran.first) > CELLS_BEFORE_INTERRUPTION
    assert ran.first.items() <= ran.last.items()
    assert len(ran.last) > len(ran.first)


def test_every_condition_leaves_one_cell(ran: Ran, sweep: Sweep) -> None:
    expected = {(one.task, one.name) for one in conditions(sweep)}
    files = list((ran.folder / "cells").rglob("*.json"))
    found = {(cell.task, cell.condition) for cell in map(read_cell, files)}
    assert expected | {("mt", "judge"), ("hg", "judge")} <= found
    assert len(found) == len(files)


def test_tables_1_to_6_are_rendered(ran: Ran) -> None:
    tables = (ran.folder / "tables.md").read_text(encoding="utf-8")
    assert all(table.title in tables for table in TABLES)
    assert "win % (parser, not LLM)" in tables
    assert "8 questions, answered by both policies" in tables


def test_rendering_again_gives_the_same_tables(ran: Ran) -> None:
    before = (ran.folder / "tables.md").read_text(encoding="utf-8")
    (ran.folder / "tables.md").unlink()
    shared = [path for path in (ran.folder / "cells").rglob("*.json") if "rate_" in str(path)]
    contents = {path: path.read_text(encoding="utf-8") for path in shared}
    for path in shared:
        path.unlink()  # the trade-off's own cells, which only raise the count
    after = paper_tables.publish(ran.folder)
    for path, content in contents.items():
        path.write_text(content, encoding="utf-8")
    assert after == before


def test_tradeoff_trains_only_what_the_tables_have_not(ran: Ran) -> None:
    assert ran.last.items() <= ran.drawn.items()
    new = {name.rsplit("/", 1)[1].removeprefix("evaluate_") for name in ran.drawn.keys() - ran.last.keys()}
    assert new == {
        "sft_rate_1_length_2",
        "grpo_rate_1_length_2",
        "replay_rate_1_length_1",
        "replay_rate_1_length_2",
    }
    assert "| GRPO | 1 | 2 |" in (ran.folder / "tradeoff_mt.md").read_text(encoding="utf-8")


def settings_of(ran: Ran, stage: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((ran.folder / "A" / "seed-0" / stage / "stage.json").read_text())
    return record


def test_factors_reach_the_training(ran: Ran) -> None:
    plain, hard = (settings_of(ran, f"mt/{name}")["settings"] for name in ("strong_sft", "forgetting_sft"))
    assert hard["sft_learning_rate"] == pytest.approx(3 * plain["sft_learning_rate"])
    assert hard["strong_sft_epochs"] == 2 * plain["strong_sft_epochs"]
    plain, long = (settings_of(ran, f"mt/{name}")["settings"] for name in ("rl", "grpo_rate_1_length_2"))
    assert long["max_steps"] == 2 * plain["max_steps"]


def test_ablation_pays_what_it_says(ran: Ran) -> None:
    import re

    def paid(name: str) -> dict[str, float]:
        signature = settings_of(ran, f"mt/{name}")["settings"]["reward"]
        log = json.loads((ran.folder / "A" / "seed-0" / "mt" / name / "log.json").read_text())
        assert re.search(r"composite", signature)
        return {key: value for line in log for key, value in line.items() if key.endswith("/mean") or key == "reward"}

    logged = paid("rl_bleu_language")
    assert logged["reward"] == pytest.approx(1.5 * logged["bleu/mean"] + logged["language_consistency/mean"], abs=1e-4)
    logged = paid("rl_embedding")
    assert logged["reward"] == pytest.approx(1.5 * logged["semantic_similarity/mean"], abs=1e-4)


def test_transfer_goes_on_from_the_translation_policies(ran: Ran) -> None:
    starts = {name: set(settings_of(ran, f"hg/transfer_{name}")["inputs"]) for name in ("base", "sft", "rl")}
    data = "seed-0/hg/data"
    assert starts == {"base": {data}, "sft": {data, "seed-0/mt/strong_sft"}, "rl": {data, "seed-0/mt/rl"}}
    assert settings_of(ran, "hg/transfer_rl")["settings"]["rows"] == 8


def test_replay_adds_its_share_of_rows(ran: Ran) -> None:
    plain, replayed = (settings_of(ran, f"mt/{name}")["settings"] for name in ("strong_sft", "replay_rate_1_length_1"))
    assert replayed["rows"] == round(plain["rows"] / (1 - 0.15))


def test_plan_names_every_stage_that_runs_and_sees_that_it_stands(ran: Ran, sweep: Sweep) -> None:
    planned = steps(sweep, conditions(sweep), judged=["mt", "hg"])
    assert {step.name for step in planned} == set(ran.last)
    assert all(step.done for step in planned)


def test_plan_of_what_has_not_run_estimates_every_stage(tmp_path: Path) -> None:
    sweep = read_sweep(SMOKE, output_dir=str(tmp_path))
    planned = steps(sweep, conditions(sweep), judged=["mt"])
    assert not any(step.done for step in planned)
    assert all(step.seconds is not None and step.seconds >= 0 for step in planned)


def test_plan_tells_the_smallest_tax_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper_tables.main(["--output_dir", str(tmp_path / "none"), "--plan"])
    output = capsys.readouterr().out
    assert detectable_text(2500) in output
    assert "1.8 points at 10% discordant answers" in output
    assert not (tmp_path / "none").exists()


def test_plan_on_gpus_needs_no_gpu_and_gives_no_times(capsys: pytest.CaptureFixture[str]) -> None:
    paper_tables.main(["--config", str(CONFIGS / "tables_paper.yaml"), "--plan"])
    output = capsys.readouterr().out
    assert "?  Qwen3-4B/seed-0/mt/rl" in output
    assert "hours" not in output


def test_cells_of_all_seeds_and_bases_are_read(ran: Ran) -> None:
    cells = read_cells(ran.folder)
    assert {(cell.base, cell.seed) for cell in cells} == {("A", 0), ("A", None)}
