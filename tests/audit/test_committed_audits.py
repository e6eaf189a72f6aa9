import json
import re
from pathlib import Path

import pytest

from semreward.audit import DEFAULT_ATTACKS
from semreward.audit.results import SCHEMA

ROOT = Path(__file__).parents[2]
AUDITS = sorted((ROOT / "docs" / "audits").glob("*.json"))
PAIRS = [json.loads(line) for line in (ROOT / "benchmarks" / "audit_pairs_en.jsonl").read_text("utf-8").splitlines()]


def report_at(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_two_rewards_are_audited_before_and_after():
    assert [path.stem for path in AUDITS] == [
        "english-paper",
        "english-recommended",
        "miniature-paper",
        "miniature-recommended",
    ]


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_an_audit_tries_all_attacks(path):
    report = report_at(path)
    assert report["schema"] == SCHEMA
    assert [item["description"] for item in report["attacks"]] == [attack.description for attack in DEFAULT_ATTACKS]


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_the_markdown_of_an_audit_has_the_means_of_its_json(path):
    text = path.with_suffix(".md").read_text(encoding="utf-8").replace(" ", "")
    lines = [f"|{item['name']}|{item['kind']}|{item['applied']}|" for item in report_at(path)["attacks"]]
    means = ["–" if item["mean"] is None else f"{item['mean']:.4g}" for item in report_at(path)["attacks"]]
    assert [line for line, mean in zip(lines, means, strict=True) if f"{line}{mean}|" not in text] == []


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_an_audit_names_no_path(path):
    assert not re.search(r"/(work|tmp|home|root|Users)/", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("subject", ["english", "miniature"])
def test_attacks_that_still_pay_are_named_with_their_figures(subject):
    summary = (ROOT / "docs" / "audits" / f"{subject}.md").read_text(encoding="utf-8")
    attacks = report_at(ROOT / "docs" / "audits" / f"{subject}-recommended.json")["attacks"]
    paying = [item for item in attacks if item["verdict"] in ("beats_weak", "matches_gold")]
    figures = [f"* `{item['name']}`: position {item['position']:.2f}, wins {item['win_rate']:.0%}" for item in paying]
    assert [line for line in figures if line not in summary] == []


def test_the_document_explains_every_attack():
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert [attack.name for attack in DEFAULT_ATTACKS if f"| `{attack.name}` |" not in text] == []


def test_the_english_rows_are_forty():
    assert len({row["reference"] for row in PAIRS}) == 40


@pytest.mark.parametrize("column", ["source", "reference", "paraphrase", "weak", "other_language"])
def test_every_english_row_has_all_texts(column):
    assert all(row[column].strip() for row in PAIRS)


@pytest.mark.parametrize("column", ["entities", "roles"])
def test_what_an_english_row_names_stands_in_its_reference(column):
    assert all(name in row["reference"] for row in PAIRS for name in row.get(column, ()))
