import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from semreward import Calibration, calibrate_threshold, threshold_rescale
from semreward.shaping import SATURATION

SIMILARITIES = st.lists(st.floats(-1, 1).map(lambda value: round(value, 6)), min_size=2, max_size=30)
STATISTIC = st.one_of(st.sampled_from(["mean", "median"]), st.floats(0.01, 0.99))


def calibrated(similarities, statistic):
    assume(max(similarities) < 1.0)
    return calibrate_threshold(similarities, statistic=statistic)


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


@given(SIMILARITIES, STATISTIC)
def test_saving_loses_nothing(tmp_path_factory, similarities, statistic):
    calibration = calibrated(similarities, statistic)
    path = tmp_path_factory.getbasetemp() / "tau.json"
    calibration.save(path)
    assert Calibration.load(path) == calibration
