"""An embedding server of our own on loopback, with the habits and the faults of real ones."""

import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from doubles import BigramEncoder
from loopback import Request, Response, ServerState, serving
from semreward import EmbeddingServerEncoder

FAULTS = ("429", "429-date", "500", "hang", "truncated", "shuffled", "count", "nan", "null", "html")
"""What a faulty server does instead of answering well; after `shuffled`, the answer is right but in another order."""


@dataclass
class EmbeddingState(ServerState):
    """What a server does, and what it saw.

    Attributes:
        encoder: What it computes; its vectors are sent scaled, as a server need not normalise.
        respond: Returns what a request gets instead of vectors, `(status, headers, body)`, or `None`.
        faults: Which of `FAULTS` it has, taken in turn at a share of requests drawn with a fixed seed.
        fault_share: That share.
        hang_s: How long it hangs.
    """

    encoder: Any = field(default_factory=BigramEncoder)
    respond: Callable[[Request], Response | None] = lambda request: None
    faults: Sequence[str] = ()
    fault_share: float = 0.0
    hang_s: float = 0.6
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.random = random.Random(5)

    def answer(self, number: int, request: Request) -> Response:
        return self.respond(request) or faulty(self, request, self.next_fault())

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


def faulty(state: EmbeddingState, request: Request, fault: str | None) -> Response:
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
        rows[-1]["embedding"] = written(np.full(width, np.nan)) if fault == "nan" else [None] * width
    return 200, {"Content-Type": "application/json"}, json.dumps({"object": "list", "data": rows}).encode()


def items(encoder: Any, request: Request) -> list[dict[str, Any]]:
    vectors = 3.0 * encoder.encode(request.body["input"])
    return [
        {"object": "embedding", "index": index, "embedding": written(vector)} for index, vector in enumerate(vectors)
    ]


def written(vector: Any) -> list[float]:
    numbers: list[float] = vector.astype(np.float32).tolist()
    return numbers


def embedding_server(**options: Any) -> contextlib.AbstractContextManager[EmbeddingState]:
    """A running server; yields its state."""
    return serving(EmbeddingState(**options))


def encoder_of(state: EmbeddingState, **options: Any) -> EmbeddingServerEncoder:
    """The encoder behind a server."""
    return EmbeddingServerEncoder(state.base_url, "bigrams", **{"timeout_s": 10, **options})


def answering(status: int, body: bytes = b"", **headers: str) -> contextlib.AbstractContextManager[EmbeddingState]:
    """A server that answers every request in one way."""
    return embedding_server(respond=lambda request: (status, headers, body))
