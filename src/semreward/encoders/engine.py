"""The one path every text takes to its vector: deduplicate, look up, order by length, encode in batches, check, keep.

State lives here, in one table a process, and nowhere else: encoders are descriptions, and whoever asks for the engine
of an equal description gets the same engine, with one loaded model, one cache and one worker thread.

Callers hand their missing texts to the worker and sleep. While a forward pass runs, what other callers ask for piles
up, and the next round takes it all together: many callers with one text each are as fast as one with many.
"""

import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.batches import EncodeBatch, checked_unit_rows, longest_first, outcomes, rows_or_errors
from semreward.encoders.cache import Vector, VectorCache
from semreward.errors import ArgumentTypeError, EncoderError, EncoderUnavailableError
from semreward.protocols import Encoder

__all__ = [
    "EncodeBatch",
    "Engine",
    "LazyEncoder",
    "VectorCache",
    "check_encoder",
    "checked_unit_rows",
    "close_engine",
    "engine_of",
]

DEFAULT_BATCH_SIZE = 64
DEFAULT_CACHE_BYTES = 256 * 2**20
DEFAULT_GATHER_MS = 5.0
DEFAULT_PROGRESS_ABOVE = 5_000

# How many texts a round takes from its callers: many enough to order well, few enough that no caller waits for long.
_ROUND_TEXTS = 8192

# How long a worker without work lives on; the next call starts another.
_IDLE_S = 30.0

# How often a sleeping caller looks whether its worker still lives, or moves its progress bar.
_LOOK_S = 1.0
_PROGRESS_S = 0.2


@runtime_checkable
class LazyEncoder(Protocol):
    """An encoder that loads its model only when its engine asks for it.

    It may also have `gather_ms`, `progress_above` and `timeout_s`, see `Engine`.
    """

    batch_size: int
    cache_bytes: int

    def open_model(self) -> EncodeBatch:
        """Load the model; called once a process."""
        ...


class _Call:
    """One caller's wish: the vectors that are there, the number of those that are not, and how it ended."""

    def __init__(self, keep: Collection[str]) -> None:
        self.keep = keep if isinstance(keep, (set, frozenset, dict)) else frozenset(keep)
        self.vectors: dict[str, Vector] = {}
        self.todo: deque[str] = deque()  # those of its missing texts that nobody else had asked for
        self.missing = 0
        self.error: BaseException | None = None
        self.done = threading.Event()

    def fail(self, error: BaseException) -> None:
        if not self.done.is_set():
            self.error = error
            self.done.set()


