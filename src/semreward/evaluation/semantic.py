"""The paper's own yardsticks over a whole test set: similarity to references, and consistency of language."""

from collections.abc import Sequence

from semreward.evaluation.score import Score, evaluated_answers, evaluated_references, signature_of
from semreward.protocols import Completion, Encoder
from semreward.rewards.detector import LanguageDetector
from semreward.rewards.language import LanguageConsistencyReward
from semreward.rewards.similarity import SemanticSimilarityReward
from semreward.scripts import scripts_of
from semreward.text import Answer, ReasoningPolicy


def similarity_score(
    encoder: Encoder | str,
    completions: Sequence[Completion],
    references: Sequence[str | Sequence[str]],
    *,
    reasoning: ReasoningPolicy = "remove",
) -> Score:
    """Mean cosine of completions and references (eq. 1), before any threshold.

    A policy that was trained on an encoder's similarity should be judged by another encoder as well: it may have
    learned what only the first one likes.

    Args:
        encoder: Path or hub id of a sentence-transformers model, or an object with `encode` and `fingerprint`.
        completions: `N` texts or lists of messages, `N` at least 1.
        references: `N` references, a string or a non-empty list of strings each; of several the best match counts.
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

    Returns:
        The mean over rows, in [-1, 1]. A blank completion counts 0.

    Raises:
        ArgumentError: There are no rows, lengths differ, or a reference is blank.
        ArgumentTypeError: A row or the encoder has the wrong type.
        EncoderNotFoundError: `encoder` is a path at which nothing is.
        EncoderError: The encoder returned something else than one finite unit vector a text.

    Source:
        Su et al. 2026, section 3.4.1 and Tables 1 and 3, https://arxiv.org/abs/2605.14366
    """
    answers = evaluated_answers(completions, reasoning)
    rows = evaluated_references(references, len(answers))
    # The threshold plays no part in raw cosines; a string becomes an encoder in there.
    reward = SemanticSimilarityReward(encoder, threshold=0.0, answer=Answer(reasoning="keep"))  # type: ignore[arg-type]
    cosines = reward.similarity(answers, rows)
    return Score(float(cosines.mean()), signature_of("similarity", encoder=reward.encoder.fingerprint, nrefs="best"))


def language_consistency_score(
    completions: Sequence[Completion],
    language: str,
    *,
    detector: LanguageDetector | None = None,
    detector_threshold: float = 0.5,
    reasoning: ReasoningPolicy = "remove",
) -> Score:
    """Share of completions whose letters are all in a language's scripts (eq. 3, averaged).

    Scripts cannot tell French from English. Give a detector where languages share a script.

    Args:
        completions: `N` texts or lists of messages, `N` at least 1.
        language: A BCP-47 tag, such as `"bo"` or `"zh-Hant"`.
        detector: What must find the language, too; see `LanguageConsistencyReward`.
        detector_threshold: Probability of the language, in [0, 1], from which on it has found it.
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

    Returns:
        A value in [0, 1]. A completion without letters, an empty one for one, is not consistent.

    Raises:
        ArgumentError: There are no completions.
        ArgumentTypeError: A row or `language` has the wrong type.
        UnknownLanguageError: No script is known for the language.

    Source:
        Su et al. 2026, section 3.4.2, https://arxiv.org/abs/2605.14366; for the rule, see
        `semreward.languages.writing_of`.

    Example:
        >>> language_consistency_score(["བོད་ཡིག", "བོད་字", "", "ཀ་ཁ"], "bo").value
        0.5
    """
    answers = evaluated_answers(completions, reasoning)
    # Answers are read already.
    reward = LanguageConsistencyReward(
        language, detector=detector, detector_threshold=detector_threshold, answer=Answer(reasoning="keep")
    )
    consistent = sum(value or 0.0 for value in reward(completions=answers))
    options: dict[str, object] = {"language": language, "scripts": "+".join(sorted(scripts_of(language)))}
    if detector is not None:
        named = getattr(detector, "fingerprint", None) or getattr(detector, "__qualname__", type(detector).__qualname__)
        options |= {"detector": named, "detector_threshold": detector_threshold}
    return Score(consistent / len(answers), signature_of("language_consistency", **options))
