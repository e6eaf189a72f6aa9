"""`semreward score`: values, order, batches, what is lost and what is not."""

import datetime as dt
import gzip
import io
import json
import sys

import pytest

from doubles import BigramEncoder
from semreward import paper_reward

PAIRS = [("བོད་ཡིག", "བོད་ཡིག"), ("English", "བོད་ཡིག"), ("བོད་སྐད", "བོད་ཡིག")]
ROWS = [{"completion": completion, "reference": reference} for completion, reference in PAIRS]


def scored(text):
    return [json.loads(line) for line in text.splitlines()]


def totals(text):
    return [row["rewards"]["total"] for row in scored(text)]


@pytest.fixture
def stdin(monkeypatch):
    def give(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))

    return give


def test_rows_come_back_in_order_with_each_component_and_the_total(run, rows):
    code, out, _ = run("score", rows(*ROWS), "--reward", "named_rewards:paper")
    expected = paper_reward(BigramEncoder(), "bo", 0.5).breakdown(
        completions=[row["completion"] for row in ROWS], reference=[row["reference"] for row in ROWS]
    )
    assert code == 0
    assert [{key: row[key] for key in row if key != "rewards"} for row in scored(out)] == ROWS
    assert {name: [row["rewards"][name] for row in scored(out)] for name in expected} == {
        name: values.tolist() for name, values in expected.items()
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_size_of_batches_changes_nothing(run, rows, size):
    source = rows(*ROWS * 3)
    whole = totals(run("score", source, "--reward", "named_rewards:paper")[1])
    assert totals(run("score", source, "--reward", "named_rewards:paper", "--batch-size", size)[1]) == pytest.approx(
        whole
    )


def test_a_composite_behind_gates_says_which_gate_failed(run, rows):
    _, out, _ = run("score", rows(*ROWS), "--reward", "named_rewards:gated")
    assert [row["rewards"]["language_consistency/failed"] for row in scored(out)] == [0, 1, 0]


@pytest.mark.parametrize(("name", "expected"), [("length", 3.0), ("awaited", 3.0), ("twice", 6.0)])
def test_any_reward_function_is_scored(run, rows, name, expected):
    assert totals(run("score", rows({"completion": "abc"}), "--reward", f"named_rewards:{name}")[1]) == [expected]


def test_prompts_and_columns_reach_the_reward(run, rows):
    source = rows({"prompt": "a", "completion": "ab", "terms": "b"}, {"prompt": "a", "completion": "ab", "terms": "c"})
    assert totals(run("score", source, "--reward", "named_rewards:prompts_and_terms")[1]) == [1.0, 0.0]


def test_messages_are_completions(run, rows):
    message = [{"role": "assistant", "content": "<think>no</think>བོད་ཡིག"}]
    _, out, _ = run("score", rows({"completion": message}), "--reward", "named_rewards:language")
    assert scored(out) == [{"completion": message, "rewards": {"language_consistency": 1.0, "total": 1.0}}]


def test_none_is_null_and_counted(run, rows):
    source = rows({"completion": "a", "reference": "a"}, {"completion": "a", "reference": None})
    _, out, err = run("score", source, "--reward", "named_rewards:passing")
    assert totals(out) == [pytest.approx(1.0), None]
    assert err.splitlines()[1].split() == ["semantic_similarity", "1.0000", "1.0000", "1.0000", "1.0000", "1"]


def test_a_component_without_any_value_has_no_mean(run, rows):
    _, _, err = run("score", rows({"completion": "a", "reference": None}), "--reward", "named_rewards:passing")
    assert err.splitlines()[-1].split() == ["total", "nan", "nan", "nan", "nan", "1"]


def test_the_summary_has_mean_and_quantiles(run, rows):
    source = rows(*({"completion": "a" * length} for length in range(1, 12)))
    _, _, err = run("score", source, "--reward", "named_rewards:length")
    assert [line.split() for line in err.splitlines()] == [
        ["11", "rows", "mean", "P10", "P50", "P90", "None"],
        ["length", "6.0000", "2.0000", "6.0000", "10.0000", "0"],
        ["total", "6.0000", "2.0000", "6.0000", "10.0000", "0"],
    ]


def test_large_values_stand_apart_in_the_summary(run, rows):
    _, _, err = run("score", rows({"completion": "a" * 10**6}), "--reward", "named_rewards:length")
    assert err.splitlines()[1].split() == ["length", *["1000000.0000"] * 4, "0"]


def test_texts_are_written_as_they_are(run, rows):
    _, out, _ = run("score", rows({"completion": "བོད་ཡིག 😀"}), "--reward", "named_rewards:language")
    assert "བོད་ཡིག 😀" in out


def test_rows_come_from_stdin(run, stdin, home):
    stdin(b'\xef\xbb\xbf{"completion": "abc"}\n\n{"completion": "a"}\n')
    assert totals(run("score", "-", "--reward", "named_rewards:length")[1]) == [3.0, 1.0]


def test_what_is_no_json_on_stdin_is_named(run, stdin, home):
    stdin(b'{"completion": "abc"}\n{"completion": \n')
    code, out, err = run("score", "-", "--reward", "named_rewards:length")
    assert (code, totals(out)) == (2, [3.0])
    assert "stdin: not valid JSON at row 2 (line 2), got '{\"completion\": \\n'" in err


def test_parquet_is_read_and_what_json_does_not_know_is_written_all_the_same(run, home):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"completion": ["abc"], "day": [dt.date(2026, 11, 25)], "loss": [float("nan")]}
    parquet.write_table(arrow.table(columns), "rows.parquet")
    _, out, _ = run("score", "rows.parquet", "--reward", "named_rewards:length")
    assert scored(out)[0] == {
        "completion": "abc",
        "day": "2026-11-25",
        "loss": None,
        "rewards": {"length": 3.0, "total": 3.0},
    }


