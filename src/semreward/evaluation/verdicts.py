"""What a judge's decisions say about two systems: wins, ties and losses, with intervals."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from semreward.evaluation.prompts import verdict_of

Outcome: TypeAlias = Literal["first", "second", "tie", "unparsable"]
Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class JudgedPair:
    """One pair of candidates, judged in both orders."""

    outcome: Outcome  # whose candidate is better in both orders; else a tie, or unparsable without two decisions
    consistent: bool | None  # whether both orders led to the same decision; None if an answer holds none
    answers: tuple[str, ...]  # with the first system's candidate shown first, and second; none for equal candidates
    shown_first: int = 0  # decisions for the candidate shown first
    decided: int = 0  # decisions for either candidate


@dataclass(frozen=True)
class PairwiseScores:
    """How often a judge prefers one system to another.

    Rates are shares of the judged pairs: wins, ties and losses. Intervals are 95 % bootstrap intervals over these
    pairs, taken as independent. If all pairs end alike, an interval is a single point, which does not mean certainty.
    Without judged pairs, rates and intervals are `None`.
    """

    names: tuple[str, str]  # the two systems
    wins: int  # pairs that the first system won
    ties: int  # pairs that nobody won: the judge said so, its two decisions differ, or the candidates are equal
    losses: int  # pairs that the second system won
    judged: int  # wins, ties and losses
    unparsable: int  # pairs with an answer that holds no decision, or several
    inconsistent: int  # ties whose decisions differ between the orders
    identical: int  # ties of equal candidates, about which nobody is asked
    shown_first: float | None  # share of the decisions for the candidate shown first; 0.5 if the order does not matter
    win_rate: float | None
    tie_rate: float | None
    loss_rate: float | None
    margin: float | None  # win rate less loss rate, in [-1, 1]; the systems differ if its interval does not hold 0
    win_interval: Interval | None
    tie_interval: Interval | None
    loss_interval: Interval | None
    margin_interval: Interval | None
    signature: str  # everything that decides the numbers
    pairs: tuple[JudgedPair, ...] = field(repr=False)  # in the order of the rows

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

    def to_json(self) -> str:
        """Everything, answers included, as JSON; the same scores give the same text."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


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
    judged = wins + ties + losses
    rates: list[float | None] = [None] * 4
    intervals: list[Interval | None] = [None] * 4
    if judged:
        rates = [wins / judged, ties / judged, losses / judged, (wins - losses) / judged]
        drawn = np.random.default_rng(seed).multinomial(judged, np.array(rates[:3]), size=resamples) / judged
        columns = np.column_stack([drawn, drawn[:, 0] - drawn[:, 2]])
        intervals = [(float(low), float(high)) for low, high in np.percentile(columns, [2.5, 97.5], axis=0).T]
    decided = sum(pair.decided for pair in pairs)
    return PairwiseScores(
        names=names,
        wins=wins,
        ties=ties,
        losses=losses,
        judged=judged,
        unparsable=outcomes.count("unparsable"),
        inconsistent=sum(pair.consistent is False for pair in pairs),
        identical=sum(not pair.answers for pair in pairs),
        shown_first=sum(pair.shown_first for pair in pairs) / decided if decided else None,
        win_rate=rates[0],
        tie_rate=rates[1],
        loss_rate=rates[2],
        margin=rates[3],
        win_interval=intervals[0],
        tie_interval=intervals[1],
        loss_interval=intervals[2],
        margin_interval=intervals[3],
        signature=signature,
        pairs=tuple(pairs),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
