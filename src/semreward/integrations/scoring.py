"""What the adapters share: from a trainer's samples to a call of a reward, and from its values to numbers."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.protocols import RewardFunction, RewardValues
from semreward.rewards.base import AsyncReward
from semreward.rewards.calling import reward_name
from semreward.rewards.composite import CompositeReward

logger = logging.getLogger(__name__)

OnNone: TypeAlias = float | Literal["raise"]
"""What a row to which the reward does not apply becomes for a trainer that needs a number: that one, or an error."""

SCORE = "score"
"""Key of the whole among the numbers of a row; no component may be called so."""

NO_COLUMNS = frozenset({"log_metric", "log_extra", "self"})
"""Arguments of a call that are no columns."""

END_TOKENS: tuple[str, ...] = (
    *("<|im_end|>", "<|endoftext|>"),  # Qwen, GPT, Phi
    *("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),  # Llama 3
    *("</s>", "<end_of_turn>", "<eos>"),  # Llama 2, Mistral, Gemma
    *("<|end|>", "<|return|>"),  # Phi, gpt-oss
    *("<｜end▁of▁sentence｜>", "<|END_OF_TURN_TOKEN|>"),  # DeepSeek, Command R
)
"""Tokens with which common model families end a turn, as text that was decoded with special tokens shows them."""


@dataclass(frozen=True)
class Adapter:
    """A reward that a trainer calls in its own way; the subclasses add that way.

    Args:
        reward: The reward, from `as_composite`.
        on_none: What becomes of a row to which the reward does not apply: a finite number, or an error.
        reference_column: The reward's column that the trainer's ground truth fills.
        end_tokens: What completions may end with that is no part of the answer.

    Raises:
        ArgumentError: `on_none` is neither a finite number nor `"raise"`.
        ArgumentTypeError: `end_tokens` is no list of non-empty strings.
    """

    reward: CompositeReward
    _: KW_ONLY
    on_none: OnNone = "raise"
    reference_column: str = "reference"
    end_tokens: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.on_none != "raise" and not is_finite_number(self.on_none):
            raise ArgumentError(f"`on_none` must be a finite number or 'raise', got {self.on_none!r}")
        if isinstance(self.end_tokens, str) or not all(isinstance(token, str) and token for token in self.end_tokens):
            raise ArgumentTypeError(f"`end_tokens` must be a list of non-empty strings, got {self.end_tokens!r}")

    def rows(self, call: Mapping[str, Any]) -> list[dict[str, float]]:
        """Call the reward for `N` rows: each one's reward as `score`, and its components, NaN for one of `None`."""
        logged: dict[str, Sequence[Any]] = {}
        return self._rows(self.reward(**call, log_extra=logged.__setitem__), logged)

    async def row(self, call: Mapping[str, Any]) -> dict[str, float]:
        """The same for one row, in a thread: all that are under way at a time share the encoder's forward passes."""
        logged: dict[str, Sequence[Any]] = {}
        return self._rows(await self.reward.as_async()(**call, log_extra=logged.__setitem__), logged)[0]

    def _rows(self, totals: RewardValues, logged: Mapping[str, Sequence[Any]]) -> list[dict[str, float]]:
        rows = [{SCORE: self._number(total, row)} for row, total in enumerate(totals)]
        for name in map(reward_name, self.reward.rewards):
            for row, value in zip(rows, logged[name], strict=True):
                row[name] = math.nan if value is None else float(value)
        return rows

    def _number(self, total: float | None, row: int) -> float:
        if total is None and self.on_none == "raise":
            raise ArgumentError(
                f"`on_none` must be a number where the reward does not apply (None at row {row}), because this trainer "
                "knows no missing rewards; say what such a row earns (on_none=0.0), or drop it from the data set"
            )
        return float(self.on_none if total is None else total)

    def answer(self, text: str) -> str:
        """A completion without the end tokens, and white space, that it ends with; one in its middle stays."""
        text = text.rstrip()
        while ending := next((token for token in self.end_tokens if text.endswith(token)), ""):
            text = text.removesuffix(ending).rstrip()
        return text

    def columns(self, fields: Mapping[str, Any], ground_truth: Any) -> dict[str, Any]:
        """A sample's fields with its ground truth; one that is empty does not replace a field of that name."""
        is_empty = ground_truth is None or (isinstance(ground_truth, str) and not ground_truth)
        kept = is_empty and self.reference_column in fields
        return dict(fields) if kept else {**fields, self.reference_column: ground_truth}


def as_composite(reward: RewardFunction) -> CompositeReward:
    """A reward of any make as one whose output is checked and whose components are known; values stay the same.

    Raises:
        ArgumentError: A component is called `score`, `total` or `gated`.
        ArgumentTypeError: It is not callable, a class, or a `torch.nn.Module`.
    """
    if isinstance(reward, type):
        raise ArgumentTypeError(f"`reward` must be a reward, got the class {reward.__name__}; make one: it(...)")
    inner = reward.reward if isinstance(reward, AsyncReward) else reward  # adapters await where their trainer does
    composite = inner if isinstance(inner, CompositeReward) else CompositeReward([(inner, 1.0)])
    if SCORE in map(reward_name, composite.rewards):
        raise ArgumentError(f"no component may be called {SCORE!r}, the key of the whole; rename it: replace(name=...)")
    return composite


def call_of(completion: Any, fields: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    """The arguments of a call for one sample.

    Args:
        completion: Text or messages.
        fields: Its other columns, one value each; what no column can be called is left out.
        **others: `prompts` and `completion_ids` of the one row; `None` leaves them out.
    """
    taken = {name: value for name, value in fields.items() if isinstance(name, str) and name not in NO_COLUMNS}
    given = {name: value for name, value in others.items() if value is not None}
    return {name: [value] for name, value in {**taken, **given, "completions": completion}.items()}


@contextmanager
def loudly(trainer: str, consequence: str) -> Iterator[None]:
    """Log what is raised inside, with its traceback, before it reaches a trainer that hides it."""
    try:
        yield
    except Exception:
        logger.exception("the reward failed, and %s hides the error: %s", trainer, consequence)
        raise
