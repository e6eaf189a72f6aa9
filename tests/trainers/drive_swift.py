"""ms-swift: its functions with known answers; `swift rlhf --rlhf_type grpo` with the page's plugin, by its log."""

import json
import os
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from types import SimpleNamespace

import torch
from my_reward import encoder, reward
from recording import FOLDER, POLICY, record, start_counting
from samples import ANSWERS, PROMPTS, questions, samples
from swift.rl_core.advantage import compute_advantages
from swift.rl_core.data import GRPOSample
from swift.rl_core.grpo_algorithm import compute_rewards_per_func
from swift.rlhf_trainers.grpo_trainer import GRPOTrainer
from torch.testing import assert_close

from semreward import SemanticSimilarityReward
from semreward.errors import ArgumentError
from semreward.integrations.swift import swift_reward

assert not any(line.startswith("msgspec") for line in requires("ms-swift")), "docs/trainers.md says it is not declared"


def rewards_of(functions, rows):
    """What ms-swift computes of answers and references: a tensor (N, functions)."""
    rollouts = [GRPOSample([{"role": "assistant", "content": row["answer"]}], extra=row) for row in rows]
    return compute_rewards_per_func(rollouts, functions, [None] * len(functions), torch.device("cpu"))


def check_none():
    """ms-swift makes 0 of `None`; the adapter raises, unless it is told what such a row earns."""
    reward = SemanticSimilarityReward(encoder, threshold=0.55, on_missing="none")
    text = samples()[0].reference
    rows = [{"answer": text, "reference": text}, {"answer": text, "reference": None}]
    found = rewards_of([lambda completions, **columns: reward(completions=completions, **columns)], rows)
    assert_close(compute_advantages(found, torch.ones(1), len(rows))[1], torch.tensor([1.0, 0.0]))
    assert_close(rewards_of([swift_reward(reward, on_none=-0.25)()], rows)[:, 0], torch.tensor([1.0, -0.25]))
    message = ""
    try:
        rewards_of([swift_reward(reward)()], rows)
    except ArgumentError as error:
        message = str(error)
    assert "None at row 1" in message


def drive_known():
    """A composite with gates, some of them closed, is one reward; it is given from Python, as an instance."""
    trainer = SimpleNamespace(args=SimpleNamespace(reward_weights=None), use_gym_env=False)
    trainer.accelerator = SimpleNamespace(device="cpu")
    GRPOTrainer._prepare_rewards(trainer, [swift_reward(reward)()])
    assert trainer.reward_func_names == ["composite"]
    start_counting()
    rows = [{"answer": sample.answer, "reference": sample.reference} for sample in samples()]
    paid = rewards_of(trainer.reward_funcs, rows)[:, 0].tolist()
    for row, total in zip(rows, paid, strict=True):
        row["values"] = {"total": total}
    record("its `compute_rewards_per_func`; gates close", rows)
    found = reward.breakdown(completions=[row["answer"] for row in rows], reference=[row["reference"] for row in rows])
    assert 0 < sum(found["gated"]) < len(rows), found["gated"]


check_none()
drive_known()
LAST = "an answer in the data"
data, output = FOLDER / "train.jsonl", FOLDER / "output"
with data.open("w", encoding="utf-8") as file:
    for text, wanted in questions().items():
        messages = [{"role": "user", "content": text}, {"role": "assistant", "content": LAST}]
        file.write(json.dumps({"messages": messages, "reference": wanted}) + "\n")
(plugin,) = [path for path in map(Path, sys.path) if (path / "my_reward_swift.py").exists()]

OPTIONS = {
    "rlhf_type": "grpo",
    "model": POLICY,
    "model_type": "qwen3",
    "template": "qwen3",
    "tuner_type": "full",
    "torch_dtype": "float32",
    "dataset": data,
    "external_plugins": plugin / "my_reward_swift.py",
    "reward_funcs": "semantic",
    "num_generations": ANSWERS,
    "per_device_train_batch_size": PROMPTS,
    "gradient_accumulation_steps": 1,
    "max_steps": ANSWERS,
    "max_completion_length": 32,
    "use_vllm": "false",
    "logging_steps": 1,
    "log_completions": "true",
    "save_strategy": "no",
    "eval_strategy": "no",
    "report_to": "none",
    "dataset_num_proc": 1,
    "dataloader_num_workers": 0,
    "gradient_checkpointing": "false",
    "add_version": "false",
    "output_dir": output,
}
start_counting()
options = [str(part) for name, value in OPTIONS.items() for part in (f"--{name}", value)]
subprocess.run(
    [Path(sys.executable).parent / "swift", "rlhf", *options],
    check=True,
    env={**os.environ, "MODELSCOPE_OFFLINE": "1"},
)


def reference_of(chat: str) -> str:
    """The reference of the question in a prompt."""
    (reference,) = [reference for prompt, reference in questions().items() if prompt in chat]
    return reference


found = []
(path,) = output.glob("**/completions.jsonl")
tables = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
for table in {table["step"][0]: table for table in tables}.values():  # the last step is logged twice
    assert table.keys() == {"step", "prompt", "completion", "composite", "advantages"}, "one reward, whatever its parts"
    for chat, answer, value in zip(table["prompt"], table["completion"], table["composite"], strict=True):
        assert LAST not in str(chat), "ms-swift no longer removes the last message of the assistant"
        found.append({"answer": answer, "reference": reference_of(str(chat)), "values": {"total": value}})
assert len(found) == PROMPTS * ANSWERS, f"{len(found)} completions"
assert "rewards/composite/mean" in (path.parent / "logging.jsonl").read_text(encoding="utf-8")
record("`swift rlhf --rlhf_type grpo`, four steps; the policy answers", found)
