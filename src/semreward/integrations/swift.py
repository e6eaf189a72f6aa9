"""ms-swift: a class for its table of reward functions, or an instance for its trainers."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar

from semreward.arguments import is_column
from semreward.integrations.scoring import SCORE, Adapter, OnNone
from semreward.protocols import Completion, RewardFunction
from semreward.rewards.calling import reward_name


def swift_reward(reward: RewardFunction, *, on_none: OnNone = "raise") -> type["SwiftReward"]:
    """A reward as a class for ms-swift's `orms`; an instance of it is a reward function for its trainers.

    It has the reward's name, because ms-swift logs a reward function under the name of its class. The last assistant
    message cannot be the reference, because ms-swift removes it. It sums a row of `None` to 0. Arguments: see
    `semreward.integrations`.

    Source:
        modelscope/ms-swift, swift/rewards/orm.py, swift/rl_core/grpo_algorithm.py
    """
    adapter = Adapter(reward, on_none=on_none)
    return type(reward_name(reward), (SwiftReward,), {"adapter": adapter, "__doc__": SwiftReward.__doc__})


class SwiftReward:
    """A reward function as ms-swift creates and calls one; see `swift_reward`."""

    adapter: ClassVar[Adapter]

    def __init__(self, args: Any = None, **_: Any) -> None:
        self.args = args

    def __call__(self, completions: Sequence[Completion], **columns: Any) -> list[float]:
        """Score `N` completions: a finite float each."""
        ids: Any = columns.get("response_token_ids")
        messages: Any = columns.get("messages")
        if is_column(ids):
            columns.setdefault("completion_ids", [_flat(row) for row in ids])
        if is_column(messages):
            columns.setdefault("prompts", [row[:-1] for row in messages])
        return [row[SCORE] for row in self.adapter.rows({**columns, "completions": completions})]


def _flat(ids: Any) -> Any:
    """Token ids of one completion in one list; its turns may be lists of their own."""
    return list(chain.from_iterable(ids)) if is_column(ids) and len(ids) and is_column(ids[0]) else ids
