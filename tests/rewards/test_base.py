"""What a reward of one's own inherits."""

from dataclasses import KW_ONLY, dataclass

import numpy as np
import pytest

import semreward
from semreward import CompositeReward, LanguageConsistencyReward
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.rewards.base import Outcome, Reward


@dataclass(frozen=True)
class Mentions(Reward):
    """1 where an answer holds one of the words."""

    words: frozenset[str]
    _: KW_ONLY
    name: str = "mentions"

    def score(self, batch):
        values = np.array([any(word in answer for word in self.words) for answer in batch.answers], dtype=float)
        return Outcome(values, {f"{self.name}/share": values.mean()}, {f"{self.name}/answer": batch.answers})


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
        "Mentions|answer:Answer(reasoning='remove')|name:mentions|on_error:raise|words:{blue,green,red}|"
        f"semreward:{semreward.__version__}"
    )


def test_a_reward_of_ones_own_checks_its_name():
    with pytest.raises(ArgumentError, match="`name`"):
        Mentions(frozenset(), name="")


def test_a_reward_of_ones_own_checks_its_error_policy():
    with pytest.raises(ArgumentError, match="`on_error`"):
        Mentions(frozenset(), on_error="zero")


def test_a_reward_of_ones_own_is_between_0_and_1_unless_it_says_otherwise(reward):
    assert reward.bounds == (0.0, 1.0)


def test_a_component_logs_through_the_trainers_hooks():
    def chatty(completions, log_metric, log_extra, **columns):
        log_metric("chatty/rows", float(len(completions)))
        log_extra("chatty/text", completions)
        return [1.0 for _ in completions]

    logged = {}
    CompositeReward([(chatty, 1.0)])(completions=["a"], log_metric=logged.__setitem__, log_extra=logged.__setitem__)
    assert (logged["chatty/rows"], logged["chatty/text"]) == (1.0, ["a"])


def test_an_array_without_axes_is_no_column():
    with pytest.raises(ArgumentTypeError, match="`completions` must be a list of completions"):
        LanguageConsistencyReward("bo")(completions=np.array("abc"))
