"""What holds for every adapter, each called once as its trainer calls it; the other files replay the trainers."""

import asyncio
from types import SimpleNamespace

import pytest

from integrations.rewards import BO, OTHER_BO, async_trl_style, failing, similarity_alone, trl_style, usual
from semreward.errors import ArgumentError, ArgumentTypeError, MissingColumnError
from semreward.integrations.areal import areal_reward
from semreward.integrations.openrlhf import openrlhf_reward
from semreward.integrations.slime import slime_reward
from semreward.integrations.swift import swift_reward
from semreward.integrations.verifiers import rubric_reward, task_reward
from semreward.integrations.verl import verl_reward

PROMPT = "<|im_start|>user\n红色的房子<|im_end|>\n<|im_start|>assistant\n"


def areal(reward, answer, truth=BO, **options):
    return areal_reward(reward, **options)("p", answer, [1], [2], reference=truth)


def openrlhf(reward, answer, truth=BO, **options):
    return openrlhf_reward(reward, **options)([PROMPT + answer], [PROMPT], [truth])["rewards"].item()


def rubric(reward, answer, truth=BO, **options):
    return asyncio.run(rubric_reward(reward, **options)(completion=answer, answer=truth))


def slime(reward, answer, truth=BO, **options):
    sample = SimpleNamespace(prompt="p", response=answer, label=truth, metadata={})
    return asyncio.run(slime_reward(reward, **options)(SimpleNamespace(reward_key=None), sample))


def swift(reward, answer, truth=BO, **options):
    return swift_reward(reward, **options)()([answer], reference=[truth])[0]


def task(reward, answer, truth=BO, **options):
    return asyncio.run(
        task_reward(reward, **options)(SimpleNamespace(reference=truth), SimpleNamespace(last_reply=answer))
    )


def verl(reward, answer, truth=BO, **options):
    return asyncio.run(verl_reward(reward, **options)("captions", answer, truth))["score"]


every_adapter = pytest.mark.parametrize("pay", [areal, openrlhf, rubric, slime, swift, task, verl])


@every_adapter
@pytest.mark.parametrize("answer", [BO, OTHER_BO, "Tibetan", "", f"<think>in English</think>{BO}"])
def test_a_sample_earns_what_the_reward_pays(pay, answer):
    assert pay(usual(), answer) == pytest.approx(usual()(completions=[answer], reference=[BO])[0])


@every_adapter
@pytest.mark.parametrize("reward", [trl_style, async_trl_style])
def test_any_trl_reward_is_taken(pay, reward):
    assert (pay(reward, BO), pay(reward, "x")) == (1.0, 0.0)


@every_adapter
def test_an_error_of_the_reward_is_raised(pay):
    with pytest.raises(RuntimeError, match="out of order"):
        pay(failing, BO)


@every_adapter
def test_a_missing_reference_is_an_error(pay):
    with pytest.raises(ArgumentError, match="`reference` must be a non-empty string"):
        pay(similarity_alone(), BO, None)


@every_adapter
def test_a_wrong_reference_column_is_an_error_that_lists_the_columns(pay):
    with pytest.raises(MissingColumnError, match=r"column `target` is missing .*reference"):
        pay(similarity_alone(reference_column="target"), BO)


@every_adapter
def test_a_sample_to_which_the_reward_does_not_apply_needs_a_number(pay):
    reward = similarity_alone(on_missing="none")
    with pytest.raises(ArgumentError, match="`on_none` must be a number where the reward does not apply"):
        pay(reward, BO, None)
    assert pay(reward, BO, None, on_none=-0.5) == -0.5


@every_adapter
def test_a_class_is_refused(pay):
    with pytest.raises(ArgumentTypeError, match="must be a reward, got the class"):
        pay(SimpleNamespace, BO)
