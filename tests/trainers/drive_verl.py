"""verl: its reward managers in its reward worker, without Ray, and what the page says about its configuration."""

import os
from pathlib import Path

import my_reward_verl
import numpy as np
import torch
import verl
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from my_reward import encoder
from omegaconf import OmegaConf
from recording import POLICY, record, start_counting
from samples import ANSWERS, samples
from transformers import AutoTokenizer
from verl import DataProto
from verl.experimental.reward_loop.reward_loop import RewardLoopWorker
from verl.experimental.reward_loop.router.naive_router import launch_router_process
from verl.trainer.config import AlgoConfig
from verl.trainer.ppo.core_algos import compute_gdpo_outcome_advantage
from verl.trainer.ppo.reward import load_reward_manager
from verl.utils.reward_score import default_compute_score

from embedding_server import embedding_server
from semreward.errors import ArgumentError

CONFIGURATIONS = str(Path(verl.__file__).parent / "trainer" / "config")
COMPONENTS = ["semantic_similarity", "language_consistency"]
ENCODER = os.environ["TRAINERS_ENCODER"]
HOSTED = (  # the page's keys for an encoder that verl hosts
    "reward.reward_model.enable=True",
    f"reward.reward_model.model_path={ENCODER}",
    "reward.reward_model.rollout.name=vllm",
    "reward.reward_model.rollout.tensor_model_parallel_size=1",
    "+reward.reward_model.rollout.engine_kwargs.vllm.runner=pooling",
)


def configured(*overrides):
    """The configuration of `python -m verl.trainer.main_ppo OVERRIDES`."""
    with initialize_config_dir(CONFIGURATIONS, version_base=None):
        return compose("ppo_trainer", overrides=[f"actor_rollout_ref.model.path={POLICY}", *overrides])


def with_reward(manager, path="pkg://my_reward_verl", overrides=()):
    """The same with the page's keys, one worker and the given manager."""
    return configured(
        f"reward.custom_reward_function.path={path}",
        "reward.custom_reward_function.name=compute_score",
        f"reward.reward_manager.name={manager}",
        "reward.num_workers=1",
        *overrides,
    )


def objects(values):
    """A column as verl has it."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def batch_of(rows):
    """The samples as a rollout leaves them: prompts padded on the left, responses on the right."""
    tokenizer = AutoTokenizer.from_pretrained(POLICY)
    prompts = [tokenizer(row.prompt)["input_ids"] for row in rows]
    answers = [[*tokenizer(row.answer)["input_ids"], tokenizer.eos_token_id] for row in rows]
    width, length = max(map(len, prompts)), max(map(len, answers))
    ids = torch.full((len(rows), width + length), tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        places = slice(width - len(prompt), width + len(answer))
        ids[number, places] = torch.tensor(prompt + answer)
        mask[number, places] = 1
    tensors = {"prompts": ids[:, :width], "responses": ids[:, width:], "input_ids": ids, "attention_mask": mask}
    columns = {
        "data_source": objects(["captions"] * len(rows)),
        "reward_model": objects([{"style": "rule", "ground_truth": row.reference} for row in rows]),
        "extra_info": objects([{"index": number} for number in range(len(rows))]),
        "uid": objects([str(number // ANSWERS) for number in range(len(rows))]),
        "__num_turns__": np.full(len(rows), 2),
    }
    return DataProto.from_dict(tensors=tensors, non_tensors=columns)


def rows_of(rows, totals, columns):
    """The samples with what was paid for them."""
    return [
        {
            "answer": row.answer,
            "reference": row.reference,
            "values": {"total": total, **{name: float(columns[name][number]) for name in COMPONENTS}},
        }
        for number, (row, total) in enumerate(zip(rows, totals, strict=True))
    ]


def scored(worker, rows):
    """What verl's worker returns for the samples."""
    return worker.loop.run_until_complete(worker.compute_score_batch(batch_of(rows)))


def drive(manager, rows, *, how="", path="pkg://my_reward_verl", overrides=(), router=None):
    """Score the samples with one of verl's reward managers, in the worker that verl would start in another process."""
    encoder.close()
    start_counting()
    worker = RewardLoopWorker(with_reward(manager, path, overrides), router)
    outputs = scored(worker, rows)
    infos = [output["reward_extra_info"] for output in outputs]
    columns = {name: np.array([info[name] for info in infos]) for name in COMPONENTS}
    totals = [output["reward_score"] for output in outputs]
    record(f"`RewardLoopWorker`, manager `{manager}`{how}", rows_of(rows, totals, columns))
    return worker.reward_manager.assemble_rm_scores(batch_of(rows), totals), columns


