"""Where results go: a file, or stdout, which may be closed early. What is for people goes to stderr."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from semreward.errors import ArgumentError

_PIPE_CLOSED = 128 + 13  # as a shell has it for a process that SIGPIPE ended


def say(text: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(text + "\n")


def put(text: str) -> None:
    """Write to stdout, at once.

    Raises:
        SystemExit: Nobody reads any more (`| head`).
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_PIPE_CLOSED) from None


def check_target(path: str | None, source: str) -> None:
    """Find out before the work begins that its result could not be written.

    Args:
        path: The file to write; `None` for stdout.
        source: The file that is read.

    Raises:
        ArgumentError: The folder does not exist, `path` is one itself, or it is the file that is read.
    """
    if path is None:
        return
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise ArgumentError(f"--out must name a file in an existing folder, got {path!r}; make the folder first")
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise ArgumentError(f"--out must not be the file that is read, got {path!r}; give another name")


@contextlib.contextmanager
def opened(path: str | None) -> Iterator[Callable[[str], None]]:
    """A function that writes to stdout, or to a file, which is made when the first text comes.

    Raises:
        ArgumentError: The file cannot be written, as a text comes.
    """
    if path is None:
        yield put
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
def refusals() -> Iterator[None]:
    """What the system says of a file that cannot be written is told as wrong input.

    Raises:
        ArgumentError: In its place.
    """
    try:
        yield
    except OSError as error:
        raise ArgumentError(f"--out cannot be written: {error}; give another path, or make room") from error
