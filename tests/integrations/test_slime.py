"""slime's calls, replayed.

Facts: THUDM/slime, slime/rollout/rm_hub/__init__.py (`async_rm`, `batched_async_rm`, commit 0b420f1e),
slime/utils/types.py (`Sample`, `get_reward_value`, 0d234f3e) and slime/rollout/sglang_rollout.py (`generate_and_rm`,
0044b40d).
"""

import asyncio
import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from integrations.rewards import (
    BO,
    OTHER_BO,
    Listener,
    similarity_alone,
    usual,
)
from semreward import ChrfReward, LanguageConsistencyReward
from semreward.integrations.slime import slime_reward

END = "<|im_end|>"  # slime keeps special tokens, and the one that stops, unless told otherwise


@dataclass
class Sample:
    response: str = ""
    label: Any = BO
    prompt: Any = "红色的房子"
    metadata: dict = field(default_factory=dict)
    reward: Any = None

    def reward_value(self, args):
        return self.reward if not args.reward_key else self.reward[args.reward_key]


def run(custom_rm, samples, *, reward_key=None, group_rm=False):
    """A rollout: one call a sample, all at once, or one call with the group."""
    args = SimpleNamespace(reward_key=reward_key, group_rm=group_rm)

    async def score():
        if group_rm:
            return await custom_rm(args, samples)
        return await asyncio.gather(*(custom_rm(args, sample) for sample in samples))

    for sample, reward in zip(samples, asyncio.run(score()), strict=True):
        sample.reward = reward
    return [sample.reward_value(args) for sample in samples]


def score(reward, *samples, **options):
    return run(slime_reward(reward, **options), list(samples))


@pytest.mark.parametrize("group_rm", [False, True])
@pytest.mark.parametrize("reward_key", [None, "score"])
def test_samples_earn_what_the_reward_pays(group_rm, reward_key):
    answers = [BO, OTHER_BO, "Tibetan", ""]
    samples = [Sample(answer + END) for answer in answers]
    found = run(slime_reward(usual()), samples, reward_key=reward_key, group_rm=group_rm)
    assert found == pytest.approx(usual()(completions=answers, reference=[BO] * 4))


def test_with_a_reward_key_each_component_is_there():
    sample = Sample(BO + END, label=None)
    run(slime_reward(usual(on_missing="none")), [sample], reward_key="score")
    assert (sample.reward["score"], sample.reward["language_consistency"]) == (1.0, 1.0)
    assert math.isnan(sample.reward["semantic_similarity"])


def test_a_component_can_be_the_reward_key():
    assert run(slime_reward(usual()), [Sample("x" + END)], reward_key="language_consistency") == [0.0]


def test_end_tokens_are_no_foreign_letters():
    assert score(LanguageConsistencyReward("bo"), Sample(BO + END)) == [1.0]


def test_prompt_and_metadata_are_columns():
    listener = Listener()
    score(listener, Sample(BO, metadata={"lang": "bo"}))
    assert (listener.calls[0]["prompts"], listener.calls[0]["lang"]) == (["红色的房子"], ["bo"])


def test_metadata_may_be_absent():
    assert score(similarity_alone(), Sample(BO, metadata=None)) == pytest.approx([1.0])


def test_the_label_fills_the_named_column():
    assert score(ChrfReward(reference_column="target"), Sample(BO), reference_column="target") == [1.0]


def test_the_sample_stays_as_it_is():
    sample = Sample(BO + END, metadata={"reference": "old"})
    asyncio.run(slime_reward(usual())(SimpleNamespace(reward_key=None), sample, evaluation=True))
    assert sample == Sample(BO + END, metadata={"reference": "old"})


def test_an_empty_group_has_no_rewards():
    assert run(slime_reward(usual()), [], group_rm=True) == []
