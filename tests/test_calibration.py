import math

import numpy as np
import pytest

from semreward import Calibration, SemanticSimilarityReward, calibrate_threshold
from semreward.errors import ArgumentError

SIMILARITIES = [0.1, 0.2, 0.3, 0.4, 0.9]


@pytest.mark.parametrize(
    ("statistic", "threshold"), [("mean", 0.38), ("median", 0.3), (0.25, 0.2), (0.875, 0.65), (np.float64(0.5), 0.3)]
)
def test_the_threshold_is_the_statistic(statistic, threshold):
    assert calibrate_threshold(SIMILARITIES, statistic=statistic).threshold == pytest.approx(threshold)


def test_the_mean_is_the_default():
    assert calibrate_threshold(SIMILARITIES).statistic == "mean"


def test_the_dead_zone_is_the_share_of_samples_that_earn_nothing():
    assert calibrate_threshold(SIMILARITIES, statistic="median").dead_zone == pytest.approx(3 / 5)


def test_saturation_is_the_share_of_samples_that_earn_all():
    assert calibrate_threshold([0.0, 0.0, 0.6, 1.0], statistic="median").saturation == pytest.approx(1 / 4)


def test_the_mean_reward_is_that_of_equation_2():
    assert calibrate_threshold([0.0, 0.5, 1.0]).mean_reward == pytest.approx(1 / 3)


def test_the_mean_similarity_is_reported():
    assert calibrate_threshold(SIMILARITIES).mean_similarity == pytest.approx(0.38)


def test_all_samples_count_whatever_their_shape():
    assert calibrate_threshold(np.zeros((3, 4))).samples == 12


def test_a_calibration_is_the_same_after_saving(tmp_path):
    calibration = calibrate_threshold(SIMILARITIES, statistic=0.25, encoder_fingerprint="abc")
    calibration.save(tmp_path / "tau.json")
    assert Calibration.load(tmp_path / "tau.json") == calibration


@pytest.mark.parametrize("content", ["", "[]", '"text"', "{}", '{"threshold": 0.5, "tau": 1}'])
def test_a_file_with_something_else_is_refused(tmp_path, content):
    path = tmp_path / "tau.json"
    path.write_text(content)
    with pytest.raises(ArgumentError, match="saved calibration"):
        Calibration.load(path)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        Calibration.load(tmp_path / "none.json")


@pytest.mark.parametrize("similarities", [[], [0.5]])
def test_too_few_samples_are_refused(similarities):
    with pytest.raises(ArgumentError, match="at least 2 samples"):
        calibrate_threshold(similarities)


@pytest.mark.parametrize("statistic", ["mode", 0.0, 1.0, 1.5, math.nan, 1, None])
def test_an_unknown_statistic_is_refused(statistic):
    with pytest.raises(ArgumentError, match="`statistic`"):
        calibrate_threshold(SIMILARITIES, statistic=statistic)


@pytest.mark.parametrize("similarities", [[1.0, 1.0], [0.5, math.nan], [3.0, 3.0]])
def test_samples_that_give_no_threshold_are_refused(similarities):
    with pytest.raises(ArgumentError, match="below 1"):
        calibrate_threshold(similarities)


@pytest.mark.parametrize("similarities", [[-2.0, 0.1], [-3.0, -3.0]])
def test_a_sample_out_of_range_is_refused(similarities):
    with pytest.raises(ArgumentError):
        calibrate_threshold(similarities)


def test_a_calibrated_reward_is_zero_on_its_dead_zone(encoder):
    completions, references = ["abcd", "abxy", "wxyz"], ["abcd"] * 3
    similarities = SemanticSimilarityReward(encoder, threshold=0.0).similarity(completions, references)
    calibration = calibrate_threshold(similarities, encoder_fingerprint=encoder.fingerprint)
    reward = SemanticSimilarityReward(encoder, threshold=calibration.threshold)
    values = np.array(reward(completions=completions, reference=references))
    assert (values == 0).mean() == calibration.dead_zone
