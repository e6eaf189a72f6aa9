"""A guard by vocabulary: words that are common in texts of one language and rare in another's."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

from semreward.arguments import check_share
from semreward.errors import ArgumentError
from semreward.files import COLUMN, is_file, read_rows
from semreward.rewards.detector import file_hash
from semreward.rewards.guards import ComparingReward
from semreward.rewards.spans import UNSPACED
from semreward.text import Texts, normalise, source_text

_RATIO = 20  # docs/guards.md measures others
_CHARACTER = rf"[\p{{L}}&&{UNSPACED.pattern}]\p{{M}}*+"
_WORD = regex.compile(rf"([[\p{{L}}\p{{M}}]--{UNSPACED.pattern}]+)|({_CHARACTER})(?=({_CHARACTER}))", regex.V1)


@dataclass(frozen=True, kw_only=True)
class ForeignWordGuard(ComparingReward):
    """1 if an answer keeps to the words of its language, 0 if words of the source's language are left in it.

    A word is foreign if the source text has it at least twice and, per word, 20 times as often as the target text, and
    no reference has it. Single letters are not, nor is what neither text has (names, compounds). For languages that
    share a script; docs/guards.md measures it. An answer without words earns 1.

    Args:
        target: Plain text file in the answers' language, also gzipped; with `data`, the name of its column.
        source: The same in the sources' language.
        data: A file with both columns, for `semreward.files.read_rows`: `pairs.tsv`, aligned `train.{column}.gz`.
        limit: Greatest share of an answer's words that may be foreign, in [0, 1).
        reference_column: As in `ComparingReward`; `None` to judge answers alone.

    Raises:
        ArgumentError: There is no such file; at the first call: it cannot be read, or has no foreign word.
    """

    target: str | int
    source: str | int
    data: str = COLUMN
    limit: float = 0.0
    name: str = "foreign_words"
    _needs_reference = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("limit", self.limit, below_one=True)
        for argument in ("target", "source"):
            if not is_file(path := self._path(argument)):
                raise ArgumentError(f"`{argument}` must be in a file, but {path!r} is not one; correct it or `data`")

    def _path(self, argument: str) -> str:
        return str(self.data).replace(COLUMN, str(getattr(self, argument)))

    def signature(self) -> str:
        """All that decides the values, a hash of each file included."""
        return f"{super().signature()}|texts:{file_hash(self._path('target'))},{file_hash(self._path('source'))}"

    def _compared(self, answer: str, _source: str, references: Texts) -> float:
        found, foreign = words(answer), _foreign_words(str(self.data), self.target, self.source)
        allowed = {word for text in references for word in words(text)}
        count = sum(word in foreign and word not in allowed for word in found)
        return float(count / max(1, len(found)) <= self.limit)


def words(text: str) -> list[str]:
    """The words of a text in lower case: runs of letters and marks; pairs of characters in scripts without spaces."""
    return ["".join(parts) for parts in _WORD.findall(normalise(text).casefold())]


@lru_cache(maxsize=8)
def _foreign_words(data: str, target: str | int, source: str | int) -> frozenset[str]:
    columns = [column if isinstance(column, int) else str(column) for column in (target, source)]
    known, counts = (Counter(word for text in _texts(data, column) for word in words(text)) for column in columns)
    scale = _RATIO * sum(counts.values()) / max(1, sum(known.values()))
    foreign = [word for word, count in counts.items() if len(word) > 1 and count >= max(2, scale * known[word])]
    if not known or not foreign:
        raise ArgumentError(f"`target` {target} and `source` {source} must have words of their own; correct them")
    return frozenset(foreign)


def _texts(data: str, column: str | int) -> Iterator[str]:
    """A column's texts; a row holds a text, a list of texts, or messages."""
    for row, values in enumerate(read_rows(data, [column]), start=1):
        value = values[column] or ""
        texts = value if isinstance(value, list) and isinstance(value[0], str) else [value]
        yield from (source_text(text, str(column), row) for text in texts)
