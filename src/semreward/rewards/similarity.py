"""Semantic similarity to a reference (eq. 1), thresholded and rescaled (eq. 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, SupportsFloat, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semreward.arguments import check_choice, check_text, is_finite_number
from semreward.encoders.checking import as_encoder
from semreward.encoders.engine import engine_of
from semreward.errors import (
    ArgumentError,
    ArgumentTypeError,
    EncoderUnavailableError,
    EncodingError,
    UnreadableTextError,
)
from semreward.protocols import Completion, Encoder
from semreward.rewards.base import MISSING_POLICIES, Batch, MissingPolicy, Outcome, Reward, as_values
from semreward.text import DEFAULT_ANSWER, Answer, Texts

# How far rounding may carry a cosine of unit vectors beyond [-1, 1]; it is clipped back.
COSINE_SLACK = 1e-3

SATURATION = 0.95
"""From this shaped reward on, a completion counts as saturated: there is next to nothing left to gain."""


@dataclass(frozen=True)
class SemanticSimilarityReward(Reward):
    r"""How close an answer's meaning is to its reference's, judged by a frozen sentence encoder.

    $$R(y, y^*) = \max\left(0, \frac{\cos(f(y), f(y^*)) - \tau}{1 - \tau}\right)$$

    An empty answer earns 0 at any threshold, and so does one that the encoder cannot read (metric
    `<name>/unreadable`); an unreadable reference is an error. With several references the best match counts. A row is
    `None` if its reference is missing and `on_missing="none"`, or if it cannot be encoded and `on_error="none"`.

    Args:
        encoder: f: path or hub id of a sentence-transformers model, or an object with `encode` and `fingerprint`.
        threshold: tau in [-1, 1), "a minimal semantic adequacy level": a number, or a `Calibration`, whose
            number is kept. Each encoder needs its own, so it has to be given; `semreward.calibrate` measures it.
        reference_column: Name of the column with a string, or a list of strings, per row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
        name, answer, on_error: As for every `Reward`.

    Raises:
        ArgumentError, EncoderNotFoundError: A parameter is out of its range, or `encoder` a path without a model.

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
    threshold: SupportsFloat
    reference_column: str = "reference"
    on_missing: MissingPolicy = "raise"
    name: str = "semantic_similarity"

    def __post_init__(self) -> None:
        super().__post_init__()
        threshold: Any = getattr(self.threshold, "threshold", self.threshold)  # of a Calibration
        check_threshold(threshold)
        object.__setattr__(self, "threshold", float(threshold))
        check_choice("on_missing", self.on_missing, MISSING_POLICIES)
        check_text("reference_column", self.reference_column)
        object.__setattr__(self, "encoder", as_encoder(self.encoder))

    def score(self, batch: Batch) -> Outcome:
        """The rewards of a batch; logs the raw cosines, their mean, and shares of rows: at 0, near 1, unreadable."""
        answers = batch.answers
        cosines, errors, unreadable = _cosines(self.encoder, batch, self.reference_column, self.on_missing)
        present = ~np.isnan(cosines)
        answered = np.array(list(map(bool, answers)), dtype=bool)
        answered[list(unreadable)] = False
        rewards = np.full(len(answers), np.nan)
        rewards[present] = threshold_rescale(cosines[present], float(self.threshold)) * answered[present]
        metrics = {f"{self.name}/unreadable": len(unreadable) / max(1, len(answers))}
        if present.any():
            metrics[f"{self.name}/similarity"] = float(cosines[present].mean())
            metrics[f"{self.name}/dead_zone"] = float((rewards[present] == 0).mean())
            metrics[f"{self.name}/saturation"] = float((rewards[present] >= SATURATION).mean())
        return Outcome(rewards, metrics, {f"{self.name}/similarity": as_values(cosines)}, errors)


def similarities(
    encoder: Encoder | str,
    completions: Sequence[Completion],
    references: Sequence[str | Sequence[str]],
    *,
    answer: Answer = DEFAULT_ANSWER,
) -> NDArray[np.float64]:
    """Cosines of answers and references (eq. 1), without a threshold.

    Arguments are those of `SemanticSimilarityReward` and its call; every row needs a reference.

    Returns:
        Array of shape (N,), float64, in [-1, 1]: the best match of each row; 0 for an answer that is empty, or that
        the encoder cannot read. An answer that cannot be encoded is an `EncoderError`.
    """
    batch = Batch(completions, {"references": references}, answer=answer)
    cosines, errors, _ = _cosines(as_encoder(encoder), batch, "references", "raise")
    for error in errors.values():
        raise error
    return cosines


