"""The trade-off: what a method gives up for quality, over all its learning rates and lengths."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tables.cells import Cell
from tables.conditions import Condition, Method
from tables.intervals import Estimate, over_seeds

METHODS: dict[tuple[Method, bool], str] = {
    ("sft", False): "SFT",
    ("sft", True): "SFT with replay",
    ("grpo", False): "GRPO",
}
"""Names of methods, by how they train and whether they replay."""

KL, READING = ("drift", "kl_to_base", "mean"), ("reading", "exact_match")
PARSED, EMBEDDED = ("exact_meaning", "value"), ("held_out_similarity", "value")


@dataclass(frozen=True)
class Point:
    """One setting of a method, over its seeds.

    Attributes:
        method: Name of the method.
        rate: Learning rate, as a factor of the task's.
        length: Epochs or steps, as a factor of the task's.
        quality: Exact meaning where a parser judged, else similarity by the encoder that pays nothing.
        drift: Mean KL to the base on out-of-domain text, in nats a token; lower is better.
        reading: Exact match of reading comprehension, in percent; higher is better.
    """

    method: str
    rate: float
    length: float
    quality: Estimate
    drift: Estimate
    reading: Estimate


class Matched(NamedTuple):
    """The cheapest setting of a method that reaches a quality.

    Attributes:
        method: Name of the method.
        quality: What had to be reached.
        least_drift: The point with the least drift; `None` where the method does not get there.
        best_reading: The point with the best reading; `None` likewise.
    """

    method: str
    quality: float
    least_drift: Point | None
    best_reading: Point | None


def points(cells: Iterable[Cell], conditions: Sequence[Condition]) -> list[Point]:
    """One point a condition that was measured on reading, drift and quality; the base and cold starts are none."""
    found = list(cells)
    quality = quality_path(found)
    made = []
    for condition in conditions:
        method = METHODS.get((condition.method, condition.replay > 0))
        if method is None or condition.rows == "cold_start":
            continue
        own = [cell for cell in found if (cell.task, cell.condition) == (condition.task, condition.name)]
        values = [[value for cell in own if (value := cell.value(path)) is not None] for path in (quality, KL, READING)]
        if all(values):
            made.append(Point(method, condition.rate, condition.length, *map(over_seeds, values)))
    return made


def quality_path(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Where quality is: in the parser's verdicts, or without a parser in the encoder that pays nothing."""
    return PARSED if any(cell.value(PARSED) is not None for cell in cells) else EMBEDDED


def frontier(found: Iterable[Point], *, by: str) -> list[Point]:
    """The points that no other one beats in both quality and cost, by rising quality.

    Args:
        found: Points of one method.
        by: The cost, `drift` or `reading`.
    """
    candidates = list(found)
    kept = [point for point in candidates if not any(_beats(other, point, by) for other in candidates)]
    return sorted(kept, key=lambda point: point.quality.mean)


def matched(found: Iterable[Point], qualities: Sequence[float]) -> list[Matched]:
    """What each method pays for a quality: RL and SFT are to be compared where they are equally good."""
    by_method: dict[str, list[Point]] = {}
    for point in found:
        by_method.setdefault(point.method, []).append(point)
    return [
        Matched(
            method,
            quality,
            min(reached, key=lambda point: point.drift.mean, default=None),
            max(reached, key=lambda point: point.reading.mean, default=None),
        )
        for quality in qualities
        for method, own in by_method.items()
        for reached in [[point for point in own if point.quality.mean >= quality]]
    ]


def references(cells: Iterable[Cell], task: str) -> Mapping[str, Estimate]:
    """Reading of the base and of the cold start, to draw beside the points."""
    found = list(cells)
    values = {
        name: [
            value for cell in found if (cell.task, cell.condition) == (task, name) and (value := cell.value(READING))
        ]
        for name in ("base", "cold_start")
    }
    return {name: over_seeds(own) for name, own in values.items() if own}


def _cost(point: Point, by: str) -> float:
    return point.drift.mean if by == "drift" else -point.reading.mean


def _beats(one: Point, other: Point, by: str) -> bool:
    """Whether one point is nowhere worse and somewhere better."""
    mine, theirs = (one.quality.mean, -_cost(one, by)), (other.quality.mean, -_cost(other, by))
    return mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=True))
