import asyncio
import contextlib
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from doubles import BigramEncoder
from embedding_server import FAULTS, answering, embedding_server, encoder_of
from semreward import EmbeddingServerEncoder
from semreward.encoders import server as server_module
from semreward.errors import EncoderError, EncoderUnavailableError

TEXTS = [f"text number {number} {'x' * (number % 7)}" for number in range(100)]
EXPECTED = BigramEncoder().encode(TEXTS)


# Faults


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_fails_in_passing_is_repeated(fault, monkeypatch):
    monkeypatch.setattr(server_module, "_ATTEMPT_SHARE", 0.05)
    with embedding_server(faults=[fault], fault_share=0.4) as state:
        encoder = encoder_of(state, texts_per_request=10)
        assert encoder.encode(TEXTS) == pytest.approx(EXPECTED, abs=1e-6)
        assert state.done[fault]


def test_ten_thousand_texts_survive_a_server_that_fails_at_every_fifth_request(monkeypatch):
    monkeypatch.setattr(server_module, "_ATTEMPT_SHARE", 0.5 / 60)
    texts = [f"{number} short" for number in range(10_000)]
    with embedding_server(encoder=BigramEncoder(8)) as faultless:
        wanted = encoder_of(faultless, timeout_s=60).encode(texts)
    with embedding_server(encoder=BigramEncoder(8), faults=FAULTS, fault_share=0.2) as state:
        rows = encoder_of(state, timeout_s=60).encode(texts)
        assert set(state.done) == set(FAULTS)
        assert state.done.total() > 0.1 * len(state.requests)
    assert np.array_equal(rows, wanted)


def test_repeated_requests_are_logged(caplog):
    with embedding_server(faults=["500"], fault_share=0.5) as state, caplog.at_level(logging.INFO, logger="semreward"):
        encoder_of(state, texts_per_request=10).encode(TEXTS)
    assert "answered 500 Internal Server Error; asking again in" in caplog.text


def test_a_server_is_given_the_time_that_it_asks_for(monkeypatch):
    answers, waits = [(429, {"Retry-After": "1"}, b"")], []

    async def noted(seconds):
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", noted)
    with embedding_server(respond=lambda request: answers.pop() if answers else None) as state:
        encoder_of(state).encode(["a"])
    assert waits == [1.0]


def test_a_wait_beyond_the_deadline_is_not_begun():
    with answering(429, **{"Retry-After": "3600"}) as state:
        with pytest.raises(EncoderUnavailableError, match="it asks to wait 3.6e\\+03 s"):
            encoder_of(state).encode(["a"])
        assert len(state.requests) == 1


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "Tue, 99 Nov 2020", ""])
def test_a_retry_after_that_cannot_be_read_is_passed_over(value):
    answers = [(503, {"Retry-After": value}, b"")]
    with embedding_server(respond=lambda request: answers.pop() if answers else None) as state:
        assert len(encoder_of(state).encode(["a"])) == 1


BROKEN = {
    "no list `data` .* but <html>": b"<html>",
    "no list `data` .* but .*model is loading": b'{"error": {"message": "model is loading"}}',
    "no list `data`": b"[1, 2]",
    "no list `data` ": b"[" * 100_000,
    "no list `data`  ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]}',
    "no list `data`   ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": "1", "embedding": [1, 2]}]}',
    "no list `data`    ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1, 2, 3]}]}',
    "no list `data`     ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1}]}',
    "no list `data`      ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": []}]}',
    "3 vectors for 2 texts": b'{"data": [{"embedding": [1, 2]}, {"embedding": [1, 2]}, {"embedding": [1, 2]}]}',
    "zero or not finite": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [0, 0]}]}',
    "zero or not finite ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1e300, 1]}]}',
    "not lists of numbers": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": ["1", "2"]}]}',
    "not lists of numbers ": b'{"data": [{"index": 0, "embedding": [1, null]}, {"index": 1, "embedding": [1, 2]}]}',
    "not lists of numbers  ": b'{"data": [{"index": 0, "embedding": 1}, {"index": 1, "embedding": 2}]}',
    "not lists of numbers   ": b'{"data": [{"index": 0, "embedding": "AACA"}, {"index": 1, "embedding": "AACA"}]}',
}


@pytest.mark.usefixtures("long_attempts")
@pytest.mark.parametrize("reason", BROKEN)
def test_a_server_that_never_answers_rightly_is_an_encoder_error(reason):
    with answering(200, BROKEN[reason]) as state, pytest.raises(EncoderError, match=reason.strip()):
        encoder_of(state, timeout_s=0.6).encode(["a", "b"])


def test_a_width_that_changes_is_an_encoder_error(server):
    encoder = encoder_of(server, timeout_s=0.8)
    encoder.encode(["a"])
    server.encoder = BigramEncoder(32)
    with pytest.raises(EncoderError, match="vectors of 32 numbers, after vectors of 64"):
        encoder.encode(["b"])


def test_a_long_error_is_shown_in_part():
    with answering(400, b"word " * 1_000_000) as state, pytest.raises(EncoderError) as caught:
        encoder_of(state).encode(["a"])
    assert len(str(caught.value)) < 500


