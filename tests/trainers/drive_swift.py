"""ms-swift: `swift rlhf --rlhf_type grpo` with the page's plugin; completions and rewards are those of its log."""

import json
import os
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

from recording import FOLDER, POLICY, record, start_counting
from samples import ANSWERS, PROMPTS, questions

assert not any(line.startswith("msgspec") for line in requires("ms-swift")), "docs/trainers.md says it is not declared"

data, output = FOLDER / "train.jsonl", FOLDER / "output"
rows = [{"messages": [{"role": "user", "content": text}], "reference": wanted} for text, wanted in questions().items()]
data.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
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
    for chat, answer, value in zip(table["prompt"], table["completion"], table["composite"], strict=True):
        found.append({"answer": answer, "reference": reference_of(str(chat)), "values": {"total": value}})
assert len(found) == PROMPTS * ANSWERS, f"{len(found)} completions"
record("`swift rlhf --rlhf_type grpo`, four steps; the policy answers", found)
