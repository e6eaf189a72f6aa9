"""Gathers what the stages measured: `results.json` for programs, `report.html` and a table for people."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from semreward import Calibration
from semreward.report import Report
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

# Column -> where in a policy's scores its number is.
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


def collect(folder: Path, settings: Mapping[str, Any], seconds: Mapping[str, float]) -> dict[str, Any]:
    """All numbers of a run, as they stand in its stages' folders.

    Args:
        folder: The run's folder.
        settings: The run's settings, kept for the record.
        seconds: How long each stage took.
    """
    scores = {
        model: json.loads((folder / f"evaluate_{model}" / "scores.json").read_text(encoding="utf-8"))
        for model in MODELS
        if (folder / f"evaluate_{model}").exists()
    }
    encoders = {
        name: json.loads(path.read_text())
        for name in ("encoder", "held_out_encoder")
        if (path := folder / name / "retrieval.json").exists()
    }
    calibration, given = _calibration(folder), settings["reward"]["threshold"]
    return {
        "models": scores,
        "comparisons": comparisons(folder, scores),
        "threshold": calibration.threshold if calibration is not None and given is None else given,
        "calibration": None if calibration is None else dataclasses.asdict(calibration),
        "encoders": encoders,
        "data": json.loads((folder / "data" / "counts.json").read_text()),
        "seconds": dict(seconds),
        "seed": settings["grpo"]["seed"],
        "settings": settings,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "machine": machine(),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def comparisons(folder: Path, scores: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Differences between policies with intervals: over test rows, and over passages for the choice of answers."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for after, before in COMPARED:
        if after in scores and before in scores:
            pair = compared_answers(_samples(folder, after), _samples(folder, before))
            choices = [scores[model].get("choice") for model in (after, before)]
            if all(choices):
                right = [[float(value) for value in choice["right"].values()] for choice in choices]
                pair["choice"] = compare(*right, clusters=list(choices[0]["passages"].values()))
            found[f"{MODELS[after]} - {MODELS[before]}"] = {
                name: dataclasses.asdict(comparison) for name, comparison in pair.items()
            }
    return found


def compared_answers(after: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> dict[str, Comparison]:
    """Differences of what `samples.jsonl` has of every answer; a list counts as 1 where it is not empty."""

    def column(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
        return [float(bool(row[name])) if isinstance(row[name], list) else float(row[name]) for row in rows]

    names = [name for name in after[0] if name not in ("source", "reference", "answer")]
    return {name: compare(column(after, name), column(before, name)) for name in names}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    import torch

    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "accelerator": accelerator,
        "python": platform.python_version(),
    }


def table(results: Mapping[str, Any], columns: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """One row a policy; columns that no policy has are left out."""
    rows = []
    present = {
        column: path for column, path in columns.items() if any(_at(one, path) is not None for one in results.values())
    }
    for model, label in MODELS.items():
        if model in results:
            rows.append({"policy": label} | {column: _at(results[model], path) for column, path in present.items()})
    return rows


def quality_columns(task: str) -> dict[str, Sequence[str]]:
    """The columns of the main table."""
    return {**TASK_METRIC[task], **QUALITY, **READING}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that is never half there."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def publish(folder: Path, results: Mapping[str, Any]) -> None:
    """Write `results.json` and `report.html`, and print the tables."""
    write_json(folder / "results.json", results)
    write_report(folder, results)
    print_tables(results)
    print(f"\n{folder / 'results.json'}, {folder / 'report.html'}")


def write_report(folder: Path, results: Mapping[str, Any]) -> None:
    """Write `report.html`: tables, curves, and twenty answers beside their references."""
    settings = results["settings"]
    report = Report("Semantic rewards: cold start, GRPO and strong SFT side by side")
    models = (
        "Policy and encoders made on the spot, in miniature"
        if settings["run"]["miniature"]
        else f"Policy {settings['policy']['model_name_or_path']}, encoder {settings['encoders']['encoder']}"
    )
    report.text(
        f"{models}, seed {results['seed']}, tau {results['threshold']:.4f}, {results['date']}, "
        f"{results['machine']['cpu']}, accelerator {results['machine']['accelerator'] or 'none'}."
    )
    if (calibration := _calibration(folder)) is not None:
        report.heading("Threshold")
        names = ("quantity", "value", "meaning")
        report.table([dict(zip(names, row, strict=True)) for row in calibration.rows()], prose=True)
    report.heading("Quality and reading comprehension")
    report.table(table(results["models"], quality_columns(settings["data"]["task"])), note=_signatures(results))
    for pair, found in results.get("comparisons", {}).items():
        report.heading(f"Differences: {pair}")
        report.table(
            [{"per answer": name} | comparison for name, comparison in found.items()],
            note="Mean difference, 95 % bootstrap interval, and the smallest difference that so many items show.",
        )
    report.heading("Drift on out-of-domain text")
    report.table(table(results["models"], DRIFT), note="Nats a token; KL of the policy to the base policy.")
    for stage in ("grpo", "grpo_similarity_only"):
        if (folder / stage).exists():
            report.heading(f"Training: {MODELS[stage]}")
            _add_curves(report, json.loads((folder / stage / "log.json").read_text()))
    report.heading("Answers")
    report.table(_answers(folder, results["models"]), prose=True)
    report.heading("Stages")
    report.table([{"stage": name, "seconds": value} for name, value in results["seconds"].items()])
    report.write(folder / "report.html")


def print_tables(results: Mapping[str, Any]) -> None:
    """Print the two tables."""
    for columns in (quality_columns(results["settings"]["data"]["task"]), DRIFT):
        rows = table(results["models"], columns)
        if rows:
            print("\n" + _as_text(rows))


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and range over the seeds of every number in the two tables."""
    columns = {**quality_columns(runs[0]["settings"]["data"]["task"]), **DRIFT}
    summed: dict[str, Any] = {}
    for model in MODELS:
        values = {
            column: [value for run in runs if (value := _at(run["models"].get(model), path)) is not None]
            for column, path in columns.items()
        }
        summed[model] = {
            column: {"mean": statistics.fmean(found), "min": min(found), "max": max(found), "runs": len(found)}
            for column, found in values.items()
            if found
        }
    return {model: found for model, found in summed.items() if found}


