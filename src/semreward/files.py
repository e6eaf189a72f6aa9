"""The reader of data files, which guesses nothing: TSV has no quoting, CSV and TSV hold strings, lines end at LF."""

import codecs
import csv
import gzip
import importlib
import io
import json
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple

from semreward.errors import ArgumentError, MissingColumnError, MissingDependencyError

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
            there is no such line, and rows are mappings from these numbers.
        split: Split of a hub data set.
        keep_bad: Yield a `BadRow` for each bad row, instead of an error.

    Raises:
        ArgumentError: There is no such file, it is damaged, or (after all rows before it) a row cannot be read.
        MissingColumnError: A row lacks a column; with `keep_bad`, the first row.
        MissingDependencyError: The library for a format is not installed.
    """
    name = "stdin" if source == STDIN else source
    for number, row in enumerate(_rows(source, columns, split), start=1):
        missing = [] if isinstance(row, BadRow) else [column for column in columns if column not in row]
        if missing and (number == 1 or not keep_bad):
            raise MissingColumnError(
                f"{name} must have a column `{missing[0]}`, got {', '.join(map(str, row)) or 'none'} at row {number}; "
                "add it, or name another column"
            )
        if isinstance(row, BadRow) and not keep_bad:
            place = f"row {number} (line {row.line})"
            raise ArgumentError(f"{name}: {row.fault} at {place}, got {row.content[:80]!r}; correct or drop it")
        yield BadRow(0, "missing column", str(row)) if missing else row


def read_json(path: str | PathLike[str]) -> Any:
    """The content of a JSON file, gzipped or not; an `ArgumentError` if it cannot be read."""
    with _opened(Path(path)) as file:
        return json.loads(file.read())


def is_file(name: str | PathLike[str]) -> bool:
    """Whether there is such a file; False for a name that is too long for one."""
    return os.path.isfile(name)  # noqa: PTH113 - Path.is_file raises for such a name


def _rows(source: str | PathLike[str], columns: Sequence[Any], split: str) -> Iterator[Any]:
    path, is_numbered = Path(source), any(isinstance(column, int) for column in columns)
    ending = Path(str(path).removesuffix(".gz")).suffix
    if COLUMN in str(source):
        yield from _aligned_rows(str(source), columns)
    elif ending in FORMATS or source == STDIN:
        with _opened(path) as file:
            for row in _file_rows(file, ending, is_numbered=is_numbered):
                yield dict(enumerate(row.values())) if is_numbered and isinstance(row, dict) else row
    elif is_file(path):
        raise ArgumentError(
            f"data file {str(source)!r} must end in {', '.join(FORMATS)}, or in one of these and .gz; convert it"
        )
    elif isinstance(source, PathLike) or source.startswith((".", "/", "~")):
        raise ArgumentError(f"data file {str(source)!r} does not exist; correct the path")
    else:
        yield from _library("datasets", "semreward[train]").load_dataset(source, split=split)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file or of stdin; whatever reading them raises becomes an error that names it."""
    if str(path) != STDIN and not is_file(path):
        raise ArgumentError(f"data file {str(path)!r} does not exist; correct the path")
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == STDIN else opener(path, "rb") as file:
            yield file
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise ArgumentError(
            f"data file {str(path)!r} cannot be read: {error}; is it complete, and what its ending says?"
        ) from error


def _file_rows(file: IO[bytes], ending: str, *, is_numbered: bool) -> Iterator[Any]:
    if ending == ".parquet":
        parquet = _library("pyarrow.parquet", "semreward[train]")
        table = parquet.ParquetFile(file)
        names = table.schema_arrow.names
        _distinct(zip(names, names, strict=True))
        for batch in table.iter_batches():
            yield from batch.to_pylist()
    elif ending == ".csv":
        reader = csv.reader(_lines(file), strict=True)
        try:
            yield from _table_rows(((reader.line_num, record) for record in reader), is_numbered=is_numbered)
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
    elif ending == ".tsv":
        records = (line.rstrip("\r\n").split("\t") for line in _lines(file))
        yield from _table_rows(enumerate(records, start=1), is_numbered=is_numbered)
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


def _table_rows(records: Iterable[tuple[int, Sequence[str]]], *, is_numbered: bool) -> Iterator[Any]:
    names: Sequence[Any] = ()
    for line, values in records:
        if not names and not is_numbered:
            names = list(_distinct(zip(values, values, strict=True)))
        elif not any(values) and len(values) <= 1:
            continue  # a blank line
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
        with _opened(Path(name.replace(COLUMN, column))) as file:
            texts.append([line.rstrip("\r\n") for line in _lines(file)])
    if len(set(map(len, texts))) > 1:
        lengths = ", ".join(f"{column}: {len(lines)}" for column, lines in zip(columns, texts, strict=True))
        raise ArgumentError(f"the files {name!r} must have as many lines each, got {lengths}; correct the files")
    yield from _table_rows(enumerate([columns, *zip(*texts, strict=True)]), is_numbered=False)


def _library(name: str, install: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(f"{error}; install it with: pip install '{install}'") from error
