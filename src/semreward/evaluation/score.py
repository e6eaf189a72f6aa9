"""Scores of a policy's completions over a whole test set: overlap, similarity, language consistency.

Every score takes `N` completions, texts or lists of messages, `N` at least 1; an empty one counts and earns 0. Each of
the `N` references is a string or a non-empty list of strings, of which the best match counts. `answer` says how the
answer is found in a completion. They raise an `ArgumentError` if there are no rows, lengths differ or a reference is
blank, an `ArgumentTypeError` if a row has the wrong type, and a `MissingDependencyError` without sacrebleu (BLEU,
chrF).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

import semreward
from semreward.arguments import check_column
from semreward.encoders.checking import as_encoder
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.protocols import Completion, Encoder
from semreward.rewards.base import Batch
from semreward.rewards.detector import LanguageDetector
from semreward.rewards.language import LanguageConsistencyReward
from semreward.rewards.overlap import rouge_l_f1, sacrebleu_module
from semreward.rewards.similarity import similarities
from semreward.scripts import scripts_of
from semreward.text import DEFAULT_ANSWER, Answer, Texts, reference_texts, units

References: TypeAlias = Sequence[str | Sequence[str]]


@dataclass(frozen=True)
class Score:
    """One number about a set of completions; the function states its range."""

    value: float
    signature: str  # everything that decides the number, on one line; compare values only if their signatures agree


def bleu_score(completions: Sequence[Completion], references: References, *, answer: Answer = DEFAULT_ANSWER) -> Score:
    """Corpus BLEU-4, in [0, 1]: matches are summed over the whole set before they are divided.

    N-grams are 1 to 4 `semreward.text.units`; a set without a completion of 4 units scores 0.

    Source:
        Papineni et al. 2002, https://aclanthology.org/P02-1040; computed by sacrebleu (Post 2018,
        https://aclanthology.org/W18-6319). Tables 1 and 3 of Su et al. 2026 do not state the tokenisation.
    """
    metric = sacrebleu_module().metrics.BLEU(tokenize="none", effective_order=False, force=True)
    answers, rows = _checked_rows(completions, references, answer)
    spaced_rows = [tuple(" ".join(units(text)) for text in texts) for texts in rows]
    return _corpus_score("BLEU", metric, [" ".join(units(answer)) for answer in answers], spaced_rows)


def chrf_score(completions: Sequence[Completion], references: References, *, answer: Answer = DEFAULT_ANSWER) -> Score:
    """Corpus chrF, in [0, 1]: F-score of character n-grams, summed over the whole set.

    N-grams are 1 to 6 characters without white space; recall counts twice as much as precision.

    Source:
        Popović 2015, https://aclanthology.org/W15-3049; computed by sacrebleu with its defaults.
    """
    return _corpus_score("chrF2", sacrebleu_module().metrics.CHRF(), *_checked_rows(completions, references, answer))


def rouge_l_score(
    completions: Sequence[Completion], references: References, *, answer: Answer = DEFAULT_ANSWER
) -> Score:
    r"""Mean ROUGE-L over rows, in [0, 1]: the longest common subsequence of `semreward.text.units`.

    $$F_1 = \frac{2 P R}{P + R}, \quad P = \frac{LCS(y, y^*)}{|y|}, \quad R = \frac{LCS(y, y^*)}{|y^*|}$$

    Source:
        Lin 2004, https://aclanthology.org/W04-1013, sentence level with beta = 1. Tables 1, 3 and 4 of Su et al. 2026
        do not state the tokenisation.

    Example:
        >>> rouge_l_score(["the cat sat"], ["the cat ran off the mat"]).value  # P = 2/3, R = 2/6
        0.4444444444444444
    """
    answers, rows = _checked_rows(completions, references, answer)
    scores = [max(rouge_l_f1(answer, text) for text in texts) for answer, texts in zip(answers, rows, strict=True)]
    counts = {len(texts) for texts in rows}
    nrefs = counts.pop() if len(counts) == 1 else "var"
    return Score(sum(scores) / len(scores), signature_of("ROUGE-L", nrefs=nrefs, beta=1, tok="units"))


def similarity_score(
    encoder: Encoder | str,
    completions: Sequence[Completion],
    references: References,
    *,
    answer: Answer = DEFAULT_ANSWER,
) -> Score:
    """Mean cosine of completions and references, in [-1, 1] (eq. 1), before any threshold.

    Judge a policy that was trained on one encoder by another one, too: it may have learned what only the first likes.
    The errors of an encoder are those of `SemanticSimilarityReward`.

    Source:
        Su et al. 2026, section 3.4.1 and Tables 1 and 3, https://arxiv.org/abs/2605.14366
    """
    answers, rows = _checked_rows(completions, references, answer)
    judge = as_encoder(encoder)
    cosines = similarities(judge, answers, rows, answer=Answer(reasoning="keep"))
    return Score(float(cosines.mean()), signature_of("similarity", encoder=judge.fingerprint, nrefs="best"))


def language_consistency_score(
    completions: Sequence[Completion],
    language: str,
    *,
    detector: LanguageDetector | None = None,
    detector_threshold: float = 0.5,
    answer: Answer = DEFAULT_ANSWER,
) -> Score:
    """Share of completions whose letters are all in a language's scripts, in [0, 1] (eq. 3, averaged).

    A completion without letters is not consistent. Scripts cannot tell French from English; a detector can.
    Other arguments and errors are those of `LanguageConsistencyReward`.

    Source:
        Su et al. 2026, section 3.4.2, https://arxiv.org/abs/2605.14366; `semreward.scripts.writing_of` has the rule.
    """
    answers = evaluated_answers(completions, answer)
    reward = LanguageConsistencyReward(
        language, detector=detector, detector_threshold=detector_threshold, answer=Answer(reasoning="keep")
    )
    consistent = sum(value or 0.0 for value in reward(completions=answers))
    options: dict[str, object] = {"language": language, "scripts": "+".join(sorted(scripts_of(language)))}
    if detector is not None:
        named = getattr(detector, "fingerprint", None) or getattr(detector, "__qualname__", type(detector).__qualname__)
        options |= {"detector": named, "detector_threshold": detector_threshold}
    return Score(consistent / len(answers), signature_of("language_consistency", **options))


def signature_of(metric: str, **options: object) -> str:
    """A signature: the metric's name, its options in the given order, the package version."""
    parts = [metric, *(f"{name}:{value}" for name, value in options.items())]
    return "|".join([*parts, f"semreward:{semreward.__version__}"])


def evaluated_answers(completions: Sequence[Completion], answer: Answer, name: str = "completions") -> list[str]:
    """The answer texts of at least one completion; raises like the scores, with the name of the list."""
    try:
        answers = Batch(completions, {}, answer=answer).answers
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(str(error).replace("`completions`", f"`{name}`")) from None
    if not answers:
        raise ArgumentError(f"`{name}` must hold at least one completion, got none; there is nothing to average")
    return answers


def _checked_rows(
    completions: Sequence[Completion], references: References, answer: Answer
) -> tuple[list[str], list[Texts]]:
    answers = evaluated_answers(completions, answer)
    check_column("references", references, len(answers))
    return answers, [reference_texts(reference, "references", row) for row, reference in enumerate(references)]


def _corpus_score(name: str, metric: Any, answers: list[str], rows: list[Texts]) -> Score:
    streams = [list(stream) for stream in zip_longest(*rows)]  # the first references of all rows, the second ones, ...
    percent = float(metric.corpus_score(answers, streams).score)
    theirs = str(metric.get_signature()).replace("tok:none", "tok:units").replace("version:", "sacrebleu:")
    return Score(min(1.0, percent / 100), signature_of(f"{name}|{theirs}"))
