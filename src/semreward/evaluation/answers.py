"""Asking a model: fields of a prompt, and answers on disk, written as they come, so that a run can be interrupted."""

import hashlib
import json
import os
import string
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from semreward.errors import ArgumentError, ArgumentTypeError

# How the lines of this package begin; tells a line of ours that was cut off from the end of a foreign file.
_BEGINNINGS = (b'{"id": ', b'{"row": ', b'{"key": ')


class AnswerFile(dict[str, str]):
    """Answers by key, in a file of JSON lines that only grows; `None` instead of a path keeps them in memory only.

    Of several lines with one key the last counts. A last line that was cut off is removed; one that lacks only its
    line break is kept. Threads may add at the same time; two processes may not share a file.

    Raises:
        ArgumentError: A line is not an answer, and was not cut off either; the file is left as it is.
        OSError: The file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        super().__init__()
        self.path = None if path is None else Path(path)
        self._lock = threading.Lock()
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(0)
            lines = file.read().split(b"\n")
            for number, line in enumerate(lines, start=1):
                self._read(line, number, is_last=number == len(lines))
            if lines[-1] and _json(lines[-1]) is None:
                file.truncate(file.tell() - len(lines[-1]))
            elif lines[-1]:
                file.write(b"\n")

    def _read(self, line: bytes, number: int, *, is_last: bool) -> None:
        record = _json(line)
        key, answer = (record.get("key"), record.get("answer")) if isinstance(record, dict) else (None, None)
        is_ours = any(line.startswith(beginning) or beginning.startswith(line) for beginning in _BEGINNINGS)
        if isinstance(key, str) and isinstance(answer, str):
            self[key] = answer
        elif not is_last or record is not None or not is_ours:
            raise ArgumentError(
                f"line {number} of {str(self.path)!r} must be a JSON object with texts `key` and `answer`; remove the "
                "line, or give the path of another file"
            )

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


def key_of(answerer: str, question: str) -> str:
    """The key of an answer: a hash of who is asked, and of everything that is asked."""
    return hashlib.sha256(json.dumps([answerer, question]).encode()).hexdigest()


def answerer_name(answerer: object, name: str | None, *, argument: str, keeps: bool) -> str:
    """The name of a judge or reader: as given, its `signature`, or its Python name if no file `keeps` the answers."""
    if not callable(answerer):
        raise ArgumentTypeError(f"`{argument}` must be callable, got {type(answerer).__name__}")
    if name is not None and not isinstance(name, str):
        raise ArgumentTypeError(f"`{argument}_name` must be a string, got {name!r}")
    signature = getattr(answerer, "signature", None)
    if name is None and isinstance(signature, str):
        return signature
    if name is None and keeps:
        raise ArgumentError(
            f"`{argument}_name` must say what {answerer!r} is called, because a file keeps its answers and it has no "
            "`signature`; give a name that changes with its answers"
        )
    return name if name is not None else str(getattr(answerer, "__qualname__", type(answerer).__qualname__))


def check_fields(template: str, fields: Collection[str], *, argument: str) -> None:
    """Raise unless a template is a string with exactly these fields."""
    if not isinstance(template, str):
        raise ArgumentTypeError(f"`{argument}` must be a string, got {type(template).__name__}")
    try:
        found = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise ArgumentError(f"`{argument}` must double braces that are not fields: {error}") from error
    if found != set(fields):
        raise ArgumentError(
            f"`{argument}` must have the fields {', '.join(sorted(fields))} and no others, got "
            f"{', '.join(sorted(found)) or 'none'}; double braces that are not fields"
        )
