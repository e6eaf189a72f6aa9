"""From a round's texts to their rows: cut into batches, made ready one ahead of the forward pass, and checked."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.cache import Vector
from semreward.errors import EncoderError

EncodeBatch: TypeAlias = Callable[[list[str]], NDArray[np.float32]]
"""One forward pass: B texts to an array of shape (B, D)."""

# How far a row may be from norm 1 before it no longer is a unit vector (half precision rounds by about 1e-3).
_UNIT_SLACK = 5e-3


@runtime_checkable
class PreparingModel(Protocol):
    """A model whose forward pass comes in two halves, so that a batch is made ready while the one before it runs."""

    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        """Cut texts, longest first, into batches: each batch's texts, and its inputs or the `Exception` they raised."""
        ...

    def forward(self, inputs: Any) -> NDArray[np.float32]:
        """The rows of one batch."""
        ...


def longest_first(text: str) -> tuple[int, str]:
    """Longest first, so that running out of memory shows at the first batch; ties in one order, for reproducibility.

    Length in bytes: between scripts, tokens follow bytes more closely than letters.
    """
    return -(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))), text


def outcomes(
    model: "EncodeBatch | PreparingModel", texts: list[str], *, batch_size: int, wanted: Callable[[list[str]], bool]
) -> Iterator[tuple[list[str], object]]:
    """Batches of texts, each with what the model made of it: its rows, or the exception that it raised.

    Args:
        model: The model; a `PreparingModel` cuts batches itself.
        texts: Distinct texts, longest first.
        batch_size: Texts a batch, for any other model.
        wanted: Whether a batch is still worth a forward pass.
    """
    if not texts:
        return
    batches: Iterator[tuple[list[str], Any]]
    forward: Callable[[Any], object]
    if isinstance(model, PreparingModel):
        batches, forward = ahead(model.prepared(texts), len(texts)), model.forward
    else:
        cuts = (texts[start : start + batch_size] for start in range(0, len(texts), batch_size))
        batches, forward = ((batch, batch) for batch in cuts), model
    for batch, inputs in batches:
        if isinstance(inputs, Exception):
            yield batch, inputs
        elif wanted(batch):
            yield batch, _rows_or_exception(forward, inputs)


def _rows_or_exception(forward: Callable[[Any], object], inputs: Any) -> object:
    try:
        return forward(inputs)
    except Exception as error:  # noqa: BLE001 - raised again in the threads that wait for this batch
        return error


def ahead(batches: Iterator[tuple[list[str], Any]], texts: int) -> Iterator[tuple[list[str], Any]]:
    """Yield batches, making the next ones ready in a helper thread while the consumer works on one.

    Args:
        batches: What to iterate; never by two threads at a time, because tokenizers cannot be shared.
        texts: How many texts all batches hold: where the first one holds them all, no thread is started.
    """
    first = next(batches, None)
    if first is None:
        return
    if len(first[0]) == texts:
        yield first
        return
    ready: queue.Queue[tuple[list[str], Any] | BaseException | None] = queue.Queue(maxsize=2)
    abandoned = threading.Event()
    helper = threading.Thread(target=_fill, args=(ready, batches, abandoned), name="semreward-tokenizer", daemon=True)
    helper.start()
    try:
        yield first
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        abandoned.set()
        while helper.is_alive():  # it may be putting what nobody takes any more
            with contextlib.suppress(queue.Empty):
                ready.get_nowait()
            helper.join(0.001)


def _fill(ready: "queue.Queue[Any]", batches: Iterator[Any], abandoned: threading.Event) -> None:
    last: BaseException | None = None
    try:
        for batch in batches:
            ready.put(batch)
            if abandoned.is_set():
                return
    except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
        last = error
    ready.put(last)


def rows_or_errors(vectors: object, texts: Sequence[str]) -> Sequence[Vector | EncoderError] | EncoderError:
    """What an encoder returned: a unit row or an error for each text, or one error for all of them."""
    try:
        return cast("Sequence[Vector]", checked_unit_rows(vectors, texts))
    except EncoderError as error:
        whole = error
    try:
        candidates = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError):
        return whole
    if candidates.ndim != 2 or len(candidates) != len(texts):  # noqa: PLR2004 - a matrix
        return whole
    return [_row_or_error(row, text) for row, text in zip(candidates, texts, strict=True)]


def _row_or_error(row: Vector, text: str) -> Vector | EncoderError:
    try:
        return cast("Vector", checked_unit_rows(row[None], [text])[0])
    except EncoderError as error:
        return error


def checked_unit_rows(vectors: object, texts: Sequence[str]) -> NDArray[np.float32]:
    """What an encoder returned, as float32; an `EncoderError` unless it is one finite unit row a text."""
    try:
        rows = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EncoderError(f"an encoder must return an array, got {type(vectors).__name__}: {error}") from error
    if rows.ndim != 2 or rows.shape[0] != len(texts):  # noqa: PLR2004 - a matrix
        raise EncoderError(f"an encoder must return one row a text, shape ({len(texts)}, D); got shape {rows.shape}")
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    bad = np.flatnonzero(~(np.abs(norms - 1.0) <= _UNIT_SLACK))  # catches NaN, too
    if bad.size:
        row = int(bad[0])
        raise EncoderError(
            f"an encoder must return finite rows of norm 1, got norm {norms[row]:.6g} for {texts[row][:60]!r}; "
            "normalise its output, and check its weights if the norm is NaN"
        )
    return rows
