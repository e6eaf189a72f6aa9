import numpy as np
import pytest

from semreward.errors import ArgumentError
from tibetan.comparison import compare
from tibetan.results import compared_answers


def test_interval_of_independent_items_is_that_of_the_normal_approximation() -> None:
    differences = np.random.default_rng(0).normal(0.1, 1.0, 2000)
    found = compare(differences.tolist(), [0.0] * 2000)
    error = differences.std() / np.sqrt(2000)
    expected = [found.difference - 1.96 * error, found.difference + 1.96 * error]
    assert [found.low, found.high] == pytest.approx(expected, abs=0.1 * error)
    assert found.detectable == pytest.approx(2.8 * error, rel=0.05)


def test_items_of_one_cluster_are_drawn_together() -> None:
    values = [float(number % 2) for number in range(100) for _ in range(10)]  # ten equal items per cluster
    alone = compare(values, [0.5] * 1000)
    together = compare(values, [0.5] * 1000, clusters=[number // 10 for number in range(1000)])
    assert together.clusters == 100
    assert together.high - together.low == pytest.approx((alone.high - alone.low) * np.sqrt(10), rel=0.1)


def test_pairing_removes_what_both_share() -> None:
    items = np.random.default_rng(1).normal(size=500)
    found = compare((items + 0.01).tolist(), items.tolist())
    assert (found.low, found.high) == pytest.approx((0.01, 0.01))


@pytest.mark.parametrize(("after", "before"), [([], []), ([1.0], [1.0, 2.0])])
def test_lists_of_other_lengths_are_refused(after: list[float], before: list[float]) -> None:
    with pytest.raises(ArgumentError, match="must be of one length and not empty"):
        compare(after, before)


def test_answers_are_compared_column_by_column() -> None:
    before = [{"source": "", "reference": "", "answer": "", "chrf": 0.5, "leaked_words": []} for _ in range(4)]
    after = [{**row, "chrf": 0.75, "leaked_words": ["vert"]} for row in before]
    found = compared_answers(after, before)
    assert {name: comparison.difference for name, comparison in found.items()} == {"chrf": 0.25, "leaked_words": 1.0}
