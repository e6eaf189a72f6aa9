"""One look for every HTML report: self-contained files that open offline."""

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from semreward.errors import MissingDependencyError

_STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans", "Noto Serif Tibetan", sans-serif; margin: 2rem auto; max-width: 72rem;
       padding: 0 1rem; color: #1b1f24; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d8dee4; }
table { border-collapse: collapse; margin: .8rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d8dee4; padding: .3rem .7rem; text-align: right; }
th:first-child, td:first-child, .text th, .text td { text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #57606a; }
figure { margin: 1rem 0; } figcaption, .note { color: #57606a; font-size: .9rem; }
svg { max-width: 100%; height: auto; }
"""

_LINE_STYLES = ("solid", "dashed", "dotted", "dashdot")


class Report:
    """Collects sections in order and writes them as one HTML file. All text is escaped.

    Args:
        title: Heading of the page.

    Example:
        >>> report = Report("A run")
        >>> report.text("Two rewards & one table.")
        >>> "Two rewards &amp; one table." in report.render()
        True
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def table(self, rows: Sequence[Mapping[str, object]], *, note: str = "", prose: bool = False) -> None:
        """Add a table.

        Args:
            rows: One mapping a row, from column name to value; columns in the first row's order. Floats are shown with
                four significant digits, `None` as a dash.
            note: Line below the table.
            prose: Align everything to the left, for tables of sentences.
        """
        columns = list(rows[0]) if rows else []
        head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(row.get(column)))}</td>" for column in columns) + "</tr>"
            for row in rows
        )
        kind = ' class="text"' if prose else ""
        self._parts.append(f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        if note:
            self._parts.append(f'<p class="note">{html.escape(note)}</p>')

    def curves(self, title: str, curves: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str = "") -> None:
        """Add a plot of one or several curves.

        Args:
            title: What the plot shows.
            curves: From label to points (x, y).
            x: Label of the horizontal axis, with its unit.
            y: Label of the vertical axis, with its unit.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        self._figure(title, _curves(curves, x, y))

    def bars(
        self,
        title: str,
        bars: Mapping[str, tuple[float, str]],
        *,
        lines: Mapping[str, float] | None = None,
        x: str,
    ) -> None:
        """Add a plot of horizontal bars, the first one on top.

        Args:
            title: What the plot shows.
            bars: From label to length and group; the bars of a group have one colour.
            lines: From label to a value that a vertical line marks.
            x: Label of the horizontal axis, with its unit.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        self._figure(title, _bars(bars, lines or {}, x))

    def _figure(self, title: str, drawing: str) -> None:
        self._parts.append(f"<figure>{drawing}<figcaption>{html.escape(title)}</figcaption></figure>")

    def render(self) -> str:
        """The whole page."""
        title = html.escape(self._title)
        return (
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{''.join(self._parts)}</body></html>\n"
        )

    def write(self, path: str | Path) -> None:
        """Write the page to a file."""
        Path(path).write_text(self.render(), encoding="utf-8")


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _curves(curves: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> str:
    figure = _figure_of(7, 3.2)
    axes = figure.subplots()
    for label, points in curves.items():
        axes.plot([point[0] for point in points], [point[1] for point in points], label=label)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend()
    return _drawing(figure)


def _bars(bars: Mapping[str, tuple[float, str]], lines: Mapping[str, float], x: str) -> str:
    figure = _figure_of(7, 1.4 + 0.22 * len(bars))
    axes = figure.subplots()
    labels = list(bars)
    for group in dict.fromkeys(group for _, group in bars.values()):
        own = [label for label in labels if bars[label][1] == group]
        axes.barh([labels.index(label) for label in own], [bars[label][0] for label in own], label=group)
    for number, (label, value) in enumerate(lines.items()):
        axes.axvline(value, color="black", linestyle=_LINE_STYLES[number % len(_LINE_STYLES)], label=label)
    axes.set_yticks(range(len(labels)), labels)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel(x)
    axes.grid(alpha=0.3, axis="x")
    figure.legend(loc="outside upper center", ncols=6)
    return _drawing(figure)


def _figure_of(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(f"{error}; install it with: pip install 'semreward[train]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _drawing(figure: Any) -> str:
    """A figure as SVG; the same figure gives the same text."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "semreward"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    drawing = buffer.getvalue()
    return drawing[drawing.index("<svg") :]
