"""What a judge's decisions say about two systems: wins, ties and losses, with intervals."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from semreward.evaluation.prompts import verdict_of

Outcome: TypeAlias = Literal["first", "second", "tie", "unparsable"]
Interval: TypeAlias = tuple[float, float]

_SHARES = ("judged", "win_rate", "tie_rate", "loss_rate", "margin")


@dataclass(frozen=True)
class JudgedPair:
    """One pair of candidates, judged in both orders.

    Attributes:
        outcome: The system whose candidate is better in both orders; `"unparsable"` if an answer holds no decision;
            `"tie"` otherwise.
        consistent: Whether both orders led to the same decision; `None` if an answer holds none.
        answers: The judge's answers, with the first system's candidate shown first, and second. Empty for equal
            candidates.
        shown_first: How many of the two decisions were for the candidate shown first.
        decided: How many of them were for either candidate.
    """

    outcome: Outcome
    consistent: bool | None
    answers: tuple[str, ...]
    shown_first: int = 0
    decided: int = 0


@dataclass(frozen=True)
class PairwiseScores:
    """How often a judge prefers one system to another.

    Rates are shares of the judged pairs: wins, ties and losses. Intervals are 95 % bootstrap intervals over these
    pairs, taken as independent. If all pairs end alike, an interval is a single point, which does not mean certainty.
    Without judged pairs, rates and intervals are `None`.

    Attributes:
        names: The two systems.
        wins: Pairs that the first system won.
        ties: Pairs that nobody won, because the judge said so or its two decisions differ.
        losses: Pairs that the second system won.
        unparsable: Pairs with an answer that holds no decision, or several; in no rate.
        inconsistent: Ties whose decisions differ between the orders.
        identical: Ties of equal candidates, about which nobody is asked.
        shown_first: Of all decisions for a candidate, the share for the one shown first: 0.5 if the order does not
            matter; `None` without such decisions.
        win_interval: Interval of `win_rate`.
        tie_interval: Interval of `tie_rate`.
        loss_interval: Interval of `loss_rate`.
        margin_interval: Interval of `margin`.
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
        """Wins, ties and losses."""
        return self.wins + self.ties + self.losses

    @property
    def win_rate(self) -> float | None:
        """Share of judged pairs that the first system won, in [0, 1]."""
        return self.wins / self.judged if self.judged else None

    @property
    def tie_rate(self) -> float | None:
        """Share of judged pairs that nobody won, in [0, 1]."""
        return self.ties / self.judged if self.judged else None

    @property
    def loss_rate(self) -> float | None:
        """Share of judged pairs that the second system won, in [0, 1]."""
        return self.losses / self.judged if self.judged else None

    @property
    def margin(self) -> float | None:
        """Win rate less loss rate, in [-1, 1]; the systems differ if its interval does not hold 0."""
        return (self.wins - self.losses) / self.judged if self.judged else None

    def __str__(self) -> str:
        first, second = self.names
        rows: list[tuple[str, int, float | None, Interval | None]] = [
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
        width = max(map(len, [name for name, *_ in rows] + [name for name, _ in counts]))
        lines = [f"{'':<{width}}  {'pairs':>6}  {'share':>7}  95 % interval"]
        for name, count, share, interval in rows:
            limits = f"{_percent(interval[0])} to {_percent(interval[1])}" if interval else "-"
            lines.append(f"{name:<{width}}  {count:>6}  {_percent(share):>7}  {limits}")
        lines += [f"{name:<{width}}  {count:>6}" for name, count in counts]
        lines.append(f"{'decided for the one shown first':<{width + 8}}  {_percent(self.shown_first):>7}")
        return "\n".join([*lines, self.signature])

    def to_dict(self) -> dict[str, Any]:
        """Everything, shares and answers included, as JSON can hold it."""
        return {name: getattr(self, name) for name in _SHARES} | asdict(self)

    def to_json(self) -> str:
        """`to_dict` as JSON; the same scores give the same text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n"


def judged_pair(*answers: str) -> JudgedPair:
    """The outcome of the answers with the first system's candidate shown first, and second; a tie without answers.

    Example:
        >>> [judged_pair("[[1]]", backward).outcome for backward in ("[[2]]", "[[1]]", "2")]
        ['first', 'tie', 'unparsable']
    """
    shown = tuple(verdict_of(answer) for answer in answers)
    shown_first, decided = shown.count(1), shown.count(1) + shown.count(2)
    if None in shown:
        return JudgedPair("unparsable", None, answers, shown_first, decided)
    agreed: dict[tuple[int | None, ...], Outcome] = {(): "tie", (0, 0): "tie", (1, 2): "first", (2, 1): "second"}
    return JudgedPair(agreed.get(shown, "tie"), shown in agreed, answers, shown_first, decided)


def scores_of(
    pairs: Sequence[JudgedPair], names: tuple[str, str], *, resamples: int, seed: int, signature: str
) -> PairwiseScores:
    """Count outcomes, and bootstrap their shares over pairs.

    Resampling N pairs and counting outcomes is the same as drawing from a multinomial distribution with the measured
    shares.

    Source:
        Efron 1979, https://doi.org/10.1214/aos/1176344552: percentile intervals.
    """
    outcomes = [pair.outcome for pair in pairs]
    wins, ties, losses = (outcomes.count(outcome) for outcome in ("first", "tie", "second"))
    intervals: list[Interval | None] = [None] * 4
    if judged := wins + ties + losses:
        shares = np.array([wins, ties, losses]) / judged
        drawn = np.random.default_rng(seed).multinomial(judged, shares, size=resamples) / judged
        columns = np.column_stack([drawn, drawn[:, 0] - drawn[:, 2]])
        intervals = [(float(low), float(high)) for low, high in np.percentile(columns, [2.5, 97.5], axis=0).T]
    decided = sum(pair.decided for pair in pairs)
    return PairwiseScores(
        names=names,
        wins=wins,
        ties=ties,
        losses=losses,
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


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
