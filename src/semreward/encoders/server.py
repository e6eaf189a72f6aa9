"""Sentence encoders behind an embedding server (TEI, vLLM, Infinity, Ollama, any OpenAI-compatible one)."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semreward.arguments import check_count, check_number
from semreward.client import ApiKey, Client, Failure, ServedModel, WrongAnswerError
from semreward.encoders.engine import DEFAULT_CACHE_BYTES, EngineEncoder
from semreward.encoders.vectors import PreparingModel, Vector
from semreward.errors import EncoderError, EncoderUnavailableError

logger = logging.getLogger(__name__)

_ATTEMPT_SHARE = 1 / 3  # of the time limit, for one attempt

_LETTER = b'"a"'  # that every model embeds
_PROBES = (  # scripts, lengths and meanings that models tell apart
    "A dog runs across the wet grass.",
    "The committee postponed its decision on interest rates.",
    "他买了三个苹果。",
    "བོད་ཀྱི་སྐད་ཡིག",
    "Wie spät ist es?",
    "x = [i ** 2 for i in range(10)]",
)


@dataclass(frozen=True)
class EmbeddingServerEncoder(ServedModel, EngineEncoder):
    """A model behind an OpenAI-compatible `/embeddings` endpoint as an encoder: TEI, vLLM, Infinity, Ollama.

    Equal encoders share the connections of a process and the latest key. Temporary failures are retried until
    `timeout_s`. A request that the server refuses although it takes others (400, 413, 422, 500, an unusable answer) is
    halved, until the text that it cannot embed is alone.

    Args:
        base_url: Parent of `/embeddings`, such as `http://127.0.0.1:8080/v1` (Infinity serves it without `/v1`).
        model: The server's name of its model.
        api_key: Bearer token, in no repr, log, pickle, signature or error.
        api_key_env: Environment variable with the key, if none is given or it was pickled. Not set: no key is sent.
        timeout_s: Time limit of one call of `encode` in seconds, all attempts and waits included.
        extra_body: Further members of each request, such as `{"dimensions": 512}`. It prints: no place for secrets.
        prompt: Text before each input, such as `"query: "`, if the model was trained with one.
        max_chars: Characters per text at most, without the prompt; beyond, servers truncate silently or refuse a text.
        texts_per_request: Texts per request at most. Lowered when the server refuses so many.
        max_concurrency: Requests at the same time.
        cache_bytes: Size of the vector cache.

    Raises:
        ArgumentError: An argument is out of range, or, in use, a key lost in a pickle is not in `api_key_env`.
    """

    _: KW_ONLY
    prompt: str | None = None
    max_chars: int | None = None
    texts_per_request: int = 32
    max_concurrency: int = 8
    cache_bytes: int = DEFAULT_CACHE_BYTES

    def __post_init__(self) -> None:
        self._check_server("/embeddings", reserved=("model", "input"))
        if self.max_chars is not None:
            check_count("max_chars", self.max_chars)
        check_count("texts_per_request", self.texts_per_request)
        check_count("max_concurrency", self.max_concurrency)
        check_number("cache_bytes", self.cache_bytes, at_least=0)
        if isinstance(self.api_key, ApiKey) and self.api_key.reveal():
            _latest_keys[self] = self.api_key

    @property
    @lru_cache(maxsize=256)  # noqa: B019 - encoders are small, and equal ones share a fingerprint
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits for `prompt`, `max_chars`, `extra_body`, the model's name and some cosines."""
        vectors = self.encode(_PROBES).astype(np.float64)
        # Rounded, so that other hardware does not matter. Of thousands of coordinates, some always round differently.
        cosines = np.rint(100 * (vectors @ vectors.T)[np.triu_indices(len(_PROBES), k=1)]).astype(int)
        parts = [self.model, self.prompt or "", self.max_chars, self.extra_body, vectors.shape[1]]
        return hashlib.sha256(json.dumps([*parts, cosines.tolist()]).encode()).hexdigest()[:16]

    def open_model(self) -> PreparingModel:
        """Prepare the connections. For the engine; users call `encode`."""
        url = f"{self.base_url}/embeddings"
        return _EmbeddingServer(self, Client(url, self._server, self._latest_key, _ATTEMPT_SHARE * self.timeout_s))

    def _latest_key(self) -> str | None:
        """The key that was given last to an equal encoder in this process, or this one's own."""
        return _latest_keys[self].reveal() if self in _latest_keys else self._key()

    def _error(self, failure: Failure) -> EncoderError | EncoderUnavailableError:
        if failure.is_temporary and not failure.is_answered:
            return EncoderUnavailableError(
                f"{self._server} {failure.what}, and gave no vectors within `timeout_s` ({self.timeout_s:g} s); check "
                "that it runs and is not overloaded, raise `timeout_s`, or let rewards pass: on_error='none'"
            )
        remedy = "check `base_url` (the parent of /embeddings, often http://host:port/v1), `model` and `extra_body`"
        return EncoderError(self._refusal(failure, f"{remedy}, and truncate texts that are too long by `max_chars`"))


