"""Cells of a sweep that nobody measured, to make tables and figures of."""

from pathlib import Path
from typing import Any

from tables.cells import Cell

PATHS = {
    "bleu": ("bleu", "value"),
    "similarity": ("similarity", "value"),
    "exact": ("exact_meaning", "value"),
    "em": ("reading", "exact_match"),
    "kl": ("drift", "kl_to_base", "mean"),
}


def cell(condition: str = "rl", seed: int | None = 0, **changes: Any) -> Cell:
    """A cell; scores are given by short names, such as `bleu=0.4` or `em=60`, all else by the names of its fields."""
    scores: dict[str, Any] = {}
    for name in [name for name in PATHS if name in changes]:
        place = scores
        for key in PATHS[name][:-1]:
            place = place.setdefault(key, {})
        place[PATHS[name][-1]] = changes.pop(name)
    given: dict[str, Any] = {
        "base": "A",
        "task": "mt",
        "condition": condition,
        "label": condition.replace("_", " "),
        "seed": seed,
        "scores": scores,
        "correct": "",
        "training": {},
        "arguments": {},
        "versions": {"semreward": "0", "trl": "0"},
        "machine": {"cpu": "AMD EPYC", "cores": 2, "accelerator": None, "python": "3.11"},
        "date": "2026-11-24",
    }
    return Cell(**{**given, **changes})


def write_cells(folder: Path, *cells: Cell) -> Path:
    """Write cells where a sweep keeps them; returns the folder."""
    for one in cells:
        one.write(folder)
    return folder
