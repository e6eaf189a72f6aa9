"""The path of every text to its vector: look it up, else have it encoded by the worker of its encoder.

Encoders are descriptions. Their state is in one table per process: equal encoders share an engine, with its model, its
cache and its worker, so that many callers with one text each are as fast as one caller with many texts.
"""

import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.cache import Vector, VectorCache
from semreward.encoders.worker import Call, EncodeBatch, PreparingModel, Worker, longest_first
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderError, EncoderUnavailableError
from semreward.protocols import Encoder

__all__ = ["EncodeBatch", "Engine", "check_encoder", "close_engine", "engine_of"]

DEFAULT_CACHE_BYTES = 256 * 2**20
DEFAULT_GATHER_MS = 5.0
DEFAULT_PROGRESS_ABOVE = 5_000

# Seconds after which a waiting caller checks that its worker lives, or moves its progress bar; `close` waits for one.
_CHECK_S = 1.0
_PROGRESS_S = 0.2

# Attributes of an encoder with `open_model()` that its engine takes over.
_OPTIONS = ("batch_size", "cache_bytes", "gather_ms", "progress_above", "timeout_s")


class Engine:
    """Encodes texts with one model, at most one forward pass at a time. Safe to call from any number of threads.

    Args:
        open_model: Loads the model and returns its forward pass; called at the first use, in the caller's thread.
        batch_size: Texts per forward pass, for a model that does not cut batches itself.
        cache_bytes: Bound of the cache of vectors.
        gather_ms: How long a round waits for other callers while there are several; a lone one never waits.
        progress_above: A call with more missing texts than this shows a progress bar.
        timeout_s: How long a call may take, waiting for others included; `None`: as long as it takes.
    """

    def __init__(
        self,
        open_model: Callable[[], EncodeBatch],
        *,
        batch_size: int = 64,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        gather_ms: float = DEFAULT_GATHER_MS,
        progress_above: int = DEFAULT_PROGRESS_ABOVE,
        timeout_s: float | None = None,
    ) -> None:
        self._open_model, self._batch_size, self._cache_bytes = open_model, batch_size, cache_bytes
        self._gather_s, self._progress_above, self._timeout_s = gather_ms / 1000, progress_above, timeout_s
        self._start_over()
        _all_engines.add(self)

    def _start_over(self) -> None:
        self._lock = threading.RLock()  # guards the worker; also held while the model is loaded
        self._worker: Worker | None = None
        self._cache = VectorCache(self._cache_bytes)

    def encode(self, texts: Sequence[str], *, keep: Collection[str] = ()) -> NDArray[np.float32]:
        """Unit rows of `N` non-empty texts, shape (N, D), float32; each distinct text is encoded once.

        Args:
            texts: Texts; for none of them, the shape is (0, 0).
            keep: Texts whose vectors should stay in the cache, such as references. Others stay while there is room.

        Raises:
            ArgumentError: A text is empty or not a string.
            EncoderError: The model returned something else than one finite unit vector per text.
            EncoderUnavailableError: The call took longer than `timeout_s`.
        """
        if isinstance(texts, str):
            raise ArgumentTypeError(f"`texts` must be a list of strings, got {texts[:60]!r}; put it into a list")
        for row, text in enumerate(texts):
            if not isinstance(text, str) or not text:
                raise ArgumentError(f"`texts` must be non-empty strings, got {text!r} at row {row}; drop the row")
        if not len(texts):
            return np.zeros((0, 0), dtype=np.float32)
        keep = frozenset(keep)
        vectors, missing = self._cache.get(texts, keep)
        if missing:
            vectors |= self._encode_missing(Call(sorted(missing, key=longest_first), keep))
        return np.stack([vectors[text] for text in texts])

    def open(self) -> EncodeBatch | PreparingModel:
        """The model, loaded unless it is: in the caller's thread, whose current GPU may decide its device."""
        with self._lock:
            return self._open().model

    def _open(self) -> Worker:
        if self._worker is None:
            self._worker = Worker(self._open_model(), self._cache, self._batch_size, self._gather_s)
            weakref.finalize(self, self._worker.inbox.put, None)  # ends the thread of an engine that nobody holds
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
        worker = self._worker
        return None if worker is None else worker.model

    def _encode_missing(self, call: Call) -> dict[str, Vector]:
        check_s, bar = _CHECK_S, None
        try:
            self._submit(call)
            end = math.inf if self._timeout_s is None else time.monotonic() + self._timeout_s
            if len(call.texts) > self._progress_above:
                from tqdm.auto import tqdm

                check_s, bar = _PROGRESS_S, tqdm(total=len(call.texts), desc="encoding", unit="text")
            while not call.done.wait(min(check_s, max(0.0, end - time.monotonic()))):
                if bar is not None:
                    bar.update(len(call.vectors) - bar.n)
                if time.monotonic() >= end:
                    raise EncoderUnavailableError(
                        f"{len(call.vectors)} of {len(call.texts)} texts were encoded within `timeout_s` "
                        f"({self._timeout_s:g} s); encode fewer at a time, raise `timeout_s`, or pass on_error='none'"
                    )
                if not call.thread.is_alive() and not call.done.is_set():
                    raise EncoderError("the encoder's worker thread died, its traceback says why; call again")
        finally:
            call.done.set()  # the worker skips what nobody waits for
            if bar is not None:
                bar.update(len(call.vectors) - bar.n)
                bar.close()
        if call.error is not None:
            raise call.error
        return call.vectors

    def _submit(self, call: Call) -> None:
        if sys.is_finalizing():  # its threads stand still
            raise EncoderError("the interpreter is shutting down; encode before it does")
        with self._lock:
            worker = self._open()
            if worker.thread is threading.current_thread():
                raise EncoderError("an encoder's `encode` must not encode with itself; call the model underneath")
            worker.submit(call)


def engine_of(encoder: Encoder) -> Engine:
    """The engine of an encoder in this process: equal encoders share one, with its model, its cache and its worker.

    An encoder may have `open_model()`, which loads its forward pass at the first use, and the options of `Engine`.
    """
    key = _key(encoder)
    with _table_lock:
        engine = _engines.get(key)
        if engine is None:
            options: dict[str, Any] = {}
            if open_model := getattr(encoder, "open_model", None):
                options = {name: getattr(encoder, name) for name in _OPTIONS if hasattr(encoder, name)}
            engine = _engines[key] = Engine(open_model or (lambda: encoder.encode), **options)
    return engine


def close_engine(encoder: Encoder) -> None:
    """Drop the engine of an encoder, with its model and vectors, once its calls have ended; a later use loads anew."""
    with _table_lock:
        engine = _engines.pop(_key(encoder), None)
    if engine is not None:
        engine.close()


def check_encoder(encoder: object) -> None:
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


def _key(encoder: object) -> Hashable:
    try:
        hash(encoder)
    except TypeError:
        return (type(encoder), id(encoder))  # the engine keeps the encoder alive, so no other one gets its id
    return encoder


_engines: dict[Hashable, Engine] = {}
_all_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()  # with those that are no longer in the table
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
