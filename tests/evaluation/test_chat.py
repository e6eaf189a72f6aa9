import dataclasses
import logging
import os
import pickle

import pytest

from judge_server import completion, failure, judge_of, judge_server
from judging import counts, judged
from semreward.errors import ArgumentError, ChatError, ChatUnavailableError
from semreward.evaluation import ChatServer


def test_a_judge_behind_a_server_judges():
    with judge_server() as state:
        scores = judged(judge_of(state))
    assert (counts(scores), {request.path for request in state.requests}) == ((1, 1, 1, 0), {"/v1/chat/completions"})


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


def test_settings_that_are_none_are_not_sent():
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state, temperature=None, max_tokens=None)("a prompt")
    assert set(state.requests[0].body) == {"model", "messages"}


def test_a_key_is_sent_as_a_bearer_token():
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state, api_key="secret-key")("a prompt")
    assert state.requests[0].headers["authorization"] == "Bearer secret-key"


def test_a_key_in_the_environment_is_sent(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "secret-key")
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state, api_key_env="JUDGE_KEY")("a prompt")
    assert state.requests[0].headers["authorization"] == "Bearer secret-key"


def test_without_a_key_none_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge_of(state)("a prompt")
    assert "authorization" not in state.requests[0].headers


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_fails_in_passing_is_tried_again(status):
    with judge_server(
        judge=lambda prompt: "[[1]]", respond=lambda number, request: failure(status, "later") if number < 2 else None
    ) as state:
        assert judge_of(state)("a prompt") == "[[1]]"
    assert len(state.requests) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_goes_on_failing_is_unavailable(status):
    with (
        judge_server(respond=lambda number, request: failure(status, "later")) as state,
        pytest.raises(ChatUnavailableError, match=f"answered {status} .*later.*, at attempt 3; is the server running"),
    ):
        judge_of(state)("a prompt")


def test_a_server_that_is_down_is_unavailable():
    with judge_server() as state:
        pass
    with pytest.raises(ChatUnavailableError, match="is the server running"):
        judge_of(state, max_retries=0)("a prompt")


def test_a_server_that_is_too_slow_is_unavailable():
    with judge_server(delay_s=0.5) as state, pytest.raises(ChatUnavailableError, match="within 0.1 s, at attempt 1; "):
        judge_of(state, timeout_s=0.1, max_retries=0)("a prompt")


@pytest.mark.parametrize(
    ("status", "message"), [(400, "check `base_url`"), (404, "check `base_url`"), (401, "variable OPENAI_API_KEY")]
)
def test_a_refusal_is_not_tried_again(status, message):
    with (
        judge_server(respond=lambda number, request: failure(status, "no")) as state,
        pytest.raises(ChatError, match=f"answered {status} .*no.*; .*{message}"),
    ):
        judge_of(state)("a prompt")
    assert len(state.requests) == 1


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
        judge_of(state, max_retries=0)("a prompt")


def test_an_answer_without_content_is_unparsable():
    with judge_server(judge=lambda prompt: None) as state:
        assert judged(judge_of(state)).unparsable == 3


def test_a_server_that_goes_down_keeps_the_answers_and_goes_on(tmp_path):
    cache = tmp_path / "answers.jsonl"
    with (
        judge_server(respond=lambda number, request: failure(500, "gone") if number >= 4 else None) as state,
        pytest.raises(ChatUnavailableError, match="gone"),
    ):
        judged(judge_of(state), cache=cache)
    with judge_server() as state:
        scores = judged(judge_of(state), cache=cache)
    assert (counts(scores), len(state.requests)) == ((1, 1, 1, 0), 2)


def test_answers_count_for_the_same_model_at_another_address(tmp_path):
    for expected in (6, 0):
        with judge_server() as state:
            judged(judge_of(state), cache=tmp_path / "answers.jsonl")
        assert len(state.requests) == expected


