"""What the adapters share: from a trainer's samples to a call of a reward, and from its values to numbers."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.protocols import RewardFunction
from semreward.rewards.calling import in_thread, reward_name
from semreward.rewards.composite import CompositeReward, as_composite

logger = logging.getLogger(__name__)

OnNone: TypeAlias = float | Literal["raise"]

SCORE = "score"  # key of the total among the numbers of a row; no component may have this name
_NO_COLUMNS = {"log_metric", "log_extra", "self"}  # arguments of a call that are not columns


@dataclass(frozen=True)
class Adapter:
    """A reward that a trainer calls in its own way; the subclasses add that way."""

    reward: RewardFunction
    _: KW_ONLY
    on_none: OnNone = "raise"
    reference_column: str = "reference"
    composite: CompositeReward = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.reward, type):
            raise ArgumentTypeError(f"`reward` must be a reward, got the class {self.reward.__name__}; make one")
        object.__setattr__(self, "composite", as_composite(self.reward))
        if SCORE in self.composite.names:
            raise ArgumentError(f"no component may be called {SCORE!r}, the key of the total; use replace(name=...)")
        if self.on_none != "raise" and not is_finite_number(self.on_none):
            raise ArgumentError(f"`on_none` must be a finite number or 'raise', got {self.on_none!r}")

    @property
    def __name__(self) -> str:
        return reward_name(self.reward)

    def rows(self, call: Mapping[str, Any]) -> list[dict[str, float]]:
        """Call the reward for `N` rows; each one's total as `score`, and its components, NaN where one is `None`."""
        logged: dict[str, Sequence[Any]] = {}
        totals = self.composite(**{**call, "log_extra": logged.__setitem__})
        if self.on_none == "raise" and None in totals:
            raise ArgumentError(
                f"`on_none` must be a number where the reward does not apply (None at row {totals.index(None)}): this "
                "trainer knows no missing rewards; say what such a row earns (on_none=0.0), or drop the row"
            )
        rows = [{SCORE: float(self.on_none if total is None else total)} for total in totals]
        for name in self.composite.names:
            for row, value in zip(rows, logged[name], strict=True):
                row[name] = math.nan if value is None else float(value)
        return rows

    async def row(self, completion: Any, fields: Mapping[str, Any], **others: Any) -> dict[str, float]:
        """The same for one row, in a thread: rows that are scored at the same time share the encoder's batches."""
        return (await in_thread(partial(self.rows, self.call_of(completion, fields, **others))))[0]

    def call_of(self, completion: Any, fields: Mapping[str, Any], **others: Any) -> dict[str, Any]:
        """The arguments of a call for one sample: its completion, its fields, and `prompts` or `completion_ids`."""
        columns = {name: value for name, value in fields.items() if isinstance(name, str) and name not in _NO_COLUMNS}
        given = {name: value for name, value in others.items() if value is not None}
        return {name: [value] for name, value in {**columns, **given, "completions": completion}.items()}

    def columns(self, fields: Mapping[str, Any], ground_truth: Any) -> dict[str, Any]:
        """A sample's fields with its ground truth; an empty one does not replace a field of that name."""
        is_empty = ground_truth is None or (isinstance(ground_truth, str) and not ground_truth)
        is_kept = is_empty and self.reference_column in fields
        return dict(fields) if is_kept else {**fields, self.reference_column: ground_truth}


@contextmanager
def errors_logged(trainer: str, consequence: str) -> Iterator[None]:
    """Log an error, with its traceback, before it reaches a trainer that hides it."""
    try:
        yield
    except Exception:
        logger.exception("the reward failed, and %s hides the error: %s", trainer, consequence)
        raise
