"""Tables 1 to 6 from the cells alone, the paper's values beside ours, and a table of the tax that the paper lacks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tables.cells import Cell, values_of
from tables.intervals import Estimate, PairedDifference, detectable_difference, over_seeds, paired_difference

# Columns: from their names to where the numbers are in a cell's scores.
TRANSLATED = {"BLEU-4": "bleu.value", "similarity": "similarity.value"}
SUMMARISED = {"ROUGE-L": "rouge_l.value", "similarity": "similarity.value"}
INDEPENDENT = {
    "held-out similarity": "held_out_similarity.value",
    "exact meaning": "exact_meaning.value",
    "language": "language_consistency.value",
}
READING = {"CMRC Avg": "reading.average", "CMRC F1": "reading.f1", "CMRC EM": "reading.exact_match"}
JUDGED = {"win %": "judge.wins"}
DRIFT = {
    f"{label} {name}": f"drift.{key}.{name.lower()}"
    for label, key in (("NLL", "nll"), ("KL", "kl_to_base"))
    for name in ("mean", "median", "P10", "P90")
}


class Table(NamedTuple):
    """What a table shows."""

    title: str
    task: str
    columns: Mapping[str, str]
    paper: Mapping[str, str]  # its rows: condition, and the paper's values (arXiv 2605.14366) of the first columns


TABLES = (
    Table(
        "Table 1: translation, RL from a cold start",
        "mt",
        TRANSLATED | INDEPENDENT,
        {"cold_start": "0.3953 0.5593", "rl": "0.4519 0.7164"},
    ),
    Table(
        "Table 2: headlines, RL from a cold start",
        "hg",
        SUMMARISED | INDEPENDENT,
        {"cold_start": "0.2204 0.5774", "rl": "0.2530 0.6404"},
    ),
    Table(
        "Table 3, task 1: translation, quality and tax",
        "mt",
        TRANSLATED | READING | JUDGED | INDEPENDENT,
        {
            "base": "",
            "strong_sft": "0.6006 0.8282 41.82 62.99 - 59.2",
            "rl": "0.4519 0.7164 46.97 65.79 - 33.5",
            "forgetting_sft": "",
        },
    ),
    Table(
        "Table 3, task 2: headlines, quality and tax",
        "hg",
        SUMMARISED | READING | JUDGED | INDEPENDENT,
        {
            "base": "",
            "strong_sft": "0.3095 0.6499 44.20 65.30 - 35.1",
            "rl": "0.2530 0.6404 45.10 65.20 - 51.2",
        },
    ),
    Table(
        "Table 4: few-shot transfer from translation to headlines",
        "hg",
        SUMMARISED | INDEPENDENT,
        {"transfer_base": "0.1585 0.4695", "transfer_sft": "0.1935 0.5456", "transfer_rl": "0.1918 0.5690"},
    ),
    Table(
        "Table 5: what the reward is made of (translation)",
        "mt",
        TRANSLATED | INDEPENDENT | READING,
        {
            "cold_start": "",
            "rl": "- 0.7164",
            "rl_bleu_language": "- 0.6375",
            "rl_bleu_embedding_language": "- 0.6175",
            "rl_bleu_embedding": "- 0.2312",
            "rl_embedding": "",
            "rl_length": "",
            "rl_no_cold_start": "",
        },
    ),
    Table(
        "Table 6: drift on out-of-domain text, in nats a token (translation)",
        "mt",
        DRIFT,
        {  # the paper does not say which task's policies these are
            "base": "2.6097 1.4285 0.3636 5.8844",
            "cold_start": "- - - - 0.0471 0.0099 0.0000 0.0912",
            "rl": "2.8533 1.5543 0.3848 6.5000 0.0410 0.0073 0.0000 0.0839",
            "strong_sft": "3.2504 1.7390 0.4636 7.3188 0.0404 0.0113 0.0000 0.0932",
            "forgetting_sft": "",
        },
    ),
)

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
    own = [cell for cell in cells if cell.task == table.task and cell.condition in table.paper]
    columns = {name: path for name, path in table.columns.items() if values_of(own, path)}
    paper = {row: dict(zip(table.columns, values.split(), strict=False)) for row, values in table.paper.items()}
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


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1, before: int = 0) -> str:
    """A Markdown table; `words` columns are left-aligned, after `before` columns of numbers."""
    rules = ["---" if before <= number < before + words else "---:" for number in range(len(head))]
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
    rows = []
    items = 0
    for compared, found in tax_rows(task, cells):
        items = found.items
        detectable = detectable_difference(items, found.discordant / 100)
        rows.append(
            [
                compared,
                found.estimate.shown(1),
                f"{found.low:.1f} to {found.high:.1f}",
                f"{found.discordant:.1f}",
                f"{100 * detectable:.1f}" if detectable else "–",  # no answers differ, or no difference shows
            ]
        )
    if not rows:
        return ""
    head = ["difference of CMRC EM", "points", "interval over questions", "discordant %", "detectable"]
    note = (
        f"{items} questions, answered by both policies. Interval over questions: 95 %, bootstrap of the "
        "differences averaged over seeds. Detectable: the smallest difference that one pair of policies with this many "
        "discordant answers shows with 80 % power (McNemar's test, two-sided 5 %)."
    )
    return f"## Alignment tax ({task})\n\n{markdown(head, rows)}\n\n{note}"


def _heading(name: str, cells: Iterable[Cell]) -> str:
    """A column's heading; it says so where the judge is no LLM."""
    signatures = [str(cell.scores["judge"]["signature"]) for cell in cells if "judge" in cell.scores]
    by_parser = any("grammar-parser" in signature for signature in signatures)
    return "win % (parser, not LLM)" if name == "win %" and by_parser else name


def _estimated(estimate: Estimate, name: str) -> str:
    return estimate.shown(1 if name.startswith(("CMRC", "win")) else 4 if name.startswith(("KL", "NLL")) else 3)


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
