"""`ranking`: does a signal order the answers to one prompt? All shares are counted by hand."""

import math
import re
import tracemalloc

import numpy as np
import pytest

from doubles import BigramEncoder, returning
from semreward import ChrfReward, LanguageConsistencyReward, ranking, similarities
from semreward.errors import ArgumentError, RewardOutputError

# Two prompts, on which more rows of a test build: the signal orders one pair rightly and one wrongly.
RIGHT = [("p", "a", "r", 1), ("p", "b", "r", 2)]
WRONG = [("q", "a", "r", 1), ("q", "b", "r", 2)]
VALUES = [0.1, 0.2, 0.2, 0.1]


def measured(*more, rows=(*RIGHT, *WRONG), values=VALUES):
    """Each of `more` is a graded row and what the signal says of it."""
    return ranking([*values, *(value for _, value in more)], [*rows, *(row for row, _ in more)])


def prompts_with(*answers, number, reference="r"):
    """So many prompts, each with these answers and grades."""
    return [(f"prompt {index}", answer, reference, grade) for index in range(number) for answer, grade in answers]


def of_prompts(number, *, right):
    """Prompts with two answers each, of which the signal orders the first ones rightly."""
    rows = prompts_with(("a", 1), ("b", 2), number=number)
    return ranking([value for index in range(number) for value in ((0, 1) if index < right else (1, 0))], rows)


def test_pairs_in_order_are_counted():
    found = measured()
    assert (found.right, found.pairs, found.prompts) == (1 / 2, 2, 2)


def test_answers_to_different_prompts_make_no_pair():
    assert measured((("another", "c", "r", 9), 0.0)).pairs == 2


def test_a_prompt_without_a_pair_is_left_out_and_counted():
    found = measured(
        (("one answer", "a", "r", 1), 0.9), (("one grade", "a", "r", 1), 0.1), (("one grade", "b", "r", 1), 0.9)
    )
    assert (found.right, found.prompts, found.prompts_left_out) == (1 / 2, 2, 2)


def test_answers_of_equal_grade_make_no_pair():
    assert measured((("p", "c", "r", 2), 0.0)).pairs == 3  # c against a, not against b


def test_many_answers_to_one_prompt_take_little_memory():
    rows = [("p", f"answer {index}", "r", index % 750) for index in range(1500)]
    tracemalloc.start()
    found = ranking([*range(1500), 0, 1], [*rows, *WRONG])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20
    # In order: both halves, and pairs of an answer of the second half and a worse one of the first.
    assert (found.pairs, found.right * found.pairs) == (4 * math.comb(750, 2) + 1, 3 * math.comb(750, 2) + 1)


def test_a_tie_of_the_signal_counts_half():
    # c is better than a and b; the signal ties it with b, and puts it above a.
    assert measured((("p", "c", "r", 3), 0.2)).right == pytest.approx((1 + 1 / 2 + 1) / 4)


def test_grades_of_different_raters_are_not_compared():
    rows = [(*row, "one") for row in (*RIGHT, *WRONG)]
    assert measured((("p", "c", "r", 9, "other"), 0.0), rows=rows).pairs == 2


def test_a_raters_grades_count_beside_anothers():
    rows = [(*row, rater) for row in (*RIGHT, *WRONG) for rater in ("one", "other")]
    rows[1] = (*RIGHT[0], "other")
    found = ranking(np.repeat(VALUES, 2), rows)
    assert (found.right, found.pairs, found.prompts) == (1 / 2, 4, 2)


def test_equal_answers_of_a_rater_count_once_with_their_mean_grade():
    # b has grade 2 and 6, so 4 on average: below c. Apart, the pairs would be five.
    found = measured((("p", " b ", "r", 6), 0.2), (("p", "c", "r", 5), 0.3))
    assert (found.right, found.pairs) == (3 / 4, 4)


def test_equal_answers_count_once_with_their_mean_value():
    # b's mean is 0.3: above c, which is worse.
    assert measured((("p", "b", "r", 2), 0.4), (("p", "c", "r", 1.5), 0.25)).right == 3 / 4


def test_means_that_differ_by_rounding_only_are_equal():
    # The mean of three times 0.1 is not 0.1 in floating point: c ties with a in value, and with d in grade.
    found = measured(*[(("p", "c", "r", 0.1), 0.1)] * 3, (("p", "d", "r", 0.1), 0.9))
    # p: b over a, c like a, b over c; but d, which is worse, over a and b. q: its pair is wrong.
    assert (found.right, found.pairs) == (pytest.approx((1 + 1 / 2 + 1) / 6), 6)


def test_equal_answers_to_different_raters_stay_apart():
    rows = [(*row, "one") for row in (*RIGHT, *WRONG)]
    found = measured((("p", "a", "r", 5, "other"), 0.1), (("p", "b", "r", 3, "other"), 0.2), rows=rows)
    assert (found.right, found.pairs) == (1 / 3, 3)


