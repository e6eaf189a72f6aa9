"""`semreward calibrate`: what it prints and writes, and which files it refuses."""

import re
from pathlib import Path

import pytest

from doubles import BigramEncoder
from semreward import Calibration, calibrate, ranking

SAMPLES = ["ab", "abc", "xy", "xyz"]
REFERENCES = ["abd", "abd", "xyy", "xyy"]
ROWS = [{"completion": sample, "reference": text} for sample, text in zip(SAMPLES, REFERENCES, strict=True)]


def measured(**options):
    return calibrate(BigramEncoder(), SAMPLES, REFERENCES, **options)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--samples-per-prompt", 2], {"samples_per_prompt": 2}),
        (["--group-size", 3], {"group_size": 3}),
        (["--no-mismatched"], {"mismatched": False}),
        (["--statistic", "youden"], {"statistic": "youden"}),
        (["--statistic", "0.25"], {"statistic": 0.25}),
    ],
)
def test_the_calibration_is_printed_and_saved(run, rows, home, arguments, options):
    command = ["calibrate", rows(*ROWS), "--reward", "named_rewards:similarity", "--out", "tau.json", *arguments]
    code, out, err = run(*command)
    assert (code, out, err) == (0, f"{measured(**options)}\n", "")
    assert Calibration.load(home / "tau.json") == measured(**options)


def test_without_a_file_it_is_only_printed(run, rows, home):
    source = rows(*ROWS)
    before = set(home.iterdir())
    code, _, _ = run("calibrate", source, "--reward", "named_rewards:similarity")
    assert code == 0
    assert {path.suffix for path in set(home.iterdir()) - before} <= {""}


