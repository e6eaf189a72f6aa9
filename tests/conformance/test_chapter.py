"""The chapter "Write a reward of your own and test it": its files work as they stand, and it names every check."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from semreward.testing.contract import RULES

CHAPTER = (Path(__file__).parents[2] / "docs" / "your_own_reward.md").read_text()
FILES = dict(re.findall(r"^```\w+ title=(\S+)\n(.*?)^```$", CHAPTER, re.DOTALL | re.MULTILINE))


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def run_tests(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_chapter_has_all_files():
    assert FILES.keys() == {"glossary.py", "test_glossary.py", "glossary.jsonl"}


def test_the_tests_of_the_chapter_pass(folder):
    done = run_tests(folder)
    assert "3 passed" in done.stdout, done.stdout


def test_the_tests_of_the_chapter_notice_a_broken_reward(folder):
    reward = folder / "glossary.py"
    reward.write_text(reward.read_text().replace("answer_text(completion) for", "str(completion) for"))
    done = run_tests(folder)
    assert "reasoning_ignored: a closed <think> block before the answer must not matter" in done.stdout
    assert "row 4: the row must earn 0.0, but it earned 1.0" in done.stdout


def test_the_table_of_the_chapter_states_every_rule():
    table = CHAPTER.split("### What is checked")[1].split("### Fixtures")[0].replace("`<think>`", "<think>")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE)
    assert sorted(rows) == sorted((rule.name, rule.clause) for rule in RULES)
