import json
from pathlib import Path

import pytest

from tibetan.data import write_rows
from tibetan.results import DRIFT, QUALITY, comparisons, summary, table, write_json

SCORES = {
    "base": {"similarity": {"value": 0.1, "signature": "s"}, "reading": {"exact_match": 80.0}, "drift": None},
    "grpo": {"similarity": {"value": 0.9, "signature": "s"}, "reading": {"exact_match": 79.0}, "drift": None},
}


def test_answers_may_hold_line_separators_of_unicode(tmp_path: Path) -> None:
    for policy, chrf in (("cold_start", 0.5), ("grpo", 0.75)):
        (tmp_path / f"evaluate_{policy}").mkdir()
        row = {"source": "一", "reference": "二", "answer": "two\u2028lines\x85", "chrf": chrf}
        write_rows(tmp_path / f"evaluate_{policy}" / "samples.jsonl", [row, row])
    found = comparisons(tmp_path, {"cold_start": {}, "grpo": {}})
    assert found["RL - cold start"]["chrf"]["difference"] == 0.25


def test_table_has_one_row_a_policy_in_the_order_of_the_story() -> None:
    assert [row["policy"] for row in table(SCORES, QUALITY)] == ["base", "RL"]


def test_table_leaves_out_what_nothing_measured() -> None:
    assert list(table(SCORES, {**QUALITY, **DRIFT})[0]) == ["policy", "similarity"]


def test_summary_tells_mean_and_range_over_seeds() -> None:
    runs = [
        {"models": {"grpo": {"similarity": {"value": value}}}, "settings": {"data": {"task": "translation"}}}
        for value in (0.7, 0.9)
    ]
    found = summary(runs)["grpo"]["similarity"]
    assert found == {"mean": pytest.approx(0.8), "min": 0.7, "max": 0.9, "runs": 2}


def test_file_that_cannot_be_written_whole_leaves_the_old_one(tmp_path: Path) -> None:
    write_json(tmp_path / "results.json", {"seed": 0})
    with pytest.raises(TypeError):
        write_json(tmp_path / "results.json", {"seed": object()})
    assert json.loads((tmp_path / "results.json").read_text()) == {"seed": 0}
