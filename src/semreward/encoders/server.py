"""Sentence encoders behind an embedding server (TEI, vLLM, Infinity, Ollama, any OpenAI-compatible one)."""

import asyncio
import base64
import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semreward.arguments import check_choice, check_count, check_number
from semreward.client import ApiKey, Client, Failure, ServedModel, WrongAnswerError
from semreward.encoders.engine import (
    DEFAULT_CACHE_BYTES,
    DEFAULT_GATHER_MS,
    DEFAULT_PROGRESS_ABOVE,
    EncodeBatch,
    close_engine,
    engine_of,
)
from semreward.errors import EncoderError, EncoderUnavailableError

logger = logging.getLogger(__name__)

_TEXTS_PER_CALL = 2**30  # the engine hands over all texts at once, so that they share a deadline
_TOO_LARGE = frozenset({413, 422})

# Their vectors identify the model of a server: scripts, lengths and meanings that models tell apart.
_PROBES = (
    "A dog runs across the wet grass.",
    "The committee postponed its decision on interest rates.",
    "他买了三个苹果。",
    "བོད་ཀྱི་སྐད་ཡིག",
    "Wie spät ist es?",
    "x = [i ** 2 for i in range(10)]",
)


@dataclass(frozen=True)
class EmbeddingServerEncoder(ServedModel):
    """A model behind an OpenAI-compatible `/embeddings` endpoint as an encoder: TEI, vLLM, Infinity, Ollama.

    It compares, hashes, prints and pickles without its API key and connections. Equal encoders share the connections of
    a process and the latest key. Temporary failures (no connection, a timeout, status 408, 409, 424, 425, 429 or 5xx,
    an unusable answer) are retried until `timeout_s`, with jittered waits from 0.1 to 5 s or as `Retry-After` asks.
    Requests that are too large (413, 422) are halved. Servers truncate long texts silently or refuse them; `max_chars`
    truncates earlier, counts and logs.

    Args:
        base_url: Parent of `/embeddings`, such as `http://127.0.0.1:8080/v1` (Infinity serves it without `/v1`).
        model: The server's name of its model.
        api_key: Bearer token, in no repr, log, pickle, signature or error.
        api_key_env: Environment variable with the key, if none is given or it was pickled. Not set: no key is sent.
        timeout_s: Time limit of one call of `encode` in seconds, all attempts and waits included.
        attempt_timeout_s: Time limit of one attempt in seconds. `None`: a third of `timeout_s`.
        prompt: Text before each input, such as `"query: "`, if the model was trained with one.
        max_chars: Characters per text at most, without the prompt. `None`: no limit.
        encoding: `"float"`, or `"base64"`, which is half the size. Either answer is understood.
        extra_body: Further members of each request, such as `{"dimensions": 512}`. It prints: no place for secrets.
        texts_per_request: Texts per request at most. Lowered when the server refuses so many.
        bytes_per_request: Bytes of text per request at most. A longer text is sent alone.
        max_concurrency: Requests at the same time.
        cache_bytes: Size of the vector cache.
        gather_ms: How long a batch waits for texts of other callers, if there are several.
        progress_above: A call with more new texts than this shows a progress bar.

    Raises:
        ArgumentError: An argument is out of range.

    Example:
        >>> encoder = EmbeddingServerEncoder("http://127.0.0.1:8080/v1", "BAAI/bge-m3", api_key="secret")
        >>> encoder == EmbeddingServerEncoder("http://127.0.0.1:8080/v1/", "BAAI/bge-m3")
        True
        >>> encoder.encode(["a text"]).shape  # doctest: +SKIP
        (1, 1024)
    """

    _: KW_ONLY
    attempt_timeout_s: float | None = None
    prompt: str | None = None
    max_chars: int | None = None
    encoding: Literal["float", "base64"] = "float"
    texts_per_request: int = 32
    bytes_per_request: int = 1_000_000
    max_concurrency: int = 8
    cache_bytes: int = DEFAULT_CACHE_BYTES
    gather_ms: float = DEFAULT_GATHER_MS
    progress_above: int = DEFAULT_PROGRESS_ABOVE

    def __post_init__(self) -> None:
        self._check_server("/embeddings", reserved=("model", "input", "encoding_format"))
        check_choice("encoding", self.encoding, ("float", "base64"))
        if self.attempt_timeout_s is not None:
            check_number("attempt_timeout_s", self.attempt_timeout_s, above=0)
        if self.max_chars is not None:
            check_count("max_chars", self.max_chars)
        for name in ("texts_per_request", "bytes_per_request", "max_concurrency"):
            check_count(name, getattr(self, name))
        for name in ("cache_bytes", "gather_ms", "progress_above"):
            check_number(name, getattr(self, name), at_least=0)
        if isinstance(self.api_key, ApiKey) and self.api_key.reveal():
            _latest_keys[self] = self.api_key

    @property
    def batch_size(self) -> int:
        """Texts that the engine hands over at once: all of a call."""
        return _TEXTS_PER_CALL

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that identify the model, `prompt`, `max_chars` and `extra_body`.

        The model is identified by its name and by the cosines among a few texts, rounded to two decimals. So neither
        the address nor rounding errors of other hardware matter (except for rare ties). Computed once per process.
        """
        return _fingerprint(self)

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Encode `N` non-empty texts into unit rows, shape (N, D), float32.

        Raises:
            EncoderUnavailableError: No vectors came within `timeout_s`.
            EncoderError: The server refuses the request, or its answers cannot be used.
            ArgumentError: The key was lost in a pickle, and `api_key_env` is not set here.
        """
        self._key()
        return engine_of(self).encode(texts)

    def warmup(self) -> None:
        """Encode a short text: a wrong address, model or key shows now, as an error of `encode`."""
        self.encode(_PROBES[:1])

    @property
    def truncated_texts(self) -> int:
        """How many texts `max_chars` has truncated since the connections were opened in this process."""
        return getattr(engine_of(self).model, "truncated_texts", 0)

    def close(self) -> None:
        """Close the connections and drop the cached vectors; the next use starts anew."""
        close_engine(self)

    def open_model(self) -> EncodeBatch:
        """Prepare the connections and return what embeds through them. For the engine; users call `encode`."""
        self._latest_key()  # if it is missing, fail before anything is sent
        url, attempt_timeout_s = f"{self.base_url}/embeddings", self.attempt_timeout_s or self.timeout_s / 3
        return _EmbeddingServer(self, Client(url, self._server, self._latest_key, attempt_timeout_s))

    def _latest_key(self) -> str | None:
        """The key that was given last to an equal encoder in this process, or this one's own."""
        return _latest_keys[self].reveal() if self in _latest_keys else self._key()


