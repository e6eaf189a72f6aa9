"""Translation pairs: read from files, hub data sets and iterables, checked, cleared of leaks, given hard negatives."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from os import PathLike
from typing import Any, NamedTuple, TypeAlias

from semreward.arguments import check_count
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.files import BadRow, read_rows
from semreward.text import normalise

Columns: TypeAlias = tuple[str, str] | tuple[int, int]
"""Names of the two columns, or their positions counted from 0, for files without a header."""

_NAMED = 5  # bad rows that a report names
_EQUAL_SIDES = "with equal sides"


class Pair(NamedTuple):
    """A sentence and its translation."""

    anchor: str
    positive: str


MakeNegatives: TypeAlias = Callable[[Pair, random.Random], list[str]]
"""Returns texts that look like a pair's positive and mean something else, such as `semreward.audit.AttackNegatives`."""


@dataclass(frozen=True)
class PairReport:
    """How many rows of a source were read, how many were dropped by reason, and the first dropped ones in full."""

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
    """Pairs as a sequence, with the report of how they were read."""

    pairs: tuple[Pair, ...]
    report: PairReport

    def __getitem__(self, index: Any) -> Any:
        return PairData(self.pairs[index], self.report) if isinstance(index, slice) else self.pairs[index]

    def __len__(self) -> int:
        return len(self.pairs)


def read_pairs(
    source: str | PathLike[str] | Iterable[Any],
    columns: Columns = (0, 1),
    *,
    split: str = "train",
    limit: int | None = None,
) -> PairData:
    """Read translation pairs. Other rows are dropped, counted and named, never repaired.

    A row is dropped if it lacks a side, if a side is blank or no text, if it is not valid UTF-8 (or JSON), or if its
    sides are equal. Duplicates stay: `adapt_encoder` removes and reports them. Texts are normalised (NFC, no outer
    white space).

    `source` is what `semreward.files.read_rows` reads, or an iterable of pairs or of mappings. `columns` are the names
    of the anchor's and the positive's column, or positions, from 0, in a file without a header. `limit` bounds the rows
    that are read; `split` is one of a hub data set.

    Raises:
        ArgumentError: The file cannot be read or holds no pair; or `columns` or `limit` is invalid.
        MissingColumnError: The first row has no such column. Later rows without it are dropped.

    Example:
        >>> data = read_pairs([("马", "རྟ"), ("山", " "), ("水",)])
        >>> data.pairs
        (Pair(anchor='马', positive='རྟ'),)
        >>> print(data.report)
        an iterable: 3 rows read, 1 kept, dropped: 1 with a blank side, 1 without two sides
    """
    kinds = {type(column) for column in columns} if isinstance(columns, (tuple, list)) else set()
    if kinds not in ({str}, {int}) or len(columns) != 2 or (kinds == {int} and min(map(int, columns)) < 0):  # noqa: PLR2004
        raise ArgumentError(f"`columns` must be two names, or two positions counted from 0, got {columns!r}")
    if limit is not None:
        check_count("limit", limit)
    name = str(source) if isinstance(source, (str, PathLike)) else "an iterable"
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter()
    named: list[str] = []
    number = 0
    for number, (row, sides) in enumerate(islice(_rows(source, columns, split), limit), start=1):
        reason = row.fault if isinstance(row, BadRow) else _fault(sides)
        if not reason:
            pairs.append(Pair(*map(normalise, sides)))
            continue
        dropped[reason] += 1
        if len(named) < _NAMED:
            content = row.content if isinstance(row, BadRow) else str(row)
            named.append(f"row {number} {reason}: {content[:120]}")
    report = PairReport(name, number, dict(dropped), tuple(named))
    if not pairs:
        raise ArgumentError(f"`source` must hold at least one pair; {report}; {'; '.join(named) or 'it is empty'}")
    return PairData(tuple(pairs), report)


