import numpy as np
import pytest

from semreward.errors import ArgumentError
from semreward.evaluation.graded import GradedPair, graded_scores, rank_correlation

GRADED = [
    GradedPair("abcdef", "abcdef", 3, "within"),
    GradedPair("abcdef", "abcdxy", 2, "within"),
    GradedPair("abcdef", "uvwxyz", 1, "within"),
    GradedPair("abcdef", "uvwxyz", 3, "across"),
    GradedPair("abcdef", "abcdef", 1, "across"),
]


def test_an_encoder_that_follows_the_grades_has_a_correlation_of_one(encoder):
    assert graded_scores(encoder, GRADED).groups["within"] == pytest.approx(1.0)


def test_an_encoder_that_turns_the_grades_round_has_a_correlation_of_minus_one(encoder):
    assert graded_scores(encoder, GRADED).groups["across"] == pytest.approx(-1.0)


def test_groups_keep_the_order_of_their_first_pairs(encoder):
    assert list(graded_scores(encoder, GRADED).groups) == ["within", "across"]


def test_all_pairs_are_counted(encoder):
    assert graded_scores(encoder, GRADED).pairs == 5


def test_a_group_of_one_grade_has_no_correlation(encoder):
    assert graded_scores(encoder, [("a", "b", 1), ("a", "c", 1)]).overall is None


def test_rank_correlation_equals_scipys_with_ties():
    stats = pytest.importorskip("scipy.stats")
    first, second = np.random.default_rng(0).integers(0, 5, size=(2, 50))
    assert rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)


def test_sides_of_other_lengths_have_no_correlation():
    with pytest.raises(ArgumentError, match="`second` must have as many values as `first`: 2, got 1"):
        rank_correlation([1, 2], [1])


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values_have_no_correlation(values):
    assert rank_correlation(values, values) is None


@pytest.mark.parametrize(
    "row",
    [
        ("a", "b"),
        ("a", "b", None),
        ("a", "b", float("nan")),
        ("a", " ", 1),
        (3, "b", 1),
        ("a", "b", 1, 2),
        ("a", "b", 1, "x", "y"),
        "abc",
    ],
)
def test_a_row_that_is_no_graded_pair_is_named(encoder, row):
    with pytest.raises(ArgumentError, match="at row 1"):
        graded_scores(encoder, [("a", "b", 1), row])


def test_one_pair_has_no_correlation(encoder):
    with pytest.raises(ArgumentError, match="at least two pairs, got 1"):
        graded_scores(encoder, [("a", "b", 1)])