# Equal encoders share an engine whatever their keys, so a wrong key can be corrected by making the encoder again.
_latest_keys: dict[EmbeddingServerEncoder, ApiKey] = {}


@lru_cache(maxsize=256)
def _fingerprint(encoder: EmbeddingServerEncoder) -> str:
    vectors = encoder.encode(_PROBES).astype(np.float64)
    # Cosines, not coordinates: among thousands of coordinates, some always round differently elsewhere.
    cosines = np.rint(100 * (vectors @ vectors.T)[np.triu_indices(len(_PROBES), k=1)]).astype(int)
    parts = [encoder.model, encoder.prompt or "", encoder.max_chars, encoder.extra_body, vectors.shape[1]]
    return hashlib.sha256(json.dumps([*parts, cosines.tolist()]).encode()).hexdigest()[:16]


class _EmbeddingServer:
    """Truncates texts, sends them in concurrent requests, and halves requests that are too large."""

    def __init__(self, encoder: EmbeddingServerEncoder, client: Client) -> None:
        self._encoder, self._client = encoder, client
        members = {"model": encoder.model, "encoding_format": encoder.encoding, **json.loads(str(encoder.extra_body))}
        self._body_start = json.dumps(members, ensure_ascii=False).encode()[:-1] + b', "input": ['
        self._texts_per_request = encoder.texts_per_request
        self._width: int | None = None
        self.texts = self.truncated_texts = 0

    def __call__(self, batch: list[str]) -> NDArray[np.float32]:
        # A little earlier than the engine's deadline, because the engine cannot tell why requests failed.
        deadline = time.monotonic() + max(0.9 * self._encoder.timeout_s, self._encoder.timeout_s - 0.5)
        prompt, max_chars = self._encoder.prompt or "", self._encoder.max_chars
        truncated = sum(len(text) > max_chars for text in batch) if max_chars is not None else 0
        self.texts += len(batch)
        self.truncated_texts += truncated
        if truncated:
            level = logging.INFO if self.truncated_texts > truncated else logging.WARNING  # the first ones are news
            message = "%d of %d texts so far were longer than max_chars=%d; the rest of them is not sent to %s"
            logger.log(level, message, self.truncated_texts, self.texts, max_chars, self._client.server)
        # UTF-8 cannot hold a lone surrogate, which becomes a question mark.
        encoded = [
            json.dumps(prompt + text[:max_chars], ensure_ascii=False).encode("utf-8", "replace") for text in batch
        ]
        return self._client.run(partial(self._embed, encoded, deadline))

    async def _embed(self, encoded: list[bytes], deadline: float) -> NDArray[np.float32]:
        slots = asyncio.Semaphore(self._encoder.max_concurrency)

        async def rows_of(part: list[bytes]) -> NDArray[np.float32]:
            async with slots:
                return await self._embed_part(part, deadline)

        tasks = [asyncio.ensure_future(rows_of(part)) for part in self._parts(encoded)]
        try:
            return np.concatenate(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()  # after the first failure

    def _parts(self, encoded: list[bytes]) -> Iterator[list[bytes]]:
        part: list[bytes] = []
        size = 0
        for text in encoded:
            is_full = len(part) >= self._texts_per_request or size + len(text) > self._encoder.bytes_per_request
            if part and is_full:
                yield part
                part, size = [], 0
            part.append(text)
            size += len(text)
        yield part

    async def _embed_part(self, part: list[bytes], deadline: float) -> NDArray[np.float32]:
        size = self._texts_per_request  # may have become smaller since the part was made
        failure: Failure | None = None
        if len(part) <= size:
            body = self._body_start + b", ".join(part) + b"]}"
            outcome = await self._client.post(body, partial(self._rows, len(part)), deadline=deadline)
            if not isinstance(outcome, Failure):
                return outcome
            if outcome.status not in _TOO_LARGE or len(part) == 1:
                raise self._error(outcome)
            size, failure = (len(part) + 1) // 2, outcome
        rows = [await self._embed_part(part[start : start + size], deadline) for start in range(0, len(part), size)]
        if failure is not None and len(part) == self._texts_per_request:  # fewer texts may have been too long
            self._texts_per_request = size
            message = "%s %s for %d texts: from now on it gets %d per request; lower `texts_per_request` to avoid this"
            logger.warning(message, self._client.server, failure.what, len(part), size)
        return np.concatenate(rows)

    def _rows(self, count: int, content: bytes) -> NDArray[np.float32]:
        rows = unit_rows(content, count)
        self._width = self._width or rows.shape[1]
        if rows.shape[1] != self._width:
            raise WrongAnswerError(f"vectors of {rows.shape[1]} numbers, after vectors of {self._width}")
        return rows

    def _error(self, failure: Failure) -> EncoderError | EncoderUnavailableError:
        what = f"{self._client.server} {failure.what}"
        if failure.is_temporary and not failure.is_answered:
            return EncoderUnavailableError(
                f"{what}, and gave no vectors within `timeout_s` ({self._encoder.timeout_s:g} s); check that it runs "
                "and is not overloaded, raise `timeout_s`, or let rewards pass: on_error='none'"
            )
        if failure.status in {401, 403}:
            variable = self._encoder.api_key_env
            return EncoderError(f"{what}; give the right key as `api_key`, or set the environment variable {variable}")
        return EncoderError(
            f"{what}; check `base_url` (the parent of /embeddings, often http://host:port/v1), `model` and "
            "`extra_body`, and truncate texts that are too long for the model by `max_chars`"
        )


def unit_rows(content: bytes, count: int) -> NDArray[np.float32]:
    """The vectors of an answer in the order of the texts, as unit rows of shape (count, D), float32.

    Raises:
        WrongAnswerError: The answer does not hold `count` finite non-zero vectors of one width.
    """
    try:
        items = json.loads(content)["data"]
        if any(item.get("index") is not None for item in items):
            by_index = {item["index"]: item for item in items}
            items = [by_index[index] for index in range(len(items))]
        rows = np.array([_vector(item["embedding"]) for item in items])
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        answer = content.decode(errors="replace")
        raise WrongAnswerError(f"no list `data` of vectors with their index ({error!r}), but {answer}") from None
    if len(rows) != count:
        raise WrongAnswerError(f"{len(rows)} vectors for {count} texts")
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":  # noqa: PLR2004
        raise WrongAnswerError("vectors that are not lists of numbers")
    rows = rows.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise WrongAnswerError("a vector that is zero or not finite")
    unit: NDArray[np.float32] = (rows / norms).astype(np.float32)
    return unit


def _vector(embedding: object) -> object:
    """A vector as it was sent: a list of numbers, or little-endian float32 in base64."""
    return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4") if isinstance(embedding, str) else embedding
