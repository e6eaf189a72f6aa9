import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.monitor.metrics import Component, correlation, deviations, measure

GROUPS = st.lists(st.integers(0, 3), min_size=2, max_size=12)


def measured_of(answers, totals=None, **parts):
    totals = [0.0] * len(answers) if totals is None else totals
    return measure(answers, np.array([math.nan if value is None else value for value in totals], dtype=float), **parts)


def rows_of(numbers):
    """Group numbers of rows as lists of rows."""
    return [[row for row, number in enumerate(numbers) if number == group] for group in dict.fromkeys(numbers)]


def column(*values):
    return np.array(values, dtype=float)


def test_an_empty_call_is_measured_by_nothing():
    assert measured_of([], prompts=[]) == {}


def test_length_is_counted_in_units():
    assert measured_of(["བོད་ཡིག", "三只猫", ""])["answer_units"] == pytest.approx(5 / 3)


def test_length_is_compared_with_the_reference_of_the_nearest_length():
    measured = measured_of(["a b"], references=[("a b c d", "a b c")])
    assert measured["length_ratio"] == pytest.approx(2 / 3)


def test_rows_without_a_reference_have_no_length_ratio():
    measured = measured_of(["a b", "a"], references=[(), ("a b",)])
    assert measured["length_ratio"] == pytest.approx(1 / 2)


def test_without_references_there_is_no_length_ratio():
    assert "length_ratio" not in measured_of(["a b"])


def test_longer_answers_that_earn_more_in_their_group_correlate_with_length():
    measured = measured_of(["a", "a b", "a b c"], [0.0, 0.5, 1.0], prompts=["p"] * 3)
    assert measured["length_correlation"] == pytest.approx(1.0)


def test_what_sets_groups_apart_is_no_correlation():
    answers = ["a", "a b", "a b c d e", "a b c d e f"]
    measured = measured_of(answers, [0.2, 0.1, 0.9, 0.8], prompts=["p", "p", "q", "q"])
    assert measured["length_correlation"] == pytest.approx(-1.0)


def test_a_correlation_is_absent_where_nothing_varies():
    assert "length_correlation" not in measured_of(["a", "b"], [0.0, 1.0], prompts=["p", "p"])


def test_rounding_of_rewards_is_no_variation():
    measured = measured_of(["a", "a b"], [0.5, 0.5 + 1e-7], prompts=["p", "p"])
    assert "length_correlation" not in measured


@given(GROUPS, st.integers(0, 2**32 - 1))
def test_correlation_is_that_of_deviations_from_group_means(groups, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, len(groups)))
    found = correlation(first, second, rows_of(groups))
    kept = [rows for rows in rows_of(groups) if len(rows) > 1]
    if not kept:
        assert math.isnan(found)
        return
    a = np.concatenate([first[rows] - first[rows].mean() for rows in kept])
    b = np.concatenate([second[rows] - second[rows].mean() for rows in kept])
    assert found == pytest.approx((a @ b) / math.sqrt((a @ a) * (b @ b)))


@given(GROUPS, st.integers(0, 2**32 - 1))
def test_a_constant_added_to_a_group_changes_no_correlation(groups, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, len(groups)))
    moved = first + rng.normal(size=4)[groups]
    expected = correlation(first, second, rows_of(groups))
    assert correlation(moved, second, rows_of(groups)) == pytest.approx(expected, nan_ok=True)


@given(st.permutations(range(6)))
def test_no_metric_depends_on_the_order_of_rows(order):
    answers, totals = ["a b", "a", "b c d", "a b", "", "e"], [0.1, 0.9, 0.4, 0.1, 0.0, 0.3]
    prompts, references = (
        ["p a b", "p a b", "q", "q", "r", "r"],
        [("a b",), ("a b",), ("b d",), ("b d",), ("e",), ("e",)],
    )
    other = column(0.2, 0.1, 0.9, 0.3, 0.5, 0.4)

    def measured(rows):
        rows = list(rows)
        return measured_of(
            [answers[row] for row in rows],
            [totals[row] for row in rows],
            components={"x": Component(np.array(totals)[rows])},
            judges={"y": other[rows]},
            references=[references[row] for row in rows],
            prompts=[prompts[row] for row in rows],
        )

    assert measured(order) == pytest.approx(measured(range(6)))


def test_rows_alone_in_their_group_do_not_deviate():
    first, second = deviations(column(1, 3, 7), column(2, 2, 9), [[0, 1], [2]])
    assert (first.tolist(), second.tolist()) == ([-1.0, 1.0, 0.0], [0.0, 0.0, 0.0])


def test_groups_whose_rewards_are_equal_are_flat():
    prompts = ["p", "p", "q", "q", "r"]
    measured = measured_of(list("abcde"), [0.5, 0.5 + 1e-7, 0.1, 0.9, 0.3], prompts=prompts)
    assert measured["flat_groups"] == pytest.approx(1 / 2)


