"""verl: a coroutine function for `reward.custom_reward_function`, one sample a call."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from semreward.errors import ArgumentError
from semreward.integrations.scoring import Adapter, OnNone, as_composite, call_of
from semreward.protocols import RewardFunction

# What verl adds to a call where it also runs a reward model.
_OF_REWARD_MODELS = frozenset({"reward_router_address", "reward_model_tokenizer"})


def verl_reward(
    reward: RewardFunction, *, reference_column: str = "reference", on_none: OnNone = "raise"
) -> Callable[..., Awaitable[dict[str, float]]]:
    """A reward as verl's `compute_score(data_source, solution_str, ground_truth, extra_info)`.

    `ground_truth` is the reward's reference; `data_source` and the entries of `extra_info`, which is not changed, are
    further columns. Samples that are under way together share the encoder's forward passes.

    Args:
        reward: Any reward of this package, or any callable in TRL's convention.
        reference_column: The reward's column that `ground_truth` fills, unless it is empty and `extra_info` has it.
        on_none: What a sample earns to which the reward does not apply: a finite number, or an error.

    Returns:
        A coroutine function (a bound method, which pickles if the reward does). Its results have the same keys always:
        `score`, and each component by name, before its weight. A component that does not apply is NaN, which is not 0,
        and which verl's GDPO has no use for.

    Raises:
        ArgumentError: A component is called `score`; at a call: the reward does not apply and `on_none="raise"`, or
            the configuration sets `reward_kwargs`.

    Source:
        verl-project/verl, verl/experimental/reward_loop/reward_manager/naive.py, verl/trainer/ppo/reward.py

    Example:
        >>> import asyncio
        >>> from semreward import LanguageConsistencyReward
        >>> compute_score = verl_reward(LanguageConsistencyReward("bo"))
        >>> asyncio.run(compute_score("captions", "བོད་ཡིག", ground_truth="བོད་ཡིག", extra_info={"index": 0}))
        {'score': 1.0, 'language_consistency': 1.0}
    """
    return _Verl(as_composite(reward), reference_column=reference_column, on_none=on_none).compute_score


class _Verl(Adapter):
    """Its method is what verl takes, because verl awaits only what `inspect.iscoroutinefunction` says yes to."""

    async def compute_score(
        self,
        data_source: Any,
        solution_str: str,
        ground_truth: Any = None,
        extra_info: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> dict[str, float]:
        """Score one sample."""
        if unknown := settings.keys() - _OF_REWARD_MODELS:
            raise ArgumentError(
                f"`reward_kwargs` must be empty, got {', '.join(sorted(unknown))}; set the reward up in the module "
                "that calls `verl_reward`"
            )
        columns = self.columns({"data_source": data_source, **(extra_info or {})}, ground_truth)
        return await self.row(call_of(solution_str, columns))
