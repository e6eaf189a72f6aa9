from pathlib import Path

import pytest

from semreward.errors import ArgumentError
from tables.sweep import CONFIGS, Sweep, read_command, read_sweep

MINIATURE = CONFIGS / "tables.yaml"


def test_file_that_extends_another_one_wins() -> None:
    smoke = read_sweep(CONFIGS / "tables_smoke.yaml")
    assert (smoke.seeds, smoke.transfer_size, smoke.forget_rate) == ([0], 8, read_sweep(MINIATURE).forget_rate)


def test_command_line_wins_over_the_file() -> None:
    assert read_sweep(MINIATURE, seeds=[7], output_dir=None).seeds == [7]


def test_base_and_task_meet_in_the_settings() -> None:
    settings = read_sweep(MINIATURE).settings("B", "hg", plan=True)
    assert (settings.world.world_policy_width, settings.grpo.seed) == (160, 1)
    assert (settings.data.task, settings.data.target_column) == ("headline", "headline_bo")


def test_miniature_measures_the_tax_with_two_thousand_questions_on_two_bases_and_three_seeds() -> None:
    sweep = read_sweep(MINIATURE)
    questions = [
        sweep.settings(base, task, plan=True).world.world_questions for base in sweep.bases for task in sweep.tasks
    ]
    assert min(questions) >= 2000
    assert len(sweep.bases) >= 2
    assert len(sweep.seeds) >= 3


def test_tasks_of_a_base_share_its_world() -> None:
    sweep = read_sweep(MINIATURE)
    for base in sweep.bases:
        first, second = (sweep.settings(base, task, plan=True) for task in sweep.tasks)
        assert (first.world, first.grpo.seed) == (second.world, second.grpo.seed)


def test_presets_take_the_same_path_without_a_miniature() -> None:
    sweep = read_sweep(CONFIGS / "tables_paper.yaml")
    settings = {task: sweep.settings(base, task, plan=True) for base in sweep.bases for task in sweep.tasks}
    assert {task: one.data.task for task, one in settings.items()} == {"mt": "translation", "hg": "headline"}
    assert not any(one.run.miniature for one in settings.values())
    assert sweep.transfer_size == 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "must hold a mapping from argument to value, got list"),
        ("bases: {A: {}}\nspeed: 3", "must hold members of a sweep, got speed"),
        ("bases: {A: {}}", "must name output_dir, seeds, tasks"),
        ("{output_dir: x, seeds: [], tasks: {mt: {}}, bases: {A: {}}}", "must each name at least one"),
        (
            "{output_dir: x, seeds: [0], tasks: {mt: {}}, bases: {A: {}}, costs: {row: 1}}",
            "`costs` of a sweep must name",
        ),
        ("{output_dir: x, seeds: [1, 1], tasks: {mt: {}}, bases: {A: {}}}", "`seeds` must differ"),
    ],
)
def test_file_that_is_no_sweep_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "sweep.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(ArgumentError) as caught:
        read_sweep(tmp_path / "sweep.yaml")
    assert message in str(caught.value)


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="does not exist"):
        read_sweep(tmp_path / "none.yaml")


def test_task_without_a_config_is_refused() -> None:
    sweep = Sweep(Path("x"), seeds=[0], tasks={"mt": {}}, bases={"A": {}})
    with pytest.raises(ArgumentError, match="must name a `config`, got nothing"):
        sweep.settings("A", "mt")


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
