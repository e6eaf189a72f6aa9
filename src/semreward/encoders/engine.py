"""The path of every text to its vector: look it up, else have it encoded by the worker of its encoder.

Encoders are descriptions. One table per process holds their state, so many callers are as fast as one with many texts.
"""

import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Collection, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.worker import Call, EncodeBatch, PreparingModel, Vector, VectorCache, Worker
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderError, EncoderUnavailableError, EncodingError
from semreward.protocols import Encoder

DEFAULT_CACHE_BYTES = 256 * 2**20

_OPTIONS = ("batch_size", "cache_bytes", "timeout_s")  # that an engine takes from an encoder with `open_model()`
_CHECK_S = 1.0  # after which a waiting caller checks that its worker lives; `close` waits for one


class Engine:
    """Encodes texts with one model, at most one forward pass at a time. Safe to call from any number of threads."""

    def __init__(
        self,
        open_model: Callable[[], EncodeBatch | PreparingModel],
        *,
        batch_size: int = 64,  # for a model that does not cut batches itself
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        timeout_s: float = math.inf,  # of a call, waiting for other callers included
    ) -> None:
        self._open_model, self._batch_size = open_model, batch_size
        self._cache_bytes, self._timeout_s = cache_bytes, timeout_s
        self._start_over()
        _all_engines.add(self)

    def _start_over(self) -> None:
        self._lock = threading.RLock()  # guards the worker; also held while the model is loaded
        self._worker: Worker | None = None
        self._cache = VectorCache(self._cache_bytes)

    def encode(self, texts: Sequence[str], *, keep: Collection[str] = ()) -> NDArray[np.float32]:
        """As `EngineEncoder.encode`. Vectors of the texts in `keep`, such as references, stay in the cache longest."""
        vectors, errors = self.encode_each(texts, keep=keep)
        for error in errors.values():
            raise error
        return np.stack([vectors[text] for text in texts]) if vectors else np.zeros((0, 0), dtype=np.float32)

    def encode_each(
        self, texts: Sequence[str], *, keep: Collection[str] = ()
    ) -> tuple[dict[str, Vector], dict[str, EncodingError]]:
        """The vectors of texts, and why others have none. Raises what holds for every text, unless a server is away."""
        if isinstance(texts, str):
            raise ArgumentTypeError(f"`texts` must be a list of strings, got {texts[:60]!r}; put it into a list")
        for row, text in enumerate(texts):
            if not isinstance(text, str) or not text:
                raise ArgumentError(f"`texts` must be non-empty strings, got {text!r} at row {row}; drop the row")
        keep = frozenset(keep)
        vectors, missing = self._cache.get(texts, keep)
        errors: dict[str, EncodingError] = {}
        if missing:
            call = Call(missing, keep)
            try:
                self._wait_for(call)
            except EncoderUnavailableError as error:
                errors = {text: error for text in missing if text not in call.vectors}
            vectors |= call.vectors
            errors |= call.errors
        return vectors, errors

    def open(self) -> Worker:
        """The worker with its model, which is loaded in the caller's thread: its GPU may decide the device."""
        with self._lock:
            if self._worker is None:
                worker = Worker(self._open_model(), self._cache, self._batch_size)
                weakref.finalize(self, worker.inbox.put, None)  # ends the thread of an engine that nobody holds
                self._worker = worker
            return self._worker

    def close(self) -> None:
        """Drop model, vectors and worker once the calls that run have ended; a later call loads the model again."""
        with self._lock:
            worker, self._worker = self._worker, None
            self._cache = VectorCache(self._cache_bytes)
        if worker is not None:
            worker.inbox.put(None)
            if worker.thread is not None and worker.thread is not threading.current_thread():
                worker.thread.join(_CHECK_S)

    @property
    def model(self) -> EncodeBatch | PreparingModel | None:
        """The model, if it is loaded."""
        return getattr(self._worker, "model", None)

    def _wait_for(self, call: Call) -> None:
        if sys.is_finalizing():  # its threads stand still
            raise EncoderError("the interpreter is shutting down; encode before it does")
        try:
            with self._lock:
                worker = self.open()
                if worker.thread is threading.current_thread():
                    raise EncoderError("an encoder's `encode` must not encode with itself; call the model underneath")
                worker.submit(call)
            end = time.monotonic() + self._timeout_s
            while not call.done.acquire(timeout=max(0.0, min(_CHECK_S, end - time.monotonic()))):
                if time.monotonic() >= end:
                    raise EncoderUnavailableError(
                        f"{len(call.vectors)} of {len(call.texts)} texts were encoded within `timeout_s` "
                        f"({self._timeout_s:g} s); encode fewer at a time, raise `timeout_s`, or pass on_error='none'"
                    )
                if not call.thread.is_alive() and not call.ended:
                    raise EncoderError("the encoder's worker thread died, its traceback says why; call again")
        finally:
            call.ended = True  # the worker skips what nobody waits for
        if call.error is not None:
            raise call.error


