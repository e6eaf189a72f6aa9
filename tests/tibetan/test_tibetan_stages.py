import json
from pathlib import Path

import pytest

from semreward.errors import ArgumentError
from tibetan.stages import Stages, last_whole_checkpoint


class Work:
    """Counts how often it is done, and may fail half-way."""

    def __init__(self, *, fails: bool = False) -> None:
        self.times = 0
        self.found: list[str] = []
        self.fails = fails

    def __call__(self, folder: Path) -> None:
        self.times += 1
        self.found = sorted(path.name for path in folder.iterdir())
        (folder / "half").write_text("half")
        if self.fails:
            raise RuntimeError("interrupted")
        (folder / "whole").write_text("whole")


def test_finished_stage_is_not_done_again(tmp_path: Path) -> None:
    work = Work()
    first = Stages(tmp_path).run("encoder", work, {"epochs": 1})
    second = Stages(tmp_path).run("encoder", work, {"epochs": 1})
    assert (first, work.times) == (second, 1)


def test_interrupted_stage_is_never_taken_for_whole(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="interrupted"):
        Stages(tmp_path).run("encoder", Work(fails=True), {})
    assert not (tmp_path / "encoder").exists()


def test_interrupted_stage_starts_from_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        Stages(tmp_path).run("encoder", Work(fails=True), {})
    again = Work()
    Stages(tmp_path).run("encoder", again, {})
    assert again.found == ["begun.json"]


def test_interrupted_training_finds_its_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        Stages(tmp_path).run("grpo", Work(fails=True), {"lr": 1}, keep_partial=True)
    again = Work()
    Stages(tmp_path).run("grpo", again, {"lr": 1}, keep_partial=True)
    assert again.found == ["begun.json", "half"]


def test_checkpoints_of_other_settings_are_not_gone_on_from(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        Stages(tmp_path).run("grpo", Work(fails=True), {"lr": 1}, keep_partial=True)
    again = Work()
    Stages(tmp_path).run("grpo", again, {"lr": 2}, keep_partial=True)
    assert again.found == ["begun.json"]


def test_result_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    Stages(tmp_path).run("encoder", Work(), {"epochs": 1, "seed": 0})
    with pytest.raises(ArgumentError, match="other values of epochs; delete it, or choose another output_dir"):
        Stages(tmp_path).run("encoder", Work(), {"epochs": 2, "seed": 0})


def test_result_of_another_input_is_refused(tmp_path: Path) -> None:
    stages = Stages(tmp_path)
    stages.run("data", Work(), {"seed": 0})
    stages.run("cold_start", Work(), {}, inputs=("data",))
    (tmp_path / "data" / "stage.json").write_text(json.dumps({"settings": {"seed": 1}, "inputs": {}, "seconds": 0}))
    with pytest.raises(ArgumentError, match="other values of data"):
        stages.run("cold_start", Work(), {}, inputs=("data",))


def test_seconds_name_every_finished_stage(tmp_path: Path) -> None:
    stages = Stages(tmp_path)
    stages.run("data", Work(), {})
    stages.run("encoder", Work(), {})
    assert set(stages.seconds()) == {"data", "encoder"}


def _checkpoint(folder: Path, step: int, state: str | None) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    if state is not None:
        (checkpoint / "trainer_state.json").write_text(state)
    return checkpoint


def test_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    _checkpoint(tmp_path, 9, "{}")
    newest = _checkpoint(tmp_path, 10, "{}")
    assert last_whole_checkpoint(tmp_path) == str(newest)


@pytest.mark.parametrize("state", [None, "", '{"global_step": 1'])
def test_half_written_checkpoint_is_removed(tmp_path: Path, state: str | None) -> None:
    whole = _checkpoint(tmp_path, 1, "{}")
    half = _checkpoint(tmp_path, 2, state)
    assert (last_whole_checkpoint(tmp_path), half.exists()) == (str(whole), False)


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert last_whole_checkpoint(tmp_path / "nowhere") is None
