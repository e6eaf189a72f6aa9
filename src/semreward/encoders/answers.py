"""Reading what an embedding server answers: its vectors, its error messages, how long it asks to wait."""

import base64
import binascii
import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BYTES_QUOTED = 2**16


class WrongAnswerError(ValueError):
    """An answer does not hold one usable vector a text; the server is asked again."""


def unit_rows(content: bytes, count: int) -> NDArray[np.float32]:
    """The vectors of an answer, in the order of the texts, as unit rows of shape (count, D), float32.

    Raises:
        WrongAnswerError: It does not hold `count` finite vectors of one width, none of them zero.
    """
    try:
        answer: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise WrongAnswerError(f"no JSON, but {content[:_BYTES_QUOTED].decode(errors='replace')}") from None
    items = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise WrongAnswerError(f"no list `data` of objects, but {message_of(content)}")
    if len(items) != count:
        raise WrongAnswerError(f"{len(items)} vectors for {count} texts")
    vectors = [_vector(item.get("embedding")) for item in _in_order(items)]
    if len({vector.size for vector in vectors}) != 1:
        raise WrongAnswerError("vectors of different widths")
    rows = np.stack(vectors).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise WrongAnswerError("a vector that is zero or not finite")
    unit: NDArray[np.float32] = (rows / norms).astype(np.float32)
    return unit


def _in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items by their index; as they come where none has one."""
    if all(item.get("index") is None for item in items):
        return items
    by_index = {index: item for item in items if type(index := item.get("index")) is int}
    if by_index.keys() != set(range(len(items))):
        raise WrongAnswerError("an index that is missing, repeated or out of range")
    return [by_index[index] for index in range(len(items))]


def _vector(value: object) -> NDArray[np.floating[Any]]:
    """A vector as a server wrote it: a list of numbers, or little-endian float32 in base64."""
    try:
        if isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
        vector = np.asarray(value if isinstance(value, list) else None)
    except (ValueError, binascii.Error, OverflowError, RecursionError):
        raise WrongAnswerError("a vector that cannot be read") from None
    if vector.ndim != 1 or vector.size == 0 or vector.dtype.kind not in "fiu":
        raise WrongAnswerError("a vector that is no list of numbers")
    return vector.astype(np.float64)


def message_of(content: bytes) -> str:
    """What a server says in an error: the message in it, where it is JSON of the usual form, or its text."""
    found: Any
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return content.decode(errors="replace")
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def retry_after_s(value: str | None) -> float:
    """Seconds that a `Retry-After` header asks to wait, given as a number or as a date; 0 where it says nothing."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError, IndexError, OverflowError):
            return 0.0
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return seconds if seconds > 0 else 0.0
