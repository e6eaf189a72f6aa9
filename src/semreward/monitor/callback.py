"""The trainer's callback: reads what a monitored reward logs, and warns once when its course looks like hacking."""

import contextlib
import dataclasses
import importlib.util
import json
import logging
import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError, MissingDependencyError
from semreward.monitor.alarms import CLIPPED, Alarm, AlarmLimits, Course, RewardHackingWarning
from semreward.monitor.detectors import KINDS, Watch
from semreward.monitor.reward import MonitoredReward
from semreward.report import Report
from semreward.rewards.base import is_column

logger = logging.getLogger(__name__)

_ALARMS = "alarms.jsonl"

_PLOTS = {
    "Reward": ("reward",),
    "Shares of completions": ("floor", "ceiling", "dead_zone/", "distinct", "shared_answers", CLIPPED),
    "Groups in which all completions earn the same": ("flat_groups",),
    "Components (0: their least value, 1: their greatest)": ("mean/",),
    "Share of the components in what sets the completions of a prompt apart": ("share/",),
    "Judges": ("judge/",),
    "Correlation with the reward within groups": ("length_correlation", "agreement/"),
    "Length": ("length_ratio",),
    "Length in units": ("answer_units",),
    "Against references and prompts": ("missing_units", "echo"),
}
"""Plots of the report: title and the metrics, or beginnings of metrics, that it shows."""


