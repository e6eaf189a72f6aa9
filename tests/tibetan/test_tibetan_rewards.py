import pytest

from doubles import BigramEncoder
from tibetan.arguments import RewardArguments
from tibetan.rewards import make_reward

ROWS = {"completions": ["A dog.", "Un chien."], "reference": ["A dog.", "A dog."], "source": ["Un chien.", "Un chien."]}


def test_default_is_the_sum_without_gates(encoder: BigramEncoder) -> None:
    reward = make_reward(RewardArguments(), encoder, 0.5, "en")
    assert (reward.mode, reward.gates) == ("sum", ())


def test_gates_give_a_copy_of_the_source_the_floor(encoder: BigramEncoder) -> None:
    reward = make_reward(RewardArguments(gates=True), encoder, 0.5, "en")
    assert "source_copy" in reward.gates
    assert reward(**ROWS) == pytest.approx([2.5, 0.0])


def test_headlines_may_copy_their_article(encoder: BigramEncoder) -> None:
    reward = make_reward(RewardArguments(gates=True), encoder, 0.5, "en", task="headline")
    assert "source_copy" not in reward.gates
