import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from doubles import BigramEncoder
from semreward import SemanticSimilarityReward, similarities
from semreward.encoders.engine import Engine
from semreward.text import answer_text

ENCODER = BigramEncoder()
REWARD = SemanticSimilarityReward(ENCODER, threshold=0.3)

COMPLETION = st.text("abcཀཁ字三 ", max_size=8)
REFERENCE = COMPLETION.filter(str.strip)
ROWS = st.lists(st.tuples(COMPLETION, REFERENCE), min_size=1, max_size=8)


def score(rows, reward=REWARD):
    return reward(completions=[row[0] for row in rows], reference=[row[1] for row in rows])


@given(ROWS)
def test_values_are_between_zero_and_one(rows):
    assert all(0.0 <= value <= 1.0 for value in score(rows))


@given(ROWS)
def test_similarities_are_cosines(rows):
    cosines = similarities(ENCODER, *zip(*rows, strict=True))
    assert np.all((cosines >= -1) & (cosines <= 1))


@given(REFERENCE)
def test_a_text_is_wholly_similar_to_itself(text):
    assert similarities(ENCODER, [text], [text])[0] == pytest.approx(1.0, abs=1e-12)


@given(COMPLETION, REFERENCE)
def test_nothing_beats_the_reference_itself(completion, reference):
    other, own = score([(completion, reference), (reference, reference)])
    assert other <= own + 1e-12


@given(REFERENCE, REFERENCE)
def test_similarity_is_symmetric(first, second):
    forth, back = similarities(ENCODER, [first, second], [second, first])
    assert forth == pytest.approx(back, abs=1e-12)


@given(COMPLETION, REFERENCE)
def test_similarity_is_the_naive_cosine(completion, reference):
    assume(completion.strip())
    first, second = ENCODER.encode([answer_text(completion), answer_text(reference)]).astype(np.float64)
    naive = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    assert similarities(ENCODER, [completion], [reference])[0] == pytest.approx(naive, abs=1e-12)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    places = list(range(len(rows)))
    random.shuffle(places)
    values = score(rows)
    assert score([rows[place] for place in places]) == [values[place] for place in places]


@given(ROWS, st.integers(0, 8))
def test_the_split_into_calls_does_not_matter(rows, cut):
    parts = [score(part) for part in (rows[:cut], rows[cut:]) if part]
    assert [value for part in parts for value in part] == score(rows)


@given(ROWS)
def test_equal_rows_get_equal_values(rows):
    values = score(rows + rows)
    assert values[: len(rows)] == values[len(rows) :]


@given(COMPLETION, st.lists(REFERENCE, min_size=1, max_size=4))
def test_several_references_count_like_the_best_of_them(completion, references):
    alone = [score([(completion, reference)])[0] for reference in references]
    assert REWARD(completions=[completion], reference=[references]) == [max(alone)]


@given(ROWS, st.floats(-1, 0.99), st.floats(-1, 0.99))
def test_a_higher_threshold_never_earns_more(rows, first, second):
    low, high = sorted((first, second))
    pairs = zip(score(rows, REWARD.replace(threshold=high)), score(rows, REWARD.replace(threshold=low)), strict=True)
    assert all(strict <= lenient + 1e-12 for strict, lenient in pairs)


@given(ROWS)
def test_a_missing_reference_leaves_the_other_rows_alone(rows):
    lenient = REWARD.replace(on_missing="none")
    with_gap = lenient(completions=["a", *(row[0] for row in rows)], reference=[None, *(row[1] for row in rows)])
    assert with_gap == [None, *score(rows)]


@given(st.lists(COMPLETION.filter(bool), max_size=12), st.integers(1, 5), st.integers(0, 3000))
def test_no_engine_setting_changes_a_vector(texts, batch_size, cache_bytes):
    engine = Engine(lambda: ENCODER.encode, batch_size=batch_size, cache_bytes=cache_bytes)
    twice = [engine.encode(texts, keep=set(texts[::2])) for _ in range(2)]
    expected = ENCODER.encode(texts) if texts else np.zeros((0, 0))
    assert all(np.array_equal(vectors, expected) for vectors in twice)
