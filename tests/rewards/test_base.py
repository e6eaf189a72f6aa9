"""What a reward of one's own inherits."""

from dataclasses import KW_ONLY, dataclass

import numpy as np
import pytest

import semreward
from doubles import BigramEncoder
from semreward import CompositeReward, LanguageConsistencyReward, SemanticSimilarityReward
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.rewards.base import Outcome, Reward
from semreward.rewards.guards import LengthRatioGuard, NumberRecallReward, RepetitionGuard, SourceCopyGuard
from semreward.rewards.overlap import BleuReward, ChrfReward, RougeLReward


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
        "Mentions|answer:Answer(reasoning='remove', tag=None)|name:mentions|on_error:raise|words:{blue,green,red}|"
        f"semreward:{semreward.__version__}"
    )


def test_a_signature_tells_texts_with_commas_from_several_texts():
    one, two = (LanguageConsistencyReward("en", allowed=terms).signature() for terms in (("a,b",), ("a", "b")))
    assert one != two


def test_collections_keep_their_order_and_sets_get_one():
    scripts = ["Tibt", "Hani", "Latn", "Cyrl", "Arab"]
    assert LanguageConsistencyReward(scripts=scripts).scripts == tuple(scripts)
    assert LanguageConsistencyReward(scripts=set(scripts)).scripts == tuple(sorted(scripts))


REWARDS = [
    Mentions(frozenset()),
    LanguageConsistencyReward("bo"),
    SemanticSimilarityReward(BigramEncoder(), threshold=0.5),
    LengthRatioGuard(),
    RepetitionGuard(),
    SourceCopyGuard(),
    NumberRecallReward(),
    RougeLReward(),
    CompositeReward([(LanguageConsistencyReward("bo"), 1.0)]),
]


@pytest.mark.parametrize("wrong", [{"name": ""}, {"on_error": "zero"}, {"answer": "remove"}], ids=str)
@pytest.mark.parametrize("reward", REWARDS, ids=lambda reward: reward.name)
def test_every_reward_checks_what_all_rewards_share(reward, wrong):
    with pytest.raises(ArgumentError, match=f"`{next(iter(wrong))}`"):
        reward.replace(**wrong)


def test_rewards_are_logged_under_names_of_their_own():
    assert [reward.__name__ for reward in [*REWARDS, BleuReward(), ChrfReward()]] == [
        "mentions",
        "language_consistency",
        "semantic_similarity",
        "length_ratio",
        "repetition",
        "source_copy",
        "number_recall",
        "rouge_l",
        "composite",
        "bleu",
        "chrf",
    ]


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
