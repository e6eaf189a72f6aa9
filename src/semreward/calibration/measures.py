"""How well similarities tell samples from mismatched references, and how often a group of samples earns one reward.

Legend: P prompts, M samples a prompt, G completions of a group in training, N samples.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semreward.errors import ArgumentError
from semreward.rewards.base import reference_texts

Floats: TypeAlias = NDArray[np.float64]

# Rewards that differ by less count as equal: beside the 1e-4 in GRPO's (r - mean) / (std + 1e-4) they are nothing.
_EQUAL_DIGITS = 6


class Split(NamedTuple):
    """The threshold that tells samples from negatives best.

    Attributes:
        threshold: Samples are above it, negatives at or below it.
        youden: Youden's index there: share of samples above it - share of negatives above it, in [0, 1].
    """

    threshold: float
    youden: float


def best_split(samples: Floats, negatives: Floats) -> Split:
    """Youden's point of two sets of similarities, each of shape (N,)."""
    values = np.unique(np.concatenate([samples, negatives]))
    above = (_counts_above(samples, values), _counts_above(negatives, values))
    scores = above[0] * negatives.size - above[1] * samples.size  # whole numbers, so that ties are ties
    best = int(np.argmax(scores))
    upper = values[min(best + 1, values.size - 1)]
    return Split(float((values[best] + upper) / 2), float(scores[best] / (samples.size * negatives.size)))


def area_under_curve(samples: Floats, negatives: Floats) -> float:
    """The probability that one of the samples is above one of the negatives, ties counting half; both of shape (N,)."""
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, samples, side="left") + np.searchsorted(ordered, samples, side="right")
    return float(below.mean() / (2 * ordered.size))


def equal_share(rewards_PM: ArrayLike, group_size: int, *, value: float | None = None) -> float:  # noqa: N803 - axes
    r"""The expected share of groups of G completions whose rewards are all equal, drawn from M samples of each prompt.

    $$\frac{1}{P} \sum_p \sum_v \binom{k_{pv}}{G} \Big/ \binom{M}{G}$$

    with $k_{pv}$ of a prompt's samples earning $v$. A prompt's samples are exchangeable, so that this is unbiased for
    the policy that they come from, and at G = M it is the share that was measured.

    Args:
        rewards_PM: Rewards, shape (P, M); those that agree to 6 decimals are equal.
        group_size: G, from 1 to M.
        value: Count only groups that all earn this.
    """
    rounded = np.round(np.asarray(rewards_PM, dtype=np.float64), _EQUAL_DIGITS)
    total = 0.0
    for row in rounded:
        values, counts = np.unique(row, return_counts=True)
        counted = counts if value is None else counts[values == value]
        total += sum(_chance(int(count), row.size, group_size) for count in counted)
    return total / len(rounded)


def mismatched_references(references: Sequence[str | Sequence[str]]) -> list[str | Sequence[str]]:
    """For each row a reference of another row, which shares no text with the row's own; see `calibrate`.

    Args:
        references: N references, each a string or a list of strings.

    Raises:
        ArgumentError: A reference is missing, or shares a text with all others.
        ArgumentTypeError: A reference is neither a string nor a list of strings.
    """
    texts = [reference_texts(reference, "references", row) for row, reference in enumerate(references)]
    rows: dict[tuple[str, ...], int] = {}
    for row, own in enumerate(texts):
        rows.setdefault(own, row)
    distinct = sorted(rows)
    run_ends = _run_ends(distinct)
    partner: dict[tuple[str, ...], int] = {}
    for place, own in enumerate(distinct):
        other = _next_without(set(own), (place + len(distinct) // 2) % len(distinct), run_ends, len(distinct))
        if other is None:
            raise ArgumentError(
                f"`references` must differ, so that one of another row is wrong, but that of row {rows[own]} shares a "
                "text with all others; calibrate on more prompts, or pass mismatched=False"
            )
        partner[own] = rows[distinct[other]]
    return [references[partner[own]] for own in texts]


def _run_ends(distinct: Sequence[tuple[str, ...]]) -> dict[str, dict[int, int]]:
    """For each text the places that have it, and for each of them the next place that has it not."""
    ends: dict[str, dict[int, int]] = {}
    for place in reversed(range(len(distinct))):
        for text in distinct[place]:
            of_text = ends.setdefault(text, {})
            of_text[place] = of_text.get(place + 1, place + 1)
    return ends


def _next_without(
    texts: Collection[str], start: int, run_ends: Mapping[str, Mapping[int, int]], places: int
) -> int | None:
    """The first place from a start on, around the end, that has none of some texts; `None` where all have one.

    Whole runs are passed over at once, so that a text that all references share costs no more than one of its own.
    """
    place, passed = start, 0
    while passed < places:
        end = max(run_ends[text].get(place, place) for text in texts)
        if end == place:
            return place
        passed += end - place
        place = end % places
    return None


def _counts_above(values: Floats, thresholds: Floats) -> NDArray[np.int64]:
    return values.size - np.searchsorted(np.sort(values), thresholds, side="right")


def _chance(count: int, samples: int, group_size: int) -> float:
    """The chance that `group_size` of `samples`, drawn without putting back, all are among `count` of them."""
    chance = 1.0
    for drawn in range(group_size):
        chance *= max(0, count - drawn) / (samples - drawn)
    return chance
