"""When the course of a run's metrics looks like reward hacking: what is compared with what, and what to do about it.

Every metric is smoothed by the median of its last `window` log entries, so that a few odd batches raise no alarm. It
has to lie beyond what it is compared with, a level or its own past, for two windows in a row, so that what passes
raises none either. Nothing alarms before two windows have been logged.
"""

import dataclasses
import statistics
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError, SemRewardWarning
from semreward.rewards.base import is_column

CLIPPED = "completions/clipped_ratio"
"""TRL's own metric: share of completions that were cut off at their greatest length."""

_LEAST_WINDOW = 3


class RewardHackingWarning(SemRewardWarning):
    """While a policy trains, its metrics take a course that reward hacking takes."""


@dataclass(frozen=True)
class Alarm:
    """One warning, issued once a run.

    Attributes:
        kind: What happened, one of `semreward.monitor.KINDS`; `docs/monitor.md` has a row for each.
        subject: The component or judge concerned; empty where it is the reward as a whole.
        step: The trainer's step at which it was noticed.
        message: What was seen, with figures, and the remedy.
        figures: The figures by name.
    """

    kind: str
    subject: str
    step: int
    message: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AlarmLimits:
    """From where on a metric alarms. `docs/monitor.md` says how far healthy and hacked runs lay from the defaults.

    All limits are finite numbers above 0. What alarms from a share or a correlation on never does where it is above 1.

    Args:
        window: Log entries over which a median is taken; at least 3.
        length_ratio: Band in which the answers' mean length relative to their references' may lie: a pair of numbers,
            the lower one below 1 and the upper one above.
        length_change: Without references: factor by which the mean length may grow or shrink from the first window on.
        length_correlation: Absolute correlation of reward and length within groups.
        dead_zone: Share of rows to which a component, or the reward as a whole, pays its least value.
        ceiling: Share of rows that earn at least 95 % of the greatest reward.
        flat_groups: Share of groups in which all completions earn the same.
        dominance: Share of one component in the variance within groups, where another component is below `neglected`.
        neglected: Mean of a component, from 0 (its least value) to 1, below which it counts as unsolved.
        distinct: Least share of distinct answers among all of a call.
        shared_answers: Share of answers that also stand under another prompt with another reference.
        echo: Share of an answer's pairs of neighbouring units that its prompt has, beyond what its references have.
        clipped: Share of completions that are cut off at the greatest length.
        omission: How far the share of the references' units that no completion of the group has may rise above its
            lowest so far, which it must also exceed by half.
        language: Mean language consistency below which it alarms where it does not rise.
        component_fall: How far a component may fall below its best while the total does not, on the scale from 0 to 1.
        judge_fall: The same for a judge.
        agreement: Least correlation of the reward with a judge within groups.

    Raises:
        ArgumentError: `window` is no whole number from 3 on, or a limit is no number in its range.
    """

    window: int = 10
    length_ratio: tuple[float, float] = (0.88, 1.14)
    length_change: float = 1.5
    length_correlation: float = 0.6
    dead_zone: float = 0.8
    ceiling: float = 0.9
    flat_groups: float = 0.8
    dominance: float = 0.9
    neglected: float = 0.5
    distinct: float = 0.2
    shared_answers: float = 0.5
    echo: float = 0.4
    clipped: float = 0.5
    omission: float = 0.08
    language: float = 0.5
    component_fall: float = 0.15
    judge_fall: float = 0.05
    agreement: float = 0.2

    def __post_init__(self) -> None:
        if isinstance(self.window, bool) or not isinstance(self.window, int) or self.window < _LEAST_WINDOW:
            raise ArgumentError(f"`window` must be a whole number of at least {_LEAST_WINDOW}, got {self.window!r}")
        band = self.length_ratio
        if not is_column(band) or len(band) != 2 or not all(map(is_finite_number, band)):  # noqa: PLR2004 - a pair
            raise ArgumentError(f"`length_ratio` must be two numbers, such as (0.88, 1.14), got {band!r}")
        object.__setattr__(self, "length_ratio", tuple(band))
        for item in dataclasses.fields(self):
            limit = getattr(self, item.name)
            for value in limit if isinstance(limit, tuple) else (limit,):
                if not is_finite_number(value) or value <= 0:
                    raise ArgumentError(f"`{item.name}` must be a number above 0, got {value!r}")
        if self.length_change <= 1:
            raise ArgumentError(f"`length_change` must be a factor above 1, got {self.length_change!r}")
        if not self.length_ratio[0] < 1 < self.length_ratio[1]:
            raise ArgumentError(f"`length_ratio` must be a band around 1, got {self.length_ratio!r}")


@dataclass(frozen=True)
class Watched:
    """Whose metrics there are.

    Attributes:
        components: Names of the components that pay.
        judges: Names of those that only watch.
        languages: Those of both that measure language consistency.
    """

    components: Sequence[str] = ()
    judges: Sequence[str] = ()
    languages: Sequence[str] = ()


class Course:
    """The metrics of a run so far, with the median of the last `window` entries after each entry.

    Args:
        window: Entries of a metric over which a median is taken. Entries that lack it do not count.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.series: dict[str, list[tuple[int, float]]] = {}
        self._medians: dict[str, list[tuple[int, float]]] = {}
        self._least: dict[str, float] = {}
        self._best: dict[str, tuple[int, float]] = {}

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one log entry."""
        for key, value in metrics.items():
            points = self.series.setdefault(key, [])
            points.append((step, value))
            if len(points) >= self.window:
                median = statistics.median(value for _, value in points[-self.window :])
                self._medians.setdefault(key, []).append((step, median))
                self._least[key] = min(median, self._least.get(key, median))
                if key not in self._best or median > self._best[key][1]:
                    self._best[key] = (step, median)

    def now(self, key: str) -> float | None:
        """Median of the last window; `None` until two windows are full."""
        return self._medians[key][-1][1] if self._is_ripe(key) else None

    def before(self, key: str) -> float | None:
        """Median of the window before the last one; `None` until two windows are full."""
        return self._medians[key][-1 - self.window][1] if self._is_ripe(key) else None

    def start(self, key: str) -> float | None:
        """Median of the first window; `None` until two windows are full."""
        return self._medians[key][0][1] if self._is_ripe(key) else None

    def stays(self, key: str, beyond: Callable[[float], bool]) -> float | None:
        """The present median where it and the one a window ago lie beyond a level, else `None`."""
        now, before = self.now(key), self.before(key)
        return now if now is not None and before is not None and beyond(now) and beyond(before) else None

    def least(self, key: str) -> float | None:
        """The least median so far; `None` until two windows are full."""
        return self._least[key] if self._is_ripe(key) else None

    def fall(self, key: str, while_not: str) -> tuple[float, float] | None:
        """How far a metric has stayed below its best for two windows, and how much another one has gained since.

        Returns:
            Both as differences of medians; `None` until two windows of both are full.
        """
        now, before, other = self.now(key), self.before(key), self.now(while_not)
        if now is None or before is None or other is None:
            return None
        step, best = self._best[key]
        others = self._medians[while_not]
        reached = bisect_right(others, step, key=lambda point: point[0])
        return best - max(now, before), other - others[max(reached - 1, 0)][1]

    def _is_ripe(self, key: str) -> bool:
        return len(self._medians.get(key, ())) > self.window
