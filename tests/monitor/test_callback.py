import logging
import math

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from doubles import BigramEncoder
from semreward import MonitoredReward, RewardMonitor, paper_reward
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.monitor.alarms import CLIPPED, AlarmLimits, RewardHackingWarning

FLAT = {"composite/monitor/flat_groups": 0.95, "loss": 0.1}


def paper():
    return paper_reward(BigramEncoder(), "bo", 0.3)


def monitor(**options):
    return RewardMonitor(MonitoredReward(paper()), limits=AlarmLimits(window=3), **options)


@pytest.fixture
def arguments(tmp_path):
    return TrainingArguments(output_dir=str(tmp_path / "training"), use_cpu=True)


def feed(callback, arguments, *entries, first_step=1, main=True, begin=True, history=()):
    """Log entries one a step, as a trainer does; returns its control."""
    control = TrainerControl()
    state = TrainerState(is_world_process_zero=main, log_history=list(history), global_step=first_step - 1)
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


def test_other_processes_than_the_main_one_keep_alarms_and_say_nothing(arguments):
    callback = monitor()
    feed(callback, arguments, *[FLAT] * 6, main=False)
    assert [alarm.kind for alarm in callback.alarms] == ["flat_groups"]


@pytest.mark.parametrize("prefix", ["eval_composite", "other"])
def test_metrics_of_an_evaluation_or_of_another_reward_are_not_read(arguments, prefix):
    callback = monitor()
    feed(callback, arguments, *[{f"{prefix}/monitor/flat_groups": 0.95}] * 12)
    assert callback.alarms == []


def test_clipped_answers_are_read_from_the_trainers_own_metric(arguments):
    with pytest.warns(RewardHackingWarning, match="clipped: 90% of the answers are cut off"):
        feed(monitor(), arguments, *[{"composite/monitor/reward": 1.0, CLIPPED: 0.9}] * 6)


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


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (FLAT, "`log_history` must have numbers, got None as `step` at position 1"),
        ({**FLAT, "step": "two"}, "must have numbers, got 'two' as `step` at position 1"),
        ({**FLAT, "step": math.nan}, "must have numbers, got nan as `step` at position 1"),
        ({"composite/monitor/echo": "much", "step": 2}, "must have numbers, got 'much' as `echo` at position 1"),
        ({"composite/monitor/echo": True, "step": 2}, "must have numbers, got True as `echo`"),
        ({**FLAT, CLIPPED: [0.5], "step": 2}, "must have numbers, got .* as `completions/clipped_ratio`"),
    ],
)
def test_an_entry_that_cannot_be_reviewed_is_named(entry, message):
    with pytest.raises(ArgumentError, match=message):
        monitor().review([{**FLAT, "step": 1}, entry])


def test_entries_without_metrics_need_no_step():
    assert monitor().review([{"train_runtime": 3.0}, {"note": "none"}, {CLIPPED: 0.5}]) == []


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_a_metric_without_a_value_is_not_reviewed(nothing):
    callback = monitor()
    callback.review([{"composite/monitor/echo": nothing, "composite/monitor/distinct": 0.1, "step": 1}])
    assert callback._watch.series == {"distinct": [(1, 0.1)]}


@pytest.mark.parametrize("log", [None, {"step": 1}, "log.json", [1, 2], [None]])
def test_what_is_no_log_cannot_be_reviewed(log):
    with pytest.raises(ArgumentTypeError, match="`log_history` must"):
        monitor().review(log)


def test_a_monitor_that_sees_nothing_says_so_once(arguments, caplog):
    with caplog.at_level(logging.WARNING, logger="semreward.monitor.callback"):
        feed(monitor(), arguments, *[{"loss": 0.1}] * 12)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["RewardMonitor is blind"]


def test_a_monitor_that_sees_something_does_not_complain_of_the_rest(arguments, caplog):
    with caplog.at_level(logging.WARNING, logger="semreward.monitor.callback"):
        feed(monitor(), arguments, FLAT, *[{"loss": 0.1}] * 12)
    assert caplog.records == []


def test_a_reward_that_is_not_monitored_is_refused():
    with pytest.raises(ArgumentTypeError, match="`reward` must be the trainer.s MonitoredReward"):
        RewardMonitor(paper())


def test_limits_of_another_type_are_refused():
    with pytest.raises(ArgumentTypeError, match="`limits` must be AlarmLimits or None"):
        RewardMonitor(MonitoredReward(paper()), limits={"window": 3})
