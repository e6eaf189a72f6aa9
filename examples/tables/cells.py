"""Cells: one JSON file for each policy that was measured; all tables and figures are made from these alone."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semreward.errors import ArgumentError
from tibetan.results import write_json


@dataclass(frozen=True)
class Cell:
    """What was measured of one policy."""

    base: str  # name of the base policy
    task: str  # `mt` or `hg`
    condition: str  # its name; `judge` for the verdicts about two of them
    label: str  # how tables call it
    seed: int | None  # of the training; `None` where nothing was trained
    scores: Mapping[str, Any]  # as `tibetan.evaluate` wrote them
    correct: str  # `1` or `0` for each question of the reading test: exactly right or not; empty without a test
    training: Mapping[str, Any]  # how it was trained, and the seconds that took
    arguments: Mapping[str, Any]  # what the sweep says of the base and the task
    versions: Mapping[str, str]  # of the packages that matter
    machine: Mapping[str, Any]  # what it ran on
    date: str  # day in UTC, ISO format

    def value(self, path: str) -> float | None:
        """The number at a path of keys in the scores, such as `drift.nll.mean`; `None` where there is none."""
        found: Any = self.scores
        for key in path.split("."):
            if not isinstance(found, Mapping) or key not in found:
                return None
            found = found[key]
        return None if found is None else float(found)

    def write(self, output_dir: Path) -> Path:
        """Write it to where a sweep keeps it; returns the file."""
        place = "base" if self.seed is None else f"seed-{self.seed}"
        path = output_dir / "cells" / self.base / self.task / self.condition / f"{place}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, dataclasses.asdict(self))
        return path


def values_of(cells: Iterable[Cell], path: str) -> list[float]:
    """The numbers at a path, of those cells that have one."""
    return [value for cell in cells if (value := cell.value(path)) is not None]


def read_cells(output_dir: Path) -> list[Cell]:
    """All cells of a sweep, by base, task, condition and seed.

    Judges' verdicts are put into the cells they judge, under `judge`: the share of pairs that each won, in percent.

    Raises:
        ArgumentError: There are none, or a file is none.
    """
    cells = [read_cell(path) for path in sorted((output_dir / "cells").rglob("*.json"))]
    if not cells:
        raise ArgumentError(f"{output_dir} must hold results in `cells`, got none; run the sweep first")
    verdicts = {(cell.base, cell.task, cell.seed): cell.scores for cell in cells if cell.condition == "judge"}
    found = []
    for cell in cells:
        verdict, scores = verdicts.get((cell.base, cell.task, cell.seed), {"wins": {}}), dict(cell.scores)
        if cell.condition in verdict["wins"]:
            scores["judge"] = {**verdict, "wins": verdict["wins"][cell.condition]}
        if cell.condition != "judge":
            found.append(dataclasses.replace(cell, scores=scores))
    return found


def read_cell(path: Path) -> Cell:
    """One cell, or an `ArgumentError` where the file is none."""
    try:
        return Cell(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as error:
        raise ArgumentError(f"{path} must be a cell, got {error}; delete it and run the sweep again") from error
