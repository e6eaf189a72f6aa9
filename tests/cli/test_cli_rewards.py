"""Which reward a command line means, and how it says that it means none."""

import json
import re

import pytest

from semreward import SemanticSimilarityReward, SentenceTransformerEncoder, paper_reward
from semreward.calibration import calibrate_threshold

ROW = {"completion": "བོད་ཡིག", "reference": "བོད་ཡིག"}


def total(out):
    return json.loads(out)["rewards"]["total"]


@pytest.mark.parametrize(
    "target",
    [
        "named_rewards:language",
        "named_rewards.py:language",
        "./named_rewards.py:language",
        "named_rewards:Holder.reward",
    ],
)
def test_a_reward_is_named_by_module_or_file(run, rows, target):
    code, out, _ = run("score", rows(ROW), "--reward", target)
    assert (code, total(out)) == (0, 1.0)


def test_a_file_finds_its_neighbours(run, rows, home):
    folder = home / "there"
    folder.mkdir()
    (folder / "neighbour.py").write_text("VALUE = 4.0\n", encoding="utf-8")
    text = "import neighbour\ndef reward(completions, **columns):\n    return [neighbour.VALUE for _ in completions]\n"
    (folder / "with-a-neighbour.py").write_text(text, encoding="utf-8")
    assert total(run("score", rows(ROW), "--reward", "there/with-a-neighbour.py:reward")[1]) == 4.0


