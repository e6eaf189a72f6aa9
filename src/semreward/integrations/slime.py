"""slime: a function for `--custom-rm-path`, with and without `--group-rm`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from semreward.integrations.scoring import SCORE, Adapter, OnNone
from semreward.protocols import RewardFunction
from semreward.text import without_end_tokens


def slime_reward(
    reward: RewardFunction, *, reference_column: str = "reference", on_none: OnNone = "raise"
) -> Callable[..., Awaitable[Any]]:
    """A reward as slime's `custom_rm(args, sample)`; arguments: see `semreward.integrations`.

    The ground truth is `sample.label`; the entries of `sample.metadata` are further columns.

    Returns:
        An async function of a sample, or of a list of samples (`--group-rm`). It returns a float per sample; with
        `--reward-key score` a dictionary of `score` and each component, before its weight, NaN where it does not apply.

    Source:
        THUDM/slime, slime/rollout/rm_hub/__init__.py, slime/utils/types.py
    """
    return _Slime(reward, reference_column=reference_column, on_none=on_none)


class _Slime(Adapter):
    async def __call__(self, args: Any, sample: Any, **_: Any) -> Any:
        if isinstance(sample, list):
            return list(await asyncio.gather(*(self(args, one) for one in sample)))
        columns = self.columns(sample.metadata if isinstance(sample.metadata, Mapping) else {}, sample.label)
        row = await self.row(without_end_tokens(sample.response), columns, prompts=sample.prompt)
        return row if getattr(args, "reward_key", None) else row[SCORE]
