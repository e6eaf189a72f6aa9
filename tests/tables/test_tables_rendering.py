"""Tables from cells that were made up: no run is needed to render."""

import json
from pathlib import Path

import pytest

from paper_tables import main, publish
from semreward.errors import ArgumentError
from sweep_cells import cell, write_cells
from tables.cells import read_cells
from tables.rendering import COLUMNS, TABLES, render, render_table, tax_rows
from tables.runner import exact_by_question
from tibetan.arguments import DataArguments

TABLE_1 = TABLES[0]


def row_of(text: str, label: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith(f"| {label} |")]
    return [part.strip() for part in lines[0].strip("|").split("|")]


def test_paper_stands_beside_ours() -> None:
    shown = render_table(TABLE_1, [cell("rl", bleu=0.25, similarity=0.5), cell("cold_start", bleu=0.1)])
    assert row_of(shown, "model") == ["model", "BLEU-4", "*paper*", "similarity", "*paper*"]
    assert row_of(shown, "rl") == ["rl", "0.250 (1)", "0.4519", "0.500 (1)", "0.7164"]
    assert row_of(shown, "cold start") == ["cold start", "0.100 (1)", "0.3953", "–", "0.5593"]


def test_several_seeds_give_mean_interval_and_count() -> None:
    shown = render_table(TABLE_1, [cell(seed=seed, bleu=0.1 * (seed + 1)) for seed in range(3)])
    assert row_of(shown, "rl")[1] == "0.200 ± 0.248 (3)"


def test_column_that_nobody_measured_is_left_out() -> None:
    assert "similarity" not in render_table(TABLE_1, [cell(bleu=0.1)])


def test_table_without_cells_is_left_out() -> None:
    assert render_table(TABLE_1, [cell("rl", task="hg", bleu=0.1)]) == ""


def test_every_base_has_tables_of_its_own(tmp_path: Path) -> None:
    cells = read_cells(write_cells(tmp_path, cell(bleu=0.1), cell(base="B", bleu=0.3)))
    shown = render(cells)
    first, second = shown.split("# Base B")
    assert ("0.100 (1)" in first, "0.300 (1)" in first, "0.300 (1)" in second) == (True, False, True)


def test_all_numbers_of_the_paper_have_a_place_in_a_table() -> None:
    for table in TABLES:
        width = sum(len(COLUMNS[group]) for group in table.columns)
        assert any(table.rows.values())
        assert all(len(values.split()) <= width for values in table.rows.values())


def verdicts(signature: str) -> dict[str, object]:
    return {"wins": {"rl": 30.0, "strong_sft": 20.0}, "ties": 50.0, "signature": signature}


@pytest.mark.parametrize(
    ("judge", "heading"),
    [("pairwise|judge:grammar-parser", "win % (parser, not LLM)"), ("pairwise|judge:gpt", "win %")],
)
def test_judge_that_is_no_llm_is_called_so(tmp_path: Path, judge: str, heading: str) -> None:
    folder = write_cells(
        tmp_path, cell("rl"), cell("strong_sft"), cell("judge", scores=verdicts(judge)), cell("strong_sft", seed=1)
    )
    shown = render(read_cells(folder))
    assert heading in row_of(shown.split("## Table 3")[1], "model")
    assert row_of(shown.split("## Table 3")[1], "rl")[1:3] == ["30.0 (1)", "33.5"]
    assert row_of(shown.split("## Table 3")[1], "strong sft")[1:3] == ["20.0 (1)", "59.2"]


def test_tax_is_told_with_what_could_be_seen() -> None:
    cells = [cell("base", None, correct="1" * 100), *(cell(seed=seed, correct="1" * 80 + "0" * 20) for seed in (0, 1))]
    ((compared, found),) = tax_rows("mt", cells)
    assert (compared, found.estimate.mean, found.discordant, found.items) == ("rl less base", -20.0, 20.0, 100)
    assert found.low < -20 < found.high < 0
    assert "| rl less base | -20.0 ± 0.0 (2) | -28.0 to -12.0 | 20.0 | 12.4 |" in render(cells)


def test_rl_and_strong_sft_are_compared_on_the_seeds_that_both_have() -> None:
    cells = [
        cell("base", None, correct="11"),
        cell("rl", 0, correct="10"),
        cell("strong_sft", 0, correct="00"),
        cell("strong_sft", 1, correct="11"),
    ]
    rows = {compared: found.estimate for compared, found in tax_rows("mt", cells)}
    assert rows["rl less strong sft"] == (50.0, None, 1)
    assert rows["strong sft less base"].seeds == 2


def test_render_needs_nothing_but_the_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cells(tmp_path, cell(bleu=0.25))
    main(["--output_dir", str(tmp_path), "--render"])
    assert "| rl | 0.250 (1) | 0.4519 |" in capsys.readouterr().out
    assert (tmp_path / "tables.md").read_text(encoding="utf-8") == publish(tmp_path)


def test_no_cells_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="must hold results in `cells`, got none"):
        read_cells(tmp_path)


def test_broken_cell_is_named(tmp_path: Path) -> None:
    path = cell().write(tmp_path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ArgumentError, match="seed-0.json must be a cell"):
        read_cells(tmp_path)


def test_answers_are_right_or_wrong_in_the_order_of_the_questions(tmp_path: Path) -> None:
    questions = [{"id": name, "question": "？", "answers": [{"text": "北京"}]} for name in ("a", "b", "c", "d")]
    squad = {"data": [{"paragraphs": [{"context": "他在北京。", "qas": questions}]}]}
    (tmp_path / "squad.json").write_text(json.dumps(squad), encoding="utf-8")
    (tmp_path / "answers.json").write_text(json.dumps({"c": "北京。", "a": "北京", "b": "上海"}), encoding="utf-8")
    data = DataArguments(reading_data=str(tmp_path / "squad.json"))
    assert exact_by_question(tmp_path / "answers.json", data) == "1010"


def test_without_a_reading_test_nothing_is_right_or_wrong(tmp_path: Path) -> None:
    assert exact_by_question(tmp_path / "none.json", DataArguments()) == ""
