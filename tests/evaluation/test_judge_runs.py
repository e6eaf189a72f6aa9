import json
import signal
import subprocess
import sys

import pytest

from judge_server import judge_of, judge_server, prefer_longer
from judging import FIRST, SECOND, SOURCES, CountingJudge, judged
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.evaluation import headline_prompt, pairwise_scores
from semreward.evaluation.asking import AnswerFile


def test_a_second_call_asks_nothing(tmp_path):
    judged(CountingJudge(), cache=tmp_path / "answers.jsonl")
    again = CountingJudge()
    assert judged(again, cache=tmp_path / "answers.jsonl") == judged(CountingJudge())
    assert again.prompts == []


def test_an_interrupted_call_asks_only_for_what_is_missing(tmp_path):
    with pytest.raises(RuntimeError, match="fell asleep"):
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

judge.signature = "counting"
pairwise_scores(judge, {SOURCES}, {FIRST}, {SECOND}, prompt=translation_prompt(), concurrency=1,
                cache={str(tmp_path / "answers.jsonl")!r})
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
    judge.signature = "another"
    judged(judge, cache=cache)
    judge.signature = "counting"
    pairwise_scores(judge, SOURCES, FIRST, SECOND, prompt=headline_prompt(), cache=cache)
    judged(judge, first=["甲", "乙", "丙"], cache=cache)
    assert len(judge.prompts) == 18


def test_unparsable_answers_are_kept_like_others(tmp_path):
    def judge(prompt):
        return "hm"

    judge.signature = "counting"
    judged(judge, cache=tmp_path / "answers.jsonl")
    again = CountingJudge()
    assert judged(again, cache=tmp_path / "answers.jsonl").unparsable == 3
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


def test_a_last_line_that_lacks_only_its_line_break_is_not_asked_again(tmp_path):
    cache = tmp_path / "answers.jsonl"
    judged(CountingJudge(), FIRST[:2], SECOND[:2], SOURCES[:2], cache=cache)
    cache.write_bytes(cache.read_bytes()[:-1])
    again = CountingJudge()
    judged(again, cache=cache)
    assert len(again.prompts) == 2
    assert len([json.loads(line) for line in cache.read_text(encoding="utf-8").splitlines()]) == 6


@pytest.mark.parametrize(
    "content",
    [
        b'{"data": []}',
        b'{"data": [',
        b'{"key": "k"}',
        b"3",
        b"\x00\xff\x80",
        b"[" * 200_000,
        b'{"id": "a", "answer": 1}',
    ],
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path, content):
    cache = tmp_path / "squad.json"
    cache.write_bytes(content)
    judge = CountingJudge()
    with pytest.raises(ArgumentError, match=r"line 1 of '.*squad.json' must be a JSON object"):
        judged(judge, cache=cache)
    assert (cache.read_bytes(), judge.prompts) == (content, [])


def test_of_two_at_one_file_the_second_removes_nothing_that_the_first_added(tmp_path):
    one, other = AnswerFile(tmp_path / "answers.jsonl"), AnswerFile(tmp_path / "answers.jsonl")
    one.add("one", "1")
    other.add("other", "2")
    assert AnswerFile(tmp_path / "answers.jsonl") == {"one": "1", "other": "2"}


@pytest.mark.parametrize("line", ["{", "[]", "[" * 200_000, "3", '{"key": "k"}', '{"key": 1, "answer": "a"}', ""])
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


def test_a_function_with_a_cache_needs_a_signature(tmp_path):
    with pytest.raises(ArgumentError, match="`judge` must have a `signature`, .* set judge.signature"):
        judged(prefer_longer, cache=tmp_path / "answers.jsonl")


def test_a_function_without_a_cache_is_called_by_its_own_name():
    assert "|judge:prefer_longer|" in judged(prefer_longer).signature


def test_requests_at_a_time_are_bounded():
    with judge_server(delay_s=0.02) as state:
        judged(judge_of(state), ["长长"] * 8, ["短"] * 8, [f"ཀ{row}" for row in range(8)], concurrency=3)
    assert (len(state.requests), 1 < state.most_at_once <= 3) == (16, True)


# A judge that fails


def test_after_a_failure_no_more_is_asked():
    judge = CountingJudge(fails_at=1)
    with pytest.raises(RuntimeError, match="fell asleep"):
        judged(judge)
    assert len(judge.prompts) == 1


def test_an_interrupt_from_the_keyboard_passes_and_keeps_the_answers(tmp_path):
    answered = []

    def judge(prompt):
        if len(answered) == 2:
            raise KeyboardInterrupt
        answered.append(prompt)
        return prefer_longer(prompt)

    judge.signature = "longer"
    with pytest.raises(KeyboardInterrupt):
        judged(judge, cache=tmp_path / "answers.jsonl")
    assert len((tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_a_judge_that_returns_no_text_is_told():
    with pytest.raises(ArgumentTypeError, match="`judge` must return a text, got int"):
        judged(lambda prompt: 1)


# Bad input


@pytest.mark.parametrize("source", ["", " \n", None])
def test_a_source_that_is_none_is_named_by_its_row(source):
    with pytest.raises(ArgumentError, match="`sources` must be non-blank strings, got .* at row 1"):
        judged(CountingJudge(), sources=["ཀ", source, "ག"])


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_candidate_of_the_wrong_type_is_named_by_list_and_row(name):
    with pytest.raises(ArgumentTypeError, match=f"`{name}` at row 1"):
        judged(CountingJudge(), **{name: ["我", 3, "他"]})


@pytest.mark.parametrize(("name", "value"), [("second", ["我"]), ("sources", ["ཀ"] * 4)])
def test_lengths_that_differ_are_refused(name, value):
    with pytest.raises(
        ArgumentError, match=f"`{name}` must have one value per completion: 3 expected, got {len(value)}"
    ):
        judged(CountingJudge(), **{name: value})


def test_no_pairs_are_refused():
    with pytest.raises(ArgumentError, match="`first` must hold at least one completion"):
        judged(CountingJudge(), [], [], [])


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None])
def test_a_concurrency_that_is_none_is_refused(value):
    with pytest.raises(ArgumentError, match="`concurrency` must be a whole number of at least 1"):
        judged(CountingJudge(), concurrency=value)


def test_a_prompt_that_is_no_text_is_refused():
    with pytest.raises(ArgumentTypeError, match="`prompt` must be a string, got NoneType"):
        pairwise_scores(CountingJudge(), SOURCES, FIRST, SECOND, prompt=None)


def test_a_wrong_answer_argument_shows_before_any_request():
    judge = CountingJudge()
    with pytest.raises(ArgumentError, match="`answer` must be an Answer"):
        judged(judge, answer="bad")
    assert judge.prompts == []


def test_a_judge_that_cannot_be_called_is_refused():
    with pytest.raises(ArgumentTypeError, match="`judge` must be callable, got str"):
        judged("gpt-5.2")
