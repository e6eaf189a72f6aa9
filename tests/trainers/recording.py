"""What a driver hands to the runner: every answer with what the trainer paid for it. The runner compares."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("TRAINERS_FOLDER", "."))  # where the trainer's run may write
POLICY = os.environ.get("TRAINERS_POLICY", "")


def start_counting() -> None:
    """Forget the forward passes so far."""
    Path(os.environ["TRAINERS_PASSES"]).write_text("", encoding="utf-8")


def record(what: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write down a finished case.

    Args:
        what: What ran, in the words of the page's table.
        rows: `answer`, `reference`, and `values`: what was paid, by component; `total` is the reward.
    """
    passes = [line.split() for line in Path(os.environ["TRAINERS_PASSES"]).read_text(encoding="utf-8").splitlines()]
    case = {
        "what": what,
        "rows": list(rows),
        "passes": len(passes),
        "texts": sum(int(texts) for _, texts in passes),
        "processes": len({process for process, _ in passes}),
    }
    with Path(os.environ["TRAINERS_RESULTS"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(case, ensure_ascii=False) + "\n")
