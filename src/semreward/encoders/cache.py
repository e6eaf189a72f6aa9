"""Vectors that stay at hand, bounded in bytes: references first, and what else there is room for."""

import sys
from collections import OrderedDict
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]

# What the table keeps for an entry beside its text and its vector: a slot of the hash table and a link of the order.
_ENTRY_OVERHEAD_BYTES = 200


class VectorCache:
    """Least-recently-used map from text to vector, bounded in bytes, in two ranks.

    Vectors that a caller asks to keep (references) give way to each other only. All others (completions) use the room
    that is left, and go first.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Vector] = OrderedDict()
        self._passing: OrderedDict[str, Vector] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._kept) + len(self._passing)

    def get(self, text: str, *, keep: bool = False) -> Vector | None:
        """The vector of a text, which thereby becomes the most recently used one; `None` where it is not at hand."""
        if text in self._kept:
            self._kept.move_to_end(text)
            return self._kept[text]
        vector = self._passing.get(text)
        if vector is not None and keep:
            self._kept[text] = self._passing.pop(text)
        elif vector is not None:
            self._passing.move_to_end(text)
        return vector

    def put(self, text: str, vector: Vector, *, keep: bool = True) -> None:
        """Store a vector; the least recently used ones make room, those that are not kept first.

        One that is larger than the whole cache, or that would drive out kept ones without being kept, is not stored.
        """
        size = self._size(text, vector)
        if size > self._max_bytes or self.get(text, keep=keep) is not None:
            return
        (self._kept if keep else self._passing)[text] = vector.copy()  # a view would keep its whole batch alive
        self.used_bytes += size
        while self.used_bytes > self._max_bytes:
            self.used_bytes -= self._size(*(self._passing or self._kept).popitem(last=False))

    @staticmethod
    def _size(text: str, vector: Vector) -> int:
        return sys.getsizeof(text) + vector.nbytes + sys.getsizeof(_EMPTY) + _ENTRY_OVERHEAD_BYTES


_EMPTY = np.zeros(0, dtype=np.float32)  # what an array takes beside its numbers
