import numpy as np
import pytest

from doubles import BigramEncoder
from embedding_server import embedding_server
from semreward import EmbeddingServerEncoder, compare_encoders
from semreward.errors import ArgumentError

TEXTS = [f"text {number * number}" for number in range(40)]


class Changed:
    """A bigram encoder whose vectors went through a function."""

    fingerprint = "changed"

    def __init__(self, change):
        self.change = change

    def encode(self, texts, /):
        rows = self.change(BigramEncoder().encode(texts))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_an_encoder_is_no_distance_from_itself():
    comparison = compare_encoders(BigramEncoder(), BigramEncoder(), TEXTS)
    assert comparison.cosine_difference == 0


def test_the_pair_of_an_encoder_with_itself_is_of_two_texts():
    first, second = compare_encoders(BigramEncoder(), BigramEncoder(), TEXTS).pair
    assert first != second


def test_turned_vectors_do_not_differ():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
    comparison = compare_encoders(BigramEncoder(), Changed(lambda rows: rows @ turn), TEXTS)
    assert comparison.cosine_difference == pytest.approx(0, abs=1e-6)


def test_the_largest_difference_is_that_of_all_pairs():
    other = Changed(lambda rows: rows + 0.01 * np.arange(64))
    first, second = (encoder.encode(TEXTS).astype(np.float64) for encoder in (BigramEncoder(), other))
    differences = np.abs(first @ first.T - second @ second.T)
    np.fill_diagonal(differences, 0)
    row, column = np.unravel_index(differences.argmax(), differences.shape)
    comparison = compare_encoders(BigramEncoder(), other, TEXTS)
    assert comparison.cosine_difference == pytest.approx(differences.max(), abs=1e-6)
    assert set(comparison.pair) == {TEXTS[row], TEXTS[column]}


def test_two_texts_are_enough():
    assert compare_encoders(BigramEncoder(), BigramEncoder(), TEXTS[:2]).pair == tuple(TEXTS[:2])


class Longer:
    """Its vectors are longer than 1 by what rounding may add."""

    fingerprint = "longer"

    def encode(self, texts, /):
        return 1.004 * BigramEncoder().encode(texts)


def test_the_lengths_of_vectors_do_not_matter():
    assert compare_encoders(BigramEncoder(), Longer(), TEXTS).cosine_difference < 1e-6


def test_encoders_of_two_widths_are_compared():
    comparison = compare_encoders(BigramEncoder(), BigramEncoder(32), TEXTS)
    assert comparison.cosine_difference > 0


def test_a_server_agrees_with_the_encoder_behind_it(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with embedding_server() as state:
        comparison = compare_encoders(BigramEncoder(), EmbeddingServerEncoder(state.base_url, "bigrams"), TEXTS)
    assert comparison.cosine_difference < 1e-6


@pytest.mark.parametrize("texts", [[], ["a"], ["a", "a"], ["a", ""], ["a", None]])
def test_texts_must_be_two(texts):
    with pytest.raises(ArgumentError, match="`texts` must hold at least 2"):
        compare_encoders(BigramEncoder(), BigramEncoder(), texts)
