import json
from pathlib import Path

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


def write_pairs(folder: Path) -> Path:
    pairs = [{"source": "Un chien et un chien.", "reference": "A dog and a dog."}]
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return path


def test_foreign_word_gate_gives_a_source_word_the_floor(encoder: BigramEncoder, tmp_path: Path) -> None:
    arguments = RewardArguments(foreign_word_gate=True)
    reward = make_reward(arguments, encoder, 0.5, "en", pairs=write_pairs(tmp_path))
    columns = {"reference": ["A dog runs."] * 2, "source": ["Un chien court."] * 2}
    values = reward(completions=["A dog runs.", "A chien runs."], **columns)
    assert reward.gates == ("foreign_words",)
    assert values == pytest.approx([2.5, 0.0])


def test_foreign_word_gate_leaves_headlines_alone(encoder: BigramEncoder) -> None:
    reward = make_reward(RewardArguments(foreign_word_gate=True), encoder, 0.5, "en", task="headline")
    assert reward.mode == "sum"


def test_foreign_word_gate_stands_beside_the_other_gates(encoder: BigramEncoder, tmp_path: Path) -> None:
    arguments = RewardArguments(gates=True, foreign_word_gate=True)
    gates = make_reward(arguments, encoder, 0.5, "en", pairs=write_pairs(tmp_path)).gates
    assert gates[0] == "language_consistency"
    assert gates[-1] == "foreign_words"
