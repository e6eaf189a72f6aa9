"""Calls of verifiers, replayed: of its legacy rubric, and of the hooks of a v1 task.

Facts: PrimeIntellect-ai/verifiers, verifiers/legacy/rubrics/rubric.py (commit 91d4f69e), verifiers/legacy/types.py
(089cca95), verifiers/v1/task.py (`score`, 008eef40), verifiers/v1/utils/loaders.py (`load_hook`, 05071909),
verifiers/v1/utils/decorators.py (`invoke`, 47d0f4c1) and verifiers/v1/trace.py (`last_reply`, 00eee6c6).
"""

import asyncio
import functools
import inspect
import logging
from types import SimpleNamespace
from typing import get_origin

import pytest

from integrations.rewards import (
    BO,
    OTHER_BO,
    Listener,
    failing,
    similarity_alone,
    trl_style,
    usual,
)
from semreward import ChrfReward
from semreward.errors import MissingColumnError
from semreward.integrations.verifiers import rubric_reward, task_reward
from semreward.rewards.guards import SourceCopyGuard

PLURALS = {"states", "prompts", "completions", "answers", "tasks", "infos"}


class Message:
    """A message of verifiers: attributes and a few ways of a mapping, without being one."""

    def __init__(self, role, content):
        self.role, self.content = role, content

    def __getitem__(self, key):
        return getattr(self, key)

    def model_dump(self):
        return {"role": self.role, "content": self.content}


class Rubric:
    """A legacy rubric: arguments by name, groups told by plural names, errors paid with 0."""

    def __init__(self, *funcs):
        self.funcs = funcs
        self.log = logging.getLogger("verifiers.rubric")

    @staticmethod
    def is_group_function(func):
        signature = inspect.signature(func)
        returned = signature.return_annotation
        return bool(PLURALS & signature.parameters.keys()) or returned is list or get_origin(returned) is list

    async def call(self, func, state):
        objects = {
            **state["fields"],
            "prompt": state["prompt"],
            "completion": state["completion"],
            "answer": state.get("answer", ""),
            "state": state,
            "info": state.get("info", {}),
            "parser": object(),
            "task": None,
        }
        parameters = inspect.signature(func).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            objects = {name: value for name, value in objects.items() if name in parameters}
        try:
            result = func(**objects)
            return float(await result if inspect.isawaitable(result) else result)
        except Exception as error:  # noqa: BLE001 - as the rubric does
            self.log.error("Error calling reward function %s: %s", func.__name__, error)  # noqa: TRY400
            return 0.0

    async def score_group(self, states):
        for func in self.funcs:
            assert not self.is_group_function(func)
            scores = await asyncio.gather(*(self.call(func, state) for state in states))
            for state, value in zip(states, scores, strict=True):
                state.setdefault("metrics", {})[func.__name__] = value


def state(answer_text, answer=BO, *, info=None, **fields):
    return {
        "prompt": [Message("user", "红色的房子")],
        "completion": [Message("assistant", answer_text)],
        "answer": answer,
        "info": info or {},
        "fields": fields,
    }


def rubric_scores(reward, *states, **options):
    func = rubric_reward(reward, **options)
    asyncio.run(Rubric(func).score_group(states))
    return [one["metrics"][func.__name__] for one in states]


def test_rollouts_earn_what_the_reward_pays():
    answers = [BO, OTHER_BO, "Tibetan", ""]
    expected = usual()(completions=answers, reference=[BO] * 4)
    assert rubric_scores(usual(), *map(state, answers)) == pytest.approx(expected)


@pytest.mark.parametrize("reward", [usual(), trl_style])
def test_it_is_a_function_of_single_rollouts(reward):
    assert not Rubric.is_group_function(rubric_reward(reward))


@pytest.mark.parametrize(("reward", "name"), [(usual(), "composite"), (trl_style, "trl_style")])
def test_it_is_logged_under_the_rewards_name(reward, name):
    assert rubric_reward(reward).__name__ == name


def test_messages_are_mappings_for_the_reward():
    listener = Listener()
    rubric_scores(listener, state(BO))
    assert listener.calls[0]["completions"] == [[{"role": "assistant", "content": BO}]]
    assert listener.calls[0]["prompts"] == [[{"role": "user", "content": "红色的房子"}]]


