"""TRL's trainers from Python: how GRPO takes rewards, its evaluation, Online DPO and A2PO."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from recording import FOLDER, POLICY
from samples import ANSWERS, PROMPTS
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from trl.experimental.a2po import A2POConfig, A2POTrainer
from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer
from trl_cases import COMPONENTS, GROUPS, OPTIONS, check_mean, fresh_reward, prompts, record_all, record_table, row

from semreward import MonitoredReward
from semreward.integrations.trl import numeric_reward

ROWS = PROMPTS * ANSWERS


def trained(case: str, options: dict[str, Any], trainer_class: Any = GRPOTrainer, **arguments: Any) -> GRPOTrainer:
    """A trainer of GRPO after one step."""
    options = {**GROUPS, "per_device_train_batch_size": ROWS, "max_steps": 1, **options}
    arguments = {"model": POLICY, "args": GRPOConfig(output_dir=str(FOLDER / case), **options), **arguments}
    data = Dataset.from_list(prompts())
    trainer = trainer_class(train_dataset=data, eval_dataset=data, **arguments)
    trainer.train()
    return trainer


def last_table(case: str) -> pd.DataFrame:
    """TRL's table of completions after that step."""
    return pd.read_parquet(FOLDER / case / "completions" / "completions_00001.parquet")


def grpo(case: str, reward_funcs: Any, **options: Any) -> tuple[dict[str, float], pd.DataFrame]:
    """One step of GRPO; records its last table, and returns it and all that was logged."""
    history = trained(case, options, reward_funcs=reward_funcs).state.log_history
    record_table(f"`GRPOTrainer`, {case}", table := last_table(case))
    return {name: value for entry in history for name, value in entry.items()}, table


def paying() -> Any:
    """Two tuples: the components that pay, without gates, and their weights."""
    return zip(*((part, weight) for part, weight in fresh_reward().components if weight), strict=True)


def evaluation() -> None:
    """Steps and evaluations log the same things; the last table is the evaluation's."""
    options = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": ROWS}
    reward = MonitoredReward(fresh_reward())
    logged, table = grpo("`MonitoredReward`, evaluation after a step", reward, **options)
    assert {"frac_reward_zero_std", "composite/gated", "repetition/failed"} <= logged.keys()
    check_mean(logged["eval_composite/monitor/reward"], table["composite"])
    check_mean(logged["eval_semantic_similarity/mean"], table["semantic_similarity"])


def weights() -> None:
    """TRL's weighted sum is that of the values."""
    parts, weights = paying()
    logged, table = grpo("components and `reward_weights`", list(parts), reward_weights=list(weights))
    check_mean(logged["reward"], table[COMPONENTS] @ weights)


def normalised() -> None:
    """The advantages are those of the values: each component is normalised in its group, then their weighted sum."""
    parts, weights = paying()
    options = {"reward_weights": list(weights), "multi_objective_aggregation": "normalize_then_sum"}
    _, table = grpo("`as_async()` components, `normalize_then_sum`", [part.as_async() for part in parts], **options)
    values = table[COMPONENTS].to_numpy().reshape(PROMPTS, ANSWERS, len(weights))
    means, deviations = values.mean(axis=1, keepdims=True), values.std(axis=1, ddof=1, keepdims=True)
    sums = ((values - means) / (deviations + 1e-4) @ weights).ravel()
    wanted = (sums - sums.mean()) / (sums.std(ddof=1) + 1e-4)
    assert np.allclose(table["advantage"], wanted, atol=5e-3), "TRL divides 32 bits by 1e-4 in equal groups"


def paid_by(method: str, case: str, trainer_class: Any, args: Any) -> tuple[Any, Any]:
    """Train, and record what a method of the trainer paid; returns the trainer and its method as it was."""
    trainer = trainer_class(
        model=AutoModelForCausalLM.from_pretrained(POLICY),
        args=args,
        reward_funcs=fresh_reward(),
        train_dataset=Dataset.from_list(prompts()),
        processing_class=AutoTokenizer.from_pretrained(POLICY),
    )
    pay, found = getattr(trainer, method), []

    def watched(prompts: list[Any], completions: list[Any], **columns: Any) -> Any:
        rewards = pay(prompts=prompts, completions=completions, **columns)
        for prompt, answer, value in zip(prompts, completions, rewards.tolist(), strict=True):
            text = answer if isinstance(answer, str) else answer[0]["content"]
            found.append(row(prompt[0]["content"], text, {"total": value}))
        return rewards

    setattr(trainer, method, watched)
    trainer.train()
    record_all(case, found)
    return trainer, pay


def nothing(*, completions: list[Any], **columns: Any) -> list[None]:
    """A reward that does not apply."""
    return [None for _ in completions]


def online_dpo() -> None:
    """Two steps of 16 pairs; a row of None earns 0, or what the adapter says."""
    options = {**OPTIONS, "max_steps": 2, "max_new_tokens": 32, "max_length": 400}
    args = OnlineDPOConfig(output_dir=str(FOLDER / "online_dpo"), per_device_train_batch_size=PROMPTS, **options)
    what = "`OnlineDPOTrainer`, two steps; the policy answers"
    trainer, pay = paid_by("_calculate_rewards_from_functions", what, OnlineDPOTrainer, args)
    for reward, wanted in ((nothing, 0.0), (numeric_reward(nothing, on_none=-1.0), -1.0)):
        trainer.reward_funcs = [reward]
        assert pay(prompts=["?"], completions=["an answer"], completion_ids_list=[[1]]).tolist() == [wanted]


def a2po() -> None:
    """Three answers per prompt for its value, then one for the step; a row of None is an error."""
    options = {**OPTIONS, "max_steps": 1, "num_value_samples": ANSWERS - 1, "max_completion_length": 32}
    args = A2POConfig(output_dir=str(FOLDER / "a2po"), per_device_train_batch_size=PROMPTS, **options)
    what = "`A2POTrainer`, one step; the policy answers"
    trainer, pay = paid_by("_calculate_rewards", what, A2POTrainer, args)
    trainer.reward_funcs = [nothing]
    with pytest.raises(TypeError, match="NoneType"):
        pay(prompts=["?"], completions=["an answer"])
