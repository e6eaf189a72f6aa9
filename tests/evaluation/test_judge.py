import hashlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import semreward
from judge_server import prefer_longer, shown_candidates
from judging import FIRST, PROMPT, SECOND, SOURCES, CountingJudge, counts, judged
from semreward.errors import ArgumentError
from semreward.evaluation import headline_prompt, pairwise_scores, translation_prompt, verdict_of
from semreward.evaluation.judge import scores_of

# The decision in an answer


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("Reason: better.\nDecision: [[1]]", 1),
        ("[[2]]", 2),
        ("理由：差不多。\n决定：[[0]]。", 0),
        ("<think>[[1]]? no, [[2]].</think>Decision: [[2]]", 2),
        ("[2] and then [[1]]", 1),
    ],
)
def test_a_single_mark_is_the_decision(answer, verdict):
    assert verdict_of(answer) == verdict


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "1",
        "[1]",
        "Candidate 1 is better.",
        "[[1]] [[1]]",
        "[[1]] or [[2]] or [[0]]",
        "[[3]]",
        "[[-1]]",
        "[[10]]",
        "[[3]] [[1]]",
        "[[ 1 ]]",
        "[[１]]",
        "[[༡]]",
        "[[[1]]]",
        "[[1]",
        "[[tie]]",
        "<think>[[1]]",
    ],
)
def test_anything_else_decides_nothing(answer):
    assert verdict_of(answer) is None


# Prompts


@pytest.mark.parametrize("prompt", [translation_prompt(), headline_prompt()])
def test_a_prompt_shows_the_source_and_both_candidates_in_order(prompt):
    text = prompt.format(source="SOURCE", candidate_1="FIRST", candidate_2="SECOND")
    assert re.search(r"SOURCE.*FIRST.*SECOND", text, re.DOTALL)


@pytest.mark.parametrize("prompt", [translation_prompt(), headline_prompt()])
def test_a_prompt_keeps_criterion_and_answer_format(prompt):
    assert all(words in prompt for words in ("significantly better", "[[1]]", "[[2]]", "[[0]]", "Reason:", "Decision:"))


def test_the_languages_of_a_prompt_can_be_chosen():
    text = translation_prompt("Uyghur", "Kazakh", reasons_in="Russian")
    assert all(language in text for language in ("Uyghur", "Kazakh", "Russian"))


@pytest.mark.parametrize(("prompt", "language"), [(translation_prompt(), "English"), (headline_prompt(), "Chinese")])
def test_reasons_are_asked_for_in_the_papers_language(prompt, language):
    assert f"briefly, in {language}." in prompt


def test_signature_changes_with_the_text_of_the_prompt():
    other = pairwise_scores(CountingJudge(), SOURCES, FIRST, SECOND, prompt=PROMPT + " ")
    assert other.signature != judged(CountingJudge()).signature


