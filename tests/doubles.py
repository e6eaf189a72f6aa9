"""Encoders that stand in for trained models where only the plumbing is tested."""

import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BigramEncoder:
    """Counts hashed character bigrams: texts that share more of them are closer, equal texts have cosine 1.

    Deterministic, the same in every process, and it pickles, compares and hashes like a real encoder's description.
    """

    width: int = 64

    @property
    def fingerprint(self) -> str:
        return f"bigrams-{self.width}"

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        counts = np.zeros((len(texts), self.width), dtype=np.float64)
        for row, text in enumerate(texts):
            for first, second in zip("^" + text, text + "$", strict=True):
                counts[row, zlib.crc32((first + second).encode()) % self.width] += 1
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


class CountingEncoder:
    """Remembers what it was asked to encode."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        return BigramEncoder().encode(texts)


class FixedEncoder:
    """Returns what it was made with, right or wrong."""

    fingerprint = "fixed"

    def __init__(self, vectors: object) -> None:
        self.vectors = vectors

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        return self.vectors  # type: ignore[return-value] # that is the point


@dataclass(frozen=True)
class LazyBigramEncoder(BigramEncoder):
    """A bigram encoder that is loaded at its first use; it counts its loads and its batches' sizes by name."""

    name: str = "lazy"
    batch_size: int = 4
    cache_bytes: int = 2**20

    loads: ClassVar[Counter[str]] = Counter()
    batches: ClassVar[defaultdict[str, list[list[str]]]] = defaultdict(list)

    def open_model(self) -> Callable[[list[str]], NDArray[np.float32]]:
        self.loads[self.name] += 1

        def forward(batch: list[str]) -> NDArray[np.float32]:
            self.batches[self.name].append(batch)
            return BigramEncoder(self.width).encode(batch)

        return forward


class SleepyEncoder(LazyBigramEncoder):
    """Its forward pass takes a while, so that callers pile up."""

    def open_model(self) -> Callable[[list[str]], NDArray[np.float32]]:
        forward = super().open_model()

        def sleepy(batch: list[str]) -> NDArray[np.float32]:
            time.sleep(0.05)
            return forward(batch)

        return sleepy


class AngleEncoder:
    """`right` and `close` are at a cosine of 0.8."""

    fingerprint = "angle"
    vectors = {"ཀ": (1.0, 0.0), "ཁ": (0.8, 0.6), "字": (1.0, 0.0)}

    def encode(self, texts, /):
        return np.array([self.vectors[text] for text in texts], dtype=np.float32)


def returning(*values, name="fixed"):
    """A reward function that returns the given values."""

    def reward(completions, **columns):
        return list(values)

    reward.__name__ = name
    return reward
