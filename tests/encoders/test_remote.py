import asyncio
import contextlib
import copy
import dataclasses
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from doubles import BigramEncoder
from embedding_server import FAULTS, embedding_server
from semreward import EmbeddingServerEncoder, SemanticSimilarityReward
from semreward.errors import ArgumentError, EncoderError, EncoderUnavailableError
from semreward.testing import check_reward

KEY = "sk-Very/Secret+Key=="
TEXTS = [f"text number {number} {'x' * (number % 7)}" for number in range(100)]
EXPECTED = BigramEncoder().encode(TEXTS)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SEMREWARD_API_KEY", raising=False)


@pytest.fixture
def server():
    with embedding_server() as state:
        yield state


def encoder_of(state, **options):
    return EmbeddingServerEncoder(state.base_url, "bigrams", **{"timeout_s": 10, **options})


def answering(status, body=b"", **headers):
    """A server that answers every request in one way."""
    return embedding_server(respond=lambda request: (status, headers, body))


@pytest.fixture
def dead_url():
    """An address of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


# Vectors


def test_vectors_are_those_of_the_model_behind_the_server(server):
    assert encoder_of(server).encode(TEXTS) == pytest.approx(EXPECTED, abs=1e-6)


def test_rows_are_unit_vectors_in_single_precision(server):
    rows = encoder_of(server).encode(TEXTS)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_base64_brings_the_vectors_that_floats_bring(server):
    plain, packed = (encoder_of(server, encoding=encoding) for encoding in ("float", "base64"))
    assert np.array_equal(plain.encode(TEXTS), packed.encode(TEXTS))
    assert {request.body["encoding_format"] for request in server.requests} == {"float", "base64"}


def test_a_server_that_ignores_the_encoding_is_understood():
    def floats(request):
        data = [{"index": 0, "embedding": [3.0, 4.0]}]
        return 200, {}, json.dumps({"data": data}).encode()

    with embedding_server(respond=floats) as state:
        assert encoder_of(state, encoding="base64").encode(["a"]) == pytest.approx(np.array([[0.6, 0.8]]))


def test_a_server_that_leaves_the_index_out_is_understood():
    def unnumbered(request):
        data = [{"embedding": [1.0, float(len(text))]} for text in request.body["input"]]
        return 200, {}, json.dumps({"data": data}).encode()

    with embedding_server(respond=unnumbered) as state:
        rows = encoder_of(state).encode(["a", "bb"])
    assert rows[:, 1] / rows[:, 0] == pytest.approx([1, 2])


def test_no_texts_need_no_server(dead_url):
    assert len(EmbeddingServerEncoder(dead_url, "bigrams").encode([])) == 0


def test_texts_of_any_kind_survive_the_journey(server):
    texts = ["བོད་ཀྱི་སྐད་ཡིག", 'quote " and \\', "\x00", "line\nbreak", "👩‍👩‍👧", "他买了三个苹果"]
    assert encoder_of(server).encode(texts) == pytest.approx(BigramEncoder().encode(texts), abs=1e-6)


def test_a_lone_surrogate_becomes_a_question_mark(server):
    assert encoder_of(server).encode(["a\ud800b"]) == pytest.approx(BigramEncoder().encode(["a?b"]), abs=1e-6)


# Requests


def test_requests_carry_model_encoding_and_what_the_user_adds(server):
    encoder_of(server, extra_body={"dimensions": 64, "truncate_prompt_tokens": -1}).encode(["a"])
    assert server.requests[0].path == "/v1/embeddings"
    assert server.requests[0].body == {
        "model": "bigrams",
        "encoding_format": "float",
        "dimensions": 64,
        "truncate_prompt_tokens": -1,
        "input": ["a"],
    }


def test_requests_are_bounded_in_texts(server):
    encoder_of(server, texts_per_request=30).encode(TEXTS)
    assert sorted(server.sizes) == [10, 30, 30, 30]


def test_requests_are_bounded_in_bytes(server):
    encoder_of(server, bytes_per_request=200).encode(TEXTS)
    assert max(request.size for request in server.requests) < 200 + 200  # and what stands around the texts


def test_a_text_beyond_the_bound_in_bytes_travels_alone(server):
    encoder_of(server, bytes_per_request=100).encode(["x" * 500, "a", "b"])
    assert sorted(server.sizes) == [1, 2]


def test_requests_at_a_time_are_limited():
    with embedding_server(delay_s=0.02) as state:
        encoder_of(state, texts_per_request=2, max_concurrency=3).encode(TEXTS)
        assert 2 <= state.most_at_once <= 3


def test_requests_at_a_time_are_limited_for_calls_from_threads():
    with embedding_server(delay_s=0.02) as state:
        encoder = encoder_of(state, texts_per_request=2, max_concurrency=3)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda text: encoder.encode([text]), TEXTS[:40]))
        assert state.most_at_once <= 3


def test_the_prompt_comes_before_each_text(server):
    rows = encoder_of(server, prompt="query: ").encode(["a", "bc"])
    assert rows == pytest.approx(BigramEncoder().encode(["query: a", "query: bc"]), abs=1e-6)


def test_text_beyond_max_chars_is_not_sent(server):
    encoder_of(server, max_chars=4, prompt="q: ").encode(["abcdefgh", "xy"])
    assert server.requests[0].body["input"] == ["q: abcd", "q: xy"]


def test_cut_texts_are_counted_and_logged(server, caplog):
    encoder = encoder_of(server, max_chars=4)
    assert encoder.truncated_texts == 0
    with caplog.at_level(logging.WARNING, logger="semreward"):
        encoder.encode(["abcdefgh", "abcdefghi", "xy"])
    assert encoder.truncated_texts == 2
    assert "2 of 3 texts" in caplog.text
    assert "max_chars=4" in caplog.text


def test_later_cut_texts_only_raise_the_count(server, caplog):
    encoder = encoder_of(server, max_chars=4)
    encoder.encode(["abcdefgh"])
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="semreward"):
        encoder.encode(["ijklmnop", "x"])
    assert [record.levelname for record in caplog.records if "max_chars" in record.message] == ["INFO"]
    assert "2 of 3 texts" in caplog.text


# Faults


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_fails_in_passing_is_repeated(fault):
    with embedding_server(faults=[fault], fault_share=0.4) as state:
        encoder = encoder_of(state, texts_per_request=10, attempt_timeout_s=0.5)
        assert encoder.encode(TEXTS) == pytest.approx(EXPECTED, abs=1e-6)
        assert state.done[fault]


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_ten_thousand_texts_survive_a_server_that_fails_at_every_fifth_request(encoding):
    texts = [f"{number} short" for number in range(10_000)]
    with embedding_server(encoder=BigramEncoder(8)) as faultless:
        wanted = encoder_of(faultless, encoding=encoding).encode(texts)
    with embedding_server(encoder=BigramEncoder(8), faults=FAULTS, fault_share=0.2) as state:
        rows = encoder_of(state, encoding=encoding, timeout_s=60, attempt_timeout_s=0.5).encode(texts)
        assert set(state.done) == set(FAULTS)
        assert state.done.total() > 0.1 * len(state.requests)
    assert np.array_equal(rows, wanted)


def test_repeated_requests_are_logged(caplog):
    with embedding_server(faults=["500"], fault_share=0.5) as state, caplog.at_level(logging.INFO, logger="semreward"):
        encoder_of(state, texts_per_request=10).encode(TEXTS)
    assert "requests to the embedding server at 127.0.0.1" in caplog.text


def test_a_server_is_given_the_time_that_it_asks_for():
    times = []

    def busy_at_first(request):
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}, b"") if len(times) == 1 else None

    with embedding_server(respond=busy_at_first) as state:
        encoder_of(state).encode(["a"])
    assert times[1] - times[0] >= 1.0


def test_a_wait_beyond_the_deadline_is_not_begun():
    with answering(429, **{"Retry-After": "3600"}) as state:
        start = time.monotonic()
        with pytest.raises(EncoderUnavailableError, match="it asks to wait 3.6e\\+03 s"):
            encoder_of(state).encode(["a"])
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "Tue, 99 Nov 2020", ""])
def test_a_retry_after_that_cannot_be_read_is_passed_over(value):
    answers = [(503, {"Retry-After": value}, b"")]
    with embedding_server(respond=lambda request: answers.pop() if answers else None) as state:
        assert len(encoder_of(state).encode(["a"])) == 1


BROKEN = {
    "no JSON": b"<html>",
    "no list `data`": b'{"error": {"message": "model is loading"}}',
    "no list `data` ": b"[1, 2]",
    "1 vectors for 2 texts": b'{"data": [{"index": 0, "embedding": [1, 2]}]}',
    "an index": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]}',
    "an index ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": "1", "embedding": [1, 2]}]}',
    "different widths": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1, 2, 3]}]}',
    "zero or not finite": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [0, 0]}]}',
    "zero or not finite ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1e300, 1]}]}',
    "no list of numbers": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": ["1", "2"]}]}',
    "no list of numbers ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1}]}',
    "no list of numbers  ": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": []}]}',
    "cannot be read": b'{"data": [{"index": 0, "embedding": "????"}, {"index": 1, "embedding": "AAAA"}]}',
    "no JSON ": b"[" * 100_000,
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_server_that_never_answers_rightly_is_an_encoder_error(reason):
    with answering(200, BROKEN[reason]) as state, pytest.raises(EncoderError, match=reason.strip()):
        encoder_of(state, timeout_s=0.6, attempt_timeout_s=0.6).encode(["a", "b"])


def test_a_width_that_changes_is_an_encoder_error(server):
    encoder = encoder_of(server, timeout_s=0.8, attempt_timeout_s=0.8)
    encoder.encode(["a"])
    server.encoder = BigramEncoder(32)
    with pytest.raises(EncoderError, match="vectors of 32 numbers, after vectors of 64"):
        encoder.encode(["b"])


def test_answers_are_bounded_in_bytes():
    with answering(200, b" " * 3_000_000) as state, pytest.raises(EncoderError, match="more than 327680 bytes"):
        encoder_of(state).encode(["a"])


def test_a_long_error_is_shown_in_part():
    with answering(400, b"word " * 1_000_000) as state, pytest.raises(EncoderError) as caught:
        encoder_of(state).encode(["a"])
    assert len(str(caught.value)) < 500


# Servers that are away, and requests that they refuse


def test_a_dead_server_is_an_error_inside_the_deadline(dead_url):
    start = time.monotonic()
    with pytest.raises(EncoderUnavailableError, match=r"127\.0\.0\.1:\d+ gave no vectors within `timeout_s` \(1 s\)"):
        EmbeddingServerEncoder(dead_url, "bigrams", timeout_s=1).encode(TEXTS)
    assert time.monotonic() - start < 2


def test_a_server_that_hangs_is_an_error_inside_the_deadline():
    with embedding_server(delay_s=3) as state:
        start = time.monotonic()
        with pytest.raises(EncoderUnavailableError, match="did not answer within"):
            encoder_of(state, timeout_s=1).encode(TEXTS)
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"], ids=["headers", "body"])
def test_a_server_that_drips_is_an_error_inside_the_deadline(first):
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def drip():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(first or b"HTTP/1.1 200 OK\r\nX-Long: ")
                for _ in range(40):
                    connection.sendall(b"1")
                    time.sleep(0.05)

        pool.submit(drip)
        start = time.monotonic()
        with pytest.raises(EncoderUnavailableError):
            EmbeddingServerEncoder(url, "bigrams", timeout_s=1, attempt_timeout_s=0.9).encode(["a"])
        assert time.monotonic() - start < 1.8


def test_a_server_that_is_too_slow_for_all_texts_is_an_error_inside_the_deadline():
    with embedding_server(delay_s=0.2) as state:
        start = time.monotonic()
        with pytest.raises(EncoderUnavailableError):
            encoder_of(state, timeout_s=0.9, texts_per_request=10, max_concurrency=2).encode(TEXTS)
        assert time.monotonic() - start < 1.5


def test_a_server_that_comes_back_is_used_again(dead_url):
    failing = [True]
    with embedding_server(respond=lambda request: (503, {}, b"") if failing[0] else None) as state:
        encoder = encoder_of(state, timeout_s=0.8, attempt_timeout_s=0.8)
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
    assert "it gets 16 a request" in caplog.text


def test_one_text_that_is_too_large_is_an_error_with_its_remedy():
    with answering(413, b"payload") as state, pytest.raises(EncoderError, match="even one text .* `max_chars`"):
        encoder_of(state).encode(["a", "b"])


REFUSALS = {
    400: "`model` and `extra_body`",
    401: "environment variable SEMREWARD_API_KEY",
    403: "environment variable SEMREWARD_API_KEY",
    404: "`base_url` must be the parent of /embeddings",
    405: "`base_url` must be the parent of /embeddings",
    307: "redirects",
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_not_repeated_and_names_its_remedy(status):
    with answering(status, b'{"error": {"message": "not like this"}}', Location="/elsewhere") as state:
        with pytest.raises(EncoderError, match=rf"127\.0\.0\.1:\d+ answered {status} not like this; ") as caught:
            encoder_of(state).encode(["a"])
        assert REFUSALS[status] in str(caught.value)
        assert len(state.requests) == 1


def test_a_refusal_is_not_taken_for_a_server_that_is_away():
    assert not issubclass(EncoderError, EncoderUnavailableError)
    assert not issubclass(EncoderUnavailableError, EncoderError)


# The key


def test_the_key_is_sent_as_a_bearer_token(server):
    encoder_of(server, api_key=KEY).encode(["a"])
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_is_read_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    encoder_of(server, api_key_env="MY_KEY").encode(["a"])
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent(server):
    encoder_of(server).encode(["a"])
    assert "authorization" not in server.requests[0].headers


def test_the_key_shows_nowhere_but_in_requests(server, caplog):
    with caplog.at_level(logging.DEBUG):
        encoder = encoder_of(server, api_key=KEY)
        reward = SemanticSimilarityReward(encoder, threshold=0.5)
        reward(completions=["a"], reference=["ab"])
        shown = [repr(encoder), str(encoder), repr(vars(encoder)), str(dataclasses.asdict(encoder)), repr(reward)]
        shown += [reward.signature(), encoder.fingerprint, repr(pickle.dumps(encoder)), repr(pickle.dumps(reward))]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert [text for text in [*shown, caplog.text] if KEY in text] == []


@pytest.mark.parametrize("status", [200, 400, 401, 413, 500])
def test_a_server_that_repeats_the_key_does_not_bring_it_into_errors(status, caplog):
    echo = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}}).encode()
    with answering(status, echo) as state, caplog.at_level(logging.DEBUG):
        encoder = encoder_of(state, api_key=KEY, timeout_s=0.6, attempt_timeout_s=0.6)
        with pytest.raises((EncoderError, EncoderUnavailableError)) as caught:
            encoder.encode(["a"])
    assert "Incorrect API key provided: ***" in str(caught.value)
    assert KEY not in str(caught.value) + caplog.text
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_encoders_are_equal_whatever_their_keys():
    one, other, none = (EmbeddingServerEncoder("http://127.0.0.1:1", "m", api_key=key) for key in ("a", "b", None))
    assert one == other == none
    assert len({one, other, none}) == 1


def test_a_corrected_key_is_used_though_the_connections_were_opened_with_another():
    def only_right(request):
        return None if request.headers["authorization"] == "Bearer right" else (401, {}, b"")

    with embedding_server(respond=only_right) as state:
        with pytest.raises(EncoderError, match="401"):
            encoder_of(state, api_key="wrong").encode(["a"])
        assert len(encoder_of(state, api_key="right").encode(["a"])) == 1


def test_a_replaced_and_a_copied_encoder_keep_the_key(server):
    encoder = encoder_of(server, api_key=KEY)
    for twin in (dataclasses.replace(encoder, timeout_s=5), copy.copy(encoder), copy.deepcopy(encoder)):
        twin.encode([repr(id(twin))])
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}


def test_an_unpickled_encoder_is_equal_to_its_original(server):
    encoder = encoder_of(server, api_key=KEY, extra_body={"dimensions": 3})
    assert pickle.loads(pickle.dumps(encoder)) == encoder


def test_an_unpickled_encoder_without_its_key_names_the_variable(server):
    clone = pickle.loads(pickle.dumps(encoder_of(server, api_key=KEY, api_key_env="MY_KEY")))
    with pytest.raises(ArgumentError, match="environment variable MY_KEY"):
        clone.encode(["a"])
    assert server.requests == []


def test_an_unpickled_encoder_reads_the_key_from_the_environment(server, monkeypatch):
    clone = pickle.loads(pickle.dumps(encoder_of(server, api_key=KEY)))
    monkeypatch.setenv("SEMREWARD_API_KEY", "another")
    assert len(clone.encode(["a"])) == 1


def in_another_process(reward, **environment):
    """The last line that a new interpreter prints when it unpickles a reward and calls it."""
    script = (
        "import pickle, sys\nreward = pickle.load(sys.stdin.buffer)\n"
        "try: print(reward(completions=['ab'], reference=['ab']))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(reward),
        capture_output=True,
        env={**os.environ, **environment},
        check=True,
        timeout=120,
    )
    return run.stdout.decode().strip()


def test_a_reward_in_another_process_takes_the_key_from_there(server):
    reward = SemanticSimilarityReward(encoder_of(server, api_key=KEY), threshold=0.5)
    assert "ArgumentError" in (missing := in_another_process(reward))
    assert "SEMREWARD_API_KEY" in missing
    assert in_another_process(reward, SEMREWARD_API_KEY="there") == "[1.0]"
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer there"}


@pytest.mark.parametrize("key", ["", "two words", "sk-naïve", "a\nb"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key):
    with pytest.raises(ArgumentError, match="`api_key` must be printable ASCII") as caught:
        EmbeddingServerEncoder("http://127.0.0.1:1", "m", api_key=key)
    assert not key or key not in str(caught.value)


# Arguments


@pytest.mark.parametrize(
    "url",
    [
        "http://user:sesame@127.0.0.1:1/v1",
        "http://127.0.0.1:1/v1?token=sesame",
        "http://127.0.0.1:1/v1#sesame",
        "http://user:sesame@127.0.0.1:port",
    ],
)
def test_secrets_in_an_address_are_refused_without_being_shown(url):
    with pytest.raises(ArgumentError, match="`base_url` .* give a key as `api_key`") as caught:
        EmbeddingServerEncoder(url, "m")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", 3, None])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ArgumentError, match="`base_url` must be an http or https address"):
        EmbeddingServerEncoder(url, "m")


def test_the_endpoint_itself_is_no_base_url():
    with pytest.raises(ArgumentError, match="leave /embeddings out"):
        EmbeddingServerEncoder("http://127.0.0.1:1/v1/embeddings/", "m")


@pytest.mark.parametrize(
    "options",
    [
        {"model": ""},
        {"model": None},
        {"api_key_env": ""},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"timeout_s": None},
        {"attempt_timeout_s": -1},
        {"encoding": "int8"},
        {"max_chars": 0},
        {"texts_per_request": 0},
        {"texts_per_request": 2.5},
        {"bytes_per_request": None},
        {"max_concurrency": True},
        {"cache_bytes": -1},
        {"gather_ms": -1},
        {"extra_body": 3},
        {"extra_body": "{"},
        {"extra_body": {"a": object()}},
        {"extra_body": {"input": "a"}},
    ],
)
def test_an_argument_out_of_range_is_named(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}`"):
        EmbeddingServerEncoder(**{"base_url": "http://127.0.0.1:1", "model": "m", **options})


def test_addresses_are_equal_with_and_without_a_slash():
    assert EmbeddingServerEncoder("http://a/v1/", "m") == EmbeddingServerEncoder("http://a/v1", "m")


def test_errors_name_an_address_of_version_six_in_brackets():
    with pytest.raises(EncoderUnavailableError, match=r"at \[::1\]:1 "):
        EmbeddingServerEncoder("http://[::1]:1", "m", timeout_s=0.2).encode(["a"])


# Fingerprint


def test_the_fingerprint_is_asked_for_once(server):
    encoder = encoder_of(server)
    assert encoder.fingerprint == encoder.fingerprint
    assert len(server.requests) == 1


def test_the_fingerprint_does_not_depend_on_the_address(server):
    with embedding_server() as elsewhere:
        assert encoder_of(server).fingerprint == encoder_of(elsewhere, texts_per_request=3).fingerprint


def test_the_fingerprint_depends_on_the_model(server):
    with embedding_server(encoder=BigramEncoder(16)) as other:
        assert encoder_of(server).fingerprint != encoder_of(other).fingerprint


@pytest.mark.parametrize("options", [{"model": "m"}, {"prompt": "query: "}, {"max_chars": 9}, {"extra_body": {"a": 1}}])
def test_the_fingerprint_depends_on_what_decides_the_vectors(server, options):
    encoder = encoder_of(server)
    assert dataclasses.replace(encoder, **options).fingerprint != encoder.fingerprint


def test_rounding_errors_do_not_change_the_fingerprint(server):
    class Noisy:
        def encode(self, texts):
            return BigramEncoder().encode(texts) + np.random.default_rng(0).normal(0, 1e-7, (len(texts), 64))

    with embedding_server(encoder=Noisy()) as noisy:
        assert encoder_of(server).fingerprint == encoder_of(noisy).fingerprint


# Rewards


def test_a_reward_over_a_server_earns_what_the_local_encoder_earns(server):
    completions, reference = TEXTS[:20], TEXTS[20:40]
    remote = SemanticSimilarityReward(encoder_of(server), threshold=0.2)
    local = SemanticSimilarityReward(BigramEncoder(), threshold=0.2)
    assert remote(completions=completions, reference=reference) == (
        pytest.approx(local(completions=completions, reference=reference), abs=1e-6)
    )


def test_a_reward_over_a_server_keeps_the_contract(server):
    examples = [
        {"completion": "he bought three apples", "reference": "he bought apples"},
        {"completion": "another thing", "reference": "he bought apples"},
        {"completion": "བོད་ཀྱི་སྐད་ཡིག", "reference": "བོད་ཀྱི་སྐད་ཡིག"},
    ]
    report = check_reward(SemanticSimilarityReward(encoder_of(server), threshold=0.3), examples, bounds=(0.0, 1.0))
    assert report.passed, str(report)
    assert {result.name for result in report.results if result.status == "passed"} >= {"spawned_process", "threads"}


def test_calls_from_threads_get_their_own_rows(server):
    encoder = encoder_of(server)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: encoder.encode([text])[0], TEXTS))
    assert np.stack(rows) == pytest.approx(EXPECTED, abs=1e-6)


def test_an_encoder_works_inside_a_running_event_loop(server):
    async def encode():
        return encoder_of(server).encode(TEXTS)

    assert asyncio.run(encode()) == pytest.approx(EXPECTED, abs=1e-6)


def test_a_warm_up_asks_the_server(server):
    encoder_of(server).warmup()
    assert server.sizes == [1]


def test_a_warm_up_shows_a_server_that_refuses():
    with answering(404) as state, pytest.raises(EncoderError, match="404"):
        encoder_of(state).warmup()


def test_an_attempt_that_the_deadline_cuts_off_is_not_what_the_error_tells():
    answers = [(200, {}, b"{}")]

    def hang_later(request):
        if answers:
            return answers.pop()
        time.sleep(2)
        return None

    with embedding_server(respond=hang_later) as state, pytest.raises(EncoderError, match="no list `data`"):
        encoder_of(state, timeout_s=1, attempt_timeout_s=1).encode(["a"])


def test_a_closed_encoder_opens_again(server):
    encoder = encoder_of(server)
    encoder.encode(["a"])
    encoder.close()
    assert len(encoder.encode(["a"])) == 1
    assert len(server.requests) == 2


def test_a_dead_server_raises_by_default(dead_url):
    reward = SemanticSimilarityReward(EmbeddingServerEncoder(dead_url, "m", timeout_s=0.3), threshold=0.5)
    with pytest.raises(EncoderUnavailableError):
        reward(completions=["a"], reference=["b"])


def test_a_dead_server_may_leave_rows_without_a_reward(dead_url, caplog):
    encoder = EmbeddingServerEncoder(dead_url, "m", timeout_s=0.3)
    reward = SemanticSimilarityReward(encoder, threshold=0.5, on_error="none")
    metrics, columns = {}, {}
    with caplog.at_level(logging.WARNING, logger="semreward"):
        values = reward(
            completions=["a", "", "c"],
            reference=["b"] * 3,
            log_metric=metrics.__setitem__,
            log_extra=columns.__setitem__,
        )
    assert values == [None, 0.0, None]
    assert metrics["semantic_similarity/encoder_errors"] == 2.0
    assert columns == {"semantic_similarity/similarity": [None, 0.0, None]}
    assert "semantic_similarity: 2 rows get no reward: the embedding server at 127.0.0.1" in caplog.text


def test_a_server_that_answers_leaves_no_error_to_count(server):
    metrics = {}
    reward = SemanticSimilarityReward(encoder_of(server), threshold=0.5, on_error="none")
    assert reward(completions=["a"], reference=["a"], log_metric=metrics.__setitem__) == pytest.approx([1.0])
    assert metrics["semantic_similarity/encoder_errors"] == 0.0


@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_server_that_refuses_or_answers_wrongly_raises_whatever_is_said_of_dead_ones(status):
    with answering(status, b"{}") as state:
        encoder = encoder_of(state, timeout_s=0.6, attempt_timeout_s=0.6)
        reward = SemanticSimilarityReward(encoder, threshold=0.5, on_error="none")
        with pytest.raises(EncoderError):
            reward(completions=["a"], reference=["b"])


def test_the_similarity_is_nan_where_a_dead_server_may_pass(dead_url):
    encoder = EmbeddingServerEncoder(dead_url, "m", timeout_s=0.3)
    reward = SemanticSimilarityReward(encoder, threshold=0.5, on_error="none")
    assert np.isnan(reward.similarity(["a"], ["b"])).all()


def test_an_unknown_policy_for_errors_is_named(encoder):
    with pytest.raises(ArgumentError, match="`on_error` must be one of raise, none; got 'zero'"):
        SemanticSimilarityReward(encoder, threshold=0.5, on_error="zero")
