"""Draw what the monitor saw of finished runs of the miniature, one column a run, and print its alarms.

    python benchmarks/monitor_curves.py docs/figures/monitor.svg hacked=runs/miniature_hacked/grpo/log.json ...

Needs only the trainers' logs: the alarms are those that the monitor's own watch finds in them, which are those that it
raised while the runs were going on.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from semreward.monitor.alarms import CLIPPED, Alarm, AlarmLimits, Watch, Watched

PANELS = {
    "what is logged": {
        "similarity, encoder that pays": "semantic_similarity/similarity",
        "similarity, held-out encoder": "held_out_similarity/similarity",
        "language consistency": "language_consistency/mean",
        "exactly right meaning (parser)": "exact_meaning/mean",
    },
    "what alarms": {
        "length / length of the reference": "composite/monitor/length_ratio",
        "units missing from the group": "composite/monitor/missing_units",
        "echo of the prompt": "composite/monitor/echo",
        "agreement with the held-out encoder": "composite/monitor/agreement/held_out_similarity",
    },
}
PREFIX = "composite/monitor/"
SMOOTHED = 5


def alarms_of(log: list[dict[str, Any]]) -> list[Alarm]:
    """The alarms of a run of the example; which components pay, and which judges watch, is read from its metrics."""
    entries = [
        {key.removeprefix(PREFIX): value for key, value in entry.items() if key.startswith(PREFIX) or key == CLIPPED}
        for entry in log
    ]
    components, judges = (
        sorted({key.removeprefix(kind) for entry in entries for key in entry if key.startswith(kind)})
        for kind in ("mean/", "judge/")
    )
    languages = [name for name in (*components, *judges) if name == "language_consistency"]
    watch = Watch(Watched(components, judges, languages), AlarmLimits())
    for entry, metrics in zip(log, entries, strict=True):
        if metrics.keys() - {CLIPPED}:
            watch.read(int(entry["step"]), metrics)
    return watch.alarms


def smoothed(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    """Means of the last few entries: single steps are noisy."""
    values = [value for _, value in points]
    means = [sum(values[max(0, end - SMOOTHED) : end]) / min(SMOOTHED, end) for end in range(1, len(values) + 1)]
    return [step for step, _ in points], means


def draw(runs: dict[str, list[dict[str, Any]]], alarms: dict[str, list[Alarm]]) -> Figure:
    """One column a run, one row a panel; vertical lines where an alarm was raised."""
    figure = Figure(figsize=(4.2 * len(runs), 5.6), layout="constrained")
    grid = figure.subplots(len(PANELS), len(runs), sharex="col", sharey="row", squeeze=False)
    for column, (label, log) in enumerate(runs.items()):
        for row, (title, curves) in enumerate(PANELS.items()):
            axes = grid[row][column]
            for name, key in curves.items():
                points = [(entry["step"], entry[key]) for entry in log if entry.get(key) is not None]
                if points:
                    axes.plot(*smoothed(points), label=name, linewidth=1.2)
            for place, alarm in enumerate(alarms[label]):
                axes.axvline(alarm.step, color="black", linestyle="dashed", linewidth=0.8)
                if row == 0:
                    axes.text(alarm.step + 1, 0.12 + 0.1 * place, alarm.kind, fontsize=8)
            axes.set_title(f"{label}: {title}", fontsize=9)
            axes.grid(alpha=0.3)
            if column == len(runs) - 1:
                axes.legend(fontsize=7, loc="best")
        grid[-1][column].set_xlabel("step")
    return figure


def main() -> None:
    """Read the logs, print the alarms, draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", type=Path)
    parser.add_argument("runs", nargs="+", metavar="LABEL=LOG")
    arguments = parser.parse_args()
    paths = dict(run.split("=", 1) for run in arguments.runs)
    runs = {label: json.loads(Path(path).read_text(encoding="utf-8")) for label, path in paths.items()}
    alarms = {label: alarms_of(log) for label, log in runs.items()}
    for label, found in alarms.items():
        print(f"{label}: {'no alarm' if not found else ''}")
        for alarm in found:
            print(f"  step {alarm.step}, {alarm.kind} {alarm.subject}: {alarm.message}")
    with mpl.rc_context({"svg.hashsalt": "semreward", "svg.fonttype": "none"}):
        draw(runs, alarms).savefig(arguments.figure, metadata={"Date": None})


if __name__ == "__main__":
    main()
