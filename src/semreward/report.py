"""One look for every report: the same sections as Markdown, or as a self-contained HTML page that opens offline."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import jinja2

_PAGE = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, "Noto Serif Tibetan"; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.2rem; border-bottom: 1px solid #d8dee4; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d8dee4; padding: .3rem .7rem; text-align: right; }
th:first-child, td:first-child, .text th, .text td { text-align: left; vertical-align: top; }
.note { color: #57606a; font-size: .9rem; }
</style></head>
<body><h1>{{ title }}</h1>
{% for section in sections %}
{% if section.heading %}<h2>{{ section.heading }}</h2>{% endif %}
{% if section.text %}<p>{{ section.text }}</p>{% endif %}
{% if section.drawing %}<figure>{{ section.drawing | safe }}</figure>{% endif %}
{% if section.rows %}
<table{% if section.prose %} class="text"{% endif %}>
{% for line in cells(section.rows) %}
{% set tag = "th" if loop.first else "td" %}
<tr>{% for cell in line %}<{{ tag }}>{{ cell }}</{{ tag }}>{% endfor %}</tr>
{% endfor %}
</table>
{% endif %}
{% if section.note %}<p class="note">{{ section.note }}</p>{% endif %}
{% endfor %}
</body></html>
""")

Row = Mapping[str, object]


class Section(NamedTuple):
    """A part of a report, of which everything may be missing."""

    heading: str = ""
    text: str = ""
    drawing: str = ""  # an SVG element, shown in HTML only
    rows: Sequence[Row] = ()  # a table
    note: str = ""  # below the table or the drawing
    prose: bool = False  # whether the table's cells hold sentences, and are aligned to the left


def html_page(title: str, sections: Iterable[Section]) -> str:
    """A report as HTML. All text is escaped."""
    return _PAGE.render(title=title, sections=sections, cells=_cells)


def markdown_page(title: str, sections: Iterable[Section]) -> str:
    """A report as Markdown that also reads well in a terminal."""
    parts = [f"# {title}"]
    for section in sections:
        heading = f"## {section.heading}" if section.heading else ""
        parts += [heading, section.text, markdown_table(section.rows) if section.rows else "", section.note]
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown_table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table that also reads well in a terminal; nothing ends a cell or begins a tag."""
    lines = [[cell.replace("|", "\\|").replace("<", "&lt;") for cell in line] for line in _cells(rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
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
