import json
import logging
import math
import pickle
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerControl, TrainerState, TrainingArguments

import semreward.monitor
from doubles import BigramEncoder
from semreward import ChrfReward, CompositeReward, LanguageConsistencyReward, paper_reward
from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError
from semreward.monitor import KINDS, AlarmLimits, MonitoredReward, RewardHackingWarning, RewardMonitor
from semreward.monitor.alarms import CLIPPED, Course, Watched
from semreward.monitor.detectors import Watch
from semreward.monitor.metrics import Component, Sample, correlation, measure, within_groups
from semreward.testing import check_reward

GROUPS = st.lists(st.integers(0, 3), min_size=2, max_size=12)


def sample(answers, totals=None, **parts):
    totals = [0.0] * len(answers) if totals is None else totals
    return Sample(answers, np.array([math.nan if value is None else value for value in totals], dtype=float), **parts)


def column(*values):
    return np.array(values, dtype=float)


# What a call is measured by


def test_an_empty_call_is_measured_by_nothing():
    assert measure(sample([], prompts=[])) == {}


def test_length_is_counted_in_units():
    assert measure(sample(["བོད་ཡིག", "三只猫", ""]))["answer_units"] == pytest.approx(5 / 3)


def test_length_is_compared_with_the_reference_of_the_nearest_length():
    measured = measure(sample(["a b"], references=[("a b c d", "a b c")]))
    assert measured["length_ratio"] == pytest.approx(2 / 3)


def test_rows_without_a_reference_have_no_length_ratio():
    measured = measure(sample(["a b", "a"], references=[(), ("a b",)]))
    assert measured["length_ratio"] == pytest.approx(1 / 2)


def test_without_references_there_is_no_length_ratio():
    assert "length_ratio" not in measure(sample(["a b"]))


def test_longer_answers_that_earn_more_in_their_group_correlate_with_length():
    measured = measure(sample(["a", "a b", "a b c"], [0.0, 0.5, 1.0], prompts=["p"] * 3))
    assert measured["length_correlation"] == pytest.approx(1.0)


def test_what_sets_groups_apart_is_no_correlation():
    answers = ["a", "a b", "a b c d e", "a b c d e f"]
    measured = measure(sample(answers, [0.2, 0.1, 0.9, 0.8], prompts=["p", "p", "q", "q"]))
    assert measured["length_correlation"] == pytest.approx(-1.0)


def test_a_correlation_is_absent_where_nothing_varies():
    assert "length_correlation" not in measure(sample(["a", "b"], [0.0, 1.0], prompts=["p", "p"]))


def test_rounding_of_rewards_is_no_variation():
    measured = measure(sample(["a", "a b"], [0.5, 0.5 + 1e-7], prompts=["p", "p"]))
    assert "length_correlation" not in measured


@given(GROUPS, st.integers(0, 2**32 - 1))
def test_correlation_is_that_of_deviations_from_group_means(groups, seed):
    rng = np.random.default_rng(seed)
    groups, first = np.array(groups), rng.normal(size=len(groups))
    second = rng.normal(size=len(groups))
    found = correlation(first, second, groups)
    kept = [np.flatnonzero(groups == group) for group in set(groups.tolist()) if (groups == group).sum() > 1]
    if not kept:
        assert found is None
        return
    a = np.concatenate([first[rows] - first[rows].mean() for rows in kept])
    b = np.concatenate([second[rows] - second[rows].mean() for rows in kept])
    assert found == pytest.approx((a @ b) / math.sqrt((a @ a) * (b @ b)))


@given(GROUPS, st.integers(0, 2**32 - 1))
def test_a_constant_added_to_a_group_changes_no_correlation(groups, seed):
    rng = np.random.default_rng(seed)
    groups = np.array(groups)
    first, second = rng.normal(size=(2, len(groups)))
    moved = first + rng.normal(size=4)[groups]
    assert correlation(moved, second, groups) == pytest.approx(correlation(first, second, groups))


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
        return measure(
            sample(
                [answers[row] for row in rows],
                [totals[row] for row in rows],
                bounds=(0.0, 1.0),
                components={"x": Component(np.array(totals)[rows])},
                judges={"y": other[rows]},
                references=[references[row] for row in rows],
                prompts=[prompts[row] for row in rows],
            )
        )

    assert measured(order) == pytest.approx(measured(range(6)))


def test_rows_alone_in_their_group_are_left_out_of_deviations():
    first, second = within_groups(column(1, 3, 7), column(2, 2, 9), np.array([0, 0, 1]))
    assert (first.tolist(), second.tolist()) == ([-1.0, 1.0], [0.0, 0.0])


