"""The trainer's callback: reads what a monitored reward logs, and warns once when its course looks like hacking."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerState

from semreward.arguments import is_column, is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.monitor.alarms import CLIPPED, Alarm, AlarmLimits, RewardHackingWarning, Watch
from semreward.monitor.reward import MonitoredReward

logger = logging.getLogger(__name__)


class RewardMonitor(TrainerCallback):
    """Watches the metrics of a `MonitoredReward` while a trainer runs, and warns of reward hacking.

    Each kind of alarm is issued once per component or judge, by the main process, as a `RewardHackingWarning` with the
    numbers and the remedy. A resumed run repeats no alarm from before the checkpoint.

    Args:
        reward: The reward that the trainer was given.
        limits: Limits beyond which metrics alarm.

    Raises:
        ArgumentTypeError: An argument has the wrong type.

    Example:
        >>> from semreward import LanguageConsistencyReward
        >>> reward = MonitoredReward(LanguageConsistencyReward("bo"))
        >>> monitor = RewardMonitor(reward)   # GRPOTrainer(reward_funcs=reward, callbacks=[monitor], ...)
        >>> log = [{"step": step, "language_consistency/monitor/flat_groups": 0.9} for step in range(1, 21)]
        >>> [(alarm.step, alarm.kind) for alarm in monitor.review(log)]
        [(20, 'flat_groups')]
    """

    def __init__(self, reward: MonitoredReward, *, limits: AlarmLimits | None = None) -> None:
        if not isinstance(reward, MonitoredReward):
            raise ArgumentTypeError(f"`reward` must be the trainer's MonitoredReward, got {type(reward).__name__}")
        if limits is not None and not isinstance(limits, AlarmLimits):
            raise ArgumentTypeError(f"`limits` must be AlarmLimits or None, got {limits!r}")
        self.reward = reward
        self.limits = limits or AlarmLimits()
        self.review([])

    @property
    def alarms(self) -> list[Alarm]:
        """All alarms of the run so far, in order."""
        return list(self._watch.alarms)

    def review(self, log_history: Sequence[Mapping[str, Any]]) -> list[Alarm]:
        """Read the log of a finished run, such as `trainer.state.log_history`; returns its alarms without a warning.

        Raises:
            ArgumentError: An entry with metrics of the reward has no `step`, or a metric that is not a number.
            ArgumentTypeError: It is not a list of log entries.
        """
        if not is_column(log_history):
            raise ArgumentTypeError(f"`log_history` must be a list of log entries, got {type(log_history).__name__}")
        watch = Watch(self.reward.watched, self.limits)
        for position, entry in enumerate(log_history):
            if not isinstance(entry, Mapping):
                raise ArgumentTypeError(f"`log_history` must hold log entries, got {entry!r} at position {position}")
            metrics = self._metrics(entry)
            if not metrics:
                continue
            for key, value in {"step": entry.get("step"), **metrics}.items():
                may_be_undefined = key != "step" and (value is None or isinstance(value, float))
                if not may_be_undefined and not is_finite_number(value):
                    raise ArgumentError(
                        f"`log_history` must have numbers, got {value!r} as `{key}` at position {position}; give the "
                        "trainer's state.log_history"
                    )
            watch.read(int(entry["step"]), metrics)
        self._watch, self._blind_entries = watch, 0
        return self.alarms

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Start from what the trainer remembers: nothing, or the log up to the checkpoint that it resumes from."""
        self.review(state.log_history)

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Judge one log entry; say once if losses arrive without metrics of the reward."""
        if metrics := self._metrics(logs or {}):
            for alarm in self._watch.read(state.global_step, metrics):
                if state.is_world_process_zero:
                    about = f"{alarm.kind} ({alarm.subject})" if alarm.subject else alarm.kind
                    warnings.warn(f"step {alarm.step}, {about}: {alarm.message}", RewardHackingWarning, stacklevel=2)
        elif "loss" in (logs or {}) and not self._watch.series:
            self._blind_entries += 1
            if self._blind_entries == self.limits.window:
                logger.warning(
                    "RewardMonitor is blind: %d log entries carry no metric %s; give the trainer this MonitoredReward, "
                    "and use a trainer that offers `log_metric` to rewards (TRL's GRPO and RLOO do)",
                    self._blind_entries,
                    self.reward.metric("..."),
                )

    def _metrics(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        """The monitored reward's metrics in a log entry by their short names, with the trainer's own that alarms."""
        prefix = self.reward.metric("")
        found = {key.removeprefix(prefix): value for key, value in logs.items() if str(key).startswith(prefix)}
        return {**found, CLIPPED: logs[CLIPPED]} if found and CLIPPED in logs else found
