"""Sentence encoders behind an embedding server (TEI, vLLM, Infinity, Ollama, any OpenAI-compatible one)."""

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.endpoints import ApiKey, checked_base_url, checked_key, place_of
from semreward.encoders.engine import (
    DEFAULT_CACHE_BYTES,
    DEFAULT_GATHER_MS,
    DEFAULT_PROGRESS_ABOVE,
    EncodeBatch,
    close_engine,
    engine_of,
)
from semreward.errors import ArgumentError

logger = logging.getLogger(__name__)

# An attempt takes this part of `timeout_s` at most, so that a request that hangs leaves time for others.
_ATTEMPTS_IN_TIME = 3

# The engine hands over all texts of a call at once: they share a deadline, and requests run at the same time.
_TEXTS_A_CALL = 2**30

_RESERVED_MEMBERS = frozenset({"model", "input", "encoding_format"})

# Texts whose vectors stand for a server's model: scripts, lengths and meanings that models tell apart.
_PROBES = (
    "A dog runs across the wet grass.",
    "The committee postponed its decision on interest rates.",
    "他买了三个苹果。",
    "བོད་ཀྱི་སྐད་ཡིག",
    "Wie spät ist es?",
    "x = [i ** 2 for i in range(10)]",
)


@dataclass(frozen=True)
class EmbeddingServerEncoder:
    """A model behind an OpenAI-compatible `/embeddings` endpoint as an encoder: TEI, vLLM, Infinity, Ollama.

    The object describes an encoder and holds no connection: it compares, hashes, prints and pickles as what it is,
    without its API key. Equal descriptions share the connections of a process; the key that was given last serves all
    of them.

    What fails in passing (no connection, a time-out, status 408, 424, 425, 429 or 5xx, an answer that is cut off or
    does not hold one finite vector a text) is tried again until `timeout_s`, after waits that double from 0.1 to 5
    seconds, or as long as `Retry-After` says. Requests that are too large (413, 422) are halved.

    A server cuts a text at its model's window, in tokens and without saying so (TEI, Infinity, Ollama), or refuses it
    (vLLM, unless `extra_body={"truncate_prompt_tokens": -1}`). `max_chars` cuts before that, counted and logged.

    Args:
        base_url: Parent of `/embeddings`, such as `http://127.0.0.1:8080/v1` (Infinity serves it without `/v1`), with
            neither user name, password nor query.
        model: Name under which the server knows its model.
        api_key: Sent as a bearer token. It is in no repr, log, pickle, signature or error: an unpickled encoder reads
            the key from `api_key_env`.
        api_key_env: Environment variable that holds the key where none is given; without it, no key is sent.
        timeout_s: Seconds that a call of `encode` takes at most, all attempts and waiting for other calls included.
        attempt_timeout_s: Seconds after which an attempt is given up; `None`: a third of `timeout_s`.
        prompt: Text put before each input, such as `"query: "`, where the model was trained with one.
        max_chars: Longest text in characters, without the prompt; the rest is not sent. `None`: all of it.
        encoding: `"float"`, or `"base64"`, which is half the size and quicker to read. Either is understood.
        extra_body: What else goes into every request, such as `{"dimensions": 512}`; kept as JSON text. It prints:
            no place for secrets.
        texts_per_request: Texts a request at most. A server that takes fewer (413, 422) gets fewer from then on.
        bytes_per_request: Bytes of texts a request at most; a longer text travels alone.
        max_concurrency: Requests at a time.
        cache_bytes: Bound of the cache of vectors: of references first, of completions in the room that is left.
        gather_ms: How long texts may wait for those of other callers while there are several; a lone one never waits.
        progress_above: A call with more new texts than this shows a progress bar.

    Raises:
        ArgumentError: An argument is out of its range; at the first use, that a key was given where the encoder was
            made, and neither pickles nor `api_key_env` carried it here.

    Example:
        >>> encoder = EmbeddingServerEncoder("http://127.0.0.1:8080/v1", "BAAI/bge-m3", api_key="secret")
        >>> encoder == EmbeddingServerEncoder("http://127.0.0.1:8080/v1/", "BAAI/bge-m3")
        True
        >>> encoder.encode(["a text"]).shape  # doctest: +SKIP
        (1, 1024)
    """

    base_url: str
    model: str
    _: KW_ONLY
    api_key: str | ApiKey | None = field(default=None, repr=False, compare=False)
    api_key_env: str = "SEMREWARD_API_KEY"
    timeout_s: float = 60.0
    attempt_timeout_s: float | None = None
    prompt: str | None = None
    max_chars: int | None = None
    encoding: Literal["float", "base64"] = "float"
    extra_body: Mapping[str, Any] | str = "{}"
    texts_per_request: int = 32
    bytes_per_request: int = 1_000_000
    max_concurrency: int = 8
    cache_bytes: int = DEFAULT_CACHE_BYTES
    gather_ms: float = DEFAULT_GATHER_MS
    progress_above: int = DEFAULT_PROGRESS_ABOVE

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", checked_base_url(self.base_url))
        for name in ("model", "api_key_env"):
            if not isinstance(value := getattr(self, name), str) or not value:
                raise ArgumentError(f"`{name}` must be a non-empty string, got {value!r}")
        if self.encoding not in {"float", "base64"}:
            raise ArgumentError(f"`encoding` must be 'float' or 'base64', got {self.encoding!r}")
        for name in ("timeout_s", "attempt_timeout_s"):
            _check_seconds(name, getattr(self, name))
        for name in ("max_chars", "texts_per_request", "bytes_per_request", "max_concurrency"):
            _check_count(name, getattr(self, name))
        for name in ("cache_bytes", "gather_ms", "progress_above"):
            if getattr(self, name) < 0:
                raise ArgumentError(f"`{name}` must not be negative, got {getattr(self, name)}")
        object.__setattr__(self, "extra_body", _as_members(self.extra_body))
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", ApiKey(checked_key(self.api_key, "`api_key`")))
        if isinstance(self.api_key, ApiKey) and self.api_key.reveal() is not None:
            _given_keys[self] = self.api_key

    @property
    def batch_size(self) -> int:
        """Texts that the engine hands over at once: all of a call."""
        return _TEXTS_A_CALL

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that stand for the model, `prompt`, `max_chars` and `extra_body`.

        Of the model behind the server they take its name and the cosines among a few texts, rounded to two decimals,
        so that the address does not matter, nor do rounding errors of other hardware (but for rare ties). Asked of the
        server once a process.
        """
        return _fingerprint(self)

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Encode `N` non-empty texts into unit rows, shape (N, D), float32.

        Raises:
            EncoderUnavailableError: No vectors came within `timeout_s`.
            EncoderError: The server refuses what it is asked, or sends something that is no vectors.
            ArgumentError: A key was given where the encoder was made, and `api_key_env` is not set here.
        """
        self._key()
        return engine_of(self).encode(texts)

    def warmup(self) -> None:
        """Encode a short text now, so that a wrong address, model or key shows before the first reward.

        Raises:
            EncoderUnavailableError: As `encode` raises it.
            EncoderError: As `encode` raises it.
            ArgumentError: As `encode` raises it.
        """
        self.encode(_PROBES[:1])

    @property
    def truncated_texts(self) -> int:
        """How many texts were cut at `max_chars` since the connections were opened in this process."""
        return getattr(engine_of(self).model, "truncated_texts", 0)

    def close(self) -> None:
        """Let go of the connections and the cached vectors; the next use opens them again."""
        close_engine(self)

    def open_model(self) -> EncodeBatch:
        """Prepare the connections and return what embeds through them. For the engine; users call `encode`."""
        from semreward.encoders.server import EmbeddingServer

        self._latest_key()  # a missing one shows before anything is sent
        place = place_of(self.base_url)
        server = EmbeddingServer(
            self.base_url,
            place=place,
            model=self.model,
            key=self._latest_key,
            key_remedy=f"give the right key as `api_key`, or set the environment variable {self.api_key_env}",
            extra_body=str(self.extra_body),
            encoding=self.encoding,
            timeout_s=self.timeout_s,
            attempt_timeout_s=self.attempt_timeout_s or self.timeout_s / _ATTEMPTS_IN_TIME,
            texts_per_request=self.texts_per_request,
            bytes_per_request=self.bytes_per_request,
            max_concurrency=self.max_concurrency,
        )
        return _ServedModel(server.embed, max_chars=self.max_chars, prompt=self.prompt or "", place=place)

    def _latest_key(self) -> str | None:
        """The key that an equal encoder was given last in this process, or this one's own."""
        latest = _given_keys.get(self)
        return self._key() if latest is None else latest.reveal()

    def _key(self) -> str | None:
        """The key that this encoder was given, or the one in the environment; `None` where there never was one."""
        if isinstance(self.api_key, ApiKey) and (given := self.api_key.reveal()) is not None:
            return given
        variable = self.api_key_env
        if key := os.environ.get(variable, "").strip():
            return checked_key(key, f"the environment variable {variable}")
        if self.api_key is None:
            return None
        raise ArgumentError(
            f"the encoder of the server at {place_of(self.base_url)} was made with an `api_key`, which pickles leave "
            f"out; set the environment variable {variable} in the process that uses it"
        )