# Servers that are away, and requests that they refuse


def test_a_dead_server_is_an_error_inside_the_deadline(dead_url):
    with pytest.raises(
        EncoderUnavailableError, match=r"127\.0\.0\.1:\d+ .* gave no vectors within `timeout_s` \(1 s\)"
    ):
        EmbeddingServerEncoder(dead_url, "bigrams", timeout_s=1).encode(TEXTS)


def test_a_server_that_hangs_is_an_error_inside_the_deadline():
    with (
        embedding_server(delay_s=60) as state,
        pytest.raises(EncoderUnavailableError, match="did not answer within"),
    ):
        encoder_of(state, timeout_s=1).encode(TEXTS)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"], ids=["headers", "body"])
@pytest.mark.usefixtures("long_attempts")
def test_a_server_that_drips_is_an_error_inside_the_deadline(first):
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        url, given_up = f"http://127.0.0.1:{listener.getsockname()[1]}", threading.Event()

        def drip():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(first or b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not given_up.wait(0.05):
                    connection.sendall(b"1")

        pool.submit(drip)
        with pytest.raises(EncoderUnavailableError):
            EmbeddingServerEncoder(url, "bigrams", timeout_s=1).encode(["a"])
        given_up.set()


def test_a_server_that_is_too_slow_for_all_texts_is_an_error_inside_the_deadline():
    with embedding_server(delay_s=0.2) as state, pytest.raises(EncoderUnavailableError):
        encoder_of(state, timeout_s=0.9, texts_per_request=10, max_concurrency=2).encode(TEXTS)


@pytest.mark.usefixtures("long_attempts")
def test_the_deadline_holds_for_more_texts_than_are_sent_in_one_go():
    with embedding_server(delay_s=0.3) as state:
        encoder = encoder_of(state, timeout_s=1, texts_per_request=10_000)
        with pytest.raises(EncoderUnavailableError, match="within `timeout_s`"):
            encoder.encode([f"text {number}" for number in range(40_000)])


@pytest.mark.usefixtures("long_attempts")
def test_the_deadline_holds_while_others_are_served():
    with embedding_server(delay_s=1.6) as state, ThreadPoolExecutor(1) as pool:
        encoder = encoder_of(state, timeout_s=2.4)
        first = pool.submit(encoder.encode, ["first"])
        while not state.requests:
            time.sleep(0.01)
        with pytest.raises(EncoderUnavailableError, match="0 of 1 texts were encoded within"):
            encoder.encode(["second"])
        assert first.result().shape[0] == 1


def test_a_server_that_comes_back_is_used_again(dead_url):
    failing = [True]
    with embedding_server(respond=lambda request: (503, {}, b"") if failing[0] else None) as state:
        encoder = encoder_of(state, timeout_s=0.8)
        with pytest.raises(EncoderUnavailableError, match="answered 503"):
            encoder.encode(["a"])
        failing[0] = False
        assert len(encoder.encode(["a"])) == 1


@pytest.mark.parametrize("status", [413, 422])
def test_requests_that_are_too_large_are_halved(status):
    def small_only(request):
        return (status, {}, b"batch too large") if len(request.body["input"]) > 10 else None

    with embedding_server(respond=small_only) as state:
        assert encoder_of(state).encode(TEXTS) == pytest.approx(EXPECTED, abs=1e-6)
        assert max(size for size in state.sizes if size <= 10) == 8


def test_the_size_that_a_server_takes_is_remembered(caplog):
    def small_only(request):
        return (422, {}, b"batch too large") if len(request.body["input"]) > 16 else None

    with embedding_server(respond=small_only) as state, caplog.at_level(logging.WARNING, logger="semreward"):
        encoder = encoder_of(state, max_concurrency=1)
        encoder.encode(TEXTS)
        assert sum(size > 16 for size in state.sizes) == 1
    assert "it gets 16 per request" in caplog.text


def test_one_text_that_is_too_large_is_an_error_with_its_remedy():
    with answering(413, b"payload") as state, pytest.raises(EncoderError, match="too long by `max_chars`"):
        encoder_of(state).encode(["a", "b"])


REFUSALS = {
    400: "`model` and `extra_body`, and truncate texts",
    401: "environment variable SEMREWARD_API_KEY",
    403: "environment variable SEMREWARD_API_KEY",
    404: "`base_url` (the parent of /embeddings",
    405: "`base_url` (the parent of /embeddings",
    307: "`base_url` (the parent of /embeddings",
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_not_repeated_and_names_its_remedy(status):
    with answering(status, b"not like this", Location="/elsewhere") as state:
        with pytest.raises(EncoderError, match=rf"127\.0\.0\.1:\d+ answered {status} not like this; ") as caught:
            encoder_of(state).encode(["word"])
        assert REFUSALS[status] in str(caught.value)
        sent = [request.body["input"] for request in state.requests]
        assert sent == ([["word"], ["a"]] if status == 400 else [["word"]])  # is it the text, or any?


def test_a_refusal_is_not_taken_for_a_server_that_is_away():
    assert not issubclass(EncoderError, EncoderUnavailableError)
    assert not issubclass(EncoderUnavailableError, EncoderError)
