"""The files in examples/accelerate/: accelerate knows every key, and the commands on top of them parse."""

import re
import shlex
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from trl.scripts.vllm_serve import ScriptArguments, build_command

from tibetan.arguments import parse

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples" / "accelerate").glob("*.yaml"))
RECIPE = [file for file in FILES if "grpo_tibetan.py" in file.read_text(encoding="utf-8")]


def _command(file, program):
    """The words of a command in a file's comment, from the program's name on."""
    comment = file.read_text(encoding="utf-8").replace("# ", "").replace("\\\n", "")
    line = next(line for line in comment.splitlines() if re.match(rf"(\w+=\S+ )*{program} ", line))
    return shlex.split(line[line.index(program) :])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_accelerate_knows_every_key(file):
    config = load_config_from_file(str(file))
    options = {action.dest for action in launch_command_parser()._actions}
    assert {*config.fsdp_config, *config.deepspeed_config} <= options


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_command_names_its_own_file(file):
    arguments = launch_command_parser().parse_args(_command(file, "accelerate launch")[2:])
    assert ROOT / arguments.config_file == file
    assert arguments.num_processes == load_config_from_file(str(file)).num_processes


@pytest.mark.parametrize("file", RECIPE, ids=lambda file: file.stem)
def test_recipe_keeps_the_papers_batch(file, monkeypatch):
    monkeypatch.chdir(ROOT)
    launch = launch_command_parser().parse_args(_command(file, "accelerate launch")[2:])
    settings, _ = parse([*launch.training_script_args, "--plan"])
    grpo, sft = settings.grpo, settings.sft
    assert launch.num_processes * grpo.per_device_train_batch_size * grpo.gradient_accumulation_steps == 32
    assert launch.num_processes * sft.sft_batch_size * sft.sft_accumulation_steps == 32


def test_server_gets_the_options_that_trl_gives_it():
    ours = {word for word in _command(RECIPE[-1], "vllm serve") if word.startswith("--")}
    trls = build_command(ScriptArguments(model="m", max_model_len=1024))
    assert {"--weight-transfer-config", "--logprobs-mode", "--max-logprobs"} <= ours <= set(trls)
