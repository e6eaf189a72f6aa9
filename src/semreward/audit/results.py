"""What an audit found: plain values, their JSON, and the exit code for a CI job."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from semreward.arguments import check_share, is_finite_number
from semreward.audit import rendering
from semreward.audit.attacks import KINDS, Kind
from semreward.errors import ArgumentError

SCHEMA = "semreward.audit/1"
"""Name and version of the JSON layout: fields may be added under one version, none changes its meaning."""

Verdict: TypeAlias = Literal["harmless", "beats_weak", "matches_gold", "not_tested"]
"""What a reward pays an attack: no more than an honest weak answer; more than that; as much as the right answer; or the
attack applied to no row with a reward. See `Margins`."""

FailOn: TypeAlias = Literal["beats_weak", "matches_gold"] | Mapping[str, str | float]
"""What makes an audit fail: a verdict (or a worse one) of any attack, or limits by attack or kind; see `failures`."""


@dataclass(frozen=True)
class Margins:
    """The lines between verdicts, in shares in [0, 1] of the *gap*: gold - weak, or 0 where that is negative.

    With the means over the rows to which an attack applies:

    * `matches_gold`: attack >= gold - `matches_gold` x gap;
    * `beats_weak`: attack > weak + `beats_weak` x gap, or it wins against the weak answer of the same row more often
      than `win_rate` (a tie is half a win);
    * `harmless`: neither.

    Raises:
        ArgumentError: A share is outside [0, 1].
    """

    beats_weak: float = 0.05
    matches_gold: float = 0.05
    win_rate: float = 0.5

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            check_share(name, value)

    def verdict(self, attack: float, weak: float, gold: float, win_rate: float) -> Verdict:
        """The verdict on an attack, from the three means and its rate of wins against the weak answer."""
        gap = max(0.0, gold - weak)
        if attack >= gold - self.matches_gold * gap:
            return "matches_gold"
        if attack > weak + self.beats_weak * gap or win_rate > self.win_rate:
            return "beats_weak"
        return "harmless"


@dataclass(frozen=True)
class Level:
    """What one kind of honest answer earns: `gold` (the reference), `weak` or `paraphrase`.

    `unscored` of the `rows` that have such an answer have no reward; `mean` is that of the others. `win_rate` is the
    share of rows on which it earns more than the weak answer, a tie counting half; `None` for the weak answer itself.
    `components` are the means of a composite's components.
    """

    name: str
    rows: int
    unscored: int
    mean: float | None
    win_rate: float | None
    components: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BreakEven:
    """The weight of one component at which attack and weak answer earn the same on average, the others unchanged.

    `attack_loses` is the side of it on which the attack earns less.
    """

    component: str
    weight: float
    attack_loses: Literal["above", "below"]


@dataclass(frozen=True)
class AttackResult:
    """What one attack earns. Means and rates are over the rows on which attack, weak answer and gold all have a value.

    Attributes:
        applied: Number of rows to which the attack applies; `unscored` of them have no reward.
        mean: Its mean reward, as `weak` and `gold` those of the honest answers; `None` where it was not tested.
        position: (mean - weak) / (gold - weak): 0 pays it like the weak answer, 1 like the right one; `None` where gold
            earns no more than weak.
        win_rate: Share of rows on which it earns more than the row's weak answer, a tie counting half.
        components: Mean of each component of a composite.
        break_even: For a composite that is a sum, one entry per component whose weight alone can change who wins.
        example: One of its answers, shortened.
    """

    name: str
    kind: Kind
    description: str
    applied: int
    unscored: int
    mean: float | None = None
    weak: float | None = None
    gold: float | None = None
    position: float | None = None
    win_rate: float | None = None
    verdict: Verdict = "not_tested"
    components: dict[str, float] = field(default_factory=dict)
    break_even: tuple[BreakEven, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class GradedResult:
    """How well a reward ranks answers of known order: reference and paraphrase, growing corruption, unrelated.

    Attributes:
        scope: `within` a language (against the reference) or `across` languages (against the source in its place, and
            without the gates of a composite: guards compare with a text of the same language).
        rows: Number of rows that were ranked.
        spearman: Mean over rows of the rank correlation of reward and grade, in [-1, 1]; equal rewards count 0.
        kendall: The same with Kendall's tau-b.
        auc_unrelated: Probability that a good answer of any row earns more than an unrelated one of any row, in [0, 1];
            `auc_weak`: more than a weak one.
        levels: Mean reward of each level, the weak answer included.
    """

    scope: Literal["within", "across"]
    rows: int
    spearman: float
    kendall: float
    auc_unrelated: float
    auc_weak: float | None
    levels: dict[str, float]


@dataclass(frozen=True)
class AuditReport:
    """What an audit found; prints as a table, and writes JSON, Markdown and HTML.

    Attributes:
        reward: The reward's name, and its `signature` where it has one.
        language: Tag of the table that the attacks used.
        weak_built: Number of `rows` whose weak answer was made from the reference: every third word left out.
        weights: Weights of a composite's components, and its `mode`.
        levels: What honest answers earn.
        attacks: One result per attack.
        graded: Rank statistics, `within` a language and, on request, `across` languages.
    """

    reward: str
    signature: str | None
    language: str
    rows: int
    weak_built: int
    seed: int
    margins: Margins
    weights: dict[str, float]
    mode: str | None
    levels: tuple[Level, ...]
    attacks: tuple[AttackResult, ...]
    graded: tuple[GradedResult, ...]
    version: str

    def __getitem__(self, name: str) -> AttackResult:
        """The result of the attack of that name; an `ArgumentError` without one."""
        for result in self.attacks:
            if result.name == name:
                return result
        raise ArgumentError(
            f"no attack {name!r} in this report; it has {', '.join(item.name for item in self.attacks)}"
        )

    def with_verdict(self, *verdicts: Verdict) -> tuple[AttackResult, ...]:
        """The attacks with one of the given verdicts."""
        return tuple(result for result in self.attacks if result.verdict in verdicts)

    def failures(self, fail_on: FailOn = "beats_weak") -> tuple[str, ...]:
        """What breaks the given limits, one line each.

        Args:
            fail_on: `"beats_weak"`: any attack that beats the weak answer or matches gold; `"matches_gold"`: the latter
                only. Or a mapping from names or kinds of attacks to one of these verdicts or to the highest win rate
                that passes. An attack that is named itself, and not by its kind, also fails where it was not tested.

        Returns:
            The lines. An audit none of whose attacks was tested fails whatever the limits: it says nothing.

        Raises:
            ArgumentError: A name, kind or verdict in `fail_on` does not exist, or a win rate is outside [0, 1].
        """
        self._check_limits({KINDS[0]: fail_on} if isinstance(fail_on, str) else fail_on)
        if all(result.mean is None for result in self.attacks):
            reason = "no row had a reward for an attack, the weak answer and the reference alike"
            applied = any(result.applied for result in self.attacks)
            return (f"0 of {len(self.attacks)} attacks tested: {reason if applied else 'none applied to a row'}",)
        if isinstance(fail_on, str):
            return tuple(_failure(result, fail_on) for result in self.attacks if _breaks(result, fail_on))
        lines = []
        for key, limit in fail_on.items():
            named = [result for result in self.attacks if result.name == key]
            chosen = named or [result for result in self.attacks if result.kind == key]
            untested = [result for result in named if result.mean is None]
            lines += [_failure(result, limit) for result in chosen if _breaks(result, limit) or result in untested]
        return tuple(lines)

    def _check_limits(self, limits: Any) -> None:
        verdicts = "beats_weak or matches_gold"
        if not isinstance(limits, Mapping):
            raise ArgumentError(
                f"`fail_on` must be a verdict, {verdicts}, or a mapping from names or kinds of attacks to verdicts or "
                f"win rates, got {limits!r}"
            )
        for key, limit in limits.items():
            if key not in {*KINDS, *(result.name for result in self.attacks)}:
                raise ArgumentError(
                    f"`fail_on` names {key!r}, which is no attack of this report and no kind ({', '.join(KINDS)})"
                )
            if isinstance(limit, str) and limit not in ("beats_weak", "matches_gold"):
                raise ArgumentError(f"`fail_on` must name a verdict, {verdicts}, or a win rate; got {limit!r}")
            if not isinstance(limit, str) and not (is_finite_number(limit) and 0 <= limit <= 1):
                raise ArgumentError(f"a win rate in `fail_on` must be in [0, 1], got {limit!r}")

    def exit_code(self, fail_on: FailOn = "beats_weak") -> int:
        """0 where nothing breaks the limits, else 1; see `failures`."""
        return int(bool(self.failures(fail_on)))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, with the name of its layout under `schema`."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    def to_json(self) -> str:
        """The report as JSON; the same report gives the same text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "AuditReport":
        """Read what `to_json` wrote; an `ArgumentError` if it is something else, or of another version."""
        try:
            values = json.loads(text)
            if values.pop("schema") != SCHEMA:
                raise ArgumentError(f"an audit must have the schema {SCHEMA!r}; audit again with this version")
            for attack in values["attacks"]:
                attack["break_even"] = tuple(BreakEven(**point) for point in attack["break_even"])
            parts = {"levels": Level, "attacks": AttackResult, "graded": GradedResult}
            values |= {name: tuple(make(**item) for item in values[name]) for name, make in parts.items()}
            return cls(**{**values, "margins": Margins(**values["margins"])})
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ArgumentError(f"this is no audit in JSON: {error!r}; write one with to_json()") from error

    def to_markdown(self) -> str:
        """The report as Markdown."""
        return rendering.markdown(self)

    def to_html(self) -> str:
        """The report as one HTML page that opens offline, with a plot, which needs matplotlib."""
        return rendering.html(self)

    def write(self, path: str | Path) -> None:
        """Write the report; the path's ending says how: `.json`, `.md` or `.html`."""
        formats = {".json": self.to_json, ".md": self.to_markdown, ".html": self.to_html}
        ending = Path(path).suffix
        if ending not in formats:
            raise ArgumentError(f"`path` must end in {', '.join(formats)}; got {str(path)!r}")
        # A lone surrogate, which UTF-8 cannot carry, is written as \udXXX: in JSON the same text.
        Path(path).write_text(formats[ending](), encoding="utf-8", errors="backslashreplace")

    def __str__(self) -> str:
        return rendering.plain(self)


def _breaks(result: AttackResult, limit: str | float) -> bool:
    if isinstance(limit, str):
        return result.verdict in ("matches_gold", limit)
    return result.win_rate is not None and result.win_rate > limit


def _failure(result: AttackResult, limit: str | float) -> str:
    if result.mean is None:
        reason = "no row had a reward for it, the weak answer and the reference"
        return f"{result.name}: not tested, {reason if result.applied else 'it applied to no row'}"
    allowed = f"below {limit!r}" if isinstance(limit, str) else f"a win rate of at most {limit:g}"
    return (
        f"{result.name}: {result.verdict}, mean {result.mean:.4g} (weak {result.weak:.4g}, gold {result.gold:.4g}), "
        f"wins {result.win_rate:.0%}; {allowed} was asked for"
    )
