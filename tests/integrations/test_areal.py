"""AReaL's calls, replayed.

Facts: inclusionAI/AReaL, areal/api/reward_api.py (`AsyncRewardWrapper`, commit 1c178042) and areal/workflow/rlvr.py
(072480e2).
"""

import asyncio
import pickle
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from integrations.rewards import BO, OTHER_BO, Listener, usual
from semreward import LanguageConsistencyReward
from semreward.integrations.areal import areal_reward


def episode(reward_fn, completion, **row):
    """One sample: the call is pickled, and its positional arguments come before the row's fields."""
    call = partial(reward_fn, "<|im_start|>user\n红色的房子", completion, [1, 2], [3, 4], **row)
    return float(pickle.loads(pickle.dumps(call))())


def test_samples_earn_what_the_reward_pays():
    answers = [BO, OTHER_BO, "Tibetan", ""]
    reward_fn = areal_reward(usual(reference_column="answer"))
    found = [episode(reward_fn, answer + "<|im_end|>", answer=BO, messages=[]) for answer in answers]
    assert found == pytest.approx(usual()(completions=answers, reference=[BO] * 4))


def test_it_runs_in_another_process():
    reward_fn = areal_reward(LanguageConsistencyReward("bo"))

    async def run(pool):
        call = partial(reward_fn, "p", BO + "<|im_end|>", [1], [2], answer=BO)
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    with ProcessPoolExecutor(1) as pool:
        assert asyncio.run(run(pool)) == 1.0


def test_its_pickle_is_small():
    reward = usual()
    reward(completions=[BO], reference=[BO])
    assert len(pickle.dumps(areal_reward(reward))) < 3000


def test_prompt_and_token_ids_are_handed_on():
    listener = Listener()
    areal_reward(listener)("p", BO, [1, 2], [3, 4], answer=BO)
    assert (listener.calls[0]["prompts"], listener.calls[0]["completion_ids"]) == (["p"], [[3, 4]])
