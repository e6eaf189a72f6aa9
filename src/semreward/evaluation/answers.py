"""Answers of a model on disk, written as they come: a run that was interrupted asks only for those that are missing."""

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from semreward.errors import ArgumentError, ArgumentTypeError

# How the lines of this package begin, by which one that was cut off is told from the end of a file of somebody else.
_BEGINNINGS = (b'{"id": ', b'{"row": ', b'{"key": ')


class AnswerFile:
    """Answers by key, in a file of JSON lines that only grows.

    A line has the members `key` and `answer`, and whatever else helps a person who reads it. Of several lines with one
    key the last counts. A last line that was cut off while it was written is no answer, and is removed before the next
    one is added; one that lacks only its line break counts. Threads may add at the same time; two processes may not
    share a file.

    Args:
        path: The file, made when the first answer comes; `None`: answers are kept in memory only.

    Raises:
        ArgumentError: A line is no answer, and was not cut off either.

    Example:
        >>> answers = AnswerFile(None)
        >>> answers.add("key", "an answer")
        >>> answers["key"], "another" in answers
        ('an answer', False)
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else Path(path)
        self._lock = threading.Lock()
        self._answers: dict[str, str] = {}
        self._whole_bytes = 0  # up to the last line break
        self._tail = b""  # what stood beyond it when the file was read
        self._tail_counts = False  # whether that is an answer
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def __contains__(self, key: str) -> bool:
        return key in self._answers

    def __getitem__(self, key: str) -> str:
        return self._answers[key]

    def prepare(self) -> None:
        """Make the file ready for more, so that a place that cannot be written shows before anything is asked.

        The end of the file is mended only where it still is what was read: others in this process may have added more.

        Raises:
            OSError: The file cannot be written.
        """
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(self._whole_bytes)
            if not self._tail or file.read() != self._tail:
                return
            if self._tail_counts:
                file.write(b"\n")
            else:
                file.truncate(self._whole_bytes)

    def add(self, key: str, answer: str, **more: object) -> None:
        """Keep an answer.

        Args:
            key: What it answers.
            answer: Its text.
            more: Further members of the line, which nothing reads but people.
        """
        line = json.dumps({**more, "key": key, "answer": answer}, ensure_ascii=False) + "\n"
        content = line.encode("utf-8", errors="surrogatepass")
        with self._lock:
            if self.path is not None:
                with self.path.open("ab") as file:
                    file.write(content)
            self._answers[key] = answer

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        self._whole_bytes = content.rfind(b"\n") + 1
        self._tail = content[self._whole_bytes :]
        *lines, last = content.split(b"\n")
        for number, line in enumerate([*lines, last] if last else lines, start=1):
            record = _record(line)
            if record is not None:
                self._answers[record[0]] = record[1]
            elif number <= len(lines) or not _was_cut_off(line):
                raise ArgumentError(
                    f"line {number} of {os.fspath(path)!r} must be a JSON object with texts `key` and `answer`; remove "
                    "the line, or give the path of another file"
                )
        self._tail_counts = bool(last) and _record(last) is not None


def _record(line: bytes) -> tuple[str, str] | None:
    """Key and answer of a line; `None` where it has none."""
    content = _json(line)
    if not isinstance(content, dict):
        return None
    key, answer = content.get("key"), content.get("answer")
    return (key, answer) if isinstance(key, str) and isinstance(answer, str) else None


def _was_cut_off(line: bytes) -> bool:
    """Whether a line is the beginning of one of ours, and not a whole object of somebody else."""
    begins = any(line.startswith(beginning) or beginning.startswith(line) for beginning in _BEGINNINGS)
    return begins and _json(line) is None


def _json(line: bytes) -> Any:
    """What a line says; `None` where it is no JSON, too."""
    try:
        return json.loads(line.decode("utf-8", errors="surrogatepass"))
    except (ValueError, RecursionError):
        return None


def key_of(answerer: str, question: str) -> str:
    """The key under which an answer is kept: a hash of who is asked, and of everything that is asked.

    Example:
        >>> key_of("model", "question") == key_of("model", "question"), key_of("model", "a") == key_of("model", "b")
        (True, False)
    """
    content = json.dumps([answerer, question]).encode()
    return hashlib.sha256(content).hexdigest()


def answerer_name(answerer: object, name: str | None, *, argument: str, keeps: bool) -> str:
    """What whoever answers is called in signatures and keys: the given name, its `signature`, or what Python calls it.

    Args:
        answerer: A callable, which may have a `signature`.
        name: The name that the user gives it, or `None`.
        argument: What the answerer is called in the user's call.
        keeps: Whether answers outlive the process; then what Python calls a function does not tell it from another.

    Raises:
        ArgumentError: The answers are kept in a file, and there is neither a name nor a `signature`.
        ArgumentTypeError: The answerer cannot be called, or the name is no text.
    """
    if not callable(answerer):
        raise ArgumentTypeError(f"`{argument}` must be callable, got {type(answerer).__name__}")
    if name is not None:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"`{argument}_name` must be a string, got {name!r}")
        return name
    signature = getattr(answerer, "signature", None)
    if isinstance(signature, str):
        return signature
    if keeps:
        raise ArgumentError(
            f"`{argument}_name` must say what {answerer!r} is called where its answers are kept in a file, because a "
            "function does not tell itself from another; give a name that changes with its answers"
        )
    return str(getattr(answerer, "__qualname__", type(answerer).__qualname__))
