"""One step of GRPO, for `accelerate launch`: each process writes down the log and the table of completions it holds."""

import json
import os

from drive_trl_classes import trained
from my_reward import reward
from recording import FOLDER

from semreward import MonitoredReward

trainer = trained("processes", {"per_device_train_batch_size": 32}, reward_funcs=MonitoredReward(reward))
assert trainer.accelerator.num_processes == 2

logs, (step, *_) = trainer._logs, trainer.state.log_history  # the table on the disk is the first process's
columns = {"prompt": logs["prompt"], "completion": logs["completion"], **logs["rewards"], **logs["extra"]}
found = {
    "log": {name: value for name, value in step.items() if "/" in name and not name.startswith("profiling")},
    "table": {name: list(values) for name, values in columns.items()},
}
(FOLDER / f"rank{os.environ['RANK']}.json").write_text(json.dumps(found, sort_keys=True), encoding="utf-8")
