import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semreward import Calibration, calibrate_threshold, threshold_rescale
from semreward.calibration import area_under_curve, best_split, equal_share, mismatched_references
from semreward.rewards.similarity import SATURATION

COSINES = st.floats(-1, 1).map(lambda value: round(value, 6))
SIMILARITIES = st.lists(COSINES, min_size=2, max_size=30)
STATISTIC = st.one_of(st.sampled_from(["mean", "median"]), st.floats(0.01, 0.99))
COARSE = st.lists(st.integers(-5, 5).map(lambda value: value / 10), min_size=1, max_size=12).map(np.array)  # with ties
GROUPS = st.tuples(st.integers(1, 4), st.integers(2, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
)


def calibrated(similarities, statistic, **options):
    assume(max(similarities) < 1.0)
    return calibrate_threshold(similarities, statistic=statistic, **options)


@given(SIMILARITIES, STATISTIC)
def test_the_threshold_is_among_the_samples(similarities, statistic):
    threshold = calibrated(similarities, statistic).threshold
    assert min(similarities) - 1e-12 <= threshold <= max(similarities) + 1e-12


@given(SIMILARITIES, STATISTIC)
def test_what_is_reported_is_what_the_threshold_does(similarities, statistic):
    calibration = calibrated(similarities, statistic)
    rewards = threshold_rescale(similarities, calibration.threshold)
    reported = (calibration.mean_reward, calibration.dead_zone, calibration.saturation)
    assert reported == pytest.approx((rewards.mean(), (rewards == 0).mean(), (rewards >= SATURATION).mean()))


@given(SIMILARITIES)
def test_at_the_median_about_half_of_the_samples_earn_nothing(similarities):
    assert calibrated(similarities, "median").dead_zone >= 0.5


@given(SIMILARITIES, STATISTIC, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(similarities, statistic, random):
    shuffled = random.sample(similarities, len(similarities))
    assert calibrated(shuffled, statistic).threshold == pytest.approx(calibrated(similarities, statistic).threshold)


@given(SIMILARITIES, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_higher_quantile_never_lowers_the_threshold(similarities, first, second):
    low, high = sorted((first, second))
    assert calibrated(similarities, low).threshold <= calibrated(similarities, high).threshold + 1e-12


@given(SIMILARITIES)
def test_the_mean_is_the_samples_mean(similarities):
    assert calibrated(similarities, "mean").threshold == pytest.approx(np.mean(similarities))


@given(SIMILARITIES, STATISTIC, SIMILARITIES)
def test_saving_loses_nothing(tmp_path_factory, similarities, statistic, negatives):
    calibration = calibrated(similarities, statistic, negatives=negatives, group_size=2)
    path = tmp_path_factory.getbasetemp() / "tau.json"
    calibration.save(path)
    assert Calibration.load(path) == calibration


@given(COARSE, COARSE)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(samples, negatives):
    pairs = [(high > low) + (high == low) / 2 for high in samples for low in negatives]
    assert area_under_curve(samples, negatives) == pytest.approx(np.mean(pairs))


@given(COARSE, COARSE)
def test_the_areas_of_the_two_directions_add_to_one(samples, negatives):
    assert area_under_curve(samples, negatives) + area_under_curve(negatives, samples) == pytest.approx(1.0)


@given(COARSE, COARSE)
def test_no_threshold_tells_samples_from_negatives_better_than_youdens(samples, negatives):
    def index(threshold):
        return (samples > threshold).mean() - (negatives > threshold).mean()

    threshold, youden = best_split(samples, negatives)
    assert index(threshold) == pytest.approx(youden)
    assert max(index(threshold) for threshold in np.linspace(-1, 1, 401)) <= youden + 1e-12


@given(COARSE, COARSE, st.floats(0.5, 2.0), st.floats(-0.3, 0.3))
def test_a_change_of_scale_changes_neither_area_nor_overlap(samples, negatives, factor, shift):
    before = (area_under_curve(samples, negatives), best_split(samples, negatives)[1])
    moved = samples * factor + shift, negatives * factor + shift
    assert (area_under_curve(*moved), best_split(*moved)[1]) == pytest.approx(before)


@given(GROUPS, st.data())
def test_the_share_of_equal_groups_is_that_of_all_groups_one_can_draw(rewards, data):
    size = data.draw(st.integers(2, rewards.shape[1]))
    drawn = [len(set(group)) == 1 for prompt in rewards for group in itertools.combinations(prompt.tolist(), size)]
    assert equal_share(rewards, size) == pytest.approx(np.mean(drawn))


@given(GROUPS)
def test_at_the_measured_size_the_share_is_the_measured_one(rewards):
    assert equal_share(rewards, rewards.shape[1]) == pytest.approx((rewards == rewards[:, :1]).all(axis=1).mean())


@given(GROUPS)
def test_larger_groups_are_equal_less_often(rewards):
    shares = [equal_share(rewards, size) for size in range(1, rewards.shape[1] + 1)]
    assert shares == sorted(shares, reverse=True)


@given(GROUPS, st.data())
def test_groups_that_earn_nothing_are_among_the_equal_ones(rewards, data):
    size = data.draw(st.integers(2, rewards.shape[1]))
    assert 0.0 <= equal_share(rewards, size, value=0.0) <= equal_share(rewards, size) <= 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(2, 8))
def test_pooling_prompts_bounds_the_share_of_equal_groups_from_below(dead_zones, group_size):
    of_prompts = np.mean([share**group_size + (1 - share) ** group_size for share in dead_zones])
    pooled = np.mean(dead_zones) ** group_size + (1 - np.mean(dead_zones)) ** group_size
    assert pooled <= of_prompts + 1e-12


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=2).map(sorted), min_size=1, max_size=12))
def test_a_mismatched_reference_shares_no_text_with_the_rows_own(references):
    assume(all(any(not set(own) & set(other) for other in references) for own in references))
    others = mismatched_references(references)
    assert not any(set(own) & set(other) for own, other in zip(references, others, strict=True))


@given(st.lists(st.text("xyz", min_size=1, max_size=6), min_size=2, max_size=20, unique=True))
def test_distinct_references_are_exchanged_one_for_one(references):
    assert sorted(mismatched_references(references)) == sorted(references)
