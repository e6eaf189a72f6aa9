"""The command as a whole: what it loads, its help, its exit codes, pipes."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import semreward
from semreward.cli import main


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", check=False, **options
    )


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["score", "--help"]])
def test_help_and_version_load_the_standard_library_only(arguments):
    script = (
        "import atexit, sys; before = set(sys.modules)\n"
        "loaded = lambda: {name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names\n"
        "atexit.register(lambda: sys.stderr.write(' '.join(loaded())))\n"
        "from semreward.cli import main; main(sys.argv[1:])"
    )
    done = python("-c", script, *arguments)
    assert (done.returncode, done.stderr) == (0, "semreward")


def test_scoring_without_an_encoder_loads_no_models(home, rows):
    script = "import sys; from semreward.cli import main; main(sys.argv[1:]); sys.exit(str('torch' in sys.modules))"
    arguments = ["score", rows({"completion": "བོད"}), "--reward", "neighbour:reward"]
    text = "from semreward import LanguageConsistencyReward\nreward = LanguageConsistencyReward('bo')\n"
    (home / "neighbour.py").write_text(text, encoding="utf-8")
    assert python("-c", script, *arguments).stderr.splitlines()[-1] == "False"


def test_the_package_runs_as_a_module():
    done = python("-m", "semreward", "--version")
    assert done.stdout == f"semreward {semreward.__version__}\n"


@pytest.mark.parametrize("command", ["score", "calibrate", "audit", "check", "doctor"])
def test_every_command_has_help_with_the_exit_codes(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert "exit codes: 0 fine; 1 findings" in capsys.readouterr().out


def test_the_document_names_the_options_that_there_are(capsys):
    known = set()
    for command in ("score", "calibrate", "audit", "check", "doctor"):
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        known |= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    document = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--[a-z-]+[a-z]", document.replace("pip install --no-deps", "")))
    assert named <= known


@pytest.mark.parametrize(
    "arguments", [[], ["judge"], ["score"], ["score", "a.jsonl", "--reward", "a:b", "--column", "c"]]
)
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: semreward" in capsys.readouterr().err


def test_an_interrupted_command_ends_without_a_traceback(run, rows, monkeypatch):
    def interrupted(self, **columns):
        raise KeyboardInterrupt

    monkeypatch.setattr("semreward.CompositeReward.breakdown", interrupted)
    assert run("score", rows({"completion": "a"}), "--reward", "named_rewards:length") == (130, "", "")


def refuse(text):
    raise OSError("no space")


@pytest.mark.parametrize("stream", [SimpleNamespace(write=refuse), None])
def test_stderr_that_cannot_be_written_changes_no_exit_code(run, rows, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    assert run("score", rows({"completion": "a"}), "--reward", "named_rewards:length")[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="head and pipes of a POSIX shell")
def test_a_reader_that_stops_early_ends_it_quietly(home):
    (home / "neighbour.py").write_text(
        "def reward(completions, **c): return [1.0] * len(completions)\n", encoding="utf-8"
    )
    (home / "rows.jsonl").write_text('{"completion": "བོད་ཡིག"}\n' * 20_000, encoding="utf-8")
    command = f"'{sys.executable}' -m semreward score rows.jsonl --reward neighbour:reward | head -n 1"
    script = f"{command}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)  # noqa: S607
    assert done.stdout == '{"completion": "བོད་ཡིག", "rewards": {"reward": 1.0, "total": 1.0}}\n'
    assert (done.returncode, done.stderr) == (141, "")


def test_texts_are_written_in_utf8_whatever_the_locale(home):
    (home / "neighbour.py").write_text(
        "def reward(completions, **c): return [1.0] * len(completions)\n", encoding="utf-8"
    )
    (home / "rows.jsonl").write_text('{"completion": "བོད་ཡིག"}\n', encoding="utf-8")
    done = python(
        "-m",
        "semreward",
        "score",
        "rows.jsonl",
        "--reward",
        "neighbour:reward",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert "བོད་ཡིག" in done.stdout
