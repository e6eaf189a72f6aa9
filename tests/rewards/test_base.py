"""What a reward of one's own inherits."""

from dataclasses import KW_ONLY, dataclass

import numpy as np
import pytest

import semreward
from semreward import LanguageConsistencyReward
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.rewards.base import CompletionReward, Scores


@dataclass(frozen=True)
class Mentions(CompletionReward):
    """1 where an answer holds one of the words."""

    words: frozenset[str]
    _: KW_ONLY
    name: str = "mentions"

    def _score(self, answers, columns):
        values = [float(any(word in answer for word in self.words)) for answer in answers]
        return Scores(values, {"share": sum(values) / len(values)}, {"answer": answers})


@pytest.fixture
def reward():
    return Mentions(frozenset({"red", "blue", "green"}))


def test_a_reward_of_ones_own_judges_answers(reward):
    assert reward(completions=["<think>red</think>no", [{"role": "assistant", "content": "red"}]]) == [0.0, 1.0]


def test_a_reward_of_ones_own_logs_under_its_name(reward):
    logged = {}
    reward(completions=["red"], log_metric=logged.__setitem__, log_extra=logged.__setitem__)
    assert logged == {"mentions/share": 1.0, "mentions/answer": ["red"]}


def test_a_signature_renders_sets_in_one_order(reward):
    assert reward.signature() == (
        f"Mentions|name:mentions|reasoning:remove|words:{{blue,green,red}}|semreward:{semreward.__version__}"
    )


def test_a_reward_of_ones_own_checks_its_name():
    with pytest.raises(ArgumentError, match="`name`"):
        Mentions(frozenset(), name="")


def test_an_array_without_axes_is_no_column():
    with pytest.raises(ArgumentTypeError, match="`completions` must be a list of completions"):
        LanguageConsistencyReward("bo")(completions=np.array("abc"))