def drive_router(rows):
    """The same with the encoder behind verl's router, which has a server of ours in place of vLLM's."""
    with embedding_server(encoder=encoder) as state:
        address, process = launch_router_process([state.base_url.removesuffix("/v1")])
        try:
            how = ", encoder behind verl's router"
            drive("naive", rows, how=how, path="pkg://my_reward_verl_router", overrides=HOSTED, router=address)
        finally:
            process.terminate()
    assert {request.path for request in state.requests} == {"/v1/embeddings"}
    assert {request.body["model"] for request in state.requests} == {ENCODER}


def check_old_key():
    """`main_ppo` takes the configuration as hydra composes it: the old key is accepted, and verl's rules score."""
    config = configured("custom_reward_function.path=pkg://my_reward_verl", "custom_reward_function.name=compute_score")
    manager = load_reward_manager(config, tokenizer=None)
    assert manager.compute_score is default_compute_score, manager.compute_score


def check_needs_plus(override):
    """Verl's configuration lacks a key, so that the page's plus sign is needed."""
    configured(f"+{override}")
    try:
        configured(override)
    except ConfigCompositionException:
        return
    raise AssertionError(f"verl's configuration has the key of {override}: the page's plus sign is wrong")


def check_remote_refuses_coroutines():
    """The manager `remote` refuses the function without `synchronous=True`."""
    try:
        load_reward_manager(with_reward("remote"), tokenizer=None)
    except AssertionError as error:
        assert "Async" in str(error), error  # noqa: PT017 - no pytest here
        return
    raise AssertionError("`remote` takes coroutine functions")


def check_failing_reward(rows):
    """`reward_kwargs` are an error, which `rate_limited` turns into a 0."""
    overrides = ["+reward.custom_reward_function.reward_kwargs.tau=0.5"]
    workers = {name: RewardLoopWorker(with_reward(name, overrides=overrides)) for name in ("naive", "rate_limited")}
    (output,) = scored(workers["rate_limited"], rows[:1])
    assert output["reward_score"] == 0.0, output
    assert "`reward_kwargs` must be empty" in output["reward_extra_info"]["error"], output
    try:
        scored(workers["naive"], rows[:1])
    except ArgumentError:
        return
    raise AssertionError("`naive` hides the errors of a reward")


def gdpo_advantages(batch, scores, columns):
    """The advantages that GDPO computes from the components."""
    config = AlgoConfig(gdpo_reward_keys=COMPONENTS, gdpo_reward_weights=[1.5, 1.0])
    mask = batch.batch["attention_mask"][:, batch.batch["prompts"].shape[1] :].float()
    advantages, _ = compute_gdpo_outcome_advantage(
        scores, mask, batch.non_tensor_batch["uid"], config=config, non_tensor_batch=columns, batch=batch.batch
    )
    return advantages


def check_gdpo(rows):
    """GDPO's advantages are finite, and not all alike; one component that is `None` spoils them."""
    scores, columns = drive("gdpo", rows)
    advantages = gdpo_advantages(batch_of(rows), scores, columns)
    assert torch.isfinite(advantages).all()
    assert advantages.std() > 0
    columns[COMPONENTS[0]][0] = np.nan  # what the adapter makes of `None`
    assert not torch.isfinite(gdpo_advantages(batch_of(rows), scores, columns)).all()


def main():
    """The statements about the configuration, then every manager."""
    assert OmegaConf.select(configured(), "reward.num_workers") == 8
    check_old_key()
    check_needs_plus(f"algorithm.gdpo_reward_keys=[{','.join(COMPONENTS)}]")
    check_needs_plus("reward.max_concurrent=64")
    check_remote_refuses_coroutines()
    rows = samples()
    drive_router(rows)
    drive("naive", rows)
    drive("dapo", rows, how=", module by its file", path=my_reward_verl.__file__)
    drive("rate_limited", rows)
    check_failing_reward(rows)
    check_gdpo(rows)


if __name__ == "__main__":
    main()
