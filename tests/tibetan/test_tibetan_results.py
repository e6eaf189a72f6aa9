import json
from pathlib import Path

import pytest

from tibetan.results import DRIFT, QUALITY, summary, table, write_json

SCORES = {
    "base": {"similarity": {"value": 0.1, "signature": "s"}, "reading": {"exact_match": 80.0}, "drift": None},
    "grpo": {"similarity": {"value": 0.9, "signature": "s"}, "reading": {"exact_match": 79.0}, "drift": None},
}


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