def engine_of(encoder: Encoder) -> Engine:
    """The engine that equal encoders share. An encoder may have `open_model()`, for a late load, and `_OPTIONS`."""
    key = _key(encoder)
    with _table_lock:
        if key not in _engines:
            if open_model := getattr(encoder, "open_model", None):
                options = {name: getattr(encoder, name) for name in _OPTIONS if hasattr(encoder, name)}
                _engines[key] = Engine(open_model, **options)
            else:
                _engines[key] = Engine(lambda: encoder.encode)
        return _engines[key]


def close_engine(encoder: Encoder) -> None:
    """Drop the engine of an encoder, with its model and vectors; a later use loads anew."""
    with _table_lock:
        engine = _engines.pop(_key(encoder), None)
    if engine is not None:
        engine.close()


def _key(encoder: object) -> Hashable:
    try:
        hash(encoder)
    except TypeError:
        return (type(encoder), id(encoder))  # the engine keeps the encoder alive, so no other one gets its id
    return encoder


_engines: dict[Hashable, Engine] = {}
_all_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()  # with those that left the table
_table_lock = threading.RLock()


def _forget_after_fork() -> None:
    """A forked child starts empty: threads do not survive a fork, locks may be held by them, and CUDA breaks."""
    global _table_lock  # noqa: PLW0603 - the one place where the table is renewed
    _table_lock = threading.RLock()
    _engines.clear()
    for engine in list(_all_engines):
        engine._start_over()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


class EngineEncoder(Encoder):
    """An encoder of ours: a description without a model. Equal ones share what is loaded in a process."""

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Encode `N` texts into unit rows, shape (N, D), float32; (0, 0) for none.

        Raises:
            ArgumentError: A text is empty or not a string.
            EncoderError: The model did not return one finite unit vector per text, or its server refused the request.
            EncoderUnavailableError: The server gave no vectors in time.
        """
        return engine_of(self).encode(texts)

    def warmup(self) -> None:
        """Load the model or ask the server now, before a trainer changes how models are loaded (ZeRO-3) or run."""
        self.encode(["a"])

    def close(self) -> None:
        """Free the model, or the connections, and all vectors; the next use starts anew."""
        close_engine(self)

    @property
    def truncated_texts(self) -> int:
        """How many texts were longer than what the model sees, since it was loaded in this process."""
        return getattr(engine_of(self).model, "truncated_texts", 0)


def require_encoder(encoder: object) -> None:
    """Raise `ArgumentTypeError` unless an object is an `Encoder`."""
    if type(encoder).__module__.startswith("sentence_transformers"):
        raise ArgumentTypeError(
            "`encoder` must not be a loaded SentenceTransformer, which cannot be shared or pickled; pass its path or "
            "hub id, or SentenceTransformerEncoder(path) for options"
        )
    # Looked up without reading it: a fingerprint may hash gigabytes.
    has_fingerprint = hasattr(type(encoder), "fingerprint") or "fingerprint" in getattr(encoder, "__dict__", {})
    if isinstance(encoder, type) or not has_fingerprint or not callable(getattr(encoder, "encode", None)):
        raise ArgumentTypeError(
            "`encoder` must be a path or hub id, or an object with `encode(texts)` and `fingerprint`; "
            f"got {encoder if isinstance(encoder, type) else type(encoder).__name__}"
        )
