"""Vectors of texts: the models that make them, their check, and the cache that holds them."""

import logging
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semreward.errors import EncoderError

logger = logging.getLogger(__name__)

Vector: TypeAlias = NDArray[np.float32]
EncodeBatch: TypeAlias = Callable[[list[str]], NDArray[np.float32]]  # one forward pass: B texts to rows (B, D)

_BATCHES_AHEAD = 3  # made ready while the model works on one
_NORM_TOLERANCE = 5e-3  # half precision rounds by about 1e-3
_ENTRY_BYTES = 390  # of the cache, besides characters and numbers: two object headers, a slot of the table, a link


class PreparingModel(ABC):
    """A model whose forward pass has two halves: the first cuts texts into batches, and runs ahead of the second."""

    name, width = "encoder", 0  # in messages; of its vectors, 0 until there are some
    texts = truncated_texts = 0
    isolates = False  # True: `forward` returns a list of rows, and errors of single texts; it raises what holds for all

    @abstractmethod
    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        """Cut texts, at least one, into batches: the texts and their inputs, or the `Exception` that was raised."""

    def batches(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        """What `prepared` yields, the next ones made ready in a helper thread."""
        return ahead(self.prepared(texts), len(texts))

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


class PlainModel(PreparingModel):
    """A function from texts to rows as a model: batches of a fixed number of texts, with nothing to make ready."""

    def __init__(self, encode: EncodeBatch, batch_size: int) -> None:
        self._encode, self._batch_size, self.name = encode, batch_size, getattr(encode, "__qualname__", self.name)

    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], list[str]]]:
        """Cut texts into batches."""
        for start in range(0, len(texts), self._batch_size):
            yield (batch := texts[start : start + self._batch_size]), batch

    batches = prepared

    def forward(self, inputs: list[str]) -> NDArray[np.float32]:
        """The rows of one batch."""
        return self._encode(inputs)


def unit_rows(vectors: object, texts: Sequence[str], model: PreparingModel) -> Sequence[Vector | EncoderError]:
    """A finite row of norm 1 or an error for each text; raises `EncoderError` unless it is one row per text."""
    try:
        rows = np.array(vectors, dtype=np.float32)  # a copy: an encoder may reuse its array
    except (TypeError, ValueError, RuntimeError) as error:  # the last one: a tensor that takes part in training
        raise EncoderError(f"{model.name} returned {type(vectors).__name__}; expected an array: {error}") from error
    if rows.ndim != 2 or rows.shape != (len(texts), model.width or rows.shape[1]):  # noqa: PLR2004 - a matrix
        raise EncoderError(
            f"{model.name} returned shape {rows.shape} for {len(texts)} texts; expected ({len(texts)}, "
            f"{model.width or 'D'}), one row per text, of one width in all calls; correct it"
        )
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    is_unit = np.abs(norms - 1.0) <= _NORM_TOLERANCE  # False for NaN
    model.width = rows.shape[1] if is_unit.any() else model.width
    outcomes: list[Vector | EncoderError] = list(rows)
    for row in np.flatnonzero(~is_unit).tolist():
        outcomes[row] = EncoderError(
            f"{model.name} returned a row of norm {norms[row]:.6g} for {texts[row][:60]!r}; expected finite rows of "
            "norm 1. Normalize its output, and check its weights if the norm is NaN"
        )
    return outcomes


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
