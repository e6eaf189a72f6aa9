"""The trainer's callback: reads what a monitored reward logs, and warns once when its course looks like hacking."""

import contextlib
import dataclasses
import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState

from semreward.arguments import check_choice, is_column, is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError, MissingDependencyError
from semreward.monitor.alarms import CLIPPED, KINDS, Alarm, AlarmLimits, Course, RewardHackingWarning, Watch
from semreward.monitor.reward import MonitoredReward
from semreward.report import Report

logger = logging.getLogger(__name__)


class RewardMonitor(TrainerCallback):
    """Watches the metrics of a `MonitoredReward` while a trainer runs, and warns of reward hacking.

    Each kind of alarm is issued once per component or judge, as a `RewardHackingWarning` with the numbers and the
    remedy. All processes find the same alarms, because the trainer averages metrics over them; the main one warns. A
    resumed run reads its history from the trainer's state, and its later alarms from `folder`, and repeats none of
    them. If `on_alarm` fails, or a file cannot be written, that is logged and the training goes on.

    Args:
        reward: The reward that the trainer was given.
        limits: Limits beyond which metrics alarm.
        stop_on: Kinds of alarms, of `semreward.monitor.KINDS`, that stop the training; none by default. A run resumed
            after such an alarm stops again: remove the kind, or go back to an earlier checkpoint.
        on_alarm: Called with each alarm in the main process, before it is issued as a warning.
        folder: Where the main process appends each alarm to `alarms.jsonl` and, when training ends, writes
            `monitor.html` with the curves of all metrics (needs matplotlib). It is created at once.

    Raises:
        ArgumentError: `stop_on` names an unknown kind, or `folder` cannot be created.
        ArgumentTypeError: An argument has the wrong type.
        MissingDependencyError: There is a `folder`, and matplotlib is not installed.

    Example:
        >>> from semreward import LanguageConsistencyReward
        >>> reward = MonitoredReward(LanguageConsistencyReward("bo"))
        >>> monitor = RewardMonitor(reward)   # GRPOTrainer(reward_funcs=reward, callbacks=[monitor], ...)
        >>> log = [{"step": step, "language_consistency/monitor/flat_groups": 0.9} for step in range(1, 21)]
        >>> [(alarm.step, alarm.kind) for alarm in monitor.review(log)]
        [(20, 'flat_groups')]
    """

    def __init__(
        self,
        reward: MonitoredReward,
        *,
        limits: AlarmLimits | None = None,
        stop_on: Collection[str] = (),
        on_alarm: Callable[[Alarm], object] | None = None,
        folder: str | Path | None = None,
    ) -> None:
        if not isinstance(reward, MonitoredReward):
            raise ArgumentTypeError(
                f"`reward` must be the MonitoredReward that the trainer calls, got {type(reward).__name__}"
            )
        if limits is not None and not isinstance(limits, AlarmLimits):
            raise ArgumentTypeError(f"`limits` must be AlarmLimits or None, got {limits!r}")
        if on_alarm is not None and not callable(on_alarm):
            raise ArgumentTypeError(f"`on_alarm` must be a function of an alarm or None, got {on_alarm!r}")
        if isinstance(stop_on, str) or not isinstance(stop_on, Collection):
            raise ArgumentTypeError(
                f"`stop_on` must be a list of kinds of alarms, got {stop_on!r}; write stop_on=[...]"
            )
        for kind in stop_on:
            check_choice("stop_on", kind, KINDS)
        self.reward = reward
        self.limits = limits or AlarmLimits()
        self._stop_on = frozenset(stop_on)
        self._on_alarm = on_alarm
        self._folder = None if folder is None else _made_folder(folder)
        self._begin()

    def _begin(self) -> None:
        self._watch = Watch(self.reward.watched, self.limits)
        self._entries_without_metrics = 0
        self._issued_before: set[tuple[str, str, int]] = set()

    @property
    def alarms(self) -> list[Alarm]:
        """All alarms of the run so far, in order."""
        return list(self._watch.alarms)

    @property
    def course(self) -> Course:
        """The metrics of the run so far; its `series` maps each key to points (step, value)."""
        return self._watch.course

    def review(self, log_history: Sequence[Mapping[str, Any]]) -> list[Alarm]:
        """Read the log of a finished run, such as `trainer.state.log_history`; returns its alarms without a warning.

        Raises:
            ArgumentError: An entry with metrics of the reward has no `step`, or a metric that is no number.
            ArgumentTypeError: It is not a list of log entries.
        """
        if not is_column(log_history):
            raise ArgumentTypeError(f"`log_history` must be a list of log entries, got {type(log_history).__name__}")
        watch = Watch(self.reward.watched, self.limits)
        for position, entry in enumerate(log_history):
            if not isinstance(entry, Mapping):
                raise ArgumentTypeError(f"`log_history` must hold log entries, got {entry!r} at position {position}")
            metrics = self._metrics(entry)
            for key, value in metrics.items():
                if not (value is None or isinstance(value, float) or is_finite_number(value)):
                    raise ArgumentError(
                        f"`log_history` must hold numbers, got {value!r} as {key} at position {position}"
                    )
            if metrics and not is_finite_number(entry.get("step")):
                raise ArgumentError(
                    f"`log_history` must have a `step` with each entry, got {entry.get('step')!r} at position "
                    f"{position}; give the trainer's state.log_history"
                )
            if metrics:
                watch.read(int(entry["step"]), self._defined(metrics))
        self._begin()
        self._watch = watch
        return self.alarms

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Start from what the trainer remembers: nothing, or the log up to the checkpoint that it resumes from."""
        del args, control, kwargs
        self._begin()
        with _logged("read the log of the run so far"):
            self.review(state.log_history)
        if state.global_step and self._folder is not None:
            with _logged("read the alarms of the run so far"):
                file = self._folder / "alarms.jsonl"
                lines = file.read_text(encoding="utf-8").split("\n") if file.exists() else []
                alarms = [json.loads(line) for line in lines if line]
                self._issued_before = {(alarm["kind"], alarm["subject"], alarm["step"]) for alarm in alarms}

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Judge one log entry."""
        del args, kwargs
        metrics = self._metrics(logs or {})
        if not metrics:
            self._warn_if_blind(logs or {})
            return
        for alarm in self._watch.read(state.global_step, self._defined(metrics)):
            if state.is_world_process_zero and (alarm.kind, alarm.subject, alarm.step) not in self._issued_before:
                self._issue(alarm)
        if any(alarm.kind in self._stop_on for alarm in self.alarms):
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Write the report, if a folder was given."""
        del args, control, kwargs
        if self._folder is not None and state.is_world_process_zero and self.course.series:
            with _logged("write its report"):
                self.write_report(self._folder / "monitor.html")

    def write_report(self, path: str | Path) -> None:
        """Write the alarms and the curves of all metrics to an HTML file that opens offline; needs matplotlib."""
        report = Report(f"Monitor of {self.reward.name}")
        report.heading("Alarms")
        if self.alarms:
            columns = ("step", "kind", "subject", "message")
            report.table([{name: getattr(alarm, name) for name in columns} for alarm in self.alarms], prose=True)
        else:
            report.text("None.")
        report.heading("Course")
        plots: dict[str, dict[str, list[tuple[int, float]]]] = {}
        for key, points in self.course.series.items():
            plots.setdefault(key.partition("/")[0], {})[key] = points
        for title, curves in plots.items():
            report.curves(title if len(curves) > 1 else next(iter(curves)), curves, x="step")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        report.write(path)

    def _metrics(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        """The monitored reward's metrics in a log entry, with the trainer's own that alarms; by their logged names."""
        found = {key: value for key, value in logs.items() if str(key).startswith(self.reward.metric(""))}
        return {**found, CLIPPED: logs[CLIPPED]} if found and CLIPPED in logs else found

    def _defined(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """Metrics by their short names, without those that are undefined in their entry (None, NaN, infinite)."""
        prefix = self.reward.metric("")
        return {key.removeprefix(prefix): float(value) for key, value in metrics.items() if is_finite_number(value)}

    def _warn_if_blind(self, logs: Mapping[str, Any]) -> None:
        """Log once that losses arrive but no metrics of the reward."""
        if "loss" in logs and not self.course.series:
            self._entries_without_metrics += 1
            if self._entries_without_metrics == self.limits.window:
                logger.warning(
                    "RewardMonitor is blind: %d log entries carry no metric %s; give the trainer this MonitoredReward, "
                    "and use a trainer that offers `log_metric` to rewards (TRL's GRPO and RLOO do)",
                    self._entries_without_metrics,
                    self.reward.metric("..."),
                )

    def _issue(self, alarm: Alarm) -> None:
        if self._folder is not None:
            with _logged("write down an alarm"):
                self._folder.mkdir(parents=True, exist_ok=True)
                with (self._folder / "alarms.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(dataclasses.asdict(alarm), ensure_ascii=False) + "\n")
        if self._on_alarm is not None:
            with _logged("call `on_alarm`"):
                self._on_alarm(alarm)
        about = f"{alarm.kind} ({alarm.subject})" if alarm.subject else alarm.kind
        warnings.warn(f"step {alarm.step}, {about}: {alarm.message}", RewardHackingWarning, stacklevel=2)


@contextlib.contextmanager
def _logged(action: str) -> Iterator[None]:
    """Log what fails instead of raising it: watching must not end what it watches."""
    try:
        yield
    except Exception:
        logger.exception("RewardMonitor could not %s; the training goes on", action)


def _made_folder(folder: str | Path) -> Path:
    """The folder of the alarms and the report, once all that they need has been found."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingDependencyError(
            "`folder` needs matplotlib for the report; install it with: pip install 'semreward[train]'"
        )
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"`folder` must be one that can be made, got {str(folder)!r}: {error}") from error
    return Path(folder)
