"""Finished runs of `make captions` -> what is kept of them, and the tables of docs/results/captions.md.

    python benchmarks/captions.py runs/captions/fr-en runs/captions/de-en     # keeps JSON, curves and tables
    python benchmarks/captions.py --labels labels.tsv runs/captions/fr-en     # also the hand-labelled sample

Of each run `docs/results/captions/<pair>.json` keeps settings, seed, scores, intervals, curves, seconds and every
number per answer, but no texts: the captions are not ours. `<pair>.md` has the tables, with twenty answers as a quote.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from semreward.files import read_rows

FOLDER = Path(__file__).parent.parent / "docs" / "results" / "captions"
MODELS = {"base": "base", "cold_start": "cold start", "grpo": "GRPO", "strong_sft": "strong SFT"}
COLUMNS = {
    "e5 cosine": ("similarity", "value"),
    "MiniLM cosine": ("held_out_similarity", "value"),
    "BLEU": ("bleu", "value"),
    "chrF": ("chrf", "value"),
    "language": ("language_consistency", "value"),
    "leak": ("source_leak", "value"),
    "choice": ("choice", "gain"),
    "per token": ("choice", "likelihood"),
    "blind": ("choice", "blind"),
    "chance": ("choice", "chance"),
    "EM": ("reading", "exact_match"),
    "F1": ("reading", "f1"),
    "KL off the task": ("drift", "kl_to_base", "mean"),
    "NLL off the task": ("drift", "nll", "mean"),
    "KL on the task": ("drift", "kl_to_base_on_task", "mean"),
}
CURVES = {
    "reward": "reward",
    "e5 cosine": "semantic_similarity/similarity",
    "MiniLM cosine": "held_out_similarity/similarity",
    "language": "language_consistency/mean",
    "leak": "source_leak/mean",
    "dead zone": "semantic_similarity/dead_zone",
    "tokens": "completions/mean_length",
    "KL": "drift/kl_to_base",
}
NAMES = {
    "similarity": "e5 cosine",
    "held_out_similarity": "MiniLM cosine",
    "chrf": "chrF, mean of sentences",
    "language_consistency": "language",
    "leaked_words": "leak",
    "choice": "choice",
}
LABELS = ("none", "copied", "adapted", "invented")
STEPS_PER_ROW = 10
QUOTED = 20


def keep(run: Path) -> dict[str, Any]:
    """What is kept of a run: no texts, no weights."""
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    answers = {}
    for model in results["models"]:
        rows = samples(run, model)
        numbers = [name for name in rows[0] if name not in ("source", "reference", "answer")]
        answers[model] = {
            name: [len(row[name]) if isinstance(row[name], list) else round(row[name], 4) for row in rows]
            for name in numbers
        }
    for scores in results["models"].values():
        if choice := scores.get("choice"):  # in the order of the data set's questions
            choice["right"] = "".join("01"[right] for right in choice["right"].values())
            choice["passages"] = list(choice["passages"].values())
    kept: dict[str, Any] = without_folders({**results, "steps": grpo_steps(run / "grpo"), "answers": answers})
    return kept


def grpo_steps(stage: Path) -> list[dict[str, float]]:
    """What GRPO logged at each step."""
    log = json.loads((stage / "log.json").read_text(encoding="utf-8"))
    return [
        {"step": line["step"], **{name: line[key] for name, key in CURVES.items() if line.get(key) is not None}}
        for line in log
        if "reward" in line
    ]


def keep_tuning(runs: Sequence[Path]) -> dict[str, Any]:
    """Runs that stopped after GRPO and differ in its learning rate: settings and steps of each."""
    kept = {}
    for run in runs:
        settings = json.loads((run / "grpo" / "stage.json").read_text(encoding="utf-8"))["settings"]
        kept[f"{settings['learning_rate']:g}"] = {"settings": settings, "steps": grpo_steps(run / "grpo")}
    found: dict[str, Any] = without_folders(kept)
    return found


def samples(run: Path, model: str) -> list[dict[str, Any]]:
    """The answers of a policy."""
    return list(read_rows(run / f"evaluate_{model}" / "samples.jsonl"))


def quality_table(models: Mapping[str, Any]) -> str:
    """One row per number, one column per policy."""
    present = [model for model in MODELS if model in models]
    lines = [f"| | {' | '.join(MODELS[model] for model in present)} |", "|---|" + "---:|" * len(present)]
    for column, path in COLUMNS.items():
        values = [_at(models[model], path) for model in present]
        if any(value is not None for value in values):
            lines.append(
                f"| {column} | " + " | ".join("–" if value is None else f"{value:.3f}" for value in values) + " |"
            )
    return "\n".join(lines)


def comparison_table(comparisons: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Differences with intervals."""
    lines = ["| difference | per answer | mean | 95 % interval | detectable | items |", "|---|---|---:|---|---:|---:|"]
    for pair, found in comparisons.items():
        for name, one in found.items():
            label = NAMES.get(name, name)
            interval = f"{one['low']:+.3f} to {one['high']:+.3f}"
            difference = f"{one['difference']:+.3f}"
            title = pair.replace("RL", MODELS["grpo"])
            lines.append(
                f"| {title} | {label} | {difference} | {interval} | {one['detectable']:.3f} | {one['items']} |"
            )
    return "\n".join(lines)


