"""The conversation with an embedding server: requests within its limits, attempts until a deadline, checked answers."""

import json
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import httpx2
import numpy as np
from numpy.typing import NDArray

from semreward.encoders.answers import WrongAnswerError, message_of, retry_after_s, unit_rows
from semreward.errors import EncoderError, EncoderUnavailableError

logger = logging.getLogger(__name__)

Encoding: TypeAlias = Literal["float", "base64"]
ENCODINGS: tuple[Encoding, ...] = ("float", "base64")

# What an answer may hold at most: a vector of 10,000 numbers as JSON, and what a server says around them.
_BYTES_A_VECTOR = 2**18
_BYTES_OF_FRAME = 2**16

# The n-th wait before another attempt is drawn from half of to all of 0.1 s, 0.2 s, 0.4 s, ..., 5 s.
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0

# How much of a call's time is kept back (this part of it, or these seconds), so that the last attempt can still say why
# it failed.
_KEPT_PART, _KEPT_S = 0.05, 0.2

_TOO_LARGE = frozenset({413, 422})
_PASSING = frozenset({408, 424, 425, 429})  # 424: how TEI says that its model failed
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Failure:
    """Why an attempt brought no vectors, and what follows from it.

    Attributes:
        what: What happened.
        remedy: What the user can do about it.
        action: Try again, try with half of the texts, or stop.
        answered: Whether the server did its part and sent something that is no vectors.
        retry_after_s: How long the server asks to wait.
    """

    what: str
    remedy: str = ""
    action: Literal["retry", "halve", "stop"] = "retry"
    answered: bool = False
    retry_after_s: float = 0.0


class StoppedError(RuntimeError):
    """Another request of the same call failed for good; never leaves this module."""


@dataclass
class Call:
    """What the requests of one call share.

    Attributes:
        deadline: When all must be done, on the monotonic clock.
        stopped: Set when the call is over, so that nobody starts another attempt.
        repeated: How many attempts failed and were followed by another.
    """

    deadline: float
    stopped: threading.Event = field(default_factory=threading.Event)
    repeated: list[str] = field(default_factory=list)

    def remaining_s(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())


