import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.errors import ArgumentError
from tables.intervals import detectable_difference, over_seeds, paired_difference

items = st.integers(1, 100_000)
shares = st.floats(0.001, 1.0)
answers = st.integers(1, 40).flatmap(
    lambda size: st.lists(st.text("01", min_size=size, max_size=size), min_size=1, max_size=3)
)


def test_interval_over_three_seeds_is_the_textbook_one() -> None:
    found = over_seeds([1.0, 2.0, 3.0])
    assert found == (2.0, pytest.approx(4.30265 / np.sqrt(3), abs=1e-4), 3)  # t of 0.975 with 2 degrees of freedom


def test_single_seed_has_no_interval() -> None:
    assert over_seeds([0.5]) == (0.5, None, 1)


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(1).normal(size=(2000, 3))
    covered = [abs(found.mean) <= (found.half_width or 0) for found in map(over_seeds, drawn.tolist())]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


@given(answers=answers)
def test_policy_does_not_differ_from_itself(answers: list[str]) -> None:
    found = paired_difference(answers, answers, resamples=50)
    assert (found.estimate.mean, found.low, found.high, found.discordant) == (0.0, 0.0, 0.0, 0.0)


@given(answers=answers)
def test_interval_holds_the_mean(answers: list[str]) -> None:
    found = paired_difference(answers, ["1" * len(answers[0])], resamples=200)
    assert found.low - 1e-9 <= found.estimate.mean <= found.high + 1e-9


def test_difference_and_discordance_of_known_answers() -> None:
    found = paired_difference(["1100", "1110"], ["1111"], resamples=10)
    assert (found.estimate.mean, found.estimate.seeds, found.discordant, found.items) == (-37.5, 2, 37.5, 4)


def test_bootstrap_is_as_wide_as_the_standard_error_says() -> None:
    found = paired_difference(["1" * 60 + "0" * 40 + "1" * 900], ["1" * 1000])
    assert (found.high - found.low) / 2 == pytest.approx(196 * np.sqrt(0.04 * 0.96 / 1000), rel=0.05)


@given(items=items, discordant=shares)
def test_detectable_difference_solves_the_equation(items: int, discordant: float) -> None:
    found = detectable_difference(items, discordant)
    if found is not None:
        z_level, z_power = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.8)
        right = z_level * math.sqrt(discordant) + z_power * math.sqrt(max(0.0, discordant - found**2))
        assert 0 < found <= discordant
        assert found * math.sqrt(items) == pytest.approx(right, rel=1e-6)


@given(items=st.integers(2, 50_000), discordant=shares)
def test_more_questions_see_smaller_differences(items: int, discordant: float) -> None:
    few, many = detectable_difference(items, discordant), detectable_difference(2 * items, discordant)
    assert few is None or (many is not None and many < few)


@given(items=items, discordant=st.floats(0.01, 0.5))
def test_more_discordance_hides_larger_differences(items: int, discordant: float) -> None:
    calm, restless = detectable_difference(items, discordant), detectable_difference(items, 2 * discordant)
    assert calm is None or (restless is not None and restless > calm)


@pytest.mark.parametrize(("items", "discordant"), [(500, 0.2), (2500, 0.05), (2500, 0.2)])
def test_simulated_test_finds_it_as_often_as_promised(items: int, discordant: float) -> None:
    difference = detectable_difference(items, discordant)
    assert difference is not None
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    drawn = np.random.default_rng(0).multinomial(items, shares, size=20_000)
    statistic = (drawn[:, 0] - drawn[:, 1]) / np.sqrt(np.maximum(1, drawn[:, 0] + drawn[:, 1]))
    assert np.mean(np.abs(statistic) > 1.959964) == pytest.approx(0.8, abs=0.02)


def test_arguments_out_of_range_are_named() -> None:
    with pytest.raises(ArgumentError, match="`items` must be"):
        detectable_difference(0, 0.1)
    with pytest.raises(ArgumentError, match="`discordant` must be"):
        detectable_difference(10, 1.1)
