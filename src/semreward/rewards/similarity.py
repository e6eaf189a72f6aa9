"""Semantic similarity to a reference, thresholded and rescaled (eq. 1 and 2 of the paper)."""

import logging
import warnings
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.engine import Engine, check_encoder, engine_of
from semreward.encoders.local import SentenceTransformerEncoder
from semreward.errors import ArgumentError, CalibrationMismatchWarning, EncoderUnavailableError
from semreward.protocols import Completion, Encoder
from semreward.rewards.base import (
    CompletionReward,
    MissingPolicy,
    Scores,
    answers_of,
    check_missing_policy,
    references_of,
)
from semreward.shaping import SATURATION, check_threshold, threshold_rescale

logger = logging.getLogger(__name__)

ErrorPolicy: TypeAlias = Literal["raise", "none"]
"""What a call becomes whose encoder cannot be reached: an error, or rows without a reward."""

ERROR_POLICIES: tuple[ErrorPolicy, ...] = ("raise", "none")


@runtime_checkable
class MeasuredThreshold(Protocol):
    """A threshold and the encoder that it was measured with: a `semreward.Calibration`."""

    @property
    def threshold(self) -> float:
        """tau, in [-1, 1)."""
        ...

    @property
    def encoder_fingerprint(self) -> str | None:
        """The fingerprint of the encoder; `None` where it is not known."""
        ...

    def __float__(self) -> float:
        """tau, in [-1, 1)."""
        ...


class _Tau(float):
    """A threshold that remembers its encoder. A number in all else, so that a reward with it compares and prints so."""

    encoder_fingerprint: str | None = None