class RewardMonitor(TrainerCallback):
    """Watches the metrics of a `MonitoredReward` while a trainer runs, and warns of reward hacking.

    Each kind of alarm is issued once for each component or judge, as a `RewardHackingWarning` that gives the figures
    and names the remedy. What alarms and why: `docs/monitor.md`. All processes come to the same alarms, because the
    trainer averages metrics over them; the main one warns. A run that goes on from a checkpoint reads its history from
    the trainer's state, and does not repeat what it has said. With a `folder` that holds, too, for what it had said
    after the checkpoint, unless it comes at another step now. Where `on_alarm` fails, or a file cannot be written, that
    is logged, and the training goes on.

    Args:
        reward: The reward that the trainer was given.
        limits: From where on metrics alarm.
        stop_on: Kinds of alarms that stop the training, of `semreward.monitor.KINDS`; none by default. A run that goes
            on from a checkpoint at or after such an alarm stops again at its first log entry: to train on, take the
            kind out, or go back to a checkpoint from before.
        on_alarm: Called with each alarm in the main process, before it is issued as a warning.
        folder: Where the main process appends each alarm to `alarms.jsonl` and, when training ends, writes
            `monitor.html` with the curves of all metrics (which needs matplotlib). It is made at once.

    Raises:
        ArgumentError: `stop_on` names an unknown kind, or `folder` cannot be made.
        ArgumentTypeError: `reward` is no `MonitoredReward`, or another argument has the wrong type.
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
        self.reward = reward
        self.limits = limits or AlarmLimits()
        self._stop_on = _checked_kinds(stop_on)
        self._on_alarm = on_alarm
        self._folder = None if folder is None else _made_folder(folder)
        self._begin()

    def _begin(self) -> None:
        self._watch = Watch(self.reward.watched, self.limits)
        self._blind = 0
        self._said: set[tuple[str, str, int]] = set()

    @property
    def alarms(self) -> list[Alarm]:
        """All alarms of the run so far, in order."""
        return list(self._watch.alarms)

    @property
    def course(self) -> Course:
        """The metrics of the run so far; its `series` maps each key to points (step, value)."""
        return self._watch.course

    def review(self, log_history: Sequence[Mapping[str, Any]]) -> list[Alarm]:
        """Read a run that has been logged already, such as `trainer.state.log_history`, from its beginning.

        Args:
            log_history: Log entries, each with its `step`.

        Returns:
            The alarms that it raises; none is issued as a warning.

        Raises:
            ArgumentError: An entry with metrics of the reward has no `step`, or a metric that is no number.
            ArgumentTypeError: It is not a list of log entries.
        """
        self._check(log_history)
        self._begin()
        for entry in log_history:
            if metrics := self._metrics(entry):
                self._watch.read(int(entry["step"]), metrics)
        return self.alarms

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start from what the trainer remembers: nothing, or the log up to the checkpoint that it goes on from."""
        del args, control, kwargs
        self._begin()
        with _survived("read the log of the run so far"):
            self.review(state.log_history)
        if state.global_step:
            with _survived("read the alarms of the run so far"):
                self._said = self._written()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Judge one log entry."""
        del args, kwargs
        metrics = self._metrics(logs or {})
        if not metrics:
            self._complain_once(logs or {})
            return
        for alarm in self._watch.read(state.global_step, metrics):
            if state.is_world_process_zero and (alarm.kind, alarm.subject, alarm.step) not in self._said:
                self._issue(alarm)
        if any(alarm.kind in self._stop_on for alarm in self.alarms):
            control.should_training_stop = True

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the report, if a folder was given."""
        del args, control, kwargs
        if self._folder is not None and state.is_world_process_zero and self.course.series:
            with _survived("write its report"):
                self.write_report(self._folder / "monitor.html")

    def write_report(self, path: str | Path) -> None:
        """Write the alarms and the curves of all metrics to an HTML file that opens offline.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        report = Report(f"Monitor of {self.reward.name}")
        report.heading("Alarms")
        if self.alarms:
            columns = ("step", "kind", "subject", "message")
            report.table([{name: getattr(alarm, name) for name in columns} for alarm in self.alarms], prose=True)
        else:
            report.text("None.")
        report.heading("Course")
        series = self.course.series
        for title, keys in _PLOTS.items():
            curves = {key: points for key, points in series.items() if _is_shown(key, keys)}
            if curves:
                report.curves(title, curves, x="step")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        report.write(path)

    def _metrics(self, logs: Mapping[str, Any]) -> dict[str, float]:
        """The monitored reward's metrics in a log entry by their short keys, with the trainer's own that alarm."""
        prefix = self.reward.metric("")
        found = {key.removeprefix(prefix): value for key, value in logs.items() if key.startswith(prefix)}
        if found and CLIPPED in logs:
            found[CLIPPED] = logs[CLIPPED]
        return {key: float(value) for key, value in found.items() if is_finite_number(value)}

    def _check(self, log_history: Any) -> None:
        """Raise unless all entries with the monitored reward's metrics can be read."""
        if not is_column(log_history):
            raise ArgumentTypeError(f"`log_history` must be a list of log entries, got {type(log_history).__name__}")
        prefix = self.reward.metric("")
        for place, entry in enumerate(log_history):
            if not isinstance(entry, Mapping):
                raise ArgumentTypeError(f"`log_history` must hold log entries, got {entry!r} at position {place}")
            if not any(str(key).startswith(prefix) for key in entry):
                continue
            for key, value in entry.items():
                if (str(key).startswith(prefix) or key == CLIPPED) and not _is_number(value):
                    raise ArgumentError(
                        f"`log_history` must hold numbers, got {value!r} as {key} in the entry at position {place}"
                    )
            if not is_finite_number(entry.get("step")):
                raise ArgumentError(
                    f"`log_history` must have a `step` with each entry, got {entry.get('step')!r} at position {place}; "
                    "give the trainer's state.log_history"
                )

    def _complain_once(self, logs: Mapping[str, Any]) -> None:
        """Say, once, that nothing arrives: losses are logged, but nothing that the reward measures."""
        if "loss" in logs and not self.course.series:
            self._blind += 1
            if self._blind == self.limits.window:
                logger.warning(
                    "RewardMonitor is blind: %d log entries carry no metric %s; give the trainer this MonitoredReward, "
                    "and a trainer that offers `log_metric` to rewards (TRL's GRPO and RLOO do)",
                    self._blind,
                    self.reward.metric("..."),
                )

    def _issue(self, alarm: Alarm) -> None:
        with _survived("write down an alarm"):
            self._append(alarm)
        with _survived("call `on_alarm`"):
            if self._on_alarm is not None:
                self._on_alarm(alarm)
        about = f"{alarm.kind} ({alarm.subject})" if alarm.subject else alarm.kind
        warnings.warn(f"step {alarm.step}, {about}: {alarm.message}", RewardHackingWarning, stacklevel=2)

    def _written(self) -> set[tuple[str, str, int]]:
        """What `alarms.jsonl` holds: kind, subject and step of each alarm."""
        if self._folder is None or not (self._folder / _ALARMS).exists():
            return set()
        lines = (self._folder / _ALARMS).read_text(encoding="utf-8").split("\n")
        alarms = [json.loads(line) for line in lines if line]
        return {(alarm["kind"], alarm["subject"], alarm["step"]) for alarm in alarms}

    def _append(self, alarm: Alarm) -> None:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / _ALARMS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(dataclasses.asdict(alarm), ensure_ascii=False) + "\n")


@contextlib.contextmanager
def _survived(what: str) -> Iterator[None]:
    """Log what fails instead of raising it: watching must not end what it watches."""
    try:
        yield
    except Exception:
        logger.exception("RewardMonitor could not %s; the training goes on", what)


def _checked_kinds(stop_on: Any) -> frozenset[str]:
    if isinstance(stop_on, str) or not isinstance(stop_on, Collection):
        raise ArgumentTypeError(f"`stop_on` must be a list of kinds of alarms, got {stop_on!r}; write stop_on=[...]")
    if unknown := [kind for kind in stop_on if kind not in KINDS]:
        raise ArgumentError(
            f"`stop_on` must name kinds of alarms, got {', '.join(map(str, unknown))}; there are {', '.join(KINDS)}"
        )
    return frozenset(stop_on)


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


def _is_number(value: Any) -> bool:
    """Whether a value is a number, or `None`, infinite or NaN, as undefined metrics are logged."""
    return value is None or is_finite_number(value) or (isinstance(value, float) and not math.isfinite(value))


def _is_shown(key: str, keys: Sequence[str]) -> bool:
    return any(key == known or (known.endswith("/") and key.startswith(known)) for known in keys)