def curve_table(steps: Sequence[Mapping[str, float]]) -> str:
    """Means over ten GRPO steps."""
    lines = [f"| steps | {' | '.join(CURVES)} |", "|---|" + "---:|" * len(CURVES)]
    for start in range(0, len(steps), STEPS_PER_ROW):
        part = steps[start : start + STEPS_PER_ROW]
        values = [[step[name] for step in part if name in step] for name in CURVES]
        cells = " | ".join(f"{fmean(found):.3f}" if found else "–" for found in values)
        lines.append(f"| {part[0]['step']}–{part[-1]['step']} | {cells} |")
    return "\n".join(lines)


def answer_table(run: Path, models: Mapping[str, Any]) -> str:
    """The first answers of each policy, beside source and reference."""
    present = [model for model in MODELS if model in models]
    columns = [samples(run, model)[:QUOTED] for model in present]
    head = " | ".join(MODELS[model] for model in present)
    lines = [f"| source | reference | {head} |", "|---" * (len(present) + 2) + "|"]
    for rows in zip(*columns, strict=True):
        cells = [rows[0]["source"], rows[0]["reference"], *(row["answer"] for row in rows)]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def label_table(path: Path) -> str:
    """What a reader found: what the count misses in a random sample, and what it takes for a leak and is none."""
    rows = list(read_rows(path))
    head = ("policy", "random answers", *LABELS, "of those counted", "counted in all answers", "of those truly leaks")
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for model, title in MODELS.items():
        random, counted = (
            [row for row in rows if row["policy"] == model and sample in row["samples"].split("+")]
            for sample in ("random", "counted")
        )
        if random:
            found = Counter(row["label"] for row in random)
            caught = sum(row["label"] != "none" and "counted" in row["samples"] for row in random)
            true = sum(row["label"] != "none" for row in counted)
            cells = [len(random), *(found[label] for label in LABELS), caught, len(counted), true]
            lines.append(f"| {title} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def page(run: Path, kept: Mapping[str, Any]) -> str:
    """All tables of a run."""
    seconds = kept["seconds"]
    parts = [
        f"# {run.name}: tables",
        f"Seed {kept['seed']}, tau {kept['threshold']:.4f}, {kept['date']}, {kept['machine']['cpu']}.",
        "## Policies",
        quality_table(kept["models"]),
        "## Differences",
        comparison_table(kept["comparisons"]),
        "## GRPO, means of ten steps",
        curve_table(kept["steps"]),
        "## Seconds per stage",
        "| stage | seconds |\n|---|---:|\n" + "\n".join(f"| {name} | {value:.0f} |" for name, value in seconds.items()),
        "## Twenty answers of each policy",
        answer_table(run, kept["models"]),
    ]
    return "\n\n".join(parts) + "\n"


def draw(path: Path, steps: Sequence[Mapping[str, float]]) -> None:
    """Curves of the cosines and the leak, each a mean of ten steps."""
    names = ("e5 cosine", "MiniLM cosine", "language", "leak")
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for start in range(0, len(steps), STEPS_PER_ROW):
        part = steps[start : start + STEPS_PER_ROW]
        for name in names:
            points[name].append((fmean(step["step"] for step in part), fmean(step[name] for step in part)))
    figure: Any = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, found in points.items():
        axes.plot(*zip(*found, strict=True), label=name, marker="o", markersize=3)
    axes.set_xlabel("GRPO step")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(loc="center right")
    with mpl.rc_context({"svg.hashsalt": "semreward"}):  # the same points give the same file
        FigureCanvasSVG(figure).print_svg(str(path), metadata={"Date": None})


def main() -> None:
    """Keep what finished runs found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="folders of finished runs, named by their pair")
    parser.add_argument("--tuning", nargs="+", type=Path, default=[], help="folders of runs at other learning rates")
    parser.add_argument("--labels", type=Path, help="TSV with policy, row, samples, label: prints its table")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for run in arguments.runs:
        kept = keep(run)
        (FOLDER / f"{run.name}.json").write_text(json.dumps(kept, ensure_ascii=False) + "\n", encoding="utf-8")
        (FOLDER / f"{run.name}.md").write_text(page(run, kept), encoding="utf-8")
        draw(FOLDER / f"{run.name}.svg", kept["steps"])
        print(page(run, kept))
    if arguments.tuning:
        tuning = json.dumps(keep_tuning(arguments.tuning), ensure_ascii=False)
        (FOLDER / "tuning.json").write_text(tuning + "\n", encoding="utf-8")
    if arguments.labels:
        print(label_table(arguments.labels))


def without_folders(value: Any) -> Any:
    """Settings with the last part of each absolute path: where a folder lay says nothing."""
    if isinstance(value, dict):
        return {without_folders(key): without_folders(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_folders(part) for part in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def _at(scores: Any, path: Sequence[str]) -> Any:
    for key in path:
        scores = None if scores is None else scores.get(key)
    return scores


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ⏎ ") or "(empty)"


if __name__ == "__main__":
    main()
