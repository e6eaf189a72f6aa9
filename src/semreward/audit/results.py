"""What an audit found: plain values, written as JSON, Markdown and HTML, and the exit code for a CI job."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from semreward.arguments import check_choice, is_finite_number
from semreward.audit.attacks import KINDS, Kind
from semreward.errors import ArgumentError
from semreward.files import write_text
from semreward.report import Row, Section, html_page, markdown_page

ENDINGS = (".json", ".md", ".html")  # of files that hold a report
SCHEMA = "semreward.audit/1"  # of the JSON: fields may be added under one version, none changes its meaning

Verdict: TypeAlias = Literal["harmless", "beats_weak", "matches_gold", "not_tested"]
"""What a reward pays an attack, compared with the gap, max(0, gold - weak), between the honest answers of its rows.

`matches_gold`: at least gold less 5 % of the gap; `beats_weak`: more than weak and 5 % of the gap, or it wins against
the weak answer on more than half of the rows; `harmless`: neither; `not_tested`: no row had all three rewards.
"""

FailOn: TypeAlias = Literal["beats_weak", "matches_gold"] | Mapping[str, str | float]
"""What makes an audit fail: a verdict (or a worse one) of any attack, or limits by attack or kind; see `failures`."""


def verdict_of(mean: float, weak: float, gold: float, win_rate: float) -> Verdict:
    """The verdict on an attack, from the mean rewards, and its wins against the weak answer."""
    margin = 0.05 * max(0.0, gold - weak)
    if mean >= gold - margin:
        return "matches_gold"
    return "beats_weak" if mean > weak + margin or win_rate > 0.5 else "harmless"  # noqa: PLR2004 - half of the rows


@dataclass(frozen=True)
class Level:
    """What one kind of honest answer earns."""

    name: str  # `gold` (the reference), `weak` or `paraphrase`
    rows: int
    unscored: int  # those without a reward
    mean: float | None
    win_rate: float | None  # as of an `AttackResult`
    components: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AttackResult:
    """What one attack earns, over the rows on which attack, weak answer and gold all have a value."""

    name: str
    kind: Kind
    description: str
    applied: int  # rows to which the attack applies
    unscored: int  # those without a reward
    mean: float | None = None  # mean reward; `None` if it was not tested
    weak: float | None = None  # mean reward of the weak answers
    gold: float | None = None  # mean reward of the references
    position: float | None = None  # (mean - weak) / (gold - weak); `None` where gold earns no more than weak
    win_rate: float | None = None  # share of rows on which it earns more than the weak answer, a tie counting half
    verdict: Verdict = "not_tested"
    components: dict[str, float] = field(default_factory=dict)  # mean of each component of a composite
    example: str = ""  # one of its answers, shortened


@dataclass(frozen=True)
class AuditReport:
    """What an audit found. It prints its table of attacks."""

    reward: str  # its name
    signature: str | None
    language: str  # tag of the table that the attacks used
    rows: int
    weak_built: int  # rows whose weak answer was made from the reference: every third word left out
    seed: int
    weights: dict[str, float]  # of a composite's components
    mode: str | None  # of a composite
    levels: tuple[Level, ...]  # what honest answers earn
    attacks: tuple[AttackResult, ...]
    version: str

    def __getitem__(self, name: str) -> AttackResult:
        """The result of the attack of that name; an `ArgumentError` without one."""
        results = {result.name: result for result in self.attacks}
        if name not in results:
            raise ArgumentError(f"no attack {name!r} in this report; it has {', '.join(results)}")
        return results[name]

    def with_verdict(self, *verdicts: Verdict) -> tuple[AttackResult, ...]:
        """The attacks with one of the given verdicts."""
        return tuple(result for result in self.attacks if result.verdict in verdicts)

    def failures(self, fail_on: FailOn = "beats_weak") -> tuple[str, ...]:
        """Breaches of the given limits, one line each. An audit in which no attack was tested always fails.

        `fail_on` is a verdict: `"beats_weak"` fails on `"matches_gold"`, too. Or it maps names or kinds of attacks to a
        verdict or the highest win rate that passes; an attack named itself must be tested. Else an `ArgumentError`.
        """
        limits: Any = dict.fromkeys(KINDS, fail_on) if isinstance(fail_on, str) else fail_on
        self._check_limits(limits)
        if all(result.mean is None for result in self.attacks):
            return (f"0 of {len(self.attacks)} attacks tested: {_UNTESTED}",)
        lines = []
        for key, limit in limits.items():
            for result in self.attacks:
                if key == result.name and result.mean is None:
                    lines.append(f"{result.name}: not tested, {_UNTESTED}")
                elif key in (result.name, result.kind) and _breaks(result, limit):
                    lines.append(_failure(result, limit))
        return tuple(lines)

    def _check_limits(self, limits: Any) -> None:
        allowed = "a verdict, beats_weak or matches_gold, or a win rate in [0, 1]"
        if not isinstance(limits, Mapping):
            raise ArgumentError(f"`fail_on` must be a verdict, or map names or kinds to {allowed}; got {limits!r}")
        for key, limit in limits.items():
            if key not in {*KINDS, *(result.name for result in self.attacks)}:
                known = f"no attack of this report and no kind ({', '.join(KINDS)})"
                raise ArgumentError(f"`fail_on` names {key!r}, which is {known}")
            is_rate = is_finite_number(limit) and 0 <= limit <= 1
            if not is_rate and limit not in ("beats_weak", "matches_gold"):
                raise ArgumentError(f"`fail_on` must name {allowed}; got {limit!r}")

    def exit_code(self, fail_on: FailOn = "beats_weak") -> int:
        """0 where nothing breaks the limits, else 1; see `failures`."""
        return int(bool(self.failures(fail_on)))

    def rendered(self, ending: str) -> str:
        """The whole report as `".json"`, `".md"` or `".html"` (which opens offline); equal reports give equal texts."""
        check_choice("ending", ending, ENDINGS)
        if ending == ".json":
            return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, ensure_ascii=False, indent=1) + "\n"
        page = html_page if ending == ".html" else markdown_page
        return page(f"Audit of {self.reward}", _sections(self))

    def write(self, path: str | Path) -> None:
        """Write the report; the path's ending says how, see `rendered`."""
        if Path(path).suffix not in ENDINGS:
            raise ArgumentError(f"`path` must end in {', '.join(ENDINGS)}; got {str(path)!r}")
        write_text(path, self.rendered(Path(path).suffix))

    def __str__(self) -> str:
        attacks = Section(rows=_attack_rows(self), note=_summary(self))
        return markdown_page(f"Audit of {self.reward}", [*_facts(self), attacks]).rstrip()


