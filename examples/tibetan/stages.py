"""Stages that survive an interruption: a finished one is not run again, a half-finished one never counts as finished.

A stage works in `<name>.partial`, which is renamed to `<name>` at the end. Trainers find their checkpoints in the
partial folder when they are started again.
"""

import gc
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from semreward.errors import ArgumentError
from semreward.files import write_text

RECORD = "stage.json"


def process_state() -> PartialState:
    """This process among those of `accelerate launch`.

    While one works on a stage the others wait, no longer than `ddp_timeout` seconds: the presets set a day.
    """
    return PartialState()


@dataclass(frozen=True)
class Stages:
    """Runs stages in one folder."""

    folder: Path

    def run(
        self,
        name: str,
        work: Callable[[Path], object],
        settings: Mapping[str, Any],
        *,
        inputs: tuple[str, ...] = (),
        every_process: bool = False,
        keep_partial: bool = False,
    ) -> Path:
        """Run a stage, unless its result is there; returns the folder with the result.

        Args:
            name: Name of the stage and of its folder.
            work: Does the work, given the folder to write into.
            settings: All that affects the result; kept beside it.
            inputs: Stages whose results this one reads. When one of them was made anew, this one is stale.
            every_process: Training: all processes take part. Otherwise the main one works and the others wait.
            keep_partial: Start again from an interrupted attempt's checkpoints instead of from nothing.

        Raises:
            ArgumentError: There is a result that was made with other settings or from other inputs.
        """
        final, partial = self.folder / name, self.folder / f"{name}.partial"
        state = process_state()
        plain = json.loads(json.dumps(settings, ensure_ascii=False, default=str))  # as it comes back from a file
        record = {"settings": plain, "inputs": {item: self._identity(item) for item in inputs}}
        if final.exists():
            _check_same(final, record)
            if state.is_main_process:
                print(f"[{name}] stands, {final}")
            return final
        if state.is_main_process:
            print(f"[{name}] ...", flush=True)
            _prepare(partial, record, keep=keep_partial)
        state.wait_for_everyone()
        start = time.perf_counter()
        if every_process or state.is_main_process:
            work(partial)
            gc.collect()  # a finished trainer refers to itself and would keep its model beside the next one's
        state.wait_for_everyone()
        if state.is_main_process:
            seconds = round(time.perf_counter() - start, 1)
            write_text(partial / RECORD, json.dumps({**record, "seconds": seconds}, indent=2, ensure_ascii=False))
            partial.rename(final)
            print(f"[{name}] done in {seconds:.0f} s")
        state.wait_for_everyone()
        return final

    def seconds(self) -> dict[str, float]:
        """How long each finished stage took; an interrupted one counts its last attempt."""
        records = sorted(self.folder.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
        return {path.parent.name: json.loads(path.read_text())["seconds"] for path in records}

    def _identity(self, name: str) -> str:
        record = json.loads((self.folder / name / RECORD).read_text())
        decisive = json.dumps([record["settings"], record["inputs"]], sort_keys=True)
        return hashlib.sha256(decisive.encode()).hexdigest()[:12]


def _check_same(final: Path, record: Mapping[str, Any]) -> None:
    finished = json.loads((final / RECORD).read_text())
    old, new = ({**one["settings"], **one["inputs"]} for one in (finished, record))
    if changed := sorted(key for key in old | new if old.get(key) != new.get(key)):
        raise ArgumentError(
            f"{final} was made with other values of {', '.join(changed)}; delete it, or choose another output_dir"
        )


def _prepare(partial: Path, record: Mapping[str, Any], *, keep: bool) -> None:
    begun = partial / "begun.json"
    if partial.exists() and not (keep and begun.exists() and json.loads(begun.read_text()) == record):
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    write_text(begun, json.dumps(record))


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest of a trainer's checkpoints that is complete; incomplete ones are removed.

    A trainer writes `trainer_state.json` last.
    """
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # noqa: PERF203 - a few checkpoints
            shutil.rmtree(checkpoint)
        else:
            return str(checkpoint)
    return None