def test_columns_are_taken_from_others(run, rows):
    source = rows({"answer": "བོད་ཡིག", "bo": "བོད་ཡིག"})
    _, out, _ = run(
        "score", source, "--reward", "named_rewards:paper", "--column", "completion=answer", "--column", "reference=bo"
    )
    assert totals(out) == [pytest.approx(2.5)]


def test_a_column_that_is_not_there_to_be_taken_is_named(run, rows):
    code, _, err = run("score", rows(*ROWS), "--reward", "named_rewards:paper", "--column", "reference=bo")
    assert (code, "must have a column `bo`, got completion, reference at row 1" in err) == (2, True)


def test_rows_may_lack_a_column_that_others_have(run, rows):
    source = rows({"completion": "a", "reference": "a"}, {"completion": "a"})
    assert totals(run("score", source, "--reward", "named_rewards:passing")[1]) == [pytest.approx(1.0), None]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_a_row_that_the_reward_refuses_loses_nothing_before_it(run, rows, size):
    source = rows(*ROWS, {"completion": "a", "reference": 7}, *ROWS)
    code, out, err = run("score", source, "--reward", "named_rewards:paper", "--batch-size", size)
    assert (code, len(totals(out))) == (2, 3)
    assert err.splitlines()[-1] == (
        "semreward: error: rows.jsonl: `reference` must be a string or a list of strings, got '7' (int) at row 4; give "
        "the plain text"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"completion": ', "rows.jsonl: not valid JSON at row 3 (line 3), got '{\"completion\": \\n'"),
        ('{"reference": "a"}', "rows.jsonl must have a column `completion`, got reference at row 3"),
        (
            '{"completion": null}',
            "rows.jsonl: row 3 must have a `completion`, a text or a list of messages, got {'completion': None}",
        ),
        (
            '{"completion": ["a"]}',
            "rows.jsonl: row 3 must have a `completion`, a text or a list of messages, got {'completion': ['a']}",
        ),
        ('{"completion": "a", "rewards": 1}', "rows.jsonl must not have a column `rewards`"),
        ('{"completion": "a", "prompts": "b"}', "rows.jsonl: row 3 must not have a column `prompts`"),
    ],
)
def test_a_row_that_cannot_be_scored_loses_nothing_before_it(run, home, line, message):
    (home / "rows.jsonl").write_text(f'{{"completion": "a"}}\n{{"completion": "b"}}\n{line}\n', encoding="utf-8")
    code, out, err = run("score", "rows.jsonl", "--reward", "named_rewards:length")
    assert (code, totals(out)) == (2, [1.0, 1.0])
    assert err.splitlines()[-1].startswith(f"semreward: error: {message}")