def test_the_order_of_rows_does_not_matter():
    rows, values = [*RIGHT, *WRONG], [0.1, 0.2, 0.2, 0.3]
    backward = ranking(values[::-1], rows[::-1])
    assert (backward.right, backward.within) == pytest.approx((1, ranking(values, rows).within))


def test_prompts_may_be_messages():
    messages = [{"role": "user", "content": "p"}]
    rows = [(messages, answer, reference, grade) for _, answer, reference, grade in RIGHT]
    assert ranking(VALUES, [*rows, *WRONG]).pairs == 2


@pytest.mark.parametrize("missing", [("p", "c", "r", None), ("p", "c", "r", 9)])
def test_rows_without_a_grade_or_a_value_are_left_out(missing):
    assert measured((missing, None)).pairs == 2


@pytest.mark.parametrize("grade", [None, math.nan, np.float32("nan"), type("NAType", (), {})()])
def test_a_grade_is_missing_as_pandas_has_it(grade):
    assert measured((("p", "c", "r", grade), 0.3)).pairs == 2


def test_rows_may_come_from_an_iterator():
    assert ranking(VALUES, iter([*RIGHT, *WRONG])).pairs == 2


# Variance.


def test_the_variance_within_prompts_is_a_share_of_all():
    # Deviations from the prompts' means 0.5 and 2.5 are 0.5 each: 4 * 0.25; from the mean 1.5: 2 * (1.5**2 + 0.5**2).
    assert ranking([0, 1, 2, 3], [*RIGHT, *WRONG]).within == pytest.approx(1 / 5)


def test_a_constant_has_no_variance_and_orders_half_of_the_pairs():
    found = ranking([0.1] * 4, [*RIGHT, *WRONG])
    assert (found.within, found.right, found.interval) == (0, 1 / 2, (1 / 2, 1 / 2))


# Signals.

TEXTS = [
    ("p", "the cat sat", "the cat sat down", 2),
    ("p", "a dog", "the cat sat down", 1),
    ("q", "it rains", "it is raining", 3),
    ("q", "snow", "it is raining", 1),
]
ANSWERS, REFERENCES = [row[1] for row in TEXTS], [row[2] for row in TEXTS]


def test_an_encoders_signal_is_the_cosine_with_the_reference():
    assert ranking(BigramEncoder(), TEXTS) == ranking(similarities(BigramEncoder(), ANSWERS, REFERENCES), TEXTS)


def test_a_reward_is_a_signal():
    assert ranking(ChrfReward(), TEXTS) == ranking(ChrfReward()(completions=ANSWERS, reference=REFERENCES), TEXTS)


def test_a_reward_receives_the_columns_that_trainers_pass():
    seen = []

    def reward(prompts, completions, reference, **_):
        seen.append((prompts, completions, reference))
        return [0.0] * len(completions)

    ranking(reward, TEXTS)
    assert seen == [(["p", "p", "q", "q"], ANSWERS, REFERENCES)]


def test_rows_to_which_a_reward_does_not_apply_are_left_out():
    assert ranking(returning(0.1, 0.2, 0.2, 0.1, None), [*RIGHT, *WRONG, ("p", "c", "r", 9)]).pairs == 2


def test_a_reward_of_ours_that_says_nothing_of_the_meaning_ties():
    assert ranking(LanguageConsistencyReward("en"), TEXTS).right == 1 / 2


# Baselines.


def test_the_length_is_better_the_nearer_it_is_to_the_references():
    rows = [
        ("p", "abcdef", "abc", 1),
        ("p", "ab", "abc", 2),
        ("q", "a", ["abcdef", "ab"], 2),
        ("q", "abcd", ["abcdef", "ab"], 1),
    ]
    assert ranking([0] * 4, rows).baselines["length"][0] == 1


def test_chrf_is_a_baseline():
    assert ranking([0] * 4, TEXTS).baselines["chrF"][0] == 1


def test_a_constant_is_a_baseline():
    assert measured().baselines["a constant"][0] == 1 / 2


def test_chrf_is_no_baseline_where_it_is_the_grade():
    grades = ChrfReward()(completions=ANSWERS, reference=REFERENCES)
    rows = [(*row[:3], grade) for row, grade in zip(TEXTS, grades, strict=True)]
    assert list(ranking([0] * 4, rows).baselines) == ["length", "a constant"]


def test_a_baseline_that_is_the_signal_differs_by_nothing():
    assert ranking(ChrfReward(), TEXTS).baselines["chrF"][1:] == (0, 0)


# Intervals.


def test_the_interval_is_that_of_a_share_of_prompts():
    # One pair per prompt: the share of 400 draws with chance 0.7 has a standard error of sqrt(0.21 / 400) = 0.0229.
    low, high = of_prompts(400, right=280).interval
    assert (low, high) == pytest.approx((0.7 - 1.96 * 0.0229, 0.7 + 1.96 * 0.0229), abs=0.006)


