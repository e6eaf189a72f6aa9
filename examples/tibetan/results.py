"""Gathers what the stages measured: `results.json` for programs, `report.html` and a table for people."""

import dataclasses
import importlib.metadata
import io
import json
import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from semreward import Calibration, files
from semreward.report import Section, html_page
from tibetan.comparison import Comparison, compare
from tibetan.policy import DRIFT_KEY

MODELS = {
    "base": "base",
    "cold_start": "cold start",
    "grpo": "RL",
    "strong_sft": "strong SFT",
    "grpo_similarity_only": "RL, similarity alone",
}
"""Policies in the order of the tables, by the name of the stage that trains them."""

PACKAGES = ("semreward", "torch", "transformers", "trl", "peft", "sentence-transformers", "sacrebleu", "datasets")

# Column -> path to its number in a policy's scores.
QUALITY = {
    "similarity": ("similarity", "value"),
    "held-out similarity": ("held_out_similarity", "value"),
    "exact meaning": ("exact_meaning", "value"),
    "slot accuracy": ("slot_accuracy", "value"),
    "grammatical": ("grammatical", "value"),
    "language consistency": ("language_consistency", "value"),
    "chrF": ("chrf", "value"),
    "answers with a source word": ("source_leak", "value"),
}
TASK_METRIC = {"translation": {"BLEU-4": ("bleu", "value")}, "headline": {"ROUGE-L": ("rouge_l", "value")}}
READING = {
    "CMRC EM": ("reading", "exact_match"),
    "CMRC F1": ("reading", "f1"),
    "CMRC Avg": ("reading", "average"),
    "choice": ("choice", "gain"),
    "choice, per token": ("choice", "likelihood"),
    "choice, blind": ("choice", "blind"),
    "choice, chance": ("choice", "chance"),
}
DRIFT = {
    f"{label} {summary}": ("drift", key, summary)
    for label, key in (("NLL", "nll"), ("KL", "kl_to_base"))
    for summary in ("mean", "median", "p10", "p90")
} | {"KL mean on the task": ("drift", "kl_to_base_on_task", "mean")}

COMPARED = (("grpo", "cold_start"), ("grpo", "strong_sft"), ("strong_sft", "cold_start"))
"""Pairs of policies whose differences are estimated, later minus earlier."""

CURVES = {
    "Reward (total, 0 to 2.5)": {"reward": "reward"},
    "Similarity of samples to references": {
        "encoder that pays": "semantic_similarity/similarity",
        "held-out encoder": "held_out_similarity/similarity",
    },
    "Shares of samples": {
        "dead zone (similarity reward 0)": "semantic_similarity/dead_zone",
        "language consistent": "language_consistency/mean",
        "exact meaning (parser)": "exact_meaning/mean",
        "answers with a source word": "source_leak/mean",
    },
    "KL to the base policy on out-of-domain text (nats a token)": {"KL": DRIFT_KEY},
}

ANSWERS_SHOWN = 20

Row = Mapping[str, Any]


def collect(folder: Path, settings: Mapping[str, Any], seconds: Mapping[str, float]) -> dict[str, Any]:
    """All numbers of a run, from its stages' folders, with its settings and how long each stage took."""
    scores = {
        model: files.read_json(folder / f"evaluate_{model}" / "scores.json")
        for model in MODELS
        if (folder / f"evaluate_{model}").exists()
    }
    retrieval = {name: folder / name / "retrieval.json" for name in ("encoder", "held_out_encoder")}
    threshold, calibration = settings["reward"]["threshold"], None
    if (folder / "calibration").exists():
        calibration = Calibration.load(folder / "calibration" / "calibration.json")
        threshold = calibration.threshold if threshold is None else threshold
    return {
        "models": scores,
        "comparisons": comparisons(folder, scores),
        "threshold": threshold,
        "calibration": calibration and dataclasses.asdict(calibration),
        "encoders": {name: files.read_json(path) for name, path in retrieval.items() if path.exists()},
        "data": files.read_json(folder / "data" / "counts.json"),
        "seconds": dict(seconds),
        "seed": settings["grpo"]["seed"],
        "settings": settings,
        **provenance(),
    }


def provenance() -> dict[str, Any]:
    """Versions, machine and day of a measurement."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().split("\n") if info.exists() else []
    cpu = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "machine": {
            "cpu": cpu[0] if cpu else platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "python": platform.python_version(),
        },
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def comparisons(folder: Path, scores: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Differences between policies with intervals: over test rows, and over passages for the choice of answers."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for after, before in COMPARED:
        if after not in scores or before not in scores:
            continue
        pair = compared_answers(_samples(folder, after), _samples(folder, before))
        choices = [scores[model].get("choice") for model in (after, before)]
        if all(choices):
            right = [[float(value) for value in choice["right"].values()] for choice in choices]
            pair["choice"] = compare(*right, clusters=list(choices[0]["passages"].values()))
        found[f"{MODELS[after]} - {MODELS[before]}"] = {name: one._asdict() for name, one in pair.items()}
    return found


def compared_answers(after: Sequence[Row], before: Sequence[Row]) -> dict[str, Comparison]:
    """Differences of the numbers of every answer in `samples.jsonl`; a list counts as 1 unless it is empty."""

    def column(rows: Sequence[Row], name: str) -> list[float]:
        return [float(bool(row[name])) if isinstance(row[name], list) else float(row[name]) for row in rows]

    names = [name for name in after[0] if name not in ("source", "reference", "answer")]
    return {name: compare(column(after, name), column(before, name)) for name in names}


def table(results: Mapping[str, Any], columns: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """One row per policy; columns that no policy has are left out."""
    present = {
        column: path for column, path in columns.items() if any(_at(one, path) is not None for one in results.values())
    }
    return [
        {"policy": label, **{column: _at(results[model], path) for column, path in present.items()}}
        for model, label in MODELS.items()
        if model in results
    ]


def quality_columns(task: str) -> dict[str, Sequence[str]]:
    """The columns of the main table."""
    return {**TASK_METRIC[task], **QUALITY, **READING}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that is never half there."""
    files.write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def publish(folder: Path, results: Mapping[str, Any]) -> None:
    """Write `results.json` and `report.html`, and print the two tables."""
    write_json(folder / "results.json", results)
    write_report(folder, results)
    for columns in (quality_columns(results["settings"]["data"]["task"]), DRIFT):
        print("\n" + _as_text(table(results["models"], columns)))
    print(f"\n{folder / 'results.json'}, {folder / 'report.html'}")


