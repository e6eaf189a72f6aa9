"""Cells: one JSON file for each policy that was measured, all that tables and figures are made from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from semreward.errors import ArgumentError
from semreward.evaluation import cmrc_scores, first_questions
from tibetan.arguments import DataArguments


@dataclass(frozen=True)
class Cell:
    """What was measured of one policy.

    Attributes:
        base: Name of the base policy.
        task: `mt` or `hg`.
        condition: Name of the condition; `judge` for the verdicts about two of them.
        label: How tables call it.
        seed: Seed of the training; `None` where nothing was trained.
        scores: As `tibetan.evaluate` wrote them.
        correct: `1` or `0` a question of the reading test, in its order: answered to the letter or not. Empty where
            there was no test.
        training: How it was trained, and the seconds that took.
        arguments: What the sweep says of the base and the task.
        versions: Of the packages that matter.
        machine: What it ran on.
        date: Day in UTC, ISO format.
    """

    base: str
    task: str
    condition: str
    label: str
    seed: int | None
    scores: Mapping[str, Any]
    correct: str
    training: Mapping[str, Any]
    arguments: Mapping[str, Any]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    date: str

    def value(self, path: Sequence[str]) -> float | None:
        """The number at a path of keys in the scores; `None` where there is none."""
        found: Any = self.scores
        for key in path:
            if not isinstance(found, Mapping) or key not in found:
                return None
            found = found[key]
        return None if found is None else float(found)


def cell_path(output_dir: Path, base: str, task: str, condition: str, place: str) -> Path:
    """Where a cell's file stands."""
    return output_dir / "cells" / base / task / condition / f"{place}.json"


def read_cells(output_dir: Path) -> list[Cell]:
    """All cells of a sweep, by base, task, condition and seed; judges' verdicts are put into the cells they judge.

    Raises:
        ArgumentError: There are none, or a file is none.
    """
    cells = [read_cell(path) for path in sorted((output_dir / "cells").rglob("*.json"))]
    if not cells:
        raise ArgumentError(f"{output_dir} must hold results in `cells`, got none; run the sweep first")
    return with_verdicts(cells)


def read_cell(path: Path) -> Cell:
    """One cell.

    Raises:
        ArgumentError: The file is none.
    """
    try:
        return Cell(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as error:
        raise ArgumentError(f"{path} must be a cell, got {error}; delete it and run the sweep again") from error


def with_verdicts(cells: Iterable[Cell]) -> list[Cell]:
    """Cells with the shares of pairs that each won, in percent, under `judge`; the judge's own cells are gone."""
    found = list(cells)
    verdicts = {
        (cell.base, cell.task, cell.seed, system): {
            "judge": {"wins": share, **{key: cell.scores[key] for key in ("ties", "signature")}}
        }
        for cell in found
        if cell.condition == "judge"
        for system, share in cell.scores["wins"].items()
    }
    return [
        replace(cell, scores={**cell.scores, **verdicts.get((cell.base, cell.task, cell.seed, cell.condition), {})})
        for cell in found
        if cell.condition != "judge"
    ]


def exact_by_question(answers: Path, data: DataArguments) -> str:
    """`1` or `0` for each question of the reading test, in its order; empty where there was no test.

    Args:
        answers: File with a mapping from question id to answer.
        data: Where the questions are, and how many of them were asked.
    """
    if data.reading_data is None:
        return ""
    dataset: Any = first_questions(data.reading_data, data.reading_size or 10**9)
    given = json.loads(answers.read_text(encoding="utf-8"))
    signs = []
    for article in dataset["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                one = {"data": [{"paragraphs": [{**paragraph, "qas": [question]}]}]}
                name = question["id"]
                scores = cmrc_scores({name: given[name]} if name in given else {}, one)
                signs.append("1" if scores.exact_match else "0")
    return "".join(signs)
