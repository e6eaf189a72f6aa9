"""verl's calls, replayed.

Facts: verl-project/verl, verl/trainer/ppo/reward.py (`get_custom_reward_fn`, commit 302f740f),
verl/experimental/reward_loop/reward_manager/naive.py (`run_single`, 247f1ac2), reward_loop.py (`compute_rm_score`,
19c3befa) and verl/utils/import_utils.py (`load_module`, 003422e7).
"""

import asyncio
import copy
import functools
import importlib.util
import inspect
import math
import pickle
import sys
import threading

import numpy as np
import pytest

from doubles import SleepyEncoder, returning
from integrations.rewards import (
    BO,
    OTHER_BO,
    Listener,
    similarity_alone,
    usual,
)
from semreward import ChrfReward, CompositeReward, SemanticSimilarityReward
from semreward.encoders.engine import close_engine
from semreward.errors import ArgumentError
from semreward.integrations.verl import verl_reward
from semreward.rewards.guards import SourceCopyGuard

MODULE = """
from integrations.rewards import usual
from semreward.integrations.verl import verl_reward

compute_score = verl_reward(usual())
"""


def sample(solution, truth=BO, **extra_info):
    return {"data_source": "captions", "solution_str": solution, "ground_truth": truth, "extra_info": extra_info}


async def _merged(function, settings, **arguments):
    return await function(**{**arguments, **settings})


def configured(function, **reward_kwargs):
    """What becomes of a custom reward function: a partial, async only where `inspect` says so."""
    assert inspect.iscoroutinefunction(function)
    return functools.partial(_merged, function, reward_kwargs)


async def run_single(function, data, **of_reward_model):
    """One sample: verl writes into its `extra_info` first, then awaits the function, then reads the result."""
    data["extra_info"].update(num_turns=1, rollout_reward_scores={})
    before = copy.deepcopy(data["extra_info"])
    assert inspect.iscoroutinefunction(function)  # else its coroutine would be taken for the result
    result = await function(**data, **of_reward_model)
    assert data["extra_info"] == before
    return {"reward_score": result["score"], "reward_extra_info": dict(result)}


async def gathered(function, samples, **of_reward_model):
    return await asyncio.gather(*(run_single(function, data, **of_reward_model) for data in samples))


def run_worker(function, samples, **of_reward_model):
    """A worker: one event loop, all its samples under way at once."""
    return asyncio.run(gathered(function, samples, **of_reward_model))


def assembled(outputs):
    """The controller's arrays: keys are those of the first sample, and every sample must have them."""
    infos = [output["reward_extra_info"] for output in outputs]
    columns = {key: np.array([info[key] for info in infos]) for key in infos[0]}
    return np.array([output["reward_score"] for output in outputs], dtype=np.float32), columns


def score(reward, data, **options):
    return run_worker(configured(verl_reward(reward, **options)), [data])[0]["reward_extra_info"]


def test_samples_earn_what_the_reward_pays():
    answers = [BO, OTHER_BO, "Tibetan", ""]
    scores, _ = assembled(run_worker(configured(verl_reward(usual())), [sample(answer) for answer in answers]))
    assert scores == pytest.approx(usual()(completions=answers, reference=[BO] * 4))


def test_each_component_is_a_column_of_numbers():
    _, columns = assembled(run_worker(configured(verl_reward(usual())), [sample(BO), sample("x")]))
    assert {name: values.dtype.kind for name, values in columns.items()} == {
        "score": "f",
        "semantic_similarity": "f",
        "language_consistency": "f",
    }


def test_a_component_that_does_not_apply_keeps_its_column():
    function = configured(verl_reward(usual(on_missing="none")))
    _, columns = assembled(run_worker(function, [sample(BO), sample(BO, truth=None)]))
    assert np.isnan(columns["semantic_similarity"]).tolist() == [False, True]
    assert columns["score"].tolist() == pytest.approx([2.5, 1.0])


def test_a_reward_that_does_not_apply_earns_the_given_number():
    found = score(similarity_alone(on_missing="none"), sample(BO, truth=None), on_none=-0.5)
    assert found["score"] == -0.5
    assert math.isnan(found["semantic_similarity"])


def test_the_ground_truth_may_be_an_array_of_references():
    assert score(similarity_alone(), sample(BO, truth=np.array([OTHER_BO, BO], dtype=object)))[
        "score"
    ] == pytest.approx(1.0)


