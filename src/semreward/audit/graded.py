"""Answers of known order, and how well a reward ranks them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semreward.audit import edits
from semreward.audit.attacks import AuditRow, Corpus
from semreward.audit.results import GradedResult
from semreward.audit.scoring import Scorer, figure
from semreward.calibration import area_under_curve

GRADES = {
    "gold": 1.0,
    "paraphrase": 1.0,
    "corrupted 25%": 0.75,
    "corrupted 50%": 0.5,
    "corrupted 75%": 0.25,
    "unrelated": 0.0,
}
"""The share of the reference's words that an answer keeps; the others are another row's."""


def graded_answers(row: AuditRow, corpus: Corpus) -> dict[str, str | None]:
    """A row's answers by level, those of `GRADES` and the weak one."""
    answers: dict[str, str | None] = {"gold": row.reference, "paraphrase": row.paraphrase, "weak": row.weak}
    if other := corpus.other(row):
        answers["unrelated"] = other.reference
        for level, grade in GRADES.items():
            if level.startswith("corrupted"):
                answers[level] = edits.words_replaced(row.reference, other.reference, 1 - grade, corpus.rng(row))
    return answers


def graded_result(scope: Literal["within", "across"], scorer: Scorer, corpus: Corpus) -> GradedResult | None:
    """Rank statistics against the reference (`within`), or without gates against the source in its place (`across`).

    `None` where no row has two levels with a reward.
    """
    rows, judged_by = corpus.rows, "reference"
    if scope == "across":
        rows, judged_by, scorer = [row for row in rows if row.source], "source", scorer.without_gates()
    answers = [graded_answers(row, corpus) for row in rows]
    rewards = {
        level: scorer.score([found.get(level) for found in answers], rows, judged_by=judged_by).total
        for level in (*GRADES, "weak")
    }
    good = np.concatenate([rewards["gold"], rewards["paraphrase"]])
    ranked = [_rank_correlations(row) for row in np.stack([rewards[level] for level in GRADES], axis=1)]
    correlations = [pair for pair in ranked if pair is not None]
    auc_unrelated = auc(good, rewards["unrelated"])
    if not correlations or auc_unrelated is None:
        return None
    spearman, kendall = np.mean(correlations, axis=0)
    return GradedResult(
        scope=scope,
        rows=len(correlations),
        spearman=figure(spearman),
        kendall=figure(kendall),
        auc_unrelated=auc_unrelated,
        auc_weak=auc(good, rewards["weak"]),
        levels={level: figure(np.nanmean(own)) for level, own in rewards.items() if not np.isnan(own).all()},
    )


def _rank_correlations(rewards: NDArray[np.float64]) -> tuple[float, float] | None:
    """Spearman's rho and Kendall's tau-b of one row's rewards and grades; `None` where there is nothing to rank."""
    from scipy.stats import kendalltau, spearmanr  # type: ignore[import-untyped] # it has no types

    valued = ~np.isnan(rewards)
    rewards, grades = rewards[valued], np.array(list(GRADES.values()))[valued]
    if len(set(grades)) < 2:  # noqa: PLR2004 - no order
        return None
    if len(set(rewards)) == 1:  # undefined, counted as 0: equal rewards rank nothing
        return 0.0, 0.0
    return spearmanr(rewards, grades).statistic, kendalltau(rewards, grades).statistic


def auc(better: NDArray[np.float64], worse: NDArray[np.float64]) -> float | None:
    """Probability that a value of the first array is above one of the second, a tie counting half, NaN left out."""
    better, worse = better[~np.isnan(better)], worse[~np.isnan(worse)]
    return figure(area_under_curve(better, worse)) if len(better) and len(worse) else None
