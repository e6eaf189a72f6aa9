"""One worker per loaded model: it takes the texts of all callers and encodes them in batches, in its own thread."""

import logging
import queue
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semreward.errors import EncoderError, EncoderUnavailableError, UnreadableTextError

logger = logging.getLogger(__name__)

Vector: TypeAlias = NDArray[np.float32]
EncodeBatch: TypeAlias = Callable[[list[str]], NDArray[np.float32]]  # one forward pass: B texts to rows (B, D)

_ROUND_TEXTS = 8192  # enough to sort well by length, few enough that no caller waits long for another one's texts
_GATHER_S = 0.005  # how long a round waits for other callers while there are several; a lone one never waits
_BATCHES_AHEAD = 3  # made ready while the model works on one
_NORM_TOLERANCE = 5e-3  # half precision rounds by about 1e-3
_ENTRY_BYTES = 390  # of the cache, beside characters and numbers: two object headers, a slot of the table, a link


class PreparingModel(ABC):
    """A model that cuts batches itself, and whose forward pass has two halves: the first runs one batch ahead."""

    texts = truncated_texts = 0
    isolates = False  # True: `forward` returns a list of rows, and errors of single texts; it raises what holds for all

    @abstractmethod
    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        """Cut texts, at least one, into batches: the texts and their inputs, or the `Exception` that was raised."""

    @abstractmethod
    def forward(self, inputs: Any) -> NDArray[np.float32] | list[Vector | EncoderError]:
        """The rows of one batch."""

    def count(self, texts: int, truncated: int, limit: str) -> None:
        """Count texts and those beyond a limit. The first of them are a warning."""
        level = logging.INFO if self.truncated_texts else logging.WARNING
        self.texts += texts
        self.truncated_texts += truncated
        if truncated:
            message = "%d of %d texts so far were longer than %s; the encoder does not see the rest of them"
            logger.log(level, message, self.truncated_texts, self.texts, limit)


