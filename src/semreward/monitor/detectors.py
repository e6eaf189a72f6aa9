"""The detectors: each looks at the course of a few metrics and says what it sees, if it sees something."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from semreward.monitor.alarms import CLIPPED, Alarm, AlarmLimits, Course, Watched


@dataclass(frozen=True)
class _Finding:
    kind: str
    seen: str
    remedy: str
    figures: Mapping[str, float]
    subject: str = ""


KINDS = (
    "length",
    "length_pays",
    "floor",
    "dead_zone",
    "ceiling",
    "flat_groups",
    "dominance",
    "shared_answers",
    "few_distinct",
    "echo",
    "clipped",
    "omission",
    "language",
    "component_falls",
    "judge_falls",
    "judge_disagrees",
)
"""All kinds of alarms; `docs/monitor.md` has a row for each."""

_PADDED = "read what has been added; gate on LengthRatioGuard, or lower max_completion_length"
_CUT_SHORT = (
    "read what has been left out; lengthen the cold start until the policy can say it, or gate on a LengthRatioGuard "
    "whose lower edge is near 1"
)

# A length that comes nearer to the references' by more than this (in log units, a window) is on its way back.
_RETURNING = 0.02

_Detector: TypeAlias = Callable[[Course, AlarmLimits, Watched], Iterator[_Finding]]


class Watch:
    """Reads a run's metrics entry by entry and tells what is new: each kind of alarm once for each subject.

    Args:
        watched: Whose metrics there are.
        limits: From where on they alarm.

    Example:
        >>> watch = Watch(Watched(), AlarmLimits(window=3))
        >>> alarms = [alarm for step in range(6) for alarm in watch.read(step, {"flat_groups": 0.9})]
        >>> [(alarm.kind, alarm.step) for alarm in alarms]
        [('flat_groups', 5)]
    """

    def __init__(self, watched: Watched, limits: AlarmLimits) -> None:
        self.course = Course(limits.window)
        self.alarms: list[Alarm] = []
        self._watched = watched
        self._limits = limits

    def read(self, step: int, metrics: Mapping[str, float]) -> list[Alarm]:
        """Take in one log entry.

        Args:
            step: The trainer's step.
            metrics: Metrics by the keys of `semreward.monitor.metrics.measure`, and those of the trainer.

        Returns:
            The alarms that have not been raised before.
        """
        self.course.add(step, metrics)
        known = {(alarm.kind, alarm.subject) for alarm in self.alarms}
        fresh = [
            Alarm(finding.kind, finding.subject, step, f"{finding.seen}. Remedy: {finding.remedy}.", finding.figures)
            for detector in _DETECTORS
            for finding in detector(self.course, self._limits, self._watched)
            if (finding.kind, finding.subject) not in known
        ]
        self.alarms += fresh
        return fresh


def _length(course: Course, limits: AlarmLimits, _: Watched) -> Iterator[_Finding]:
    """Length leaves the band around the references', or without any drifts from where it was."""
    low, high = limits.length_ratio
    ratio = course.stays("length_ratio", lambda value: not low <= value <= high)
    if ratio is not None:
        before = course.before("length_ratio") or 0.0
        if abs(_log(ratio)) > abs(_log(before)) - _RETURNING:
            seen = f"answers are {ratio:.2f} times as long as their references ({before:.2f} a window ago)"
            remedy = _PADDED if ratio > 1 else _CUT_SHORT
            yield _Finding("length", seen, remedy, {"length_ratio": ratio, "a_window_ago": before})
    first = course.start("answer_units")
    if first is None or "length_ratio" in course.series:
        return
    units = course.stays("answer_units", lambda value: abs(_log(value) - _log(first)) > _log(limits.length_change))
    if units is not None:
        seen = f"answers have {units:.1f} units, {first:.1f} at first"
        remedy = _PADDED if units > first else _CUT_SHORT
        yield _Finding("length", seen, remedy, {"answer_units": units, "at_first": first})


