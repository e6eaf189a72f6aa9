"""Short real runs of TRL's trainers: what a monitored reward measures arrives at the monitor while they train."""

from pathlib import Path
from typing import Any

import pytest

from doubles import BigramEncoder
from semreward import ChrfReward, MonitoredReward, RewardMonitor, paper_reward
from semreward.monitor.alarms import AlarmLimits, RewardHackingWarning

datasets = pytest.importorskip("datasets", reason="needs the extra `train`")
trl = pytest.importorskip("trl", reason="needs the extra `train`")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::semreward.monitor.alarms.RewardHackingWarning"),  # random policies earn several
]

CLASSES = {"grpo": (trl.GRPOTrainer, trl.GRPOConfig), "rloo": (trl.RLOOTrainer, trl.RLOOConfig)}
FIRST_ALARM = 6  # two windows of three steps


def constant(completions: list[Any], **columns: Any) -> list[float]:
    """A reward that pays the same for everything: the plainest of all that teach nothing."""
    return [1.0 for _ in completions]


def make_trainer(
    reward: MonitoredReward,
    callback: RewardMonitor,
    policy: Path,
    captions: list[tuple[str, str]],
    folder: Path,
    *,
    algorithm: str = "grpo",
    steps: int = 8,
    **options: Any,
) -> Any:
    trainer_class, config_class = CLASSES[algorithm]
    config = config_class(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        max_steps=steps,
        per_device_train_batch_size=4,
        num_generations=2,
        max_completion_length=8,
        logging_steps=1,
        disable_tqdm=True,
        seed=3,
        **{"save_strategy": "no", **options},
    )
    return trainer_class(
        model=str(policy),
        args=config,
        reward_funcs=reward,
        callbacks=[callback],
        train_dataset=datasets.Dataset.from_list([{"prompt": bo, "reference": zh} for zh, bo in captions[:8]]),
    )


@pytest.mark.parametrize("algorithm", CLASSES)
def test_a_reward_that_teaches_nothing_is_caught_while_training_runs(
    algorithm: str, policy_folder: Path, captions: list[tuple[str, str]], tmp_path: Path
) -> None:
    reward = MonitoredReward(constant)
    monitor = RewardMonitor(reward, limits=AlarmLimits(window=3))
    trainer = make_trainer(reward, monitor, policy_folder, captions, tmp_path, algorithm=algorithm)
    with pytest.warns(RewardHackingWarning, match=f"step {FIRST_ALARM}, flat_groups"):
        trainer.train()


def test_all_metrics_reach_the_log_and_the_monitor(
    policy_folder: Path, captions: list[tuple[str, str]], tmp_path: Path
) -> None:
    reward = MonitoredReward(paper_reward(BigramEncoder(), "zh", 0.01), judges=[ChrfReward()])
    monitor = RewardMonitor(reward)
    make_trainer(reward, monitor, policy_folder, captions, tmp_path, steps=2).train()
    expected = {
        *("reward", "flat_groups", "answer_units", "length_ratio", "distinct"),
        *("missing_units", "echo", "mean/semantic_similarity", "dead_zone/language_consistency", "judge/chrf"),
    }
    assert expected <= monitor._watch.series.keys()


def test_the_mean_reward_of_the_monitor_is_the_trainers(
    policy_folder: Path, captions: list[tuple[str, str]], tmp_path: Path
) -> None:
    reward = MonitoredReward(paper_reward(BigramEncoder(), "zh", 0.01))
    monitor = RewardMonitor(reward)
    trainer = make_trainer(reward, monitor, policy_folder, captions, tmp_path, steps=2)
    trainer.train()
    logged = [(entry["step"], entry["reward"]) for entry in trainer.state.log_history if "reward" in entry]
    assert [step for step, _ in monitor._watch.series["reward"]] == [step for step, _ in logged]
    assert [mean for _, mean in monitor._watch.series["reward"]] == pytest.approx(
        [mean for _, mean in logged], abs=1e-5
    )


def test_a_run_that_goes_on_from_a_checkpoint_neither_repeats_nor_forgets(
    policy_folder: Path, captions: list[tuple[str, str]], tmp_path: Path
) -> None:
    reward = MonitoredReward(constant)
    first = RewardMonitor(reward, limits=AlarmLimits(window=3))
    second = RewardMonitor(reward, limits=AlarmLimits(window=3))
    saving = {"save_strategy": "steps", "save_steps": FIRST_ALARM}
    make_trainer(reward, first, policy_folder, captions, tmp_path, steps=FIRST_ALARM, **saving).train()
    trainer = make_trainer(reward, second, policy_folder, captions, tmp_path, steps=FIRST_ALARM + 2, **saving)
    trainer.train(resume_from_checkpoint=True)
    assert ("flat_groups", FIRST_ALARM) in {(alarm.kind, alarm.step) for alarm in first.alarms}
    assert second.alarms == first.alarms
    assert [step for step, _ in second._watch.series["flat_groups"]] == list(range(1, FIRST_ALARM + 3))


def test_a_reward_that_is_not_monitored_leaves_the_monitor_blind(
    policy_folder: Path, captions: list[tuple[str, str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = RewardMonitor(MonitoredReward(constant), limits=AlarmLimits(window=3))
    make_trainer(constant, monitor, policy_folder, captions, tmp_path, steps=3).train()
    assert "RewardMonitor is blind" in caplog.text
