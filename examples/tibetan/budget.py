"""A training stage that ends within a number of minutes, also when it was interrupted on the way."""

import json
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from semreward.errors import ArgumentError


class TimeBudget(TrainerCallback):
    """Ends training before the next step would exceed a budget. The learning rate keeps the schedule of all steps.

    Args:
        minutes: The budget, of all attempts together; what an attempt did after its last checkpoint does not count.
        folder: The trainer's folder, which keeps the time that was used.

    Raises:
        ArgumentError: At the end of the first step, the budget is shorter than that step.
    """

    def __init__(self, minutes: float, folder: Path) -> None:
        self.budget_s = minutes * 60
        self.record = folder / "seconds.json"
        self.used_s = 0.0
        self.longest_s = 0.0
        self.steps = 0
        self.begun = 0.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Count what earlier attempts used."""
        if state.global_step and self.record.exists():
            self.used_s = json.loads(self.record.read_text())
        self.begun = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Stop where another step does not fit."""
        now = time.perf_counter()
        step_s, self.begun = now - self.begun, now
        self.used_s += step_s
        self.longest_s = max(self.longest_s, step_s)
        self.steps += 1
        if self.used_s > self.budget_s and self.steps == state.global_step == 1:
            raise ArgumentError(
                f"the budget of {self.budget_s / 60:g} minutes is too short for one step, which took {step_s:.0f} s; "
                "raise it, or make a step smaller"
            )
        if self.used_s + self.longest_s > self.budget_s and state.global_step < state.max_steps:
            print(f"stopped at step {state.global_step} of {state.max_steps}: the budget is used up")
            control.should_training_stop = True

    def on_save(self, *_: Any, **__: Any) -> None:
        """Keep the time used beside the checkpoint."""
        self.record.write_text(json.dumps(round(self.used_s, 1)))
