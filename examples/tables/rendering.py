"""Tables 1 to 6 from the cells alone, the paper's figures beside ours, and a table of the tax that the paper lacks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tables import published
from tables.cells import Cell
from tables.intervals import Estimate, over_seeds, paired_difference
from tables.power import detectable_difference
from tables.published import Key

Columns = Mapping[str, tuple[str, ...]]
"""From a column's name to where its number is in a cell's scores."""

NOT_AN_LLM = "win % (parser, not LLM)"

TRANSLATED: Columns = {"BLEU-4": ("bleu", "value"), "similarity": ("similarity", "value")}
SUMMARISED: Columns = {"ROUGE-L": ("rouge_l", "value"), "similarity": ("similarity", "value")}
INDEPENDENT: Columns = {
    "held-out similarity": ("held_out_similarity", "value"),
    "exact meaning": ("exact_meaning", "value"),
    "language": ("language_consistency", "value"),
}
READING: Columns = {
    "CMRC Avg": ("reading", "average"),
    "CMRC F1": ("reading", "f1"),
    "CMRC EM": ("reading", "exact_match"),
}
JUDGED: Columns = {"win %": ("judge", "wins")}
DRIFT: Columns = {
    f"{label} {name}": ("drift", key, name.lower())
    for label, key in (("NLL", "nll"), ("KL", "kl_to_base"))
    for name in ("mean", "median", "P10", "P90")
}

TRAINED = ("cold_start", "rl", "strong_sft")
ABLATED = (
    "cold_start",
    "rl",
    "rl_bleu_language",
    "rl_bleu_embedding_language",
    "rl_bleu_embedding",
    "rl_embedding",
    "rl_length",
    "rl_no_cold_start",
)


@dataclass(frozen=True)
class Table:
    """What a table shows.

    Attributes:
        title: Its heading.
        task: The task of its cells.
        conditions: Its rows.
        columns: Its columns.
        paper: The paper's figures.
    """

    title: str
    task: str
    conditions: Sequence[str]
    columns: Columns
    paper: Mapping[Key, float]


TABLES = (
    Table(
        "Table 1: translation, RL from a cold start",
        "mt",
        TRAINED[:2],
        {**TRANSLATED, **INDEPENDENT},
        published.TABLE_1,
    ),
    Table(
        "Table 2: headlines, RL from a cold start", "hg", TRAINED[:2], {**SUMMARISED, **INDEPENDENT}, published.TABLE_2
    ),
    Table(
        "Table 3, task 1: translation, quality and tax",
        "mt",
        ("base", "strong_sft", "rl", "forgetting_sft"),
        {**TRANSLATED, **READING, **JUDGED, **INDEPENDENT},
        published.TABLE_3,
    ),
    Table(
        "Table 3, task 2: headlines, quality and tax",
        "hg",
        ("base", "strong_sft", "rl"),
        {**SUMMARISED, **READING, **JUDGED, **INDEPENDENT},
        published.TABLE_3,
    ),
    Table(
        "Table 4: few-shot transfer from translation to headlines",
        "hg",
        ("transfer_base", "transfer_sft", "transfer_rl"),
        {**SUMMARISED, **INDEPENDENT},
        published.TABLE_4,
    ),
    Table(
        "Table 5: what the reward is made of (translation)",
        "mt",
        ABLATED,
        {**TRANSLATED, **INDEPENDENT, **READING},
        published.TABLE_5,
    ),
    Table(
        "Table 6: drift on out-of-domain text, in nats a token (translation)",
        "mt",
        ("base", *TRAINED, "forgetting_sft"),
        DRIFT,
        published.TABLE_6,
    ),
)

TAXED = ("cold_start", "rl", "strong_sft", "forgetting_sft", "rl_embedding")
"""Conditions whose tax is set against the base's reading, beside the difference of RL and strong SFT."""


class TaxRow(NamedTuple):
    """A difference of exact match between two conditions, in points of percent.

    Attributes:
        compared: Which conditions.
        estimate: Mean and t interval over seeds.
        low: Lower end of the bootstrap interval over questions.
        high: Upper end.
        discordant: Share, in percent, of questions that exactly one of both answers.
        detectable: Smallest difference that this many questions with this discordance show, `None` if there is none.
        items: Number of questions.
    """

    compared: str
    estimate: Estimate
    low: float
    high: float
    discordant: float
    detectable: float | None
    items: int


def render(cells: Sequence[Cell]) -> str:
    """All tables as Markdown, one set a base.

    Args:
        cells: As `read_cells` reads them.
    """
    bases = list(dict.fromkeys(cell.base for cell in cells))
    legend = (
        "Mean over seeds ± half the width of the 95 % t interval over seeds (number of seeds). *paper*: the value that "
        f"the paper reports, for other data, policy and encoder. {_provenance(cells)}"
    )
    parts = [legend]
    for base in bases:
        own = [cell for cell in cells if cell.base == base]
        parts.append(f"# Base {base}")
        parts += [part for table in TABLES if (part := render_table(table, own))]
        parts += [part for task in ("mt", "hg") if (part := _render_tax(task, own))]
    return "\n\n".join(parts) + "\n"


