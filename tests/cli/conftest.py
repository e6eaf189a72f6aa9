"""Rewards in a module of their own, as users name them, and files of rows."""

import json
import sys

import pytest

REWARDS = '''
import functools
import sys

from doubles import BigramEncoder
from semreward import LanguageConsistencyReward, SemanticSimilarityReward, paper_reward, recommended_reward
from semreward.errors import ArgumentError, EncoderUnavailableError

similarity = SemanticSimilarityReward(BigramEncoder(), threshold=0.5)
paper = paper_reward(BigramEncoder(), "bo", 0.5)
gated = recommended_reward(BigramEncoder(), "bo", 0.5)
language = LanguageConsistencyReward("bo")
passing = similarity.replace(on_missing="none")
number = 3


class Holder:
    reward = language


def length(completions, **columns):
    """A reward in TRL's convention."""
    return [float(len(completion)) for completion in completions]


def prompts_and_terms(completions, prompts, terms, **columns):
    return [float(prompt in completion and term in completion)
            for completion, prompt, term in zip(completions, prompts, terms)]


async def awaited(completions, **columns):
    return length(completions)


def _scaled(completions, factor, **columns):
    return [factor * len(completion) for completion in completions]


twice = functools.partial(_scaled, factor=2.0)


def fails_on_x(completions, **columns):
    if "x" in completions:
        raise KeyError("no x")
    return length(completions)


def fails_on_more_than_one(completions, **columns):
    if len(completions) > 1:
        raise MemoryError("too many")
    return length(completions)


def exits_on_x(completions, **columns):
    if "x" in completions:
        sys.exit(0)
    return length(completions)


def prints(completions, **columns):
    print("seen")
    return length(completions)


def changes_its_rows(completions, **columns):
    for messages in completions:
        messages[-1]["content"] = "changed"
    return [1.0 for _ in completions]


def asks_for_terms(completions, terms, **columns):
    for row, term in enumerate(terms):
        if not term:
            raise ArgumentError(f"`terms` must be given, got {term!r} at row {row}")
    return length(completions)


def refuses_blanks(completions, **columns):
    if not all(completion.strip() for completion in completions):
        raise ArgumentError("a blank answer at row 0")
    return length(completions)


def unreachable(completions, **columns):
    raise EncoderUnavailableError(f"asked for {len(completions)}")


def not_finite(completions, **columns):
    return [float("nan") if completion == "x" else 1.0 for completion in completions]
'''


@pytest.fixture(autouse=True)
def _imports_as_they_were(monkeypatch, tmp_path):
    """What a command line puts on the path, and imports from a test's folder, is gone after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The working folder, with the module of rewards in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named_rewards.py").write_text(REWARDS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def rows(home):
    """Writes rows into `rows.jsonl`; returns its name."""

    def write(*rows, name="rows.jsonl"):
        (home / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return name

    return write


@pytest.fixture
def run(home, capsys):
    """Runs a command in this process: its exit code, and what it wrote."""
    from semreward.cli import main

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return code, written.out, written.err

    return run
