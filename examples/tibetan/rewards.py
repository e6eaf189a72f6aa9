"""Eq. 4 with its weights, and two judges that watch at weight 0: what pays nothing, nothing is optimised to fool."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from semreward import (
    Calibration,
    CompositeReward,
    Encoder,
    LanguageConsistencyReward,
    RewardFunction,
    SemanticSimilarityReward,
)
from semreward.protocols import Completion
from semreward.text import answer_text
from tibetan.arguments import RewardArguments
from tibetan.world import PARSERS


@dataclass(frozen=True)
class ExactMeaning:
    """1 where a completion means exactly what its reference means, by the miniature grammar's parser, else 0."""

    language: str
    task: str = "translation"

    @property
    def __name__(self) -> str:
        return "exact_meaning"

    def __call__(self, *, completions: Sequence[Completion], reference: Sequence[str], **_: Any) -> list[float]:
        """Parse `N` completions and compare them with their references."""
        pairs = zip(map(answer_text, completions), reference, strict=True)
        return [float(PARSERS[self.task](answer, meant, self.language).exact) for answer, meant in pairs]


def make_reward(
    arguments: RewardArguments,
    encoder: Encoder,
    threshold: float | Calibration,
    language: str,
    *,
    held_out: Encoder | None = None,
    parser_language: str | None = None,
    task: str = "translation",
) -> CompositeReward:
    """The reward of a GRPO run.

    Args:
        arguments: The two weights.
        encoder: The encoder that pays.
        threshold: tau, or how it was measured.
        language: BCP-47 tag that the answers must be in.
        held_out: An encoder that is logged and pays nothing.
        parser_language: `zh` or `bo` where the references are sentences of the miniature grammar.
        task: What the parser takes them for, `translation` or `headline`.
    """
    components: list[tuple[RewardFunction, float]] = [
        (SemanticSimilarityReward(encoder, threshold=threshold), arguments.similarity_weight),
        (LanguageConsistencyReward(language), arguments.language_weight),
    ]
    if held_out is not None:
        components.append((SemanticSimilarityReward(held_out, threshold=0.0, name="held_out_similarity"), 0.0))
    if parser_language is not None:
        components.append((ExactMeaning(parser_language, task), 0.0))
    return CompositeReward(components)
