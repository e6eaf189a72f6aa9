"""Ready-made composites: the paper's reward, and the same behind gates."""

from typing import Any, SupportsFloat

from semreward.arguments import check_number
from semreward.protocols import Encoder
from semreward.rewards.base import ErrorPolicy, Reward
from semreward.rewards.composite import CompositeReward
from semreward.rewards.guards import LengthRatioGuard, NumberRecallReward, RepetitionGuard, SourceCopyGuard
from semreward.rewards.language import LanguageConsistencyReward
from semreward.rewards.similarity import SemanticSimilarityReward, check_threshold
from semreward.text import DEFAULT_ANSWER, Answer


def paper_reward(
    encoder: Encoder | str,
    language: str,
    threshold: SupportsFloat,
    *,
    reference_column: str = "reference",
    answer: Answer = DEFAULT_ANSWER,
    on_error: ErrorPolicy = "raise",
) -> CompositeReward:
    """The paper's reward: 1.5 x thresholded similarity + 1.0 x language consistency.

    `language` is the BCP-47 tag of the language that the policy must answer in. `threshold` is tau, measured on the
    cold-start policy: a number, or what `calibrate` returns. The rest is as in `SemanticSimilarityReward`.

    Source:
        Su et al. 2026, eq. 4 and section 3.4.2 (weights), https://arxiv.org/abs/2605.14366
    """
    similarity = SemanticSimilarityReward(encoder, threshold=threshold, reference_column=reference_column)  # type: ignore[arg-type] # it takes paths
    components = [(similarity, 1.5), (LanguageConsistencyReward(language), 1.0)]
    return CompositeReward(components, answer=answer, on_error=on_error)


def recommended_reward(
    encoder: Encoder | str,
    language: str,
    threshold: SupportsFloat,
    *,
    source_column: str | None = None,
    reference_column: str = "reference",
    length: tuple[float, float] = (0.5, 1.75),
    written_out: bool = False,
    answer: Answer = DEFAULT_ANSWER,
    on_error: ErrorPolicy = "raise",
) -> CompositeReward:
    """The paper's reward behind gates: an answer in the wrong language, or a degenerate one, earns nothing.

    A row receives the sum of `paper_reward` only if its language is consistent, its length suits its reference's, it
    does not repeat itself or copy its source, and not all of its numbers are wrong; else 0. docs/guards.md says what
    each gate costs honest answers.

    Arguments are those of `paper_reward`, and

    * `source_column`: for translation, the column of the source texts, or `"prompts"`: answers must not copy from it.
    * `length`: least and greatest length, see `LengthRatioGuard`; widen it for headlines and summaries.
    * `written_out`: whether numbers in words must be right, too, see `NumberRecallReward`.

    Source:
        Su et al. 2026, eq. 4, https://arxiv.org/abs/2605.14366, for the sum; the gates are ours.

    Example:
        >>> reward = recommended_reward("org/encoder", "bo", 0.55, source_column="prompts")
        >>> reward.gates
        ('language_consistency', 'length_ratio', 'repetition', 'number_recall', 'source_copy')
        >>> reward.bounds
        (0.0, 2.5)
    """
    columns: dict[str, Any] = {"reference_column": reference_column}
    guards: list[Reward] = [LengthRatioGuard(*length, **columns), RepetitionGuard(**columns)]
    guards.append(NumberRecallReward(source_column=source_column, written_out=written_out, **columns))
    if source_column is not None:
        guards.append(SourceCopyGuard(source_column, **columns))
    paper = paper_reward(encoder, language, threshold, **columns, answer=answer, on_error=on_error)
    components = [*paper.components, *((guard, 0.0) for guard in guards)]
    gates = ["language_consistency", *(guard.name for guard in guards)]
    return paper.replace(components=components, mode="gate", gates=gates)


def break_even_similarity(
    similarity_weight: float = 1.5, language_weight: float = 1.0, *, threshold: float | None = None
) -> float:
    r"""How much more similarity lets an answer in the wrong language beat one in the right language, under a plain sum.

    Of two answers that earn $a S + b L$, the one with $L = 0$ earns more as soon as its $S$ is higher by more than

    $$\Delta = \frac{b}{a}, \qquad \text{in cosine above } \tau: \quad \Delta_{cos} = (1 - \tau) \frac{b}{a}$$

    with a = `similarity_weight` > 0 and b = `language_weight` >= 0; in cosine if a `threshold` in [-1, 1) is given.
    From a gap of 1 on (1 - tau in cosine) no similarity makes up for the language.

    Example:
        >>> round(break_even_similarity(1.5, 1.0), 3), round(break_even_similarity(1.5, 1.0, threshold=0.55), 3)
        (0.667, 0.3)
    """
    check_number("similarity_weight", similarity_weight, above=0)
    check_number("language_weight", language_weight, at_least=0)
    gap = float(language_weight) / float(similarity_weight)
    if threshold is None:
        return gap
    check_threshold(threshold)
    return (1.0 - float(threshold)) * gap