class VectorCache:
    """Least-recently-used map from text to vector, bounded in bytes. Vectors to keep are evicted after all others."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._kept: OrderedDict[str, Vector] = OrderedDict()
        self._others: OrderedDict[str, Vector] = OrderedDict()
        self.used_bytes = 0

    def get(self, texts: Iterable[str], keep: frozenset[str] = frozenset()) -> tuple[dict[str, Vector], list[str]]:
        """The vectors of the texts that are cached, and the other distinct texts; those in `keep` are kept from now."""
        found: dict[str, Vector] = {}
        missing: dict[str, None] = {}
        with self._lock:
            for text in texts:
                if text in self._kept:
                    found[text] = self._kept[text]
                    self._kept.move_to_end(text)
                elif text not in self._others:
                    missing[text] = None
                elif text in keep:
                    found[text] = self._kept[text] = self._others[text]
                    del self._others[text]  # not `pop`: after a call, an interruption could lose the vector
                else:
                    found[text] = self._others[text]
                    self._others.move_to_end(text)
        return found, list(missing)

    def put(self, vectors: Mapping[str, Vector], keep: frozenset[str] = frozenset()) -> None:
        """Store vectors that are not cached yet, and evict what no longer fits."""
        with self._lock:
            for text, vector in vectors.items():
                size = _size(text, vector)
                if size > self._max_bytes or text in self._kept or text in self._others:
                    continue
                (self._kept if text in keep else self._others)[text] = vector.copy()  # a view keeps its batch alive
                self.used_bytes += size
                while self.used_bytes > self._max_bytes:
                    self.used_bytes -= _size(*(self._others or self._kept).popitem(last=False))


def _size(text: str, vector: Vector) -> int:
    """Bytes of an entry; with the UTF-8 that Python may store in a string later, so that the size never changes."""
    return _ENTRY_BYTES + vector.nbytes + (1 if text.isascii() else 5) * len(text)


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

    def receive(self, text: str, outcome: Vector | EncoderError) -> None:
        """Take the vector or the error of a text; a call that has ended takes nothing."""
        if self.ended:
            return
        if isinstance(outcome, EncoderError):
            self.errors[text] = outcome
        else:
            self.vectors[text] = outcome
        if len(self.vectors) + len(self.errors) == len(self.texts):
            self.end(None)

    def end(self, error: BaseException | None) -> None:
        """End, with an error unless all texts are served."""
        if not self.ended:
            self.error, self.ended = error, True
            self.done.release()


class Worker:
    """Encodes in rounds, whose state is local: whatever ends a round, its callers get their vectors or an error."""

    def __init__(self, model: EncodeBatch | PreparingModel, cache: VectorCache, batch_size: int) -> None:
        self.model, self._cache, self._batch_size = model, cache, batch_size
        self.inbox: queue.SimpleQueue[Call | None] = queue.SimpleQueue()  # `None` ends the thread
        self.thread: threading.Thread | None = None
        self._served = deque([1, 1], maxlen=2)  # callers of the last rounds
        self._isolates = isinstance(model, PreparingModel) and model.isolates

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
            for batch, inputs in self._batches(parts.pop()):
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
                    vectors = vectors if self._isolates else unit_rows(vectors, batch)
                outcomes = dict(zip(batch, vectors, strict=True))
                self._cache.put({t: row for t, row in outcomes.items() if isinstance(row, np.ndarray)}, keep)
                _deliver(outcomes, waiting)
        _deliver(dict.fromkeys(waiting, EncoderError("the model returned no vector for this text")), waiting)

    def _batches(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        if isinstance(self.model, PreparingModel):
            yield from ahead(self.model.prepared(texts), len(texts))
            return
        for start in range(0, len(texts), self._batch_size):
            batch = texts[start : start + self._batch_size]
            yield batch, batch

    def _forward(self, inputs: Any) -> Any:
        """What the model returns for a batch; raises what it raised."""
        if isinstance(inputs, Exception):
            raise inputs
        return self.model.forward(inputs) if isinstance(self.model, PreparingModel) else self.model(inputs)

    def _is_of_texts(self, error: Exception) -> bool:
        """Whether it is the fault of the texts that failed: the model still encodes a letter."""
        if isinstance(error, UnreadableTextError):
            return True
        if self._isolates or isinstance(error, EncoderUnavailableError):
            return False
        try:
            for _, inputs in self._batches(["a"]):
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
    """Sorts the longest texts first, so that lack of memory shows at once; in bytes, which tokens follow best."""
    return -(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))), text


def ahead(batches: Iterator[tuple[list[str], Any]], texts: int) -> Iterator[tuple[list[str], Any]]:
    """Yield batches, the next ones made ready in a helper thread; without it where the first holds all `texts`."""
    first = next(batches)
    if len(first[0]) == texts:
        yield first
        return
    with ThreadPoolExecutor(1, thread_name_prefix="semreward-tokenizer") as helper:
        coming = deque(helper.submit(next, batches, None) for _ in range(_BATCHES_AHEAD))
        yield first
        while (batch := coming.popleft().result()) is not None:
            coming.append(helper.submit(next, batches, None))
            yield batch


def unit_rows(vectors: object, texts: Sequence[str]) -> Sequence[Vector | EncoderError]:
    """A finite row of norm 1 or an error for each text; raises `EncoderError` unless it is one row per text."""
    try:
        rows = np.array(vectors, dtype=np.float32)  # a copy: an encoder may reuse its array
    except (TypeError, ValueError, RuntimeError) as error:  # the last one: a tensor that takes part in training
        raise EncoderError(f"encoder returned {type(vectors).__name__}; expected an array: {error}") from error
    if rows.ndim != 2 or len(rows) != len(texts):  # noqa: PLR2004 - a matrix
        raise EncoderError(
            f"encoder returned shape {rows.shape} for {len(texts)} texts; expected ({len(texts)}, D), one row per text"
        )
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    outcomes: list[Vector | EncoderError] = list(rows)
    for row in np.flatnonzero(~(np.abs(norms - 1.0) <= _NORM_TOLERANCE)).tolist():  # NaN, too
        outcomes[row] = EncoderError(
            f"encoder returned a row of norm {norms[row]:.6g} for {texts[row][:60]!r}; expected finite rows of norm 1. "
            "Normalize its output, and check its weights if the norm is NaN"
        )
    return outcomes
