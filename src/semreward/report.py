"""One look for every HTML report: self-contained files that open offline."""

import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from semreward.errors import MissingDependencyError

_PAGE = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, "Noto Serif Tibetan"; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.2rem; border-bottom: 1px solid #d8dee4; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d8dee4; padding: .3rem .7rem; text-align: right; }
th:first-child, td:first-child, .text th, .text td { text-align: left; vertical-align: top; }
figcaption, .note { color: #57606a; font-size: .9rem; }
</style></head>
<body><h1>{{ title }}</h1>
{% for part in parts %}
{% if part.heading %}<h2>{{ part.heading }}</h2>{% endif %}
{% if part.text %}<p>{{ part.text }}</p>{% endif %}
{% if part.drawing %}<figure>{{ part.drawing | safe }}<figcaption>{{ part.caption }}</figcaption></figure>{% endif %}
{% if part.rows is defined %}
<table{% if part.prose %} class="text"{% endif %}>
<thead><tr>{% for name in part.rows[0] %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in part.rows %}
<tr>{% for name in part.rows[0] %}<td>{{ shown(row.get(name)) }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>
{% endif %}
{% if part.note %}<p class="note">{{ part.note }}</p>{% endif %}
{% endfor %}
</body></html>
""")


def shown(value: object) -> str:
    """A cell of a table: floats with four significant digits, `None` as a dash."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Report:
    """Collects sections in order and writes them as one HTML file. All text is escaped. Plots need matplotlib.

    Example:
        >>> report = Report("A run")
        >>> report.text("Two rewards & one table.")
        >>> "Two rewards &amp; one table." in report.render()
        True
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[dict[str, Any]] = []

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append({"heading": text})

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append({"text": text})

    def table(self, rows: Sequence[Mapping[str, object]], *, note: str = "", prose: bool = False) -> None:
        """Add a table with the first row's columns and a line below; `prose` aligns everything to the left."""
        self._parts.append({"rows": rows, "note": note, "prose": prose})

    def curves(self, title: str, curves: Mapping[str, Sequence[tuple[float, float]]], *, x: str) -> None:
        """Add a plot of curves, from label to points; `x` names their horizontal axis, with its unit."""
        figure = _figure(3.2)
        axes = figure.subplots()
        for label, points in curves.items():
            axes.plot([point[0] for point in points], [point[1] for point in points], label=label)
        axes.set_xlabel(x)
        axes.grid(alpha=0.3)
        if len(curves) > 1:
            axes.legend()
        self._add(figure, title)

    def bars(self, title: str, bars: Mapping[str, tuple[float, str]], *, lines: Mapping[str, float], x: str) -> None:
        """Add a plot of horizontal bars, from label to length and group, and of vertical lines, from label to value."""
        figure = _figure(1.4 + 0.22 * len(bars))
        axes = figure.subplots()
        for group in dict.fromkeys(group for _, group in bars.values()):
            own = {index: length for index, (length, name) in enumerate(bars.values()) if name == group}
            axes.barh(list(own), list(own.values()), label=group)
        styles = itertools.cycle(["solid", "dashed", "dotted", "dashdot"])
        for style, (label, value) in zip(styles, lines.items(), strict=False):
            axes.axvline(value, color="black", linestyle=style, label=label)
        axes.set_yticks(range(len(bars)), list(bars))
        axes.margins(y=0.01)
        axes.invert_yaxis()
        axes.set_xlabel(x)
        axes.grid(alpha=0.3, axis="x")
        figure.legend(loc="outside upper center", ncols=6)
        self._add(figure, title)

    def _add(self, figure: Any, caption: str) -> None:
        import matplotlib as mpl

        buffer = io.StringIO()
        with mpl.rc_context({"svg.hashsalt": "semreward"}):  # the same figure gives the same text
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        drawing = buffer.getvalue()
        self._parts.append({"drawing": drawing[drawing.index("<svg") :], "caption": caption})

    def render(self) -> str:
        """The whole page."""
        return _PAGE.render(title=self._title, parts=self._parts, shown=shown)

    def write(self, path: str | Path) -> None:
        """Write the page to a file."""
        Path(path).write_text(self.render(), encoding="utf-8")


def _figure(height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(f"{error}; install it with: pip install 'semreward[train]'") from error
    return Figure(figsize=(7, height), layout="constrained")
