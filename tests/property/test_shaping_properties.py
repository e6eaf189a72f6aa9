import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semreward.rewards.composite import weighted_sum
from semreward.rewards.similarity import threshold_rescale

SIMILARITY = st.floats(-1, 1)
THRESHOLD = st.floats(-1, 1, exclude_max=True)
REWARD = st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))


@given(SIMILARITY, THRESHOLD)
def test_a_reward_is_between_zero_and_one(similarity, threshold):
    assert 0.0 <= threshold_rescale(similarity, threshold) <= 1.0


@given(SIMILARITY, THRESHOLD)
def test_a_similarity_up_to_the_threshold_earns_nothing(similarity, threshold):
    assert threshold_rescale(min(similarity, threshold), threshold) == 0.0


@given(THRESHOLD)
def test_a_similarity_of_one_earns_exactly_one(threshold):
    assert threshold_rescale(1.0, threshold) == 1.0


@given(SIMILARITY, SIMILARITY, THRESHOLD)
def test_more_similarity_never_earns_less(first, second, threshold):
    low, high = sorted((first, second))
    assert threshold_rescale(low, threshold) <= threshold_rescale(high, threshold)


@given(SIMILARITY, THRESHOLD, THRESHOLD)
def test_a_higher_threshold_never_earns_more(similarity, first, second):
    low, high = sorted((first, second))
    assert threshold_rescale(similarity, high) <= threshold_rescale(similarity, low) + 1e-12


@given(SIMILARITY, st.floats(-1, 0.99), st.floats(0, 1e-6))
def test_the_reward_is_continuous_with_slope_one_over_one_minus_tau(similarity, threshold, step):
    moved = min(1.0, similarity + step)
    change = threshold_rescale(moved, threshold) - threshold_rescale(similarity, threshold)
    assert change <= step / (1 - threshold) + 1e-12


@given(SIMILARITY, THRESHOLD)
def test_the_reward_equals_the_formula(similarity, threshold):
    expected = 0.0 if similarity <= threshold else (similarity - threshold) / (1 - threshold)
    assert threshold_rescale(similarity, threshold) == pytest.approx(expected, abs=1e-12)


@given(st.lists(SIMILARITY), THRESHOLD)
def test_an_array_is_shaped_like_its_elements(similarities, threshold):
    assert threshold_rescale(similarities, threshold).tolist() == [
        threshold_rescale(similarity, threshold) for similarity in similarities
    ]


@st.composite
def rows_and_weights(draw):
    width = draw(st.integers(1, 4))
    row = st.lists(REWARD, min_size=width, max_size=width)
    return draw(st.lists(row, min_size=1, max_size=5)), draw(
        st.lists(st.floats(-100, 100), min_size=width, max_size=width)
    )


@given(rows_and_weights())
def test_the_weighted_sum_follows_trls_convention(case):
    values, weights = case
    # What TRL does with the rewards of a batch: nansum over functions, NaN where no function applied.
    rewards = torch.tensor(values, dtype=torch.float64)
    expected = (rewards * torch.tensor(weights, dtype=torch.float64)).nansum(dim=1)
    expected[rewards.isnan().all(dim=1)] = math.nan
    assert weighted_sum(values, weights) == pytest.approx(expected.numpy(), rel=1e-9, abs=1e-6, nan_ok=True)


@given(rows_and_weights())
def test_the_weighted_sum_of_a_row_does_not_depend_on_the_others(case):
    values, weights = case
    alone = np.concatenate([weighted_sum([row], weights) for row in values])
    assert np.array_equal(weighted_sum(values, weights), alone, equal_nan=True)


@given(rows_and_weights(), st.floats(-10, 10))
def test_the_weighted_sum_is_linear_in_the_weights(case, factor):
    values, weights = case
    scaled = weighted_sum(values, [factor * weight for weight in weights])
    assert scaled == pytest.approx(factor * weighted_sum(values, weights), rel=1e-9, abs=1e-4, nan_ok=True)
