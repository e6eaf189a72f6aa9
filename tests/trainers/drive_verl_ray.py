"""verl: its `RewardLoopManager` and the manager `remote` on a CPU Ray, and which GPUs an actor without GPUs sees."""

import os
import sys

import ray
from drive_verl import COMPONENTS, batch_of, rows_of, with_reward
from recording import record, start_counting
from samples import samples
from verl.experimental.reward_loop.reward_loop import RewardLoopManager


def start_ray():
    """Start a node with two cores and two made-up GPUs. Ray gives up after 30 s, which a busy machine may need."""
    sys.modules["ray.dashboard.optional_deps"] = None  # without the dashboard it starts sooner
    os.environ.pop("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", None)  # Ray's own default
    os.environ |= {"CUDA_VISIBLE_DEVICES": "0,1", "RAY_worker_register_timeout_seconds": "600"}
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", logging_level="ERROR")


def check_visible_gpus():
    """An actor without GPUs, as a reward worker is one, sees the node's GPUs."""

    class Actor:
        def visible(self):
            return os.environ.get("CUDA_VISIBLE_DEVICES")

    found = ray.get(ray.remote(Actor).remote().visible.remote())
    assert found == "0,1", found


def drive(manager, module, rows):
    """Score the samples with verl's manager of workers, one worker."""
    start_counting()
    loop = RewardLoopManager(with_reward(manager, f"pkg://{module}"))
    scored = loop.compute_rm_score(batch_of(rows))
    totals = scored.batch["rm_scores"].sum(-1).tolist()
    columns = {name: scored.non_tensor_batch[name] for name in COMPONENTS}
    record(f"`RewardLoopManager` on Ray, manager `{manager}`", rows_of(rows, totals, columns))
    for worker in loop.reward_loop_workers:
        ray.kill(worker)


def main():
    """Ray's GPUs, then both managers."""
    start_ray()
    check_visible_gpus()
    drive("naive", "my_reward_verl", samples())
    drive("remote", "my_reward_verl_remote", samples())
    ray.shutdown()


if __name__ == "__main__":
    main()
