"""Before training: tau, which belongs to one encoder and one cold-start policy, and how a signal ranks answers.

Legend: P prompts, M samples per prompt, G completions of a group in training, N = P x M samples in all.
"""

import dataclasses
import json
import math
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

import semreward
from semreward.arguments import check_count, is_column, is_finite_number, is_nothing
from semreward.encoders.checking import as_encoder
from semreward.errors import ArgumentError, CalibrationMismatchWarning, SemRewardWarning
from semreward.files import write_text
from semreward.protocols import Completion, Encoder, RewardFunction
from semreward.rewards.base import Batch
from semreward.rewards.composite import as_composite
from semreward.rewards.overlap import ChrfReward
from semreward.rewards.similarity import SATURATION, as_cosines, check_threshold, similarities, threshold_rescale
from semreward.text import DEFAULT_ANSWER, Answer, Texts, reference_texts

Floats: TypeAlias = NDArray[np.float64]

Statistic: TypeAlias = Literal["mean", "median", "youden"] | float
"""What becomes tau: the samples' mean, their median, Youden's point, or a quantile in (0, 1)."""

# AUC below which an encoder cannot tell right from wrong references, and from which on it can; measured in the docs.
_CANNOT_TELL, _CAN_TELL = 0.8, 0.95

# Rewards that differ by less count as equal: next to the 1e-4 in GRPO's (r - mean) / (std + 1e-4) they vanish.
_EQUAL_DIGITS = 6
_MOST_EMPTY = 0.1  # share of empty answers that is still plausible
_PAIRS_AT_ONCE = 2**18  # of answers to one prompt, to bound the memory


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it does to the samples it was measured on; prints as a table and a verdict."""

    threshold: float  # tau, in [-1, 1)
    statistic: Statistic  # which statistic of the similarities it is
    samples: int  # N, the number of similarities
    mean_similarity: float  # their mean, in [-1, 1]
    mean_reward: float  # their mean reward under this threshold, in [0, 1]
    dead_zone: float  # share of samples that earn 0
    saturation: float  # share of samples that earn at least 0.95
    encoder_fingerprint: str | None = None  # of the encoder that judged, if known
    samples_per_prompt: int | None = None  # M; `None` if nobody knows which samples share a prompt
    group_size: int | None = None  # G; `None` if no group was asked for, like the next two
    dead_groups: float | None = None  # expected share of groups in which all completions earn 0
    equal_groups: float | None = None  # likewise, the same, which teaches nothing; if M is `None`, a lower bound
    negatives: int | None = None  # number of similarities to mismatched references; `None` without any, like the rest
    negative_similarity: float | None = None  # their mean, in [-1, 1]
    negatives_paid: float | None = None  # share of them that earns more than 0 under this threshold
    auc: float | None = None  # probability that a sample is closer to its reference than another to a mismatched one
    overlap: float | None = None  # 1 - Youden's index, in [0, 1]. 0: one threshold tells all samples from all negatives

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def __float__(self) -> float:
        return self.threshold

    def check(self, encoder: Encoder) -> None:
        """Warn (`CalibrationMismatchWarning`) if an encoder is not the one that judged. Hashes its weights, once."""
        if self.encoder_fingerprint is not None and encoder.fingerprint != self.encoder_fingerprint:
            message = (
                f"`threshold` was calibrated with the encoder of fingerprint {self.encoder_fingerprint}, but this one "
                f"has {encoder.fingerprint}, and no threshold fits two encoders; calibrate again with this one"
            )
            warnings.warn(message, CalibrationMismatchWarning, stacklevel=2)

    @property
    def verdict(self) -> str:
        """The AUC's verdict on the encoder, in one sentence; unknown without mismatched references."""
        if self.auc is None:
            return "Whether this encoder tells right from wrong references was not measured."
        if self.auc < _CANNOT_TELL:
            return f"This encoder cannot tell right from wrong references (AUC {self.auc:.3f}): do not train with it."
        if self.auc < _CAN_TELL:
            return f"This encoder confuses references (AUC {self.auc:.3f}): look for a better one."
        return f"Fine: this encoder tells right from wrong references (AUC {self.auc:.3f})."

    def __str__(self) -> str:
        return _table(self.rows(), self.verdict)

    def rows(self) -> list[tuple[str, str, str]]:
        """The table as it prints: name, value and meaning of each measured number."""
        origin = self.statistic if isinstance(self.statistic, str) else f"quantile {self.statistic:g}"
        rows = [
            ("threshold", f"{self.threshold:.4f}", f"{origin}, {self.samples} samples"),
            ("similarity", f"{self.mean_similarity:.4f}", "mean of the samples"),
            ("reward", f"{self.mean_reward:.4f}", "mean of the samples"),
            ("dead zone", f"{self.dead_zone:.1%}", "of the samples earn 0"),
            ("saturation", f"{self.saturation:.1%}", f"of the samples earn {SATURATION} or more"),
        ]
        bound = ", at least: prompts are not known" if self.samples_per_prompt is None else ""
        if self.equal_groups is not None and self.dead_groups is not None:
            rows += [
                ("dead groups", f"{self.dead_groups:.1%}", f"of groups of {self.group_size} earn nothing{bound}"),
                ("equal groups", f"{self.equal_groups:.1%}", f"of groups of {self.group_size} earn one value{bound}"),
            ]
        if self.auc is not None and self.overlap is not None:
            rows += [
                ("mismatched", f"{self.negative_similarity:.4f}", f"mean of {self.negatives} mismatched references"),
                ("mismatched paid", f"{self.negatives_paid:.1%}", "of them earn more than 0"),
                ("AUC", f"{self.auc:.4f}", "samples against mismatched references"),
                ("overlap", f"{self.overlap:.4f}", "0: one threshold tells them apart, 1: none does"),
            ]
        return [*rows, ("encoder", self.encoder_fingerprint or "-", "fingerprint")]

    def save(self, path: str | Path) -> None:
        """Write it as JSON, with the version of the package that measured it."""
        content = {**dataclasses.asdict(self), "semreward": semreward.__version__}
        write_text(path, json.dumps(content, indent=2) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """Read what `save` wrote, in this version of the package or another; an `ArgumentError` for any other file."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            known = {field.name for field in dataclasses.fields(cls)}
            return cls(**{name: value for name, value in dict(content).items() if name in known})
        except (OSError, TypeError, ValueError, RecursionError) as error:
            raise ArgumentError(
                f"{path} must be a saved calibration: {error}; give another path, or calibrate again"
            ) from error


def calibrate(
    encoder: Encoder | str,
    completions: Sequence[Completion],
    references: Sequence[str | Sequence[str]],
    *,
    answer: Answer = DEFAULT_ANSWER,
    samples_per_prompt: int = 1,
    group_size: int | None = None,
    mismatched: bool = True,
    statistic: Statistic = "mean",
) -> Calibration:
    """Measure tau for an encoder: `SemanticSimilarityReward(encoder, threshold=calibrate(encoder, ...))`.

    The encoder compares each completion with its own reference, and with that of another prompt which shares no
    text with it: always the same one, in any order of prompts.

    Args:
        encoder: As for `SemanticSimilarityReward`.
        completions: N samples of the cold-start policy, the samples of a prompt side by side, as trainers pass them.
        references: Their N references, a string or a list of strings each.
        answer: How the answer is found in a completion.
        samples_per_prompt: M; 1 if nothing is known of groups.
        group_size: G, as for `calibrate_threshold`.
        mismatched: Whether to compare with mismatched references; they are encoded anyway.
        statistic: As for `calibrate_threshold`.

    Raises:
        ArgumentError, ArgumentTypeError: Rows do not fit, a reference is missing or shares a text with all others, or
            as `calibrate_threshold` raises it.
        EncoderUnavailableError: The encoder cannot be reached.

    Example:
        >>> import numpy as np
        >>> class Letters:  # a real encoder is a trained model; this one counts letters
        ...     fingerprint = "letters"
        ...     def encode(self, texts):
        ...         counts = np.array([[text.count(letter) for letter in "abcd"] for text in texts], dtype=np.float32)
        ...         return counts / np.linalg.norm(counts, axis=1, keepdims=True)
        >>> samples = ["aab", "ab", "cd", "cdd"]
        >>> calibration = calibrate(Letters(), samples, ["ab", "ab", "cd", "cd"], samples_per_prompt=2)
        >>> round(calibration.threshold, 4), calibration.dead_zone, calibration.verdict
        (0.9743, 0.5, 'Fine: this encoder tells right from wrong references (AUC 1.000).')
    """
    encoder = as_encoder(encoder)
    check_count("samples_per_prompt", samples_per_prompt)
    if len(completions) % samples_per_prompt:
        raise ArgumentError(
            f"`completions` must hold {samples_per_prompt} samples of each prompt, got {len(completions)} completions; "
            "leave out the prompts that have fewer"
        )
    texts = [reference_texts(reference, "references", row) for row, reference in enumerate(references)]
    for row, own in enumerate(texts):
        first = row // samples_per_prompt * samples_per_prompt
        if own != texts[first]:
            raise ArgumentError(
                f"`references` must repeat a prompt's for its {samples_per_prompt} samples, side by side, but that of "
                f"row {row} differs from that of row {first}; sort the rows, or correct `samples_per_prompt`"
            )
    empty = Batch(completions, {}, answer=answer).answers.count("")
    if empty > _MOST_EMPTY * len(completions):
        message = f"{empty} of {len(completions)} answers are empty, and count as a similarity of 0; check `answer`"
        warnings.warn(message, SemRewardWarning, stacklevel=2)
    cosines = similarities(encoder, completions, references, answer=answer)
    others = mismatched_references(references) if mismatched else None
    return calibrate_threshold(
        cosines.reshape(-1, samples_per_prompt),
        negatives=None if others is None else similarities(encoder, completions, others, answer=answer),
        statistic=statistic,
        group_size=group_size,
        encoder_fingerprint=encoder.fingerprint,
    )


def calibrate_threshold(
    similarities: ArrayLike | Sequence[float],
    *,
    negatives: ArrayLike | Sequence[float] | None = None,
    statistic: Statistic = "mean",
    group_size: int | None = None,
    encoder_fingerprint: str | None = None,
) -> Calibration:
    r"""Measure tau on a cold-start policy's own samples; `calibrate` also computes their similarities.

    The paper does not say which statistic tau is. With the mean, our default, about half of the samples start in the
    dead zone. Youden's point tells samples from mismatched references best: $\arg\max_\tau P(s > \tau) - P(s^- > \tau)$
    in the middle between two neighbouring similarities, the lowest of equals.

    Args:
        similarities: At least 2 cosines of samples and references, in [-1, 1], of shape (P, M) if M samples share
            a prompt, else (N,). Lists, arrays or tensors on any device, in any precision.
        negatives: Cosines of samples and references of other prompts, in [-1, 1], any shape.
        statistic: `"mean"`, `"median"` or a quantile in (0, 1) of the similarities, or `"youden"`, which needs
            `negatives`.
        group_size: G, the completions of a prompt that training compares, from 2 to M (the default); without known
            prompts, from 2 to N.
        encoder_fingerprint: `encoder.fingerprint`, stored beside the threshold.

    Raises:
        ArgumentError, ArgumentTypeError: Similarities are not numbers in [-1, 1], or rows differ in length, a parameter
            is out of its range, the threshold would be 1, or no threshold tells the negatives from the samples.

    Source:
        Su et al. 2026, section 3.4.1, https://arxiv.org/abs/2605.14366. Youden 1950, "Index for rating diagnostic
        tests", https://doi.org/10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3

    Example:
        >>> calibration = calibrate_threshold([0.2, 0.4, 0.6, 0.8])
        >>> round(calibration.threshold, 3), calibration.dead_zone, calibration.saturation
        (0.5, 0.5, 0.0)
    """
    samples = as_cosines("similarities", similarities, at_least=2)
    against = None if negatives is None else as_cosines("negatives", negatives, at_least=1).reshape(-1)
    split = None if against is None else best_split(samples.reshape(-1), against)
    threshold = _statistic(samples.reshape(-1), statistic, split)
    if not threshold < 1.0:
        raise ArgumentError(
            f"the {statistic} of the similarities must be below 1 to be a threshold, got {threshold}; "
            "the samples repeat their references"
        )
    rewards = threshold_rescale(samples, threshold)
    of_negatives: dict[str, Any] = {}
    if against is not None and split is not None:
        of_negatives = {
            "negatives": int(against.size),
            "negative_similarity": float(against.mean()),
            "negatives_paid": float((against > threshold).mean()),
            "auc": area_under_curve(samples.reshape(-1), against),
            "overlap": 1.0 - split[1],
        }
    return Calibration(
        threshold=threshold,
        statistic=statistic,
        samples=int(samples.size),
        mean_similarity=float(samples.mean()),
        mean_reward=float(rewards.mean()),
        dead_zone=float((rewards == 0).mean()),
        saturation=float((rewards >= SATURATION).mean()),
        encoder_fingerprint=encoder_fingerprint,
        **_of_groups(rewards, group_size),
        **of_negatives,
    )


def _statistic(values: Floats, statistic: Statistic, split: tuple[float, float] | None) -> float:
    if statistic == "mean":
        return float(values.mean())
    if statistic == "median":
        return float(np.median(values))
    if statistic == "youden":
        if split is None:
            raise ArgumentError("`negatives` must be given for statistic='youden', got None; or choose another")
        threshold, youden = split
        if not youden > 0:
            raise ArgumentError(
                "`negatives` must be below the similarities for statistic='youden', but no threshold tells them apart; "
                "this encoder cannot judge these samples: adapt it, or choose another statistic knowingly"
            )
        return threshold
    if isinstance(statistic, float) and 0.0 < statistic < 1.0:
        return float(np.quantile(values, statistic))
    raise ArgumentError(f"`statistic` must be 'mean', 'median', 'youden' or a quantile in (0, 1), got {statistic!r}")


def _of_groups(rewards: Floats, group_size: int | None) -> Mapping[str, Any]:
    """The fields of a `Calibration` about groups."""
    if rewards.ndim > 2:  # noqa: PLR2004 - prompts x samples
        raise ArgumentError(f"`similarities` must have shape (N,) or (P, M), got {rewards.shape}; reshape them")
    in_groups = rewards.ndim > 1 and rewards.shape[1] > 1
    if group_size is None and not in_groups:
        return {}
    grouped = rewards if in_groups else rewards.reshape(1, -1)
    group_size = grouped.shape[1] if group_size is None else group_size
    check_count("group_size", group_size, at_least=2, at_most=grouped.shape[1])
    return {
        "samples_per_prompt": grouped.shape[1] if in_groups else None,
        "group_size": group_size,
        "dead_groups": equal_share(grouped, group_size, value=0.0),
        "equal_groups": equal_share(grouped, group_size),
    }


def best_split(samples: Floats, negatives: Floats) -> tuple[float, float]:
    """Youden's point of two sets of similarities, each of shape (N,): the threshold, and Youden's index in [0, 1].

    The index is the share of samples above the threshold - the share of negatives above it.
    """
    values = np.unique(np.concatenate([samples, negatives]))
    samples_up_to = np.searchsorted(np.sort(samples), values, side="right")
    negatives_up_to = np.searchsorted(np.sort(negatives), values, side="right")
    scores = negatives_up_to * samples.size - samples_up_to * negatives.size  # whole numbers, so that ties are ties
    best = int(np.argmax(scores))
    upper = values[min(best + 1, values.size - 1)]
    return float((values[best] + upper) / 2), float(scores[best] / (samples.size * negatives.size))


def area_under_curve(samples: Floats, negatives: Floats) -> float:
    """The probability that one of the samples is above one of the negatives, ties counting half; both of shape (N,)."""
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, samples, side="left") + np.searchsorted(ordered, samples, side="right")
    return float(below.mean() / (2 * ordered.size))


def equal_share(rewards_PM: ArrayLike, group_size: int, *, value: float | None = None) -> float:  # noqa: N803 - axes
    r"""The expected share of groups of G completions whose rewards are all equal, drawn from M samples of each prompt.

    $$\frac{1}{P} \sum_p \sum_v \binom{k_{pv}}{G} \Big/ \binom{M}{G}$$

    with $k_{pv}$ of a prompt's samples earning $v$ to 6 decimals; with `value`, only $v$ = `value` counts. G is from 1
    to M. Unbiased for the policy that the samples come from.
    """
    rounded = np.round(np.asarray(rewards_PM, dtype=np.float64), _EQUAL_DIGITS)
    total = 0.0
    for row in rounded:
        values, counts = np.unique(row, return_counts=True)
        counted = counts if value is None else counts[values == value]
        total += sum(math.comb(int(count), group_size) for count in counted) / math.comb(row.size, group_size)
    return total / len(rounded)


def mismatched_references(references: Sequence[str | Sequence[str]]) -> list[str | Sequence[str]]:
    """For each row the reference half the sorted list away, or the next that shares no text with it."""
    texts = [reference_texts(reference, "references", row) for row, reference in enumerate(references)]
    rows = {own: row for row, own in reversed([*enumerate(texts)])}  # the first of equal ones
    distinct = sorted(rows)
    partner: dict[Texts, int] = {}
    for index, own in enumerate(distinct):
        start = index + len(distinct) // 2
        others = (distinct[(start + step) % len(distinct)] for step in range(len(distinct)))
        other = next((texts for texts in others if set(own).isdisjoint(texts)), None)
        if other is None:
            raise ArgumentError(
                f"`references` must differ, so that one of another row is wrong, but that of row {rows[own]} shares a "
                "text with all others; calibrate on more prompts, or pass mismatched=False"
            )
        partner[own] = rows[other]
    return [references[partner[own]] for own in texts]


@dataclass(frozen=True)
class AnswerRanking:
    """How a signal orders the answers to one prompt; prints as a table and a verdict. Shares are in [0, 1]."""

    right: float  # share of the pairs that the signal orders as the grades do; a tie counts 1/2
    interval: tuple[float, float]  # its 95 % interval
    baselines: Mapping[str, tuple[float, float, float]]  # the share of each, and the interval of `right` minus it
    pairs: int  # of answers to one prompt, graded differently by one rater
    prompts: int  # prompts with a pair
    prompts_left_out: int  # prompts without one
    within: float  # share of the signal's variance that lies within prompts; 0 without variance

    @property
    def verdict(self) -> str:
        """Whether the signal beats the baselines by more than noise, in one sentence."""
        text = f"The signal orders {self.right:.1%} of pairs rightly ({self.interval[0]:.1%} to {self.interval[1]:.1%})"
        if self.prompts < 10:  # noqa: PLR2004 - a bootstrap over few is too sure of itself
            return f"{text}, but {self.prompts} prompts are too few to tell."
        unbeaten = [name for name, (_, lowest, _) in self.baselines.items() if lowest <= 0]
        named = [f"{name} ({self.baselines[name][0]:.1%})" for name in unbeaten or self.baselines]
        return f"{text}, {'no better' if unbeaten else 'better'} than {' and '.join(named)}."

    def __str__(self) -> str:
        pairs = f"of {self.pairs} pairs in {self.prompts} prompts; {self.prompts_left_out} more have no pair"
        rows = [("signal", f"{self.right:.1%}", pairs)]
        for name, (share, low, high) in self.baselines.items():
            rows.append((name, f"{share:.1%}", f"the signal orders {100 * low:+.1f} to {100 * high:+.1f} points more"))
        return _table([*rows, ("variance", f"{self.within:.1%}", "of the signal's is within prompts")], self.verdict)


def ranking(signal: Encoder | str | RewardFunction | ArrayLike, groups: Iterable[Sequence[Any]]) -> AnswerRanking:
    """Measure how a signal orders the answers to one prompt: GRPO uses nothing else from it.

    Pairs are made within one prompt and one rater, because raters' scales differ; pairs of equal grade are left out.
    Equal answers count once there, with their mean grade and value. Baselines: how near an answer's length is to its
    reference's, chrF (unless it is the grade), a constant. Intervals hold 95 % of 2,000 resamples of prompts.

    Args:
        signal: An encoder, whose cosine with the reference counts; a reward function, called with `prompts`,
            `completions` and `reference`; or a list or array of N numbers.
        groups: N rows (prompt, answer, reference, grade) or (prompt, answer, reference, grade, rater), in any order. A
            higher grade is better. Rows whose grade is `None` or NaN, or whose signal is `None`, are left out.

    Raises:
        ArgumentError, ArgumentTypeError, RewardOutputError: A row or the signal is not as described, or fewer than two
            prompts have a pair.

    Example:
        >>> rows = [("p", "a", "r", 1), ("p", "b", "r", 2), ("p", "c", "r", 2), ("q", "a", "r", 5), ("q", "b", "r", 3)]
        >>> ranking([0.1, 0.7, 0.1, 0.9, 0.2], rows).right  # p: b over a, a tie of a and c; q: a over b
        0.8333333333333334
    """
    groups = list(groups)
    for row, graded in enumerate(groups):
        if not is_column(graded) or len(graded) not in {4, 5}:
            raise ArgumentError(f"`groups` must hold rows of 4 or 5 values, got {str(graded)[:80]!r} at row {row}")
        if not is_nothing(graded[3]) and not is_finite_number(graded[3]):
            raise ArgumentError(f"`groups` must hold numbers or None as grades, got {graded[3]!r} at row {row}")
    prompts, answers, references, grades, raters = ([(*row, "")[column] for row in groups] for column in range(5))
    grades = [None if is_nothing(grade) else grade for grade in grades]
    batch = Batch(answers, {"prompts": prompts, "reference": references})
    pairs = zip(batch.answers, batch.references("reference"), strict=True)
    signals = {
        "signal": _values_of(signal, batch),
        "length": np.array([-min(abs(len(text) - len(other)) for other in texts or ()) for text, texts in pairs]),
        "chrF": ChrfReward().score(batch).values,
    }
    if signals["chrF"].tolist() == grades:
        del signals["chrF"]
    values = np.array([grades, *signals.values()], dtype=np.float64)
    kept = np.flatnonzero(~np.isnan(values).any(axis=0))
    rows = [*zip(batch.sources("prompts"), map(str, raters), batch.answers, strict=True)]
    keys = [rows[row] for row in kept]
    totals = _totals(keys, values[:, kept])
    if len(totals) < 2:  # noqa: PLR2004 - nothing to resample
        raise ArgumentError(f"`groups` must hold 2 prompts with unequal grades by a rater, got {len(totals)}; add some")
    rng = np.random.default_rng(0)
    draws = [totals[rng.integers(len(totals), size=len(totals))].sum(axis=0) for _ in range(2000)]
    total, *rights = np.array([totals.sum(axis=0), *draws]).T
    own, *others = (right / total for right in [*rights, total / 2])
    (low, high), *margins = np.percentile([own, *(own - other for other in others)], (2.5, 97.5), axis=1).T.tolist()
    compared = zip([*signals, "a constant"][1:], others, margins, strict=True)
    names, index = np.unique([prompt for prompt, _, _ in keys], return_inverse=True)
    measured = values[1, kept]
    means = np.bincount(index, weights=measured) / np.bincount(index)
    return AnswerRanking(
        right=float(own[0]),
        interval=(low, high),
        baselines={name: (float(other[0]), least, most) for name, other, (least, most) in compared},
        pairs=int(total[0]),
        prompts=len(totals),
        prompts_left_out=len(names) - len(totals),
        within=float(np.var(measured - means[index]) / np.var(measured)) if np.ptp(measured) else 0.0,
    )


def _values_of(given: Any, batch: Batch) -> Floats:
    if hasattr(given, "encode"):  # an encoder, or its name
        return similarities(given, batch.completions, batch.column("reference"))

    def signal(**_: object) -> Any:
        return given

    return as_composite(given if callable(given) else signal).breakdown(**batch.arguments)["total"]


def _totals(keys: Sequence[tuple[Any, Any, str]], values: Floats) -> Floats:
    """For each prompt with pairs: their number, and how many of them each signal orders rightly."""
    rows = defaultdict[Any, defaultdict[str, list[Floats]]](lambda: defaultdict(list))
    for (prompt, rater, answer), row in zip(keys, values.T, strict=True):
        rows[prompt, rater][answer].append(row)
    totals = defaultdict[Any, list[Any]](list)
    for (prompt, _), of_answer in rows.items():
        means = np.array([np.mean(own, axis=0) for own in of_answer.values()]).T[:, None]
        for some in np.array_split(means.swapaxes(1, 2), means.shape[2] ** 2 // _PAIRS_AT_ONCE + 1, axis=1):
            signs = np.sign(some - means) * ~np.isclose(some, means, rtol=1e-9, atol=0)  # means are rounded
            agreed = (signs[0] * signs).sum(axis=(1, 2))  # each pair twice: 2 where a signal orders it rightly, else -2
            totals[prompt].append((agreed[0] + agreed) / 4)
    return np.array([total for _, parts in sorted(totals.items()) if (total := np.sum(parts, axis=0))[0]])


def _table(rows: Sequence[tuple[str, str, str]], verdict: str) -> str:
    names, values, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join([*(f"{name:<{names}}  {value:>{values}}  {meaning}" for name, value, meaning in rows), verdict])
