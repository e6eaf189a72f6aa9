import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles import BigramEncoder
from semreward import CompositeReward, LanguageConsistencyReward, SemanticSimilarityReward, paper_reward

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
