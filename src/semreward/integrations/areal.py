"""AReaL: a `reward_fn` that is pickled into a process at each call."""

from collections.abc import Callable, Sequence
from typing import Any

from semreward.integrations.scoring import END_TOKENS, SCORE, Adapter, OnNone, as_composite, call_of
from semreward.protocols import RewardFunction


def areal_reward(
    reward: RewardFunction, *, on_none: OnNone = "raise", end_tokens: Sequence[str] = END_TOKENS
) -> Callable[..., float]:
    """A reward as AReaL's `reward_fn(prompt, completions, prompt_ids, completion_ids, **row)`, one sample a call.

    The row's fields are columns under their own names, so the reward's own `reference_column` names the one with the
    reference. Each process loads the encoder at its first call, and AReaL pays 0 where a call takes more than 15 s
    at each of four tries.

    Args:
        reward: Any reward of this package, or any callable in TRL's convention that pickles.
        on_none: What a sample earns to which the reward does not apply: a finite number, or an error.
        end_tokens: What a completion may end with; give your model's own where the default lacks them.

    Returns:
        A function that pickles, without weights.

    Raises:
        ArgumentError: A component is called `score`; at a call: the reward does not apply and `on_none="raise"`.

    Source:
        inclusionAI/AReaL, areal/api/reward_api.py, areal/workflow/rlvr.py
    """
    return _Areal(as_composite(reward), on_none=on_none, end_tokens=end_tokens)


class _Areal(Adapter):
    def __call__(self, prompt: Any, completions: str, prompt_ids: Any, completion_ids: Any, **row: Any) -> float:  # noqa: ARG002 - AReaL's names
        """Score one sample."""
        call = call_of(self.answer(completions), row, prompts=prompt, completion_ids=completion_ids)
        return self.rows(call)[0][SCORE]