def test_groups_whose_rewards_are_equal_are_flat():
    prompts = ["p", "p", "q", "q", "r"]
    measured = measure(sample(list("abcde"), [0.5, 0.5 + 1e-7, 0.1, 0.9, 0.3], prompts=prompts))
    assert measured["flat_groups"] == pytest.approx(1 / 2)


def test_a_missing_reward_is_no_part_of_its_group():
    measured = measure(sample(list("abc"), [0.5, 0.5, None], prompts=["p"] * 3))
    assert measured["flat_groups"] == 1.0


def test_without_prompts_there_are_no_groups():
    assert "flat_groups" not in measure(sample(["a", "b"], [0.5, 0.5]))


def test_the_least_and_the_greatest_reward_are_told_by_the_bounds():
    measured = measure(sample(list("abcd"), [-1.0, 0.0, 0.9, 1.0], bounds=(-1.0, 1.0)))
    assert (measured["floor"], measured["ceiling"]) == (0.25, 0.5)


def test_without_bounds_there_is_neither_floor_nor_ceiling():
    assert not {"floor", "ceiling"} & measure(sample(["a"], [1.0])).keys()


def test_the_mean_reward_leaves_missing_ones_out():
    assert measure(sample(["a", "b"], [None, 0.5]))["reward"] == 0.5


def test_distinct_answers_are_counted_over_the_call():
    assert measure(sample(["a", "a", "b", "c"]))["distinct"] == 0.75


def test_an_answer_to_two_prompts_of_different_references_is_shared():
    references = [("x",), ("y",), ("z",)]
    measured = measure(sample(["a", "a", "b"], references=references, prompts=["p", "q", "r"]))
    assert measured["shared_answers"] == pytest.approx(2 / 3)


def test_an_answer_that_two_prompts_both_ask_for_is_not_shared():
    references = [("x",), ("x",), ("z",)]
    measured = measure(sample(["a", "a", "b"], references=references, prompts=["p", "q", "r"]))
    assert measured["shared_answers"] == 0.0


def test_an_answer_repeated_within_its_group_is_not_shared():
    assert measure(sample(["a", "a", "b"], prompts=["p", "p", "q"]))["shared_answers"] == 0.0


def test_units_that_no_answer_of_the_group_has_are_missing():
    references = [("a b c d",), ("a b c d",), ("e f",)]
    measured = measure(sample(["a b", "a c", "e f g"], references=references, prompts=["p", "p", "q"]))
    assert measured["missing_units"] == pytest.approx((1 / 4 + 0) / 2)


def test_of_several_references_the_best_met_counts():
    measured = measure(sample(["a b"], references=[("a b c", "a b")], prompts=["p"]))
    assert measured["missing_units"] == 0.0


def test_an_answer_that_repeats_its_prompt_is_an_echo():
    measured = measure(sample(["红色的猫", "x y"], references=[("དམར་པོ",)] * 2, prompts=["翻译：红色的猫"] * 2))
    assert measured["echo"] == pytest.approx(1 / 2)


def test_what_the_reference_repeats_of_the_prompt_is_no_echo():
    measured = measure(sample(["the red cat"], references=[("the red cat",)], prompts=["say: the red cat"]))
    assert measured["echo"] == 0.0


def test_a_component_is_measured_on_the_scale_of_its_bounds():
    component = Component(column(0.0, 5.0, 10.0, math.nan), bounds=(0.0, 10.0))
    measured = measure(sample(list("abcd"), [0.0] * 4, components={"x": component}))
    assert (measured["mean/x"], measured["dead_zone/x"]) == pytest.approx((0.5, 1 / 3))


def test_a_component_of_negative_weight_pays_most_for_its_least_value():
    component = Component(column(0.0, 1.0), weight=-1.0)
    assert measure(sample(["a", "b"], components={"x": component}))["dead_zone/x"] == 0.5


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 5), st.floats(-5, -0.1))
def test_shares_of_the_components_of_a_sum_add_up_to_one(seed, first, second):
    one, two = np.random.default_rng(seed).normal(size=(2, 8))
    parts = {"one": Component(one, first), "two": Component(two, second)}
    measured = measure(sample(list("abcdefgh"), first * one + second * two, components=parts, prompts=list("ppppqqqq")))
    assert measured["share/one"] + measured["share/two"] == pytest.approx(1.0)


def test_a_component_that_is_equal_within_groups_has_no_share():
    parts = {"x": Component(column(0, 0, 1, 1)), "y": Component(column(0, 1, 0, 1))}
    measured = measure(sample(list("abcd"), [0, 1, 1, 2], components=parts, prompts=list("ppqq")))
    assert (measured["share/x"], measured["share/y"]) == pytest.approx((0.0, 1.0))


