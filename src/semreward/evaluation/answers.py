"""Answers of a model on disk, written as they come, so that an interrupted run asks only for the missing ones."""

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from semreward.errors import ArgumentError, ArgumentTypeError

# How the lines of this package begin; tells a line of ours that was cut off from the end of a foreign file.
_BEGINNINGS = (b'{"id": ', b'{"row": ', b'{"key": ')


class AnswerFile(dict[str, str]):
    """Answers by key, in a file of JSON lines that only grows; `None` instead of a path keeps them in memory only.

    A line has the members `key` and `answer`, and others for people. Of several lines with one key the last counts. A
    last line that was cut off is not an answer; one that lacks only its line break is. Threads may add at the same
    time; two processes may not share a file.

    Raises:
        ArgumentError: A line is not an answer, and was not cut off either.

    Example:
        >>> answers = AnswerFile(None)
        >>> answers.add("key", "an answer")
        >>> answers["key"], "another" in answers
        ('an answer', False)
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        super().__init__()
        self.path = None if path is None else Path(path)
        self._lock = threading.Lock()
        content = self.path.read_bytes() if self.path is not None and self.path.exists() else b""
        self._whole = content.rfind(b"\n") + 1  # bytes of whole lines
        self._tail = content[self._whole :]
        lines = content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            record = _json(line)
            key, answer = (record.get("key"), record.get("answer")) if isinstance(record, dict) else (None, None)
            if isinstance(key, str) and isinstance(answer, str):
                self[key] = answer
            elif number < len(lines) or record is not None or not _begins_like_ours(line):
                raise ArgumentError(
                    f"line {number} of {str(self.path)!r} must be a JSON object with texts `key` and `answer`; "
                    "remove the line, or give the path of another file"
                )

    def prepare(self) -> None:
        """Make the file end in a whole line; raises an `OSError` before anything is asked if it cannot be written."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(self._whole)
            if not self._tail or file.read() != self._tail:  # another file object may have mended it, and added more
                return
            if _json(self._tail) is None:
                file.truncate(self._whole)
            else:
                file.write(b"\n")

    def add(self, key: str, answer: str, **more: object) -> None:
        """Keep an answer; `more` are further members of its line, which only people read."""
        line = json.dumps({**more, "key": key, "answer": answer}, ensure_ascii=False) + "\n"
        with self._lock:
            if self.path is not None:
                with self.path.open("ab") as file:
                    file.write(line.encode("utf-8", errors="surrogatepass"))
            self[key] = answer


def _json(line: bytes) -> Any:
    """What a line says; `None` if it is not JSON."""
    try:
        return json.loads(line.decode("utf-8", errors="surrogatepass"))
    except (ValueError, RecursionError):
        return None


def _begins_like_ours(line: bytes) -> bool:
    return any(line.startswith(beginning) or beginning.startswith(line) for beginning in _BEGINNINGS)


def key_of(answerer: str, question: str) -> str:
    """The key of an answer: a hash of who is asked, and of everything that is asked."""
    return hashlib.sha256(json.dumps([answerer, question]).encode()).hexdigest()


def answerer_name(answerer: object, name: str | None, *, argument: str, keeps: bool) -> str:
    """The name of a judge or reader in signatures and keys: the given name, its `signature`, or its Python name.

    If a file `keeps` the answers, a Python name does not do: it does not tell two functions apart.
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
            f"`{argument}_name` must say what {answerer!r} is called, because a file keeps its answers and it has no "
            "`signature`; give a name that changes with its answers"
        )
    return str(getattr(answerer, "__qualname__", type(answerer).__qualname__))
