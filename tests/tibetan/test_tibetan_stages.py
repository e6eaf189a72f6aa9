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


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path)


def test_finished_stage_is_not_run_again(stages: Stages) -> None:
    work = Work()
    first, second = (stages.run("encoder", work, {"epochs": 1}) for _ in range(2))
    assert (first, work.times) == (second, 1)


def test_interrupted_stage_never_counts_as_finished(stages: Stages) -> None:
    with pytest.raises(RuntimeError, match="interrupted"):
        stages.run("encoder", Work(fails=True), {})
    assert not (stages.folder / "encoder").exists()


@pytest.mark.parametrize(
    ("keep_partial", "settings", "found"),
    [
        (False, {"lr": 1}, ["begun.json"]),
        (True, {"lr": 1}, ["begun.json", "half"]),  # training finds its checkpoints
        (True, {"lr": 2}, ["begun.json"]),  # but not those of other settings
    ],
)
def test_interrupted_stage_starts_from_nothing_or_its_checkpoints(
    stages: Stages, keep_partial: bool, settings: dict[str, int], found: list[str]
) -> None:
    with pytest.raises(RuntimeError):
        stages.run("grpo", Work(fails=True), {"lr": 1}, keep_partial=keep_partial)
    again = Work()
    stages.run("grpo", again, settings, keep_partial=keep_partial)
    assert again.found == found


def test_result_of_other_settings_is_refused_by_name(stages: Stages) -> None:
    stages.run("encoder", Work(), {"epochs": 1, "seed": 0})
    with pytest.raises(ArgumentError, match="other values of epochs; delete it, or choose another output_dir"):
        stages.run("encoder", Work(), {"epochs": 2, "seed": 0})


def test_result_of_another_input_is_refused(stages: Stages) -> None:
    stages.run("data", Work(), {"seed": 0})
    stages.run("cold_start", Work(), {}, inputs=("data",))
    record = {"settings": {"seed": 1}, "inputs": {}, "seconds": 0}
    (stages.folder / "data" / "stage.json").write_text(json.dumps(record))
    with pytest.raises(ArgumentError, match="other values of data"):
        stages.run("cold_start", Work(), {}, inputs=("data",))


def test_seconds_name_every_finished_stage(stages: Stages) -> None:
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
