from pathlib import Path

import pytest

from semreward.errors import ArgumentError
from tibetan.arguments import MINIATURE_CONFIG, DataArguments, RunArguments, Settings, decisive, parse


def _parsed(*arguments: str) -> Settings:
    return parse([*arguments, "--use_cpu", "true", "--bf16", "false"])[0]


def test_no_arguments_are_the_miniature() -> None:
    settings, config = parse([])
    assert (settings.run.miniature, config) == (True, MINIATURE_CONFIG)


def test_command_line_overrides_the_file_which_overrides_what_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("cold_start_size: 7\ncalibration_size: 8\nrl_size: 9\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\ncalibration_size: 18\nrl_size: 19\n")
    data = _parsed("--config", str(tmp_path / "mine.yaml"), "--rl_size", "29").data
    assert (data.cold_start_size, data.calibration_size, data.rl_size) == (7, 18, 29)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cold_start_sice: 7\n", "got cold_start_sice"),
        ("- a list\n", r"mine\.yaml must"),
        ("a: [", r"mine\.yaml must"),
        ("", r"mine\.yaml must"),
        ("extends: other.yaml\n", "must not extend itself"),
        ("extends: nowhere.yaml\n", r"nowhere\.yaml', which does not exist"),
    ],
)
def test_wrong_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    (tmp_path / "other.yaml").write_text("extends: mine.yaml\n")
    with pytest.raises(ArgumentError, match=message):
        _parsed("--config", str(tmp_path / "mine.yaml"))


def test_config_without_a_value_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="`--config` must name a YAML file"):
        parse(["--config"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "poetry"}, "`task` must be one of translation, headline"),
        ({"prompt": "Translate."}, r"`prompt` must contain \{source\}"),
        ({"cold_start_size": 0}, "`cold_start_size` must be a whole number of at least 1"),
    ],
)
def test_wrong_data_arguments_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        DataArguments(**changes)


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan")])
def test_budget_must_be_positive(minutes: float) -> None:
    with pytest.raises(ArgumentError, match="`grpo_minutes` must be a finite number above 0"):
        RunArguments(grpo_minutes=minutes)


def test_seeds_get_folders_and_settings_of_their_own() -> None:
    settings = _parsed()
    other = settings.for_seed(3, Path("runs/seed-3"))
    assert (other.grpo.seed, other.grpo.output_dir, settings.grpo.seed) == (3, "runs/seed-3", 0)


def test_learning_rate_decides_the_numbers_and_where_a_run_writes_does_not() -> None:
    here, there = (_parsed("--output_dir", name, "--save_steps", steps) for name, steps in (("a", "5"), ("b", "9")))
    assert decisive(here.grpo) == decisive(there.grpo)
    assert decisive(here.grpo) != decisive(_parsed("--learning_rate", "0.1").grpo)