def _length_reward(course: Course, limits: AlarmLimits, _: Watched) -> Iterator[_Finding]:
    limit = limits.length_correlation
    found = course.stays("length_correlation", lambda value: value >= limit) or course.stays(
        "length_correlation", lambda value: value <= -limit
    )
    if found is not None:
        kind = "longer" if found > 0 else "shorter"
        yield _Finding(
            "length_pays",
            f"{kind} answers to the same prompt earn more (correlation of reward and length {found:.2f})",
            "read the longest and the shortest answers; gate on LengthRatioGuard, or give the encoder harder negatives",
            {"length_correlation": found},
        )


def _dead_zone(course: Course, limits: AlarmLimits, watched: Watched) -> Iterator[_Finding]:
    floor = course.stays("floor", lambda value: value >= limits.dead_zone)
    if floor is not None:
        yield _Finding(
            "floor",
            f"{floor:.0%} of the answers earn the least that there is",
            "see which gate or component fails most; loosen it, or lengthen the cold start",
            {"share": floor},
        )
    for name in (name for name in watched.components if name not in watched.languages):  # `_language` sees those
        share = course.stays(f"dead_zone/{name}", lambda value: value >= limits.dead_zone)
        if share is not None:
            yield _Finding(
                "dead_zone",
                f"{share:.0%} of the answers get nothing from {name}, and learn nothing from it",
                "lower its threshold (calibrate_threshold on this policy's samples) or lengthen the cold start",
                {"share": share},
                name,
            )


def _ceiling(course: Course, limits: AlarmLimits, _: Watched) -> Iterator[_Finding]:
    share = course.stays("ceiling", lambda value: value >= limits.ceiling)
    if share is not None:
        yield _Finding(
            "ceiling",
            f"{share:.0%} of the answers earn all that there is to earn",
            "stop, or take harder prompts; read some answers, for a reward that is exhausted early is often fooled",
            {"share": share},
        )


def _flat_groups(course: Course, limits: AlarmLimits, _: Watched) -> Iterator[_Finding]:
    share = course.stays("flat_groups", lambda value: value >= limits.flat_groups)
    if share is not None:
        yield _Finding(
            "flat_groups",
            f"in {share:.0%} of the groups all answers earn the same, and nothing is learned from them",
            "raise the temperature, lower the threshold where the dead zone is large, or drop prompts that are solved",
            {"share": share},
        )


def _dominance(course: Course, limits: AlarmLimits, watched: Watched) -> Iterator[_Finding]:
    """One component decides alone while another one is still unsolved."""
    for name in watched.components:
        share = course.stays(f"share/{name}", lambda value: value >= limits.dominance)
        for other in watched.components:
            mean = course.stays(f"mean/{other}", lambda value: value <= limits.neglected)
            if other != name and share is not None and mean is not None:
                yield _Finding(
                    "dominance",
                    f"{name} makes {share:.0%} of the difference between answers, while {other} stands at {mean:.2f}",
                    f"raise the weight of {other}, make it a gate, or lengthen the cold start until answers earn it",
                    {"share": share, "mean_of_the_other": mean},
                    f"{name} over {other}",
                )


def _collapse(course: Course, limits: AlarmLimits, _: Watched) -> Iterator[_Finding]:
    remedy = "add a KL term (beta), raise the temperature, or lower the learning rate; read the answers"
    shared = course.stays("shared_answers", lambda value: value >= limits.shared_answers)
    if shared is not None:
        seen = f"{shared:.0%} of the answers are given to other prompts, too, whose references differ"
        yield _Finding("shared_answers", seen, remedy, {"share": shared})
    distinct = course.stays("distinct", lambda value: value <= limits.distinct)
    if distinct is not None:
        seen = f"only {distinct:.0%} of the answers of a call are distinct"
        yield _Finding("few_distinct", seen, remedy, {"share": distinct})


def _echo(course: Course, limits: AlarmLimits, _: Watched) -> Iterator[_Finding]:
    beyond = course.stays("echo", lambda value: value >= limits.echo)
    if beyond is not None:
        yield _Finding(
            "echo",
            f"answers repeat their prompts: {beyond:.0%} of their pairs of neighbouring units more than references do",
            "gate on SourceCopyGuard or on LanguageConsistencyReward; the encoder takes a copy for a translation",
            {"echo": beyond},
        )


