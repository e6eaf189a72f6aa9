"""slime: a function for `--custom-rm-path`, with and without `--group-rm`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from semreward.integrations.scoring import END_TOKENS, SCORE, Adapter, OnNone, as_composite, call_of
from semreward.protocols import RewardFunction


def slime_reward(
    reward: RewardFunction,
    *,
    reference_column: str = "reference",
    on_none: OnNone = "raise",
    end_tokens: Sequence[str] = END_TOKENS,
) -> Callable[..., Awaitable[Any]]:
    """A reward as slime's `custom_rm(args, sample)`.

    `sample.label` is the reward's reference; the entries of `sample.metadata` are further columns. End tokens are
    removed from `sample.response`, which has them unless slime runs with `--rollout-skip-special-tokens`.

    Args:
        reward: Any reward of this package, or any callable in TRL's convention.
        reference_column: The reward's column that the label fills, unless it is empty and the metadata has it.
        on_none: What a sample earns to which the reward does not apply: a finite number, or an error.
        end_tokens: What a response may end with; give your model's own where the default lacks them.

    Returns:
        An async function. For a sample it returns a float, or, where slime runs with `--reward-key score`, a dictionary
        of `score` and each component, before its weight, NaN where it does not apply; a list of these for a list of
        samples (`--group-rm`).

    Raises:
        ArgumentError: A component is called `score`; at a call: the reward does not apply and `on_none="raise"`.

    Source:
        THUDM/slime, slime/rollout/rm_hub/__init__.py, slime/utils/types.py

    Example:
        >>> from types import SimpleNamespace
        >>> from semreward import LanguageConsistencyReward
        >>> custom_rm = slime_reward(LanguageConsistencyReward("bo"))
        >>> sample = SimpleNamespace(prompt="Translate", response="བོད་ཡིག<|im_end|>", label="བོད་ཡིག", metadata={})
        >>> asyncio.run(custom_rm(SimpleNamespace(reward_key=None), sample))
        1.0
    """
    options: dict[str, Any] = {"on_none": on_none, "end_tokens": end_tokens}
    return _Slime(as_composite(reward), reference_column=reference_column, **options)


class _Slime(Adapter):
    async def __call__(self, args: Any, sample: Any, **_: Any) -> Any:
        """Score a sample, or a list of them."""
        if isinstance(sample, list):
            return list(await asyncio.gather(*(self(args, one) for one in sample)))
        columns = self.columns(sample.metadata if isinstance(sample.metadata, Mapping) else {}, sample.label)
        row = await self.row(call_of(self.answer(sample.response), columns, prompts=sample.prompt))
        return row if getattr(args, "reward_key", None) else row[SCORE]
