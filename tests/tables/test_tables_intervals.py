import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.intervals import over_seeds, paired_difference

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
    assert paired_difference(answers, answers, resamples=50)[:4] == (0.0, 0.0, 0.0, 0.0)


@given(answers=answers)
def test_interval_holds_the_mean(answers: list[str]) -> None:
    found = paired_difference(answers, ["1" * len(answers[0])], resamples=200)
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9


def test_difference_and_discordance_of_known_answers() -> None:
    found = paired_difference(["1100", "1110"], ["1111"], resamples=10)
    assert (found.mean, found.discordant, found.items) == (-0.375, 0.375, 4)


def test_bootstrap_is_as_wide_as_the_standard_error_says() -> None:
    found = paired_difference(["1" * 60 + "0" * 40 + "1" * 900], ["1" * 1000])
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.sqrt(0.04 * 0.96 / 1000), rel=0.05)
