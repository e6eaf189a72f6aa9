"""Source words that stay in an answer: what neither script nor a language detector sees where a script is shared.

A word leaks if it is in its source and the training pairs have it on the source side only. Names and words that both
languages share do not count. Adapted spellings ("motoneigs") and invented words are missed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import regex

from semreward.protocols import Completion
from semreward.text import answer_text, normalise

FOREIGN_WORDS = "foreign_words.txt"
_WORD = regex.compile(r"[\p{L}\p{M}]+")


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and marks, in lower case.

    Example:
        >>> words("L'homme, au T-shirt vert")
        ['l', 'homme', 'au', 't', 'shirt', 'vert']
    """
    found: list[str] = _WORD.findall(normalise(text).casefold())
    return found


def foreign_words(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Words of the sources that no reference has."""
    sources: set[str] = set()
    targets: set[str] = set()
    for source, reference in pairs:
        sources.update(words(source))
        targets.update(words(reference))
    return frozenset(sources - targets)


def leaked_words(answer: str, source: str, foreign: frozenset[str]) -> list[str]:
    """The words of an answer that leaked from its source, in order.

    Example:
        >>> leaked_words("The green verdante dog", "Le chien vert, verdante", frozenset({"chien", "verdante", "le"}))
        ['verdante']
    """
    candidates = foreign.intersection(words(source))
    return [word for word in words(answer) if word in candidates]


def write_words(folder: Path, foreign: frozenset[str]) -> None:
    """Write the words for `read_words`."""
    (folder / FOREIGN_WORDS).write_text("\n".join(sorted(foreign)), encoding="utf-8")


@lru_cache(maxsize=4)
def read_words(folder: str) -> frozenset[str]:
    """The words of the source language only, as the data stage found them."""
    return frozenset((Path(folder) / FOREIGN_WORDS).read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True)
class SourceLeak:
    """1 where an answer has a leaked word, else 0. It watches and pays nothing: use it at weight 0.

    Attributes:
        folder: The folder of the data stage.
    """

    folder: str

    @property
    def __name__(self) -> str:
        return "source_leak"

    def __call__(self, *, completions: Sequence[Completion], source: Sequence[str], **_: Any) -> list[float]:
        """Look for leaked words in `N` completions."""
        foreign = read_words(self.folder)
        pairs = zip(map(answer_text, completions), source, strict=True)
        return [float(bool(leaked_words(answer, text, foreign))) for answer, text in pairs]
