"""Calls any reward on rows of an audit, components included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semreward.arguments import is_column
from semreward.audit.attacks import AuditRow
from semreward.errors import ArgumentError
from semreward.protocols import RewardFunction
from semreward.rewards.calling import reward_name
from semreward.rewards.composite import TOTAL, CompositeReward

# What trainers pass beside the columns of the data set; `prompt` becomes `prompts`.
_RESERVED = frozenset({"completions", "prompts", "completion_ids", "trainer_state", "log_metric", "log_extra"})


def figure(value: float | np.floating[Any]) -> float:
    """A value to nine digits, as reports hold it: the order of a sum must not show."""
    return float(f"{value:.9g}")


@dataclass(frozen=True)
class Scored:
    """Rewards of the answers to `N` rows, `total`, and the values of a composite's components, `parts`.

    Arrays have the shape (N,), with NaN where a row has no answer or the reward is `None`.
    """

    total: NDArray[np.float64]
    parts: Mapping[str, NDArray[np.float64]]

    @property
    def valued(self) -> NDArray[np.bool_]:
        """Which rows have a reward, shape (N,)."""
        return ~np.isnan(self.total)

    def means(self, rows: NDArray[np.bool_]) -> dict[str, float]:
        """Each component's mean over some rows, without those that have no value there."""
        chosen = {name: values[rows] for name, values in self.parts.items()}
        return {name: figure(np.nanmean(values)) for name, values in chosen.items() if not np.isnan(values).all()}


class Scorer:
    """A reward and the rows of an audit. A composite calls any reward, awaits what is async, and checks the values."""

    def __init__(self, reward: RewardFunction, rows: Sequence[AuditRow]) -> None:
        self._rows = rows
        self._is_composite = isinstance(reward, CompositeReward)
        self._reward = reward if isinstance(reward, CompositeReward) else CompositeReward([(reward, 1.0)])
        self._names = dict.fromkeys(name for row in rows for name in row.columns)
        if reserved := _RESERVED & self._names.keys():
            raise ArgumentError(f"`pairs` must not have the column {min(reserved)!r}, trainers reserve it")
        prompts: list[Any] = [row.columns.get("prompt") for row in rows]
        self._is_chat = any(is_column(prompt) and len(prompt) > 0 for prompt in prompts)

    @property
    def mode(self) -> str | None:
        """A composite's mode; `None` for another reward."""
        return self._reward.mode if self._is_composite else None

    @property
    def weights(self) -> dict[str, float]:
        """Weights of a composite's components; empty for another reward."""
        return {reward_name(part): weight for part, weight in self._reward.components if self._is_composite}

    def without_gates(self) -> "Scorer":
        """The same rows under a composite's sum."""
        if self.mode != "gate":
            return self
        return Scorer(self._reward.replace(mode="sum", gates=(), gate_threshold=0.0, floor=None), self._rows)

    def score(
        self, answers: Sequence[str | None], rows: Sequence[AuditRow] | None = None, *, judged_by: str = "reference"
    ) -> Scored:
        """Score one answer per row (of the audit, if `rows` does not name others) in one call, `None` for no answer.

        `judged_by` is the column that takes the place of the reference.
        """
        rows = self._rows if rows is None else rows
        answered = np.array([answer is not None for answer in answers], dtype=np.bool_)
        values = {TOTAL: np.full(len(answers), np.nan)}
        if answered.any():
            asked = [row for row, answer in zip(rows, answers, strict=True) if answer is not None]
            texts = [answer for answer in answers if answer is not None]
            for name, column in self._reward.breakdown(**self._call(texts, asked, judged_by)).items():
                values[name] = np.full(len(answers), np.nan)
                values[name][answered] = column
        total = values.pop(TOTAL)
        return Scored(total, values if self._is_composite else {})

    def _call(self, texts: Sequence[str], rows: Sequence[AuditRow], judged_by: str) -> dict[str, Any]:
        call: dict[str, Any] = {name: [row.columns.get(name) for row in rows] for name in self._names}
        prompts = call.pop("prompt", [])
        call["reference"] = [row.columns.get(judged_by) for row in rows]
        if any(prompt is not None for prompt in prompts):
            call["prompts"] = prompts
        chats = [[{"role": "assistant", "content": text}] for text in texts]
        return {**call, "completions": chats if self._is_chat else texts}
