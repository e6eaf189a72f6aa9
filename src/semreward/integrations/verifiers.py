"""verifiers, and prime-rl with it: a function for a legacy `Rubric`, and a hook for a v1 task."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from semreward.integrations.scoring import SCORE, Adapter, OnNone, errors_logged
from semreward.protocols import RewardFunction

_OF_RUBRICS = frozenset({"state", "task", "parser"})  # what a rubric adds to a row's fields


def rubric_reward(
    reward: RewardFunction, *, reference_column: str = "reference", on_none: OnNone = "raise"
) -> Callable[..., Awaitable[float]]:
    """A reward as a function of a legacy `Rubric(funcs=[...])`, one rollout per call, logged under the reward's name.

    The ground truth is `answer`; the row's fields and the entries of `info` are further columns. Arguments: see
    `semreward.integrations`.

    Source:
        PrimeIntellect-ai/verifiers, verifiers/legacy/rubrics/rubric.py
    """
    return _Rubric(reward, reference_column=reference_column, on_none=on_none)


class _Rubric(Adapter):
    async def __call__(self, completion: Any, answer: Any = None, prompt: Any = None, **fields: Any) -> float:
        """Score one rollout. An argument with a plural name would make this a function of groups."""
        with errors_logged("the rubric", "the rollout is paid 0"):
            info = fields.pop("info", None)
            row = {name: value for name, value in fields.items() if name not in _OF_RUBRICS}
            columns = self.columns({**row, **(info if isinstance(info, Mapping) else {})}, answer)
            return (await self.row(_plain(completion), columns, prompts=_plain(prompt)))[SCORE]


def task_reward(reward: RewardFunction, *, on_none: OnNone = "raise") -> Callable[..., Awaitable[float]]:
    """A reward as a v1 reward hook, `async def fn(task, trace)`; the completion is `trace.last_reply`.

    The fields of the task's data are columns. Arguments: see `semreward.integrations`.

    Source:
        PrimeIntellect-ai/verifiers, verifiers/v1/task.py, verifiers/v1/utils/loaders.py
    """
    return _Task(reward, on_none=on_none).score


class _Task(Adapter):
    """Its method is the hook: it has a name, and its signature asks for `task` and `trace` only."""

    async def score(self, task: Any, trace: Any) -> float:
        fields = {**vars(task), **(getattr(task, "model_extra", None) or {})}  # the latter: fields without a class
        prompt = getattr(task, "prompt_text", None) or fields.get("prompt")
        return (await self.row(trace.last_reply, fields, prompts=_plain(prompt)))[SCORE]


def _plain(messages: Any) -> Any:
    """Text, or messages as mappings, for which verifiers has classes."""
    if messages is None or isinstance(messages, str):
        return messages
    return [message if isinstance(message, Mapping) else message.model_dump() for message in messages]
