"""An audit as text, Markdown and HTML, and two audits side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from semreward.errors import ArgumentError
from semreward.report import Report, shown

if TYPE_CHECKING:
    from semreward.audit.results import AttackResult, AuditReport, Level

Row = Mapping[str, object]

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


class _Section(NamedTuple):
    heading: str
    rows: Sequence[Row]
    text: str = ""
    note: str = ""


def plain(report: "AuditReport") -> str:
    """The attacks as a table for a terminal."""
    rows = _attack_rows(report)
    lines = []
    if rows:
        columns = [[name, *(shown(row[name]) for row in rows)] for name in rows[0]]
        lines = ["  ".join(cells).rstrip() for cells in zip(*map(_aligned, columns), strict=True)]
    return "\n".join([_title(report), *_facts(report), "", *lines, "", _summary(report)])


def _aligned(column: Sequence[str]) -> list[str]:
    """The cells of a column in one width, a line below its name; words to the left, numbers to the right."""
    width = max(map(len, column))
    side = "<" if column[0] in ("attack", "kind", "verdict") else ">"
    name, *cells = (f"{cell:{side}{width}}" for cell in column)
    return [name, "-" * width, *cells]


def markdown(report: "AuditReport") -> str:
    """The whole report as Markdown."""
    parts = [f"# {_title(report)}", *_facts(report)]
    for heading, rows, text, note in _sections(report):
        parts += [f"## {heading}", text, _markdown_table(rows), note]
    return "\n\n".join(filter(None, parts)) + "\n"


def html(report: "AuditReport") -> str:
    """The whole report as one HTML page with a plot."""
    page = Report(_title(report))
    for fact in _facts(report):
        page.text(fact)
    for heading, rows, text, note in _sections(report):
        page.heading(heading)
        if text:
            page.text(text)
        bars = {result.name: (result.mean, _verdict(result)) for result in report.attacks if result.mean is not None}
        if heading == "Attacks" and bars:
            lines = {level.name: level.mean for level in report.levels if level.mean is not None}
            title = "Mean reward of each attack; the lines are the honest answers' means"
            page.bars(title, bars, lines=lines, x="mean reward")
        page.table(rows, note=note, prose=heading.startswith("What"))
    return page.render()


def compare_audits(before: "AuditReport", after: "AuditReport") -> str:
    """Two audits of the same attacks as one Markdown table: what each attack earned before, and what it earns now.

    Rewards of different scales compare by position: 0 is what the honest weak answer earns, 1 what the reference earns.

    Raises:
        ArgumentError: They share no attack.
    """
    rows: list[Row] = []
    for old in before.attacks:
        for new in after.attacks:
            if new.name == old.name:
                was = {f"{column} before": value for column, value in _earned(old).items()}
                now = {f"{column} after": value for column, value in _earned(new).items()}
                rows.append({"attack": old.name, **was, **now})
    if not rows:
        raise ArgumentError("`before` and `after` must share an attack; audit both with the same ones")
    return _markdown_table(rows)


def _title(report: "AuditReport") -> str:
    return f"Audit of {report.reward}"


def _facts(report: "AuditReport") -> list[str]:
    built = f"{report.weak_built} of them made from the reference by leaving out every third word"
    setting = f"{report.rows} rows, language {report.language}, seed {report.seed}, semreward {report.version}."
    facts = [f"{setting} Weak answers: {built if report.weak_built else 'all of them given'}."]
    if weights := ", ".join(f"{weight:g} x {name}" for name, weight in report.weights.items()):
        facts.append(f"Composite, mode {report.mode}: {weights}.")
    gold, _, paraphrase = report.levels
    if _is_beaten(gold):
        facts.append(
            f"Attention: the reference beats the weak answer on {gold.win_rate:.0%} of rows only. A reward that does "
            "not tell them apart teaches nothing, and the verdicts below say little."
        )
    if _is_beaten(paraphrase):
        facts.append(
            f"Attention: honest paraphrases beat the weak answer on {paraphrase.win_rate:.0%} of rows only; a guard or "
            "the encoder punishes other words for the same meaning."
        )
    return facts


def _is_beaten(level: "Level") -> bool:
    """Whether a good answer wins against the weak one no more often than a coin."""
    return level.win_rate is not None and level.win_rate <= 0.5  # noqa: PLR2004


def _summary(report: "AuditReport") -> str:
    labels = {"matches_gold": "Matching gold", "beats_weak": "beating the weak answer", "harmless": "harmless"}
    labels["not_tested"] = "not tested"
    verdicts: list[str] = [result.verdict for result in report.attacks]
    return "; ".join(f"{label}: {verdicts.count(verdict)}" for verdict, label in labels.items()) + "."


def _sections(report: "AuditReport") -> list[_Section]:
    margins = report.margins
    reading = (
        "position: 0 is what the weak answer earns, 1 what the reference earns. wins: share of rows on which the "
        "attack earns more than the row's weak answer, a tie counting half. MATCHES GOLD: position at least "
        f"{1 - margins.matches_gold:g}; BEATS WEAK: position above {margins.beats_weak:g}, or wins above "
        f"{margins.win_rate:.0%}."
    )
    sections = [
        _Section("Honest answers", _level_rows(report)),
        _Section("Attacks", _attack_rows(report), _summary(report), reading),
        _Section("Break-even weights", _break_even_rows(report), _BREAK_EVEN),
        _Section("Components", _component_rows(report)),
        _Section("Ranking answers of known order", _graded_rows(report), _GRADED),
        _Section("What the attacks look like", _example_rows(report)),
    ]
    return [section for section in sections if section.rows]


def _level_rows(report: "AuditReport") -> list[Row]:
    rows: list[Row] = []
    for level in sorted(report.levels, key=lambda level: -len(level.components)):
        row = {"answer": level.name, "rows": level.rows, "without a reward": level.unscored, "mean": level.mean}
        rows.append({**row, "beats weak": _percent(level.win_rate), **_without_gates(level.components)})
    return rows


def _attack_rows(report: "AuditReport") -> list[Row]:
    rows: list[Row] = []
    for result in report.attacks:
        earned = _earned(result)
        honest = {"mean": earned.pop("mean"), "weak": result.weak, "gold": result.gold}
        rows.append({"attack": result.name, "kind": result.kind, "rows": result.applied, **honest, **earned})
    return rows


def _earned(result: "AttackResult") -> dict[str, object]:
    position = None if result.position is None else f"{result.position:.2f}"
    wins = _percent(result.win_rate)
    return {"mean": result.mean, "position": position, "wins": wins, "verdict": _verdict(result)}


def _break_even_rows(report: "AuditReport") -> list[Row]:
    rows: list[Row] = []
    for result in report.attacks:
        sides = {"above": ">", "below": "<"}
        points = {point.component: f"{sides[point.attack_loses]} {point.weight:.3g}" for point in result.break_even}
        columns = {f"{name} (is {weight:g})": points.get(name) for name, weight in report.weights.items()}
        if points:
            rows.append({"attack": result.name, "verdict": _verdict(result), **columns})
    return rows


def _component_rows(report: "AuditReport") -> list[Row]:
    tested = [result for result in report.attacks if result.components]
    names = dict.fromkeys(name for result in tested for name in _without_gates(result.components))
    return [{"attack": result.name, **{name: result.components.get(name) for name in names}} for result in tested]


def _graded_rows(report: "AuditReport") -> list[Row]:
    rows: list[Row] = []
    for graded in report.graded:
        correlations = {"Spearman": graded.spearman, "Kendall": graded.kendall}
        aucs = {"AUC unrelated": graded.auc_unrelated, "AUC weak": graded.auc_weak}
        rows.append({"scope": graded.scope, "rows": graded.rows, **correlations, **aucs, **graded.levels})
    return rows


def _example_rows(report: "AuditReport") -> list[Row]:
    return [
        {"attack": result.name, "what it is": result.description, "an answer": result.example or "(blank)"}
        for result in report.attacks
        if result.applied
    ]


def _without_gates(components: Mapping[str, float]) -> dict[str, float]:
    """Components without their gates' columns, which repeat them."""
    return {name: mean for name, mean in components.items() if not name.endswith("/failed")}


def _markdown_table(rows: Sequence[Row]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([shown(row.get(name)) for name in rows[0]] for row in rows)]
    return "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)


def _escaped(cell: str) -> str:
    """A cell of a Markdown table, in which nothing ends the cell or begins a tag."""
    return cell.replace("|", "\\|").replace("<", "&lt;")


def _verdict(result: "AttackResult") -> str:
    words = result.verdict.replace("_", " ")
    return words.upper() if result.verdict in ("beats_weak", "matches_gold") else words


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"