def checked_pairs(pairs: Sequence[tuple[str, str]], name: str) -> list[Pair]:
    """Normalised pairs; an `ArgumentError` names the row that is not two non-blank strings of valid Unicode."""
    checked = []
    for row, pair in enumerate(pairs):
        fault = _fault(pair)
        if fault and fault != _EQUAL_SIDES:
            raise ArgumentError(f"`{name}` must be pairs of non-empty strings, got one {fault} at row {row}: {pair!a}")
        checked.append(Pair(*map(normalise, pair)))
    return checked


def without_leaks(train_pairs: Sequence[tuple[str, str]], held_out: Iterable[str]) -> tuple[list[Pair], PairReport]:
    """Distinct training pairs, in order, without those that hold a text of the evaluation; and a report of the others.

    The report continues that of `read_pairs`, if the pairs come from there.
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


def _rows(source: Any, columns: Sequence[Any], split: str) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every row of a source, and its two sides: fewer if the row lacks a column."""
    from_file = isinstance(source, (str, PathLike))
    for row in read_rows(source, columns, split=split, keep_bad=True) if from_file else source:
        cells = row
        if not from_file and isinstance(columns[0], int) and isinstance(row, (Mapping, list, tuple)):
            cells = dict(enumerate(row.values() if isinstance(row, Mapping) else row))
        yield row, tuple(cells[column] for column in columns if column in cells) if isinstance(cells, Mapping) else ()


def _fault(sides: Any) -> str:
    """Why two sides cannot be a training pair; empty if they can."""
    if not isinstance(sides, (tuple, list)) or len(sides) != 2:  # noqa: PLR2004
        return "without two sides"
    if not all(isinstance(side, str) for side in sides):
        return "with a side that is no text"
    if any("\ud800" <= character <= "\udfff" for side in sides for character in side):
        return "not valid UTF-8"
    first, second = map(normalise, sides)
    if not first or not second:
        return "with a blank side"
    return _EQUAL_SIDES if first == second else ""


def pair_rows(
    pairs: Sequence[Pair], make_negatives: MakeNegatives | None, wanted: int, seed: int
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Texts by column (`anchor`, `positive`, `negative_1` and on), and how many negatives were made and filled.

    Every row needs equally many. The positive of a random other pair, never a translation of the anchor, fills a gap.
    """
    rng = random.Random(seed)  # noqa: S311 - a choice of texts, no cryptography
    known = set(pairs)
    table: list[list[str]] = []
    made = 0
    for pair in pairs:
        negatives = _made(pair, make_negatives, wanted, rng) if make_negatives is not None else []
        made += len(negatives)
        table.append(negatives + [_another(pair, pairs, known, rng) for _ in range(wanted - len(negatives))])
    rows = {"anchor": [pair.anchor for pair in pairs], "positive": [pair.positive for pair in pairs]}
    rows |= {f"negative_{number}": list(texts) for number, texts in enumerate(zip(*table, strict=True), start=1)}
    return rows, {"made": made, "filled": wanted * len(pairs) - made}


def _made(pair: Pair, make_negatives: MakeNegatives, wanted: int, rng: random.Random) -> list[str]:
    """Some of a pair's made negatives, none of them blank or equal to one of its sides."""
    returned: Any = make_negatives(pair, rng)
    if not isinstance(returned, (list, tuple)) or not all(isinstance(text, str) for text in returned):
        raise ArgumentTypeError(
            f"`make_negatives` must return a list of texts, possibly empty, got {str(returned)[:80]!r} for {pair[0]!r}"
        )
    usable = [text for text in dict.fromkeys(map(normalise, returned)) if text and text not in pair]
    return rng.sample(usable, min(wanted, len(usable)))


def _another(pair: Pair, pairs: Sequence[Pair], known: Collection[Pair], rng: random.Random) -> str:
    """The first positive, from a random position on, that does not translate this pair's anchor."""
    start = rng.randrange(len(pairs))
    for step in range(len(pairs)):
        text = pairs[(start + step) % len(pairs)].positive
        if Pair(pair.anchor, text) not in known:
            return text
    raise ArgumentError(
        f"`train_pairs` must hold another second side that can be a negative of {pair.anchor[:80]!r}, but all of them "
        "translate it; add pairs, or set `made_negatives` to 0"
    )