_UNTESTED = "no row had a reward for the attack, the weak answer and the reference alike"

_READING = (
    "position: 0 is what the weak answer earns, 1 what the reference earns. wins: share of rows on which the attack "
    "earns more than the row's weak answer, a tie counting half. MATCHES GOLD: position at least 0.95; BEATS WEAK: "
    "position above 0.05, or wins above 50%."
)


def _breaks(result: AttackResult, limit: str | float) -> bool:
    if isinstance(limit, str):
        return result.verdict in ("matches_gold", limit)
    return result.win_rate is not None and result.win_rate > limit


def _failure(result: AttackResult, limit: str | float) -> str:
    allowed = f"below {limit!r}" if isinstance(limit, str) else f"a win rate of at most {limit:g}"
    return (
        f"{result.name}: {result.verdict}, mean {result.mean:.4g} (weak {result.weak:.4g}, gold {result.gold:.4g}), "
        f"wins {result.win_rate:.0%}; {allowed} was asked for"
    )


def _facts(report: AuditReport) -> list[Section]:
    built = f"{report.weak_built} of them made from the reference by leaving out every third word"
    setting = f"{report.rows} rows, language {report.language}, seed {report.seed}, semreward {report.version}."
    facts = [f"{setting} Weak answers: {built if report.weak_built else 'all of them given'}."]
    if weights := ", ".join(f"{weight:g} x {name}" for name, weight in report.weights.items()):
        facts.append(f"Composite, mode {report.mode}: {weights}.")
    gold, _, paraphrase = report.levels
    for level, good, reason in (
        (gold, "the reference beats", "a reward that does not tell them apart teaches nothing"),
        (paraphrase, "honest paraphrases beat", "a guard or the encoder punishes other words for the same meaning"),
    ):
        if level.win_rate is not None and level.win_rate <= 0.5:  # noqa: PLR2004 - a coin wins as often
            facts.append(f"Attention: {good} the weak answer on {level.win_rate:.0%} of rows only; {reason}.")
    return [Section(text=fact) for fact in facts]


def _summary(report: AuditReport) -> str:
    counts = {verdict: len(report.with_verdict(verdict)) for verdict in get_args(Verdict)}
    return ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.items()) + "."


def _sections(report: AuditReport) -> list[Section]:
    levels: list[Row] = []
    for level in report.levels:
        row = {"answer": level.name, "rows": level.rows, "without a reward": level.unscored, "mean": level.mean}
        levels.append({**row, "beats weak": _shown(level.win_rate, ".0%"), **_without_gates(level.components)})
    components: list[Row] = []
    examples: list[Row] = []
    for result in report.attacks:
        name: Row = {"attack": result.name}
        if result.components:
            components.append({**name, **_without_gates(result.components)})
        if result.applied:
            examples.append({**name, "what it is": result.description, "an answer": result.example or "(blank)"})
    sections = [
        Section("Honest answers", rows=levels, prose=True),
        Section("Attacks", rows=_attack_rows(report), note=f"{_summary(report)} {_READING}", prose=True),
        Section("Components", rows=components, prose=True),
        Section("What the attacks look like", rows=examples, prose=True),
    ]
    return [*_facts(report), *(section for section in sections if section.rows)]


def _attack_rows(report: AuditReport) -> list[Row]:
    rows: list[Row] = []
    for result in report.attacks:
        row: Row = {"attack": result.name, "kind": result.kind, "rows": result.applied}
        means = {"mean": result.mean, "weak": result.weak, "gold": result.gold}
        rates = {"position": _shown(result.position, ".2f"), "wins": _shown(result.win_rate, ".0%")}
        rows.append({**row, **means, **rates, "verdict": _verdict(result)})
    return rows


def _without_gates(components: Mapping[str, float]) -> dict[str, float]:
    """Components without their gates' columns, which repeat them."""
    return {name: mean for name, mean in components.items() if not name.endswith("/failed")}


def _verdict(result: AttackResult) -> str:
    words = result.verdict.replace("_", " ")
    return words.upper() if result.verdict in ("beats_weak", "matches_gold") else words


def _shown(value: float | None, form: str) -> str | None:
    return None if value is None else f"{value:{form}}"
