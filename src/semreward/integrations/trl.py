"""TRL's trainers that know no missing rewards: OnlineDPO sums them to 0, A2PO fails. The others need no adapter."""

from typing import Any

from semreward.integrations.scoring import Adapter
from semreward.rewards.calling import reward_name


class NumericReward(Adapter):
    """A reward in TRL's convention that never returns `None`; arguments: see `semreward.integrations`.

    Source:
        huggingface/trl, trl/experimental/online_dpo/online_dpo_trainer.py (`_calculate_rewards_from_functions`)
    """

    @property
    def __name__(self) -> str:
        return reward_name(self.reward)

    def __call__(self, **call: Any) -> list[float]:
        """Score `N` completions: a finite float each."""
        return self.values(call)
