"""When the metrics of a run look like reward hacking, and what to do about it.

Each metric is smoothed by the median of its last `window` log entries. An alarm needs two windows in a row beyond its
limit, so a few odd batches raise none. Nothing alarms before two windows are full.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import le
from typing import Any, TypeAlias

from semreward.arguments import check_count, check_number, is_column, is_finite_number
from semreward.errors import ArgumentError, SemRewardWarning

CLIPPED = "completions/clipped_ratio"
"""TRL's own metric: share of completions that were cut off at the maximum length."""

_MESSAGES = {
    "length": "answers are {length_ratio:.2f} times as long as their references ({a_window_ago:.2f} a window ago). "
    "Remedy: read what has been added or left out; gate on LengthRatioGuard, or lengthen the cold start.",
    "dead_zone": "{share:.0%} of the answers get nothing from {subject}, so it teaches nothing there. "
    "Remedy: lower its threshold (calibrate_threshold on this policy's samples) or lengthen the cold start.",
    "flat_groups": "in {share:.0%} of the groups all answers earn the same, and nothing is learned from them. "
    "Remedy: raise the temperature, lower a threshold with a large dead zone, or drop prompts that are solved.",
    "dominance": "{subject}: the first makes {share:.0%} of the difference between answers, the mean of the second is "
    "{mean_of_the_other:.2f}. Remedy: raise the weight of the second, make it a gate, or lengthen the cold start.",
    "echo": "answers repeat their prompts: {echo:.0%} of their adjacent unit pairs more than references do. "
    "Remedy: gate on SourceCopyGuard or on LanguageConsistencyReward; the encoder takes a copy for a translation.",
    "clipped": "{share:.0%} of the answers are cut off at the maximum length. "
    "Remedy: gate on LengthRatioGuard, and check that the cold start teaches answers to end.",
    "omission": "{missing_units:.0%} of the references' units are in no answer of their group, {at_best:.0%} at best. "
    "Remedy: compare answers with references; if they leave something out, lengthen the cold start.",
    "source_words": "{leaked:.0%} of the answers have a word of their prompt that no reference has, {at_best:.0%} at "
    "best. Remedy: lengthen the cold start; adapt the encoder with LEAKS negatives (docs/encoders.md).",
    "language": "{subject} is {mean:.2f} and does not rise ({a_window_ago:.2f} a window ago). "
    "Remedy: give it a higher weight, make it a gate, or lengthen the cold start.",
    "judge_falls": "{subject} has fallen by {fall:.3f} from its best, while the reward has gained {reward_gained:.3f}. "
    "Remedy: go back to an earlier checkpoint; read answers that earn much and that it rates low.",
    "judge_disagrees": "among answers to one prompt, {subject} prefers others (correlation with the reward "
    "{agreement:.2f}). Remedy: read answers that earn much and that it rates low; one of the two is wrong.",
}
"""What each kind of alarm says; `docs/monitor.md` lists the runs and failures it caught."""

_RETURNING = 0.02  # a length ratio that approaches 1 by more than this per window, in log units, is recovering
_RISING = 0.15  # a language consistency that gains this much per window is recovering
_UNSOLVED = 0.5  # mean of a component, from 0 to 1, up to which another one dominates it


class RewardHackingWarning(SemRewardWarning):
    """The metrics of a policy in training look like reward hacking."""


@dataclass(frozen=True)
class Alarm:
    """One warning, issued once per run: what was seen at a step, with numbers and remedy."""

    kind: str  # a key of the messages above
    subject: str  # the component or judge concerned; empty for the reward as a whole
    step: int
    message: str
    figures: Mapping[str, float]  # the numbers by name


@dataclass(frozen=True)
class AlarmLimits:
    """Limits beyond which metrics alarm, all finite and above 0; a share is turned off by a limit above 1.

    Raises:
        ArgumentError: `window` or a limit is out of its range.
    """

    window: int = 10  # log entries per median; at least 3
    length_ratio: tuple[float, float] = (0.88, 1.14)  # band around 1: mean length of answers relative to references
    dead_zone: float = 0.8  # share of rows to which a component pays its least value
    flat_groups: float = 0.8  # share of groups in which all completions earn the same
    dominance: float = 0.9  # share of a component in the variance within groups while another one is unsolved
    echo: float = 0.4  # share of an answer's adjacent unit pairs that its prompt has, beyond what its references have
    clipped: float = 0.5  # share of completions that are cut off at the maximum length
    omission: float = 0.08  # rise of `missing_units` above its lowest median, which it must also exceed by half
    source_words: float = 0.1  # rise of `leaked` above its lowest median, which it must also exceed by half
    language: float = 0.5  # mean language consistency, where it does not rise
    judge_fall: float = 0.05  # fall of a judge below its best while the reward does not fall
    agreement: float = 0.2  # lowest correlation of the reward and a judge within groups

    def __post_init__(self) -> None:
        check_count("window", self.window, at_least=3)
        band = self.length_ratio
        is_pair = is_column(band) and len(band) == 2 and all(map(is_finite_number, band))  # noqa: PLR2004 - a pair
        if not is_pair or not 0 < band[0] < 1 < band[1]:
            raise ArgumentError(f"`length_ratio` must be a band around 1, such as (0.88, 1.14), got {band!r}")
        object.__setattr__(self, "length_ratio", tuple(band))
        for item in dataclasses.fields(self)[2:]:
            check_number(item.name, getattr(self, item.name), above=0)