@dataclass(frozen=True)
class SemanticSimilarityReward(CompletionReward):
    r"""How close a completion's meaning is to its reference's, judged by a frozen sentence encoder.

    $$R(y, y^*) = \max\left(0, \frac{\cos(f(y), f(y^*)) - \tau}{1 - \tau}\right)$$

    A value is a float in [0, 1]. An empty completion earns 0 whatever the threshold. Of several references the best
    match counts. A row is `None` only where its reference is missing and `on_missing="none"`, or where the encoder's
    server cannot be reached and `on_error="none"`.

    Args:
        encoder: f: path or hub id of a sentence-transformers model, or an object with `encode` and `fingerprint`.
        threshold: tau in [-1, 1), "a minimal semantic adequacy level"; no value fits two encoders, so there is no
            default: `semreward.calibrate` measures it. A `Calibration` is taken as it is: the attribute is then its
            number, and the first call with an encoder of another fingerprint warns (`CalibrationMismatchWarning`).
        reference_column: Name of the column with a string, or a list of strings, a row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
        on_error: `"raise"`, or `"none"` to let a call pass whose encoder cannot be reached (`EncoderUnavailableError`,
            of encoders behind a server; no other error): its rows get no reward, but for empty completions, which
            earn 0 without an encoder. Each such call is logged as a warning, and its rows without a reward are counted
            in the metric `<name>/encoder_errors`, which is 0 for the other calls.
        name: Metric key.
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

    Raises:
        ArgumentError: `threshold` is outside [-1, 1), or another parameter is out of its range.
        EncoderNotFoundError: `encoder` is a path at which nothing is.
        EncoderUnavailableError: At a call, the encoder cannot be reached and `on_error="raise"`.

    Source:
        Su et al. 2026, section 3.4.1, eq. 1 and 2, https://arxiv.org/abs/2605.14366. The paper does not say what an
        empty output or several references earn.

    Example:
        >>> import numpy as np
        >>> class Letters:  # a real encoder is a trained model; this one counts letters
        ...     fingerprint = "letters"
        ...     def encode(self, texts):
        ...         counts = np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        ...         return counts / np.linalg.norm(counts, axis=1, keepdims=True)
        >>> reward = SemanticSimilarityReward(Letters(), threshold=0.5)
        >>> [round(value, 3) for value in reward(completions=["ab", "c", ""], reference=["ba", "ab", "ab"])]
        [1.0, 0.0, 0.0]
    """

    encoder: Encoder
    _: KW_ONLY
    threshold: float | MeasuredThreshold
    reference_column: str = "reference"
    on_missing: MissingPolicy = "raise"
    on_error: ErrorPolicy = "raise"
    name: str = "semantic_similarity"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.threshold, MeasuredThreshold):
            tau = _Tau(self.threshold)
            tau.encoder_fingerprint = self.threshold.encoder_fingerprint
            object.__setattr__(self, "threshold", tau)
        check_threshold(self.threshold)  # type: ignore[arg-type] # a number by now
        check_missing_policy(self.on_missing)
        if self.on_error not in ERROR_POLICIES:
            raise ArgumentError(f"`on_error` must be one of {', '.join(ERROR_POLICIES)}; got {self.on_error!r}")
        object.__setattr__(self, "encoder", as_encoder(self.encoder))

    def similarity(
        self, completions: Sequence[Completion], reference: Sequence[str | Sequence[str] | None]
    ) -> NDArray[np.float64]:
        """Raw cosines (eq. 1), before the threshold.

        Args:
            completions: `N` texts or lists of messages.
            reference: `N` references, each a string or a list of strings.

        Returns:
            Array of shape (N,), float64, in [-1, 1]: the best match of each row; 0 for an empty completion; NaN where
            the reference is missing and `on_missing="none"`, or the encoder cannot be reached and `on_error="none"`.

        Raises:
            ArgumentError: Lengths differ, or a reference breaks a rule.
            EncoderUnavailableError: The encoder cannot be reached and `on_error="raise"`.
        """
        return self._cosines(answers_of(completions, reasoning=self.reasoning), {self.reference_column: reference})[0]

    def _score(self, answers: list[str], columns: Mapping[str, Any]) -> Scores:
        cosines, unreached = self._cosines(answers, columns)
        present = ~np.isnan(cosines)
        answered = np.array([bool(answer) for answer in answers], dtype=bool)
        rewards = np.full(len(answers), np.nan)
        rewards[present] = threshold_rescale(cosines[present], float(self.threshold)) * answered[present]
        metrics = {} if self.on_error == "raise" else {"encoder_errors": float(unreached)}
        if present.any():
            metrics |= {
                "similarity": float(cosines[present].mean()),
                "dead_zone": float((rewards[present] == 0).mean()),
                "saturation": float((rewards[present] >= SATURATION).mean()),
            }
        values = [float(value) if here else None for value, here in zip(rewards, present, strict=True)]
        raw = [float(value) if here else None for value, here in zip(cosines, present, strict=True)]
        return Scores(values, metrics, {"similarity": raw})

    def _cosines(self, answers: list[str], columns: Mapping[str, Any]) -> tuple[NDArray[np.float64], int]:
        """The rows' cosines, NaN where there is none, and how many there are not because of the encoder."""
        references = references_of(columns, self.reference_column, rows=len(answers), on_missing=self.on_missing)
        rows = [row for row, texts in enumerate(references) if texts is not None and answers[row]]
        wanted = {text for row in rows for text in references[row] or ()}
        texts = list(dict.fromkeys([*(answers[row] for row in rows), *sorted(wanted)]))
        cosines = np.array([np.nan if texts is None else 0.0 for texts in references])
        try:
            vectors = dict(
                zip(texts, _exact_unit_rows(engine_of(self.encoder).encode(texts, keep=wanted)), strict=True)
            )
            if texts:
                _check_calibration(self.encoder, getattr(self.threshold, "encoder_fingerprint", None))
        except EncoderUnavailableError as error:
            if self.on_error == "raise":
                raise
            logger.warning("%s: %d rows get no reward: %s", self.name, len(rows), error)
            cosines[rows] = np.nan
            return cosines, len(rows)
        for row in rows:
            cosines[row] = max(float(vectors[answers[row]] @ vectors[text]) for text in references[row] or ())
        return np.clip(cosines, -1.0, 1.0), 0


def _exact_unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows of norm 1 to double precision, so that a text's cosine with itself is 1 whatever the encoder's rounding."""
    rows = vectors.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = rows / norms
    return unit


def _check_calibration(encoder: Encoder, measured: str | None) -> None:
    """Warn, once for a loaded encoder, of a threshold that was measured with another one."""
    known = _checked.setdefault(engine_of(encoder), set())
    if measured is None or measured in known:
        return
    used = encoder.fingerprint  # hashes the weights, or asks a server
    known.add(measured)
    if used != measured:
        warnings.warn(
            f"`threshold` was calibrated with the encoder of fingerprint {measured}, but this reward's encoder has "
            f"{used}, and no threshold fits two encoders; calibrate again with this one, or, to keep the number "
            "knowingly, pass it alone: threshold=float(calibration)",
            CalibrationMismatchWarning,
            stacklevel=2,
        )


_checked: weakref.WeakKeyDictionary[Engine, set[str]] = weakref.WeakKeyDictionary()


def as_encoder(encoder: object) -> Encoder:
    """An encoder, from a path, a hub id or an encoder.

    Raises:
        ArgumentTypeError: It is neither, for example a loaded SentenceTransformer.
    """
    if isinstance(encoder, str) or hasattr(encoder, "__fspath__"):
        return SentenceTransformerEncoder(encoder)  # type: ignore[arg-type] # a path becomes a string in there
    check_encoder(encoder)
    return encoder  # type: ignore[return-value] # just checked