class Engine:
    """Encodes texts with one model, at most one forward pass at a time. Safe to call from any number of threads.

    Args:
        open_model: Loads the model and returns its forward pass; called at the first use, in the caller's thread.
        batch_size: Texts a forward pass, for a model that does not cut batches itself.
        cache_bytes: Bound of the cache of vectors.
        gather_ms: How long a round waits for other callers. It waits only if the last rounds served several, and only
            until as many have come again: a lone caller never waits.
        progress_above: A call with more missing texts than this shows a progress bar.
        timeout_s: How long a call may take, waiting for others included; `None`: as long as it takes.
    """

    def __init__(
        self,
        open_model: Callable[[], EncodeBatch],
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        gather_ms: float = DEFAULT_GATHER_MS,
        progress_above: int = DEFAULT_PROGRESS_ABOVE,
        timeout_s: float | None = None,
    ) -> None:
        self._open_model = open_model
        self._batch_size = batch_size
        self._cache_bytes = cache_bytes
        self._gather_s = gather_ms / 1000
        self._progress_above = progress_above
        self._timeout_s = timeout_s
        self._start_over()

    def _start_over(self) -> None:
        """Be as new, also in a forked child, which has neither its parent's threads nor a right to its locks."""
        self._process = os.getpid()
        self._model: EncodeBatch | None = None
        self._loading = threading.Lock()
        self._changed = threading.Condition()  # guards all that follows
        self._cache = VectorCache(self._cache_bytes)
        self._waiting: dict[str, list[_Call]] = {}
        self._calls: deque[_Call] = deque()  # those with texts that no round has taken yet
        self._served = deque([1, 1], maxlen=2)  # by the last rounds
        self._worker: threading.Thread | None = None
        self._closed = False

    def encode(self, texts: Sequence[str], *, keep: Collection[str] = ()) -> NDArray[np.float32]:
        """Encode `N` texts; each distinct one is encoded once, so that equal texts get bit-identical vectors.

        Args:
            texts: `N` non-empty texts.
            keep: Those of them whose vectors should stay at hand for later calls, such as references. Others stay
                while there is room: a completion that comes again, in a group or in another reward's call, gets the
                same vector, and costs nothing.

        Returns:
            Array of shape (N, D), float32, rows of norm 1; of shape (0, 0) for no texts.

        Raises:
            EncoderError: The model returned something else than one finite unit vector a text.
            EncoderUnavailableError: The call took longer than `timeout_s`.
        """
        if not len(texts):
            return np.zeros((0, 0), dtype=np.float32)
        if self._process != os.getpid():
            with _table_lock:
                if self._process != os.getpid():
                    self._start_over()
        if threading.current_thread() is self._worker:
            raise EncoderError("an encoder's `encode` must not encode with itself; call the model underneath")
        self.open()
        call = self._ask(texts, keep)
        self._wait(call)
        if call.error is not None:
            raise call.error
        return np.stack([call.vectors[text] for text in texts])

    def open(self) -> EncodeBatch:
        """The model, loaded unless it is.

        In the thread of whoever comes first, because what decides its device (the current GPU) belongs to threads.
        """
        with self._loading:
            if self._model is None:
                self._model = self._open_model()
            return self._model

    def close(self) -> None:
        """Let go of model, vectors and worker, when the calls that run have ended; a later call loads anew."""
        with self._changed:
            self._closed = True
            worker, busy = self._worker, bool(self._waiting)
            self._changed.notify_all()
            if worker is None:
                self._let_go()
        if worker is not None and not busy and worker is not threading.current_thread():
            worker.join()

    @property
    def model(self) -> EncodeBatch | None:
        """The model, if it is loaded."""
        return self._model

    def _let_go(self) -> None:
        self._model = None
        self._cache = VectorCache(self._cache_bytes)

    # The caller's side.

    def _ask(self, texts: Sequence[str], keep: Collection[str]) -> _Call:
        call = _Call(keep)
        missing = []
        with self._changed:
            for text in dict.fromkeys(texts):
                vector = self._cache.get(text, keep=text in call.keep)
                if vector is not None:
                    call.vectors[text] = vector
                    continue
                call.missing += 1
                if text in self._waiting:
                    self._waiting[text].append(call)
                else:
                    self._waiting[text] = [call]
                    missing.append(text)
            call.todo.extend(sorted(missing, key=longest_first))
            if call.todo:
                self._calls.append(call)
            if not call.missing:
                call.done.set()
            else:
                self._call_worker()
        return call

    def _call_worker(self) -> None:
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(
                target=self._work, args=(_current_gpu(),), name="semreward-encoder", daemon=True
            )
            self._worker.start()
        self._changed.notify_all()

    def _wait(self, call: _Call) -> None:
        total = call.missing
        end = math.inf if self._timeout_s is None else time.monotonic() + self._timeout_s
        bar = _progress_bar(total) if total > self._progress_above else None
        try:
            while not call.done.wait(min(_LOOK_S if bar is None else _PROGRESS_S, max(0.0, end - time.monotonic()))):
                if bar is not None:
                    bar.update(total - call.missing - bar.n)
                self._look_after(call)
                if time.monotonic() >= end:
                    call.fail(self._too_late(call, total))
        except BaseException as error:
            call.fail(error)  # an interrupted caller's texts are not encoded for nobody
            raise
        finally:
            if bar is not None:
                bar.update(total - call.missing - bar.n)
                bar.close()

    def _too_late(self, call: _Call, total: int) -> EncoderUnavailableError:
        return EncoderUnavailableError(
            f"{total - call.missing} of {total} texts were encoded within `timeout_s` ({self._timeout_s:g} s); encode "
            "fewer at a time, raise `timeout_s`, or let rewards pass: on_error='none'"
        )

    def _look_after(self, call: _Call) -> None:
        if sys.is_finalizing():
            raise EncoderError("the interpreter is shutting down, and its encoders with it")
        with self._changed:
            if not call.done.is_set():
                self._call_worker()

    # The worker's side.

    def _work(self, gpu: int | None) -> None:
        if gpu is not None:
            sys.modules["torch"].cuda.set_device(gpu)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._closed, timeout=_IDLE_S)
                if not self._calls:
                    self._worker = None
                    if self._closed:
                        self._let_go()
                    return
                self._gather()
                texts = self._next_round()
            self._run(texts)
            del texts

    def _run(self, texts: list[str]) -> None:
        left = set(texts)

        def wanted(batch: list[str]) -> bool:
            if not self._any_wanted(batch):
                left.difference_update(batch)
                return False
            return True

        failure: BaseException = EncoderError("the model left a text without a vector")
        try:
            longest = sorted(texts, key=longest_first)
            for batch, outcome in outcomes(self.open(), longest, batch_size=self._batch_size, wanted=wanted):
                self._deliver(batch, outcome)
                left.difference_update(batch)
        except BaseException as error:  # noqa: BLE001 - raised again in the threads that wait for it
            failure = error
        self._deliver(list(left), failure)

    def _gather(self) -> None:
        """Wait until as many callers are here as the last rounds served, at most `gather_ms`."""
        expected = max(self._served)
        end = time.monotonic() + self._gather_s
        while len(self._calls) < expected and (left := end - time.monotonic()) > 0:
            self._changed.wait(left)

    def _next_round(self) -> list[str]:
        """An equal share of each caller's texts, so that none with few waits for one with many."""
        share = max(1, _ROUND_TEXTS // len(self._calls))
        self._served.append(len(self._calls))
        texts: list[str] = []
        for call in self._calls:
            texts.extend(call.todo.popleft() for _ in range(min(share, len(call.todo))))
        self._calls = deque(call for call in self._calls if call.todo)
        return [text for text in texts if self._wanted(text)]

    def _wanted(self, text: str) -> bool:
        """Whether someone still waits for a text; one that nobody waits for is forgotten."""
        if all(call.done.is_set() for call in self._waiting.get(text, ())):
            self._waiting.pop(text, None)
            return False
        return True

    def _any_wanted(self, texts: list[str]) -> bool:
        with self._changed:
            wanted = [self._wanted(text) for text in texts]  # each of them is looked at
        return any(wanted)

    def _deliver(self, batch: list[str], outcome: object) -> None:
        """Hand a batch's rows, or what went wrong, to those who wait for its texts."""
        rows = outcome if isinstance(outcome, BaseException) else rows_or_errors(outcome, batch)
        with self._changed:
            for at, text in enumerate(batch):
                calls = self._waiting.pop(text, ())
                row = rows if isinstance(rows, BaseException) else rows[at]
                if isinstance(row, BaseException):
                    for call in calls:
                        call.fail(row)
                    continue
                self._cache.put(text, row, keep=any(text in call.keep for call in calls))
                for call in calls:
                    call.vectors[text] = row
                    call.missing -= 1
                    if not call.missing:
                        call.done.set()


def engine_of(encoder: Encoder) -> Engine:
    """The process's engine for an encoder: equal encoders share one, with its model, its cache and its worker."""
    key = _key(encoder)
    with _table_lock:
        if key not in _engines:
            if isinstance(encoder, LazyEncoder):
                engine = Engine(
                    encoder.open_model,
                    batch_size=encoder.batch_size,
                    cache_bytes=encoder.cache_bytes,
                    gather_ms=getattr(encoder, "gather_ms", DEFAULT_GATHER_MS),
                    progress_above=getattr(encoder, "progress_above", DEFAULT_PROGRESS_ABOVE),
                    timeout_s=getattr(encoder, "timeout_s", None),
                )
            else:
                engine = Engine(lambda: encoder.encode)
            _engines[key] = engine
        return _engines[key]


def close_engine(encoder: Encoder) -> None:
    """Forget an encoder's engine: model, vectors and worker go when its last call has ended; a later use loads anew."""
    with _table_lock:
        engine = _engines.pop(_key(encoder), None)
    if engine is not None:
        engine.close()


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


def _current_gpu() -> int | None:
    """The GPU that this thread works on, which a thread that it starts does not inherit."""
    torch: Any = sys.modules.get("torch")
    return torch.cuda.current_device() if torch is not None and torch.cuda.is_initialized() else None


def _progress_bar(texts: int) -> Any:  # tqdm has no types
    from tqdm.auto import tqdm

    return tqdm(total=texts, desc="encoding", unit="text")


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
