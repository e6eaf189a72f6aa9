"""Answers of known order, and how well a reward ranks them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semreward.audit import edits
from semreward.audit.attacks import AuditRow, Corpus
from semreward.audit.results import GradedResult
from semreward.audit.scoring import Scored, Scorer, figure
from semreward.calibration import area_under_curve
from semreward.evaluation.graded import rank_correlation

_SHARES = (0.25, 0.5, 0.75)
_GOOD = ("gold", "paraphrase")


def graded_answers(corpus: Corpus) -> dict[str, tuple[float, list[str | None]]]:
    """Answers by level, with the level's grade: the share of the reference's words that are left.

    Gold and paraphrase are 1; corruptions, a quarter, half, three quarters of whose words are another row's, are 0.75,
    0.5, 0.25; the other row's reference is 0.
    """
    levels: dict[str, tuple[float, list[str | None]]] = {
        "gold": (1.0, [row.reference for row in corpus.rows]),
        "paraphrase": (1.0, [row.paraphrase for row in corpus.rows]),
    }
    for share in _SHARES:
        levels[f"corrupted {share:.0%}"] = (1.0 - share, [_corrupted(row, corpus, share) for row in corpus.rows])
    others = [corpus.other(row) for row in corpus.rows]
    levels["unrelated"] = (0.0, [other.reference if other else None for other in others])
    return levels


def graded_results(scorer: Scorer, corpus: Corpus, weak: Scored, *, across_languages: bool) -> tuple[GradedResult, ...]:
    """Rank statistics against the reference and, on request, against the source in its place where rows have one.

    Args:
        scorer: The reward and its rows.
        corpus: The rows and their language.
        weak: What the weak answers earn against the reference.
        across_languages: Whether the source is asked, too.

    Returns:
        One result a scope; none where no row has two levels with a reward.
    """
    results = [_graded("within", scorer, corpus, list(range(len(corpus.rows))), weak)]
    with_source = [place for place, row in enumerate(corpus.rows) if row.source]
    if across_languages and with_source:
        results.append(_graded("across", scorer, corpus, with_source, None))
    return tuple(result for result in results if result is not None)


def _graded(
    scope: Literal["within", "across"], scorer: Scorer, corpus: Corpus, places: Sequence[int], weak: Scored | None
) -> GradedResult | None:
    judged_by = "reference" if scope == "within" else "source"
    chosen = np.zeros(len(corpus.rows), dtype=np.bool_)
    chosen[list(places)] = True

    def scored(answers: Sequence[str | None]) -> NDArray[np.float64]:
        kept = [answer if here else None for answer, here in zip(answers, chosen, strict=True)]
        return scorer.score(kept, judged_by=judged_by, gated=scope == "within").total

    levels = graded_answers(corpus)
    rewards = {name: scored(answers) for name, (_, answers) in levels.items()}
    weak_rewards = weak.total if weak is not None else scored([row.weak for row in corpus.rows])
    grades = np.array([grade for grade, _ in levels.values()])
    ranked = _rank_correlations(np.stack(list(rewards.values()), axis=1)[chosen], grades)
    if ranked is None:
        return None
    good = np.concatenate([rewards[name] for name in _GOOD])
    means = {name: figure(np.nanmean(values)) for name, values in rewards.items() if not np.isnan(values).all()}
    if not np.isnan(weak_rewards).all():
        means["weak"] = figure(np.nanmean(weak_rewards))
    unrelated = auc(good, rewards["unrelated"])
    return None if unrelated is None else GradedResult(scope, *ranked, unrelated, auc(good, weak_rewards), means)


def _rank_correlations(
    rewards_NL: NDArray[np.float64],  # noqa: N803 - axes in names
    grades_L: NDArray[np.float64],  # noqa: N803
) -> tuple[int, float, float] | None:
    """How many rows were ranked, and the means of Spearman's rho and Kendall's tau-b over them."""
    from scipy.stats import kendalltau  # type: ignore[import-untyped] # sentence-transformers brings scipy

    found = []
    for row in rewards_NL:
        here = ~np.isnan(row)
        rewards, grades = row[here], grades_L[here]
        if len(set(grades)) > 1:
            rho = rank_correlation(rewards, grades)  # equal rewards rank nothing: undefined, counted as 0
            found.append((0.0, 0.0) if rho is None else (rho, kendalltau(rewards, grades).statistic))
    if not found:
        return None
    rho_mean, tau_mean = np.mean(found, axis=0)
    return len(found), figure(rho_mean), figure(tau_mean)


def auc(better: NDArray[np.float64], worse: NDArray[np.float64]) -> float | None:
    """Probability that a value of the first array is above one of the second, a tie counting half.

    Args:
        better: Values, NaN for missing ones.
        worse: Values, NaN for missing ones.

    Returns:
        A value in [0, 1]; `None` where one side has no value.

    Example:
        >>> auc(np.array([1.0, 0.5]), np.array([0.5, 0.0, np.nan]))
        0.875
    """
    better, worse = better[~np.isnan(better)], worse[~np.isnan(worse)]
    return figure(area_under_curve(better, worse)) if len(better) and len(worse) else None


def _corrupted(row: AuditRow, corpus: Corpus, share: float) -> str | None:
    other = corpus.other(row)
    return edits.words_replaced(row.reference, other.reference, share, corpus.rng(row)) if other else None
