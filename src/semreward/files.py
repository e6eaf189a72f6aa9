"""Reads data files and guesses nothing: TSV has no quoting, CSV and TSV hold strings, LF ends a line. Writes texts."""

import codecs
import csv
import gzip
import io
import json
import os
import re
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple

from semreward.errors import ArgumentError, MissingColumnError, library

FORMATS = (".tsv", ".csv", ".jsonl", ".parquet", ".json")
COLUMN = "{column}"
STDIN = "-"

_NOT_UTF8 = re.compile("[\0\ud800-\udfff]")  # the NULs of UTF-16, and what wrong bytes are decoded to

csv.field_size_limit(1 << 27)  # the default, 128 kB, is less than a long article


class BadRow(NamedTuple):
    """A row that cannot be read: the line on which it ends, counted from 1, the fault and the content."""

    line: int
    fault: str
    content: str


def read_rows(
    source: str | PathLike[str], columns: Sequence[str | int] = (), *, split: str = "train", keep_bad: bool = False
) -> Iterator[Any]:
    """The rows of a file, stdin or hub data set, as mappings from column to value.

    Args:
        source: A `.jsonl`, `.json` (an array of objects, or JSON lines), `.csv`, `.tsv` or `.parquet` file; or, with
            `{column}` in its name, text files aligned by line. All may be gzipped (`.gz`). `-`: JSON lines on stdin.
            Any other string names a hub data set.
        columns: What every row must have. Names: the first line of a CSV or TSV file holds the names. Numbers, from 0:
            the first line is a row, too, and rows are mappings from these numbers.
        split: Split of a hub data set.
        keep_bad: Yield a `BadRow` for each bad row, instead of an error.

    Raises:
        ArgumentError: There is no such file, it is damaged, or (after all rows before it) a row cannot be read.
        MissingColumnError: A header or a row lacks a column; with `keep_bad`, a header or the first row.
        MissingDependencyError: The library for a format is not installed.
    """
    name = "stdin" if source == STDIN else str(source).replace(COLUMN, str(columns[0]) if len(columns) == 1 else COLUMN)
    for number, row in enumerate(_rows(source, columns, split)):
        missing = [] if isinstance(row, BadRow) else [column for column in columns if column not in row]
        if missing and (number <= 1 or not keep_bad):
            place = f"at row {number}" if number else "in its header"
            raise MissingColumnError(
                f"{name} must have a column `{missing[0]}`, got {', '.join(map(str, row)) or 'none'} {place}; "
                "add it, name another column, or correct what separates columns"
            )
        if isinstance(row, BadRow) and not keep_bad:
            place = f"row {number} (line {row.line})"
            raise ArgumentError(f"{name}: {row.fault} at {place}, got {row.content[:80]!r}; correct or drop it")
        if number:
            yield BadRow(0, "missing column", str(row)) if missing else row


def read_json(path: str | PathLike[str]) -> Any:
    """The content of a JSON file, gzipped or not, or the rows of JSON lines; an `ArgumentError` if it is neither."""
    with _opened(str(path)) as file:
        try:
            return json.loads(file.read())
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":  # behind the first of several values
                raise
    return list(read_rows(path))


def write_text(path: str | PathLike[str], text: str) -> None:
    r"""Write a file whole or not at all (an `OSError`). A lone surrogate becomes `\udXXX`: in JSON the same text."""
    if os.path.exists(path) and not is_file(path):  # noqa: PTH110 - as above; a pipe or a device
        Path(path).write_text(text, encoding="utf-8", errors="backslashreplace")
        return
    target = Path(path).resolve()
    beside = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def is_file(name: str | PathLike[str]) -> bool:
    """Whether there is such a file; False for a name that is too long for one."""
    return os.path.isfile(name)  # noqa: PTH113 - Path.is_file raises for such a name


