import math

import numpy as np
import pytest

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError
from semreward.rewards.composite import weighted_sum
from semreward.rewards.recipes import break_even_similarity
from semreward.rewards.similarity import check_threshold, threshold_rescale


@pytest.mark.parametrize(
    ("similarity", "threshold", "reward"),
    [
        (0.55, 0.55, 0.0),
        (0.54, 0.55, 0.0),
        (-1.0, 0.55, 0.0),
        (0.775, 0.55, 0.5),
        (1.0, 0.55, 1.0),
        (0.0, -1.0, 0.5),
        (0.5, 0.0, 0.5),
        (0.75, 0.5, 0.5),
    ],
)
def test_equation_2_by_hand(similarity, threshold, reward):
    assert threshold_rescale(similarity, threshold) == pytest.approx(reward, abs=1e-12)


def test_a_scalar_gives_a_float():
    assert type(threshold_rescale(np.float32(0.75), 0.5)) is float


def test_an_array_keeps_its_shape():
    assert threshold_rescale(np.zeros((2, 3), dtype=np.float32), 0.5).shape == (2, 3)


def test_an_array_becomes_double_precision():
    assert threshold_rescale(np.zeros(2, dtype=np.float32), 0.5).dtype == np.float64


def test_no_similarities_give_no_rewards():
    assert threshold_rescale([], 0.5).tolist() == []


@pytest.mark.parametrize("similarity", [1.0000005, 1.001])
def test_rounding_beyond_one_is_clipped(similarity):
    assert threshold_rescale(similarity, 0.5) == 1.0


def test_rounding_below_minus_one_is_clipped():
    assert threshold_rescale(-1.0005, -1.0) == 0.0


@pytest.mark.parametrize("similarity", [1.1, -1.1, math.nan, math.inf, -math.inf])
def test_a_similarity_out_of_range_is_refused(similarity):
    with pytest.raises(ArgumentError, match=r"\[-1, 1\]"):
        threshold_rescale(similarity, 0.5)


def test_a_similarity_out_of_range_is_named_by_its_place():
    with pytest.raises(ArgumentError, match=r"got 3\.0 at position 2"):
        threshold_rescale([0.1, 0.2, 3.0], 0.5)


@pytest.mark.parametrize(
    "threshold", [1.0, 1.5, -1.01, math.nan, math.inf, -math.inf, True, False, "0.5", None, [0.5], 0.5j]
)
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ArgumentError, match=r"`threshold` must be a number in \[-1, 1\)"):
        check_threshold(threshold)


def test_similarities_are_not_shaped_by_a_threshold_out_of_range():
    with pytest.raises(ArgumentError, match=r"`threshold` must be a number in \[-1, 1\)"):
        threshold_rescale(0.5, 1.0)


@pytest.mark.parametrize("threshold", [-1, 0, 0.55, np.float32(0.4), np.float16(0.1), np.int64(0), 1 - 2**-53])
def test_a_threshold_in_range_shapes(threshold):
    assert threshold_rescale(1.0, threshold) == 1.0


def test_equation_4_by_hand():
    assert weighted_sum([[0.5, 1.0], [1.0, 0.0]], [1.5, 1.0]).tolist() == [1.75, 1.5]


def test_a_missing_reward_adds_nothing():
    assert weighted_sum([[math.nan, 1.0]], [1.5, 1.0]).tolist() == [1.0]


def test_a_row_without_rewards_is_missing():
    assert np.isnan(weighted_sum([[math.nan, math.nan]], [1.5, 1.0])).all()


@pytest.mark.parametrize(
    ("weights", "threshold", "gap"),
    [
        ((1.5, 1.0), None, 2 / 3),
        ((1.5, 1.0), 0.55, 0.3),
        ((1.5, 1.0), 0.0, 2 / 3),
        ((1.0, 1.0), 0.5, 0.5),
        ((2, 0), 0.5, 0),
    ],
)
def test_the_break_even_point_by_hand(weights, threshold, gap):
    assert break_even_similarity(*weights, threshold=threshold) == pytest.approx(gap)


def test_the_papers_weights_break_even_at_two_thirds():
    assert break_even_similarity() == pytest.approx(2 / 3)


@pytest.mark.parametrize("threshold", [-0.2, 0.0, 0.55, 0.9])
def test_at_the_break_even_point_both_answers_earn_the_same(threshold):
    gap = break_even_similarity(1.5, 0.9, threshold=threshold)
    right, wrong = threshold + 0.1 * (1 - threshold), threshold + 0.1 * (1 - threshold) + gap
    assert 1.5 * threshold_rescale(right, threshold) + 0.9 == pytest.approx(1.5 * threshold_rescale(wrong, threshold))


@pytest.mark.parametrize(
    "weights", [(0.0, 1.0), (-1.0, 1.0), (math.inf, 1.0), (1.0, -0.1), (1.0, math.nan), ("1", 1.0)]
)
def test_weights_that_have_no_break_even_point_are_refused(weights):
    with pytest.raises(ArgumentError, match="_weight`"):
        break_even_similarity(*weights)


@pytest.mark.parametrize("threshold", [1.0, -1.01, math.nan])
def test_a_threshold_out_of_range_has_no_break_even_point(threshold):
    with pytest.raises(ArgumentError, match=r"`threshold` must be a number in \[-1, 1\)"):
        break_even_similarity(threshold=threshold)


@pytest.mark.parametrize("value", [0, -1.5, np.float32(2), np.int64(3)])
def test_real_numbers_are_finite_numbers(value):
    assert is_finite_number(value)


@pytest.mark.parametrize("value", [True, np.bool_(True), math.nan, -math.inf, "1", None, 1j, [1.0]])
def test_other_values_are_no_finite_numbers(value):
    assert not is_finite_number(value)