def test_a_judge_is_measured_by_its_mean_and_its_agreement():
    measured = measure(sample(list("abc"), [0.1, 0.2, 0.3], judges={"j": column(0.9, 0.6, 0.3)}, prompts=["p"] * 3))
    assert (measured["judge/j"], measured["agreement/j"]) == pytest.approx((0.6, -1.0))


def test_a_judge_without_a_value_is_not_measured():
    assert "judge/j" not in measure(sample(["a"], judges={"j": column(math.nan)}))


# The reward that logs it

ROWS = {
    "prompts": ["三个苹果"] * 3 + ["两只猫"] * 3,
    "completions": ["ཀུ་ཤུ་གསུམ།", "ཀུ་ཤུ།", "苹果", "ཞི་མི་གཉིས།", "ཞི་མི།", ""],
    "reference": ["ཀུ་ཤུ་གསུམ།"] * 3 + ["ཞི་མི་གཉིས།"] * 3,
}


def paper():
    return paper_reward(BigramEncoder(), "bo", 0.3)


class Log:
    """A trainer's two hooks, and what they were told."""

    def __init__(self):
        self.metrics, self.extras = [], []

    @property
    def hooks(self):
        return {
            "log_metric": lambda name, value: self.metrics.append((name, value)),
            "log_extra": lambda name, values: self.extras.append((name, values)),
        }


def logged_by(reward, rows=ROWS):
    log = Log()
    reward(**rows, **log.hooks)
    return log


def metrics_of(reward, rows=ROWS):
    return dict(logged_by(reward, rows).metrics)


class Refusing:
    __name__ = "refusing"

    def __call__(self, **columns):
        raise AssertionError("this judge must not be called")


def fixed(*values, name="fixed"):
    def reward(**columns):
        return list(values)

    reward.__name__ = name
    return reward


def test_a_monitored_reward_earns_what_the_reward_inside_earns():
    assert MonitoredReward(paper())(**ROWS) == paper()(**ROWS)


def test_a_monitored_reward_earns_the_same_where_it_measures():
    assert MonitoredReward(paper(), judges=[ChrfReward()])(**ROWS, **Log().hooks) == paper()(**ROWS)


def test_a_monitored_reward_bears_the_name_of_the_reward_inside():
    assert MonitoredReward(paper().replace(name="mine")).__name__ == "mine"


def test_a_monitored_reward_may_have_a_name_of_its_own():
    assert "mine/monitor/distinct" in metrics_of(MonitoredReward(paper(), name="mine"))


def test_a_monitored_reward_logs_all_that_the_reward_inside_logs():
    inside, monitored = logged_by(paper()), logged_by(MonitoredReward(paper()))
    assert monitored.extras == inside.extras
    assert set(inside.metrics) <= set(monitored.metrics)


def test_what_it_adds_stands_under_its_name():
    added = set(logged_by(MonitoredReward(paper())).metrics) - set(logged_by(paper()).metrics)
    assert added
    assert all(name.startswith("composite/monitor/") for name, _ in added)


def test_components_of_a_composite_are_measured_one_by_one():
    measured = metrics_of(MonitoredReward(paper()))
    values = LanguageConsistencyReward("bo")(completions=ROWS["completions"])
    assert measured["composite/monitor/mean/language_consistency"] == pytest.approx(statistics.fmean(values))
    assert "composite/monitor/share/semantic_similarity" in measured


def test_a_reward_that_is_no_composite_is_its_own_component():
    measured = metrics_of(MonitoredReward(LanguageConsistencyReward("bo")))
    assert measured["language_consistency/monitor/dead_zone/language_consistency"] == pytest.approx(2 / 6)


def test_any_function_can_be_monitored():
    assert metrics_of(MonitoredReward(fixed(1, 2, None, 1, 1, 1)))["fixed/monitor/flat_groups"] == 0.5


async def eventual(completions, **columns):
    return [float(len(completion)) for completion in completions]


def test_an_async_reward_can_be_monitored():
    lengths = [float(len(completion)) for completion in ROWS["completions"]]
    assert MonitoredReward(eventual)(**ROWS, **Log().hooks) == lengths


def test_without_log_metric_no_judge_is_called():
    assert MonitoredReward(paper(), judges=[Refusing()])(**ROWS, log_extra=Log().hooks["log_extra"]) == paper()(**ROWS)