def test_a_missing_reward_is_no_part_of_its_group():
    measured = measured_of(list("abc"), [0.5, 0.5, None], prompts=["p"] * 3)
    assert measured["flat_groups"] == 1.0


def test_without_prompts_there_are_no_groups():
    assert "flat_groups" not in measured_of(["a", "b"], [0.5, 0.5])


def test_the_mean_reward_leaves_missing_ones_out():
    assert measured_of(["a", "b"], [None, 0.5])["reward"] == 0.5


def test_distinct_answers_are_counted_over_the_call():
    assert measured_of(["a", "a", "b", "c"])["distinct"] == 0.75


def test_units_that_no_answer_of_the_group_has_are_missing():
    references = [("a b c d",), ("a b c d",), ("e f",)]
    measured = measured_of(["a b", "a c", "e f g"], references=references, prompts=["p", "p", "q"])
    assert measured["missing_units"] == pytest.approx((1 / 4 + 0) / 2)


def test_of_several_references_the_best_met_counts():
    measured = measured_of(["a b"], references=[("a b c", "a b")], prompts=["p"])
    assert measured["missing_units"] == 0.0


def test_an_answer_that_repeats_its_prompt_is_an_echo():
    measured = measured_of(["红色的猫", "x y"], references=[("དམར་པོ",)] * 2, prompts=["翻译：红色的猫"] * 2)
    assert measured["echo"] == pytest.approx(1 / 2)


def test_what_the_reference_repeats_of_the_prompt_is_no_echo():
    measured = measured_of(["the red cat"], references=[("the red cat",)], prompts=["say: the red cat"])
    assert measured["echo"] == 0.0


def leaked(answer, reference="Ein Hund im Haus."):
    return measured_of([answer], references=[(reference,)], prompts=["Translate: A dog in 2024houses, Home."])["leaked"]


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("Ein Hund in einem home.", 1.0),  # whatever its case
        ("Ein Dog im Haus.", 0.0),  # three letters
        ("Ein Hund in einem homes.", 0.0),  # another word
        ("Ein Hund in 2024houses.", 0.0),  # has digits
        ("", 0.0),
    ],
)
def test_a_word_of_the_prompt_that_no_reference_has_is_a_leak(answer, share):
    assert leaked(answer) == share


def test_a_word_that_a_reference_has_is_no_leak():
    assert leaked("Ein Home.", reference="Das Home.") == 0.0


def test_leaks_are_counted_over_answers_with_a_reference():
    measured = measured_of(["Home", "Haus", "Home"], references=[("Haus",), ("Haus",), ()], prompts=["home"] * 3)
    assert measured["leaked"] == 0.5


def test_a_component_is_measured_on_the_scale_of_its_bounds():
    component = Component(column(0.0, 5.0, 10.0, math.nan), bounds=(0.0, 10.0))
    measured = measured_of(list("abcd"), [0.0] * 4, components={"x": component})
    assert (measured["mean/x"], measured["dead_zone/x"]) == pytest.approx((0.5, 1 / 3))


def test_a_component_of_negative_weight_pays_most_for_its_least_value():
    component = Component(column(0.0, 1.0), weight=-1.0)
    assert measured_of(["a", "b"], components={"x": component})["dead_zone/x"] == 0.5


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 5), st.floats(-5, -0.1))
def test_shares_of_the_components_of_a_sum_add_up_to_one(seed, first, second):
    one, two = np.random.default_rng(seed).normal(size=(2, 8))
    parts = {"one": Component(one, first), "two": Component(two, second)}
    measured = measured_of(list("abcdefgh"), first * one + second * two, components=parts, prompts=list("ppppqqqq"))
    assert measured["share/one"] + measured["share/two"] == pytest.approx(1.0)


def test_a_component_that_is_equal_within_groups_has_no_share():
    parts = {"x": Component(column(0, 0, 1, 1)), "y": Component(column(0, 1, 0, 1))}
    measured = measured_of(list("abcd"), [0, 1, 1, 2], components=parts, prompts=list("ppqq"))
    assert (measured["share/x"], measured["share/y"]) == pytest.approx((0.0, 1.0))


def test_a_judge_is_measured_by_its_mean_and_its_agreement():
    measured = measured_of(list("abc"), [0.1, 0.2, 0.3], judges={"j": column(0.9, 0.6, 0.3)}, prompts=["p"] * 3)
    assert (measured["judge/j"], measured["agreement/j"]) == pytest.approx((0.6, -1.0))


def test_a_judge_without_a_value_is_not_measured():
    assert "judge/j" not in measured_of(["a"], judges={"j": column(math.nan)})