# Equal encoders share an engine whatever their keys, so a wrong key can be corrected by making the encoder again.
_latest_keys: dict[EmbeddingServerEncoder, ApiKey] = {}


class _EmbeddingServer(PreparingModel):
    """Truncates texts, sends them in concurrent requests, and halves requests that the server refuses."""

    isolates = True

    def __init__(self, encoder: EmbeddingServerEncoder, client: Client) -> None:
        self._encoder, self._client = encoder, client
        self._texts_per_request = encoder.texts_per_request
        self._width: int | None = None

    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], list[bytes]]]:
        """All texts at once, so that they share a deadline."""
        prompt, max_chars = self._encoder.prompt or "", self._encoder.max_chars
        if max_chars is not None:
            self.count(len(texts), sum(len(text) > max_chars for text in texts), f"max_chars={max_chars}")
        inputs = [json.dumps(prompt + text[:max_chars], ensure_ascii=False) for text in texts]
        # UTF-8 cannot hold a lone surrogate, which becomes a question mark.
        yield texts, [text.encode("utf-8", "replace") for text in inputs]

    def forward(self, inputs: list[bytes]) -> list[Vector | EncoderError]:
        """The rows of all texts, a little before the engine's deadline: it cannot tell why requests failed."""
        timeout_s = self._encoder.timeout_s
        return self._client.run(partial(self._embed, inputs, time.monotonic() + max(0.9 * timeout_s, timeout_s - 0.5)))

    async def _embed(self, inputs: list[bytes], deadline: float) -> list[Vector | EncoderError]:
        slots, size = asyncio.Semaphore(self._encoder.max_concurrency), self._texts_per_request

        async def rows_of(part: list[bytes]) -> list[Vector | EncoderError]:
            async with slots:
                return await self._embed_part(part, deadline)

        parts = [inputs[start : start + size] for start in range(0, len(inputs), size)]
        tasks = [asyncio.ensure_future(rows_of(part)) for part in parts]
        try:
            return [row for rows in await asyncio.gather(*tasks) for row in rows]
        finally:
            for task in tasks:
                task.cancel()  # after the first failure

    async def _embed_part(self, part: list[bytes], deadline: float) -> list[Vector | EncoderError]:
        size = self._texts_per_request  # may have become smaller since the part was made
        failure: Failure | None = None
        if len(part) <= size:
            # Whether the server embeds a letter shows whether a refusal is due to these texts.
            outcome = await self._post(part, deadline, probe=partial(self._post, [_LETTER], attempts=1))
            if not isinstance(outcome, Failure):
                return list(outcome)
            if not outcome.is_of_input:
                raise self._encoder._error(outcome)  # noqa: SLF001 - of this module
            if len(part) == 1:
                text, remedy = json.loads(part[0]), "it embeds others; shorten this one by `max_chars`, or drop its row"
                return [EncoderError(f"{self._client.server} {outcome.what} for the text {text[:60]!r}; {remedy}")]
            size, failure = (len(part) + 1) // 2, outcome
        rows: list[Vector | EncoderError] = []
        for start in range(0, len(part), size):
            rows += await self._embed_part(part[start : start + size], deadline)
        if failure and len(part) == self._texts_per_request and all(isinstance(row, np.ndarray) for row in rows):
            self._texts_per_request = size
            message = "%s %s: from now on it gets %d per request; lower `texts_per_request` to avoid this"
            logger.warning(message, self._client.server, failure.what, size)
        return rows

    async def _post(self, part: list[bytes], deadline: float, **options: Any) -> Vector | Failure:
        """The rows of one request, or why there are none."""
        members = {"model": self._encoder.model, **json.loads(str(self._encoder.extra_body))}
        body = json.dumps(members, ensure_ascii=False).encode()[:-1] + b', "input": [' + b", ".join(part) + b"]}"
        return await self._client.post(body, partial(self._rows, len(part)), deadline=deadline, **options)

    def _rows(self, count: int, content: bytes) -> NDArray[np.float32]:
        """The vectors of an answer in the order of the texts, as unit rows of shape (count, D), float32."""
        try:
            items = json.loads(content)["data"]
            if any(item.get("index") is not None for item in items):
                by_index = {item["index"]: item for item in items}
                items = [by_index[index] for index in range(len(items))]
            rows = np.array([item["embedding"] for item in items])
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            answer = content.decode(errors="replace")
            raise WrongAnswerError(f"no list `data` of vectors with their index ({error!r}), but {answer}") from None
        if len(rows) != count:
            raise WrongAnswerError(f"{len(rows)} vectors for {count} texts")
        if rows.ndim != 2 or rows.dtype.kind not in "fiu":  # noqa: PLR2004
            raise WrongAnswerError("vectors that are not lists of numbers")
        width = rows.shape[1]
        if width != (self._width or width):
            raise WrongAnswerError(f"vectors of {width} numbers, after vectors of {self._width}")
        rows = rows.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not ((norms > 1e-4) & (norms < 1e6)).all():  # noqa: PLR2004 - far from any model's
            raise WrongAnswerError("a vector that is zero or not finite")
        self._width = width
        return np.asarray(rows / norms, dtype=np.float32)