def test_without_log_metric_columns_are_logged_as_the_reward_inside_logs_them():
    alone, monitored = Log(), Log()
    paper()(**ROWS, log_extra=alone.hooks["log_extra"])
    MonitoredReward(paper())(**ROWS, log_extra=monitored.hooks["log_extra"])
    assert monitored.extras == alone.extras


def test_components_of_weight_0_are_judges():
    reward = CompositeReward([*paper().components, (ChrfReward(), 0.0)])
    assert MonitoredReward(reward).watched == Watched(
        ("semantic_similarity", "language_consistency"), ("chrf",), ("language_consistency",)
    )


def test_gates_of_weight_0_are_no_judges():
    parts = [*paper().components, (ChrfReward(), 0.0)]
    reward = CompositeReward(parts, mode="gate", gates=["chrf"])
    assert MonitoredReward(reward).watched.judges == ()


def test_components_to_ignore_are_no_judges():
    reward = CompositeReward([*paper().components, (ChrfReward(), 0.0)])
    assert MonitoredReward(reward, ignore=["chrf"]).watched.judges == ()


def test_a_language_reward_among_the_judges_is_known_as_one():
    reward = MonitoredReward(ChrfReward(), judges=[LanguageConsistencyReward("bo").as_async()])
    assert reward.watched.languages == ("language_consistency",)


def test_a_judge_is_logged_row_by_row():
    log = logged_by(MonitoredReward(paper(), judges=[LanguageConsistencyReward("zh", name="chinese")]))
    assert dict(log.extras)["composite/monitor/chinese"] == [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert dict(log.metrics)["composite/monitor/judge/chinese"] == pytest.approx(1 / 6)


def test_a_judge_that_returns_the_wrong_number_of_values_is_named():
    with pytest.raises(RewardOutputError, match=r"`fixed` must return one value a completion: 6 expected, got 1"):
        logged_by(MonitoredReward(paper(), judges=[fixed(1.0)]))


def test_a_reward_that_returns_the_wrong_number_of_values_is_named():
    with pytest.raises(RewardOutputError, match=r"`fixed` must return one value a completion: 6 expected, got 1"):
        logged_by(MonitoredReward(fixed(1.0)))


def test_prompts_that_are_conversations_make_the_same_groups():
    talks = [[{"role": "user", "content": prompt}] for prompt in ROWS["prompts"]]
    assert metrics_of(MonitoredReward(paper()), {**ROWS, "prompts": talks}) == metrics_of(MonitoredReward(paper()))


def test_references_that_are_no_texts_are_not_compared():
    reward = MonitoredReward(LanguageConsistencyReward("bo"))
    measured = metrics_of(reward, {**ROWS, "reference": [3, None, ["ཀུ་ཤུ།"], "", " ", 1.5]})
    assert measured["language_consistency/monitor/length_ratio"] == pytest.approx(2 / 3)


def test_a_call_without_references_is_measured_without_them():
    reward = MonitoredReward(LanguageConsistencyReward("bo"))
    measured = metrics_of(reward, {key: ROWS[key] for key in ("prompts", "completions")})
    assert "language_consistency/monitor/answer_units" in measured
    assert "language_consistency/monitor/missing_units" not in measured


def test_the_bounds_are_those_of_the_reward_inside():
    assert MonitoredReward(paper()).bounds == (0.0, 2.5)


def test_the_signature_holds_that_of_the_reward_inside():
    assert paper().signature() in MonitoredReward(paper()).signature()


def test_a_pickled_copy_is_equal():
    reward = MonitoredReward(paper(), judges=[ChrfReward()])
    assert pickle.loads(pickle.dumps(reward)) == reward


@pytest.mark.parametrize("judges", [[], [ChrfReward()]], ids=["alone", "judged"])
def test_a_monitored_reward_keeps_the_contract(judges):
    rows = [
        {"completion": completion, "reference": reference, "prompt": prompt}
        for completion, reference, prompt in zip(
            *(ROWS[key] for key in ("completions", "reference", "prompts")), strict=True
        )
    ]
    check_reward(MonitoredReward(paper(), judges=judges), rows[:5], bounds=(0.0, 2.5), spawn=False).raise_on_failure()


@pytest.mark.parametrize("judge", [ChrfReward(name="semantic_similarity"), LanguageConsistencyReward("zh")])
def test_a_judge_must_not_bear_the_name_of_a_component(judge):
    with pytest.raises(ArgumentError, match=r"`judges` must have other names than the components"):
        MonitoredReward(paper(), judges=[judge])


def test_two_judges_must_not_share_a_name():
    with pytest.raises(ArgumentError, match="must have distinct names"):
        MonitoredReward(paper(), judges=[ChrfReward(), ChrfReward()])


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ArgumentTypeError, match="`reward` must be a reward function, got str"):
        MonitoredReward("composite")


