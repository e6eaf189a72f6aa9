"""The path of every text to its vector: look it up, else have it encoded by the worker of its encoder.

Encoders are descriptions. One table per process holds their state, so many callers are as fast as one with many texts.
A caller hands its missing texts to the worker's thread and waits; the thread encodes all callers' texts together.
"""

import math
import os
import queue
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.vectors import EncodeBatch, PlainModel, PreparingModel, Vector, VectorCache, unit_rows
from semreward.errors import (
    ArgumentError,
    ArgumentTypeError,
    EncoderError,
    EncoderUnavailableError,
    EncodingError,
    UnreadableTextError,
)
from semreward.protocols import Encoder

DEFAULT_CACHE_BYTES = 256 * 2**20

_OPTIONS = ("batch_size", "cache_bytes", "timeout_s")  # that an engine takes from an encoder with `open_model()`
_CHECK_S = 1.0  # after which a waiting caller checks that its worker lives; `close` waits for one
_ROUND_TEXTS = 8192  # enough to sort well by length, few enough that no caller waits long for another one's texts
_GATHER_S = 0.005  # how long a round waits for other callers while there are several; a lone one never waits


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
        """Vectors of texts, and errors of others. Raises errors that hold for every text, unless a server is away."""
        if isinstance(texts, str) or not hasattr(texts, "__len__"):
            raise ArgumentTypeError(f"`texts` must be a list of strings, got {str(texts)[:60]!r}; put it into a list")
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

    def open(self) -> "Worker":
        """The worker with its model, which is loaded in the caller's thread: its GPU may decide the device."""
        with self._lock:
            if self._worker is None:
                model = self._open_model()
                if not isinstance(model, PreparingModel):
                    model = PlainModel(model, self._batch_size)
                worker = Worker(model, self._cache)
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
    def model(self) -> PreparingModel | None:
        """The model, if it is loaded."""
        return getattr(self._worker, "model", None)

    def _wait_for(self, call: "Call") -> None:
        if sys.is_finalizing():  # its threads are stopped
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


class Call:
    """The missing texts of one caller, their vectors or errors as they arrive, and the error that ended the call."""

    def __init__(self, texts: list[str], keep: frozenset[str]) -> None:
        self.texts, self.keep = sorted(texts, key=longest_first), keep
        self.vectors: dict[str, Vector] = {}
        self.errors: dict[str, EncoderError] = {}
        self.error: BaseException | None = None
        self.ended = False  # also set by a caller that waits no longer
        self.done = threading.Lock()  # released at the end; an `Event` whose `wait` is interrupted may stay locked
        self.done.acquire()
        self.todo = deque(self.texts)
        self.thread = threading.current_thread()  # of the worker, once the call is submitted

    def receive(self, text: str, outcome: Any) -> None:
        """Take the vector or the error of a text; a call that has ended takes nothing."""
        if not self.ended:
            (self.errors if isinstance(outcome, EncoderError) else self.vectors)[text] = outcome
            if len(self.vectors) + len(self.errors) == len(self.texts):
                self.end(None)

    def end(self, error: BaseException | None) -> None:
        """End, with an error unless all texts are served."""
        if not self.ended:
            self.error, self.ended = error, True
            self.done.release()


