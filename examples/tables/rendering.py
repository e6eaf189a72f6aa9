"""Tables 1 to 6 from the cells alone, beside the values in `published.yaml`, and a table of the tax."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from tables.cells import Cell, values_of
from tables.intervals import Estimate, PairedDifference, detectable_difference, over_seeds, paired_difference


class Table(NamedTuple):
    """What a table shows."""

    title: str
    task: str
    columns: list[str]  # groups of columns
    rows: dict[str, str]  # from condition to the paper's values of the first columns


_PUBLISHED = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text("utf-8"))
COLUMNS: dict[str, dict[str, str]] = _PUBLISHED["columns"]
TABLES = [Table(**table) for table in _PUBLISHED["tables"]]

TAXED = ("cold_start", "rl", "strong_sft", "forgetting_sft", "rl_embedding")
"""Conditions whose reading is compared with the base's, beside the difference of RL and strong SFT."""


def render(cells: Sequence[Cell]) -> str:
    """All tables as Markdown, one set per base, of cells as `read_cells` reads them."""
    legend = (
        "Mean over seeds ± half the width of the 95 % t interval over seeds (number of seeds). *paper*: the value that "
        f"the paper reports, for other data, policy and encoder. {_provenance(cells)}"
    )
    parts = [legend]
    for base in dict.fromkeys(cell.base for cell in cells):
        own = [cell for cell in cells if cell.base == base]
        tables = [render_table(table, own) for table in TABLES] + [_render_tax(task, own) for task in ("mt", "hg")]
        parts += [f"# Base {base}", *filter(None, tables)]
    return "\n\n".join(parts) + "\n"


def render_table(table: Table, cells: Iterable[Cell]) -> str:
    """One table as Markdown, without columns that no cell has; empty where no condition of it was measured."""
    own = [cell for cell in cells if cell.task == table.task and cell.condition in table.rows]
    every = {name: path for group in table.columns for name, path in COLUMNS[group].items()}
    columns = {name: path for name, path in every.items() if values_of(own, path)}
    paper = {row: dict(zip(every, values.split(), strict=False)) for row, values in table.rows.items()}
    reported = {name for row in paper.values() for name, value in row.items() if value != "-"}
    head = ["model"]
    for name in columns:
        head += [_heading(name, own), "*paper*"] if name in reported else [_heading(name, own)]
    rows = []
    for condition, published in paper.items():
        found = [cell for cell in own if cell.condition == condition]
        if not found:
            continue
        row = [found[0].label]
        for name, path in columns.items():
            values = values_of(found, path)
            row.append(_estimated(over_seeds(values), name) if values else "–")
            if name in reported:
                value = published.get(name, "-")
                row.append("–" if value == "-" else f"{float(value):g}")
        rows.append(row)
    return f"## {table.title}\n\n{markdown(head, rows)}" if rows else ""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 0) -> str:
    """A Markdown table; `words` is the index of the column of words, among numbers."""
    rules = ["---" if index == words else "---:" for index in range(len(head))]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(rules)}|", *(f"| {' | '.join(row)} |" for row in rows)])


def tax_rows(task: str, cells: Iterable[Cell]) -> list[tuple[str, PairedDifference]]:
    """What each condition of a task reads less, or more, than the base; and RL against strong SFT.

    Seeds that one of the two conditions lacks are left out.
    """
    labels: dict[str, str] = {}
    right: dict[str, dict[int | None, str]] = {}
    for cell in cells:
        if cell.task == task and cell.correct:
            labels[cell.condition] = cell.label
            right.setdefault(cell.condition, {})[cell.seed] = cell.correct
    rows = []
    for after, before in (*((name, "base") for name in TAXED), ("rl", "strong_sft")):
        one, other = right.get(after, {}), right.get(before, {})
        if before == "base" and other:
            other = dict.fromkeys(one, next(iter(other.values())))
        if both := [seed for seed in one if seed in other]:
            difference = paired_difference([one[seed] for seed in both], [other[seed] for seed in both])
            rows.append((f"{labels[after]} less {labels[before]}", difference))
    return rows


def _render_tax(task: str, cells: Sequence[Cell]) -> str:
    taxes = tax_rows(task, cells)
    rows = []
    for compared, found in taxes:
        detectable = detectable_difference(found.items, found.discordant / 100)
        shown = f"{100 * detectable:.1f}" if detectable else "–"  # no answers differ, or no difference shows
        interval = f"{found.low:.1f} to {found.high:.1f}"
        rows.append([compared, found.estimate.shown(1), interval, f"{found.discordant:.1f}", shown])
    if not rows:
        return ""
    head = ["difference of CMRC EM", "points", "interval over questions", "discordant %", "detectable"]
    note = (
        f"{taxes[0][1].items} questions, answered by both policies. Interval over questions: 95 %, bootstrap of the "
        "differences averaged over seeds. Detectable: the smallest difference that one pair of policies with this many "
        "discordant answers shows with 80 % power (McNemar's test, two-sided 5 %)."
    )
    return f"## Alignment tax ({task})\n\n{markdown(head, rows)}\n\n{note}"


def _heading(name: str, cells: Iterable[Cell]) -> str:
    """A column's heading; it says so if the judge is not an LLM."""
    signatures = [str(cell.scores["judge"]["signature"]) for cell in cells if "judge" in cell.scores]
    by_parser = any("grammar-parser" in signature for signature in signatures)
    return "win % (parser, not LLM)" if name == "win %" and by_parser else name


def _estimated(estimate: Estimate, name: str) -> str:
    return estimate.shown(1 if name.startswith(("CMRC", "win")) else 4 if name.startswith(("KL", "NLL")) else 3)


def _provenance(cells: Sequence[Cell]) -> str:
    machines, versions = set(), set()
    for cell in cells:
        accelerator = cell.machine["accelerator"] or "no GPU"
        machines.add(f"{cell.machine['cores']} cores of {cell.machine['cpu']}, {accelerator}")
        versions.add(f"semreward {cell.versions['semreward']}, trl {cell.versions['trl']}")
    days = sorted({cell.date for cell in cells})
    parts = [f"{len(cells)} cells", *sorted(machines), *sorted(versions), f"{days[0]} to {days[-1]}."]
    return "; ".join(parts)