def render_table(table: Table, cells: Iterable[Cell]) -> str:
    """One table as Markdown; empty where no condition of it was measured.

    Columns that no cell has are left out.
    """
    rows = {
        condition: found
        for condition in table.conditions
        if (found := [cell for cell in cells if (cell.task, cell.condition) == (table.task, condition)])
    }
    if not rows:
        return ""
    columns = {
        name: path
        for name, path in table.columns.items()
        if any(cell.value(path) is not None for found in rows.values() for cell in found)
    }
    in_paper = {name for _, _, name in table.paper}
    head = [
        "model",
        *(part for name in columns for part in ([_headed(name, rows), "*paper*"] if name in in_paper else [name])),
    ]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for condition, found in rows.items():
        shown = [found[0].label]
        for name, path in columns.items():
            values = [value for cell in found if (value := cell.value(path)) is not None]
            shown.append(_estimated(over_seeds(values), name) if values else "–")
            if name in in_paper:
                reported = table.paper.get((table.task, condition, name))
                shown.append("–" if reported is None else f"{reported:g}")
        lines.append(f"| {' | '.join(shown)} |")
    return f"## {table.title}\n\n" + "\n".join(lines)


def tax_rows(task: str, cells: Iterable[Cell]) -> list[TaxRow]:
    """What each condition of a task reads less, or more, than the base; and RL against strong SFT.

    Seeds that one of the two conditions lacks are left out.
    """
    right = {
        condition: {
            cell.seed: cell.correct
            for cell in cells
            if (cell.task, cell.condition) == (task, condition) and cell.correct
        }
        for condition in ("base", *TAXED)
    }
    labels = {cell.condition: cell.label for cell in cells if cell.task == task}
    rows = []
    for after, before in (*((name, "base") for name in TAXED), ("rl", "strong_sft")):
        seeds = [seed for seed in right[after] if before == "base" or seed in right[before]]
        if not seeds or not right[before]:
            continue
        one, other = (
            [right[after][seed] for seed in seeds],
            [right[before].get(seed) or right[before][None] for seed in seeds],
        )
        by_seed = [paired_difference([a], [b], resamples=1).mean * 100 for a, b in zip(one, other, strict=True)]
        pooled = paired_difference(one, other)
        found = detectable_difference(pooled.items, pooled.discordant)
        rows.append(
            TaxRow(
                f"{labels[after]} less {labels[before]}",
                over_seeds(by_seed),
                pooled.low * 100,
                pooled.high * 100,
                pooled.discordant * 100,
                None if found is None else found * 100,
                pooled.items,
            )
        )
    return rows


def _render_tax(task: str, cells: Sequence[Cell]) -> str:
    rows = tax_rows(task, cells)
    if not rows:
        return ""
    lines = [
        "| difference of CMRC EM | points | interval over questions | discordant % | detectable |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        detectable = f"{row.detectable:.1f}" if row.detectable else "–"  # no answers differ, or no difference shows
        lines.append(
            f"| {row.compared} | {_estimated(row.estimate, 'CMRC EM')} | {row.low:.1f} to {row.high:.1f} | "
            f"{row.discordant:.1f} | {detectable} |"
        )
    note = (
        f"{rows[0].items} questions, answered by both policies. Interval over questions: 95 %, bootstrap of the "
        "differences averaged over seeds. Detectable: the smallest difference that one pair of policies with this many "
        "discordant answers shows with 80 % power (McNemar's test, two-sided 5 %)."
    )
    return f"## Alignment tax ({task})\n\n" + "\n".join(lines) + f"\n\n{note}"


def _headed(name: str, rows: Mapping[str, Sequence[Cell]]) -> str:
    """A column's heading; it says so where the judge is no LLM."""
    if name != "win %":
        return name
    signatures = {
        str(cell.scores["judge"].get("signature"))
        for found in rows.values()
        for cell in found
        if "judge" in cell.scores
    }
    return NOT_AN_LLM if any("grammar-parser" in signature for signature in signatures) else name


def _estimated(estimate: Estimate, name: str) -> str:
    digits = 1 if name.startswith(("CMRC", "win")) else 4 if name.startswith(("KL", "NLL")) else 3
    if estimate.half_width is None:
        return f"{estimate.mean:.{digits}f} (1)"
    return f"{estimate.mean:.{digits}f} ± {estimate.half_width:.{digits}f} ({estimate.seeds})"


def _provenance(cells: Sequence[Cell]) -> str:
    days = sorted({cell.date for cell in cells})
    machines = sorted(
        {
            f"{cell.machine['cores']} cores of {cell.machine['cpu']}, {cell.machine['accelerator'] or 'no GPU'}"
            for cell in cells
        }
    )
    versions = sorted({f"semreward {cell.versions['semreward']}, trl {cell.versions['trl']}" for cell in cells})
    return f"{len(cells)} cells; {'; '.join(machines)}; {'; '.join(versions)}; {days[0]} to {days[-1]}."
