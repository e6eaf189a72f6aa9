"""Vectors of texts, bounded in bytes: references first, other texts in the room that is left."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]

# What an entry takes beside its characters and its numbers: two object headers, a slot of the table, a link.
_ENTRY_BYTES = 390


class VectorCache:
    """Least-recently-used map from text to vector. Safe to use from several threads.

    Vectors that a caller asks to keep are evicted for each other only. All others are evicted before them.
    """

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
                    found[text] = self._kept[text] = self._others.pop(text)
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
