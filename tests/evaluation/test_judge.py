import json
import logging
import pickle
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import semreward
from judge_server import completion, failure, judge_of, judge_server, prefer_longer, shown_candidates
from semreward.errors import ArgumentError, ArgumentTypeError, MissingDependencyError
from semreward.evaluation import (
    ChatError,
    ChatServer,
    ChatUnavailableError,
    JudgePrompt,
    JudgingInterruptedError,
    headline_prompt,
    judging_estimate,
    pairwise_scores,
    translation_prompt,
    verdict_of,
)
from semreward.evaluation.verdicts import judged_pair, scores_of

PROMPT = translation_prompt()

# Three pairs, of which the judge that prefers the longer candidate gives one to either side.
SOURCES = ["ཀ", "ཁ", "ག"]
FIRST = ["我们好", "你", "他"]
SECOND = ["我", "你们", "她"]


class CountingJudge:
    """Prefers the longer candidate, remembers what it was asked, and fails at the request that it is told."""

    signature = "counting"

    def __init__(self, fails_at=None):
        self.prompts = []
        self.fails_at = fails_at
        self.lock = threading.Lock()

    def __call__(self, prompt):
        with self.lock:
            self.prompts.append(prompt)
            if len(self.prompts) == self.fails_at:
                raise RuntimeError("the judge fell asleep")
        return prefer_longer(prompt)


def judged(judge, first=FIRST, second=SECOND, sources=SOURCES, **options):
    return pairwise_scores(judge, sources, first, second, prompt=PROMPT, **{"concurrency": 1, **options})


def counts(scores):
    return scores.wins, scores.ties, scores.losses, scores.unparsable


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
    text = prompt.text("SOURCE", "FIRST", "SECOND")
    assert re.search(r"SOURCE.*FIRST.*SECOND", text, re.DOTALL)


@pytest.mark.parametrize("prompt", [translation_prompt(), headline_prompt()])
def test_a_prompt_keeps_criterion_and_answer_format(prompt):
    assert all(
        words in prompt.template
        for words in ("significantly better", "[[1]]", "[[2]]", "[[0]]", "Reason:", "Decision:")
    )


def test_the_languages_of_a_prompt_can_be_chosen():
    text = translation_prompt("Uyghur", "Kazakh", reasons_in="Russian").template
    assert all(language in text for language in ("Uyghur", "Kazakh", "Russian"))


@pytest.mark.parametrize(("prompt", "language"), [(translation_prompt(), "English"), (headline_prompt(), "Chinese")])
def test_reasons_are_asked_for_in_the_papers_language(prompt, language):
    assert f"briefly, in {language}." in prompt.template


def test_a_prompts_signature_changes_with_its_text():
    assert JudgePrompt("p", PROMPT.template + " ").signature != JudgePrompt("p", PROMPT.template).signature


def test_fields_and_braces_in_a_text_stay_as_they_are():
    assert "{candidate_2} {} {x}" in PROMPT.text("{candidate_2} {} {x}", "a", "b")


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
        JudgePrompt("p", template)


# Outcomes


@pytest.mark.parametrize(
    ("forward", "backward", "outcome", "consistent"),
    [
        (1, 2, "first", True),
        (2, 1, "second", True),
        (0, 0, "tie", True),
        (1, 1, "tie", False),
        (2, 2, "tie", False),
        (1, 0, "tie", False),
        (0, 1, "tie", False),
    ],
)
def test_a_system_wins_a_pair_only_in_both_orders(forward, backward, outcome, consistent):
    pair = judged_pair(f"[[{forward}]]", f"[[{backward}]]")
    assert (pair.outcome, pair.consistent) == (outcome, consistent)


@pytest.mark.parametrize(("forward", "backward"), [("?", "[[2]]"), ("[[1]]", ""), ("?", "?")])
def test_one_answer_without_a_decision_makes_a_pair_unparsable(forward, backward):
    assert judged_pair(forward, backward).outcome == "unparsable"


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
    assert (counts(scores), scores.judged, scores.win_rate, scores.loss_rate) == ((0, 1, 1, 1), 2, 0.0, 0.5)


def test_a_judge_that_answers_only_nonsense_leaves_no_shares():
    scores = judged(lambda prompt: "as a language model")
    assert (counts(scores), scores.win_rate, scores.win_interval, scores.margin_interval) == (
        (0, 0, 0, 3),
        None,
        None,
        None,
    )


def test_a_result_without_shares_prints():
    assert "unparsable                      3" in str(judged(lambda prompt: "hm"))


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


