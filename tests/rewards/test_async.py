"""Rewards whose `__call__` is a coroutine."""

import asyncio
import dataclasses
import inspect
import os
import pickle
import threading
import time

import pytest

from doubles import BigramEncoder, SleepyEncoder
from semreward import CompositeReward, LanguageConsistencyReward, SemanticSimilarityReward
from semreward.encoders.engine import close_engine
from semreward.errors import MissingColumnError
from semreward.rewards.calling import is_async, reward_name

ROWS = {"completions": ["one answer", "another", ""], "reference": ["one answer", "one answer", "one answer"]}


@pytest.fixture
def reward():
    return SemanticSimilarityReward(BigramEncoder(), threshold=0.1)


def test_an_async_reward_gives_the_rewards_values(reward):
    assert asyncio.run(reward.as_async()(**ROWS)) == reward(**ROWS)


def test_trainers_take_it_for_async(reward):
    assert inspect.iscoroutinefunction(reward.as_async().__call__)
    assert is_async(reward.as_async())


def test_an_async_reward_keeps_its_name(reward):
    assert reward_name(reward.replace(name="mine").as_async()) == "mine"


def test_an_async_reward_pickles(reward):
    copy = pickle.loads(pickle.dumps(reward.as_async()))
    assert copy == reward.as_async()
    assert asyncio.run(copy(**ROWS)) == reward(**ROWS)


def test_an_async_reward_is_immutable(reward):
    with pytest.raises(dataclasses.FrozenInstanceError):
        reward.as_async().reward = None


def test_an_async_reward_has_the_rewards_signature(reward):
    assert reward.as_async().signature() == reward.signature()


def test_a_composite_renders_an_async_component_as_the_reward(reward):
    assert reward.signature() in CompositeReward([(reward.as_async(), 1.0)]).signature()


def test_a_composite_awaits_an_async_component(reward):
    language = LanguageConsistencyReward("en")
    plain = CompositeReward([(reward, 1.0), (language, 1.0)])
    mixed = CompositeReward([(reward.as_async(), 1.0), (language.as_async(), 1.0)])
    assert mixed(**ROWS) == plain(**ROWS)


def test_a_composite_awaits_an_async_component_inside_a_running_loop(reward):
    async def notebook():
        return CompositeReward([(reward.as_async(), 1.0)])(**ROWS)

    assert asyncio.run(notebook()) == reward(**ROWS)


def test_an_async_composite_gives_the_composites_values(reward):
    composite = CompositeReward([(reward, 1.5), (LanguageConsistencyReward("en"), 1.0)])
    assert asyncio.run(composite.as_async()(**ROWS)) == composite(**ROWS)


def test_an_error_reaches_who_awaits(reward):
    with pytest.raises(MissingColumnError, match="reference"):
        asyncio.run(reward.as_async()(completions=["a"]))


def test_an_async_reward_logs(reward):
    logged = {}
    asyncio.run(reward.as_async()(**ROWS, log_metric=logged.__setitem__))
    assert "semantic_similarity/similarity" in logged


@pytest.fixture
def slow(request):
    """An encoder whose forward pass takes a while."""
    encoder = SleepyEncoder(name=request.node.name, batch_size=256)
    yield encoder
    close_engine(encoder)


def test_the_loop_stays_free_while_a_reward_is_computed(slow):
    reward = SemanticSimilarityReward(slow, threshold=0.1).as_async()

    async def watch():
        task = asyncio.ensure_future(reward(completions=["a"], reference=["b"]))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1
        return ticks

    assert asyncio.run(watch()) >= 3


def test_samples_that_are_awaited_together_share_forward_passes(slow):
    reward = SemanticSimilarityReward(slow, threshold=0.1).as_async()

    async def score_all():
        calls = (reward(completions=[f"answer {number}"], reference=["reference"]) for number in range(64))
        return await asyncio.gather(*calls)

    values = asyncio.run(score_all())
    assert len(values) == 64
    assert len(slow.batches[slow.name]) <= 16


def test_async_rewards_inside_async_rewards_do_not_wait_for_each_other(reward):
    nested = CompositeReward([(CompositeReward([(reward.as_async(), 1.0)], name="inner").as_async(), 1.0)]).as_async()

    async def score_all():
        return await asyncio.wait_for(asyncio.gather(*(nested(**ROWS) for _ in range(300))), timeout=60)

    assert asyncio.run(score_all()) == [reward(**ROWS)] * 300


def test_a_cancelled_call_ends_at_once(slow):
    reward = SemanticSimilarityReward(slow, threshold=0.1).as_async()

    async def cancel():
        task = asyncio.ensure_future(reward(completions=["a"], reference=["b"]))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await reward(completions=["c"], reference=["c"])

    assert asyncio.run(cancel()) == pytest.approx([1.0])


def test_calls_do_not_run_in_the_loops_thread():
    threads = []

    class Where(BigramEncoder):
        def encode(self, texts, /):
            threads.append(threading.get_ident())
            return super().encode(texts)

    encoder = Where()
    asyncio.run(SemanticSimilarityReward(encoder, threshold=0.1).as_async()(completions=["a"], reference=["b"]))
    close_engine(encoder)
    assert threading.get_ident() not in threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_awaits_with_threads_of_its_own(reward):
    expected = asyncio.run(reward.as_async()(**ROWS))
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(reward.as_async()(**ROWS)) == expected else 1)
    deadline = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended == (child, 0)
