"""A chat server of our own on loopback that judges, with the habits and the faults of real ones."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from semreward.evaluation import ChatServer

Response: TypeAlias = tuple[int, dict[str, str], bytes]

_SHOWN = re.compile(r"<candidate_1>\n(.*?)\n</candidate_1>.*<candidate_2>\n(.*?)\n</candidate_2>", re.DOTALL)


@dataclass
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """The text of its only message."""
        (message,) = self.body["messages"]
        return str(message["content"])


def prefer_longer(prompt: str) -> str:
    """A judge that decides for the longer candidate, whatever the order, and gives a reason."""
    first, second = shown_candidates(prompt)
    mark = 0 if len(first) == len(second) else 1 if len(first) > len(second) else 2
    return f"Reason: length.\nDecision: [[{mark}]]"


def shown_candidates(prompt: str) -> tuple[str, str]:
    """The two candidates in a prompt of ours, in the order in which they are shown."""
    found = _SHOWN.search(prompt)
    assert found is not None, prompt
    return found[1], found[2]


@dataclass
class ServerState:
    """What a server does, and what it saw.

    Attributes:
        judge: Answers a prompt; `None` stands for an answer without content.
        respond: Returns what a request gets instead of a judgement, by the number of requests before it, or `None`.
        delay_s: How long every answer takes.
    """

    judge: Callable[[str], str | None] = prefer_longer
    respond: Callable[[int, Request], Response | None] = lambda number, request: None
    delay_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    base_url: str = ""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()

    @property
    def prompts(self) -> list[str]:
        """What was asked, in the order in which it came."""
        return [request.prompt for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    """Answers POST requests with judgements, or as its server's state says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in two parts
    server: "JudgeTestServer"

    def do_POST(self) -> None:
        state = self.server.state
        content = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, json.loads(content))
        with state.lock:
            number = len(state.requests)
            state.requests.append(request)
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
        try:
            time.sleep(state.delay_s)
            status, extra, body = state.respond(number, request) or completion(state.judge(request.prompt))
        finally:
            with state.lock:
                state.at_once -= 1
        with contextlib.suppress(OSError):  # the client gave up
            self.send(status, extra, body)

    def send(self, status: int, extra: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def completion(content: str | None) -> Response:
    """A chat completion with one choice."""
    message = {"role": "assistant", "content": content}
    body = {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 0,
        "model": "judge",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def failure(status: int, message: str, **headers: str) -> Response:
    """An error as OpenAI's API writes it; the client is told not to wait before it tries again."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
    return status, {"Content-Type": "application/json", "Retry-After": "0.01", **headers}, body


class JudgeTestServer(ThreadingHTTPServer):
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
def judge_server(**options: Any) -> Iterator[ServerState]:
    """A running server; yields its state."""
    server = JudgeTestServer(ServerState(**options))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def judge_of(state: ServerState, **options: Any) -> ChatServer:
    """The judge behind a server."""
    return ChatServer(state.base_url, "judge", **{"timeout_s": 10, "max_retries": 2, **options})
