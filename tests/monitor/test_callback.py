import json
import logging
import math
import sys

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from doubles import BigramEncoder
from semreward import paper_reward
from semreward.errors import ArgumentError, ArgumentTypeError, MissingDependencyError
from semreward.monitor import KINDS, AlarmLimits, MonitoredReward, RewardHackingWarning, RewardMonitor
from semreward.monitor.alarms import CLIPPED

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


def lines_of(folder):
    return [json.loads(line) for line in (folder / "alarms.jsonl").read_text(encoding="utf-8").splitlines()]


HISTORY = [{**FLAT, "step": step} for step in range(1, 7)]


@pytest.fixture
def alarmed(arguments, tmp_path):
    """A folder in which a run has written the alarm of step 6."""
    with pytest.warns(RewardHackingWarning):
        feed(monitor(folder=tmp_path), arguments, *[FLAT] * 6)
    return tmp_path


def test_a_run_that_goes_on_from_before_an_alarm_does_not_repeat_it(arguments, alarmed):
    seen = []
    callback = monitor(folder=alarmed, on_alarm=seen.append)
    feed(callback, arguments, *[FLAT] * 3, first_step=5, history=HISTORY[:4])
    assert ([alarm.step for alarm in callback.alarms], seen) == ([6], [])
    assert [line["step"] for line in lines_of(alarmed)] == [6]


def test_an_alarm_that_comes_at_another_step_after_going_on_is_issued(arguments, alarmed):
    with pytest.warns(RewardHackingWarning, match="step 8, flat_groups"):
        feed(monitor(folder=alarmed), arguments, *[FLAT] * 6, first_step=3)
    assert [line["step"] for line in lines_of(alarmed)] == [6, 8]


def test_a_new_run_in_the_folder_of_another_issues_its_alarms(arguments, alarmed):
    with pytest.warns(RewardHackingWarning, match="step 6, flat_groups"):
        feed(monitor(folder=alarmed), arguments, *[FLAT] * 6)
    assert [line["step"] for line in lines_of(alarmed)] == [6, 6]


def test_alarms_that_cannot_be_read_when_going_on_are_logged(arguments, alarmed, caplog):
    (alarmed / "alarms.jsonl").write_text('{"kind": "flat_', encoding="utf-8")
    feed(monitor(folder=alarmed), arguments, FLAT, first_step=4, history=HISTORY[:3])
    assert "RewardMonitor could not read the alarms of the run so far; the training goes on" in caplog.text


@pytest.mark.parametrize(("stop_on", "stops"), [((), False), (["echo"], False), (["flat_groups"], True)])
def test_a_run_that_goes_on_after_an_alarm_that_stops_it_stops_again(arguments, stop_on, stops):
    control = feed(monitor(stop_on=stop_on), arguments, FLAT, first_step=7, history=HISTORY)
    assert control.should_training_stop is stops


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
        (FLAT, "`log_history` must have a `step` with each entry, got None at position 1"),
        ({**FLAT, "step": "two"}, "`log_history` must have a `step` with each entry, got 'two' at position 1"),
        (
            {"composite/monitor/echo": "much", "step": 2},
            "`log_history` must hold numbers, got 'much' as composite/monitor/echo at position 1",
        ),
        ({"composite/monitor/echo": True, "step": 2}, "must hold numbers, got True as composite/monitor/echo"),
        ({**FLAT, CLIPPED: [0.5], "step": 2}, "must hold numbers, got .* as completions/clipped_ratio"),
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
    callback.review([{"composite/monitor/echo": nothing, "composite/monitor/floor": 0.1, "step": 1}])
    assert callback.course.series == {"floor": [(1, 0.1)]}


@pytest.mark.parametrize("log", [None, {"step": 1}, "log.json", [1, 2], [None]])
def test_what_is_no_log_cannot_be_reviewed(log):
    with pytest.raises(ArgumentTypeError, match="`log_history` must"):
        monitor().review(log)


def test_a_log_that_cannot_be_read_when_going_on_is_logged_and_the_run_watched(arguments, caplog):
    callback = monitor()
    with pytest.warns(RewardHackingWarning, match="step 13, flat_groups"):
        feed(callback, arguments, *[FLAT] * 6, first_step=8, history=[{**FLAT, "step": "seven"}])
    assert "RewardMonitor could not read the log of the run so far; the training goes on" in caplog.text


def test_alarms_are_appended_to_a_file(arguments, tmp_path):
    with pytest.warns(RewardHackingWarning):
        feed(monitor(folder=tmp_path / "run"), arguments, *[FLAT] * 6)
    lines = lines_of(tmp_path / "run")
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": {"window": 3}}, "`limits` must be AlarmLimits or None"),
        ({"on_alarm": "print"}, "`on_alarm` must be a function of an alarm or None, got 'print'"),
        *(({"stop_on": kinds}, "`stop_on` must be a list of kinds of alarms") for kinds in (None, "echo", 3)),
    ],
)
def test_an_argument_of_another_type_is_refused(options, message):
    with pytest.raises(ArgumentTypeError, match=message):
        RewardMonitor(MonitoredReward(paper()), **options)


def test_an_unknown_kind_to_stop_on_is_refused():
    with pytest.raises(ArgumentError, match="`stop_on` must be one of length, .*; got 'boredom'"):
        monitor(stop_on=["boredom"])


# What fails


def test_a_missing_matplotlib_is_found_before_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'semreward\[train\]'"):
        monitor(folder=tmp_path)


def test_a_monitor_without_a_folder_needs_no_matplotlib(arguments, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    callback = monitor()
    feed(callback, arguments, FLAT)
    end(callback, arguments)
    assert callback.course.series["flat_groups"] == [(1, 0.95)]


def test_a_folder_is_made_before_training(tmp_path):
    monitor(folder=tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_made_is_found_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArgumentError, match="`folder` must be one that can be made, got .*file"):
        monitor(folder=tmp_path / "file" / "run")


def test_a_function_that_fails_on_an_alarm_is_logged_and_the_warning_issued(arguments, caplog):
    def fail(alarm):
        raise OSError(f"no mail server for {alarm.kind}")

    with pytest.warns(RewardHackingWarning, match="flat_groups"):
        feed(monitor(on_alarm=fail), arguments, *[FLAT] * 6)
    assert "RewardMonitor could not call `on_alarm`; the training goes on" in caplog.text
    assert "no mail server for flat_groups" in caplog.text


def test_an_alarm_that_cannot_be_written_down_is_logged_and_issued(arguments, tmp_path, caplog):
    seen = []
    callback = monitor(folder=tmp_path, on_alarm=seen.append)
    (tmp_path / "alarms.jsonl").mkdir()
    with pytest.warns(RewardHackingWarning, match="flat_groups"):
        feed(callback, arguments, *[FLAT] * 6)
    assert [alarm.kind for alarm in seen] == ["flat_groups"]
    assert "RewardMonitor could not write down an alarm; the training goes on" in caplog.text
