"""The trade-off as one self-contained SVG, and as Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tables.frontier import Matched, Point, frontier, matched
from tables.intervals import Estimate

STYLES = {"SFT": ("tab:orange", "s"), "SFT with replay": ("tab:green", "^"), "GRPO": ("tab:blue", "o")}
"""Colour and marker of a method."""

QUALITIES = (0.5, 0.7, 0.8, 0.9, 0.95)
"""What has to be reached, in the table."""

QUALITY_TICKS = (0.5, 0.7, 0.9, 0.95, 0.98, 1)

_LEAST_WRONG = 0.01
"""Wrong share up to which the quality axis stretches."""


def draw(
    path: Path,
    by_base: Mapping[str, Sequence[Point]],
    references: Mapping[str, Mapping[str, Estimate]],
    *,
    quality: str,
) -> None:
    """Write the figure: a row a base; drift and reading against quality, each method's frontier as a line.

    Args:
        path: The SVG file.
        by_base: Points by base.
        references: By base, reading of the base and of the cold start.
        quality: Label of the quality axis.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with mpl.rc_context({"svg.hashsalt": "semreward"}):  # the same points give the same file
        drawn = figure_of(by_base, references, quality=quality)
        FigureCanvasSVG(drawn).print_svg(str(path), metadata={"Date": None})


def figure_of(
    by_base: Mapping[str, Sequence[Point]], references: Mapping[str, Mapping[str, Estimate]], *, quality: str
) -> Any:
    """The figure as matplotlib holds it; arguments as for `draw`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure: Any = Figure(figsize=(9, 3.4 * len(by_base)), layout="constrained")
    axes = figure.subplots(len(by_base), 2, squeeze=False)
    for row, (base, found) in zip(axes, by_base.items(), strict=True):
        _panel(row[0], found, "drift", x=quality, y=f"base {base}: KL to the base, nats a token")
        _panel(row[1], found, "reading", x=quality, y=f"base {base}: CMRC EM, %")
        row[0].set_yscale("log")
        row[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        row[0].yaxis.set_major_formatter("{x:g}")
        row[0].yaxis.set_minor_formatter(NullFormatter())
        for name, estimate in references[base].items():
            style = "dotted" if name == "base" else "dashdot"
            row[1].axhline(estimate.mean, color="grey", linestyle=style, linewidth=1, label=name.replace("_", " "))
    handles = {
        label: handle for axis in axes.flat for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
    return figure


def tell(by_base: Mapping[str, Sequence[Point]], *, quality: str) -> str:
    """The same as Markdown: what each method pays for a quality, and every point."""
    parts = []
    for base, found in by_base.items():
        lines = [
            f"## Base {base}: the least that a method pays for a quality",
            "",
            f"| {quality}, at least | method | least KL | its rate, length | best CMRC EM | its rate, length |",
            "|---:|---|---:|---:|---:|---:|",
            *map(_matched_line, matched(found, QUALITIES)),
            "",
            f"## Base {base}: every setting",
            "",
            f"| method | rate | length | {quality} | KL | CMRC EM |",
            "|---|---:|---:|---:|---:|---:|",
            *map(_point_line, found),
        ]
        parts.append("\n".join(lines))
    legend = (
        "Rate and length are factors of the task's learning rate and of its epochs (SFT) or steps (GRPO, which goes on "
        "from a cold start by SFT at the plain rate). Values are "
        "means over seeds ± half the width of the 95 % t interval (number of seeds). That the cheapest of several "
        "settings is taken favours the method with more of them, and noise; within the intervals nothing is told."
    )
    return "\n\n".join([*parts, legend]) + "\n"


def _stretched(quality: Any) -> Any:
    """From a quality to its place on the axis: each step halves what is wrong, as methods differ near the top."""
    import numpy as np

    return -np.log(np.maximum(1 + _LEAST_WRONG - quality, _LEAST_WRONG / 2))


def _shrunk(place: Any) -> Any:
    """The inverse of `_stretched`."""
    import numpy as np

    return 1 + _LEAST_WRONG - np.exp(-place)


def _panel(axis: Any, found: Sequence[Point], by: str, *, x: str, y: str) -> None:
    for method, (colour, marker) in STYLES.items():
        own = [point for point in found if point.method == method]
        if not own:
            continue
        estimates = [point.drift if by == "drift" else point.reading for point in own]
        axis.errorbar(
            [point.quality.mean for point in own],
            [estimate.mean for estimate in estimates],
            xerr=[point.quality.half_width or 0 for point in own],
            yerr=[estimate.half_width or 0 for estimate in estimates],
            fmt=marker,
            color=colour,
            alpha=0.45,
            markersize=5,
            elinewidth=0.6,
        )
        best = frontier(own, by=by)
        heights = [point.drift.mean if by == "drift" else point.reading.mean for point in best]
        axis.plot([point.quality.mean for point in best], heights, color=colour, marker=marker, label=method)
    axis.set_xscale("function", functions=(_stretched, _shrunk))
    axis.set_xlim(min([0.5, *(point.quality.mean for point in found)]) - 0.05, 1 + _LEAST_WRONG / 5)
    axis.set_xticks(QUALITY_TICKS, labels=[f"{tick:g}" for tick in QUALITY_TICKS])
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.3)


def _matched_line(found: Matched) -> str:
    drift, reading = found.least_drift, found.best_reading
    if drift is None or reading is None:
        return f"| {found.quality:g} | {found.method} | not reached | | | |"
    return (
        f"| {found.quality:g} | {found.method} | {_shown(drift.drift, 4)} | {drift.rate:g}, {drift.length:g} | "
        f"{_shown(reading.reading, 1)} | {reading.rate:g}, {reading.length:g} |"
    )


def _point_line(point: Point) -> str:
    values = f"{_shown(point.quality, 3)} | {_shown(point.drift, 4)} | {_shown(point.reading, 1)}"
    return f"| {point.method} | {point.rate:g} | {point.length:g} | {values} |"


def _shown(estimate: Estimate, digits: int) -> str:
    half = "" if estimate.half_width is None else f" ± {estimate.half_width:.{digits}f}"
    return f"{estimate.mean:.{digits}f}{half} ({estimate.seeds})"
