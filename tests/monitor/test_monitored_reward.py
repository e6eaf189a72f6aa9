import math
import pickle
import statistics

import pytest

from doubles import BigramEncoder
from semreward import Answer, ChrfReward, CompositeReward, LanguageConsistencyReward, MonitoredReward, paper_reward
from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError
from semreward.monitor.alarms import Watched
from semreward.testing import check_reward

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


def test_an_awaited_reward_is_the_reward():
    reward = MonitoredReward(paper().as_async())
    assert (reward.reward, reward(**ROWS)) == (paper(), paper()(**ROWS))


def test_a_function_of_a_reserved_name_is_refused():
    with pytest.raises(ArgumentError, match="must have distinct names other than 'total'"):
        MonitoredReward(fixed(1.0, name="total"))


def test_any_function_can_be_monitored():
    assert metrics_of(MonitoredReward(fixed(1, 2, None, 1, 1, 1)))["fixed/monitor/flat_groups"] == 0.5


async def eventual(completions, **columns):
    return [float(len(completion)) for completion in completions]


def test_an_async_reward_can_be_monitored():
    lengths = [float(len(completion)) for completion in ROWS["completions"]]
    assert MonitoredReward(eventual)(**ROWS, **Log().hooks) == lengths


def test_without_log_metric_no_judge_is_called():
    assert MonitoredReward(paper(), judges=[Refusing()])(**ROWS, log_extra=Log().hooks["log_extra"]) == paper()(**ROWS)


def test_without_log_extra_the_same_metrics_are_logged():
    reward, log = MonitoredReward(paper(), judges=[ChrfReward()]), Log()
    reward(**ROWS, log_metric=log.hooks["log_metric"])
    assert log.metrics == logged_by(reward).metrics


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
    assert MonitoredReward(reward, ignore={"chrf"}).watched.judges == ()


def test_judges_to_ignore_are_logged_row_by_row_and_nothing_else():
    log = logged_by(MonitoredReward(paper(), judges=[ChrfReward()], ignore=["chrf"]))
    assert "composite/monitor/chrf" in dict(log.extras)
    assert "composite/monitor/judge/chrf" not in dict(log.metrics)


def test_a_name_to_ignore_that_nothing_bears_is_refused():
    with pytest.raises(
        ArgumentError, match=r"`ignore` must name components or judges, got \['good'\]; there are .*, chrf"
    ):
        MonitoredReward(paper(), judges=[ChrfReward()], ignore=["chrf", "good"])


@pytest.mark.parametrize("ignore", ["chrf", None, 3])
def test_names_to_ignore_that_are_no_list_are_refused(ignore):
    with pytest.raises(ArgumentTypeError, match="`ignore` must be a list, got"):
        MonitoredReward(paper(), judges=[ChrfReward()], ignore=ignore)


@pytest.mark.parametrize("judges", [ChrfReward(), None, "chrf", fixed(1.0)])
def test_judges_that_are_no_list_are_refused(judges):
    with pytest.raises(ArgumentTypeError, match="`judges` must be a list, got"):
        MonitoredReward(paper(), judges=judges)


def test_a_language_reward_among_the_judges_is_known_as_one():
    reward = MonitoredReward(ChrfReward(), judges=[LanguageConsistencyReward("bo").as_async()])
    assert reward.watched.languages == ("language_consistency",)


def test_a_judge_is_logged_row_by_row():
    log = logged_by(MonitoredReward(paper(), judges=[LanguageConsistencyReward("zh", name="chinese")]))
    assert dict(log.extras)["composite/monitor/chinese"] == [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert dict(log.metrics)["composite/monitor/judge/chinese"] == pytest.approx(1 / 6)


def test_a_reward_that_returns_the_wrong_number_of_values_is_named():
    with pytest.raises(RewardOutputError, match=r"`fixed` must return one value per completion: 6 expected, got 1"):
        logged_by(MonitoredReward(fixed(1.0)))


def returning(output):
    def reward(**columns):
        return output

    return reward


@pytest.mark.parametrize("hooks", [{}, Log().hooks], ids=["alone", "measured"])
@pytest.mark.parametrize("output", [None, 1.0, "values", {"a": 1.0}, ["1"] * 6, [[1.0]] * 6, [1.0] * 5, [math.nan] * 6])
def test_a_reward_that_returns_no_values_is_named(output, hooks):
    with pytest.raises(RewardOutputError, match="`reward` must return"):
        MonitoredReward(returning(output), name="mine")(**ROWS, **hooks)


def test_prompts_that_are_conversations_make_the_same_groups():
    talks = [[{"role": "user", "content": prompt}] for prompt in ROWS["prompts"]]
    assert metrics_of(MonitoredReward(paper()), {**ROWS, "prompts": talks}) == metrics_of(MonitoredReward(paper()))


def test_prompts_with_images_make_the_groups_of_their_texts():
    talks = [
        [{"role": "user", "content": [{"type": "image", "image": object()}, {"type": "text", "text": prompt}]}]
        for prompt in ROWS["prompts"]
    ]
    assert metrics_of(MonitoredReward(paper()), {**ROWS, "prompts": talks}) == metrics_of(MonitoredReward(paper()))


@pytest.mark.parametrize("prompt", [[None], [[1, 2, 3]], {"role": "user", "content": "三"}, 3, [{"content": "三"}]])
def test_a_prompt_that_is_neither_text_nor_messages_is_named_by_its_row(prompt):
    with pytest.raises(ArgumentTypeError, match=r"`prompts` .*row 1"):
        logged_by(MonitoredReward(paper()), {**ROWS, "prompts": ["三", prompt, *ROWS["prompts"][2:]]})


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


def test_it_finds_the_answer_as_the_reward_inside_does():
    inside = paper_reward(BigramEncoder(), "bo", 0.5, answer=Answer(reasoning="keep"), on_error="none")
    reward = MonitoredReward(inside)
    assert (reward.answer, reward.on_error) == (inside.answer, "none")
    assert reward(completions=["<think>a</think>བོད"], reference=["བོད"]) == inside(
        completions=["<think>a</think>བོད"], reference=["བོད"]
    )


def test_its_own_settings_go_before_those_of_the_reward_inside():
    answer = Answer(reasoning="keep")
    reward = MonitoredReward(paper(), answer=answer, on_error="none")
    assert (reward.answer, reward.on_error) == (answer, "none")
