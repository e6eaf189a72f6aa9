"""A chat server of our own on loopback that judges, with the habits and the faults of real ones."""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loopback import Request, Response, ServerState, serving
from semreward.evaluation import ChatServer

_SHOWN = re.compile(r"<candidate_1>\n(.*?)\n</candidate_1>.*<candidate_2>\n(.*?)\n</candidate_2>", re.DOTALL)


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
class JudgeState(ServerState):
    """What a judge's server does, and what it saw.

    Attributes:
        judge: Answers a prompt; `None` stands for an answer without content.
        respond: Returns what a request gets instead of a judgement, by the number of requests before it, or `None`.
    """

    judge: Callable[[str], str | None] = prefer_longer
    respond: Callable[[int, Request], Response | None] = lambda number, request: None

    def answer(self, number: int, request: Request) -> Response:
        return self.respond(number, request) or completion(self.judge(request.prompt))

    @property
    def prompts(self) -> list[str]:
        """What was asked, in the order in which it came."""
        return [request.prompt for request in self.requests]


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


def judge_server(**options: Any) -> contextlib.AbstractContextManager[JudgeState]:
    """A running server; yields its state."""
    return serving(JudgeState(**options))


def judge_of(state: JudgeState, **options: Any) -> ChatServer:
    """The judge behind a server."""
    return ChatServer(state.base_url, "judge", **{"timeout_s": 10, "max_retries": 2, **options})