def pairs(wins, ties, losses):
    marks = [("[[1]]", "[[2]]")] * wins + [("[[0]]", "[[0]]")] * ties + [("[[2]]", "[[1]]")] * losses
    return [judged_pair(*answers) for answers in marks]


def scores_with(wins, ties, losses, *, resamples=2_000, seed=0):
    return scores_of(pairs(wins, ties, losses), ("a", "b"), resamples=resamples, seed=seed, signature="s")


def test_intervals_equal_those_of_resampled_pairs():
    values = np.array([1] * 59 + [0] * 8 + [-1] * 33)
    drawn = np.random.default_rng(1).choice(values, size=(20_000, 100))
    expected = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    assert scores_with(59, 8, 33, resamples=20_000).margin_interval == pytest.approx(tuple(expected), abs=0.011)


def test_the_interval_of_a_share_is_as_wide_as_the_binomial_says():
    low, high = scores_with(50, 0, 50, resamples=20_000).win_interval
    assert (low, high) == pytest.approx((0.4, 0.6), abs=0.011)  # 0.5 -+ 1.96 * sqrt(0.25 / 100)


def test_intervals_repeat_with_their_seed():
    assert scores_with(5, 3, 4) == scores_with(5, 3, 4)


def test_intervals_change_with_their_seed():
    assert scores_with(52, 31, 47).margin_interval != scores_with(52, 31, 47, seed=1).margin_interval


@given(wins=st.integers(0, 30), ties=st.integers(0, 30), losses=st.integers(0, 30))
def test_shares_lie_in_their_intervals_and_sum_to_one(wins, ties, losses):
    scores = scores_with(wins, ties, losses, resamples=400)
    if not wins + ties + losses:
        assert scores.win_rate is None
        return
    rates = [scores.win_rate, scores.tie_rate, scores.loss_rate]
    intervals = [scores.win_interval, scores.tie_interval, scores.loss_interval]
    assert sum(rates) == pytest.approx(1.0)
    assert all(low - 1e-9 <= rate <= high + 1e-9 for rate, (low, high) in zip(rates, intervals, strict=True))


@given(wins=st.integers(0, 9), ties=st.integers(0, 9), losses=st.integers(0, 9))
def test_counts_are_those_of_the_pairs(wins, ties, losses):
    assert counts(scores_with(wins, ties, losses, resamples=1)) == (wins, ties, losses, 0)


# What a result shows


def test_the_signature_says_what_decides_the_numbers():
    assert judged(CountingJudge(), resamples=50, seed=7).signature == (
        f"pairwise|judge:counting|prompt:{PROMPT.signature}|orders:both|bootstrap:50|seed:7|"
        f"semreward:{semreward.__version__}"
    )


def test_the_table_shows_counts_shares_and_names():
    table = str(judged(CountingJudge(), names=("RL", "SFT")))
    assert re.search(r"RL better +1 +33\.3 %  \d+\.\d % to \d+\.\d %\n.*SFT better +1 +33\.3 %", table, re.DOTALL)


def test_json_holds_shares_and_the_judges_answers():
    content = json.loads(judged(CountingJudge()).to_json())
    assert (content["win_rate"], content["pairs"][1]["answers"][0]) == (1 / 3, "Reason: length.\nDecision: [[2]]")


def test_equal_scores_give_equal_json():
    assert judged(CountingJudge()).to_json() == judged(CountingJudge(), concurrency=3).to_json()


# Cache and resume


def test_a_second_call_asks_nothing(tmp_path):
    judged(CountingJudge(), cache=tmp_path / "answers.jsonl")
    again = CountingJudge()
    assert judged(again, cache=tmp_path / "answers.jsonl") == judged(CountingJudge())
    assert again.prompts == []


def test_an_interrupted_call_asks_only_for_what_is_missing(tmp_path):
    with pytest.raises(JudgingInterruptedError):
        judged(CountingJudge(fails_at=4), cache=tmp_path / "answers.jsonl")
    again = CountingJudge()
    assert judged(again, cache=tmp_path / "answers.jsonl") == judged(CountingJudge())
    assert len(again.prompts) == 3


