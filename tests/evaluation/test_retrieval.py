import numpy as np
import pytest

from semreward.errors import ArgumentError
from semreward.evaluation import retrieval
from semreward.evaluation.retrieval import mean_cosine, pair_auc, retrieval_scores


def unit_rows(rows, width, seed):
    vectors = np.random.default_rng(seed).normal(size=(rows, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def noisy_pairs(rows=300, seed=0):
    anchors = unit_rows(rows, 8, seed)
    positives = anchors + 0.7 * unit_rows(rows, 8, seed + 1)
    return anchors, (positives / np.linalg.norm(positives, axis=1, keepdims=True)).astype(np.float32)


def test_a_rank_of_two_has_a_reciprocal_rank_of_a_half():
    anchors = np.array([[1, 0], [0, 1]], dtype=np.float32)
    positives = np.array([[0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    assert retrieval_scores(anchors, positives).forward == (0.0, 0.5)


def test_ties_rank_last():
    same = np.tile(np.array([[1, 0]], dtype=np.float32), (4, 1))
    assert retrieval_scores(same, same).forward == (0.0, 0.25)


def test_backward_is_forward_of_the_other_side():
    anchors, positives = noisy_pairs()
    assert retrieval_scores(anchors, positives).backward == retrieval_scores(positives, anchors).forward


def test_retrieval_equals_a_loop_over_pairs():
    anchors, positives = noisy_pairs(60)
    cosines = anchors @ positives.T
    ranks = [sum(cosines[i, j] >= cosines[i, i] for j in range(60)) for i in range(60)]
    expected = (np.mean([rank == 1 for rank in ranks]), np.mean([1 / rank for rank in ranks]))
    assert retrieval_scores(anchors, positives).forward == pytest.approx(expected)


def test_auc_equals_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    anchors, positives = noisy_pairs()
    cosines = anchors @ positives.T
    assert pair_auc(anchors, positives) == pytest.approx(
        metrics.roc_auc_score(np.eye(len(cosines)).ravel(), cosines.ravel()), abs=1e-9
    )


def test_auc_of_cosines_that_are_all_equal_is_a_half():
    same = np.tile(np.array([[1, 0]], dtype=np.float32), (5, 1))
    assert pair_auc(same, same) == 0.5


def test_blocks_change_no_value(monkeypatch):
    anchors, positives = noisy_pairs()
    whole = retrieval_scores(anchors, positives), pair_auc(anchors, positives)
    monkeypatch.setattr(retrieval, "_BLOCK", 7)
    assert (retrieval_scores(anchors, positives), pair_auc(anchors, positives)) == whole


def test_mean_cosine_equals_a_loop_over_pairs():
    vectors = unit_rows(20, 5, 3)
    pairs = [float(vectors[i] @ vectors[j]) for i in range(20) for j in range(20) if i != j]
    assert mean_cosine(vectors) == pytest.approx(np.mean(pairs), abs=1e-6)


def test_vectors_in_one_direction_have_a_mean_cosine_of_one():
    assert mean_cosine(np.tile(np.array([[0, 1]], dtype=np.float32), (5, 1))) == pytest.approx(1.0)


@pytest.mark.parametrize("measure", [retrieval_scores, pair_auc])
def test_sides_of_other_shapes_are_refused(measure):
    with pytest.raises(ArgumentError, match="one shape"):
        measure(np.eye(3, dtype=np.float32), np.eye(2, dtype=np.float32))


@pytest.mark.parametrize("measure", [lambda v: pair_auc(v, v), mean_cosine])
def test_one_text_has_no_other(measure):
    with pytest.raises(ArgumentError, match="at least 2 texts, got 1"):
        measure(np.eye(1, dtype=np.float32))


def test_no_texts_have_no_ranks():
    with pytest.raises(ArgumentError, match="at least 1 texts, got 0"):
        retrieval_scores(np.zeros((0, 3), dtype=np.float32), np.zeros((0, 3), dtype=np.float32))
