"""The kit's replays of trainers' calls are what TRL itself passes: its own methods call a reward that listens."""

import asyncio
from types import SimpleNamespace

import pytest

from conformance import broken
from semreward.testing import check_reward
from semreward.testing.child import call_concurrently
from semreward.testing.probe import as_trainers_call

trl = pytest.importorskip("trl", reason="needs the extra `train`")
if tuple(map(int, trl.__version__.split(".")[:2])) < (1, 16):
    pytest.skip("the replays are of TRL 1.16", allow_module_level=True)


class Listener(broken.Sound):
    """Remembers which arguments its calls had, and of which kind they were."""

    name = "listener"

    def __init__(self):
        self.calls = []

    def __getstate__(self):
        return {}

    def __call__(self, **arguments):
        if hasattr(self, "calls"):
            self.calls.append({name: kind_of(value) for name, value in arguments.items()})
        return broken.sound_function(arguments["completions"], arguments["reference"])


def kind_of(value):
    return "list" if isinstance(value, list) else "hook" if callable(value) else "object"


def called_by_grpo():
    """The arguments of the call that GRPOTrainer makes, environments included."""
    reward = Listener()
    accelerator = SimpleNamespace(device="cpu", is_main_process=True)
    trainer = SimpleNamespace(
        accelerator=accelerator,
        args=SimpleNamespace(report_to=[]),
        state=SimpleNamespace(global_step=1),
        environments=[SimpleNamespace()],
        reward_funcs=[reward],
        reward_func_names=["listener"],
        reward_processing_classes=[None],
        _log_completion_extra=lambda column, values: None,
        _log_metric=lambda name, value: None,
    )
    accelerate = pytest.importorskip("accelerate")
    accelerate.PartialState()
    calculate = trl.GRPOTrainer._calculate_rewards
    getattr(calculate, "__wrapped__", calculate)(trainer, [{"prompt": "?", "reference": "a"}], ["?"], ["a"], [[1]])
    return reward.calls[0]


def called_by_async_grpo():
    """The arguments of the call that the worker of AsyncGRPO makes."""
    worker = pytest.importorskip("trl.experimental.async_grpo.async_rollout_worker")
    reward = Listener()
    loop = SimpleNamespace(
        reward_funcs=[reward],
        reward_func_names=["listener"],
        _env_reward_types=[],
        _provides_rollout_reward=False,
    )
    group = SimpleNamespace(
        prompts=["?"],
        completions=["a"],
        completions_ids=[[1]],
        completions_sequences=[[]],
        reward_kwargs={"reference": ["a"]},
        env_rewards=[None],
        tool_call_counts=[0],
        tool_failure_counts=[0],
    )
    asyncio.run(worker._AsyncRolloutLoop._score_group(loop, group))
    return reward.calls[0]


def test_the_replayed_call_of_grpo_has_its_arguments():
    reward = Listener()
    report = check_reward(reward, broken.EXAMPLES, spawn=False)
    (replayed,) = [call for call in reward.calls if "environments" in call]
    assert replayed == called_by_grpo()
    assert "grpo_call" in {result.name for result in report.with_status("passed")}


def test_the_replayed_call_of_async_grpo_has_its_arguments():
    reward = Listener()
    batch = {"completions": ["a", "b"], "reference": ["a", "a"]}
    assert call_concurrently(reward, [as_trainers_call(batch)]) == [[1.0, 0.0]]
    assert reward.calls == [called_by_async_grpo()]
