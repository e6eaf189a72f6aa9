"""Source words that stay in an answer: neither script nor a language detector sees them where a script is shared.

A word leaks if it is in its source and the training pairs have it on the source side only. Names and words that both
languages share do not count. Adapted spellings ("motoneigs") and invented words are missed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from semreward import Answer
from semreward.rewards.vocabulary import words

FOREIGN_WORDS = "foreign_words.txt"


def write_foreign_words(folder: Path, pairs: Iterable[tuple[str, str]]) -> int:
    """Write the words of the sources that no reference has; returns how many there are."""
    sources: set[str] = set()
    targets: set[str] = set()
    for source, reference in pairs:
        sources.update(words(source))
        targets.update(words(reference))
    foreign = sorted(sources - targets)
    (folder / FOREIGN_WORDS).write_text("\n".join(foreign), encoding="utf-8")
    return len(foreign)


@lru_cache(maxsize=4)
def read_foreign_words(folder: str) -> frozenset[str]:
    """The words of the source language only, as the data stage found them."""
    return frozenset((Path(folder) / FOREIGN_WORDS).read_text(encoding="utf-8").split())


def leaked_words(answer: str, source: str, foreign: frozenset[str]) -> list[str]:
    """The words of an answer that leaked from its source, in order."""
    candidates = foreign.intersection(words(source))
    return [word for word in words(answer) if word in candidates]


@dataclass(frozen=True)
class SourceLeak:
    """1 where an answer has a leaked word, else 0. For weight 0: it watches and pays nothing."""

    folder: str  # of the data stage
    __name__ = "source_leak"

    def __call__(self, *, completions: Sequence[Any], source: Sequence[str], **_: Any) -> list[float]:
        """Look for leaked words in `N` completions."""
        foreign = read_foreign_words(self.folder)
        pairs = zip(map(Answer(), completions), source, strict=True)
        return [float(bool(leaked_words(answer, text, foreign))) for answer, text in pairs]
