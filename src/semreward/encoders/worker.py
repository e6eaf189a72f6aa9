"""One worker per loaded model: it takes the texts of all callers and encodes them in batches, in its own thread."""

import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.cache import Vector, VectorCache
from semreward.errors import EncoderError, EncoderUnavailableError

EncodeBatch: TypeAlias = Callable[[list[str]], NDArray[np.float32]]
"""One forward pass: B texts to an array of shape (B, D)."""

# Texts per round: enough to sort well by length, few enough that no caller waits long for another one's texts.
_ROUND_TEXTS = 8192

# Batches that are made ready while the model works on one.
_BATCHES_AHEAD = 3

# How far a norm may be from 1; half precision rounds by about 1e-3.
_NORM_TOLERANCE = 5e-3


@runtime_checkable
class PreparingModel(Protocol):
    """A model that cuts batches itself, and whose forward pass has two halves: the first runs one batch ahead."""

    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        """Cut texts into batches: the texts of each, and its inputs or the `Exception` that making them raised."""
        ...

    def forward(self, inputs: Any) -> NDArray[np.float32]:
        """The rows of one batch."""
        ...


class Call:
    """The missing texts of one caller, their vectors as they arrive, and the error that ended the call, if any."""

    def __init__(self, texts: list[str], keep: frozenset[str]) -> None:
        self.texts, self.keep = texts, keep
        self.vectors: dict[str, Vector] = {}
        self.error: BaseException | None = None
        self.done = threading.Event()  # also set by a caller that waits no longer
        self.todo = deque(texts)
        self.thread = threading.current_thread()  # of the worker, once the call is submitted

    def receive(self, text: str, outcome: Vector | BaseException) -> None:
        """Take the vector of a text, or end with its error; a call that has ended takes nothing."""
        if self.done.is_set():
            return
        if isinstance(outcome, BaseException):
            self.error = outcome
        else:
            self.vectors[text] = outcome
        if self.error is not None or len(self.vectors) == len(self.texts):
            self.done.set()


class Worker:
    """Encodes the texts of all callers with one model, one forward pass at a time, and puts the vectors into a cache.

    The state of a round is local to it: whatever ends a round, its callers get their vectors or an error.
    """

    def __init__(
        self, model: EncodeBatch | PreparingModel, cache: VectorCache, batch_size: int, gather_s: float
    ) -> None:
        self.model, self.cache = model, cache
        self._batch_size, self._gather_s = batch_size, gather_s
        self.inbox: queue.SimpleQueue[Call | None] = queue.SimpleQueue()  # `None` ends the thread
        self.thread: threading.Thread | None = None
        self._served = deque([1, 1], maxlen=2)  # callers of the last rounds

    def submit(self, call: Call) -> None:
        """Hand a call to the thread, which is started unless it runs. For one caller at a time."""
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
            end = time.monotonic() + self._gather_s
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
                call.receive("", error)
        return [call for call in calls if call.todo and not call.done.is_set()]

    def _serve(self, waiting: dict[str, list[Call]]) -> None:
        """Encode the texts of a round; where several calls share a batch that fails, find the text that makes it."""
        keep = frozenset(text for text, calls in waiting.items() if any(text in call.keep for call in calls))
        found, missing = self.cache.get(waiting, keep)
        _deliver(found, waiting)
        parts = [sorted(missing, key=longest_first)]
        while parts:
            for batch, inputs in self._batches(parts.pop()):
                calls = {call for text in batch for call in waiting.get(text, ()) if not call.done.is_set()}
                if not calls:
                    continue
                outcomes = self._outcomes(batch, inputs)
                if not isinstance(outcomes, BaseException):
                    self.cache.put({t: row for t, row in outcomes.items() if isinstance(row, np.ndarray)}, keep)
                    _deliver(outcomes, waiting)
                elif len(batch) == 1 or len(calls) == 1 or isinstance(outcomes, EncoderUnavailableError):
                    _deliver(dict.fromkeys(batch, outcomes), waiting)
                else:
                    parts += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
        _deliver(dict.fromkeys(waiting, EncoderError("the model returned no vector for this text")), waiting)

    def _batches(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        if isinstance(self.model, PreparingModel):
            yield from ahead(self.model.prepared(texts), len(texts))
            return
        for start in range(0, len(texts), self._batch_size):
            batch = texts[start : start + self._batch_size]
            yield batch, batch

    def _outcomes(self, batch: list[str], inputs: Any) -> dict[str, Vector | EncoderError] | BaseException:
        """A row or an error for each text, or what the whole batch raised."""
        if isinstance(inputs, Exception):
            return inputs
        try:
            vectors = self.model.forward(inputs) if isinstance(self.model, PreparingModel) else self.model(inputs)
        except BaseException as error:  # noqa: BLE001 - raised again in the threads that wait
            return error
        try:
            return dict(zip(batch, unit_rows(vectors, batch), strict=True))
        except EncoderError as error:
            return dict.fromkeys(batch, error)


def _deliver(outcomes: dict[str, Any], waiting: dict[str, list[Call]]) -> None:
    for text, outcome in outcomes.items():
        for call in waiting.pop(text, ()):
            call.receive(text, outcome)


def longest_first(text: str) -> tuple[int, str]:
    """Sorts the longest texts first, so that lack of memory shows at once; in bytes, which tokens follow best."""
    return -(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))), text


def ahead(batches: Iterator[tuple[list[str], Any]], texts: int) -> Iterator[tuple[list[str], Any]]:
    """Yield batches, the next ones made ready in a helper thread; without it where the first holds all `texts`."""
    first = next(batches, None)
    if first is None:
        return
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
        rows = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
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
