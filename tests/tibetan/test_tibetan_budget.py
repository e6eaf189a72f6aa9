import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tibetan.policy
from semreward.errors import ArgumentError
from tibetan.policy import TimeBudget


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set; in seconds."""
    now = [0.0]
    monkeypatch.setattr(tibetan.policy.time, "perf_counter", lambda: now[0])
    return now


def _train(budget: TimeBudget, clock: list[float], *, first: int, step_s: float) -> int:
    """Steps until the budget stops training, of a hundred."""
    control: Any = SimpleNamespace(should_training_stop=False)
    arguments: Any = None
    budget.on_train_begin(arguments, SimpleNamespace(global_step=first, max_steps=100), control)
    for step in range(first + 1, 101):
        clock[0] += step_s
        state: Any = SimpleNamespace(global_step=step, max_steps=100)
        budget.on_step_end(arguments, state, control)
        if control.should_training_stop:
            return step
    return 100


def test_training_stops_before_the_budget_is_exceeded(tmp_path: Path, clock: list[float]) -> None:
    assert _train(TimeBudget(1, tmp_path), clock, first=0, step_s=7) == 8


def test_budget_that_is_long_enough_changes_nothing(tmp_path: Path, clock: list[float]) -> None:
    assert _train(TimeBudget(100, tmp_path), clock, first=0, step_s=7) == 100


def test_what_an_earlier_attempt_used_counts(tmp_path: Path, clock: list[float]) -> None:
    (tmp_path / "seconds.json").write_text(json.dumps(30.0))
    assert _train(TimeBudget(1, tmp_path), clock, first=4, step_s=7) == 8


def test_new_training_does_not_read_the_time_of_another(tmp_path: Path, clock: list[float]) -> None:
    (tmp_path / "seconds.json").write_text(json.dumps(3000.0))
    assert _train(TimeBudget(1, tmp_path), clock, first=0, step_s=7) == 8


def test_saving_keeps_the_time_used(tmp_path: Path, clock: list[float]) -> None:
    budget = TimeBudget(1, tmp_path)
    _train(budget, clock, first=0, step_s=7)
    budget.on_save()
    assert json.loads((tmp_path / "seconds.json").read_text()) == 56.0


def test_budget_too_short_for_one_step_says_so(tmp_path: Path, clock: list[float]) -> None:
    with pytest.raises(ArgumentError, match="budget of 0.1 minutes is too short for one step, which took 7 s"):
        _train(TimeBudget(0.1, tmp_path), clock, first=0, step_s=7)