def test_a_file_in_a_package_is_imported_in_it(run, rows, home):
    folder = home / "outer" / "inner"
    folder.mkdir(parents=True)
    (home / "outer" / "__init__.py").write_text("VALUE = 4.0\n", encoding="utf-8")
    (folder / "__init__.py").write_text("", encoding="utf-8")
    text = "from .. import VALUE\ndef reward(completions, **columns):\n    return [VALUE for _ in completions]\n"
    (folder / "relative.py").write_text(text, encoding="utf-8")
    assert total(run("score", rows(ROW), "--reward", "outer/inner/relative.py:reward")[1]) == 4.0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere:reward", "--reward names the module 'nowhere', and there is no 'nowhere' in this folder"),
        ("nowhere.inside:reward", "there is no 'nowhere' in this folder"),
        ("semreward.inside:reward", "there is no 'semreward.inside' in this folder"),
        ("nowhere.py:reward", "--reward names the file 'nowhere.py', which does not exist"),
        ("long" * 100 + ".py:reward", "longlong.py', which does not exist"),
        ("named_rewards:reward", "--reward names 'reward', which named_rewards does not have"),
        ("named_rewards.py:paper.reward", "--reward names 'paper.reward', which named_rewards.py does not have"),
        ("named_rewards:number", "--reward must name a function that takes `completions`, got int 'number'"),
        ("named_rewards:Holder", "--reward must name a function that takes `completions`, got type 'Holder'"),
        ("semreward:paper_reward", "takes `completions`, got function 'paper_reward'; if it makes a reward, call it"),
        ("named_rewards", "--reward must be module:attribute or path/to/file.py:attribute, got 'named_rewards'"),
        ("named_rewards:", "--reward must be module:attribute or path/to/file.py:attribute"),
        (":paper", "--reward must be module:attribute or path/to/file.py:attribute"),
        (".named_rewards:paper", "--reward must be module:attribute or path/to/file.py:attribute"),
    ],
)
def test_what_names_no_reward_is_told_on_one_line(run, rows, target, message):
    code, out, err = run("score", rows(ROW), "--reward", target)
    assert (code, out) == (2, "")
    assert err.startswith("semreward: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_file_that_is_called_like_another_module_is_refused(run, rows, home):
    (home / "json.py").write_text("def reward(completions, **columns): ...\n", encoding="utf-8")
    code, _, err = run("score", rows(ROW), "--reward", "json.py:reward")
    assert (code, "but another module is called 'json'" in err) == (2, True)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("import not_installed\n", "ModuleNotFoundError: No module named 'not_installed'"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("int('x')\n", "ValueError"),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    ],
)
def test_a_module_that_fails_keeps_its_traceback(run, rows, home, text, last):
    (home / "failing.py").write_text(text, encoding="utf-8")
    code, _, err = run("score", rows(ROW), "--reward", "failing:reward")
    assert code == 3
    assert err.splitlines()[-1].startswith(last)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reward", "named_rewards:paper", "--threshold", "0.5"], "--threshold goes with --encoder"),
        (["--reward", "named_rewards:paper", "--language", "bo"], "--language goes with --encoder"),
        (["--encoder", "a", "--language", "bo"], "--encoder needs --threshold"),
        (["--encoder", "a", "--threshold", "0.5"], "--encoder needs --language"),
        (["--encoder", "a", "--language", "bo", "--threshold", "0,5"], "--threshold must be a number or the file"),
        (["--encoder", "a", "--language", "bo", "--threshold", "{" * 300], "--threshold must be a number or the file"),
        (["--encoder", "a", "--language", "bo", "--threshold", "1"], "`threshold` must be"),
        (["--encoder", "a", "--language", "bo", "--threshold", "named_rewards.py"], "must be a saved calibration"),
        (["--encoder", "a", "--language", "qqq", "--threshold", "0.5"], "qqq"),
        (["--encoder", "./a", "--language", "bo", "--threshold", "0.5"], "must be a hub id or an existing folder"),
    ],
)
def test_options_that_do_not_go_together_are_told(run, rows, arguments, message):
    code, out, err = run("score", rows(ROW), *arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("arguments", [[], ["--reward", "a:b", "--encoder", "c"]])
def test_one_of_reward_and_encoder_is_asked_for(run, rows, arguments):
    with pytest.raises(SystemExit, match="2"):
        run("score", rows(ROW), *arguments)


def test_a_folder_that_holds_no_working_model_is_told_on_one_line(run, rows, home):
    (home / "broken").mkdir()
    (home / "broken" / "config.json").write_text("{}", encoding="utf-8")
    arguments = ["--encoder", "./broken", "--language", "bo", "--threshold", "0.5"]
    code, _, err = run("score", rows(ROW), *arguments)
    assert code == 2
    assert re.fullmatch(r"semreward: error: the encoder in '.*broken' does not load: .*", err.splitlines()[-1])


def test_a_hub_id_that_cannot_be_loaded_is_told_on_one_line(run, rows):
    code, _, err = run("score", rows(ROW), "--encoder", "no/such-model", "--language", "bo", "--threshold", "0.5")
    assert code == 2
    assert err.splitlines()[-1].startswith("semreward: error: --encoder must be a folder with a model or a hub id; ")


def test_an_encoder_with_language_and_threshold_is_the_papers_reward(run, rows, encoder_folder, captions):
    found = [{"completion": bo, "reference": captions[0][1]} for _, bo in captions[:4]]
    arguments = ["--encoder", encoder_folder, "--language", "bo", "--threshold", "0.3"]
    _, out, _ = run("score", rows(*found), *arguments)
    reward = paper_reward(SentenceTransformerEncoder(str(encoder_folder)), "bo", 0.3)
    expected = reward(completions=[bo for _, bo in captions[:4]], reference=[captions[0][1]] * 4)
    assert [total(line) for line in out.splitlines()] == pytest.approx(expected)


def test_a_written_calibration_is_a_threshold(run, rows, encoder_folder, captions, home):
    found = [{"completion": captions[place + 1][1], "reference": captions[place][1]} for place in range(6)]
    source = rows(*found)
    run("calibrate", source, "--encoder", encoder_folder, "--out", "tau.json")
    code, out, err = run("score", source, "--encoder", encoder_folder, "--language", "bo", "--threshold", "tau.json")
    assert (code, "warning" in err) == (0, False)
    threshold = json.loads((home / "tau.json").read_text(encoding="utf-8"))["threshold"]
    reward = SemanticSimilarityReward(SentenceTransformerEncoder(str(encoder_folder)), threshold=threshold)
    expected = reward(completions=[row["completion"] for row in found], reference=[row["reference"] for row in found])
    assert [json.loads(line)["rewards"]["semantic_similarity"] for line in out.splitlines()] == pytest.approx(expected)


@pytest.mark.filterwarnings("default::semreward.errors.CalibrationMismatchWarning")
def test_a_calibration_of_another_encoder_warns_on_one_line(run, rows, encoder_folder, home):
    calibrate_threshold([0.1, 0.2], encoder_fingerprint="another").save(home / "tau.json")
    arguments = ["--encoder", encoder_folder, "--language", "bo", "--threshold", "tau.json"]
    code, _, err = run("score", rows(ROW), *arguments)
    warnings = [line for line in err.splitlines() if "calibrated" in line]
    assert code == 0
    assert [line.partition(" with")[0] for line in warnings] == ["semreward: warning: `threshold` was calibrated"]