def write_report(folder: Path, results: Mapping[str, Any]) -> None:
    """Write `report.html`: tables, curves, and twenty answers beside their references."""
    settings, models = results["settings"], results["models"]
    trained = f"Policy {settings['policy']['model_name_or_path']}, encoder {settings['encoders']['encoder']}"
    policy = "Policy and encoders made on the spot, in miniature" if settings["run"]["miniature"] else trained
    machine = results["machine"]
    setting = (
        f"{policy}, seed {results['seed']}, tau {results['threshold']:.4f}, {results['date']}, {machine['cpu']}, "
        f"accelerator {machine['accelerator'] or 'none'}."
    )
    sections = [Section(text=setting)]
    if results["calibration"]:
        names, found = ("quantity", "value", "meaning"), Calibration(**results["calibration"]).rows()
        rows = [dict(zip(names, row, strict=True)) for row in found]
        sections.append(Section("Threshold", rows=rows, prose=True))
    scores = [score for score in next(iter(models.values())).values() if isinstance(score, dict)]
    signatures = "; ".join(score["signature"] for score in scores if "signature" in score)
    quality = table(models, quality_columns(settings["data"]["task"]))
    sections.append(Section("Quality and reading comprehension", rows=quality, note=signatures))
    for pair, found in results["comparisons"].items():
        differences = [{"per answer": name} | comparison for name, comparison in found.items()]
        note = "Mean difference, 95 % bootstrap interval, and the smallest difference that so many items show."
        sections.append(Section(f"Differences: {pair}", rows=differences, note=note))
    note = "Nats a token; KL of the policy to the base policy."
    sections.append(Section("Drift on out-of-domain text", rows=table(models, DRIFT), note=note))
    for stage in ("grpo", "grpo_similarity_only"):
        if (folder / stage).exists():
            sections += [Section(f"Training: {MODELS[stage]}"), *_curves(files.read_json(folder / stage / "log.json"))]
    answers: list[dict[str, Any]] = [{} for _ in _samples(folder, "base")[:ANSWERS_SHOWN]]
    for model in models:
        for row, sample in zip(answers, _samples(folder, model), strict=False):  # samples beyond those shown
            row |= {"source": sample["source"], "reference": sample["reference"], MODELS[model]: sample["answer"]}
    sections.append(Section("Answers", rows=answers, prose=True))
    stages = [{"stage": name, "seconds": value} for name, value in results["seconds"].items()]
    sections.append(Section("Stages", rows=stages))
    page = html_page("Semantic rewards: cold start, GRPO and strong SFT side by side", sections)
    files.write_text(folder / "report.html", page)


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and range over the seeds of every number in the two tables."""
    columns = {**quality_columns(runs[0]["settings"]["data"]["task"]), **DRIFT}
    summed: dict[str, Any] = {}
    for model in MODELS:
        for column, path in columns.items():
            values = [_at(run["models"].get(model), path) for run in runs]
            if found := [value for value in values if value is not None]:
                numbers = {"mean": statistics.fmean(found), "min": min(found), "max": max(found), "runs": len(found)}
                summed.setdefault(model, {})[column] = numbers
    return summed


def print_summary(summed: Mapping[str, Any]) -> None:
    """Print mean (least to greatest) over the seeds as a Markdown table, one row per number, one column per policy."""
    labels = [MODELS[model] for model in summed]
    print("\n| | " + " | ".join(labels) + " |\n|---|" + "---|" * len(labels))
    for column in dict.fromkeys(column for found in summed.values() for column in found):
        cells = [_range(found[column]) if column in found else "–" for found in summed.values()]
        print(f"| {column} | " + " | ".join(cells) + " |")


def _range(found: Mapping[str, float]) -> str:
    digits = 1 if found["max"] > 20 else 3  # noqa: PLR2004 - percent, or not
    mean, least, greatest = (f"{found[key]:.{digits}f}" for key in ("mean", "min", "max"))
    return mean if found["runs"] == 1 else f"{mean} ({least} to {greatest})"


def _curves(log: Sequence[Row]) -> Iterator[Section]:
    for title, curves in CURVES.items():
        points = {}
        for label, key in curves.items():
            if found := [(line["step"], line[key]) for line in log if line.get(key) is not None]:
                points[label] = found
        if points:
            yield Section(drawing=_drawn(points), note=title)


def _drawn(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Curves over the steps, as an SVG element."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for label, points in curves.items():
        axes.plot(*zip(*points, strict=True), label=label)
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend()
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]


def _samples(folder: Path, model: str) -> list[Row]:
    return list(files.read_rows(folder / f"evaluate_{model}" / "samples.jsonl"))


def _at(scores: Any, path: Sequence[str]) -> Any:
    for key in path:
        scores = None if scores is None else scores.get(key)
    return scores


def _as_text(rows: Sequence[Row]) -> str:
    lines = [list(rows[0])]
    for row in rows:
        values = ["–" if value is None else value for value in row.values()]
        lines.append([f"{value:.4f}" if isinstance(value, float) else str(value) for value in values])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
