"""What a judge's decisions say about two systems: wins, ties and losses, with intervals."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from semreward.evaluation.prompts import Verdict, verdict_of

Outcome: TypeAlias = Literal["first", "second", "tie", "unparsable"]
"""What a pair counts as."""

Interval: TypeAlias = tuple[float, float]

_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True)
class JudgedPair:
    """One pair of candidates, judged in both orders.

    Attributes:
        outcome: `"first"` or `"second"`: that system's candidate is better in both orders; `"tie"`: every other pair of
            decisions; `"unparsable"`: an answer holds no decision.
        consistent: Whether both orders led to the same decision; `None` where an answer holds none.
        answers: The judge's answers, with the first system's candidate shown first, and shown second. Empty where
            the candidates are equal, which nobody is asked about.
        shown_first: How many of the two decisions were for the candidate that was shown first.
        decided: How many of them were for any candidate.
    """

    outcome: Outcome
    consistent: bool | None
    answers: tuple[str, ...]
    shown_first: int = 0
    decided: int = 0


@dataclass(frozen=True)
class PairwiseScores:
    """How often a judge prefers one system to another.

    Shares are of the pairs that were judged, those of the three outcomes. Intervals hold 95 % of bootstrap samples of
    these pairs, which count as independent of each other; where all pairs end alike, an interval is a single point,
    which does not mean certainty. A share and its interval are `None` where nothing was judged.

    Attributes:
        names: What the two systems are called in the table.
        wins: Pairs that the first system won.
        ties: Pairs that nobody won, because the judge said so or because its two decisions differ.
        losses: Pairs that the second system won.
        unparsable: Pairs with an answer that holds no decision, or several; they are in no share.
        inconsistent: Judged pairs whose decisions differ between the orders; all of them are ties.
        identical: Pairs of equal candidates, ties about which nobody is asked.
        shown_first: Of all decisions for a candidate, the share for the one shown first: 0.5 from a judge that does
            not mind the order; `None` where no candidate was decided for.
        win_interval: Interval of the share of wins.
        tie_interval: Interval of the share of ties.
        loss_interval: Interval of the share of losses.
        margin_interval: Interval of the share of wins less the share of losses.
        signature: Everything that decides the numbers.
        pairs: Every pair, in the order of the rows.
    """

    names: tuple[str, str]
    wins: int
    ties: int
    losses: int
    unparsable: int
    inconsistent: int
    identical: int
    shown_first: float | None
    win_interval: Interval | None
    tie_interval: Interval | None
    loss_interval: Interval | None
    margin_interval: Interval | None
    signature: str
    pairs: tuple[JudgedPair, ...] = field(repr=False)

    @property
    def judged(self) -> int:
        """Pairs with an outcome: wins, ties and losses."""
        return self.wins + self.ties + self.losses

    @property
    def win_rate(self) -> float | None:
        """Share of judged pairs that the first system won, in [0, 1]."""
        return self._share(self.wins)

    @property
    def tie_rate(self) -> float | None:
        """Share of judged pairs that nobody won, in [0, 1]."""
        return self._share(self.ties)

    @property
    def loss_rate(self) -> float | None:
        """Share of judged pairs that the second system won, in [0, 1]."""
        return self._share(self.losses)

    @property
    def margin(self) -> float | None:
        """Share of wins less share of losses, in [-1, 1]; the systems differ where its interval is on one side of 0."""
        return self._share(self.wins - self.losses)

    def __str__(self) -> str:
        first, second = self.names
        shares = [
            (f"{first} better", self.wins, self.win_rate, self.win_interval),
            ("tie", self.ties, self.tie_rate, self.tie_interval),
            (f"{second} better", self.losses, self.loss_rate, self.loss_interval),
            (f"{first} less {second}", self.wins - self.losses, self.margin, self.margin_interval),
        ]
        counts = [
            ("unparsable", self.unparsable),
            ("decisions differ by order", self.inconsistent),
            ("equal candidates", self.identical),
        ]
        width = max(map(len, [name for name, *_ in shares] + [name for name, _ in counts]))
        lines = [f"{'':<{width}}  {'pairs':>6}  {'share':>7}  95 % interval"]
        lines += [
            f"{name:<{width}}  {count:>6}  {_percent(share):>7}  {_range(interval)}"
            for name, count, share, interval in shares
        ]
        lines += [f"{name:<{width}}  {count:>6}" for name, count in counts]
        lines.append(f"{'decided for the one shown first':<{width + 8}}  {_percent(self.shown_first):>7}")
        return "\n".join([*lines, self.signature])

    def to_dict(self) -> dict[str, Any]:
        """All of it, shares and answers included, as JSON can write it."""
        shares = {name: getattr(self, name) for name in ("judged", "win_rate", "tie_rate", "loss_rate", "margin")}
        return shares | asdict(self)

    def to_json(self) -> str:
        """`to_dict` as JSON; the same scores give the same text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n"

    def _share(self, count: int) -> float | None:
        return count / self.judged if self.judged else None


