"""TRL: `trl grpo` and `trl rloo` from the command line, several processes, and its trainers from Python."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
from datasets import Dataset
from drive_trl_classes import a2po, evaluation, normalised, online_dpo, weights
from drive_trl_rollouts import asynchronous, environments
from recording import FOLDER, POLICY, start_counting
from samples import ANSWERS, PROMPTS
from trl_cases import COMPONENTS, GROUPS, check_mean, prompts, record_table

STEPS = {"per_device_train_batch_size": PROMPTS, "max_steps": ANSWERS, "save_strategy": "steps", "save_steps": ANSWERS}
COMMAND = {**GROUPS, **STEPS, "model_name_or_path": POLICY, "dtype": "float32", "dataset_name": FOLDER / "data"}


def main() -> None:
    """All cases."""
    Dataset.from_list(prompts()).to_json(FOLDER / "data" / "train.jsonl")
    in_process = (evaluation, weights, normalised, online_dpo, a2po, environments, asynchronous)
    for case in (grpo, rloo, processes, *in_process):
        case()


def run(*command: object) -> None:
    """Run a command of the environment; the count starts again."""
    start_counting()
    subprocess.run([Path(sys.executable).with_name(str(command[0])), *map(str, command[1:])], check=True)


def trl(command: str, reward: str) -> Path:
    """Run `trl grpo` or `trl rloo`; returns its folder."""
    options = {**COMMAND, "output_dir": FOLDER / command, "reward_funcs": reward}
    run("trl", command, *(word for name, value in options.items() for word in (f"--{name}", value)))
    return FOLDER / command


def grpo() -> None:
    """Completions and rewards are those of TRL's table."""
    tables = sorted((trl("grpo", "my_reward.reward") / "completions").glob("*.parquet"))
    record_table("`trl grpo`, four steps; the policy answers", pd.concat(map(pd.read_parquet, tables)))


def rloo() -> None:
    """It writes no table: completions and rewards are those of the reward's calls, their means those of TRL's log."""
    path = trl("rloo", "trl_cases.recorded") / f"checkpoint-{ANSWERS}" / "trainer_state.json"
    calls = [json.loads(line) for line in (FOLDER / "calls.jsonl").read_text(encoding="utf-8").splitlines()]
    for call, step in zip(calls, json.loads(path.read_text(encoding="utf-8"))["log_history"], strict=True):
        check_mean(step["rewards/recorded/mean"], pd.Series(call["composite"]))
    record_table("`trl rloo`, four steps; values returned to TRL, and its means", pd.concat(map(pd.DataFrame, calls)))


def processes() -> None:
    """Two processes with a monitored reward: every row keeps its values, and both log the same."""
    options = ["--multi_gpu", "--num_processes", 2, "--num_machines", 1, "--mixed_precision", "no"]  # --cpu starts one
    run("accelerate", "launch", *options, "--dynamo_backend", "no", Path(__file__).with_name("train_in_processes.py"))
    first, second = [json.loads((FOLDER / f"rank{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]
    assert first == second, "the processes hold different logs"
    step, table = first["log"], pd.DataFrame(first["table"])
    check_mean(step["composite/monitor/reward"], table["composite"])
    for name in COMPONENTS:
        check_mean(step[f"{name}/mean"], table[name])
    record_table("`accelerate launch`, two processes; GRPO with a `MonitoredReward`", table)


if __name__ == "__main__":
    main()
