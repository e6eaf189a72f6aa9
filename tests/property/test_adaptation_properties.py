import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semreward.adaptation import read_pairs
from semreward.adaptation.pairs import without_leaks
from semreward.evaluation.retrieval import mean_cosine, pair_auc, rank_correlation, retrieval_scores

finite = st.floats(-1e6, 1e6, allow_nan=False)
short_texts = st.text(alphabet="ab ", max_size=3)
rows_of_texts = st.lists(st.tuples(short_texts, short_texts), max_size=12)


@st.composite
def sides(draw, at_least=2):
    """Unit rows of both sides of some pairs."""
    rows, width = draw(st.integers(at_least, 12)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vectors = rng.normal(size=(2, rows, width))
    return (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float32)


@given(sides())
def test_retrieval_is_a_share_and_at_most_its_reciprocal_rank(vectors):
    for direction in retrieval_scores(*vectors):
        assert 0.0 <= direction.precision_at_1 <= direction.reciprocal_rank <= 1.0


@given(sides(), st.randoms(use_true_random=False))
def test_the_order_of_pairs_changes_no_measure(vectors, rng):
    order = list(range(vectors.shape[1]))
    rng.shuffle(order)
    measured, shuffled = ((*retrieval_scores(*rows), pair_auc(*rows)) for rows in (vectors, vectors[:, order]))
    assert np.ravel(np.hstack(measured)) == pytest.approx(np.ravel(np.hstack(shuffled)), abs=1e-9)


@given(sides())
def test_turning_the_sides_round_turns_the_directions_round(vectors):
    forward, backward = retrieval_scores(vectors[0], vectors[1])
    assert retrieval_scores(vectors[1], vectors[0]) == (backward, forward)


@given(sides())
def test_auc_is_a_share(vectors):
    assert 0.0 <= pair_auc(*vectors) <= 1.0


@given(st.integers(2, 8))
def test_a_perfect_encoder_has_the_largest_values(rows):
    vectors = np.eye(rows, dtype=np.float32)
    assert retrieval_scores(vectors, vectors) == ((1.0, 1.0), (1.0, 1.0))
    assert pair_auc(vectors, vectors) == 1.0


@given(sides())
def test_the_mean_cosine_is_within_its_bounds(vectors):
    rows = vectors.shape[1]
    assert -1.0 / (rows - 1) - 1e-6 <= mean_cosine(vectors[0]) <= 1.0 + 1e-6


@given(arrays(np.float64, st.integers(2, 20), elements=finite))
def test_a_ranking_agrees_with_itself(values):
    correlation = rank_correlation(values, values)
    assert correlation == (None if len(set(values)) == 1 else pytest.approx(1.0))


@given(arrays(np.float64, (2, 8), elements=st.integers(0, 4).map(float)))
def test_a_correlation_is_symmetric_and_bounded(values):
    correlation = rank_correlation(values[0], values[1])
    turned = rank_correlation(values[1], values[0])
    assert correlation == (None if turned is None else pytest.approx(turned, abs=1e-12))
    assert correlation is None or -1.0 <= correlation <= 1.0


@given(arrays(np.float64, (2, 8), elements=st.integers(-9, 9).map(float)))
def test_only_the_order_of_values_counts(values):
    assert rank_correlation(np.exp(values[0]), values[1]) == rank_correlation(values[0], values[1])


@given(arrays(np.float64, (2, 8), elements=st.integers(-9, 9).map(float)))
def test_the_opposite_order_has_the_opposite_sign(values):
    correlation = rank_correlation(values[0], values[1])
    opposite = rank_correlation(-values[0], values[1])
    assert (opposite is None and correlation is None) or opposite == pytest.approx(-correlation)


@given(rows_of_texts)
def test_every_row_is_kept_or_counted(rows):
    data = read_pairs([("x", "y"), *rows])
    assert len(data) == data.report.kept
    assert data.report.rows == len(rows) + 1


@given(rows_of_texts, st.sets(st.sampled_from(["a", "b", "ab"])))
def test_no_duplicate_and_no_leak_is_left(rows, held_out):
    pairs, report = without_leaks(read_pairs([("x", "y"), *rows]), held_out)
    assert len(set(pairs)) == len(pairs) == report.kept
    assert held_out.isdisjoint(text for pair in pairs for text in pair)