def test_an_unknown_way_with_reasoning_is_refused():
    with pytest.raises(ArgumentError, match="`reasoning` must be one of"):
        MonitoredReward(paper(), reasoning="maybe")


# The course of a run, and what alarms in it


@pytest.mark.parametrize("entries", range(6))
def test_no_median_stands_before_two_windows_are_full(entries):
    course = Course(window=3)
    for step in range(entries):
        course.add(step, {"x": 1.0})
    assert (course.now("x"), course.before("x"), course.start("x"), course.least("x")) == (None,) * 4


@given(st.lists(st.floats(-10, 10), min_size=6, max_size=20))
def test_medians_are_those_of_whole_windows(values):
    course = Course(window=3)
    for step, value in enumerate(values):
        course.add(step, {"x": value})
    medians = [statistics.median(values[end - 3 : end]) for end in range(3, len(values) + 1)]
    assert (course.now("x"), course.before("x")) == (medians[-1], medians[-4])
    assert (course.start("x"), course.least("x")) == (medians[0], min(medians))


def test_entries_that_lack_a_metric_do_not_count():
    course = Course(window=3)
    for step in range(12):
        course.add(step, {"x": 1.0} if step % 2 else {"y": 1.0})
    assert course.series["x"] == [(step, 1.0) for step in (1, 3, 5, 7, 9, 11)]
    assert course.now("x") == 1.0


def test_a_fall_is_measured_from_the_best_with_what_the_other_gained_since():
    course = Course(window=3)
    judge, reward = [5] * 3 + [9] * 3 + [4] * 6, [1] * 3 + [2] * 3 + [5] * 6
    for step, (one, other) in enumerate(zip(judge, reward, strict=True)):
        course.add(step, {"judge": one, "reward": other})
    assert course.fall("judge", while_not="reward") == (5, 3)


def test_a_fall_that_a_window_ago_was_none_is_none():
    course = Course(window=3)
    for step, judge in enumerate([9] * 6 + [4] * 3):
        course.add(step, {"judge": judge, "reward": 1})
    assert course.fall("judge", while_not="reward") == (0, 0)


def test_a_fall_that_passes_within_a_window_is_none():
    course = Course(window=3)
    for step, judge in enumerate([9] * 3 + [4] * 3 + [8] * 3):
        course.add(step, {"judge": judge, "reward": 1})
    assert course.fall("judge", while_not="reward") == (1, 0)


WATCHED = Watched(("similarity", "script"), ("other",), ("script",))
HEALTHY = {
    "reward": 1.0,
    "answer_units": 10.0,
    "length_ratio": 1.0,
    "length_correlation": 0.2,
    "flat_groups": 0.2,
    "floor": 0.1,
    "ceiling": 0.2,
    "distinct": 0.7,
    "shared_answers": 0.0,
    "missing_units": 0.1,
    "echo": 0.02,
    "mean/similarity": 0.4,
    "mean/script": 0.9,
    "dead_zone/similarity": 0.4,
    "dead_zone/script": 0.1,
    "share/similarity": 0.95,
    "share/script": 0.05,
    "judge/other": 0.6,
    "agreement/other": 0.7,
    CLIPPED: 0.1,
}


def alarms_of(*stretches, watched=WATCHED, entries=12, **limits):
    """What a run alarms whose metrics stand still a stretch at a time, at healthy values but for those given."""
    watch = Watch(watched, AlarmLimits(window=4, **limits))
    changes = [change for change in stretches for _ in range(entries)]
    return [
        alarm
        for step, change in enumerate(changes)
        for alarm in watch.read(step, {key: value for key, value in {**HEALTHY, **change}.items() if value is not None})
    ]


def kinds_of(*stretches, **options):
    return [(alarm.kind, alarm.subject) for alarm in alarms_of(*stretches, **options)]


