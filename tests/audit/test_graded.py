import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward import LanguageConsistencyReward, SemanticSimilarityReward
from semreward.audit import AuditRow, Corpus, audit_reward
from semreward.audit.graded import GRADES, auc, graded_answers

WORDS = [f"{letter}{number}" for letter in "abcdefgh" for number in range(8)]
PAIRS = [{"reference": " ".join(WORDS[8 * row : 8 * row + 8]), "source": f"源{row}"} for row in range(4)]
VALUES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=8)


def word_recall(completions, reference, **columns):
    return [
        len(set(answer.split()) & set(right.split())) / len(set(right.split()))
        for answer, right in zip(completions, reference, strict=True)
    ]


def negated(completions, reference, **columns):
    return [-value for value in word_recall(completions, reference)]


@given(VALUES, VALUES)
def test_auc_is_the_share_of_pairs_in_the_right_order(better, worse):
    naive = np.mean([float(a > b) + 0.5 * float(a == b) for a in better for b in worse])
    assert auc(np.array(better), np.array(worse)) == pytest.approx(naive)


@given(VALUES, VALUES)
def test_auc_of_exchanged_sides_adds_up_to_one(better, worse):
    assert auc(np.array(better), np.array(worse)) + auc(np.array(worse), np.array(better)) == pytest.approx(1.0)


@pytest.mark.parametrize(("better", "worse"), [([], [1.0]), ([1.0], [math.nan])])
def test_auc_needs_values_on_both_sides(better, worse):
    assert auc(np.array(better), np.array(worse)) is None


def test_corruption_grows_by_a_quarter_of_the_words():
    rows = [AuditRow("a b c d e f g h"), AuditRow("1 2 3 4 5 6 7 8", index=1)]
    answers = graded_answers(rows[0], Corpus(rows))
    kept = {
        level: sum(word.isalpha() for word in (answers[level] or rows[0].reference).split()) / 8 for level in GRADES
    }
    assert kept == GRADES


def test_a_reward_that_falls_with_every_corruption_ranks_perfectly():
    (within,) = audit_reward(word_recall, PAIRS).graded
    assert (within.spearman, within.kendall, within.auc_unrelated) == pytest.approx((1.0, 1.0, 1.0))


def test_a_reward_that_rises_with_corruption_ranks_the_other_way_round():
    within = audit_reward(negated, PAIRS).graded[0]
    assert (within.spearman, within.auc_unrelated) == pytest.approx((-1.0, 0.0))


def test_a_reward_that_says_the_same_of_all_ranks_nothing():
    within = audit_reward(LanguageConsistencyReward("en"), PAIRS).graded[0]
    assert (within.spearman, within.kendall, within.auc_unrelated) == (0.0, 0.0, 0.5)


def test_across_languages_the_source_takes_the_references_place():
    seen = set()

    def spy(completions, reference, **columns):
        seen.update(reference)
        return [0.0 for _ in completions]

    audit_reward(spy, PAIRS, across_languages=True)
    assert {"源0", "源1", "源2", "源3"} <= seen


def test_across_languages_gates_do_not_count(encoder):
    from semreward import CompositeReward

    similarity = SemanticSimilarityReward(encoder, threshold=-0.5)
    plain = CompositeReward([(similarity, 1.0), (LanguageConsistencyReward("zh"), 0.0)])
    gated = plain.replace(mode="gate", gates=("language_consistency",))

    def across(reward):
        return audit_reward(reward, PAIRS, across_languages=True).graded[1]

    assert across(plain) == across(gated)


def test_the_source_is_not_asked_by_itself():
    assert [graded.scope for graded in audit_reward(word_recall, PAIRS).graded] == ["within"]


def test_rows_without_a_source_are_ranked_within_their_language_only():
    pairs = [{"reference": "a b"}, {"reference": "c d"}]
    assert [graded.scope for graded in audit_reward(word_recall, pairs, across_languages=True).graded] == ["within"]


def test_a_corpus_of_one_text_is_not_ranked():
    assert audit_reward(word_recall, [{"reference": "a b c d"}]).graded == ()
