"""`semreward check`: examples, fixtures."""

import pytest

EXAMPLES = [{"completion": "བོད་ཡིག"}, {"completion": "English"}]
LANGUAGE = ["--reward", "named_rewards:language"]


def statuses(out):
    return {line.split()[1]: line.split()[0] for line in out.splitlines()[1:]}


def test_a_sound_reward_passes(run, rows):
    code, out, err = run("check", rows(*EXAMPLES), *LANGUAGE, "--no-spawn")
    assert (code, err) == (0, "")
    assert out.startswith("language_consistency: ")
    assert statuses(out)["spawned_process"] == "skipped"


def test_a_reward_in_a_file_is_found_by_a_new_process(run, rows):
    _, out, _ = run("check", rows(*EXAMPLES), "--reward", "named_rewards.py:language")
    assert statuses(out)["spawned_process"] == "passed"


def test_a_broken_reward_fails(run, rows):
    code, out, _ = run("check", rows(*EXAMPLES), "--reward", "named_rewards:length", "--no-spawn")
    assert (code, statuses(out)["conversational_form"]) == (1, "failed")


def test_only_the_first_rows_are_examples(run, rows):
    source = rows(*EXAMPLES, {"completion": 3})
    assert run("check", source, *LANGUAGE, "--no-spawn", "--examples", 2)[0] == 0


def test_what_one_example_lacks_is_none(run, rows):
    source = rows(
        {"completion": "ཀ་ཁ", "reference": "ཀ་ཁ"}, {"completion": "ང", "reference": "ཀ་ཁ"}, {"completion": "ང"}
    )
    code, out, _ = run("check", source, "--reward", "named_rewards:passing", "--no-spawn")
    assert (code, statuses(out)["missing_value"]) == (0, "passed")


def test_rows_beyond_the_examples_are_not_read(run, home):
    (home / "rows.jsonl").write_text('{"completion": "བོད"}\nnothing\n', encoding="utf-8")
    assert run("check", "rows.jsonl", *LANGUAGE, "--no-spawn", "--examples", 1)[0] == 0


@pytest.mark.parametrize(("expected", "code"), [(1.0, 0), (0.5, 1)])
def test_fixtures_are_compared(run, rows, expected, code):
    fixtures = rows({"completion": "བོད་ཡིག", "expected": expected}, name="fixtures.jsonl")
    found, out, _ = run("check", "--fixtures", fixtures, *LANGUAGE)
    assert (found, statuses(out)["row"]) == (code, "passed" if code == 0 else "failed")
    assert ("but it earned" in out) == bool(code)


def test_examples_and_fixtures_go_together(run, rows):
    fixtures = rows({"completion": "བོད་ཡིག", "expected": 0.0}, name="fixtures.jsonl")
    code, out, _ = run("check", rows(*EXAMPLES), "--fixtures", fixtures, *LANGUAGE, "--no-spawn")
    assert (code, out.count("language_consistency: ")) == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "check needs FILE with examples, --fixtures, or both"),
        (
            ["rows.jsonl", "--fixtures", "nowhere.jsonl"],
            "--fixtures must be a file, and 'nowhere.jsonl' does not exist",
        ),
        (["rows.jsonl", "--tolerance", "-1"], "`tolerance` must be a finite number of at least 0"),
        (["rows.jsonl", "--tolerance", "nan"], "`tolerance` must be a finite number of at least 0"),
        (["--fixtures", "rows.jsonl", "--tolerance", "-1"], "`tolerance` must be a finite number of at least 0"),
        (["reserved.jsonl"], "reserved.jsonl: `examples` at row 1 must not have a column `prompts`"),
        (["number.jsonl"], "number.jsonl: `examples` at row 1 must have a `completion`"),
    ],
)
def test_what_cannot_be_checked_is_told_on_one_line(run, rows, arguments, message):
    rows(*EXAMPLES)
    rows({"completion": "a", "prompts": "a"}, name="reserved.jsonl")
    rows({"completion": 3}, name="number.jsonl")
    code, out, err = run("check", *arguments, *LANGUAGE)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