def test_fields_of_the_row_and_of_info_are_columns():
    listener = Listener()
    rubric_scores(listener, state(BO, info={"lang": "bo"}, example=3))
    assert (listener.calls[0]["lang"], listener.calls[0]["example"]) == (["bo"], [3])


def test_objects_of_the_rubric_are_no_columns():
    listener = Listener()
    rubric_scores(listener, state(BO))
    assert not {"state", "parser", "task", "info", "answer"} & listener.calls[0].keys()


def test_the_answer_fills_the_named_column():
    assert rubric_scores(ChrfReward(reference_column="target"), state(BO), reference_column="target") == [1.0]


def test_a_reference_in_info_is_found_where_there_is_no_answer():
    assert rubric_scores(similarity_alone(), state(BO, "", info={"reference": BO})) == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("reward", "answer", "message"),
    [
        (failing, BO, "out of order"),
        (similarity_alone(), "", "`reference` must be a non-empty string"),
        (similarity_alone(reference_column="target"), BO, "column `target` is missing"),
        (similarity_alone(on_missing="none"), "", "`on_none` must be a number"),
    ],
    ids=["raising", "missing", "wrong column", "does not apply"],
)
def test_an_error_that_a_rubric_pays_with_zero_is_logged_with_its_traceback(reward, answer, message, caplog):
    assert rubric_scores(reward, state(BO, answer)) == [0.0]
    ours = [record for record in caplog.records if record.name.startswith("semreward")]
    assert [record.levelno for record in ours] == [logging.ERROR]
    assert "the rollout is paid 0" in ours[0].getMessage()
    assert message in str(ours[0].exc_info[1])


def hook(function, name):
    """What v1 makes of a function that a task's configuration names."""

    @functools.wraps(function)
    async def wrapped(*args, **kwargs):
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    wrapped.__name__ = name
    wrapped.reward = True
    return wrapped


def task_scores(reward, *pairs, **options):
    """Score pairs of a task's data and a trace, each hook invoked with the arguments that its signature names."""
    fn = hook(task_reward(reward, **options), "semantic")

    async def gather():
        parameters = inspect.signature(fn).parameters
        assert "runtime" not in parameters
        calls = [{"task": task, "trace": trace, "runtime": object()} for task, trace in pairs]
        chosen = [{name: value for name, value in call.items() if name in parameters} for call in calls]
        return await asyncio.gather(*(fn(**call) for call in chosen))

    return [float(value) for value in asyncio.run(gather())]


class Data:
    """Data of a v1 task: fields as attributes, those that its class does not name in `model_extra`."""

    def __init__(self, prompt="红色的房子", model_extra=None, **fields):
        self.__dict__.update(prompt=prompt, **fields)
        self._extra = model_extra

    @property
    def model_extra(self):
        return self._extra

    @property
    def prompt_text(self):
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n\n".join(message.content for message in self.prompt or [])


def trace(reply):
    return SimpleNamespace(last_reply=reply)


def test_traces_earn_what_the_reward_pays():
    answers = [BO, OTHER_BO, "Tibetan", ""]
    found = task_scores(usual(reference_column="answer"), *((Data(answer=BO), trace(answer)) for answer in answers))
    assert found == pytest.approx(usual()(completions=answers, reference=[BO] * 4))


def test_the_hook_is_a_coroutine_function_of_task_and_trace():
    fn = task_reward(usual())
    assert inspect.iscoroutinefunction(fn)
    assert list(inspect.signature(fn).parameters) == ["task", "trace"]


def test_fields_that_a_tasks_class_does_not_name_are_columns():
    assert task_scores(similarity_alone(), (Data(model_extra={"reference": BO}), trace(BO))) == pytest.approx([1.0])


def test_the_prompt_of_messages_is_their_text():
    source = "苹果和梨都在桌子上面"
    data = Data(prompt=[Message("user", source)])
    assert task_scores(SourceCopyGuard("prompts", reference_column=None), (data, trace(source))) == [0.0]


def test_a_task_without_the_field_is_an_error_that_lists_the_fields():
    with pytest.raises(MissingColumnError, match="column `reference` is missing .*answer"):
        task_scores(similarity_alone(), (Data(answer=BO), trace(BO)))
