"""Where results go: a file, or stdout, which may be closed early. What is for people goes to stderr."""

import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

from semreward.errors import ArgumentError


class ReaderGoneError(Exception):
    """Nobody reads stdout any more, as behind `| head`."""


def say(text: str) -> None:
    """Write a line, or several, to stderr, if that can be written."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text.removesuffix("\n") + "\n")


def put(text: str, stdout: TextIO) -> None:
    """Write to stdout, at once.

    Raises:
        ReaderGoneError: Nobody reads any more.
        ArgumentError: It cannot be written.
    """
    try:
        with refusals("stdout"):
            stdout.write(text)
            stdout.flush()
    except (ReaderGoneError, ArgumentError):
        # The interpreter flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        raise


def check_target(path: str | None, options: Namespace) -> None:
    """Find out before the work begins that its result could not be written.

    Args:
        path: The file to write; `None` for stdout.
        options: The parsed command line, which names the files that are read.

    Raises:
        ArgumentError: The folder does not exist, `path` is one itself, cannot be written, or is a file that is read.
    """
    if path is None:
        return
    if path == "-":
        raise ArgumentError("--out must name a file, got '-'; leave it out to write to stdout")
    target = Path(path)
    read = (options.file, getattr(options, "threshold", None), (options.reward or "").rpartition(":")[0])
    with refusals():
        if target.is_dir() or not target.parent.is_dir():
            raise ArgumentError(f"--out must name a file in an existing folder, got {path!r}; make the folder first")
        if not os.access(target if target.exists() else target.parent, os.W_OK):
            raise ArgumentError(f"--out must name a file that may be written, got {path!r}; give another path")
        if target.exists() and any(source and Path(source).exists() and target.samefile(source) for source in read):
            raise ArgumentError(f"--out must not be a file that is read, got {path!r}; give another name")


@contextlib.contextmanager
def opened(path: str | None, stdout: TextIO) -> Iterator[Callable[[str], None]]:
    """A function that writes to stdout, or to a file, which is made when the first text comes.

    Raises:
        ReaderGoneError: As `put` raises it, as a text comes.
        ArgumentError: The file cannot be written, as a text comes.
    """
    if path is None:
        yield partial(put, stdout=stdout)
        return
    target = _File(path)
    try:
        yield target.write
    finally:
        target.close()


class _File:
    """A file whose every text is on the disk before the next one comes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: TextIO | None = None

    def write(self, text: str) -> None:
        with refusals():
            if self._file is None:
                self._file = Path(self._path).open("w", encoding="utf-8")  # noqa: SIM115 - `close` closes it
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # told by the write that failed
            if self._file is not None:
                self._file.close()


@contextlib.contextmanager
def refusals(name: str = "--out") -> Iterator[None]:
    """What the system says of a file that cannot be written is told as wrong input.

    Raises:
        ReaderGoneError: In its place, for a pipe.
        ArgumentError: In its place, for all else.
    """
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGoneError from error
    except OSError as error:
        raise ArgumentError(f"{name} cannot be written: {error}; give another path, or make room") from error