def print_summary(summed: Mapping[str, Any]) -> None:
    """Print mean (least to greatest) over the seeds as a Markdown table, one row a number, one column a policy."""
    labels = [MODELS[model] for model in summed]
    print("\n| | " + " | ".join(labels) + " |\n|---|" + "---|" * len(labels))
    for column in dict.fromkeys(column for found in summed.values() for column in found):
        cells = [_range(found[column]) if column in found else "–" for found in summed.values()]
        print(f"| {column} | " + " | ".join(cells) + " |")


def _range(found: Mapping[str, float]) -> str:
    digits = 1 if found["max"] > 20 else 3  # noqa: PLR2004 - percent, or not
    mean, least, greatest = (f"{found[key]:.{digits}f}" for key in ("mean", "min", "max"))
    return mean if found["runs"] == 1 else f"{mean} ({least} to {greatest})"


def _add_curves(report: Report, log: Sequence[Mapping[str, Any]]) -> None:
    for title, curves in CURVES.items():
        points = {
            label: [(line["step"], line[key]) for line in log if line.get(key) is not None]
            for label, key in curves.items()
        }
        points = {label: found for label, found in points.items() if found}
        if points:
            report.curves(title, points, x="step")


def _answers(folder: Path, models: Mapping[str, Any], *, count: int = 20) -> list[dict[str, Any]]:
    samples = {model: _samples(folder, model)[:count] for model in MODELS if model in models}
    first = next(iter(samples.values()))
    return [
        {"source": row["source"], "reference": row["reference"]}
        | {MODELS[model]: found[number]["answer"] for model, found in samples.items()}
        for number, row in enumerate(first)
    ]


def _samples(folder: Path, model: str) -> list[dict[str, Any]]:
    lines = (folder / f"evaluate_{model}" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _signatures(results: Mapping[str, Any]) -> str:
    first = next(iter(results["models"].values()))
    return "; ".join(score["signature"] for score in first.values() if isinstance(score, dict) and "signature" in score)


def _at(scores: Any, path: Sequence[str]) -> Any:
    for key in path:
        scores = None if scores is None else scores.get(key)
    return scores


def _as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(rows[0])
    shown = [columns] + [["–" if value is None else _number(value) for value in row.values()] for row in rows]
    widths = [max(len(line[place]) for line in shown) for place in range(len(columns))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in shown)


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _calibration(folder: Path) -> Calibration | None:
    """What a run measured tau with; `None` where its threshold was given."""
    path = folder / "calibration" / "calibration.json"
    return Calibration.load(path) if path.exists() else None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
