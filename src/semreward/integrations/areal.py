"""AReaL: a `reward_fn` that is pickled into a process at each call."""

from collections.abc import Callable
from typing import Any

from semreward.integrations.scoring import SCORE, Adapter, OnNone
from semreward.protocols import RewardFunction
from semreward.text import without_end_tokens


def areal_reward(reward: RewardFunction, *, on_none: OnNone = "raise") -> Callable[..., float]:
    """A reward as AReaL's `reward_fn(prompt, completions, prompt_ids, completion_ids, **row)`, one sample per call.

    It pickles without weights; the row's fields are columns. Each process loads the encoder at its first call, and
    AReaL pays 0 if a call, with its wait for a free process, takes more than 15 s at each of four tries. Arguments: see
    `semreward.integrations`.

    Source:
        inclusionAI/AReaL, areal/api/reward_api.py, areal/workflow/rlvr.py
    """
    return _Areal(reward, on_none=on_none)


class _Areal(Adapter):
    def __call__(self, prompt: Any, completions: str, prompt_ids: Any, completion_ids: Any, **row: Any) -> float:  # noqa: ARG002 - AReaL's names
        answer = without_end_tokens(completions)
        return self.rows(self.call_of(answer, row, prompts=prompt, completion_ids=completion_ids))[0][SCORE]
