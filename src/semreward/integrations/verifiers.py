"""verifiers, and prime-rl with it: a function for a legacy `Rubric`, and a hook for a v1 task."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from semreward.integrations.scoring import SCORE, Adapter, OnNone, as_composite, call_of, loudly
from semreward.protocols import RewardFunction
from semreward.rewards.calling import reward_name

# What a rubric adds to a row's fields.
_OF_RUBRICS = frozenset({"state", "task", "parser"})


def rubric_reward(
    reward: RewardFunction, *, reference_column: str = "reference", on_none: OnNone = "raise"
) -> Callable[..., Awaitable[float]]:
    """A reward as a function of a legacy `Rubric(funcs=[...])`, one rollout a call.

    `answer` is the reward's reference; the row's fields and the entries of `info` are further columns.

    Args:
        reward: Any reward of this package, or any callable in TRL's convention.
        reference_column: The reward's column that `answer` fills, unless it is empty and another field has that name.
        on_none: What a rollout earns to which the reward does not apply: a finite number, or an error.

    Returns:
        An async function with the reward's `__name__`, under which the rubric logs it.

    Raises:
        ArgumentError: A component is called `score`; at a call: the reward does not apply and `on_none="raise"`. A
            rubric pays 0 whatever is raised; it is therefore logged as an error, with its traceback, first.

    Source:
        PrimeIntellect-ai/verifiers, verifiers/legacy/rubrics/rubric.py

    Example:
        >>> import asyncio
        >>> from semreward import LanguageConsistencyReward
        >>> func = rubric_reward(LanguageConsistencyReward("bo"))
        >>> func.__name__, asyncio.run(func(completion=[{"role": "assistant", "content": "བོད་ཡིག"}], answer="བོད"))
        ('language_consistency', 1.0)
    """
    composite, name = as_composite(reward), reward_name(reward)
    return _Rubric(composite, name=name, reference_column=reference_column, on_none=on_none)


@dataclass(frozen=True)
class _Rubric(Adapter):
    name: str = field(kw_only=True)

    @property
    def __name__(self) -> str:
        return self.name

    async def __call__(
        self, completion: Any, answer: Any = None, prompt: Any = None, info: Any = None, **fields: Any
    ) -> float:
        """Score one rollout. An argument with a plural name would make this a function of groups."""
        with loudly("the rubric", "the rollout is paid 0"):
            row = {name: value for name, value in fields.items() if name not in _OF_RUBRICS}
            columns = self.columns({**row, **(info if isinstance(info, Mapping) else {})}, answer)
            return (await self.row(call_of(_plain(completion), columns, prompts=_plain(prompt))))[SCORE]


def task_reward(reward: RewardFunction, *, on_none: OnNone = "raise") -> Callable[..., Awaitable[float]]:
    """A reward as a v1 reward hook, `async def fn(task, trace)`; the completion is `trace.last_reply`.

    The fields of the task's data are columns under their own names, so the reward's own `reference_column` names the
    one with the reference, such as `answer`. The hook's name and weight stand in the task's `rewards`.

    Args:
        reward: Any reward of this package, or any callable in TRL's convention.
        on_none: What a trace earns to which the reward does not apply: a finite number, or an error.

    Returns:
        A coroutine function.

    Raises:
        ArgumentError: A component is called `score`; at a call: the reward does not apply and `on_none="raise"`.

    Source:
        PrimeIntellect-ai/verifiers, verifiers/v1/task.py, verifiers/v1/utils/loaders.py

    Example:
        >>> import asyncio
        >>> from types import SimpleNamespace
        >>> from semreward import LanguageConsistencyReward
        >>> fn = task_reward(LanguageConsistencyReward("bo"))
        >>> asyncio.run(fn(SimpleNamespace(prompt="Translate", answer="བོད"), SimpleNamespace(last_reply="བོད་ཡིག")))
        1.0
    """
    return _Task(as_composite(reward), on_none=on_none).score


class _Task(Adapter):
    """Its method is the hook: it has a name, and `task` and `trace` are all that its signature asks for."""

    async def score(self, task: Any, trace: Any) -> float:
        """Score one trace."""
        fields = {**vars(task), **(getattr(task, "model_extra", None) or {})}  # the latter: fields without a class
        prompt = getattr(task, "prompt_text", None) or fields.get("prompt")
        return (await self.row(call_of(trace.last_reply, fields, prompts=_plain(prompt))))[SCORE]


def _plain(messages: Any) -> Any:
    """Text, or messages as mappings, for which verifiers has classes."""
    if messages is None or isinstance(messages, str):
        return messages
    return [message if isinstance(message, Mapping) else message.model_dump() for message in messages]