def test_the_ground_truth_fills_the_named_column():
    assert score(ChrfReward(reference_column="target"), sample(BO), reference_column="target")[
        "score"
    ] == pytest.approx(1.0)


def test_extra_info_gives_further_columns():
    guard = SourceCopyGuard("source")
    assert score(guard, sample("苹果和梨都在桌子上面", source="苹果和梨都在桌子上面"))["score"] == 0.0


def test_an_empty_ground_truth_leaves_the_reference_to_extra_info():
    assert score(similarity_alone(), sample(BO, truth="", reference=BO))["score"] == pytest.approx(1.0)


def test_extra_info_may_be_absent():
    function = verl_reward(similarity_alone())
    assert asyncio.run(function("captions", BO, BO))["score"] == pytest.approx(1.0)
    assert asyncio.run(function("captions", BO, BO, None))["score"] == pytest.approx(1.0)


def test_the_data_source_is_a_column():
    listener = Listener()
    score(listener, sample(BO))
    assert listener.calls[0]["data_source"] == ["captions"]


def test_settings_of_the_configuration_are_not_ignored():
    with pytest.raises(ArgumentError, match="`reward_kwargs` must be empty, got tau"):
        run_worker(configured(verl_reward(usual()), tau=0.6), [sample(BO)])


def test_what_verl_adds_beside_a_reward_model_is_accepted():
    outputs = run_worker(
        configured(verl_reward(usual())), [sample(BO)], reward_router_address="host:1", reward_model_tokenizer=object()
    )
    assert outputs[0]["reward_score"] == pytest.approx(2.5)


def test_workers_in_threads_agree_with_one():
    answers = [BO, OTHER_BO, BO[:5], "x", ""] * 4
    function = configured(verl_reward(usual()))
    found = {}

    def work(worker):
        found[worker] = assembled(run_worker(function, [sample(answer) for answer in answers]))[0].tolist()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = usual()(completions=answers, reference=[BO] * len(answers))
    assert len(found) == 8
    assert all(values == pytest.approx(expected) for values in found.values())


def test_samples_that_are_under_way_share_forward_passes():
    encoder = SleepyEncoder(name="verl", batch_size=256)
    function = configured(verl_reward(SemanticSimilarityReward(encoder, threshold=0.1)))
    run_worker(function, [sample(f"{BO} {number}") for number in range(32)])
    passes = len(SleepyEncoder.batches["verl"])
    close_engine(encoder)
    assert passes <= 8


def test_more_samples_than_threads_do_not_wait_for_awaited_components_for_ever():
    encoder = SleepyEncoder(name="awaited", batch_size=256)
    similarity = SemanticSimilarityReward(encoder, threshold=0.1).as_async()
    function = configured(verl_reward(CompositeReward([(similarity, 1.0)])))
    samples = [sample(f"{BO} {number}") for number in range(200)]
    outputs = asyncio.run(asyncio.wait_for(gathered(function, samples), timeout=10))
    close_engine(encoder)
    assert len(outputs) == 200


def test_a_module_from_a_path_gives_a_coroutine_function_that_pickles(tmp_path):
    path = tmp_path / "my_reward.py"
    path.write_text(MODULE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("custom_module_1", path)  # and not put into sys.modules
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "custom_module_1" not in sys.modules
    again = pickle.loads(pickle.dumps(configured(module.compute_score)))
    assert run_worker(again, [sample(BO)])[0]["reward_score"] == pytest.approx(2.5)


def test_the_remote_manager_finds_no_coroutine_function():
    function = verl_reward(usual(), synchronous=True)
    assert not inspect.iscoroutinefunction(function)


def test_a_synchronous_function_returns_what_the_coroutine_function_does():
    function = pickle.loads(pickle.dumps(verl_reward(usual(), synchronous=True)))
    assert function(**sample(OTHER_BO)) == score(usual(), sample(OTHER_BO))


def test_a_synchronous_function_raises_the_errors_of_the_reward():
    with pytest.raises(ArgumentError, match="`reward_kwargs` must be empty, got tau"):
        verl_reward(usual(), synchronous=True)(**sample(BO), tau=0.6)


def test_composites_of_fixed_values_keep_their_weights():
    reward = CompositeReward([(returning(0.5, name="half"), 2.0), (returning(None, name="none"), 1.0)])
    found = score(reward, sample(BO))
    assert (found["score"], found["half"]) == (1.0, 0.5)