@dataclass(frozen=True)
class Watched:
    """Names of the components that pay, of the judges that do not, and of those of both that measure a language."""

    components: Sequence[str] = ()
    judges: Sequence[str] = ()
    languages: Sequence[str] = ()


_Finding: TypeAlias = tuple[str, str, dict[str, float]]  # kind, subject, figures


class Watch:
    """Reads a run's metrics entry by entry and returns each kind of alarm once per subject.

    `series` holds points (step, value) by key; there is a median of each `window` of them.
    """

    def __init__(self, watched: Watched, limits: AlarmLimits) -> None:
        self.alarms: list[Alarm] = []
        self.series: dict[str, list[tuple[int, float]]] = {}
        self._medians: dict[str, list[tuple[int, float]]] = {}
        self._watched = watched
        self._limits = limits

    def read(self, step: int, metrics: Mapping[str, Any]) -> list[Alarm]:
        """Add one log entry, by the keys of `semreward.monitor.metrics.measure`; returns the new alarms.

        Metrics that it lacks, or that are None, NaN or infinite, add no point.
        """
        for key, value in metrics.items():
            if is_finite_number(value):
                self.series.setdefault(key, []).append((step, value))
                last = [value for _, value in self.series[key][-self._limits.window :]]
                if len(last) == self._limits.window:
                    self._medians.setdefault(key, []).append((step, statistics.median(last)))
        known = {(alarm.kind, alarm.subject) for alarm in self.alarms}
        found = (*self._find_in_reward(), *self._find_in_components(), *self._find_in_judges())
        fresh = [
            Alarm(kind, subject, step, _MESSAGES[kind].format(subject=subject, **figures), figures)
            for kind, subject, figures in found
            if (kind, subject) not in known
        ]
        self.alarms += fresh
        return fresh

    def lasts(self, key: str, beyond: Callable[[float], bool] = lambda _: True) -> tuple[float, float] | None:
        """Medians of the last window but one and of the last one if both are beyond a limit, else `None`."""
        medians = self._medians.get(key, [])
        if len(medians) <= self._limits.window:
            return None
        before, now = medians[-1 - self._limits.window][1], medians[-1][1]
        return (before, now) if beyond(before) and beyond(now) else None

    def least(self, key: str) -> float:
        """The lowest median so far; 0 before the first."""
        return min((median for _, median in self._medians.get(key, ())), default=0.0)

    def fall(self, key: str, *, while_not: str) -> tuple[float, float] | None:
        """How far a metric has stayed below its best for two windows, and how much another one has gained since."""
        windows, other_windows = self.lasts(key), self.lasts(while_not)
        if windows is None or other_windows is None:
            return None
        best_step, best = max(self._medians[key], key=lambda point: point[1])
        others = self._medians[while_not]
        then = [median for step, median in others if step <= best_step] or [others[0][1]]
        return best - max(windows), other_windows[1] - then[-1]

    def _find_in_reward(self) -> Iterator[_Finding]:
        limits = self._limits
        low, high = limits.length_ratio
        if windows := self.lasts("length_ratio", lambda value: not low <= value <= high):
            before, now = (abs(math.log(max(value, 1e-6))) for value in windows)
            if now > before - _RETURNING:
                yield "length", "", {"length_ratio": windows[1], "a_window_ago": windows[0]}
        if windows := self.lasts("flat_groups", lambda value: value >= limits.flat_groups):
            yield "flat_groups", "", {"share": windows[1]}
        if windows := self.lasts("echo", lambda value: value >= limits.echo):
            yield "echo", "", {"echo": windows[1]}
        if windows := self.lasts(CLIPPED, lambda value: value >= limits.clipped):
            yield "clipped", "", {"share": windows[1]}
        for kind, key in (("omission", "missing_units"), ("source_words", "leaked")):
            least = self.least(key)
            if windows := self.lasts(key, partial(le, max(least + getattr(limits, kind), 1.5 * least))):
                yield kind, "", {key: windows[1], "at_best": least}

    def _find_in_components(self) -> Iterator[_Finding]:
        limits = self._limits
        for name in self._watched.components:
            windows = self.lasts(f"dead_zone/{name}", lambda value: value >= limits.dead_zone)
            if windows and name not in self._watched.languages:
                yield "dead_zone", name, {"share": windows[1]}
            share = self.lasts(f"share/{name}", lambda value: value >= limits.dominance)
            for other in self._watched.components:
                mean = self.lasts(f"mean/{other}", lambda value: value <= _UNSOLVED)
                if other != name and share and mean:
                    yield "dominance", f"{name} over {other}", {"share": share[1], "mean_of_the_other": mean[1]}

    def _find_in_judges(self) -> Iterator[_Finding]:
        limits = self._limits
        for name in self._watched.languages:
            key = f"mean/{name}" if name in self._watched.components else f"judge/{name}"
            windows = self.lasts(key, lambda value: value <= limits.language)
            if windows and windows[1] < windows[0] + _RISING:
                yield "language", name, {"mean": windows[1], "a_window_ago": windows[0]}
        for name in self._watched.judges:
            change = self.fall(f"judge/{name}", while_not="reward")
            if change and change[0] >= limits.judge_fall and change[1] >= 0:
                yield "judge_falls", name, {"fall": change[0], "reward_gained": change[1]}
            if windows := self.lasts(f"agreement/{name}", lambda value: value <= limits.agreement):
                yield "judge_disagrees", name, {"agreement": windows[1]}
