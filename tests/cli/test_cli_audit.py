"""`semreward audit`: report, files, exit code."""

import pytest

from doubles import BigramEncoder
from semreward import audit_reward, paper_reward

ROWS = [
    {"reference": "ཞིང་པས་ཁྲོམ་ལ་ཤིང་འབྲས་གསུམ་བཙོངས།", "source": "农民在市场卖了三个水果。", "weak": "ཞིང་པས་བཙོངས།"},
    {"reference": "ང་ལ་དེབ་ཡོད།", "source": "我有书。", "weak": "དེབ་ཡོད།"},
]
PAPER = ["--reward", "named_rewards:paper"]


@pytest.fixture(scope="module")
def report():
    return audit_reward(paper_reward(BigramEncoder(), "bo", 0.5), ROWS, language="bo")


def test_the_report_is_printed_and_its_findings_are_told(run, rows, report):
    code, out, err = run("audit", rows(*ROWS), *PAPER, "--language", "bo")
    assert (code, out) == (1, f"{report}\n")
    assert err.splitlines() == [f"finding: {line}" for line in report.failures()]


def test_without_a_language_attacks_that_need_a_table_are_not_tested(run, rows):
    _, out, _ = run("audit", rows(*ROWS), *PAPER)
    assert "2 rows, language und" in out


def test_endings_say_how_reports_are_written(run, rows, home, report):
    run("audit", rows(*ROWS), *PAPER, "--language", "bo", "--out", "a.json", "--out", "a.md")
    assert (home / "a.json").read_text(encoding="utf-8") == report.rendered(".json")
    assert (home / "a.md").read_text(encoding="utf-8") == report.rendered(".md")


def test_html_is_written(run, rows, home):
    run("audit", rows(*ROWS), *PAPER, "--language", "bo", "--out", "a.html")
    assert (home / "a.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["empty=beats_weak"], 0),
        (["form=matches_gold", "empty=0.0"], 0),
        (["shuffled=beats_weak"], 1),
        (["shuffled=0.01", "empty=beats_weak"], 1),
        (["prompt_copy=beats_weak"], 1),
        (["beats_weak"], 1),
        (["matches_gold"], 0),
    ],
)
def test_rules_decide_the_exit_code(run, rows, report, rules, expected):
    code, _, err = run("audit", rows(*ROWS), *PAPER, "--language", "bo", *(f"--fail-on={rule}" for rule in rules))
    assert (code, bool(err)) == (expected, bool(expected))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail-on", "forms=beats_weak"], "`fail_on` names 'forms', which is no attack"),
        (["--fail-on", "form=beat"], "`fail_on` must name a verdict"),
        (["--fail-on", "form=2"], "or a win rate in [0, 1]; got 2.0"),
        (["--fail-on", "harmless"], "`fail_on` must name a verdict"),
        (["--fail-on", "form=0.1", "--fail-on", "beats_weak"], "`fail_on` names 'beats_weak', which is no attack"),
        (["--fail-on", "form=beats_weak", "--fail-on", "form=0.5"], "--fail-on must name each attack or kind once"),
        (["--out", "a.txt"], "--out must end in .json, .md, .html; got 'a.txt'"),
        (["--out", "nowhere/a.md"], "--out must name a file that may be written, in an existing folder"),
        (["--threshold", "0.5"], "--threshold goes with --encoder"),
    ],
)
def test_what_is_wrong_shows_before_anything_is_audited(run, rows, arguments, message):
    code, out, err = run("audit", rows(*ROWS), "--reward", "named_rewards:paper", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"weak": "a"}, "rows.jsonl must have a column `reference`, got weak at row 3"),
        ({"reference": ""}, "rows.jsonl: `reference` must be a non-empty string or a list of them, got '' at row 3"),
        ({"reference": "a", "weak": 3}, "rows.jsonl: `weak` must be a text or None, got '3' at row 3"),
        ({"reference": "a", "completions": "b"}, "rows.jsonl: `pairs` must not have the column 'completions'"),
    ],
)
def test_a_row_that_cannot_be_audited_is_named(run, rows, row, message):
    code, out, err = run("audit", rows(*ROWS, row), *PAPER)
    assert (code, out) == (2, "")
    assert message in err


def test_a_row_that_the_reward_refuses_is_named(run, rows):
    found = [{"reference": f"text {number}", "terms": "some"} for number in range(6)]
    found[4]["terms"] = None
    _, _, err = run("audit", rows(*found), "--reward", "named_rewards:asks_for_terms")
    assert err == "semreward: error: rows.jsonl: `terms` must be given, got None at row 5\n"


def test_an_answer_that_the_reward_refuses_is_no_row(run, rows):
    _, _, err = run("audit", rows(*ROWS), "--reward", "named_rewards:refuses_blanks")
    assert err == ("semreward: error: rows.jsonl: a blank answer at row 0 (of the answers of an attack, from 0)\n")


def test_weak_answers_may_be_samples(run, rows):
    found = [{"reference": row["reference"], "completion": row["weak"]} for row in ROWS]
    _, out, _ = run("audit", rows(*found), *PAPER, "--column", "weak=completion")
    assert "made from the reference" not in out
