"""verl: a function for `reward.custom_reward_function`, one sample per call."""

from collections.abc import Callable, Mapping
from typing import Any

from semreward.errors import ArgumentError
from semreward.integrations.scoring import Adapter, OnNone
from semreward.protocols import RewardFunction
from semreward.rewards.calling import run_to_end

_OF_REWARD_MODELS = frozenset({"reward_router_address", "reward_model_tokenizer"})  # verl adds these


def verl_reward(
    reward: RewardFunction,
    *,
    reference_column: str = "reference",
    on_none: OnNone = "raise",
    synchronous: bool = False,
) -> Callable[..., Any]:
    """A reward as verl's `compute_score(data_source, solution_str, ground_truth, extra_info)`.

    `data_source` and the entries of `extra_info` are further columns. Samples that are scored at the same time share
    the encoder's batches. With `synchronous=True` it is a plain function, for `reward_manager.name=remote`, which
    refuses coroutine functions. Other arguments: see `semreward.integrations`.

    Returns:
        A coroutine function, or a plain one, that pickles if the reward does. Its results always have the same keys:
        `score`, and each component, before its weight, NaN where it does not apply.

    Source:
        verl-project/verl, verl/experimental/reward_loop/reward_manager/naive.py, verl/trainer/ppo/reward.py
    """
    adapter = _Verl(reward, reference_column=reference_column, on_none=on_none)
    return adapter.compute_score_synchronously if synchronous else adapter.compute_score


class _Verl(Adapter):
    """Its method is what verl takes: verl awaits only what `inspect.iscoroutinefunction` accepts."""

    async def compute_score(
        self,
        data_source: Any,
        solution_str: str,
        ground_truth: Any = None,
        extra_info: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> dict[str, float]:
        if unknown := sorted(settings.keys() - _OF_REWARD_MODELS):
            raise ArgumentError(f"`reward_kwargs` must be empty, got {', '.join(unknown)}; configure the reward itself")
        columns = self.columns({"data_source": data_source, **(extra_info or {})}, ground_truth)
        return await self.row(solution_str, columns)

    def compute_score_synchronously(self, *arguments: Any, **named: Any) -> dict[str, float]:
        result: dict[str, float] = run_to_end(lambda: self.compute_score(*arguments, **named))
        return result
