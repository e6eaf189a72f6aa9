"""Tables and figure of docs/results/leak.md, from the cells that benchmarks/leak_ablation.py kept.

    PYTHONPATH=src python benchmarks/leak_tables.py             # prints the tables, writes docs/results/leak/curves.svg
    PYTHONPATH=src python benchmarks/leak_tables.py --labels runs/leak/sheet.tsv --key runs/leak/key.jsonl

With `--labels`, a sheet whose last column someone filled in goes to docs/results/leak/labels.tsv, in place of what
that file has of the same seeds and arms.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

REPOSITORY = Path(__file__).parent.parent
sys.path[:0] = [str(REPOSITORY / "examples"), str(REPOSITORY / "benchmarks")]

from captions import LABELS  # noqa: E402 - the folders come first

from semreward.files import read_json, read_rows, write_text  # noqa: E402
from tibetan.comparison import compare  # noqa: E402

RESULTS = REPOSITORY / "docs" / "results" / "leak"
TITLES = {
    "cold_start": "cold start",
    "reward": "GRPO",
    "guard": "+ guard",
    "encoder": "+ adapted encoder",
    "both": "+ both",
}
SCORES = {
    "answers with a source word": ("source_leak", "value"),
    "cosine, e5": ("similarity", "value"),
    "cosine, MiniLM": ("held_out_similarity", "value"),
    "BLEU": ("bleu", "value"),
    "chrF": ("chrf", "value"),
    "German, by script and fastText": ("language_consistency", "value"),
}
PER_ANSWER = {
    "leaked_words": "answers with a source word",
    "chrf": "chrF, per answer",
    "held_out_similarity": "cosine, MiniLM",
    "similarity": "cosine, e5",
}
STEPS_PER_POINT = 5

Cells = Mapping[str, Sequence[Mapping[str, Any]]]


def read_cells() -> Cells:
    """The kept cells of each arm, in the order of their seeds."""
    cells: dict[str, list[Any]] = {arm: [] for arm in TITLES}
    for path in sorted(RESULTS.glob("seed-*-*.json")):
        cell = read_json(path)
        cells[cell["arm"]].append(cell)
    return {arm: found for arm, found in cells.items() if found}


def score_table(cells: Cells) -> str:
    """One column per arm: the mean of its seeds, and the lowest and the highest."""
    lines = [_row(["", *(f"{TITLES[arm]} ({len(found)})" for arm, found in cells.items())]), _rule(len(cells))]
    for name, (score, key) in SCORES.items():
        columns = [[cell["scores"][score][key] for cell in found] for found in cells.values()]
        lines.append(_row([name, *map(_spread, columns)]))
    return "\n".join(lines)


def difference_table(cells: Cells, base: str) -> str:
    """Differences from an arm on the seeds that both have, paired by caption; a caption's seeds are drawn together.

    Bold where the interval excludes 0; in brackets behind an arm, the number of seeds.
    """
    lines = [_row([f"minus {TITLES[base]}", *PER_ANSWER.values()]), _rule(len(PER_ANSWER))]
    for arm, found in cells.items():
        pairs = [(cell, other) for cell in found for other in cells[base] if cell["seed"] == other["seed"]]
        if arm == base or not pairs:
            continue
        columns = []
        for name in PER_ANSWER:
            after, before = ([value for pair in pairs for value in _numbers(pair[side], name)] for side in (0, 1))
            captions = list(range(len(after) // len(pairs))) * len(pairs)
            one = compare(after, before, clusters=captions)
            mark = "**" if one.low > 0 or one.high < 0 else ""
            columns.append(f"{mark}{one.difference:+.3f}{mark} ({one.low:+.3f} to {one.high:+.3f})")
        lines.append(_row([f"{TITLES[arm]} ({len(pairs)})", *columns]))
    return "\n".join(lines)


def label_table(path: Path) -> str:
    """What a reader found in the blind sample, by arm."""
    rows = list(read_rows(path))
    lines = [_row(["policy", "answers", *LABELS]), _rule(1 + len(LABELS))]
    for arm, title in TITLES.items():
        found = Counter(row["label"] for row in rows if row["arm"] == arm)
        if total := sum(found.values()):
            lines.append(_row([title, str(total), *(f"{found[label] / total:.2f}" for label in LABELS)]))
    return "\n".join(lines)


def keep_labels(sheet: Path, key: Path) -> None:
    """The labels of a filled sheet by seed and arm, without its texts."""
    keys = {row["number"]: row for row in read_rows(key)}
    found: dict[tuple[str, str], list[str]] = {}
    for row in read_rows(sheet):
        if row["label"] not in LABELS:
            raise SystemExit(f"{sheet}: the label of answer {row['number']} must be one of {', '.join(LABELS)}")
        who = keys[int(row["number"])]
        for arm in who["arms"]:
            cell = found.setdefault((str(who["seed"]), arm), [])
            cell.append(f"{who['seed']}\t{who['row']}\t{arm}\t{row['label']}")
    old = read_rows(RESULTS / "labels.tsv") if (RESULTS / "labels.tsv").exists() else []
    kept = ["\t".join(row.values()) for row in old if (row["seed"], row["arm"]) not in found]
    lines = [line for cell in found.values() for line in cell]
    write_text(RESULTS / "labels.tsv", "\n".join(["seed\trow\tarm\tlabel", *kept, *lines]) + "\n")


def draw(path: Path, cells: Cells) -> None:
    """The share of sampled answers with a source word over the steps of GRPO, means of the seeds and of five steps."""
    figure: Any = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for arm, found in cells.items():
        curves = [[step["leak"] for step in cell["steps"]] for cell in found if cell["steps"]]
        if curves:
            means = [fmean(values) for values in zip(*curves, strict=True)]
            starts = range(0, len(means), STEPS_PER_POINT)
            points = [fmean(means[start : start + STEPS_PER_POINT]) for start in starts]
            title = "1.5 x similarity + 1.0 x language" if arm == "reward" else TITLES[arm]
            axes.plot([start + STEPS_PER_POINT / 2 for start in starts], points, label=title, marker="o", markersize=3)
    axes.set_xlabel("GRPO step")
    axes.set_ylabel("answers with a source word")
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    with mpl.rc_context({"svg.hashsalt": "semreward"}):  # the same points give the same file
        FigureCanvasSVG(figure).print_svg(str(path), metadata={"Date": None})


def _numbers(cell: Mapping[str, Any], name: str) -> list[float]:
    values = cell["answers"][name]
    return [float(value > 0) for value in values] if name == "leaked_words" else values


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _row(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"


def _rule(columns: int) -> str:
    return "|---|" + "---:|" * columns


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, help="a sheet whose labels are filled in")
    parser.add_argument("--key", type=Path, help="who wrote the sheet's answers")
    arguments = parser.parse_args()
    if arguments.labels:
        keep_labels(arguments.labels, arguments.key)
    cells = read_cells()
    draw(RESULTS / "curves.svg", cells)
    tables = [score_table(cells), difference_table(cells, "cold_start"), difference_table(cells, "reward")]
    if (RESULTS / "labels.tsv").exists():
        tables.append(label_table(RESULTS / "labels.tsv"))
    print("\n\n".join(tables))


if __name__ == "__main__":
    main()