def test_fields_and_braces_in_a_text_stay_as_they_are():
    judge = CountingJudge()
    judged(judge, first=["{candidate_2} {} {x}"], second=["b"], sources=["a"])
    assert "{candidate_2} {} {x}" in judge.prompts[0]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{source} {candidate_1} [[0]] [[1]] [[2]]", "must have the fields candidate_1, candidate_2, source"),
        ("{source} {candidate_1} {candidate_2} {reference} [[0]] [[1]] [[2]]", "and no others"),
        ("{source} {candidate_1} {candidate_2} {} [[0]] [[1]] [[2]]", "and no others"),
        ("{source} {candidate_1} {candidate_2} { [[0]] [[1]] [[2]]", "double braces"),
        ("{source} {candidate_1} {candidate_2} [[1]] [[2]]", r"got no [[0]]"),
    ],
)
def test_a_template_that_cannot_work_is_refused(template, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        pairwise_scores(CountingJudge(), SOURCES, FIRST, SECOND, prompt=template)


# Outcomes


@pytest.mark.parametrize(
    ("verdicts", "outcome", "inconsistent"),
    [
        ((1, 2), (1, 0, 0, 0), 0),
        ((2, 1), (0, 0, 1, 0), 0),
        ((0, 0), (0, 1, 0, 0), 0),
        ((1, 1), (0, 1, 0, 0), 1),
        ((2, 2), (0, 1, 0, 0), 1),
        ((1, 0), (0, 1, 0, 0), 1),
        ((0, 1), (0, 1, 0, 0), 1),
        ((), (0, 1, 0, 0), 0),
        ((None, 2), (0, 0, 0, 1), 0),
        ((1, None), (0, 0, 0, 1), 0),
        ((None, None), (0, 0, 0, 1), 0),
    ],
)
def test_a_system_wins_a_pair_only_in_both_orders(verdicts, outcome, inconsistent):
    scores = scores_of([verdicts], "s")
    assert (counts(scores), scores.inconsistent) == (outcome, inconsistent)


def test_wins_and_losses_are_the_first_systems():
    scores = judged(
        CountingJudge(), first=["长长", "长长", "短", "我"], second=["短", "短", "长长", "你"], sources=["ཀ"] * 4
    )
    assert counts(scores) == (2, 1, 1, 0)


def test_swapping_the_systems_swaps_wins_and_losses():
    ahead = judged(CountingJudge(), first=["长长", "长长", "短"], second=["短", "短", "长长"])
    behind = judged(CountingJudge(), first=["短", "短", "长长"], second=["长长", "长长", "短"])
    assert (ahead.wins, ahead.losses) == (behind.losses, behind.wins) == (2, 1)


def test_each_pair_is_asked_about_in_both_orders():
    judge = CountingJudge()
    judged(judge, first=["甲"], second=["乙乙"], sources=["ཀ"])
    assert [shown_candidates(prompt) for prompt in judge.prompts] == [("甲", "乙乙"), ("乙乙", "甲")]


def test_a_judge_that_always_prefers_the_first_shown_gives_nobody_a_win():
    scores = judged(lambda prompt: "[[1]]")
    assert (counts(scores), scores.inconsistent, scores.shown_first) == ((0, 3, 0, 0), 3, 1.0)


def test_a_judge_that_does_not_mind_the_order_decides_half_for_the_one_shown_first():
    assert judged(CountingJudge()).shown_first == 0.5


def test_nobody_is_asked_about_equal_candidates():
    judge = CountingJudge()
    scores = judged(judge, first=["我", "你们"], second=["我", "你"], sources=["ཀ", "ཁ"])
    assert (len(judge.prompts), scores.identical, counts(scores)) == (2, 1, (1, 1, 0, 0))


def test_unparsable_pairs_are_counted_and_in_no_share():
    scores = judged(lambda prompt: "hm" if "ཀ" in prompt else prefer_longer(prompt))
    assert (counts(scores), scores.judged, scores.win_rate, scores.margin) == ((0, 1, 1, 1), 2, 0.0, -0.5)


def test_a_judge_that_answers_only_nonsense_leaves_no_shares():
    scores = judged(lambda prompt: "as a language model")
    assert (counts(scores), scores.win_rate, scores.win_interval, scores.margin_interval) == (
        (0, 0, 0, 3),
        None,
        None,
        None,
    )


def test_reasoning_in_candidates_is_not_shown():
    judge = CountingJudge()
    judged(judge, first=["<think>hm</think>甲"], second=["乙"], sources=["ཀ"])
    assert shown_candidates(judge.prompts[0]) == ("甲", "乙")


def test_conversational_candidates_are_shown_by_their_answer():
    judge = CountingJudge()
    judged(judge, first=[[{"role": "assistant", "content": "甲"}]], second=["乙"], sources=["ཀ"])
    assert shown_candidates(judge.prompts[0]) == ("甲", "乙")


def test_an_empty_candidate_is_judged():
    assert counts(judged(CountingJudge(), first=[""], second=["乙"], sources=["ཀ"])) == (0, 0, 1, 0)


# Intervals


def scores_with(wins, ties, losses):
    return scores_of([(1, 2)] * wins + [(0, 0)] * ties + [(2, 1)] * losses, "s")


def test_intervals_equal_those_of_resampled_pairs():
    values = np.array([1] * 59 + [0] * 8 + [-1] * 33)
    drawn = np.random.default_rng(1).choice(values, size=(20_000, 100))
    expected = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    assert scores_with(59, 8, 33).margin_interval == pytest.approx(tuple(expected), abs=0.011)


def test_the_interval_of_a_share_is_as_wide_as_the_binomial_says():
    low, high = scores_with(50, 0, 50).win_interval
    assert (low, high) == pytest.approx((0.4, 0.6), abs=0.011)  # 0.5 -+ 1.96 * sqrt(0.25 / 100)


def test_intervals_repeat():
    assert scores_with(5, 3, 4) == scores_with(5, 3, 4)


@given(wins=st.integers(0, 30), ties=st.integers(0, 30), losses=st.integers(0, 30))
def test_shares_lie_in_their_intervals(wins, ties, losses):
    scores = scores_with(wins, ties, losses)
    if not wins + ties + losses:
        assert scores.win_rate is None
        return
    rates = [(scores.win_rate, scores.win_interval), (scores.margin, scores.margin_interval)]
    assert all(low - 1e-9 <= rate <= high + 1e-9 for rate, (low, high) in rates)


@given(wins=st.integers(0, 9), ties=st.integers(0, 9), losses=st.integers(0, 9))
def test_counts_are_those_of_the_pairs(wins, ties, losses):
    assert counts(scores_with(wins, ties, losses)) == (wins, ties, losses, 0)


# What a result shows


def test_the_signature_says_what_decides_the_numbers():
    prompt_hash = hashlib.sha256(PROMPT.encode()).hexdigest()[:12]
    assert judged(CountingJudge()).signature == (
        f"pairwise|judge:counting|prompt:{prompt_hash}|orders:both|bootstrap:10000|seed:0|"
        f"semreward:{semreward.__version__}"
    )


def test_a_result_holds_the_decisions_of_each_row():
    scores = judged(CountingJudge(), first=["我们好", "你", "他"], second=["我", "你们", "他"])
    assert scores.verdicts == [(1, 2), (2, 1), ()]


def test_requests_at_a_time_change_nothing():
    assert judged(CountingJudge()) == judged(CountingJudge(), concurrency=3)
