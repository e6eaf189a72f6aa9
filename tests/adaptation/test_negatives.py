import random

import pytest

from semreward.adaptation import Pair
from semreward.adaptation.pairs import pair_rows
from semreward.errors import ArgumentError, ArgumentTypeError


def rows_of(pairs, make_negatives=lambda pair, rng: [], *, seed=0):
    return pair_rows([Pair(*pair) for pair in pairs], make_negatives, 2, seed)[0]


@pytest.mark.parametrize(
    "pairs",
    [
        [("a1", "same"), ("a2", "same"), ("a3", "same"), ("b", "other")],
        [(f"a{row}", "same") for row in range(200)] + [("b", "other")],
    ],
)
def test_a_pairs_own_positive_is_never_its_negative(pairs):
    for seed in range(20):
        rows = rows_of(pairs, seed=seed)
        for column in ("negative_1", "negative_2"):
            assert [1 for right, wrong in zip(rows["positive"], rows[column], strict=True) if right == wrong] == []


def test_another_translation_of_the_same_anchor_is_no_negative():
    rows = rows_of([("a", "x"), ("a", "y"), ("b", "z")])
    assert {*rows["negative_1"][:2], *rows["negative_2"][:2]} == {"z"}


def test_pairs_without_any_wrong_translation_cannot_be_filled():
    with pytest.raises(ArgumentError, match="must hold another second side that can be a negative of 'a1'"):
        rows_of([("a1", "same"), ("a2", "same")])


@pytest.mark.parametrize("returned", ["a horse", None, 3, [None], ["fine", 3], {"a": 1}])
def test_a_maker_that_returns_something_else_than_texts_is_named(returned):
    with pytest.raises(ArgumentTypeError, match="`make_negatives` must return a list of texts"):
        rows_of([("a", "x"), ("b", "y")], lambda pair, rng: returned)


def test_made_negatives_may_come_as_a_tuple():
    rows = rows_of([("a", "x"), ("b", "y")], lambda pair, rng: ("m", "n"))
    assert {rows["negative_1"][0], rows["negative_2"][0]} == {"m", "n"}


def test_the_draws_of_made_negatives_depend_on_the_seed_alone():
    def make(pair, rng):
        return [f"{pair.positive} {random.Random(number).random()}" for number in range(9)]

    first, second, other = (rows_of([("a", "x"), ("b", "y")], make, seed=seed) for seed in (0, 0, 1))
    assert (first == second, first == other) == (True, False)
