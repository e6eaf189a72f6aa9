"""The trade-off: what a method gives up for quality, over all its learning rates and lengths, as Markdown and SVG."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from tables.cells import Cell, values_of
from tables.conditions import Condition
from tables.intervals import Estimate, over_seeds
from tables.rendering import markdown

STYLES = {"SFT": ("tab:orange", "s"), "SFT with replay": ("tab:green", "^"), "GRPO": ("tab:blue", "o")}
"""Colour and marker of a method."""

KL, READING = "drift.kl_to_base.mean", "reading.exact_match"
PARSED, EMBEDDED = "exact_meaning.value", "held_out_similarity.value"

QUALITIES = (0.5, 0.7, 0.8, 0.9, 0.95)  # what has to be reached, in the table
QUALITY_TICKS = (0.5, 0.7, 0.9, 0.95, 0.98, 1)
LEAST_WRONG = 0.01  # wrong share up to which the quality axis stretches

LEGEND = (
    "Rate and length are factors of the task's learning rate and of its epochs (SFT) or steps (GRPO, which goes on "
    "from a cold start by SFT at the plain rate). Values are means over seeds ± half the width of the 95 % t interval "
    "(number of seeds). That the cheapest of several settings is taken favours the method with more of them, and "
    "noise; within the intervals nothing is told."
)


class Point(NamedTuple):
    """One setting of a method, over its seeds."""

    method: str
    rate: float  # learning rate, as a factor of the task's
    length: float  # epochs or steps, as a factor of the task's
    quality: Estimate  # exact meaning where a parser judged, else similarity by the encoder that pays nothing
    drift: Estimate  # mean KL to the base on out-of-domain text, in nats per token; lower is better
    reading: Estimate  # exact match of reading comprehension, in percent; higher is better


def quality_path(cells: Iterable[Cell]) -> str:
    """Where quality is: in the parser's verdicts, or without a parser in the encoder that pays nothing."""
    return PARSED if values_of(cells, PARSED) else EMBEDDED


def points(cells: Sequence[Cell], conditions: Iterable[Condition]) -> list[Point]:
    """One point per condition that was measured on reading, drift and quality; base and cold start give none."""
    made = []
    for condition in conditions:
        if condition.method in ("sft", "grpo") and condition.rows != "cold_start":
            own = [cell for cell in cells if (cell.task, cell.condition) == (condition.task, condition.name)]
            values = [values_of(own, path) for path in (quality_path(cells), KL, READING)]
            method = "GRPO" if condition.method == "grpo" else "SFT with replay" if condition.replay else "SFT"
            if all(values):
                made.append(Point(method, condition.rate, condition.length, *map(over_seeds, values)))
    return made


def frontier(found: Iterable[Point], *, by: str) -> list[Point]:
    """The points of one method that no other one beats in both quality and cost (`drift` or `reading`)."""
    merits = {
        point: (point.quality.mean, -point.drift.mean if by == "drift" else point.reading.mean) for point in found
    }
    kept = []
    for point, (quality, merit) in merits.items():
        if not any(one >= quality and two >= merit and (one, two) != (quality, merit) for one, two in merits.values()):
            kept.append(point)
    return sorted(kept, key=lambda point: point.quality.mean)


