"""A server of our own on loopback, which answers JSON requests and remembers them."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias, TypeVar

Response: TypeAlias = tuple[int, dict[str, str], bytes]


@dataclass
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    size: int

    @property
    def prompt(self) -> str:
        """The text of its only chat message."""
        (message,) = self.body["messages"]
        return str(message["content"])


@dataclass
class ServerState:
    """What a server does, and what it saw."""

    delay_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    base_url: str = ""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()

    def answer(self, number: int, request: Request) -> Response:
        """What a request gets, by the number of requests before it."""
        raise NotImplementedError


State = TypeVar("State", bound=ServerState)


class Handler(BaseHTTPRequestHandler):
    """Answers POST requests as its server's state says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in two parts
    server: "LoopbackServer"

    def do_POST(self) -> None:
        state = self.server.state
        content = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, json.loads(content), len(content))
        with state.lock:
            number = len(state.requests)
            state.requests.append(request)
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
        try:
            time.sleep(state.delay_s)
            status, extra, body = state.answer(number, request)
        finally:
            with state.lock:
                state.at_once -= 1
        with contextlib.suppress(OSError):  # the client gave up
            self.send_response(status)
            for name, value in {**extra, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class LoopbackServer(ThreadingHTTPServer):
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
def serving(state: State) -> Iterator[State]:
    """Run a server; yields its state."""
    server = LoopbackServer(state)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
