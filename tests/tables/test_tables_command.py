from pathlib import Path

import pytest

from semreward.errors import ArgumentError
from tables.sweep import CONFIGS, read_command


def test_without_arguments_it_is_the_miniature() -> None:
    sweep, arguments = read_command("", [])
    assert (sweep.output_dir, list(sweep.bases), arguments.plan) == (Path("runs/tables"), ["A", "B", "C"], False)


def test_one_process_can_take_one_base() -> None:
    sweep, _ = read_command("", ["--bases", "B", "--seeds", "4", "5"])
    assert (list(sweep.bases), sweep.seeds) == (["B"], [4, 5])


def test_unknown_base_is_named() -> None:
    with pytest.raises(ArgumentError, match="`bases` must be among A, B, C, got D"):
        read_command("", ["--bases", "D"])


def test_task_that_the_sweep_lacks_is_named() -> None:
    with pytest.raises(ArgumentError, match="`task` must be one of mt, got 'hg'"):
        read_command("", ["--config", str(CONFIGS / "tables_bo_zh.yaml"), "--task", "hg"])
