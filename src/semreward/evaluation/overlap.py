"""Overlap with references over a whole test set: BLEU-4, chrF, ROUGE-L."""

from collections.abc import Sequence
from typing import Any

from semreward.evaluation.score import Score, evaluated_answers, evaluated_references, signature_of
from semreward.protocols import Completion
from semreward.rewards.overlap import rouge_l_f1, sacrebleu_module
from semreward.text import ReasoningPolicy, units

# sacrebleu counts in percent.
_PERCENT = 100.0


def bleu_score(
    completions: Sequence[Completion],
    references: Sequence[str | Sequence[str]],
    *,
    reasoning: ReasoningPolicy = "remove",
) -> Score:
    """Corpus BLEU-4: matches are summed over the whole set before they are divided.

    Args:
        completions: `N` texts or lists of messages, `N` at least 1.
        references: `N` references, a string or a non-empty list of strings each.
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

    Returns:
        A value in [0, 1]. N-grams of 1 to 4 `semreward.text.units` count, orders without a match are smoothed
        exponentially, and the effective order is off: a set without a completion of 4 units scores 0. An empty
        completion matches nothing and lowers the brevity penalty.

    Raises:
        MissingDependencyError: sacrebleu is not installed.
        ArgumentError: There are no rows, lengths differ, or a reference is blank.
        ArgumentTypeError: A row has the wrong type.

    Source:
        Papineni et al. 2002, https://aclanthology.org/P02-1040; computed by sacrebleu (Post 2018,
        https://aclanthology.org/W18-6319). Tables 1 and 3 of Su et al. 2026 give no tokenisation.

    Example:
        >>> bleu_score(["the cat sat on the mat"], ["the cat sat on the mat"]).value
        1.0
    """
    metric = sacrebleu_module().metrics.BLEU(tokenize="none", effective_order=False, force=True)
    answers = [_spaced_units(answer) for answer in evaluated_answers(completions, reasoning)]
    rows = [tuple(map(_spaced_units, texts)) for texts in evaluated_references(references, len(answers))]
    return _corpus_score("BLEU", metric, answers, rows)


def chrf_score(
    completions: Sequence[Completion],
    references: Sequence[str | Sequence[str]],
    *,
    reasoning: ReasoningPolicy = "remove",
) -> Score:
    """Corpus chrF: F-score of character n-grams, summed over the whole set.

    Args:
        completions: `N` texts or lists of messages, `N` at least 1.
        references: `N` references, a string or a non-empty list of strings each; of several the best match counts.
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

    Returns:
        A value in [0, 1]. N-grams of 1 to 6 characters count, white space left out, recall twice as important as
        precision; no units are involved. An empty completion matches nothing.

    Raises:
        MissingDependencyError: sacrebleu is not installed.
        ArgumentError: There are no rows, lengths differ, or a reference is blank.
        ArgumentTypeError: A row has the wrong type.

    Source:
        Popović 2015, https://aclanthology.org/W15-3049; computed by sacrebleu with its defaults.

    Example:
        >>> chrf_score(["བོད་ཡིག"], ["བོད་ཡིག"]).value
        1.0
    """
    answers = evaluated_answers(completions, reasoning)
    rows = evaluated_references(references, len(answers))
    return _corpus_score("chrF2", sacrebleu_module().metrics.CHRF(), answers, rows)


def rouge_l_score(
    completions: Sequence[Completion],
    references: Sequence[str | Sequence[str]],
    *,
    reasoning: ReasoningPolicy = "remove",
) -> Score:
    r"""Mean ROUGE-L: how much of a completion and of its reference is their longest common subsequence.

    $$F_1 = \frac{2 P R}{P + R}, \quad P = \frac{LCS(y, y^*)}{|y|}, \quad R = \frac{LCS(y, y^*)}{|y^*|}$$

    Args:
        completions: `N` texts or lists of messages, `N` at least 1.
        references: `N` references, a string or a non-empty list of strings each; of several the best match counts.
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

    Returns:
        The mean over rows, in [0, 1]; lengths count `semreward.text.units`. A row without a common unit, an empty
        completion for one, is 0.

    Raises:
        ArgumentError: There are no rows, lengths differ, or a reference is blank.
        ArgumentTypeError: A row has the wrong type.

    Source:
        Lin 2004, https://aclanthology.org/W04-1013, at the level of sentences with beta = 1. Tables 1, 3 and 4 of Su
        et al. 2026 give no tokenisation.

    Example:
        >>> rouge_l_score(["the cat sat"], ["the cat ran off the mat"]).value  # P = 2/3, R = 2/6
        0.4444444444444444
    """
    answers = evaluated_answers(completions, reasoning)
    rows = evaluated_references(references, len(answers))
    scores = [max(rouge_l_f1(answer, text) for text in texts) for answer, texts in zip(answers, rows, strict=True)]
    return Score(sum(scores) / len(scores), signature_of("ROUGE-L", nrefs=_references_a_row(rows), beta=1, tok="units"))


def _corpus_score(name: str, metric: Any, answers: list[str], rows: list[tuple[str, ...]]) -> Score:
    most = max(map(len, rows))
    # sacrebleu reads one stream a reference number, with None where a row has fewer.
    streams = [[texts[number] if number < len(texts) else None for texts in rows] for number in range(most)]
    percent = float(metric.corpus_score(answers, streams).score)
    theirs = str(metric.get_signature()).replace("tok:none", "tok:units")
    return Score(min(1.0, percent / _PERCENT), signature_of(f"{name}|{theirs.replace('version:', 'sacrebleu:')}"))


def _references_a_row(rows: list[tuple[str, ...]]) -> int | str:
    counts = {len(texts) for texts in rows}
    return counts.pop() if len(counts) == 1 else "var"


def _spaced_units(text: str) -> str:
    return " ".join(units(text))