class Worker:
    """Encodes in rounds, whose state is local: whatever ends a round, its callers get their vectors or an error."""

    def __init__(self, model: PreparingModel, cache: VectorCache) -> None:
        self.model, self._cache = model, cache
        self.inbox: queue.SimpleQueue[Call | None] = queue.SimpleQueue()  # `None` ends the thread
        self.thread: threading.Thread | None = None
        self._served = deque([1, 1], maxlen=2)  # callers of the last rounds

    def submit(self, call: Call) -> None:
        """Hand a call to the thread, which is started unless it runs. The caller holds a lock."""
        if self.thread is None or not self.thread.is_alive():
            torch: Any = sys.modules.get("torch")  # the current GPU belongs to a thread, a new one does not inherit it
            gpu = torch.cuda.current_device() if torch is not None and torch.cuda.is_initialized() else None
            self.thread = threading.Thread(target=self._work, args=(gpu,), name="semreward-encoder", daemon=True)
            self.thread.start()
        call.thread = self.thread
        self.inbox.put(call)

    def _work(self, gpu: int | None) -> None:
        if gpu is not None:
            sys.modules["torch"].cuda.set_device(gpu)
        calls: list[Call] = []
        while calls or self._take(calls, None):
            end = time.monotonic() + _GATHER_S
            # Wait for as many callers as the last rounds served; take what is there in any case.
            while self._take(calls, max(0.0, end - time.monotonic()) if len(calls) < max(self._served) else 0.0):
                pass
            calls = self._round(calls)

    def _take(self, calls: list[Call], timeout_s: float | None) -> bool:
        """Add the call that comes next; False where none comes in time, or none at all any more."""
        try:
            call = self.inbox.get(timeout=timeout_s)
        except queue.Empty:
            return False
        if call is None:
            self.inbox.put(None)  # found again when all calls are served
            return False
        calls.append(call)
        return True

    def _round(self, calls: list[Call]) -> list[Call]:
        """Serve an equal share of each call's texts; returns the calls that have more."""
        self._served.append(len(calls))
        share = max(1, _ROUND_TEXTS // len(calls))
        waiting: dict[str, list[Call]] = {}
        try:
            for call in calls:
                for _ in range(min(share, len(call.todo))):
                    waiting.setdefault(call.todo.popleft(), []).append(call)
            self._serve(waiting)
        except BaseException as error:  # noqa: BLE001 - raised again in the threads that wait
            for call in calls:
                call.end(error)
        return [call for call in calls if call.todo and not call.ended]

    def _serve(self, waiting: dict[str, list[Call]]) -> None:
        """Encode the texts of a round; a batch that fails is split until the text that makes it fail is alone."""
        keep = frozenset(text for text, calls in waiting.items() if any(text in call.keep for call in calls))
        found, missing = self._cache.get(waiting, keep)
        _deliver(found, waiting)
        parts = [sorted(missing, key=longest_first)] if missing else []
        while parts:
            for batch, inputs in self.model.batches(parts.pop()):
                if all(call.ended for text in batch for call in waiting.get(text, ())):
                    continue
                try:
                    vectors = self._forward(inputs)
                except Exception as error:
                    if not self._is_of_texts(error):
                        raise
                    if len(batch) > 1:
                        parts += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
                        continue
                    vectors = [_named(error, batch[0])]
                else:
                    vectors = vectors if self.model.isolates else unit_rows(vectors, batch, self.model)
                outcomes = dict(zip(batch, vectors, strict=True))
                self._cache.put({t: row for t, row in outcomes.items() if isinstance(row, np.ndarray)}, keep)
                _deliver(outcomes, waiting)
        _deliver(dict.fromkeys(waiting, EncoderError("the model returned no vector for this text")), waiting)

    def _forward(self, inputs: Any) -> Any:
        """What the model returns for a batch; raises what it raised."""
        if isinstance(inputs, Exception):
            raise inputs
        return self.model.forward(inputs)

    def _is_of_texts(self, error: Exception) -> bool:
        """Whether the failed texts are at fault: the model still encodes a letter."""
        if isinstance(error, UnreadableTextError):
            return True
        if self.model.isolates or isinstance(error, EncoderUnavailableError):
            return False
        try:
            for _, inputs in self.model.batches(["a"]):
                self._forward(inputs)
        except Exception as again:  # noqa: BLE001 - the first one is raised
            return isinstance(again, UnreadableTextError)
        return True


def _named(error: Exception, text: str) -> EncoderError:
    """An `EncoderError` that names its text."""
    if isinstance(error, EncoderError):
        return error
    named = EncoderError(f"the encoder failed at {text[:60]!r}: {error!r}; shorten the text, or drop its row")
    named.__cause__ = error
    return named


def _deliver(outcomes: dict[str, Any], waiting: dict[str, list[Call]]) -> None:
    for text, outcome in outcomes.items():
        for call in waiting.pop(text, ()):
            call.receive(text, outcome)


def longest_first(text: str) -> tuple[int, str]:
    """Sorts the longest texts first, so that lack of memory shows at once; by bytes, which predict tokens best."""
    return -(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))), text


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
    """Drop the engine of an encoder, with its model and vectors; a later use reloads."""
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
        """Free the model, or the connections, and all vectors; the next use starts over."""
        close_engine(self)

    @property
    def truncated_texts(self) -> int:
        """How many texts exceeded the model's limit since it was loaded in this process."""
        return getattr(engine_of(self).model, "truncated_texts", 0)