def test_prompts_are_resampled_not_pairs():
    # 20 prompts with 28 pairs each, all right or all wrong: the error is that of 20 draws, not of 560.
    rows = [(f"prompt {index}", f"answer {grade}", "r", grade) for index in range(20) for grade in range(8)]
    found = ranking([grade if index < 10 else -grade for index in range(20) for grade in range(8)], rows)
    low, high = found.interval
    assert (found.pairs, high - low) == (560, pytest.approx(2 * 1.96 * math.sqrt(0.25 / 20), abs=0.06))


def test_a_difference_to_a_baseline_is_paired():
    # Length is right wherever the signal is, so their difference has no noise although both shares have.
    rows = prompts_with(("a", 0), ("bb", 1), number=20, reference="rrr")
    rows += [(f"other {prompt}", answer, reference, -grade) for prompt, answer, reference, grade in rows]
    found = ranking([len(answer) for _, answer, _, _ in rows], rows)
    assert found.interval[0] < 1 / 2 < found.interval[1]
    assert found.baselines["length"][1:] == (0, 0)


def test_intervals_are_the_same_each_time():
    assert of_prompts(30, right=20) == of_prompts(30, right=20)


def test_intervals_do_not_depend_on_the_order_of_prompts():
    rows = prompts_with(("a", 1), ("b", 2), number=23)
    values = [value for index in range(23) for value in ((0, 1) if index % 3 else (1, 0))]
    assert ranking(values[::-1], rows[::-1]).interval == ranking(values, rows).interval


# The verdict.


def test_the_verdict_praises_a_signal_that_beats_all_baselines():
    assert of_prompts(40, right=40).verdict == (
        "The signal orders 100.0% of pairs rightly (100.0% to 100.0%), better than length (50.0%) and chrF (50.0%) and "
        "a constant (50.0%)."
    )


def test_the_verdict_names_the_baselines_that_are_not_beaten():
    verdict = of_prompts(40, right=21).verdict
    assert verdict.startswith("The signal orders 52.5% of pairs rightly (")
    assert verdict.endswith("), no better than length (50.0%) and chrF (50.0%) and a constant (50.0%).")


def test_the_verdict_leaves_out_what_is_beaten_where_something_is_not():
    rows = prompts_with(("x", 1), ("catch", 2), number=20, reference="cat sat")
    assert ranking([1, 2] * 20, rows).verdict.endswith(", no better than length (100.0%) and chrF (100.0%).")


def test_a_few_prompts_allow_no_verdict():
    assert of_prompts(9, right=9).verdict.endswith("but 9 prompts are too few to tell.")


def test_it_prints_as_a_table_with_the_verdict():
    found = measured((("left out", "a", "r", 1), 0.2))
    assert str(found).splitlines() == [
        "signal      50.0%  of 2 pairs in 2 prompts; 1 more have no pair",
        "length      50.0%  the signal orders -50.0 to +50.0 points more",
        "chrF        50.0%  the signal orders -50.0 to +50.0 points more",
        "a constant  50.0%  the signal orders -50.0 to +50.0 points more",
        "variance    83.3%  of the signal's is within prompts",
        found.verdict,
    ]


# What is refused.


@pytest.mark.parametrize(
    "wrong",
    [("p", "a", "r"), ("p", "a", "r", 1, "rater", 2), "text", None],
)
def test_what_is_no_graded_row_is_refused_by_its_row(wrong):
    with pytest.raises(ArgumentError, match="`groups` must hold rows of 4 or 5 values, got .* at row 1"):
        ranking([0, 0], [RIGHT[0], wrong])


@pytest.mark.parametrize("wrong", ["2", True, math.inf, [2], 10**400])
def test_what_is_no_grade_is_refused_by_its_row_and_without_its_texts(wrong):
    with pytest.raises(
        ArgumentError, match=rf"must hold numbers or None as grades, got {re.escape(repr(wrong))} at row 1"
    ):
        ranking([0, 0], [RIGHT[0], ("p", "b", "r", wrong)])


def test_a_missing_reference_is_refused_by_its_row():
    with pytest.raises(ArgumentError, match="`reference` must be a non-empty string .* at row 1"):
        ranking([0, 0], [RIGHT[0], ("p", "b", "", 2)])


@pytest.mark.parametrize("rows", [[], RIGHT, [*RIGHT, WRONG[0]]])
def test_one_prompt_with_pairs_is_not_enough(rows):
    with pytest.raises(ArgumentError, match="`groups` must hold 2 prompts with unequal grades by a rater, got [01]"):
        ranking(VALUES[: len(rows)], rows)


def test_signals_of_another_length_are_refused():
    with pytest.raises(RewardOutputError, match="`signal` must return one value per completion: 4 expected, got 3"):
        ranking([0, 1, 2], [*RIGHT, *WRONG])


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_a_signal_that_is_not_finite_is_refused_by_its_row(wrong):
    with pytest.raises(RewardOutputError, match="`signal` must return finite values, got .* at row 1"):
        ranking([0, wrong, 0, 0], [*RIGHT, *WRONG])