HACKED = {
    "too_long": ({"length_ratio": 1.5}, ("length", "")),
    "too_short": ({"length_ratio": 0.7}, ("length", "")),
    "longer_pays": ({"length_correlation": 0.8}, ("length_pays", "")),
    "shorter_pays": ({"length_correlation": -0.8}, ("length_pays", "")),
    "all_at_the_floor": ({"floor": 0.9}, ("floor", "")),
    "dead_zone": ({"dead_zone/similarity": 0.9}, ("dead_zone", "similarity")),
    "ceiling": ({"ceiling": 0.95}, ("ceiling", "")),
    "flat_groups": ({"flat_groups": 0.9}, ("flat_groups", "")),
    "one_answer_to_all": ({"shared_answers": 0.8}, ("shared_answers", "")),
    "few_distinct": ({"distinct": 0.1}, ("few_distinct", "")),
    "echo": ({"echo": 0.7}, ("echo", "")),
    "clipped": ({CLIPPED: 0.8}, ("clipped", "")),
    "omission": ({"missing_units": 0.2}, ("omission", "")),
    "judge_falls": ({"judge/other": 0.5}, ("judge_falls", "other")),
    "judge_disagrees": ({"agreement/other": -0.1}, ("judge_disagrees", "other")),
    "given_up": ({"mean/similarity": 0.2}, ("component_falls", "similarity")),
}


def test_a_healthy_run_alarms_nothing():
    assert kinds_of({}, {}) == []


@pytest.mark.parametrize("name", HACKED)
def test_a_hacked_run_alarms_once(name):
    change, expected = HACKED[name]
    assert kinds_of({}, change, {}, change) == [expected]


@pytest.mark.parametrize("name", HACKED)
def test_a_few_odd_entries_alarm_nothing(name):
    watch = Watch(WATCHED, AlarmLimits(window=10))
    entries = [{**HEALTHY, **(HACKED[name][0] if 20 < step < 25 else {})} for step in range(60)]
    assert [alarm for step, entry in enumerate(entries) for alarm in watch.read(step, entry)] == []


@pytest.mark.parametrize("name", HACKED)
def test_what_lasts_for_less_than_a_window_alarms_nothing(name):
    watch = Watch(WATCHED, AlarmLimits(window=10))
    entries = [{**HEALTHY, **(HACKED[name][0] if 20 <= step < 29 else {})} for step in range(60)]
    assert [alarm for step, entry in enumerate(entries) for alarm in watch.read(step, entry)] == []


def test_every_kind_but_those_of_language_is_tried_here():
    assert {kind for _, (kind, _) in HACKED.values()} == set(KINDS) - {"language", "dominance"}


def test_a_language_that_stays_wrong_while_another_component_decides_alarms_both():
    change = {"mean/script": 0.1, "dead_zone/script": 0.9}
    assert kinds_of(change) == [("dominance", "similarity over script"), ("language", "script")]


def test_a_language_that_is_on_its_way_up_alarms_nothing():
    watch = Watch(Watched(("script",), (), ("script",)), AlarmLimits(window=4))
    assert [alarm for step in range(20) for alarm in watch.read(step, {"mean/script": min(1.0, step / 16)})] == []


def test_a_language_judge_that_stays_low_alarms():
    assert kinds_of({"judge/script": 0.1}, watched=Watched(("similarity",), ("script",), ("script",))) == [
        ("language", "script")
    ]


def test_a_length_that_returns_to_the_references_alarms_nothing():
    watch = Watch(Watched(), AlarmLimits(window=4))
    assert [alarm for step in range(40) for alarm in watch.read(step, {"length_ratio": max(1, 3 - step / 10)})] == []


@pytest.mark.parametrize(("ratio", "remedy"), [(0.7, "what has been left out"), (1.5, "what has been added")])
def test_the_remedy_for_a_length_depends_on_its_direction(ratio, remedy):
    (alarm,) = alarms_of({"length_ratio": ratio})
    assert remedy in alarm.message


def test_without_references_a_length_alarms_that_leaves_its_start():
    absent = {"length_ratio": None}
    alarms = alarms_of(absent, {**absent, "answer_units": 20.0})
    assert [(alarm.kind, dict(alarm.figures)) for alarm in alarms] == [
        ("length", {"answer_units": 20.0, "at_first": 10.0})
    ]


def test_a_judge_that_falls_with_the_reward_alarms_nothing():
    assert kinds_of({}, {"judge/other": 0.5, "reward": 0.5}) == []


def test_a_component_that_falls_with_the_reward_alarms_nothing():
    assert kinds_of({}, {"mean/similarity": 0.2, "reward": 0.5}) == []


def test_dominance_over_a_component_that_is_solved_alarms_nothing():
    assert kinds_of({"share/similarity": 1.0, "mean/script": 1.0}) == []


def test_units_that_were_always_missing_alarm_nothing():
    assert kinds_of({"missing_units": 0.5}, {"missing_units": 0.6}) == []


def test_an_alarm_comes_when_the_second_window_is_full():
    assert [alarm.step for alarm in alarms_of({"flat_groups": 0.9})] == [2 * 4 - 1]