def _rows(source: str | PathLike[str], columns: Sequence[Any], split: str) -> Iterator[Any]:
    """The header, a mapping whose keys are the columns, and the rows. Without a header, every column is in it."""
    name, is_numbered = str(source), any(isinstance(column, int) for column in columns)
    ending = Path(name.removesuffix(".gz")).suffix
    is_path = isinstance(source, PathLike) or name.startswith((".", "/", "~"))
    has_header = not is_numbered and COLUMN not in name and ending in (".csv", ".tsv", ".parquet")
    if not has_header:
        yield dict.fromkeys(columns)
    if COLUMN in name:
        yield from _aligned_rows(name, columns)
    elif ending in FORMATS or name == STDIN or (is_path and not is_file(name)):
        names: list[Any] = []
        with _opened(name) as file:
            for row in _file_rows(file, ending, has_header=has_header):
                names = names or (list(row) if isinstance(row, dict) else [])  # positions are those of the first row
                is_renamed = is_numbered and isinstance(row, dict)
                yield {index: row[key] for index, key in enumerate(names) if key in row} if is_renamed else row
    elif is_file(name):
        raise ArgumentError(f"data file {name!r} must end in {', '.join(FORMATS)}, with or without .gz; convert it")
    else:
        try:
            yield from library("datasets", "semreward[train]").load_dataset(source, split=split)
        except (OSError, ValueError) as error:  # the hub's errors are among them
            raise ArgumentError(f"hub data set {name!r} cannot be read: {error}; is it named correctly?") from error


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """The bytes of a file or of stdin; whatever reading them raises becomes an error that names it."""
    if name != STDIN and not is_file(name):
        what = "is not a regular file" if os.path.exists(name) else "does not exist"  # noqa: PTH110 - as above
        raise ArgumentError(f"data file {name!r} {what}; correct the path, or pipe JSON lines to `-`")
    opener: Any = gzip.open if name.endswith(".gz") else open
    try:
        with nullcontext(sys.stdin.buffer) if name == STDIN else opener(name, "rb") as file:
            before = name != STDIN and os.fstat(file.fileno())
            yield file
            after = before and os.fstat(file.fileno())
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise ArgumentError(f"data file {name!r} cannot be read: {error}; is it what its ending says?") from error
    if before and after and (before.st_size, before.st_mtime) != (after.st_size, after.st_mtime):
        raise ArgumentError(f"data file {name!r} changed while it was read; wait until it is complete")


def _file_rows(file: IO[bytes], ending: str, *, has_header: bool) -> Iterator[Any]:
    if ending == ".parquet":
        table = library("pyarrow.parquet", "semreward[train]").ParquetFile(file)
        header = _distinct((name, name) for name in table.schema_arrow.names)
        if has_header:
            yield header
        for batch in table.iter_batches():
            yield from batch.to_pylist()
    elif ending == ".csv":
        reader = csv.reader(_lines(file), strict=True)
        try:
            yield from _table_rows(((reader.line_num, record) for record in reader), has_header=has_header)
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
    elif ending == ".tsv":
        records = (line.rstrip("\r\n").split("\t") for line in _lines(file))
        yield from _table_rows(enumerate(records, start=1), has_header=has_header)
    elif ending == ".json":
        text = "".join(_lines(file))
        is_array = text.lstrip().startswith("[")
        rows = json.loads(text, object_pairs_hook=_distinct) if is_array else []
        yield from _json_rows(map(json.dumps, rows) if is_array else io.StringIO(text, newline="\n"))
    else:
        yield from _json_rows(_lines(file))


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Lines with their ends, in UTF-8 or in the UTF-16 that a byte-order mark announces."""
    first = file.readline()
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield from io.StringIO((first + file.read()).decode("utf-16"), newline="\n")
    else:
        for line in chain([first.removeprefix(codecs.BOM_UTF8)] if first else [], file):
            yield line.decode("utf-8", "surrogateescape")


def _table_rows(records: Iterable[tuple[int, Sequence[str]]], *, has_header: bool) -> Iterator[Any]:
    names: dict[str, Any] = {}
    for line, values in records:
        if not any(values) and len(values) <= 1:
            continue  # a blank line
        elif has_header and not names:
            if _NOT_UTF8.search("".join(values)):
                raise ValueError(f"its header, line {line}, is not valid UTF-8")
            names = _distinct((value, value) for value in values)
            yield names
        elif names and len(values) != len(names):
            yield BadRow(line, "another number of columns", str(values))
        elif _NOT_UTF8.search("".join(values)):
            yield BadRow(line, "not valid UTF-8", str(values))
        else:
            yield dict(zip(names or range(len(values)), values, strict=True))


def _json_rows(lines: Iterable[str]) -> Iterator[Any]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
        except (ValueError, RecursionError) as error:
            yield BadRow(number, str(error) if type(error) is ValueError else "not valid JSON", line)
            continue
        if not isinstance(row, dict):
            yield BadRow(number, "not a JSON object", line)
        elif _NOT_UTF8.search(json.dumps(row, ensure_ascii=False)):
            yield BadRow(number, "not valid UTF-8", line)
        else:
            yield row


def _distinct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping of these pairs, unless two have one name."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"two columns are called {name!r}")
        found[name] = value
    return found


def _aligned_rows(name: str, columns: Sequence[str]) -> Iterator[Any]:
    texts = []
    for column in columns:
        with _opened(name.replace(COLUMN, column)) as file:
            texts.append([line.rstrip("\r\n") for line in _lines(file)])
    if len(set(map(len, texts))) > 1:
        lengths = ", ".join(f"{column}: {len(lines)}" for column, lines in zip(columns, texts, strict=True))
        raise ArgumentError(f"the files {name!r} must have equally many lines, got {lengths}; correct the files")
    for values in _table_rows(enumerate(zip(*texts, strict=True), start=1), has_header=False):
        yield values if isinstance(values, BadRow) else dict(zip(columns, values.values(), strict=True))
