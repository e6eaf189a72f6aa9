"""An embedding server of our own on loopback, with the habits and the faults of real ones."""

import base64
import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from doubles import BigramEncoder
from semreward import EmbeddingServerEncoder

FAULTS = ("429", "429-date", "500", "hang", "truncated", "shuffled", "count", "nan", "null", "html")
"""What a faulty server does instead of answering well; after `shuffled`, the answer is right but in another order."""


@dataclass
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    size: int


@dataclass
class ServerState:
    """What a server does, and what it saw.

    Attributes:
        encoder: What it computes; its vectors are sent scaled, as a server need not normalise.
        respond: Returns what a request gets instead of vectors, `(status, headers, body)`, or `None`.
        faults: Which of `FAULTS` it has, taken in turn at a share of requests drawn with a fixed seed.
        fault_share: That share.
        hang_s: How long it hangs.
    """

    encoder: Any = field(default_factory=BigramEncoder)
    respond: Callable[[Request], tuple[int, dict[str, str], bytes] | None] = lambda request: None
    faults: Sequence[str] = ()
    fault_share: float = 0.0
    hang_s: float = 0.6
    delay_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    base_url: str = ""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.random = random.Random(5)

    def next_fault(self) -> str | None:
        with self.lock:
            if self.random.random() >= self.fault_share or not self.faults:
                return None
            fault = self.faults[self.done.total() % len(self.faults)]
            self.done[fault] += 1
            return fault

    @property
    def sizes(self) -> list[int]:
        """How many texts each request carried."""
        return [len(request.body["input"]) for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    """Answers POST requests with vectors, or as its server's state says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in two parts
    server: "EmbeddingTestServer"

    def do_POST(self) -> None:
        state = self.server.state
        content = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, json.loads(content), len(content))
        with state.lock:
            state.requests.append(request)
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
        try:
            time.sleep(state.delay_s)
            status, extra, body = self.answer(state, request)
        finally:
            with state.lock:
                state.at_once -= 1
        with contextlib.suppress(OSError):  # the client gave up
            self.send(status, extra, body)

    def answer(self, state: ServerState, request: Request) -> tuple[int, dict[str, str], bytes]:
        instead = state.respond(request)
        return faulty(state, request, state.next_fault()) if instead is None else instead

    def send(self, status: int, extra: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def faulty(state: ServerState, request: Request, fault: str | None) -> tuple[int, dict[str, str], bytes]:
    rows = items(state.encoder, request)
    if fault == "hang":
        time.sleep(state.hang_s)
    simple = {
        "429": (429, {"Retry-After": "0.05"}, b'{"error": "overloaded"}'),
        "429-date": (429, {"Retry-After": "Tue, 24 Nov 2020 00:00:00 GMT"}, b""),
        "500": (500, {}, b"Internal Server Error"),
        "truncated": (200, {}, json.dumps({"data": rows}).encode()[:-40]),
        "html": (200, {"Content-Type": "text/html"}, b"<html><body>Welcome</body></html>"),
    }
    if fault in simple:
        return simple[fault]
    if fault == "shuffled":
        state.random.shuffle(rows)
    elif fault == "count":
        rows = rows[:-1]
    elif fault in {"nan", "null"}:
        width = state.encoder.encode(["a"]).shape[1]
        rows[-1]["embedding"] = written(np.full(width, np.nan), request) if fault == "nan" else [None] * width
    return 200, {"Content-Type": "application/json"}, json.dumps({"object": "list", "data": rows}).encode()


def items(encoder: Any, request: Request) -> list[dict[str, Any]]:
    vectors = 3.0 * encoder.encode(request.body["input"])
    return [
        {"object": "embedding", "index": index, "embedding": written(vector, request)}
        for index, vector in enumerate(vectors)
    ]


def written(vector: Any, request: Request) -> str | list[float]:
    if request.body["encoding_format"] == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.astype(np.float32).tolist()
    return numbers


class EmbeddingTestServer(ThreadingHTTPServer):
    """A server with a state; hanging requests do not keep the tests."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, state: ServerState) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = state
        state.base_url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up are part of the tests."""


@contextlib.contextmanager
def embedding_server(**options: Any) -> Iterator[ServerState]:
    """A running server; yields its state."""
    server = EmbeddingTestServer(ServerState(**options))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def encoder_of(state: ServerState, **options: Any) -> EmbeddingServerEncoder:
    """The encoder behind a server."""
    return EmbeddingServerEncoder(state.base_url, "bigrams", **{"timeout_s": 10, **options})


def answering(status: int, body: bytes = b"", **headers: str) -> contextlib.AbstractContextManager[ServerState]:
    """A server that answers every request in one way."""
    return embedding_server(respond=lambda request: (status, headers, body))
