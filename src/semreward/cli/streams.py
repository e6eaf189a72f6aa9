"""Rows that a command reads, errors about them, and where its results go."""

import contextlib
import os
import re
import stat
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError, SemRewardError
from semreward.files import STDIN, read_rows

Row: TypeAlias = dict[str, Any]

ABOUT_ROWS = (ArgumentError, ArgumentTypeError, RewardOutputError)
"""Errors whose messages count the rows of a call. Those of an encoder count its texts."""


class ReaderGoneError(Exception):
    """Nobody reads stdout any more, as behind `| head`."""


def rows_of(source: str, columns: Sequence[tuple[str, str]], *, needed: Sequence[str]) -> Iterator[Row]:
    """The rows of a file, with each column NAME that `--column NAME=COLUMN` takes from another one."""
    taken = dict(columns)
    if len(taken) < len(columns):
        raise ArgumentError("--column must name each NAME once; of several references make one column of lists")
    required = [*taken.values(), *(name for name in needed if name not in taken)]
    if is_one_file(source, sys.__stdout__):  # it would grow while it is read
        raise ArgumentError(f"stdout must not be the file that is read, {name_of(source)}; write to another one")
    is_empty = True
    for row in read_rows(source if source == STDIN else Path(source), required):
        is_empty = False
        yield row | {name: row[column] for name, column in taken.items()}
    if is_empty:
        raise ArgumentError(f"{name_of(source)} must hold at least one row, got none")


def name_of(source: str) -> str:
    """The name of a source in messages."""
    return "stdin" if source == STDIN else source


def located(error: SemRewardError, source: str, *, first: int | None = None) -> SemRewardError:
    """An error that counts rows as the file does: from 1. `first`: how many rows come before the call's first one."""
    message, named = str(error), 0
    if isinstance(error, ABOUT_ROWS):
        message, named = re.subn(r"\brow (\d+)\b", lambda found: f"row {int(found[1]) + (first or 0) + 1}", message)
    place = name_of(source) if named or first is None else f"{name_of(source)}, row {first + 1}"
    return type(error)(f"{place}: {message}")


def say(text: str) -> None:
    """Write to stderr, if that is possible."""
    with contextlib.suppress(OSError, AttributeError):  # full, or closed
        sys.stderr.write(text.removesuffix("\n") + "\n")


def put(text: str, stdout: TextIO) -> None:
    """Write to stdout at once."""
    try:
        stdout.write(text)
        stdout.flush()
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())  # the interpreter flushes once more at its end
        raise ReaderGoneError from error


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turns an `OSError` of writing a file into an `ArgumentError`."""
    try:
        yield
    except OSError as error:
        raise ArgumentError(f"--out cannot be written: {error}; give another path, or make room") from error


def check_target(path: str, options: Namespace) -> None:
    """Raise, before the work begins, if its result could not be written, or would replace what is read."""
    target = Path(path)
    read = (options.file, getattr(options, "threshold", None), (options.reward or "").rpartition(":")[0])
    with refusals():
        is_device = target.exists() and not target.is_file()  # others are written beside, and then replaced
        places = [target] if is_device else [target.resolve().parent, *([target] if target.exists() else [])]
        if target.is_dir() or not all(os.access(place, os.W_OK) for place in places):
            raise ArgumentError(f"--out must name a file that may be written, in an existing folder, got {path!r}")
        if any(is_one_file(path, source) for source in read if source):
            raise ArgumentError(f"--out must not be a file that is read, got {path!r}; give another name")


def is_one_file(*places: Any) -> bool:
    """Whether two paths or streams are one regular file; `-` is stdin."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no such file, closed, or not the system's
        streams = [sys.stdin if place == STDIN else place for place in places]
        found = [os.stat(place if isinstance(place, str) else place.fileno()) for place in streams]  # noqa: PTH116
        return stat.S_ISREG(found[0].st_mode) and os.path.samestat(*found)
    return False