# Kept beside the engines, because a key is no part of what encoders are equal by: one that was mistyped can be
# corrected by making the encoder again, although the engine of the first one lives on.
_given_keys: dict[EmbeddingServerEncoder, ApiKey] = {}


class _ServedModel:
    """Cuts texts at `max_chars`, of which it keeps count, puts the prompt before them and has them embedded."""

    def __init__(self, embed: EncodeBatch, *, max_chars: int | None, prompt: str, place: str) -> None:
        self._embed = embed
        self._max_chars, self._prompt, self._place = max_chars, prompt, place
        self.texts = self.truncated_texts = 0

    def __call__(self, batch: list[str]) -> NDArray[np.float32]:
        self.texts += len(batch)
        if self._max_chars is not None and (cut := sum(len(text) > self._max_chars for text in batch)):
            # The first one is news; later ones only raise the count.
            level = logging.INFO if self.truncated_texts else logging.WARNING
            self.truncated_texts += cut
            logger.log(
                level,
                "%d of %d texts so far were longer than max_chars=%d; what lies beyond is not sent to the server at %s",
                self.truncated_texts,
                self.texts,
                self._max_chars,
                self._place,
            )
        return self._embed([self._prompt + text[: self._max_chars] for text in batch])


@lru_cache(maxsize=256)
def _fingerprint(encoder: EmbeddingServerEncoder) -> str:
    vectors = encoder.encode(_PROBES).astype(np.float64)
    # Cosines rather than coordinates: of thousands of coordinates, some always lie where rounding is a matter of luck.
    cosines = np.rint(100 * (vectors @ vectors.T)[np.triu_indices(len(_PROBES), k=1)]).astype(int)
    parts = [encoder.model, encoder.prompt or "", encoder.max_chars, encoder.extra_body, vectors.shape[1]]
    return hashlib.sha256(json.dumps([*parts, cosines.tolist()]).encode()).hexdigest()[:16]


def _check_seconds(name: str, value: object) -> None:
    if value is None and name == "attempt_timeout_s":
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ArgumentError(f"`{name}` must be a positive number of seconds, got {value!r}")


def _check_count(name: str, value: object) -> None:
    if value is None and name == "max_chars":
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(f"`{name}` must be an integer of at least 1, got {value!r}")


def _as_members(extra_body: Mapping[str, Any] | str) -> str:
    """The members of a JSON object as text, in one order."""
    try:
        members = dict(json.loads(extra_body) if isinstance(extra_body, str) else extra_body)
        text = json.dumps(members, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"`extra_body` must be a mapping that JSON can write, got {str(extra_body)[:80]!r}"
        ) from None
    if reserved := _RESERVED_MEMBERS & members.keys():
        raise ArgumentError(f"`extra_body` must not hold {min(reserved)!r}, which the encoder sets itself")
    return text
