"""A plan of the recipe looks at what a run would read, and fails with all problems at once."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from semreward.errors import ArgumentError
from tibetan import data as recipe
from tibetan.arguments import DataArguments, parse
from tibetan.preflight import preflight

SQUAD = {
    "data": [
        {
            "paragraphs": [
                {"context": "他在北京。", "qas": [{"id": "q", "question": "在哪里？", "answers": [{"text": "北京"}]}]}
            ]
        }
    ]
}


CONFIG = str(Path(__file__).parents[2] / "examples" / "configs" / "paper_mt.yaml")


@pytest.fixture
def plan(written, policy_folder, encoder_folder, captions, capsys):
    """Looks at a plan, by default one without a fault; returns what it prints."""
    train = "bo\tzh\n" + "".join(f"{bo}\t{zh}\n" for zh, bo in captions[:50])
    test = "bo\tzh\n" + "".join(f"{bo}\t{zh}\n" for zh, bo in captions[50:])

    def look(**changes):
        given = {
            "train_data": written("train.tsv", train),
            "test_data": written("test.tsv", test),
            "encoder_pairs": written("pairs.tsv.gz", gzip.compress(train.encode())),
            "reading_data": written("squad.json", json.dumps(SQUAD)),
            "drift_data": written("drift.jsonl", json.dumps({"text": "一"})),
            "model_name_or_path": policy_folder,
            "encoder": encoder_folder,
            "held_out_encoder": encoder_folder,
            "cold_start_size": 20,
            "calibration_size": 10,
            **changes,
        }
        arguments = [part for name, value in given.items() if value is not None for part in (f"--{name}", str(value))]
        capsys.readouterr()
        preflight(parse(["--config", CONFIG, "--plan", *arguments])[0])
        return capsys.readouterr().out

    return look


def test_a_sound_plan_counts_rows_and_shows_three_prompts(plan):
    printed = plan()
    assert "train.tsv: 50 rows read, 50 kept, dropped: none" in printed
    assert "rl: 20" in printed
    assert printed.count("a prompt, ") == 3


def test_a_plan_measures_the_language_of_references_and_sources(plan):
    printed = plan()
    assert "train_data: 100.0% of `zh` count as `zh`" in printed
    assert "test_data: 0.0% of `bo` count as `zh`" in printed


def test_prompts_are_shown_by_the_policys_own_template(plan, policy_folder):
    template = AutoTokenizer.from_pretrained(policy_folder)
    shown = plan().rpartition("tokens: ")[2].splitlines()[0]
    turn = template.apply_chat_template([{"role": "user", "content": "@"}], tokenize=False, add_generation_prompt=True)
    assert shown.startswith(repr(turn.split("@")[0])[:-1])
    assert "请把下面的藏语句子翻译成汉语" in shown


PROBLEMS = {
    "train_data": ("missing.tsv", r"`train_data`: data file '.*missing.tsv' does not exist"),
    "test_data": ("missing.tsv", r"`test_data`: data file '.*missing.tsv' does not exist"),
    "encoder_pairs": ("missing.tsv", r"`encoder_pairs`: data file '.*missing.tsv' does not exist"),
    "reading_data": ("missing.json", r"`reading_data`: data file '.*missing.json' does not exist"),
    "drift_data": ("missing.jsonl", r"`drift_data`: data file '.*missing.jsonl' does not exist"),
    "model_name_or_path": ("missing", r"`model_name_or_path`: .*missing"),
    "encoder": ("missing", r"`encoder`: .*existing folder, got '.*missing'"),
    "held_out_encoder": ("missing", r"`held_out_encoder`: .*existing folder, got '.*missing'"),
    "language_detector": ("missing.ftz", r"`target_language`: .*fastText model, got '.*missing.ftz'"),
}


@pytest.mark.parametrize("argument", PROBLEMS)
def test_a_plan_names_what_is_not_there(plan, tmp_path, argument):
    name, problem = PROBLEMS[argument]
    with pytest.raises(ArgumentError, match=problem):
        plan(**{argument: tmp_path / name})


def test_a_plan_names_all_problems_at_once(plan, tmp_path):
    with pytest.raises(ArgumentError) as caught:
        plan(
            **{argument: tmp_path / name for argument, (name, _) in PROBLEMS.items() if argument != "language_detector"}
        )
    assert str(caught.value).count("\n  - ") == 8


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"cold_start_size": 60}, r"more than cold_start_size \+ calibration_size = 70 usable rows, got 50"),
        ({"target_language": "bo"}, "train_data must have references in 'bo', got such as '"),
        ({"target_language": "xx"}, "`target_language`: .*xx"),
        ({"source_column": "fr"}, "`train_data`: .* must have a column `fr`, got bo, zh in its header"),
        ({"prompt": "{source} {x}"}, "`prompt` must have the fields source and no others, got source, x"),
        ({"max_prompt_tokens": 1}, "usable rows, got 0 .*train_rows_too_long: 50"),
        ({"train_data": None}, "`train_data`: not named; add --train_data PATH"),
    ],
)
def test_a_plan_refuses_what_a_run_would_refuse(plan, changes, problem):
    with pytest.raises(ArgumentError, match=problem):
        plan(**changes)


def test_a_plan_counts_and_names_bad_rows(plan, written, captions):
    rows = [f"{bo}\t{zh}\n" for zh, bo in captions[:40]]
    path = written("bad.tsv", "".join(["bo\tzh\n", *rows, "ཀ\t \n", "ཀ\n", "ཁ\t\n"]))
    with pytest.raises(ArgumentError, match="43 rows read, 40 kept, dropped: 2 with a blank side, 1 another number"):
        plan(train_data=path)


def test_a_plan_wants_an_answer_to_every_question(plan, written):
    with pytest.raises(ArgumentError, match="`reading_data`: .* must answer every question, got none for 'q'"):
        plan(reading_data=written("null.json", json.dumps(SQUAD).replace(json.dumps([{"text": "北京"}]), "null")))


def test_a_plan_says_where_the_language_reward_does_nothing(plan, written):
    shared = "bo\tzh\n" + "".join(f"第{number}句\t第{number}个句子\n" for number in range(40))
    printed = plan(train_data=written("shared.tsv", shared), encoder_pairs=None)
    assert "the language reward does nothing" in printed
    assert "the language reward does nothing" not in plan()


def test_a_plan_looks_at_an_encoder_that_is_not_adapted(plan):
    printed = plan(encoder_pairs=None)
    assert "  encoder: Do not train with this: the encoder was never trained" in printed
    assert "  encoder: " not in plan()


def test_a_plan_downloads_no_data(plan, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a plan downloads no data")

    monkeypatch.setattr(recipe.httpx2, "get", refuse)
    monkeypatch.setattr("datasets.load_dataset", refuse)
    printed = plan(train_data="https://example.org/a.{column}.gz", drift_data="org/data", reading_data=None)
    assert "https://example.org/a.{column}.gz was not read" in printed
    assert "org/data was not read" in printed


@pytest.mark.parametrize("arguments", [["--config", CONFIG], []])
def test_a_plan_without_data_says_that_it_looked_at_none(arguments, capsys):
    preflight(parse([*arguments, "--plan"])[0])
    assert "No data was read" in capsys.readouterr().out


def test_the_command_of_a_failing_plan_fails(tmp_path):
    script = Path(CONFIG).parents[1] / "grpo_tibetan.py"
    command = [
        sys.executable,
        str(script),
        "--config",
        CONFIG,
        "--plan",
        "--train_data",
        "no.tsv",
        "--test_data",
        "no.csv",
    ]
    command += ["--model_name_or_path", str(tmp_path / "none"), "--encoder", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr.count("\n  - "), "Traceback" in done.stderr) == (1, 4, False)


def test_a_test_set_without_a_usable_row_is_an_error(written, policy_folder, tmp_path):
    arguments = DataArguments(
        train_data=str(written("train.tsv", "bo\tzh\n" + "".join(f"བོད{n}\t第{n}句\n" for n in range(9)))),
        test_data=str(written("test.tsv", "bo\tzh\n")),
        cold_start_size=2,
        calibration_size=2,
    )
    with pytest.raises(ArgumentError, match="`test_data` must hold a usable row, got none"):
        recipe.prepare(tmp_path, arguments, AutoTokenizer.from_pretrained(policy_folder), 0)