def test_a_process_that_is_killed_loses_no_answer(tmp_path):
    script = f"""
import os, signal
from semreward.evaluation import pairwise_scores, translation_prompt

asked = []

def judge(prompt):
    if len(asked) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    asked.append(prompt)
    return "[[0]]"

pairwise_scores(judge, {SOURCES}, {FIRST}, {SECOND}, prompt=translation_prompt(), concurrency=1,
                cache={str(tmp_path / "answers.jsonl")!r}, judge_name="counting")
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    again = CountingJudge()
    judged(again, cache=tmp_path / "answers.jsonl")
    assert len(again.prompts) == 2


def test_more_rows_ask_only_for_themselves(tmp_path):
    judged(CountingJudge(), FIRST[:2], SECOND[:2], SOURCES[:2], cache=tmp_path / "answers.jsonl")
    again = CountingJudge()
    judged(again, cache=tmp_path / "answers.jsonl")
    assert len(again.prompts) == 2


def test_another_judge_another_prompt_and_other_candidates_are_asked_anew(tmp_path):
    cache = tmp_path / "answers.jsonl"
    judged(CountingJudge(), cache=cache)
    judge = CountingJudge()
    judged(judge, cache=cache, judge_name="another")
    pairwise_scores(judge, SOURCES, FIRST, SECOND, prompt=headline_prompt(), cache=cache)
    judged(judge, first=["甲", "乙", "丙"], cache=cache)
    assert len(judge.prompts) == 18


def test_unparsable_answers_are_kept_like_others(tmp_path):
    judged(lambda prompt: "hm", cache=tmp_path / "answers.jsonl", judge_name="nonsense")
    again = CountingJudge()
    assert judged(again, cache=tmp_path / "answers.jsonl", judge_name="nonsense").unparsable == 3
    assert again.prompts == []


def test_a_last_line_that_was_cut_off_is_asked_again(tmp_path):
    cache = tmp_path / "answers.jsonl"
    judged(CountingJudge(), cache=cache)
    cache.write_bytes(cache.read_bytes()[:-9])
    again = CountingJudge()
    assert judged(again, cache=cache) == judged(CountingJudge())
    assert len(again.prompts) == 1


def test_after_a_line_that_was_cut_off_the_file_is_whole_again(tmp_path):
    cache = tmp_path / "answers.jsonl"
    judged(CountingJudge(), cache=cache)
    cache.write_bytes(cache.read_bytes()[:-9])
    judged(CountingJudge(), cache=cache)
    assert len([json.loads(line) for line in cache.read_text(encoding="utf-8").splitlines()]) == 6


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"key": "k"}', '{"key": 1, "answer": "a"}', ""])
def test_a_broken_line_is_named(tmp_path, line):
    cache = tmp_path / "answers.jsonl"
    judged(CountingJudge(), cache=cache)
    cache.write_text(line + "\n" + cache.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"line 1 of '.*answers.jsonl' must be a JSON object"):
        judged(CountingJudge(), cache=cache)


def test_a_cache_that_cannot_be_written_shows_before_anything_is_asked(tmp_path):
    (tmp_path / "file").write_text("")
    judge = CountingJudge()
    with pytest.raises(OSError, match="file"):
        judged(judge, cache=tmp_path / "file" / "answers.jsonl")
    assert judge.prompts == []


def test_equal_rows_are_asked_about_once():
    judge = CountingJudge()
    assert judged(judge, ["长长"] * 4, ["短"] * 4, ["ཀ"] * 4).wins == 4
    assert len(judge.prompts) == 2


def test_a_function_with_a_cache_needs_a_name(tmp_path):
    with pytest.raises(ArgumentError, match="`judge_name` must say what"):
        judged(prefer_longer, cache=tmp_path / "answers.jsonl")


def test_a_function_without_a_cache_is_called_by_its_own_name():
    assert "|judge:prefer_longer|" in judged(prefer_longer).signature


def test_requests_at_a_time_are_bounded():
    pytest.importorskip("openai")
    with judge_server(delay_s=0.02) as state:
        judged(judge_of(state), ["长长"] * 8, ["短"] * 8, [f"ཀ{row}" for row in range(8)], concurrency=3)
    assert (len(state.requests), 1 < state.most_at_once <= 3) == (16, True)


# A judge that fails


def test_a_failing_judge_is_a_named_error_with_its_cause():
    with pytest.raises(
        JudgingInterruptedError, match=r"after 2 of 6 answers, because RuntimeError: the judge fell"
    ) as raised:
        judged(CountingJudge(fails_at=3))
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_the_error_says_where_the_answers_are(tmp_path):
    with pytest.raises(JudgingInterruptedError, match=r"kept in '.*answers.jsonl': the same call goes on from there"):
        judged(CountingJudge(fails_at=3), cache=tmp_path / "answers.jsonl")


def test_the_error_says_when_nothing_is_kept():
    with pytest.raises(JudgingInterruptedError, match="nothing is kept, because there is no `cache`"):
        judged(CountingJudge(fails_at=3))


def test_the_error_carries_scores_of_the_finished_pairs():
    with pytest.raises(JudgingInterruptedError) as raised:
        judged(CountingJudge(fails_at=6))
    assert counts(raised.value.scores) == (1, 0, 1, 0)


def test_the_error_carries_no_scores_where_no_pair_is_finished():
    with pytest.raises(JudgingInterruptedError) as raised:
        judged(CountingJudge(fails_at=1))
    assert raised.value.scores is None


def test_after_a_failure_no_more_is_asked():
    judge = CountingJudge(fails_at=1)
    with pytest.raises(JudgingInterruptedError):
        judged(judge)
    assert len(judge.prompts) == 1


def test_an_interrupt_from_the_keyboard_passes_and_keeps_the_answers(tmp_path):
    answered = []

    def judge(prompt):
        if len(answered) == 2:
            raise KeyboardInterrupt
        answered.append(prompt)
        return prefer_longer(prompt)

    with pytest.raises(KeyboardInterrupt):
        judged(judge, cache=tmp_path / "answers.jsonl", judge_name="longer")
    assert len((tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_a_judge_that_returns_no_text_is_told():
    with pytest.raises(JudgingInterruptedError, match="`judge` must return a text, got int"):
        judged(lambda prompt: 1)


# Bad input


@pytest.mark.parametrize("source", ["", " \n"])
def test_a_blank_source_is_named_by_its_row(source):
    with pytest.raises(ArgumentError, match="`sources` must not be blank, got .* at row 1"):
        judged(CountingJudge(), sources=["ཀ", source, "ག"])


def test_a_source_of_the_wrong_type_is_named_by_its_row():
    with pytest.raises(ArgumentTypeError, match="`sources` must be strings, got NoneType at row 2"):
        judged(CountingJudge(), sources=["ཀ", "ཁ", None])


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_candidate_of_the_wrong_type_is_named_by_list_and_row(name):
    with pytest.raises(ArgumentTypeError, match=f"`{name}` at row 1"):
        judged(CountingJudge(), **{name: ["我", 3, "他"]})


@pytest.mark.parametrize(("name", "value"), [("second", ["我"]), ("sources", ["ཀ"] * 4)])
def test_lengths_that_differ_are_refused(name, value):
    with pytest.raises(ArgumentError, match=f"`{name}` must have one value a completion: 3 expected, got {len(value)}"):
        judged(CountingJudge(), **{name: value})


def test_no_pairs_are_refused():
    with pytest.raises(ArgumentError, match="`first` must hold at least one completion"):
        judged(CountingJudge(), [], [], [])


@pytest.mark.parametrize("name", ["concurrency", "resamples"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None])
def test_counts_that_are_none_are_refused(name, value):
    with pytest.raises(ArgumentError, match=f"`{name}` must be an integer of at least 1"):
        judged(CountingJudge(), **{name: value})


def test_a_judge_that_cannot_be_called_is_refused():
    with pytest.raises(ArgumentTypeError, match="`judge` must be callable, got str"):
        judged("gpt-5.2")


# The estimate


def estimated(judge=prefer_longer, **options):
    return judging_estimate(judge, SOURCES, FIRST, SECOND, prompt=PROMPT, **options)


def test_an_estimate_asks_nothing():
    judge = CountingJudge()
    estimated(judge)
    assert judge.prompts == []


def test_an_estimate_counts_what_will_be_sent():
    judge = CountingJudge()
    judged(judge)
    estimate = estimated()
    assert (estimate.requests, estimate.characters) == (6, sum(map(len, judge.prompts)))


def test_an_estimate_leaves_out_what_is_answered_and_what_is_equal(tmp_path):
    cache = tmp_path / "answers.jsonl"
    judged(CountingJudge(), FIRST[:1], SECOND[:1], SOURCES[:1], cache=cache)
    estimate = judging_estimate(CountingJudge(), SOURCES, FIRST, [*SECOND[:2], FIRST[2]], prompt=PROMPT, cache=cache)
    assert (estimate.requests, estimate.answered, estimate.identical) == (2, 2, 1)


def test_an_estimate_leaves_the_cache_as_it_is(tmp_path):
    cache = tmp_path / "answers.jsonl"
    judged(CountingJudge(), cache=cache)
    torn = cache.read_bytes()[:-9]
    cache.write_bytes(torn)
    estimated(CountingJudge(), cache=cache)
    assert cache.read_bytes() == torn


def test_costs_come_from_counted_tokens_and_prices():
    estimate = estimated(count_tokens=lambda text: 1000, answer_tokens=100, input_price=2.0, output_price=10.0)
    assert (estimate.input_tokens, estimate.output_tokens, estimate.cost) == (6000, 600, pytest.approx(0.012 + 0.006))


def test_without_a_counter_bytes_bound_the_tokens():
    judge = CountingJudge()
    judged(judge)
    estimate = estimated()
    assert estimate.input_tokens == sum(len(prompt.encode()) for prompt in judge.prompts)
    assert not estimate.counted


def test_without_prices_there_is_no_cost():
    assert estimated().cost is None


def test_one_price_alone_is_refused():
    with pytest.raises(ArgumentError, match="`input_price` and `output_price` must be given together"):
        estimated(input_price=1.0)


def test_an_estimate_prints_its_bound():
    text = str(estimated(input_price=1.0, output_price=1.0))
    assert re.search(r"^6 requests .* at most [\d,]+ tokens in, about 900 tokens out; cost at most 0\.\d\d$", text)


# The client, against a server on loopback


@pytest.fixture
def _openai():
    pytest.importorskip("openai")


client = pytest.mark.usefixtures("_openai")


@client
def test_a_judge_behind_a_server_judges():
    with judge_server() as state:
        scores = judged(judge_of(state))
    assert (counts(scores), {request.path for request in state.requests}) == ((1, 1, 1, 0), {"/v1/chat/completions"})


@client
def test_a_request_carries_model_prompt_and_settings():
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state, max_tokens=99, extra_body={"seed": 3})("a prompt")
    assert state.requests[0].body == {
        "model": "judge",
        "messages": [{"role": "user", "content": "a prompt"}],
        "temperature": 0.0,
        "max_completion_tokens": 99,
        "seed": 3,
    }


@client
def test_settings_that_are_none_are_not_sent():
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state, temperature=None, max_tokens=None)("a prompt")
    assert set(state.requests[0].body) == {"model", "messages"}


@client
def test_a_key_is_sent_as_a_bearer_token():
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state, api_key="secret-key")("a prompt")
    assert state.requests[0].headers["authorization"] == "Bearer secret-key"


@client
def test_a_key_in_the_environment_is_sent(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "secret-key")
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state, api_key_env="JUDGE_KEY")("a prompt")
    assert state.requests[0].headers["authorization"] == "Bearer secret-key"


@client
def test_without_a_key_none_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state)("a prompt")
    assert "authorization" not in state.requests[0].headers


@client
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_fails_in_passing_is_tried_again(status):
    with judge_server(
        judge=lambda prompt: "[[1]]", respond=lambda number, request: failure(status, "later") if number < 2 else None
    ) as state:
        assert judge_of(state)("a prompt") == "[[1]]"
    assert len(state.requests) == 3


@client
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_goes_on_failing_is_unavailable(status):
    with (
        judge_server(respond=lambda number, request: failure(status, "later")) as state,
        pytest.raises(ChatUnavailableError, match=f"still answered with status {status} after 3 attempts.*later"),
    ):
        judge_of(state)("a prompt")


@client
def test_a_server_that_is_down_is_unavailable():
    with judge_server() as state:
        pass
    with pytest.raises(ChatUnavailableError, match="is the server running"):
        judge_of(state, max_retries=0)("a prompt")


@client
def test_a_server_that_is_too_slow_is_unavailable():
    with judge_server(delay_s=0.5) as state, pytest.raises(ChatUnavailableError, match="1 attempts of up to 0.1 s"):
        judge_of(state, timeout_s=0.1, max_retries=0)("a prompt")


@client
@pytest.mark.parametrize(
    ("status", "message"), [(400, "refuses the request"), (404, "refuses the request"), (401, "refuses the key")]
)
def test_a_refusal_is_not_tried_again(status, message):
    with (
        judge_server(respond=lambda number, request: failure(status, "no")) as state,
        pytest.raises(ChatError, match=f"{message} \\(status {status}\\): .*no"),
    ):
        judge_of(state)("a prompt")
    assert len(state.requests) == 1


@client
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'"text"',
        b"<html>",
        completion("[[1]]")[2][:-9],
        completion([{"type": "text", "text": "[[1]]"}])[2],
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
def test_what_is_no_chat_completion_is_told(body, content_type):
    with (
        judge_server(respond=lambda number, request: (200, {"Content-Type": content_type}, body)) as state,
        pytest.raises(ChatError, match="no chat completion"),
    ):
        judge_of(state)("a prompt")


@client
def test_an_answer_without_content_is_unparsable():
    with judge_server(judge=lambda prompt: None) as state:
        assert judged(judge_of(state)).unparsable == 3


@client
def test_a_server_that_goes_down_keeps_the_answers_and_goes_on(tmp_path):
    cache = tmp_path / "answers.jsonl"
    with (
        judge_server(respond=lambda number, request: failure(500, "gone") if number >= 4 else None) as state,
        pytest.raises(JudgingInterruptedError, match="after 4 of 6 answers, because ChatUnavailableError"),
    ):
        judged(judge_of(state), cache=cache)
    with judge_server() as state:
        scores = judged(judge_of(state), cache=cache)
    assert (counts(scores), len(state.requests)) == ((1, 1, 1, 0), 2)


@client
def test_answers_count_for_the_same_model_at_another_address(tmp_path):
    for expected in (6, 0):
        with judge_server() as state:
            judged(judge_of(state), cache=tmp_path / "answers.jsonl")
        assert len(state.requests) == expected


@client
def test_a_key_shows_in_no_error_log_cache_or_repr(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "answers.jsonl"

    def echo_the_key(number, request):
        return failure(401, f"wrong key: {request.headers['authorization']}") if number >= 2 else None

    with judge_server(respond=echo_the_key) as state:
        judge = judge_of(state, api_key="secret-key")
        with pytest.raises(JudgingInterruptedError, match=r"wrong key: Bearer \*\*\*") as raised:
            judged(judge, cache=cache)
    errors = [
        raised.value,
        raised.value.__cause__,
        raised.value.__cause__.__cause__,
        raised.value.__cause__.__context__,
    ]
    shown = [*map(repr, errors), caplog.text, cache.read_text(encoding="utf-8"), repr(judge), judge.signature]
    assert "secret-key" not in "\n".join(shown)


def test_a_pickle_holds_no_key():
    assert b"secret-key" not in pickle.dumps(ChatServer("http://127.0.0.1:1/v1", "m", api_key="secret-key"))


@client
def test_an_unpickled_judge_reads_the_key_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge = judge_of(state, api_key="another")
        judge("a prompt")  # so that it has a client, which does not pickle
        pickle.loads(pickle.dumps(judge))("a prompt")
    assert [request.headers["authorization"] for request in state.requests] == ["Bearer another", "Bearer secret-key"]


@client
def test_an_unpickled_judge_without_its_key_says_so(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    judge = pickle.loads(pickle.dumps(ChatServer("http://127.0.0.1:1/v1", "m", api_key="secret-key")))
    with pytest.raises(ArgumentError, match="set the environment variable OPENAI_API_KEY"):
        judge("a prompt")


def test_a_judges_signature_says_how_it_is_sampled_but_not_where():
    judge = ChatServer("http://127.0.0.1:1/v1", "m", temperature=None, extra_body={"seed": 1})
    assert judge.signature == 'm|temperature:None|max_tokens:1024|extra_body:{"seed": 1}'


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "127.0.0.1:8000"},
        {"base_url": "http://user:secret@127.0.0.1/v1"},
        {"model": ""},
        {"temperature": -0.1},
        {"temperature": float("inf")},
        {"max_tokens": 0},
        {"timeout_s": 0},
        {"max_retries": -1},
        {"api_key": "two words"},
        {"extra_body": [1]},
        {"extra_body": {"a": {1}}},
    ],
)
def test_arguments_out_of_range_are_refused(wrong):
    arguments = {"base_url": "http://127.0.0.1:1/v1", "model": "m", **wrong}
    with pytest.raises(ArgumentError, match=f"`{next(iter(wrong))}` must"):
        ChatServer(**arguments)


def test_a_missing_client_is_told_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'semreward\[judge\]'"):
        ChatServer("http://127.0.0.1:1/v1", "m")("a prompt")


def test_what_the_client_itself_lacks_is_told_as_it_is(monkeypatch):
    def failing(name):
        raise ModuleNotFoundError("No module named 'jiter'", name="jiter")

    monkeypatch.setattr("importlib.import_module", failing)
    with pytest.raises(ModuleNotFoundError, match="jiter"):
        ChatServer("http://127.0.0.1:1/v1", "m")("a prompt")