EQUAL_PAIR = JudgedPair("tie", consistent=True, answers=())
"""A pair of equal candidates, about which nobody is asked."""


def judged_pair(forward: str, backward: str) -> JudgedPair:
    """The outcome of the answers of both orders.

    Args:
        forward: The answer where the first system's candidate was Candidate 1.
        backward: The answer where it was Candidate 2.

    Example:
        >>> [judged_pair("[[1]]", backward).outcome for backward in ("[[2]]", "[[1]]", "2")]
        ['first', 'tie', 'unparsable']
    """
    answers = (forward, backward)
    shown = (verdict_of(forward), verdict_of(backward))
    shown_first, decided = shown.count(1), shown.count(1) + shown.count(2)
    if shown[0] is None or shown[1] is None:
        return JudgedPair("unparsable", None, answers, shown_first, decided)
    swapped: dict[Verdict, Verdict] = {0: 0, 1: 2, 2: 1}
    consistent = shown[0] == swapped[shown[1]]
    outcomes: dict[Verdict, Outcome] = {0: "tie", 1: "first", 2: "second"}
    return JudgedPair(outcomes[shown[0]] if consistent else "tie", consistent, answers, shown_first, decided)


def scores_of(
    pairs: Sequence[JudgedPair], names: tuple[str, str], *, resamples: int, seed: int, signature: str
) -> PairwiseScores:
    """Count outcomes, and bootstrap their shares over pairs.

    Drawing N pairs with replacement and counting outcomes is drawing from a multinomial distribution with the measured
    shares, which is what is done.

    Args:
        pairs: The pairs; none may be missing.
        names: What the two systems are called.
        resamples: Number of bootstrap samples, at least 1.
        seed: Seed of the samples.
        signature: Goes into the result.

    Source:
        Efron 1979, https://doi.org/10.1214/aos/1176344552: percentile intervals.
    """
    outcomes = [pair.outcome for pair in pairs]
    counts = [outcomes.count("first"), outcomes.count("tie"), outcomes.count("second")]
    intervals: list[Interval | None] = [None] * 4
    if judged := sum(counts):
        drawn = np.random.default_rng(seed).multinomial(judged, np.array(counts) / judged, size=resamples) / judged
        columns = [*drawn.T, drawn[:, 0] - drawn[:, 2]]
        intervals = [_interval(column) for column in columns]
    decided = sum(pair.decided for pair in pairs)
    return PairwiseScores(
        names=names,
        wins=counts[0],
        ties=counts[1],
        losses=counts[2],
        unparsable=outcomes.count("unparsable"),
        inconsistent=sum(pair.consistent is False for pair in pairs),
        identical=sum(not pair.answers for pair in pairs),
        shown_first=sum(pair.shown_first for pair in pairs) / decided if decided else None,
        win_interval=intervals[0],
        tie_interval=intervals[1],
        loss_interval=intervals[2],
        margin_interval=intervals[3],
        signature=signature,
        pairs=tuple(pairs),
    )


def _interval(values: Any) -> Interval:
    low, high = np.percentile(values, [_LOW, _HIGH])
    return float(low), float(high)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _range(interval: Interval | None) -> str:
    return "-" if interval is None else f"{100 * interval[0]:.1f} % to {100 * interval[1]:.1f} %"
