"""The power computation against what it promises, and against a simulation of the test."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.errors import ArgumentError
from tables.power import detectable_difference

items = st.integers(1, 100_000)
shares = st.floats(0.001, 1.0)
powers = st.floats(0.3, 0.99)


@given(items=items, discordant=shares, power=powers)
def test_difference_is_at_most_the_discordance(items: int, discordant: float, power: float) -> None:
    found = detectable_difference(items, discordant, power=power)
    assert found is None or 0 < found <= discordant


@given(items=st.integers(100, 100_000), discordant=shares, power=powers)
def test_difference_solves_the_equation(items: int, discordant: float, power: float) -> None:
    from statistics import NormalDist

    found = detectable_difference(items, discordant, power=power)
    if found is not None:
        z_level, z_power = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(power)
        right = z_level * math.sqrt(discordant) + z_power * math.sqrt(max(0.0, discordant - found**2))
        assert found * math.sqrt(items) == pytest.approx(right, rel=1e-9)


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
    difference = detectable_difference(items, discordant, power=0.8)
    assert difference is not None
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    drawn = np.random.default_rng(0).multinomial(items, shares, size=20_000)
    statistic = (drawn[:, 0] - drawn[:, 1]) / np.sqrt(np.maximum(1, drawn[:, 0] + drawn[:, 1]))
    assert np.mean(np.abs(statistic) > 1.959964) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"items": 0, "discordant": 0.1}, "`items` must be at least 1, got 0"),
        ({"items": 10, "discordant": 1.1}, "`discordant` must be a share in [0, 1], got 1.1"),
        ({"items": 10, "discordant": 0.1, "power": 1.0}, "`power` in (level / 2, 1)"),
        ({"items": 10, "discordant": 0.1, "level": 0.0}, "`level` must be in (0, 1)"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        detectable_difference(**arguments)
    assert message in str(caught.value)
