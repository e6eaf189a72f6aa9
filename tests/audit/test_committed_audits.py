import json
import re
from pathlib import Path

import pytest

from semreward.audit import DEFAULT_ATTACKS, AuditReport

ROOT = Path(__file__).parents[2]
AUDITS = sorted((ROOT / "docs" / "audits").glob("*.json"))
PAIRS = [json.loads(line) for line in (ROOT / "benchmarks" / "audit_pairs_en.jsonl").read_text("utf-8").splitlines()]


def report_at(path):
    return AuditReport.from_json(path.read_text(encoding="utf-8"))


def test_two_rewards_are_audited_before_and_after():
    assert [path.stem for path in AUDITS] == [
        "english-paper",
        "english-recommended",
        "miniature-paper",
        "miniature-recommended",
    ]


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_an_audit_tries_all_attacks(path):
    assert [result.name for result in report_at(path).attacks] == [attack.name for attack in DEFAULT_ATTACKS]


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_the_markdown_of_an_audit_is_that_of_its_json(path):
    assert path.with_suffix(".md").read_text(encoding="utf-8") == report_at(path).to_markdown()


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_the_page_of_an_audit_is_small(path):
    assert path.with_suffix(".html").stat().st_size < 300_000


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_an_audit_names_no_path(path):
    assert not re.search(r"/(work|tmp|home|root|Users)/", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("subject", ["english", "miniature"])
def test_attacks_that_still_pay_are_named_with_their_figures(subject):
    summary = (ROOT / "docs" / "audits" / f"{subject}.md").read_text(encoding="utf-8")
    paying = report_at(ROOT / "docs" / "audits" / f"{subject}-recommended.json").with_verdict(
        "beats_weak", "matches_gold"
    )
    assert [
        f"* `{item.name}`: position {item.position:.2f}, wins {item.win_rate:.0%}" in summary for item in paying
    ] == [True for _ in paying]


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
