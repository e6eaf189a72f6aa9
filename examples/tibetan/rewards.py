"""Eq. 4 with its weights, and judges that watch at weight 0: they pay nothing, so nothing learns to fool them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semreward import (
    Answer,
    Calibration,
    CompositeReward,
    Encoder,
    FastTextDetector,
    ForeignWordGuard,
    LanguageConsistencyReward,
    RewardFunction,
    SemanticSimilarityReward,
    recommended_reward,
)
from tibetan.arguments import RewardArguments
from tibetan.leak import SourceLeak
from tibetan.world import PARSERS


@dataclass(frozen=True)
class ExactMeaning:
    """1 where a completion means exactly what its reference means, by the miniature grammar's parser, else 0."""

    language: str
    task: str = "translation"
    __name__ = "exact_meaning"

    def __call__(self, *, completions: Sequence[Any], reference: Sequence[str], **_: Any) -> list[float]:
        """Parse `N` completions and compare them with their references."""
        pairs = zip(map(Answer(), completions), reference, strict=True)
        return [float(PARSERS[self.task](answer, meant, self.language).exact) for answer, meant in pairs]


def make_reward(
    arguments: RewardArguments,
    encoder: Encoder,
    threshold: float | Calibration,
    language: str,
    *,
    held_out: Encoder | None = None,  # logged, pays nothing
    parser_language: str | None = None,  # `zh` or `bo` where the references are sentences of the miniature grammar
    task: str = "translation",  # a headline may copy its source
    data_folder: Path | None = None,  # of the data stage, to count source words in the answers
    pairs: Path | None = None,  # those of training, for the gate on foreign words
) -> CompositeReward:
    """The reward of a GRPO run. `encoder` pays, and `language` is the BCP-47 tag that the answers must be in."""
    if isinstance(threshold, Calibration):
        threshold.check(encoder)
    components: list[tuple[RewardFunction, Any]] = [
        (SemanticSimilarityReward(encoder, threshold=threshold), arguments.similarity_weight),
        (LanguageConsistencyReward(language, detector=language_detector(arguments)), arguments.language_weight),
    ]
    gates: tuple[str, ...] = ()
    if arguments.gates:
        source = "source" if task == "translation" else None
        recommended = recommended_reward(encoder, language, threshold, source_column=source)
        components += recommended.components[len(components) :]
        gates = tuple(recommended.gates)
    if arguments.foreign_word_gate and task == "translation":
        guard = ForeignWordGuard(target="reference", source="source", data=str(pairs))
        components.append((guard, 0.0))
        gates = (*gates, guard.name)
    if held_out is not None:
        components.append((SemanticSimilarityReward(held_out, threshold=0.0, name="held_out_similarity"), 0.0))
    if parser_language is not None:
        components.append((ExactMeaning(parser_language, task), 0.0))
    if data_folder is not None:
        components.append((SourceLeak(str(data_folder)), 0.0))
    return CompositeReward(components, mode="gate" if gates else "sum", gates=gates)


def language_detector(arguments: RewardArguments) -> FastTextDetector | None:
    """The detector that tells languages of one script apart, if a model is named."""
    return None if arguments.language_detector is None else FastTextDetector(arguments.language_detector)
