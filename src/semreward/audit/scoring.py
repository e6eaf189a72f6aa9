"""One way to call any reward on chosen rows of an audit, components included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semreward.audit.attacks import AuditRow
from semreward.errors import ArgumentError
from semreward.protocols import Completion, RewardFunction
from semreward.rewards.base import is_column
from semreward.rewards.calling import reward_name
from semreward.rewards.composite import TOTAL, CompositeReward
from semreward.shaping import weighted_sum

# What trainers pass beside the data set's columns; `prompt` becomes `prompts`.
_RESERVED = frozenset({"completions", "prompts", "completion_ids", "trainer_state", "log_metric", "log_extra"})


def figure(value: float | np.floating[Any]) -> float:
    """A value to nine digits, as reports hold it: what the order of a sum adds is no finding.

    Example:
        >>> figure(2.4999999999999996)
        2.5
    """
    return float(f"{value:.9g}")


@dataclass(frozen=True)
class Scored:
    """What a reward pays the answers of `N` rows.

    Attributes:
        total: Rewards, shape (N,), NaN where a row has no answer or the reward is `None`.
        answered: Which rows have an answer, shape (N,).
        parts: The components' values, shape (N,) each; empty for a reward that is no composite.
    """

    total: NDArray[np.float64]
    answered: NDArray[np.bool_]
    parts: Mapping[str, NDArray[np.float64]]

    @property
    def valued(self) -> NDArray[np.bool_]:
        """Which rows have a reward, shape (N,)."""
        return ~np.isnan(self.total)

    def means(self, rows: NDArray[np.bool_]) -> dict[str, float]:
        """Each component's mean over some rows; those without any value there are left out."""
        chosen = {name: values[rows] for name, values in self.parts.items()}
        return {name: figure(np.nanmean(values)) for name, values in chosen.items() if not np.isnan(values).all()}


class Scorer:
    """A reward and the rows of an audit.

    Args:
        reward: Any callable in TRL's convention.
        rows: The rows.

    Raises:
        ArgumentError: A column has a name that trainers reserve.
    """

    def __init__(self, reward: RewardFunction, rows: Sequence[AuditRow]) -> None:
        self._rows = rows
        self._is_composite = isinstance(reward, CompositeReward)
        # A composite calls whatever it is given, awaits what is async, and checks what comes back.
        self._reward = reward if isinstance(reward, CompositeReward) else CompositeReward([(reward, 1.0)])
        names = dict.fromkeys(name for row in rows for name in row.columns)
        if reserved := _RESERVED & names.keys():
            raise ArgumentError(f"`pairs` must not have the column {min(reserved)!r}, trainers reserve it")
        self._names = [name for name in names if name != "prompt"]
        prompts: list[Any] = [row.columns.get("prompt") for row in rows]
        self._chat = any(is_column(prompt) and len(prompt) > 0 for prompt in prompts)

    @property
    def weights(self) -> dict[str, float]:
        """Weights of a composite's components; empty for another reward."""
        if not self._is_composite:
            return {}
        return {reward_name(reward): weight for reward, weight in self._reward.components}

    @property
    def mode(self) -> str | None:
        """A composite's mode."""
        return self._reward.mode if self._is_composite else None

    def score(self, answers: Sequence[str | None], *, judged_by: str = "reference", gated: bool = True) -> Scored:
        """Score one answer a row, `None` for none.

        Args:
            answers: Answers, in the order of the rows.
            judged_by: The column that takes the reference's place.
            gated: `False` takes a composite's sum without its gates.
        """
        places = [place for place, answer in enumerate(answers) if answer is not None]
        texts = [answer for answer in answers if answer is not None]
        found = self.score_at(places, texts, judged_by=judged_by)
        total = found.total if gated or self.mode in (None, "sum") else self._sum(found)
        answered = np.zeros(len(answers), dtype=np.bool_)
        answered[places] = True
        return Scored(
            _spread(total, places, len(answers)),
            answered,
            {name: _spread(values, places, len(answers)) for name, values in found.parts.items()},
        )

    def score_at(self, places: Sequence[int], texts: Sequence[str], *, judged_by: str = "reference") -> Scored:
        """Score answers to the rows at the given places, in one call; rows may repeat."""
        if not places:
            return Scored(np.array([]), np.array([], dtype=np.bool_), {})
        columns = {name: [self._rows[place].columns.get(name) for place in places] for name in self._names}
        columns["reference"] = [self._rows[place].columns.get(judged_by) for place in places]
        parts = dict(self._reward.breakdown(completions=self._completions(texts), **columns, **self._prompts(places)))
        total = parts.pop(TOTAL)
        return Scored(total, np.ones(len(places), dtype=np.bool_), parts if self._is_composite else {})

    def _sum(self, scored: Scored) -> NDArray[np.float64]:
        weights = self.weights
        if not len(scored.total):
            return scored.total
        return weighted_sum(np.stack([scored.parts[name] for name in weights], axis=1), list(weights.values()))

    def _completions(self, texts: Sequence[str]) -> list[Completion]:
        return [[{"role": "assistant", "content": text}] for text in texts] if self._chat else list(texts)

    def _prompts(self, places: Sequence[int]) -> dict[str, Any]:
        prompts = [self._rows[place].columns.get("prompt") for place in places]
        return {} if all(prompt is None for prompt in prompts) else {"prompts": prompts}


def _spread(values: NDArray[np.float64], places: Sequence[int], rows: int) -> NDArray[np.float64]:
    spread = np.full(rows, np.nan)
    if places:
        spread[places] = values
    return spread
