from pathlib import Path

import pytest

from semreward.errors import ArgumentError
from tibetan.arguments import MINIATURE_CONFIG, decisive, parse

CPU = ["--use_cpu", "true", "--bf16", "false"]


def test_no_arguments_are_the_miniature() -> None:
    settings, config = parse([])
    assert (settings.run.miniature, config) == (True, MINIATURE_CONFIG)


def test_command_line_overrides_the_file() -> None:
    settings, _ = parse(["--cold_start_size", "7", "--learning_rate", "0.5"])
    assert (settings.data.cold_start_size, settings.grpo.learning_rate) == (7, 0.5)


def test_unknown_key_of_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("cold_start_sice: 7\n")
    with pytest.raises(ArgumentError, match="got cold_start_sice"):
        parse(["--config", str(config), *CPU])


def test_file_overrides_what_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("cold_start_size: 7\ncalibration_size: 8\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\ncalibration_size: 9\n")
    data = parse(["--config", str(tmp_path / "mine.yaml"), *CPU])[0].data
    assert (data.cold_start_size, data.calibration_size) == (7, 9)


def test_files_that_extend_each_other_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("extends: two.yaml\n")
    (tmp_path / "two.yaml").write_text("extends: one.yaml\n")
    with pytest.raises(ArgumentError, match="must not extend itself"):
        parse(["--config", str(tmp_path / "one.yaml"), *CPU])


@pytest.mark.parametrize("content", ["- a list\n", "a: [", ""])
def test_file_that_is_no_mapping_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ArgumentError, match=r"mine\.yaml must"):
        parse(["--config", str(tmp_path / "mine.yaml"), *CPU])


def test_missing_file_is_an_error_that_names_it() -> None:
    with pytest.raises(ArgumentError, match=r"'nowhere\.yaml', which does not exist"):
        parse(["--config", "nowhere.yaml"])


def test_config_without_a_value_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="`--config` must name a YAML file"):
        parse(["--config"])


def test_seeds_get_folders_and_settings_of_their_own() -> None:
    settings, _ = parse([])
    other = settings.for_seed(3, Path("runs/seed-3"))
    assert (other.grpo.seed, other.grpo.output_dir, settings.grpo.seed) == (3, "runs/seed-3", 0)


def test_where_a_run_writes_does_not_decide_its_numbers() -> None:
    here, there = (parse(["--output_dir", name, "--save_steps", steps])[0] for name, steps in (("a", "5"), ("b", "9")))
    assert decisive(here.grpo) == decisive(there.grpo)


def test_learning_rate_decides_the_numbers() -> None:
    slow, fast = (parse(["--learning_rate", rate])[0] for rate in ("0.1", "0.2"))
    assert decisive(slow.grpo) != decisive(fast.grpo)
