"""The one path every text takes to its vector: deduplicate, look up, order by length, encode in batches, check, keep.

State lives here, in one table a process, and nowhere else: encoders are descriptions, and whoever asks for the engine
of an equal description gets the same engine, with one loaded model and one cache.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semreward.errors import ArgumentTypeError, EncoderError
from semreward.protocols import Encoder

EncodeBatch: TypeAlias = Callable[[list[str]], NDArray[np.float32]]
"""One forward pass: B texts to an array of shape (B, D)."""

DEFAULT_BATCH_SIZE = 64
DEFAULT_CACHE_BYTES = 256 * 2**20

# What Python keeps for a cached text beside the letters and the vector: string and array headers, the table's entry.
_ENTRY_OVERHEAD_BYTES = 300

# How far a row may be from norm 1 before it no longer is a unit vector (half precision rounds by about 1e-3).
_UNIT_SLACK = 5e-3


@runtime_checkable
class LazyEncoder(Protocol):
    """An encoder that loads its model only when its engine asks for it."""

    batch_size: int
    cache_bytes: int

    def open_model(self) -> EncodeBatch:
        """Load the model; called once a process."""
        ...


class VectorCache:
    """Least-recently-used map from text to vector, bounded in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._vectors)

    def get(self, text: str) -> NDArray[np.float32] | None:
        """The vector of a text, which thereby becomes the most recently used one; `None` where it is not kept."""
        vector = self._vectors.get(text)
        if vector is not None:
            self._vectors.move_to_end(text)
        return vector

    def put(self, text: str, vector: NDArray[np.float32]) -> None:
        """Keep a vector; the least recently used ones make room. One larger than the whole cache is not kept."""
        size = self._size(text, vector)
        if text in self._vectors or size > self._max_bytes:
            return
        self._vectors[text] = vector.copy()  # a view would keep its whole batch alive
        self.used_bytes += size
        while self.used_bytes > self._max_bytes:
            self.used_bytes -= self._size(*self._vectors.popitem(last=False))

    @staticmethod
    def _size(text: str, vector: NDArray[np.float32]) -> int:
        return 4 * len(text) + vector.nbytes + _ENTRY_OVERHEAD_BYTES


class Engine:
    """Encodes texts with one model, at most one forward pass at a time. Safe to call from several threads.

    Args:
        open_model: Loads the model and returns its forward pass; called at the first use.
        batch_size: Texts a forward pass.
        cache_bytes: Bound of the cache of kept vectors.
    """

    def __init__(
        self,
        open_model: Callable[[], EncodeBatch],
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        self._open_model = open_model
        self._batch_size = batch_size
        self._cache = VectorCache(cache_bytes)
        self._encode_batch: EncodeBatch | None = None
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str], *, keep: Collection[str] = ()) -> NDArray[np.float32]:
        """Encode `N` texts; each distinct one is encoded once, so that equal texts get bit-identical vectors.

        Args:
            texts: `N` non-empty texts.
            keep: Those of them whose vectors stay in the cache for later calls, such as references.

        Returns:
            Array of shape (N, D), float32, rows of norm 1; of shape (0, 0) for no texts.

        Raises:
            EncoderError: The model returned something else than one finite unit vector a text.
        """
        if not len(texts):
            return np.zeros((0, 0), dtype=np.float32)
        with self._lock:
            vectors = {text: vector for text in dict.fromkeys(texts) if (vector := self._cache.get(text)) is not None}
            missing = sorted((text for text in dict.fromkeys(texts) if text not in vectors), key=_longest_first)
            for start in range(0, len(missing), self._batch_size):
                batch = missing[start : start + self._batch_size]
                vectors.update(zip(batch, self._forward(batch), strict=True))
            for text in keep:
                self._cache.put(text, vectors[text])
        return np.stack([vectors[text] for text in texts])

    def _forward(self, batch: list[str]) -> NDArray[np.float32]:
        if self._encode_batch is None:
            self._encode_batch = self._open_model()
        return checked_unit_rows(self._encode_batch(batch), batch)


def checked_unit_rows(vectors: object, texts: Sequence[str]) -> NDArray[np.float32]:
    """What an encoder returned, as float32; an `EncoderError` unless it is one finite unit row a text."""
    try:
        rows = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EncoderError(f"an encoder must return an array, got {type(vectors).__name__}: {error}") from error
    if rows.ndim != 2 or rows.shape[0] != len(texts):  # noqa: PLR2004 - a matrix
        raise EncoderError(f"an encoder must return one row a text, shape ({len(texts)}, D); got shape {rows.shape}")
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    bad = np.flatnonzero(~(np.abs(norms - 1.0) <= _UNIT_SLACK))  # catches NaN, too
    if bad.size:
        row = int(bad[0])
        raise EncoderError(
            f"an encoder must return finite rows of norm 1, got norm {norms[row]:.6g} for {texts[row][:60]!r}; "
            "normalise its output, and check its weights if the norm is NaN"
        )
    return rows


def engine_of(encoder: Encoder) -> Engine:
    """The process's engine for an encoder: equal encoders share one, with its model and its cache."""
    key = _key(encoder)
    with _table_lock:
        if key not in _engines:
            if isinstance(encoder, LazyEncoder):
                engine = Engine(encoder.open_model, batch_size=encoder.batch_size, cache_bytes=encoder.cache_bytes)
            else:
                engine = Engine(lambda: encoder.encode)
            _engines[key] = engine
        return _engines[key]


def close_engine(encoder: Encoder) -> None:
    """Forget an encoder's engine, so that its model and its cached vectors can be freed; a later use loads anew."""
    with _table_lock:
        _engines.pop(_key(encoder), None)


def check_encoder(encoder: object) -> None:
    """Raise `ArgumentTypeError` unless an object is an `Encoder`."""
    if type(encoder).__module__.startswith("sentence_transformers"):
        raise ArgumentTypeError(
            "`encoder` must not be a loaded SentenceTransformer, which can be neither shared nor pickled; pass its "
            "path or hub id, or SentenceTransformerEncoder(path) for options"
        )
    # Looked up without reading it: a fingerprint may hash gigabytes.
    has_fingerprint = hasattr(type(encoder), "fingerprint") or "fingerprint" in getattr(encoder, "__dict__", {})
    if isinstance(encoder, type) or not has_fingerprint or not callable(getattr(encoder, "encode", None)):
        raise ArgumentTypeError(
            "`encoder` must be a path or hub id, or an object with `encode(texts)` and `fingerprint`; "
            f"got {encoder if isinstance(encoder, type) else type(encoder).__name__}"
        )


def _longest_first(text: str) -> tuple[int, str]:
    """Longest first, so that running out of memory shows at the first batch; ties in one order, for reproducibility."""
    return -len(text), text


def _key(encoder: Encoder) -> Hashable:
    try:
        hash(encoder)
    except TypeError:
        return (type(encoder), id(encoder))  # the engine keeps the encoder alive, so the id stays its own
    return cast("Hashable", encoder)


_engines: dict[Hashable, Engine] = {}
_table_lock = threading.Lock()


def _forget_after_fork() -> None:
    """A forked child starts empty: locks may be held by threads it does not have, and CUDA does not survive a fork."""
    global _table_lock  # noqa: PLW0603 - the one place where the table is renewed
    _engines.clear()
    _table_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
