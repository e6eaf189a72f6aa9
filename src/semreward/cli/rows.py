"""Rows of a file or of stdin: renamed, checked, in batches; and errors that name rows as the file counts them."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from semreward.adaptation.files import Unreadable, is_file_name, numbered_rows
from semreward.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingColumnError,
    RewardOutputError,
    SemRewardError,
)

STDIN = "-"

Row: TypeAlias = dict[str, Any]

ABOUT_ROWS = (ArgumentError, ArgumentTypeError, RewardOutputError)
"""Errors whose messages count the rows of a call. Those of an encoder count its texts."""

_ROW_NUMBER = re.compile(r"\brow (\d+)\b")


def rows_of(source: str, columns: Sequence[tuple[str, str]] = (), *, needed: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a file, one after the other, or those that stdin carries as JSON lines.

    Args:
        source: A `.jsonl`, `.csv`, `.tsv` or `.parquet` file, compressed or not; `-` for stdin.
        columns: Pairs of a column's name and the column of the file from which it is taken.
        needed: Columns that every row must have, after that.

    Raises:
        ArgumentError: A name stands for two columns, or there is no such file, which shows at once; or, as the rows
            come, it holds none, or one that cannot be read; rows count from 1.
        MissingColumnError: A row lacks a column, as the rows come.
    """
    if len(dict(columns)) < len(columns):
        given = " ".join(f"--column {name}={column}" for name, column in columns)
        raise ArgumentError(f"--column must name each column once, got {given}")
    if source != STDIN:
        try:
            is_file_name(Path(source))  # raises
        except OSError as error:
            raise ArgumentError(f"FILE must name a file, got {source[:80]!r}: {error.strerror}") from error
    return _checked_rows(source, columns, needed)


def is_file(name: str) -> bool:
    """Whether there is such a file; a name that none can have, as one that is too long, names none."""
    try:
        return Path(name).is_file()
    except OSError:
        return False


def name_of(source: str) -> str:
    """What a source is called in messages."""
    return "stdin" if source == STDIN else source


def batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """Rows in lists of a size; those before a row that cannot be read come before its error does."""
    batch: list[Row] = []
    try:
        for row in rows:
            batch.append(row)
            if len(batch) == size:
                yield batch
                batch = []
    except SemRewardError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def located(error: SemRewardError, source: str, *, first: int | None = None) -> ArgumentError:
    """An error about the rows of a call as one about the rows of their file.

    Args:
        error: Its message counts the rows of the call from 0.
        source: The file.
        first: Place of the call's first row in the file, counted from 0; it is named where the message names none.
            `None`: the call has all rows of the file.

    Example:
        >>> print(located(ArgumentError("`reference` must be a text, got 3 at row 2"), "data.csv", first=10))
        data.csv: `reference` must be a text, got 3 at row 13
    """
    message, named = str(error), 0
    if isinstance(error, ABOUT_ROWS):
        message, named = _ROW_NUMBER.subn(lambda found: f"row {int(found[1]) + (first or 0) + 1}", message)
    if isinstance(error, MissingColumnError):
        message += ". On the command line: --column NAME=COLUMN"
    place = name_of(source) if named or first is None else f"{name_of(source)}, row {first + 1}"
    return ArgumentError(f"{place}: {message}")


def _checked_rows(source: str, columns: Sequence[tuple[str, str]], needed: Sequence[str]) -> Iterator[Row]:
    number = 0
    rows = _stdin_rows() if source == STDIN else numbered_rows(source, has_header=True)
    for number, row in enumerate(rows, start=1):
        yield _checked(row, columns, needed, name=name_of(source), number=number)
    if not number:
        raise ArgumentError(f"{name_of(source)} must hold at least one row, got none")


def _stdin_rows() -> Iterator[Any]:
    for line in sys.stdin.buffer:
        text = line.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        if text.strip():
            try:
                yield json.loads(text)
            except (ValueError, RecursionError):
                yield Unreadable("that are no JSON", text)


def _checked(row: Any, columns: Sequence[tuple[str, str]], needed: Sequence[str], *, name: str, number: int) -> Row:
    if isinstance(row, Unreadable):
        raise ArgumentError(
            f"{name} must hold no rows {row.reason}, got {row.content[:80]!r} at row {number}; correct or drop it"
        )
    if not isinstance(row, Mapping):
        raise ArgumentError(
            f"{name} must hold objects from column to value, got {type(row).__name__} at row {number}; correct it"
        )
    try:
        rendered(row).encode()
    except UnicodeEncodeError:
        raise ArgumentError(
            f"{name} must be valid UTF-8, got something else at row {number}; correct or drop it"
        ) from None
    renamed = dict(row)
    for new, old in columns:
        renamed[new] = _value(row, old, name=name, number=number)
    for column in needed:
        _value(renamed, column, name=name, number=number)
    return renamed


def _value(row: Mapping[str, Any], column: str, *, name: str, number: int) -> Any:
    if column not in row:
        raise MissingColumnError(
            f"{name} must have a column `{column}`, got {', '.join(row) or 'none'} at row {number}; add it, or name "
            f"the column that has it: --column {column}=COLUMN"
        )
    return row[column]


def rendered(row: Mapping[str, Any]) -> str:
    """A row as JSON on one line; what JSON does not know becomes text (dates, bytes) or null (NaN, infinities)."""
    try:
        return _dumped(row)
    except ValueError:
        return _dumped(json.loads(json.dumps(row, default=str), parse_constant=lambda _: None))


_dumped = partial(json.dumps, ensure_ascii=False, default=str, allow_nan=False)