@pytest.mark.parametrize(
    ("found", "arguments", "message"),
    [
        (ROWS[:3], ["--samples-per-prompt", 2], "rows.jsonl: `completions` must hold 2 samples of each prompt, got 3"),
        (
            [ROWS[0], ROWS[2], ROWS[1], ROWS[3]],
            ["--samples-per-prompt", 2],
            "rows.jsonl: `references` must repeat a prompt's for its 2 samples, side by side, but that of row 2",
        ),
        (ROWS[:2], [], "that of row 1 shares a text with all others"),
        ([*ROWS, {"completion": "a"}], [], "rows.jsonl must have a column `reference`, got completion at row 5"),
        ([*ROWS, {"completion": "a", "reference": " "}], [], "got ' ' at row 5"),
        ([*ROWS, {"completion": 3, "reference": "a"}], [], "rows.jsonl: `completions` at row 5"),
        ([{"reference": "a"}], [], "rows.jsonl must have a column `completion`"),
        (ROWS, ["--group-size", 5], "`group_size` must be a whole number from 2 to 4"),
        (ROWS, ["--statistic", "mode"], "`statistic` must be 'mean', 'median', 'youden' or a quantile"),
        (ROWS, ["--reward", "named_rewards:paper"], "must be a SemanticSimilarityReward to calibrate it"),
        (ROWS, ["--out", "nowhere/tau.json"], "--out must name a file that may be written, in an existing folder"),
        (ROWS, ["--out", "rows.jsonl"], "--out must not be a file that is read"),
    ],
)
def test_what_cannot_be_calibrated_is_told_on_one_line(run, rows, found, arguments, message):
    code, out, err = run("calibrate", rows(*found), "--reward", "named_rewards:similarity", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_counts_are_whole_numbers_from_1(run, rows, value):
    with pytest.raises(SystemExit, match="2"):
        run("calibrate", rows(*ROWS), "--reward", "named_rewards:similarity", "--samples-per-prompt", value)


def test_no_file_that_is_read_is_written_over(run, rows, home):
    target = home / "named_rewards.py"
    code, _, err = run("calibrate", rows(*ROWS), "--reward", "named_rewards.py:similarity", "--out", target)
    assert (code, "--out must not be a file that is read" in err) == (2, True)
    tau = rows({}, name="tau.json")
    arguments = ["--encoder", "a", "--language", "bo", "--threshold", tau, "--out", tau]
    assert "--out must not be a file that is read" in run("audit", rows(*ROWS), *arguments)[2]


def test_a_file_that_may_not_be_written_shows_before_anything_is_measured(run, rows, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    code, out, err = run("calibrate", rows(*ROWS), "--reward", "named_rewards:similarity", "--out", "tau.json")
    assert (code, out, "--out must name a file that may be written" in err) == (2, "", True)


def test_a_name_that_is_too_long_is_told(run, rows):
    code, _, err = run("calibrate", rows(*ROWS), "--reward", "named_rewards:similarity", "--out", "long" * 100)
    assert (code, "--out cannot be written: [Errno " in err) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the file that is always full")
def test_a_full_disk_is_told_on_one_line(run, rows):
    code, _, err = run("calibrate", rows(*ROWS), "--reward", "named_rewards:similarity", "--out", "/dev/full")
    assert code == 2
    assert err.startswith("semreward: error: --out cannot be written: [Errno 28] No space left on device")


# Grades.

GRADED = [{**row, "prompt": row["reference"], "points": grade} for row, grade in zip(ROWS, (2, 1, 3, 1), strict=True)]


def ranked():
    rows = [(row["prompt"], row["completion"], row["reference"], row["points"]) for row in GRADED]
    return ranking(BigramEncoder(), rows)


def test_grades_show_how_the_encoder_ranks_the_answers_to_a_prompt(run, rows, home):
    command = ["calibrate", rows(*GRADED), "--reward", "named_rewards:similarity", "--grades", "points"]
    assert run(*command) == (0, f"{measured()}\n\n{ranked()}\n", "")


def test_grades_may_be_texts_and_missing(run, home):
    table = "".join(f"{row['prompt']}\t{row['completion']}\t{row['reference']}\t{row['points']}\n" for row in GRADED)
    Path("rows.tsv").write_text(f"prompt\tcompletion\treference\tpoints\n{table}xyy\txyzz\txyy\t\nxyy\txyz\txyy\t \n")
    code, out, _ = run("calibrate", "rows.tsv", "--reward", "named_rewards:similarity", "--grades", "points")
    assert (code, out.partition("\n\n")[2]) == (0, f"{ranked()}\n")


def test_only_grades_of_one_rater_are_compared(run, rows, home):
    found = [{**row, "rater": rater} for row in GRADED for rater in ("one", "other")]
    found[0]["points"] = 0  # by another rater than the second grade of this answer
    code, out, _ = run("calibrate", rows(*found), "--reward", "named_rewards:similarity", "--grades", "points")
    assert (code, "of 4 pairs in 2 prompts" in out) == (0, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": "3,5"}, "rows.jsonl: `groups` must hold numbers or None as grades, got '3,5' at row 2"),
        ({"prompt": None}, "rows.jsonl: `prompts` must be a text or a list of messages, got None at row 2"),
        ({"points": 2}, "rows.jsonl: `groups` must hold 2 prompts with unequal grades by a rater, got 1"),
    ],
)
def test_rows_that_cannot_be_ranked_are_refused_and_lose_no_threshold(run, rows, home, change, message):
    found = rows(*[GRADED[0], {**GRADED[1], **change}, *GRADED[2:]])
    options = ["--reward", "named_rewards:similarity", "--grades", "points", "--out", "tau.json"]
    code, out, err = run("calibrate", found, *options)
    assert (code, out, Calibration.load("tau.json")) == (2, f"{measured()}\n", measured())
    assert re.search(message, err)


def test_grades_need_a_prompt(run, rows, home):
    code, _, err = run("calibrate", rows({**ROWS[0], "points": 1}), "--encoder", "-", "--grades", "points")
    assert (code, "must have a column `prompt`" in err) == (2, True)
