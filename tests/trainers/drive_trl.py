"""TRL: `trl grpo` from the command line; the completions and rewards are those of its table of completions."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
from recording import FOLDER, POLICY, record, start_counting
from samples import ANSWERS, PROMPTS, questions

COMPONENTS = ["semantic_similarity", "language_consistency"]

data, output = FOLDER / "data", FOLDER / "output"
data.mkdir()
rows = [{"prompt": [{"role": "user", "content": prompt}], "reference": text} for prompt, text in questions().items()]
(data / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

OPTIONS = {
    "model_name_or_path": POLICY,
    "dtype": "float32",
    "dataset_name": data,
    "output_dir": output,
    "reward_funcs": "my_reward.reward",
    "num_generations": ANSWERS,
    "per_device_train_batch_size": PROMPTS,
    "max_steps": ANSWERS,
    "max_completion_length": 32,
    "logging_steps": 1,
    "log_completions": "true",
    "save_strategy": "no",
    "report_to": "none",
    "use_cpu": "true",
    "bf16": "false",
    "gradient_checkpointing": "false",
}
start_counting()
options = [str(part) for name, value in OPTIONS.items() for part in (f"--{name}", value)]
subprocess.run([Path(sys.executable).parent / "trl", "grpo", *options], check=True)

found = []
for path in sorted((output / "completions").glob("*.parquet")):
    for row in pd.read_parquet(path).to_dict("records"):
        values = {"total": row["composite"], **{name: row[name] for name in COMPONENTS}}
        reference = questions()[row["prompt"][0]["content"]]
        found.append({"answer": row["completion"][0]["content"], "reference": reference, "values": values})
assert len(found) == PROMPTS * ANSWERS, f"{len(found)} completions"
record("`trl grpo`, four steps; the policy answers", found)