def _clipped(course: Course, limits: AlarmLimits, _: Watched) -> Iterator[_Finding]:
    share = course.stays(CLIPPED, lambda value: value >= limits.clipped)
    if share is not None:
        yield _Finding(
            "clipped",
            f"{share:.0%} of the answers are cut off at their greatest length",
            "gate on LengthRatioGuard, and see that the cold start teaches answers to end",
            {"share": share},
        )


def _omission(course: Course, limits: AlarmLimits, _: Watched) -> Iterator[_Finding]:
    """Something that references say is said by no answer any more."""
    least = course.least("missing_units")
    if least is None:
        return
    now = course.stays("missing_units", lambda value: value >= max(least + limits.omission, 1.5 * least))
    if now is not None:
        yield _Finding(
            "omission",
            f"{now:.0%} of the references' units are in no answer of their group, {least:.0%} at best: "
            "answers leave something out, or all say it in one other way",
            "compare answers with references; where something is left out, lengthen the cold start until the policy "
            "can say it",
            {"missing_units": now, "at_best": least},
        )


def _language(course: Course, limits: AlarmLimits, watched: Watched) -> Iterator[_Finding]:
    for name in watched.languages:
        key = f"mean/{name}" if name in watched.components else f"judge/{name}"
        mean, before = course.stays(key, lambda value: value <= limits.language), course.before(key)
        if mean is not None and before is not None and mean < before + limits.component_fall:
            yield _Finding(
                "language",
                f"{name} stands at {mean:.2f} and does not rise ({before:.2f} a window ago)",
                f"give {name} a weight or a higher one, make it a gate, or lengthen the cold start",
                {"mean": mean, "a_window_ago": before},
                name,
            )


def _component_falls(course: Course, limits: AlarmLimits, watched: Watched) -> Iterator[_Finding]:
    """A component is given up for the sake of the others."""
    unpaid = [name for name in watched.languages if name not in watched.components]
    for name in (*watched.components, *unpaid):
        key = f"mean/{name}" if name in watched.components else f"judge/{name}"
        change = course.fall(key, while_not="reward")
        if change is not None and change[0] >= limits.component_fall and change[1] >= 0:
            yield _Finding(
                "component_falls",
                f"{name} has fallen by {change[0]:.2f} from its best, while the reward has gained {change[1]:.2f}",
                f"raise the weight of {name} or make it a gate: as weighted, giving it up pays",
                {"fall": change[0], "reward_gained": change[1]},
                name,
            )


def _judge_falls(course: Course, limits: AlarmLimits, watched: Watched) -> Iterator[_Finding]:
    """The gap between what pays and what only watches grows."""
    for name in watched.judges:
        change = course.fall(f"judge/{name}", while_not="reward")
        if change is not None and change[0] >= limits.judge_fall and change[1] >= 0:
            yield _Finding(
                "judge_falls",
                f"{name}, which pays nothing, has fallen by {change[0]:.3f} from its best, while the reward has gained "
                f"{change[1]:.3f}",
                f"take a checkpoint from before; read answers that earn much and that {name} rates low",
                {"fall": change[0], "reward_gained": change[1]},
                name,
            )


def _judge_disagrees(course: Course, limits: AlarmLimits, watched: Watched) -> Iterator[_Finding]:
    for name in watched.judges:
        agreement = course.stays(f"agreement/{name}", lambda value: value <= limits.agreement)
        if agreement is not None:
            yield _Finding(
                "judge_disagrees",
                f"of answers to one prompt, {name} prefers others than the reward does (correlation {agreement:.2f})",
                f"read answers that earn much and that {name} rates low; one of the two is wrong about them",
                {"agreement": agreement},
                name,
            )


def _log(value: float) -> float:
    return math.log(max(value, 1e-6))


_DETECTORS: tuple[_Detector, ...] = (
    _length,
    _length_reward,
    _dead_zone,
    _ceiling,
    _flat_groups,
    _dominance,
    _collapse,
    _echo,
    _clipped,
    _omission,
    _language,
    _component_falls,
    _judge_falls,
    _judge_disagrees,
)