def test_a_damaged_file_loses_nothing_before_the_damage(run, home):
    (home / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"completion": "abc"}\n' * 5)[:-4])
    code, out, err = run("score", "rows.jsonl.gz", "--reward", "named_rewards:length")
    assert (code, totals(out)) == (2, [3.0] * 5)
    assert "cannot be read" in err


def test_a_missing_column_is_told_with_its_remedy(run, rows):
    code, out, err = run("score", rows({"completion": "a"}), "--reward", "named_rewards:paper")
    assert (code, out) == (2, "")
    assert err.startswith("semreward: error: rows.jsonl, row 1: column `reference` is missing")
    assert "--column NAME=COLUMN" in err


def test_a_value_that_is_not_finite_is_refused_with_its_row(run, rows):
    code, out, err = run(
        "score", rows({"completion": "a"}, {"completion": "x"}), "--reward", "named_rewards:not_finite"
    )
    assert (code, totals(out)) == (2, [1.0])
    assert "`not_finite` must return finite values, got nan at row 2" in err


def test_a_failing_reward_keeps_its_traceback_and_names_the_row(run, rows):
    source = rows({"completion": "ab"}, {"completion": "b"}, {"completion": "x"}, {"completion": "c"})
    code, out, err = run("score", source, "--reward", "named_rewards:fails_on_x")
    assert (code, totals(out)) == (3, [2.0, 1.0])
    assert "semreward: the reward failed at row 3 of rows.jsonl:" in err
    assert err.splitlines()[-1] == "KeyError: 'no x'"
    assert err.count("Traceback") == 1


def test_a_reward_that_exits_is_one_that_fails(run, rows):
    code, out, err = run(
        "score", rows({"completion": "a"}, {"completion": "x"}), "--reward", "named_rewards:exits_on_x"
    )
    assert (code, totals(out), err.splitlines()[-1]) == (3, [1.0], "SystemExit: 0")


def test_what_a_reward_prints_stands_on_stderr(run, rows):
    _, out, err = run("score", rows({"completion": "ab"}), "--reward", "named_rewards:prints")
    assert (totals(out), err.splitlines()[0]) == ([2.0], "seen")


def test_what_a_reward_does_to_its_rows_is_not_written(run, rows):
    row = {"completion": [{"role": "assistant", "content": "as it was"}]}
    _, out, _ = run("score", rows(row), "--reward", "named_rewards:changes_its_rows")
    assert scored(out)[0]["completion"] == row["completion"]


def test_rows_that_fail_only_together_are_scored_and_told(run, rows):
    code, out, err = run(
        "score", rows(*({"completion": "ab"},) * 3), "--reward", "named_rewards:fails_on_more_than_one"
    )
    assert (code, totals(out)) == (0, [2.0] * 3)
    assert "rows 1 to 3 failed together (MemoryError('too many')), but not apart" in err


def test_an_unreachable_encoder_is_asked_once(run, rows):
    code, out, err = run("score", rows(*ROWS), "--reward", "named_rewards:unreachable")
    assert (code, out, err) == (2, "", "semreward: error: asked for 3\n")


def test_a_wrong_first_row_shows_before_the_reward_is_looked_for(run, rows):
    code, _, err = run("score", rows({"answer": "a"}), "--encoder", "./nowhere", "--language", "bo", "--threshold", "0")
    assert (code, "must have a column `completion`, got answer at row 1" in err) == (2, True)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_refused(run, home, content):
    (home / "rows.jsonl").write_text(content, encoding="utf-8")
    code, out, err = run("score", "rows.jsonl", "--reward", "named_rewards:length")
    assert (code, out, err) == (2, "", "semreward: error: rows.jsonl must hold at least one row, got none\n")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows"])
def test_a_file_that_does_not_exist_is_named(run, home, name):
    code, _, err = run("score", name, "--reward", "named_rewards:length")
    assert (code, f"data file {name!r} does not exist" in err) == (2, True)


def test_names_that_are_too_long_name_no_file(run, rows):
    code, _, err = run("score", "long" * 100, "--reward", "named_rewards:length")
    assert (code, "longlong' does not exist" in err) == (2, True)


def test_a_name_that_is_given_two_columns_is_an_error(run, rows):
    source = rows({"completion": "a", "one": "a", "two": "b"})
    columns = ["--column", "reference=one", "--column", "reference=two"]
    code, _, err = run("score", source, "--reward", "named_rewards:paper", *columns)
    assert (code, "--column must name each NAME once" in err) == (2, True)
