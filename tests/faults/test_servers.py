"""Embedding servers: bad texts, strange dialects, slow headers, proxies."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from doubles import BigramEncoder
from embedding_server import answering, embedding_server, encoder_of, faulty, items
from semreward import EmbeddingServerEncoder, SemanticSimilarityReward
from semreward.encoders import server as server_module
from semreward.encoders.engine import engine_of
from semreward.errors import EncoderError, EncoderUnavailableError

TEXTS = [f"text number {number} {'x' * (number % 7)}" for number in range(32)]


@pytest.fixture(autouse=True)
def without_key(monkeypatch):
    monkeypatch.delenv("SEMREWARD_API_KEY", raising=False)


def refusing(bad, answer):
    """A server that gives an answer to every request with a bad text: a status, or NaN in place of its vector."""

    def respond(request):
        if bad not in request.body["input"]:
            return None
        if answer != "nan":
            return answer, {}, b"not this one"
        rows = items(BigramEncoder(), request)
        for row, text in zip(rows, request.body["input"], strict=True):
            row["embedding"] = [float("nan")] * 64 if text == bad else row["embedding"]
        return 200, {}, json.dumps({"data": rows}).encode()

    return embedding_server(respond=respond)


# Each text's failure is its own


@pytest.mark.parametrize("answer", [400, 413, 422, 424, 500, "nan"])
def test_a_text_that_the_server_refuses_stands_alone(answer):
    with refusing(TEXTS[5], answer) as state:
        vectors, errors = engine_of(encoder_of(state, timeout_s=60)).encode_each(TEXTS)
    assert list(errors) == [TEXTS[5]]
    assert f"for the text {TEXTS[5]!r}; it embeds others; shorten" in str(errors[TEXTS[5]])
    expected = dict(zip(TEXTS, BigramEncoder().encode(TEXTS), strict=True))
    assert all(vector == pytest.approx(expected[text], abs=1e-6) for text, vector in vectors.items())
    assert len(vectors) == 31


@pytest.mark.parametrize("answer", [400, 500, "nan"])
def test_a_text_that_the_server_refuses_costs_its_row(answer):
    with refusing("bad", answer) as state:
        reward = SemanticSimilarityReward(encoder_of(state, timeout_s=60), threshold=0.1, on_error="none")
        values = reward(completions=["good", "bad", "good"], reference=["good"] * 3)
    assert values == [pytest.approx(1.0), None, pytest.approx(1.0)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_server_that_refuses_every_text_is_no_outage(status):
    with answering(status, b"no") as state:
        reward = SemanticSimilarityReward(encoder_of(state, timeout_s=60), threshold=0.1, on_error="none")
        with pytest.raises(EncoderError, match=f"answered {status}"):
            reward(completions=TEXTS[:16], reference=TEXTS[16:])
        assert len(state.requests) <= 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_away_gets_no_smaller_requests(status):
    with answering(status) as state:
        reward = SemanticSimilarityReward(encoder_of(state, timeout_s=1), threshold=0.1, on_error="none")
        assert reward(completions=TEXTS[:16], reference=TEXTS[16:]) == [None] * 16
        assert set(state.sizes) == {32}


def test_a_server_that_fails_at_every_text_gets_no_halves():
    with answering(500) as state:
        with pytest.raises(EncoderUnavailableError, match="answered 500"):
            encoder_of(state, timeout_s=1.5).encode(TEXTS)
        assert set(state.sizes) <= {32, 1}
        assert state.sizes.count(1) <= state.sizes.count(32)  # is it the texts? one letter is asked each time


# Dialects


def test_a_limit_of_texts_that_is_told_with_status_400_is_learnt():
    def small_only(request):
        if len(request.body["input"]) > 10:
            return 400, {}, b"batch size is invalid, it should not be larger than 10"
        return None

    with embedding_server(respond=small_only) as state:
        encoder = encoder_of(state, max_concurrency=1)
        assert encoder.encode(TEXTS) == pytest.approx(BigramEncoder().encode(TEXTS), abs=1e-6)
        encoder.encode([text + "!" for text in TEXTS])
        before = len(state.requests)
        encoder.encode([text + "?" for text in TEXTS])
        assert max(state.sizes[before:]) == 8


def test_a_wrong_path_is_told_at_once_with_the_advice():
    with answering(404, b"Not Found") as state:
        with pytest.raises(EncoderError, match=r"answered 404 Not Found; check `base_url` .*http://host:port/v1"):
            encoder_of(state, timeout_s=60).encode(TEXTS)
        assert len(state.requests) == 1


# Slow servers


@contextlib.contextmanager
def dripping():
    """The address of a server that sends a header without an end to each connection, letter by letter."""
    ended = threading.Event()

    def drip(connection):
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not ended.wait(0.05):
                connection.sendall(b"1")

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            ended.set()


def test_headers_that_drip_end_each_attempt_and_no_later_call(monkeypatch):
    monkeypatch.setattr(server_module, "_ATTEMPT_SHARE", 0.1)
    with dripping() as url, embedding_server() as state:
        slow = EmbeddingServerEncoder(url, "bigrams", timeout_s=0.6, texts_per_request=1)
        for _ in range(2):
            with pytest.raises(EncoderUnavailableError, match="did not answer within .* at attempt [2-9]"):
                slow.encode([f"text {number}" for number in range(8)])
        assert len(encoder_of(state).encode(TEXTS)) == 32


def test_a_process_exits_whose_server_drips():
    script = (
        "import sys\n"
        "from semreward import EmbeddingServerEncoder\n"
        "from semreward.errors import EncoderUnavailableError\n"
        "encoder = EmbeddingServerEncoder(sys.argv[1], 'bigrams', timeout_s=0.5, texts_per_request=1)\n"
        "try:\n"
        "    encoder.encode([str(number) for number in range(16)])\n"
        "except EncoderUnavailableError:\n"
        "    print('given up')\n"
    )
    with dripping() as url:
        command = [sys.executable, "-c", script, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)  # a hang ends it
    assert (done.returncode, done.stdout.strip()) == (0, "given up"), done.stderr


# Proxies


class Proxy(BaseHTTPRequestHandler):
    """Remembers what it was asked to forward."""

    asked: list[str] = []

    def do_POST(self):
        self.asked.append(self.path)
        self.send_error(502)

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def proxy(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
    Proxy.asked.clear()
    yield Proxy.asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_is_asked_of_loopback_goes_to_no_proxy(proxy, host):
    with embedding_server() as state:
        url = state.base_url.replace("127.0.0.1", host)
        encoder = EmbeddingServerEncoder(url, "bigrams", api_key="sesame", timeout_s=10)
        assert len(encoder.encode(TEXTS)) == 32
    assert proxy == []


@pytest.mark.parametrize("url", ["http://[::1]:9/v1", "http://127.0.0.2:9/v1"])
def test_nor_does_what_finds_nobody_there(proxy, url):
    with pytest.raises(EncoderUnavailableError):
        EmbeddingServerEncoder(url, "bigrams", timeout_s=0.3).encode(["a"])
    assert proxy == []


def test_other_hosts_are_asked_through_the_proxy(proxy):
    with pytest.raises(EncoderUnavailableError, match="answered 502"):
        EmbeddingServerEncoder("http://embeddings.invalid/v1", "bigrams", timeout_s=0.5).encode(["a"])
    assert set(proxy) == {"http://embeddings.invalid/v1/embeddings"}


def test_a_fault_in_passing_of_a_server_with_many_faults_is_no_texts_fault():
    with embedding_server() as state:
        turns = iter(range(10_000))
        state.respond = lambda request: faulty(state, request, "500") if next(turns) % 3 else None
        assert encoder_of(state, texts_per_request=8).encode(TEXTS).shape == (32, 64)
