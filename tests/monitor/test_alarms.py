import json
import math
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.errors import ArgumentError
from semreward.monitor.alarms import _MESSAGES, CLIPPED, AlarmLimits, Watch, Watched

CURVES = Path(__file__).parents[2] / "docs" / "results" / "captions"


@pytest.mark.parametrize("entries", range(6))
def test_no_median_stands_before_two_windows_are_full(entries):
    watch = Watch(Watched(), AlarmLimits(window=3))
    for step in range(entries):
        watch.read(step, {"x": 1.0})
    assert watch.lasts("x") is None


@given(st.lists(st.floats(-10, 10), min_size=6, max_size=20))
def test_medians_are_those_of_whole_windows(values):
    watch = Watch(Watched(), AlarmLimits(window=3))
    for step, value in enumerate(values):
        watch.read(step, {"x": value})
    medians = [statistics.median(values[end - 3 : end]) for end in range(3, len(values) + 1)]
    assert watch.lasts("x") == (medians[-4], medians[-1])
    assert watch.least("x") == min(medians)


def test_entries_that_lack_a_metric_do_not_count():
    watch = Watch(Watched(), AlarmLimits(window=3))
    for step in range(12):
        watch.read(step, {"x": 1.0} if step % 2 else {"y": 1.0})
    assert watch.series["x"] == [(step, 1.0) for step in (1, 3, 5, 7, 9, 11)]
    assert watch.lasts("x") == (1.0, 1.0)


def test_a_fall_is_measured_from_the_best_with_what_the_other_gained_since():
    watch = Watch(Watched(), AlarmLimits(window=3))
    judge, reward = [5] * 3 + [9] * 3 + [4] * 6, [1] * 3 + [2] * 3 + [5] * 6
    for step, (one, other) in enumerate(zip(judge, reward, strict=True)):
        watch.read(step, {"judge": one, "reward": other})
    assert watch.fall("judge", while_not="reward") == (5, 3)


@given(st.lists(st.tuples(st.none() | st.integers(-3, 3), st.none() | st.integers(-3, 3)), min_size=8, max_size=30))
def test_a_fall_is_that_from_the_first_of_the_best_medians_of_all_entries(entries):
    watch = Watch(Watched(), AlarmLimits(window=3))
    for step, pair in enumerate(entries):
        watch.read(step, {key: value for key, value in zip(("x", "y"), pair, strict=True) if value is not None})
    medians = {
        key: [
            (points[end - 1][0], statistics.median(value for _, value in points[end - 3 : end]))
            for end in range(3, len(points) + 1)
        ]
        for key, points in watch.series.items()
    }
    if any(len(medians.get(key, ())) < 4 for key in ("x", "y")):
        assert watch.fall("x", while_not="y") is None
        return
    best_at, best = max(medians["x"], key=lambda point: point[1])
    then = [value for at, value in medians["y"] if at <= best_at] or [medians["y"][0][1]]
    lasting = max(medians["x"][-1][1], medians["x"][-4][1])
    assert watch.fall("x", while_not="y") == (best - lasting, medians["y"][-1][1] - then[-1])


WATCHED = Watched(("similarity", "script"), ("other",), ("script",))
HEALTHY = {
    "reward": 1.0,
    "answer_units": 10.0,
    "length_ratio": 1.0,
    "length_correlation": 0.2,
    "flat_groups": 0.2,
    "distinct": 0.7,
    "missing_units": 0.1,
    "echo": 0.02,
    "leaked": 0.05,
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
    "dead_zone": ({"dead_zone/similarity": 0.9}, ("dead_zone", "similarity")),
    "flat_groups": ({"flat_groups": 0.9}, ("flat_groups", "")),
    "echo": ({"echo": 0.7}, ("echo", "")),
    "clipped": ({CLIPPED: 0.8}, ("clipped", "")),
    "omission": ({"missing_units": 0.2}, ("omission", "")),
    "source_words": ({"leaked": 0.2}, ("source_words", "")),
    "judge_falls": ({"judge/other": 0.5}, ("judge_falls", "other")),
    "judge_disagrees": ({"agreement/other": -0.1}, ("judge_disagrees", "other")),
}


def test_a_healthy_run_alarms_nothing():
    assert kinds_of({}, {}) == []