def _cosines(
    encoder: Encoder, batch: Batch, column: str, on_missing: MissingPolicy
) -> tuple[NDArray[np.float64], dict[int, EncodingError], dict[int, EncodingError]]:
    """Cosines of the rows, NaN without a reference or after an error; errors by row; errors of unreadable answers."""
    answers, references = batch.answers, batch.references(column, on_missing)
    cosines = np.array([np.nan if expected is None else 0.0 for expected in references], dtype=np.float64)
    rows = {row: expected for row, expected in enumerate(references) if expected and answers[row]}
    wanted = {text for expected in rows.values() for text in expected}
    texts = dict.fromkeys([*(answers[row] for row in rows), *sorted(wanted)])
    vectors, failed = engine_of(encoder).encode_each(list(texts), keep=wanted)
    errors, unreadable = _errors_of(rows if failed else {}, answers, failed, column)
    if errors and not vectors and not any(isinstance(error, EncoderUnavailableError) for error in errors.values()):
        raise next(iter(errors.values()))
    if vectors:  # a text's cosine with itself is 1, also if the encoder rounds
        unit_rows = np.stack(list(vectors.values())).astype(np.float64)
        unit_rows /= np.linalg.norm(unit_rows, axis=1, keepdims=True)
        vectors = dict(zip(vectors, unit_rows, strict=True))
    cosines[list(errors)] = np.nan
    for row, expected in rows.items():
        if row in errors or row in unreadable:
            continue
        cosines[row] = max([float(vectors[answers[row]] @ vectors[text]) for text in expected])
    return np.clip(cosines, -1.0, 1.0), errors, unreadable


def _errors_of(
    rows: Mapping[int, Texts], answers: list[str], failed: Mapping[str, EncodingError], column: str
) -> tuple[dict[int, EncodingError], dict[int, EncodingError]]:
    """Why rows have no cosine, and those whose answer is unreadable; an unreadable reference raises."""
    errors, unreadable = dict[int, EncodingError](), dict[int, EncodingError]()
    for row, expected in rows.items():
        for text in (*expected, answers[row]):
            error = failed.get(text)
            if isinstance(error, UnreadableTextError) and text in expected:
                raise ArgumentError(
                    f"column `{column}` must hold texts that the encoder can read, got {text[:60]!r} at row {row}; "
                    "use an encoder that was trained on this language"
                )
            if error is not None:
                (unreadable if isinstance(error, UnreadableTextError) else errors)[row] = error
    return errors, unreadable


@overload
def threshold_rescale(s: float, threshold: float) -> float: ...
@overload
def threshold_rescale(s: ArrayLike, threshold: float) -> NDArray[np.float64]: ...
def threshold_rescale(s: ArrayLike, threshold: float) -> float | NDArray[np.float64]:
    r"""Shape similarities into rewards: nothing up to a threshold, linear from there to 1.

    $$R(s) = 0 \text{ for } s \le \tau, \qquad R(s) = \frac{s - \tau}{1 - \tau} \text{ for } s > \tau$$

    Args:
        s: Similarities, any shape, in [-1, 1]; up to 0.001 beyond is clipped.
        threshold: tau, in [-1, 1).

    Returns:
        Rewards in [0, 1]: a float for a scalar, else a float64 array of the same shape; 1 exactly at `s = 1`.

    Raises:
        ArgumentError, ArgumentTypeError: A value is out of its range, or not a number.

    Source:
        Su et al. 2026, eq. 2, https://arxiv.org/abs/2605.14366

    Example:
        >>> threshold_rescale([0.2, 0.6, 1.0], threshold=0.6).tolist()
        [0.0, 0.0, 1.0]
    """
    check_threshold(threshold)
    cosines = as_cosines("s", s)
    tau = float(threshold)  # one precision above and below, so that a similarity of 1 earns exactly 1
    reward = np.maximum((cosines - tau) / (1.0 - tau), 0.0)
    return float(reward) if cosines.ndim == 0 else reward


def as_cosines(name: str, values: Any, *, at_least: int = 0) -> NDArray[np.float64]:
    """Numbers in lists, arrays or tensors as an array of cosines, clipped to [-1, 1]; an error for anything else."""
    try:
        if hasattr(values, "detach"):  # numpy reads no tensor that takes part in training, or is in bfloat16
            values = values.detach().cpu().double()
        array = np.asarray(values)
        casting: Literal["unsafe", "same_kind"] = "unsafe" if array.dtype == object else "same_kind"  # no texts
        cosines = array.astype(np.float64, casting=casting)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        kind = ArgumentError if "inhomogeneous" in str(error) else ArgumentTypeError
        raise kind(
            f"`{name}` must be numbers, in one row or in rows of one length, got {str(values)[:80]!r}: {error}; "
            "leave out prompts that have fewer samples, and give a tensor as a whole"
        ) from error
    if cosines.size < at_least:
        raise ArgumentError(
            f"`{name}` must hold at least {at_least} samples, got {cosines.size}; sample more completions"
        )
    wrong = np.flatnonzero(~(np.abs(cosines) <= 1 + COSINE_SLACK))  # also where one is NaN
    if wrong.size:
        raise ArgumentError(
            f"`{name}` must be cosines in [-1, 1], got {cosines.reshape(-1)[wrong[0]]} at position {wrong[0]}; leave "
            "out rows without a reference, and give vectors of unit norm"
        )
    return np.clip(cosines, -1.0, 1.0)


def check_threshold(threshold: float) -> None:
    """Raise `ArgumentError` unless a threshold lies in [-1, 1)."""
    if not is_finite_number(threshold) or not -1.0 <= threshold < 1.0:
        raise ArgumentError(
            f"`threshold` must be a number in [-1, 1), got {threshold!r}; calibrate_threshold() measures one"
        )
