"""One look for every report: tables in Markdown, and self-contained HTML files that open offline."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import jinja2

from semreward.files import write_text

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
{% if part.head is defined %}
<table{% if part.prose %} class="text"{% endif %}>
<thead><tr>{% for cell in part.head %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in part.body %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>
{% endif %}
{% if part.note %}<p class="note">{{ part.note }}</p>{% endif %}
{% endfor %}
</body></html>
""")

Row = Mapping[str, object]


def markdown_table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table that also reads well in a terminal; nothing ends a cell or begins a tag."""
    head, *body = _cells(rows)
    lines = [head, ["---"] * len(head), *body]
    lines = [[cell.replace("|", "\\|").replace("<", "&lt;") for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines[1] = ["-" * width for width in widths]
    padded = [map(str.ljust, line, widths) for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    """The names of all columns, then a line per row: floats with four significant digits, nothing as a dash."""
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    lines = [names]
    for row in rows:
        values = [row.get(name) for name in names]
        values = [f"{value:.4g}" if isinstance(value, float) else value for value in values]
        lines.append(["–" if value is None else str(value) for value in values])
    return lines


class Report:
    """Collects sections in order and writes them as one HTML file. All text is escaped."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[dict[str, Any]] = []

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append({"heading": text})

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append({"text": text})

    def table(self, rows: Sequence[Row], *, note: str = "", prose: bool = False) -> None:
        """Add a table and a line below it; `prose` aligns everything to the left."""
        head, *body = _cells(rows)
        self._parts.append({"head": head, "body": body, "note": note, "prose": prose})

    def figure(self, drawing: str, caption: str) -> None:
        """Add a drawing, an SVG element as it is, and a line below it."""
        self._parts.append({"drawing": drawing, "caption": caption})

    def render(self) -> str:
        """The whole page."""
        return _PAGE.render(title=self._title, parts=self._parts)

    def write(self, path: str | Path) -> None:
        """Write the page to a file."""
        write_text(path, self.render())