@pytest.mark.parametrize("name", HACKED)
def test_a_hacked_run_alarms_once(name):
    change, expected = HACKED[name]
    assert kinds_of({}, change, {}, change) == [expected]


@pytest.mark.parametrize("name", HACKED)
def test_what_lasts_for_less_than_a_window_alarms_nothing(name):
    watch = Watch(WATCHED, AlarmLimits(window=10))
    entries = [{**HEALTHY, **(HACKED[name][0] if 20 <= step < 29 else {})} for step in range(60)]
    assert [alarm for step, entry in enumerate(entries) for alarm in watch.read(step, entry)] == []


def test_every_kind_but_those_of_language_is_tried_here():
    assert {kind for _, (kind, _) in HACKED.values()} == set(_MESSAGES) - {"language", "dominance"}


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


def test_a_judge_that_falls_with_the_reward_alarms_nothing():
    assert kinds_of({}, {"judge/other": 0.5, "reward": 0.5}) == []


def test_dominance_over_a_component_that_is_solved_alarms_nothing():
    assert kinds_of({"share/similarity": 1.0, "mean/script": 1.0}) == []


def test_units_that_were_always_missing_alarm_nothing():
    assert kinds_of({"missing_units": 0.5}, {"missing_units": 0.6}) == []


def test_words_that_languages_share_alarm_nothing():
    assert kinds_of({"leaked": 0.4}, {"leaked": 0.55}) == []


@pytest.mark.parametrize(("run", "steps"), [("en-de", [32]), ("fr-en", []), ("de-en", [])])
def test_source_words_alarm_on_the_run_that_learnt_to_leave_them(run, steps):
    kept = json.loads((CURVES / f"{run}.json").read_text(encoding="utf-8"))["steps"]
    watch = Watch(Watched(), AlarmLimits())
    assert [alarm.step for entry in kept for alarm in watch.read(entry["step"], {"leaked": entry["leak"]})] == steps


def test_an_alarm_comes_when_the_second_window_is_full():
    assert [alarm.step for alarm in alarms_of({"flat_groups": 0.9})] == [2 * 4 - 1]


def test_an_alarm_names_the_figures_and_the_remedy():
    (alarm,) = alarms_of({"dead_zone/similarity": 0.9})
    assert alarm.message.startswith("90% of the answers get nothing from similarity")
    assert "Remedy: lower its threshold" in alarm.message
    assert dict(alarm.figures) == {"share": 0.9}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"window": 2}, "`window` must be a whole number of at least 3, got 2"),
        ({"window": 2.5}, "`window` must be a whole number"),
        ({"echo": 0}, "`echo` must be a finite number above 0, got 0"),
        ({"clipped": math.nan}, "`clipped` must be a finite number above 0, got nan"),
        ({"length_ratio": (1.1, 1.5)}, "`length_ratio` must be a band around 1"),
        ({"length_ratio": (-0.1, 1.5)}, "`length_ratio` must be a band around 1"),
        *(
            ({"length_ratio": band}, "`length_ratio` must be a band around 1")
            for band in (0.9, None, "0.5", (0.9,), (0.8, 1.2, 1.5), (0.8, True), ("0.8", "1.2"), (0.8, math.inf))
        ),
        ({"dead_zone": True}, "`dead_zone` must be a finite number above 0, got True"),
        ({"dead_zone": "0.5"}, "`dead_zone` must be a finite number above 0, got '0.5'"),
        ({"agreement": -0.5}, "`agreement` must be a finite number above 0, got -0.5"),
    ],
)
def test_a_limit_out_of_its_range_is_refused(limits, message):
    with pytest.raises(ArgumentError, match=message):
        AlarmLimits(**limits)


def test_a_band_may_be_a_list_as_files_have_it():
    assert AlarmLimits(length_ratio=[0.8, 1.2]) == AlarmLimits(length_ratio=(0.8, 1.2))


@pytest.mark.parametrize(
    "name",
    ["dead_zone", "flat_groups", "echo", "clipped"],
)
def test_a_limit_above_1_switches_its_alarm_off(name):
    key = CLIPPED if name == "clipped" else {"dead_zone": "dead_zone/similarity"}.get(name, name)
    assert kinds_of({key: 1.0}, **{name: 1.01}) == []
    assert kinds_of({key: 1.0}) != []