def test_a_key_shows_in_no_error_log_cache_or_repr(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "answers.jsonl"

    def echo_the_key(number, request):
        return failure(401, f"wrong key: {request.headers['authorization']}") if number >= 2 else None

    with judge_server(respond=echo_the_key) as state:
        judge = judge_of(state, api_key="secret-key")
        with pytest.raises(ChatError, match=r"wrong key: Bearer \*\*\*") as raised:
            judged(judge, cache=cache)
    errors = [raised.value, raised.value.__cause__, raised.value.__context__]
    shown = [*map(repr, errors), caplog.text, cache.read_text(encoding="utf-8"), repr(judge), judge.signature]
    assert "secret-key" not in "\n".join(shown)


def test_a_pickle_holds_no_key():
    assert b"secret-key" not in pickle.dumps(ChatServer("http://127.0.0.1:1/v1", "m", api_key="secret-key"))


def test_an_unpickled_judge_reads_the_key_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge = judge_of(state, api_key="another")
        judge("a prompt")  # so that it has a client, which does not pickle
        pickle.loads(pickle.dumps(judge))("a prompt")
    assert [request.headers["authorization"] for request in state.requests] == ["Bearer another", "Bearer secret-key"]


def test_an_unpickled_judge_without_its_key_says_so(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    judge = pickle.loads(pickle.dumps(ChatServer("http://127.0.0.1:1/v1", "m", api_key="secret-key")))
    with pytest.raises(ArgumentError, match="set the environment variable OPENAI_API_KEY"):
        judge("a prompt")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_connects_anew():
    with judge_server(judge=lambda prompt: "[[1]]") as state:
        judge = judge_of(state)
        judge("in the parent")
        if not (child := os.fork()):
            judge("in the child")
            os._exit(0)
        os.waitpid(child, 0)
        judge("in the parent")
    assert state.prompts == ["in the parent", "in the child", "in the parent"]


def test_a_judges_signature_says_how_it_is_sampled_but_not_where():
    judge = ChatServer("http://127.0.0.1:1/v1", "m", temperature=None, extra_body={"seed": 1})
    assert judge.signature == 'm|temperature:None|max_tokens:1024|extra_body:{"seed": 1}'


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "127.0.0.1:8000"},
        {"base_url": "http://user:secret@127.0.0.1/v1"},
        {"base_url": "http://127.0.0.1/v1/chat/completions"},
        {"model": ""},
        {"temperature": -0.1},
        {"temperature": float("inf")},
        {"temperature": float("nan")},
        {"temperature": "0"},
        {"temperature": True},
        {"max_tokens": 0},
        {"max_tokens": "7"},
        {"max_tokens": 1.5},
        {"timeout_s": 0},
        {"timeout_s": None},
        {"timeout_s": "3"},
        {"max_retries": -1},
        {"max_retries": None},
        {"max_retries": 0.5},
        {"api_key": "two words"},
        {"extra_body": [1]},
        {"extra_body": {"a": {1}}},
        {"extra_body": "seed"},
        {"extra_body": {"a": float("nan")}},
    ],
)
def test_arguments_out_of_range_are_refused(wrong):
    arguments = {"base_url": "http://127.0.0.1:1/v1", "model": "m", **wrong}
    with pytest.raises(ArgumentError, match=f"`{next(iter(wrong))}` must"):
        ChatServer(**arguments)


def test_equal_servers_hash_alike_whatever_the_order_of_what_else_is_sent():
    one, other = (
        ChatServer("http://127.0.0.1:1/v1", "m", extra_body=body)
        for body in [{"seed": 1, "top_p": 0.5}, {"top_p": 0.5, "seed": 1}]
    )
    assert (one == other, len({one, other}), one.signature == other.signature) == (True, 1, True)


def test_a_server_can_be_made_from_another():
    server = ChatServer("http://127.0.0.1:1/v1", "m", extra_body={"seed": 1})
    assert (
        dataclasses.replace(server, max_tokens=7).signature == 'm|temperature:0.0|max_tokens:7|extra_body:{"seed": 1}'
    )