def tell(by_base: Mapping[str, Sequence[Point]], *, quality: str) -> str:
    """What each method pays for a quality, and every point, as Markdown: RL and SFT compare where equally good."""
    parts = []
    for base, found in by_base.items():
        rows = []
        for least, method in itertools.product(QUALITIES, dict.fromkeys(point.method for point in found)):
            reached = [point for point in found if point.method == method and point.quality.mean >= least]
            row = [f"{least:g}", method, "not reached | | |"]
            if reached:
                calm = min(reached, key=lambda point: point.drift.mean)
                row[2:] = [calm.drift.shown(4), f"{calm.rate:g}, {calm.length:g}"]
                best = max(reached, key=lambda point: point.reading.mean)
                row += [best.reading.shown(1), f"{best.rate:g}, {best.length:g}"]
            rows.append(row)
        head = [f"{quality}, at least", "method", "least KL", "its rate, length", "best CMRC EM", "its rate, length"]
        parts += [f"## Base {base}: the least that a method pays for a quality", markdown(head, rows, words=1)]
        rows = []
        for point in found:
            values = [point.quality.shown(3), point.drift.shown(4), point.reading.shown(1)]
            rows.append([point.method, f"{point.rate:g}", f"{point.length:g}", *values])
        head = ["method", "rate", "length", quality, "KL", "CMRC EM"]
        parts += [f"## Base {base}: every setting", markdown(head, rows)]
    return "\n\n".join([*parts, LEGEND]) + "\n"


def draw(path: Path, by_base: Mapping[str, Sequence[Point]], cells: Sequence[Cell], *, quality: str) -> None:
    """Write the SVG: a row per base; drift and reading against quality, each method's frontier as a line.

    Reading of the base and of the cold start, from the cells, is drawn beside the points.
    """
    figure = Figure(figsize=(9, 3.4 * len(by_base)), layout="constrained")
    axes = figure.subplots(len(by_base), 2, squeeze=False)
    for (left, right), (base, found) in zip(axes, by_base.items(), strict=True):
        _panel(left, found, "drift", x=quality, y=f"base {base}: KL to the base, nats a token")
        _panel(right, found, "reading", x=quality, y=f"base {base}: CMRC EM, %")
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter("{x:g}")
        left.yaxis.set_minor_formatter(NullFormatter())
        for name, style in (("base", "dotted"), ("cold_start", "dashdot")):
            if values := values_of((cell for cell in cells if (cell.base, cell.condition) == (base, name)), READING):
                mean, label = over_seeds(values).mean, name.replace("_", " ")
                right.axhline(mean, color="grey", linestyle=style, linewidth=1, label=label)
    handles: dict[str, Any] = {}
    for axis in axes.flat:
        lines, labels = axis.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
    with mpl.rc_context({"svg.hashsalt": "semreward"}):  # the same points give the same file
        FigureCanvasSVG(figure).print_svg(str(path), metadata={"Date": None})


def _panel(axis: Any, found: Sequence[Point], by: str, *, x: str, y: str) -> None:
    for method, (colour, marker) in STYLES.items():
        own = [point for point in found if point.method == method]
        if not own:
            continue
        qualities, costs = [point.quality for point in own], [getattr(point, by) for point in own]
        x_means, y_means = ([estimate.mean for estimate in estimates] for estimates in (qualities, costs))
        x_error, y_error = ([estimate.half_width or 0 for estimate in estimates] for estimates in (qualities, costs))
        light = {"alpha": 0.45, "markersize": 5, "elinewidth": 0.6}
        axis.errorbar(x_means, y_means, xerr=x_error, yerr=y_error, fmt=marker, color=colour, **light)
        best = frontier(own, by=by)
        heights = [getattr(point, by).mean for point in best]
        axis.plot([point.quality.mean for point in best], heights, color=colour, marker=marker, label=method)
    axis.set_xscale("function", functions=(_stretched, _shrunk))
    axis.set_xlim(min([0.5, *(point.quality.mean for point in found)]) - 0.05, 1 + LEAST_WRONG / 5)
    axis.set_xticks(QUALITY_TICKS, labels=[f"{tick:g}" for tick in QUALITY_TICKS])
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.3)


def _stretched(quality: Any) -> Any:
    """From a quality to its position on the axis: each step halves what is wrong, as methods differ near the top."""
    return -np.log(np.maximum(1 + LEAST_WRONG - quality, LEAST_WRONG / 2))


def _shrunk(position: Any) -> Any:
    """The inverse of `_stretched`."""
    return 1 + LEAST_WRONG - np.exp(-position)
