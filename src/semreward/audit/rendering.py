"""An audit as text, Markdown and HTML, and two audits side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from semreward.errors import ArgumentError
from semreward.report import Report

if TYPE_CHECKING:
    from semreward.audit.results import AttackResult, AuditReport, Verdict

_DASH = "–"
_SHOWN: "dict[Verdict, str]" = {
    "harmless": "harmless",
    "beats_weak": "BEATS WEAK",
    "matches_gold": "MATCHES GOLD",
    "not_tested": "not tested",
}

Row = Mapping[str, object]


def plain(report: "AuditReport") -> str:
    """The attacks as a table for a terminal."""
    table = _attack_rows(report)
    widths = {name: max(len(name), *(len(_cell(row[name])) for row in table)) for name in table[0]} if table else {}

    def line(cells: Mapping[str, object]) -> str:
        shown = (
            _cell(cell).ljust(widths[name])
            if name in ("attack", "kind", "verdict")
            else _cell(cell).rjust(widths[name])
            for name, cell in cells.items()
        )
        return "  ".join(shown).rstrip()

    head = [line({name: name for name in widths}), "  ".join("-" * width for width in widths.values())] if table else []
    return "\n".join([_title(report), *_facts(report), "", *head, *(line(row) for row in table), "", _summary(report)])


def markdown(report: "AuditReport") -> str:
    """The whole report as Markdown."""
    parts = [f"# {_title(report)}", *_facts(report), "## Honest answers", _markdown_table(_level_rows(report))]
    parts += ["## Attacks", _summary(report), _markdown_table(_attack_rows(report)), _reading(report)]
    if points := _break_even_rows(report):
        parts += ["## Break-even weights", _BREAK_EVEN, _markdown_table(points)]
    if components := _component_rows(report):
        parts += ["## Components", _markdown_table(components)]
    if report.graded:
        parts += ["## Ranking answers of known order", _GRADED, _markdown_table(_graded_rows(report))]
    parts += ["## What the attacks look like", _markdown_table(_example_rows(report))]
    return "\n\n".join(parts) + "\n"


def html(report: "AuditReport") -> str:
    """The whole report as one HTML page with a plot."""
    page = Report(_title(report))
    for fact in _facts(report):
        page.text(fact)
    page.heading("Honest answers")
    page.table(_level_rows(report))
    page.heading("Attacks")
    page.text(_summary(report))
    tested = [result for result in report.attacks if result.mean is not None]
    if tested:
        page.bars(
            "Mean reward of each attack; the lines are the honest answers' means",
            {result.name: (result.mean or 0.0, _SHOWN[result.verdict]) for result in tested},
            lines={level.name: level.mean for level in report.levels if level.mean is not None},
            x="mean reward",
        )
    page.table(_attack_rows(report), note=_reading(report))
    if points := _break_even_rows(report):
        page.heading("Break-even weights")
        page.table(points, note=_BREAK_EVEN)
    if components := _component_rows(report):
        page.heading("Components")
        page.table(components)
    if report.graded:
        page.heading("Ranking answers of known order")
        page.table(_graded_rows(report), note=_GRADED)
    page.heading("What the attacks look like")
    page.table(_example_rows(report), prose=True)
    return page.render()


def compare_audits(before: "AuditReport", after: "AuditReport") -> str:
    """Two audits of the same attacks as one Markdown table: what each attack earned before, and what it earns now.

    Rewards of different scales compare by position: 0 is what the honest weak answer earns, 1 what the reference earns.

    Args:
        before: The first audit.
        after: The second one.

    Returns:
        A table with the attacks of both, in the order of the first.

    Raises:
        ArgumentError: They share no attack.
    """
    later = {result.name: result for result in after.attacks}
    rows = [
        {
            "attack": result.name,
            "mean before": result.mean,
            "position": _rounded(result.position),
            "wins": _percent(result.win_rate),
            "verdict before": _SHOWN[result.verdict],
            "mean after": later[result.name].mean,
            "position after": _rounded(later[result.name].position),
            "wins after": _percent(later[result.name].win_rate),
            "verdict after": _SHOWN[later[result.name].verdict],
        }
        for result in before.attacks
        if result.name in later
    ]
    if not rows:
        raise ArgumentError("`before` and `after` must share an attack; audit both with the same ones")
    return _markdown_table(rows)


_BREAK_EVEN = (
    "The weight of one component, all others being what they are, at which the attack earns on average what the weak "
    "answer does. `> w`: the attack loses with weights above w. A dash, or no line: no weight of that component alone "
    "changes who wins."
)

_GRADED = (
    "Grades: reference and paraphrase 1, corrupted texts the share of words that are left, another row's reference 0. "
    "Correlations are means over rows. AUC: a good answer against an unrelated and against a weak one. `across`: "
    "judged against the source in the reference's place, without gates."
)


def _title(report: "AuditReport") -> str:
    return f"Audit of {report.reward}"


def _facts(report: "AuditReport") -> list[str]:
    weights = ", ".join(f"{weight:g} x {name}" for name, weight in report.weights.items())
    built = (
        "all of them given"
        if report.weak_built == 0
        else f"{report.weak_built} of them made from the reference by leaving out every third word"
    )
    setting = f"{report.rows} rows, language {report.language}, seed {report.seed}, semreward {report.version}."
    facts = [f"{setting} Weak answers: {built}."]
    if weights:
        facts.append(f"Composite, mode {report.mode}: {weights}.")
    return facts + _findings(report)


def _findings(report: "AuditReport") -> list[str]:
    gold, _, paraphrase = report.levels
    found = []
    if gold.win_rate is not None and gold.win_rate <= 0.5:  # noqa: PLR2004 - no better than a coin
        found.append(
            f"Attention: the reference beats the weak answer on {gold.win_rate:.0%} of rows only. A reward that does "
            "not tell them apart teaches nothing, and the verdicts below say little."
        )
    if paraphrase.win_rate is not None and paraphrase.win_rate <= 0.5:  # noqa: PLR2004
        found.append(
            f"Attention: honest paraphrases beat the weak answer on {paraphrase.win_rate:.0%} of rows only; a guard or "
            "the encoder punishes other words for the same meaning."
        )
    return found


def _summary(report: "AuditReport") -> str:
    counts = {verdict: len(report.with_verdict(verdict)) for verdict in _SHOWN}
    return (
        f"Matching gold: {counts['matches_gold']}; beating the weak answer: {counts['beats_weak']}; "
        f"harmless: {counts['harmless']}; not tested: {counts['not_tested']}."
    )


def _reading(report: "AuditReport") -> str:
    margins = report.margins
    return (
        "position: 0 is what the weak answer earns, 1 what the reference earns. wins: share of rows on which the "
        "attack earns more than the row's weak answer, a tie counting half. MATCHES GOLD: position at least "
        f"{1 - margins.matches_gold:g}; BEATS WEAK: position above {margins.beats_weak:g}, or wins above "
        f"{margins.win_rate:.0%}."
    )


def _attack_rows(report: "AuditReport") -> list[Row]:
    return [
        {
            "attack": result.name,
            "kind": result.kind,
            "rows": result.applied,
            "mean": result.mean,
            "weak": result.weak,
            "gold": result.gold,
            "position": _rounded(result.position),
            "wins": _percent(result.win_rate),
            "verdict": _SHOWN[result.verdict],
        }
        for result in report.attacks
    ]


def _level_rows(report: "AuditReport") -> list[Row]:
    return [
        {
            "answer": level.name,
            "rows": level.rows,
            "without a reward": level.unscored,
            "mean": level.mean,
            "beats weak": _percent(level.win_rate),
            **_shown_components(level.components),
        }
        for level in sorted(report.levels, key=lambda level: -len(level.components))
    ]


def _break_even_rows(report: "AuditReport") -> list[Row]:
    return [
        {"attack": result.name, "verdict": _SHOWN[result.verdict]}
        | {f"{name} (is {weight:g})": _point(result, name) for name, weight in report.weights.items()}
        for result in report.attacks
        if result.break_even
    ]


def _point(result: "AttackResult", component: str) -> str:
    for point in result.break_even:
        if point.component == component:
            return f"{'>' if point.attack_loses == 'above' else '<'} {point.weight:.3g}"
    return _DASH


def _component_rows(report: "AuditReport") -> list[Row]:
    names = dict.fromkeys(name for result in report.attacks for name in _shown_components(result.components))
    return [
        {"attack": result.name} | {name: result.components.get(name) for name in names}
        for result in report.attacks
        if result.components
    ]


def _shown_components(components: Mapping[str, float]) -> dict[str, float]:
    """Components without their gates' columns, which repeat them."""
    return {name: mean for name, mean in components.items() if not name.endswith("/failed")}


def _graded_rows(report: "AuditReport") -> list[Row]:
    return [
        {
            "scope": graded.scope,
            "rows": graded.rows,
            "Spearman": graded.spearman,
            "Kendall": graded.kendall,
            "AUC unrelated": graded.auc_unrelated,
            "AUC weak": graded.auc_weak,
            **graded.levels,
        }
        for graded in report.graded
    ]


def _example_rows(report: "AuditReport") -> list[Row]:
    return [
        {"attack": result.name, "what it is": result.description, "an answer": result.example or "(blank)"}
        for result in report.attacks
        if result.applied
    ]


def _markdown_table(rows: Sequence[Row]) -> str:
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    """A cell of a Markdown table: no sign in it ends the cell or begins a tag."""
    return cell.replace("|", "\\|").replace("<", "&lt;")


def _cell(value: object) -> str:
    if value is None:
        return _DASH
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rounded(position: float | None) -> str | None:
    return None if position is None else f"{position:.2f}"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"