def test_an_alarm_names_the_figures_and_the_remedy():
    (alarm,) = alarms_of({"dead_zone/similarity": 0.9})
    assert alarm.message.startswith("90% of the answers get nothing from similarity")
    assert "Remedy: lower its threshold" in alarm.message
    assert dict(alarm.figures) == {"share": 0.9}


@pytest.mark.parametrize("name", ["flat_groups", "echo", "clipped", "dead_zone", "shared_answers"])
def test_a_limit_that_is_raised_is_kept(name):
    change, expected = HACKED.get(name) or HACKED["one_answer_to_all"]
    assert kinds_of(change, **{name: 0.99}) == []
    assert kinds_of(change) == [expected]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"window": 2}, "`window` must be a whole number of at least 3, got 2"),
        ({"window": 2.5}, "`window` must be a whole number"),
        ({"echo": 0}, "`echo` must be a number above 0, got 0"),
        ({"ceiling": math.nan}, "`ceiling` must be a number above 0, got nan"),
        ({"length_change": 0.5}, "`length_change` must be a factor above 1"),
        ({"length_ratio": (1.1, 1.5)}, "`length_ratio` must be a band around 1"),
    ],
)
def test_a_limit_out_of_its_range_is_refused(limits, message):
    with pytest.raises(ArgumentError, match=message):
        AlarmLimits(**limits)


# The callback

FLAT = {"composite/monitor/flat_groups": 0.95, "loss": 0.1}


def monitor(**options):
    return RewardMonitor(MonitoredReward(paper()), limits=AlarmLimits(window=3), **options)


@pytest.fixture
def arguments(tmp_path):
    return TrainingArguments(output_dir=str(tmp_path / "training"), use_cpu=True)


def feed(callback, arguments, *entries, first_step=1, main=True, begin=True, history=()):
    """Log entries one a step, as a trainer does; returns its control."""
    control = TrainerControl()
    state = TrainerState(is_world_process_zero=main, log_history=list(history))
    if begin:
        callback.on_train_begin(arguments, state, control)
    for step, entry in enumerate(entries, start=first_step):
        state.global_step = step
        state.log_history.append({**entry, "step": step})
        callback.on_log(arguments, state, control, logs=entry)
    return control


def test_an_alarm_is_issued_as_a_warning_that_names_step_kind_and_remedy(arguments):
    with pytest.warns(
        RewardHackingWarning, match=r"step 6, flat_groups: in 95% of the groups .* Remedy: raise"
    ) as seen:
        feed(monitor(), arguments, *[FLAT] * 12)
    assert len(seen) == 1


def test_the_subject_of_an_alarm_is_part_of_the_warning(arguments):
    entry = {"composite/monitor/dead_zone/semantic_similarity": 0.9}
    with pytest.warns(RewardHackingWarning, match=r"step 6, dead_zone \(semantic_similarity\): 90% of the answers"):
        feed(monitor(), arguments, *[entry] * 6)


def test_alarms_are_kept_as_records(arguments):
    callback = monitor()
    with pytest.warns(RewardHackingWarning):
        feed(callback, arguments, *[FLAT] * 6)
    assert [(alarm.step, alarm.kind, dict(alarm.figures)) for alarm in callback.alarms] == [
        (6, "flat_groups", {"share": 0.95})
    ]


def test_other_processes_than_the_main_one_keep_alarms_and_say_nothing(arguments):
    callback = monitor()
    feed(callback, arguments, *[FLAT] * 6, main=False)
    assert [alarm.kind for alarm in callback.alarms] == ["flat_groups"]


def test_evaluation_is_not_mixed_into_the_course(arguments):
    callback = monitor()
    feed(callback, arguments, *[{f"eval_{key}": value for key, value in FLAT.items()}] * 12)
    assert callback.alarms == []


def test_metrics_of_another_reward_are_not_read(arguments):
    callback = monitor()
    feed(callback, arguments, *[{"other/monitor/flat_groups": 0.95}] * 12)
    assert callback.alarms == []


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_metric_without_a_value_is_left_out(arguments, nothing):
    callback = monitor()
    feed(callback, arguments, *[{**FLAT, "composite/monitor/flat_groups": nothing}] * 12)
    assert callback.alarms == []


def test_clipped_answers_are_read_from_the_trainers_own_metric(arguments):
    with pytest.warns(RewardHackingWarning, match="clipped: 90% of the answers are cut off"):
        feed(monitor(), arguments, *[{"composite/monitor/reward": 1.0, CLIPPED: 0.9}] * 6)


