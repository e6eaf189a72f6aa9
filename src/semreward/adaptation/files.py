"""Rows of data files, compressed or not, and of hub data sets, one after the other."""

import bz2
import codecs
import csv
import gzip
import importlib
import io
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

from semreward.errors import ArgumentError, MissingDependencyError

FORMATS = (".tsv", ".csv", ".jsonl", ".parquet")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")

# Longest field of a CSV file; the library's own limit is 128 KB, less than an article.
_FIELD_BYTES = 1 << 27


@dataclass(frozen=True)
class Unreadable:
    """A row that cannot be read.

    Attributes:
        reason: Why, as it goes on after "3 rows".
        content: What stands there.
    """

    reason: str
    content: str

    def __str__(self) -> str:
        return self.content


def is_file_name(source: str | PathLike[str]) -> bool:
    """Whether this names a local file, rather than a hub data set.

    Raises:
        ArgumentError: It reads as a file name, and there is no such file, or its ending is not known.
    """
    path = Path(source)
    known = _format_of(path) is not None
    if path.is_file():
        if not known:
            raise ArgumentError(
                f"data file {str(source)!r} must end in {', '.join(FORMATS)} (and, if compressed, in one of "
                f"{', '.join(COMPRESSIONS)}); rename or convert it"
            )
        return True
    if known or isinstance(source, PathLike) or source.startswith((".", "/", "~")):
        raise ArgumentError(f"data file {str(source)!r} does not exist; correct the path")
    return False


def numbered_rows(source: str | PathLike[str], *, has_header: bool) -> Iterator[Any]:
    """The rows of a file: mappings where columns have names, else lists; `Unreadable` where a row is neither.

    Args:
        source: The file.
        has_header: Whether the first line of a TSV or CSV file names the columns.

    Raises:
        ArgumentError: The file is damaged, or not what its ending says.
        MissingDependencyError: The format's library is not installed.
    """
    path = Path(source)
    read = {".tsv": _tsv_rows, ".csv": _csv_rows, ".jsonl": _json_rows, ".parquet": _parquet_rows}[
        str(_format_of(path))
    ]
    try:
        with _opened(path) as file:
            yield from read(file, has_header)
    except _damages(path) as error:
        raise ArgumentError(
            f"data file {str(source)!r} cannot be read: {error}; is it whole, and what its ending says?"
        ) from error


def _damages(path: Path) -> tuple[type[Exception], ...]:
    """What a reader raises where a file is damaged."""
    known = (OSError, EOFError, lzma.LZMAError, csv.Error, ValueError)
    return (*known, _library("zstandard", "zstandard").ZstdError) if path.suffix == ".zst" else known


def hub_rows(name: str, split: str) -> Iterator[dict[str, Any]]:
    """The rows of a hub data set's split.

    Raises:
        MissingDependencyError: The `train` extra is not installed.
    """
    yield from _library("datasets", "semreward[train]").load_dataset(name, split=split)


def _format_of(path: Path) -> str | None:
    endings = [ending for ending in path.suffixes if ending not in COMPRESSIONS]
    return endings[-1] if endings and endings[-1] in FORMATS else None


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".zst":
        zstandard = _library("zstandard", "zstandard")
        stream: IO[bytes] = zstandard.open(path, "rb")
        return stream
    opened: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    file: IO[bytes] = opened.get(path.suffix, open)(path, "rb")
    return file


def _lines(file: IO[bytes]) -> Iterator[str]:
    """The text by lines; bytes that are no UTF-8 become lone surrogates, which no text holds."""
    for number, line in enumerate(file):
        yield (line if number else line.removeprefix(codecs.BOM_UTF8)).decode("utf-8", "surrogateescape")


def _tsv_rows(file: IO[bytes], has_header: bool) -> Iterator[Any]:
    rows = (line.rstrip("\r\n").split("\t") for line in _lines(file))
    return _named(rows, has_header)


def _csv_rows(file: IO[bytes], has_header: bool) -> Iterator[Any]:
    csv.field_size_limit(_FIELD_BYTES)
    return _named(csv.reader(_lines(file), strict=True), has_header)


def _named(rows: Iterator[list[str]], has_header: bool) -> Iterator[Any]:
    if not has_header:
        yield from rows
        return
    names = next(rows, [])
    _check_names(names)
    for row in rows:
        if len(row) == len(names):
            yield dict(zip(names, row, strict=True))
        elif any(row) or len(row) > 1:  # else a blank line
            yield Unreadable("with another number of columns", str(row))


def _check_names(names: list[str]) -> None:
    if twice := [name for number, name in enumerate(names) if name in names[:number]]:
        raise ValueError(f"two columns are called {twice[0]!r}")


def _json_rows(file: IO[bytes], has_header: bool) -> Iterator[Any]:  # noqa: ARG001 - the readers are interchangeable
    for line in _lines(file):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield Unreadable("that are no JSON", line)


def _parquet_rows(file: IO[bytes], has_header: bool) -> Iterator[Any]:  # noqa: ARG001
    parquet = _library("pyarrow.parquet", "semreward[train]")
    whole = file if file.seekable() else io.BytesIO(file.read())
    table = parquet.ParquetFile(whole)
    _check_names(table.schema_arrow.names)
    for batch in table.iter_batches():
        yield from batch.to_pylist()


def _library(name: str, install: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(f"{error}; install it with: pip install '{install}'") from error
