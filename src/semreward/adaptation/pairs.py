"""Translation pairs: read from files, hub data sets and iterables, checked, and cleared of duplicates and leaks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, NamedTuple, TypeAlias, overload

from semreward.adaptation.files import Unreadable, hub_rows, is_file_name, numbered_rows
from semreward.errors import ArgumentError, MissingColumnError
from semreward.text import normalise

Columns: TypeAlias = tuple[str, str] | tuple[int, int]
"""Names of the two columns, or their places counted from 0, for files without a header."""

# How many bad rows a report names.
_NAMED = 5


class Pair(NamedTuple):
    """A sentence and its translation."""

    anchor: str
    positive: str


@dataclass(frozen=True)
class PairReport:
    """Where pairs come from and what became of the rows; goes into an encoder's model card.

    Attributes:
        source: File, hub data set, or what else was read.
        rows: How many rows were read.
        dropped: How many of them were dropped, by reason.
        named: The first dropped rows, with number (counted from 1), reason and content.
    """

    source: str
    rows: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    named: tuple[str, ...] = ()

    @property
    def kept(self) -> int:
        """How many rows were kept."""
        return self.rows - sum(self.dropped.values())

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items()) or "none"
        return f"{self.source}: {self.rows} rows read, {self.kept} kept, dropped: {reasons}"


@dataclass(frozen=True)
class PairData(Sequence[Pair]):
    """Pairs as a sequence, with the report of how they were read; equal to another of the same pairs and report."""

    pairs: tuple[Pair, ...]
    report: PairReport

    @overload
    def __getitem__(self, place: int) -> Pair: ...
    @overload
    def __getitem__(self, place: slice) -> "PairData": ...
    def __getitem__(self, place: int | slice) -> "Pair | PairData":
        if isinstance(place, slice):
            return PairData(self.pairs[place], self.report)
        return self.pairs[place]

    def __len__(self) -> int:
        return len(self.pairs)


def read_pairs(
    source: str | PathLike[str] | Iterable[Any],
    columns: Columns = (0, 1),
    *,
    split: str = "train",
    limit: int | None = None,
) -> PairData:
    """Read translation pairs; rows that are none are dropped, counted and named, never repaired.

    Dropped are rows without two sides, with a side that is blank or no text, that are no valid UTF-8 (or JSON), and
    those whose sides are equal, which teach nothing. Duplicates stay: `adapt_encoder` removes and reports them,
    together with pairs that occur in the evaluation.

    Args:
        source: A file (`.tsv`, `.csv`, `.jsonl`, `.parquet`; also compressed: `.gz`, `.bz2`, `.xz`, `.zst`), a hub data
            set's id, or an iterable of pairs or of mappings.
        columns: Names of anchor's and positive's columns; or their places, counted from 0, where a TSV or CSV has no
            header. In other sources a place counts a row's columns. TSV knows no quoting: a quotation mark is text.
        split: Split of a hub data set.
        limit: Read so many rows at most; `None`: all of them.

    Returns:
        The pairs, normalised (NFC, no outer white space), in order, and the report.

    Raises:
        ArgumentError: The file does not exist or has none of these endings, cannot be read as what its ending says, no
            row of it is a pair, or `columns` or `limit` is something else.
        MissingColumnError: The first row has no such column. Later rows without it are dropped.
        MissingDependencyError: A format's library is not installed.

    Example:
        >>> data = read_pairs([("马", "རྟ"), ("山", " "), ("水",)])
        >>> data.pairs
        (Pair(anchor='马', positive='རྟ'),)
        >>> print(data.report)
        an iterable: 3 rows read, 1 kept, dropped: 1 with a blank side, 1 without two sides
    """
    _check_reading(columns, limit)
    name, rows = _opened(source, columns, split)
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter()
    named: list[str] = []
    number = 0
    for number, row in enumerate(rows, start=1):
        sides: Any = row if isinstance(row, Unreadable) else _sides(row, columns, name, is_first=number == 1)
        reason = _fault(sides)
        if reason:
            dropped[reason] += 1
            if len(named) < _NAMED:
                named.append(f"row {number} {reason}: {str(row)[:120]}")
        else:
            pairs.append(Pair(normalise(sides[0]), normalise(sides[1])))
        if number == limit:
            break
    report = PairReport(name, number, dict(dropped), tuple(named))
    if not pairs:
        raise ArgumentError(f"`source` must hold at least one pair; {report}; {'; '.join(named) or 'it is empty'}")
    return PairData(tuple(pairs), report)


def checked_pairs(pairs: Sequence[tuple[str, str]], name: str) -> list[Pair]:
    """Normalised pairs.

    Raises:
        ArgumentError: A row is no pair of two non-blank strings of valid Unicode; its number is named.
    """
    checked = []
    for row, pair in enumerate(pairs):
        is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2  # noqa: PLR2004 - a string of two letters is none
        if not is_pair or not all(isinstance(side, str) and normalise(side) for side in pair):
            raise ArgumentError(f"`{name}` must be pairs of non-empty strings, got {pair!r} at row {row}; drop the row")
        if any(_has_surrogate(side) for side in pair):
            raise ArgumentError(
                f"`{name}` must be valid Unicode, got a lone surrogate in {pair!a} at row {row}; drop it"
            )
        checked.append(Pair(normalise(pair[0]), normalise(pair[1])))
    return checked


def checked_sentences(texts: Sequence[str], name: str) -> list[str]:
    """Normalised, distinct sentences.

    Raises:
        ArgumentError: A row is no non-blank string of valid Unicode; its number is named.
    """
    for row, text in enumerate(texts):
        if not isinstance(text, str) or not normalise(text):
            raise ArgumentError(f"`{name}` must be non-empty strings, got {text!r} at row {row}; drop the row")
        if _has_surrogate(text):
            raise ArgumentError(
                f"`{name}` must be valid Unicode, got a lone surrogate in {text!a} at row {row}; drop it"
            )
    return list(dict.fromkeys(normalise(text) for text in texts))


def without_leaks(train_pairs: Sequence[tuple[str, str]], held_out: Iterable[str]) -> tuple[list[Pair], PairReport]:
    """Distinct training pairs that share no sentence with the evaluation, and what was removed.

    Args:
        train_pairs: The pairs; if they were read by `read_pairs`, the report continues theirs.
        held_out: All texts of the evaluation, normalised.

    Returns:
        The pairs in order of their first occurrence, and the report.

    Raises:
        ArgumentError: A row is no pair of two non-blank strings of valid Unicode; its number is named.
    """
    report = train_pairs.report if isinstance(train_pairs, PairData) else PairReport("train_pairs", len(train_pairs))
    checked = checked_pairs(train_pairs, "train_pairs")
    distinct = list(dict.fromkeys(checked))
    seen = frozenset(held_out)
    kept = [pair for pair in distinct if seen.isdisjoint(pair)]
    removed = {
        "not selected": report.kept - len(checked),
        "duplicates": len(checked) - len(distinct),
        "that share a sentence with the evaluation": len(distinct) - len(kept),
    }
    dropped = {**report.dropped, **{reason: count for reason, count in removed.items() if count}}
    return kept, PairReport(report.source, report.rows, dropped, report.named)


def _check_reading(columns: Any, limit: Any) -> None:
    is_pair = isinstance(columns, (tuple, list)) and len(columns) == 2  # noqa: PLR2004
    named = is_pair and all(isinstance(column, str) for column in columns)
    counted = is_pair and all(_is_whole(column) and column >= 0 for column in columns)
    if not named and not counted:
        raise ArgumentError(f"`columns` must be two names, or two places counted from 0, got {columns!r}")
    if limit is not None and not (_is_whole(limit) and limit >= 1):
        raise ArgumentError(f"`limit` must be a positive whole number, or None for all rows, got {limit!r}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _opened(source: Any, columns: Columns, split: str) -> tuple[str, Iterator[Any]]:
    by_place = isinstance(columns[0], int)
    if not isinstance(source, (str, PathLike)):
        return ("an iterable", iter(source))
    if is_file_name(source):
        return str(source), numbered_rows(source, has_header=not by_place)
    return str(source), hub_rows(str(source), split)


def _sides(row: Any, columns: Columns, name: str, *, is_first: bool) -> Any:
    """A row's two sides, or the row itself where it has none."""
    first, second = columns
    if isinstance(row, Mapping):
        keys = list(row)
        if isinstance(first, int) and isinstance(second, int):
            if max(first, second) >= len(keys):
                return row
            first, second = keys[first], keys[second]
        missing = [column for column in (first, second) if column not in row]
        if missing and not is_first:
            return row
        if missing:
            raise MissingColumnError(
                f"{name} has no column {', '.join(map(str, missing))}; it has {', '.join(map(str, keys))}"
            )
        return row[first], row[second]
    if isinstance(row, (tuple, list)) and isinstance(first, int) and isinstance(second, int):
        return (row[first], row[second]) if max(first, second) < len(row) else row
    if isinstance(row, (tuple, list)) and len(row) == 2:  # noqa: PLR2004 - a pair needs no names
        return tuple(row)
    return row


def _fault(sides: Any) -> str:
    """Why a row's sides are no pair; empty where they are."""
    if isinstance(sides, Unreadable):
        return sides.reason
    if not isinstance(sides, tuple) or len(sides) != 2:  # noqa: PLR2004
        return "without two sides"
    if not all(isinstance(side, str) for side in sides):
        return "with a side that is no text"
    return _text_fault(*sides)


def _has_surrogate(text: str) -> bool:
    """Whether a text holds half of a UTF-16 pair, which no encoding can carry."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _text_fault(first: str, second: str) -> str:
    if _has_surrogate(first + second):
        return "that are no valid UTF-8"
    if not normalise(first) or not normalise(second):
        return "with a blank side"
    return "with equal sides" if normalise(first) == normalise(second) else ""
