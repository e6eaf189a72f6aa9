from dataclasses import dataclass

import numpy as np
import pytest

from semreward.adaptation import measure_encoder
from semreward.errors import ArgumentError


@dataclass(frozen=True)
class Lookup:
    """Texts of equal first letters get equal vectors."""

    fingerprint: str = "lookup"

    def encode(self, texts, /):
        return np.stack([np.eye(26, dtype=np.float32)[ord(text[0]) - ord("a")] for text in texts])


def precisions(measures):
    return measures["forward"], measures["backward"]


PAIRS = [("a1", "a2"), ("b1", "b2"), ("c1", "x2"), ("d1", "y2")]


def test_retrieval_counts_translations_that_are_nearest():
    assert precisions(measure_encoder(Lookup(), PAIRS)) == (0.5, 0.5)


def test_retrieval_is_measured_in_both_directions():
    assert precisions(measure_encoder(Lookup(), [("a1", "a2"), ("a3", "b2"), ("c1", "c2")])) == (2 / 3, 1 / 3)


def test_ties_are_misses():
    assert precisions(measure_encoder(Lookup(), [("a1", "a2"), ("a3", "a4")])) == (0.0, 0.0)


def test_measuring_on_no_pairs_is_an_error(encoder):
    with pytest.raises(ArgumentError, match="at least one pair"):
        measure_encoder(encoder, [])


def test_all_measures_of_a_perfect_encoder():
    measures = measure_encoder(Lookup(), [("a1", "a2"), ("b1", "b2")], [("a", "a", 2), ("a", "b", 1)])
    expected = {
        "forward": 1.0,
        "backward": 1.0,
        "mrr_forward": 1.0,
        "mrr_backward": 1.0,
        "auc": 1.0,
        "anisotropy": 0.0,
        "precision": 1.0,
        "graded": 1.0,
    }
    assert measures == pytest.approx(expected)


def test_grades_are_measured_by_group():
    graded = [("a", "a", 2, "bo-bo"), ("a", "b", 1, "bo-bo"), ("a", "a", 1, "zh-bo"), ("a", "b", 2, "zh-bo")]
    measures = measure_encoder(Lookup(), PAIRS, graded)
    assert (measures["graded"], measures["graded_bo-bo"], measures["graded_zh-bo"]) == pytest.approx((0.0, 1.0, -1.0))


def test_a_single_pair_has_no_mismatched_ones():
    measures = measure_encoder(Lookup(), [("a1", "a2")])
    assert (measures["forward"], "auc" in measures, "anisotropy" in measures) == (1.0, False, False)


def test_precision_is_the_mean_of_both_directions():
    assert measure_encoder(Lookup(), [("a1", "a2"), ("a3", "b2"), ("c1", "c2")])["precision"] == pytest.approx(0.5)
