import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles import BigramEncoder
from semreward import (
    CompositeReward,
    LanguageConsistencyReward,
    SemanticSimilarityReward,
    paper_reward,
    recommended_reward,
)

VALUE = st.one_of(st.none(), st.floats(-100, 100))
WEIGHT = st.floats(-10, 10)
TEXT = st.text("abཀཁ字 ", max_size=6)
ROWS = st.lists(st.tuples(TEXT, TEXT.filter(str.strip)), min_size=1, max_size=5)


def first(completions, a, **columns):
    return a


async def second(completions, b, **columns):
    return b


@st.composite
def columns(draw):
    rows = draw(st.integers(1, 5))
    return [draw(st.lists(VALUE, min_size=rows, max_size=rows)) for _ in range(2)]


@given(columns(), WEIGHT, WEIGHT)
def test_a_row_is_the_sum_of_what_applies(values, weight, other_weight):
    expected = []
    for pair in zip(*values, strict=True):
        terms = [w * v for w, v in zip((weight, other_weight), pair, strict=True) if v is not None]
        expected.append(sum(terms) if terms else None)
    reward = CompositeReward([(first, weight), (second, other_weight)])
    got = reward(completions=["x"] * len(values[0]), a=values[0], b=values[1])
    assert [math.nan if value is None else value for value in got] == pytest.approx(
        [math.nan if value is None else value for value in expected], abs=1e-9, nan_ok=True
    )


@given(columns())
def test_the_order_of_components_does_not_matter(values):
    arguments = {"completions": ["x"] * len(values[0]), "a": values[0], "b": values[1]}
    components = [(first, 1.5), (second, 1.0)]
    assert CompositeReward(components)(**arguments) == CompositeReward(components[::-1])(**arguments)


@given(ROWS, st.floats(-1, 0.99))
def test_the_papers_reward_is_between_zero_and_two_and_a_half(rows, threshold):
    completions, references = zip(*rows, strict=True)
    values = paper_reward(BigramEncoder(), "bo", threshold)(completions=completions, reference=references)
    assert all(0.0 <= value <= 2.5 + 1e-9 for value in values)


@given(ROWS)
def test_the_papers_reward_is_the_sum_of_its_parts(rows):
    completions, references = zip(*rows, strict=True)
    similarity = SemanticSimilarityReward(BigramEncoder(), threshold=0.4)(completions=completions, reference=references)
    language = LanguageConsistencyReward("bo")(completions=completions)
    values = paper_reward(BigramEncoder(), "bo", 0.4)(completions=completions, reference=references)
    assert values == pytest.approx([1.5 * s + 1.0 * c for s, c in zip(similarity, language, strict=True)])


class Bounded:
    """Returns a column and declares its bounds."""

    def __init__(self, name, bounds):
        self.__name__, self.bounds = name, bounds

    def __call__(self, completions, **columns):
        return columns[self.__name__]


def within(low, high):
    return st.one_of(st.none(), st.floats(low, high))


@st.composite
def gated_calls(draw):
    """Components with bounds, a gate among them, and the columns that they return."""
    names = ["a", "b", "gate"]
    ranges = [tuple(sorted(draw(st.tuples(st.floats(-5, 5), st.floats(-5, 5))))) for _ in names]
    rows = draw(st.integers(1, 5))
    components = [(Bounded(name, bounds), draw(WEIGHT)) for name, bounds in zip(names, ranges, strict=True)]
    values = {
        name: draw(st.lists(within(*bounds), min_size=rows, max_size=rows))
        for name, bounds in zip(names, ranges, strict=True)
    }
    return components, {"completions": ["x"] * rows, **values}


@given(gated_calls(), st.floats(-5, 5))
def test_a_row_receives_its_sum_or_the_floor(call, threshold):
    components, arguments = call
    plain = CompositeReward(components)(**arguments)
    gated = CompositeReward(components, mode="gate", gates=["gate"], gate_threshold=threshold, floor=-100.0)(
        **arguments
    )
    for total, value, gate in zip(plain, gated, arguments["gate"], strict=True):
        opened = gate is not None and gate > 0 and gate >= threshold
        assert value == (total if opened or total is None else -100.0)


@given(gated_calls())
def test_nothing_earns_less_than_the_default_floor(call):
    components, arguments = call
    reward = CompositeReward(components, mode="gate", gates=["gate"])
    floor, top = reward.bounds
    assert all(value is None or floor - 1e-9 <= value <= top + 1e-9 for value in reward(**arguments))


@given(gated_calls())
def test_a_sum_lies_within_its_bounds(call):
    components, arguments = call
    reward = CompositeReward(components)
    low, high = reward.bounds
    assert all(value is None or low - 1e-9 <= value <= high + 1e-9 for value in reward(**arguments))


@given(ROWS)
def test_the_recommended_reward_is_the_papers_or_nothing(rows):
    completions, references = zip(*rows, strict=True)
    arguments = {"completions": completions, "reference": references}
    paper = paper_reward(BigramEncoder(), "bo", 0.4)(**arguments)
    recommended = recommended_reward(BigramEncoder(), "bo", 0.4)(**arguments)
    assert all(value in (0.0, other) for value, other in zip(recommended, paper, strict=True))
