"""How many function calls of ours a completion passes in the caller's thread, with everything warm."""

import sys
from collections import Counter
from pathlib import Path

import pytest

import semreward
from doubles import BigramEncoder
from semreward import paper_reward, recommended_reward

HOME = str(Path(semreward.__file__).parent)
CALL = {
    "completions": ["ཀུ་ཤུ་གསུམ།", "ཞི་མི་གཉིས།"],
    "reference": ["ཀུ་ཤུ་གསུམ།", "ཞི་མི་གསུམ།"],
    "source": ["三个苹果", "三只猫"],
}


def calls_of(reward):
    """Calls inside semreward, by function."""
    found = Counter()

    def count(frame, event, _argument):
        if event == "call" and frame.f_code.co_filename.startswith(HOME):
            found[f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"] += 1

    for _ in range(2):
        reward(**CALL)
    sys.setprofile(count)
    try:
        reward(**CALL)
    finally:
        sys.setprofile(None)
    return found


def test_the_papers_reward_takes_few_calls():
    found = calls_of(paper_reward(BigramEncoder(), "bo", 0.5))
    assert found.total() <= 70, found.most_common()


def test_the_recommended_reward_takes_few_calls():
    found = calls_of(recommended_reward(BigramEncoder(), "bo", 0.5, source_column="source"))
    assert found.total() <= 160, found.most_common()


@pytest.mark.parametrize("make", [paper_reward, recommended_reward])
def test_calls_grow_with_rows_and_not_with_the_call_before(make):
    reward = make(BigramEncoder(), "bo", 0.5)
    assert calls_of(reward) == calls_of(reward)
