"""TRL's trainers that know no missing rewards: OnlineDPO sums them to 0, A2PO fails. The others need no adapter."""

from collections.abc import Callable
from typing import Any

from semreward.integrations.scoring import SCORE, Adapter, OnNone
from semreward.protocols import RewardFunction


def numeric_reward(reward: RewardFunction, *, on_none: OnNone = "raise") -> Callable[..., list[float]]:
    """A reward in TRL's convention that never returns `None`; arguments: see `semreward.integrations`.

    Source:
        huggingface/trl, trl/experimental/online_dpo/online_dpo_trainer.py (`_calculate_rewards_from_functions`)
    """
    return _Numeric(reward, on_none=on_none)


class _Numeric(Adapter):
    def __call__(self, **call: Any) -> list[float]:
        return [row[SCORE] for row in self.rows(call)]