class EmbeddingServer:
    """Embeds texts through an OpenAI-compatible `/embeddings` endpoint. Safe to call from several threads.

    Args:
        base_url: Parent of `/embeddings`, without user name, password and query.
        place: Host and port, as errors name them.
        model: Name under which the server knows its model.
        key: Returns the API key, or `None`; asked at every attempt.
        key_remedy: What to do where the server refuses the key.
        extra_body: JSON object whose members go into every request.
        encoding: How the server is asked to write vectors; either way is understood.
        timeout_s: Seconds for a call, all attempts included.
        attempt_timeout_s: Seconds for an attempt.
        texts_per_request: Texts a request at most.
        bytes_per_request: Bytes of texts a request at most; a longer text travels alone.
        max_concurrency: Requests at a time.
    """

    def __init__(
        self,
        base_url: str,
        *,
        place: str,
        model: str,
        key: Callable[[], str | None],
        key_remedy: str,
        extra_body: str,
        encoding: Encoding,
        timeout_s: float,
        attempt_timeout_s: float,
        texts_per_request: int,
        bytes_per_request: int,
        max_concurrency: int,
    ) -> None:
        self._url = f"{base_url}/embeddings"
        self._place = place
        self._key, self._key_remedy = key, key_remedy
        members = {"model": model, "encoding_format": encoding, **json.loads(extra_body)}
        self._body_start = json.dumps(members, ensure_ascii=False).encode()[:-1] + b', "input": ['
        self._timeout_s, self._attempt_timeout_s = timeout_s, attempt_timeout_s
        self._texts_per_request, self._bytes_per_request = texts_per_request, bytes_per_request
        self._max_concurrency = max_concurrency
        self._width: int | None = None
        self._jitter = random.Random()  # noqa: S311 - spreads waits; its own, so that seeded trainings stay as they are
        limits = httpx2.Limits(max_connections=max_concurrency, max_keepalive_connections=max_concurrency)
        self._client = httpx2.Client(limits=limits, follow_redirects=False)
        weakref.finalize(self, _close_in_its_process, self._client, os.getpid())

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed `N` texts into unit rows, shape (N, D), float32.

        Raises:
            EncoderUnavailableError: The deadline passed, or would pass while waiting as long as the server asks.
            EncoderError: The server refuses the request, or its answers are wrong until the deadline.
        """
        kept_s = min(_KEPT_S, _KEPT_PART * self._timeout_s)
        call = Call(time.monotonic() + self._timeout_s - kept_s)
        chunks = list(self._chunks([_as_json(text) for text in texts]))
        pool = ThreadPoolExecutor(min(self._max_concurrency, len(chunks)), thread_name_prefix="semreward-server")
        try:
            futures = [pool.submit(self._embed_chunk, chunk, call) for chunk in chunks]
            done, pending = wait(futures, call.remaining_s() + kept_s, return_when=FIRST_EXCEPTION)
            failed = next((error for future in done if (error := future.exception()) is not None), None)
            if failed is not None:
                raise failed
            if pending:
                raise self._unavailable("no answer in time")
            return np.concatenate([future.result() for future in futures])
        finally:
            call.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)  # what hangs ends by its own time-out
            if call.repeated:
                logger.info(
                    "%d requests to the embedding server at %s were repeated (%d in all); the last: %s",
                    len(call.repeated),
                    self._place,
                    len(chunks),
                    call.repeated[-1],
                )

    def _chunks(self, encoded: list[bytes]) -> Iterator[list[bytes]]:
        chunk: list[bytes] = []
        size = 0
        for text in encoded:
            full = len(chunk) >= self._texts_per_request or size + len(text) > self._bytes_per_request
            if chunk and full:
                yield chunk
                chunk, size = [], 0
            chunk.append(text)
            size += len(text)
        if chunk:
            yield chunk

    def _embed_chunk(self, encoded: list[bytes], call: Call) -> NDArray[np.float32]:
        if len(encoded) > self._texts_per_request:  # learned since the chunk was made
            return self._embed_parts(encoded, self._texts_per_request, call)
        attempts, unanswered, told = 0, False, ""
        while True:
            outcome = self._attempt(encoded, call)
            if not isinstance(outcome, Failure):
                return outcome
            attempts += 1
            if attempts == 1 or call.remaining_s() > 0:  # the last attempt, cut off by the deadline, tells nothing
                unanswered |= not outcome.answered
                told = outcome.what
            if outcome.action == "halve" and len(encoded) > 1:
                return self._embed_halves(encoded, outcome, call)
            if outcome.action != "retry":
                raise EncoderError(f"the embedding server at {self._place} {outcome.what}; {outcome.remedy}")
            wait_s = max(outcome.retry_after_s, self._wait_s(attempts))
            if wait_s >= call.remaining_s():
                tries = f"{told}, at attempt {attempts}"
                if outcome.retry_after_s > call.remaining_s():
                    tries += f", and it asks to wait {outcome.retry_after_s:.3g} s"
                raise self._unavailable(tries) if unanswered else self._wrong(tries)
            call.repeated.append(outcome.what)
            if call.stopped.wait(wait_s):
                raise StoppedError

    def _embed_halves(self, encoded: list[bytes], refusal: Failure, call: Call) -> NDArray[np.float32]:
        half = (len(encoded) + 1) // 2
        full = len(encoded) == self._texts_per_request
        rows = self._embed_parts(encoded, half, call)
        if full and half < self._texts_per_request:  # not learned from fewer texts: those were too long
            self._texts_per_request = half
            logger.warning(
                "the embedding server at %s %s for %d texts: from now on it gets %d a request; "
                "set `texts_per_request` to spare the attempts",
                self._place,
                refusal.what,
                len(encoded),
                half,
            )
        return rows

    def _embed_parts(self, encoded: list[bytes], size: int, call: Call) -> NDArray[np.float32]:
        parts = [encoded[start : start + size] for start in range(0, len(encoded), size)]
        return np.concatenate([self._embed_chunk(part, call) for part in parts])

    def _wait_s(self, attempts: int) -> float:
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(attempts - 1, 10))
        return longest * self._jitter.uniform(0.5, 1.0)

    def _attempt(self, encoded: list[bytes], call: Call) -> NDArray[np.float32] | Failure:
        """One request; what fails is returned rather than raised, as exceptions of the client carry its headers."""
        key = self._key()
        limit_s = min(self._attempt_timeout_s, call.remaining_s())
        if call.stopped.is_set() or limit_s == 0:
            return Failure("got no attempt in time")
        answer = self._answer(encoded, key, limit_s)
        if isinstance(answer, Failure):
            return answer
        response, content = answer
        if not response.is_success:
            return self._refusal(response, _shown(message_of(content), key))
        try:
            return self._of_one_width(unit_rows(content, len(encoded)))
        except WrongAnswerError as error:
            return Failure(f"answered wrongly: {_shown(str(error), key)}", answered=True)

    def _answer(self, encoded: list[bytes], key: str | None, limit_s: float) -> tuple[httpx2.Response, bytes] | Failure:
        """What the server says to one request, within the limits of time and size."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        body = self._body_start + b", ".join(encoded) + b"]}"
        deadline = time.monotonic() + limit_s
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers, timeout=limit_s) as response:
                content = _read(response, _BYTES_OF_FRAME + _BYTES_A_VECTOR * len(encoded), deadline)
        except httpx2.TimeoutException as error:
            return Failure(f"did not answer within {limit_s:.3g} s ({type(error).__name__})")
        except httpx2.HTTPError as error:
            return Failure(f"could not be reached ({type(error).__name__}: {_shown(str(error), key)})")
        return content if isinstance(content, Failure) else (response, content)

    def _of_one_width(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._width is None:
            self._width = rows.shape[1]
        if rows.shape[1] != self._width:
            raise WrongAnswerError(f"vectors of {rows.shape[1]} numbers, after vectors of {self._width}")
        return rows

    def _refusal(self, response: httpx2.Response, message: str) -> Failure:
        status = response.status_code
        what = f"answered {status} {message}".rstrip()
        if status in _TOO_LARGE:
            remedy = "even one text is too much for it: cut texts by `max_chars`, and check `model` and `extra_body`"
            return Failure(what, remedy, action="halve")
        if status in _PASSING or status >= 500:  # noqa: PLR2004 - the server's own errors
            return Failure(what, retry_after_s=retry_after_s(response.headers.get("Retry-After")))
        if status in {401, 403}:
            return Failure(what, self._key_remedy, action="stop")
        if status in {404, 405}:
            remedy = (
                "`base_url` must be the parent of /embeddings, often http://host:port/v1, and `model` one it serves"
            )
            return Failure(what, remedy, action="stop")
        if response.is_redirect:
            return Failure(what, "give the address that it redirects to as `base_url`", action="stop")
        remedy = "check `model` and `extra_body`, and cut texts that are longer than its window by `max_chars`"
        return Failure(what, remedy, action="stop")

    def _unavailable(self, why: str) -> EncoderUnavailableError:
        return EncoderUnavailableError(
            f"the embedding server at {self._place} gave no vectors within `timeout_s` ({self._timeout_s:g} s): {why}; "
            "check that it runs and is not overloaded, raise `timeout_s`, or let rewards pass: on_error='none'"
        )

    def _wrong(self, why: str) -> EncoderError:
        return EncoderError(
            f"the embedding server at {self._place} gave no usable vectors within `timeout_s` ({self._timeout_s:g} s): "
            f"{why}; check `base_url` and the server's model"
        )


def _as_json(text: str) -> bytes:
    """A text as JSON; a lone surrogate, which UTF-8 cannot carry, becomes a question mark."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")


def _close_in_its_process(client: httpx2.Client, process: int) -> None:
    """Close a client, but not in a forked child, where a lock may be held by a thread that the child does not have."""
    if os.getpid() == process:
        client.close()


def _read(response: httpx2.Response, max_bytes: int, deadline: float) -> bytes | Failure:
    """The body of a response, if it is no longer than allowed and comes in time; of an error, as much as is shown."""
    blocks: list[bytes] = []
    size = 0
    for block in response.iter_bytes():
        blocks.append(block)
        size += len(block)
        if not response.is_success and size >= _BYTES_OF_FRAME:
            break
        if size > max_bytes:
            remedy = "check that `base_url` is an embedding server; vectors this wide need encoding='base64'"
            return Failure(f"answered with more than {max_bytes} bytes", remedy, action="stop")
        if time.monotonic() > deadline:
            return Failure("did not finish its answer in time")
    return b"".join(blocks)


def _shown(text: str, key: str | None) -> str:
    """The beginning of a foreign text on one line, without the API key, should the text repeat it."""
    for secret in (key, json.dumps(key)[1:-1]) if key else ():
        text = text.replace(secret, "***")
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 3] + "..."
