"""ms-swift's calls, replayed.

Facts: modelscope/ms-swift, swift/rl_core/grpo_algorithm.py (`compute_rewards_per_func`, commit 1ed8be3c),
swift/rl_core/data.py (`to_reward_row`, 0901ee0b), swift/rewards/orm.py (0431a5d5), and `_prepare_rewards` of its
trainers.
"""

import asyncio
import inspect

import pytest
import torch

from integrations.rewards import BO, OTHER_BO, Listener, similarity_alone, trl_style, usual
from semreward import LanguageConsistencyReward
from semreward.errors import ArgumentError
from semreward.integrations.swift import swift_reward
from semreward.rewards.guards import SourceCopyGuard


def prepared(reward_class, args=None):
    """How a trainer makes a reward function of a class in its table: by the names in the constructor."""
    names = [
        name for name in inspect.signature(reward_class.__init__).parameters if name not in {"self", "args", "kwargs"}
    ]
    options = {name: getattr(args, name) for name in names if hasattr(args, name)}
    return reward_class(args=args, **options)


def logged_name(function):
    return function.__name__ if inspect.isfunction(function) else type(function).__name__


def row(answer, question="红色的房子", **extra):
    """A sample after its rollout: the last message is the answer, and the data set's columns lie beside it."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {
        "messages": messages,
        "prompt_id": "p",
        "request_id": "r",
        "finish_reason": "stop",
        "is_truncated": False,
        "rollout_infos": {},
        "response_token_ids": [1, 2],
        **extra,
    }


def rewards_per_function(rows, functions):
    """A tensor of shape (N, functions), NaN for None."""
    completions = [sample["messages"][-1]["content"] for sample in rows]
    columns = {"trainer_state": object(), **{name: [sample[name] for sample in rows] for name in rows[0]}}
    assert not any(asyncio.iscoroutinefunction(getattr(function, "__call__", None)) for function in functions)  # noqa: B004
    outputs = [function(completions, **columns) for function in functions]
    values = [[torch.nan if value is None else value for value in output] for output in outputs]
    return torch.tensor(values, dtype=torch.float32).T


def score(reward, *rows):
    return rewards_per_function(list(rows), [prepared(swift_reward(reward))])[:, 0].tolist()


def test_rows_earn_what_the_reward_pays():
    answers = [BO, OTHER_BO, "Tibetan", ""]
    expected = usual()(completions=answers, reference=[BO] * 4)
    assert score(usual(), *(row(answer, reference=BO) for answer in answers)) == pytest.approx(expected)


def test_several_functions_are_called_side_by_side():
    functions = [prepared(swift_reward(reward)) for reward in (similarity_alone(), LanguageConsistencyReward("bo"))]
    found = rewards_per_function([row(BO, reference=BO), row("x", reference=BO)], functions)
    assert found[0].tolist() == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("reward", "name"),
    [(usual(), "composite"), (similarity_alone(name="mine"), "mine"), (trl_style, "trl_style")],
)
def test_it_is_logged_under_the_rewards_name(reward, name):
    assert logged_name(prepared(swift_reward(reward))) == name


def test_two_rewards_are_two_classes():
    first, second = swift_reward(similarity_alone()), swift_reward(LanguageConsistencyReward("bo"))
    assert first(args=None)([BO], reference=[BO]) == pytest.approx([1.0])
    assert second.__name__ == "language_consistency"


def test_none_is_the_number_that_is_given():
    reward = similarity_alone(on_missing="none")
    assert swift_reward(reward, on_none=-0.5)()([BO, BO], reference=[BO, None]) == [pytest.approx(1.0), -0.5]


@pytest.mark.parametrize("ids", [[1, 2, 3], [[1, 2], [3]]], ids=["one turn", "two turns"])
def test_token_ids_are_completion_ids_in_one_list(ids):
    listener = Listener()
    score(listener, row(BO, response_token_ids=ids))
    assert listener.calls[0]["completion_ids"] == [[1, 2, 3]]


def test_rollouts_without_token_ids_have_no_completion_ids():
    listener = Listener()
    swift_reward(listener)()([BO], trainer_state=None)
    assert listener.calls[0]["completion_ids"] is None


def test_the_messages_before_the_answer_are_the_prompt():
    assert score(
        SourceCopyGuard("prompts", reference_column=None), row("苹果和梨都在桌子上面", "苹果和梨都在桌子上面")
    ) == [0.0]


def test_what_it_is_given_stays_as_it_is():
    sample = row(BO, reference=BO, response_token_ids=[[1], [2]])
    score(usual(), sample)
    assert sample == row(BO, reference=BO, response_token_ids=[[1], [2]])


def test_the_constructor_takes_what_versions_of_swift_pass():
    assert swift_reward(usual())(args=object(), tokenizer=object()).args is not None


def test_a_missing_reference_is_an_error_that_names_the_row():
    with pytest.raises(ArgumentError, match="got None at row 1"):
        score(similarity_alone(), row(BO, reference=BO), row(BO, reference=None))