@pytest.mark.parametrize(("stop_on", "stops"), [((), False), (["echo"], False), (KINDS, True), (["flat_groups"], True)])
def test_training_stops_on_the_kinds_that_are_named(arguments, stop_on, stops):
    with pytest.warns(RewardHackingWarning):
        control = feed(monitor(stop_on=stop_on), arguments, *[FLAT] * 6)
    assert control.should_training_stop is stops


def test_a_function_is_called_with_each_alarm(arguments):
    seen = []
    with pytest.warns(RewardHackingWarning):
        feed(monitor(on_alarm=seen.append), arguments, *[FLAT] * 12)
    assert [alarm.kind for alarm in seen] == ["flat_groups"]


def test_a_run_that_goes_on_does_not_repeat_its_alarms(arguments):
    history = [{**FLAT, "step": step} for step in range(1, 7)]
    callback = monitor()
    feed(callback, arguments, *[FLAT] * 6, first_step=7, history=history)
    assert [alarm.step for alarm in callback.alarms] == [6]


def test_a_run_that_goes_on_remembers_its_course(arguments):
    history = [{**FLAT, "step": step} for step in range(1, 6)]
    with pytest.warns(RewardHackingWarning, match="step 6, flat_groups"):
        feed(monitor(), arguments, FLAT, first_step=6, history=history)


def test_a_new_run_begins_anew(arguments):
    callback = monitor()
    feed(callback, arguments, *[FLAT] * 5)
    feed(callback, arguments, *[FLAT] * 5)
    assert callback.alarms == []


def test_a_finished_run_can_be_reviewed(arguments):
    history = [{"step": 1, "train_runtime": 3.0}, *({**FLAT, "step": step} for step in range(2, 9))]
    assert [(alarm.step, alarm.kind) for alarm in monitor().review(history)] == [(7, "flat_groups")]


def test_alarms_are_appended_to_a_file(arguments, tmp_path):
    with pytest.warns(RewardHackingWarning):
        feed(monitor(folder=tmp_path / "run"), arguments, *[FLAT] * 6)
    lines = [json.loads(line) for line in (tmp_path / "run" / "alarms.jsonl").read_text().splitlines()]
    assert [(line["step"], line["kind"], line["figures"]) for line in lines] == [(6, "flat_groups", {"share": 0.95})]


def end(callback, arguments, main=True):
    callback.on_train_end(arguments, TrainerState(is_world_process_zero=main), TrainerControl())


def test_the_report_shows_alarms_and_curves(arguments, tmp_path):
    callback = monitor(folder=tmp_path)
    with pytest.warns(RewardHackingWarning):
        feed(callback, arguments, *[FLAT] * 6)
    end(callback, arguments)
    page = (tmp_path / "monitor.html").read_text(encoding="utf-8")
    assert "in 95% of the groups all answers earn the same" in page
    assert page.count("<svg") == 1


def test_the_report_of_a_run_without_alarms_says_so(arguments, tmp_path):
    callback = monitor(folder=tmp_path)
    feed(callback, arguments, FLAT)
    end(callback, arguments)
    assert "<p>None.</p>" in (tmp_path / "monitor.html").read_text(encoding="utf-8")


def test_other_processes_than_the_main_one_write_no_report(arguments, tmp_path):
    callback = monitor(folder=tmp_path)
    feed(callback, arguments, FLAT, main=False)
    end(callback, arguments, main=False)
    assert not (tmp_path / "monitor.html").exists()


def test_a_monitor_that_sees_nothing_says_so_once(arguments, caplog):
    with caplog.at_level(logging.WARNING, logger="semreward.monitor.callback"):
        feed(monitor(), arguments, *[{"loss": 0.1}] * 12)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["RewardMonitor is blind"]


def test_a_monitor_that_sees_something_does_not_complain_of_the_rest(arguments, caplog):
    with caplog.at_level(logging.WARNING, logger="semreward.monitor.callback"):
        feed(monitor(), arguments, FLAT, *[{"loss": 0.1}] * 12)
    assert caplog.records == []


def test_a_reward_that_is_not_monitored_is_refused():
    with pytest.raises(ArgumentTypeError, match="`reward` must be the MonitoredReward that the trainer calls"):
        RewardMonitor(paper())


def test_an_unknown_kind_to_stop_on_is_refused():
    with pytest.raises(ArgumentError, match="`stop_on` must name kinds of alarms, got boredom"):
        monitor(stop_on=["boredom"])


# The package


def test_every_public_name_resolves():
    assert all(getattr(semreward.monitor, name) is not None for name in semreward.monitor.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'semreward.monitor' has no attribute 'Missing'"):
        _ = semreward.monitor.Missing
