"""`semreward audit`: what a reward pays for answers that nobody wants."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from semreward.audit.auditing import audit_reward
from semreward.audit.results import FailOn
from semreward.cli.output import check_target, put, refusals, say
from semreward.cli.rewards import reward_of
from semreward.cli.rows import ABOUT_ROWS, located, rows_of
from semreward.errors import ArgumentError

_ENDINGS = (".json", ".md", ".html")


def run(options: Namespace) -> int:
    """Print the report, write it where that was asked for, and say what breaks the limits."""
    limits = limits_of(options.fail_on)
    for path in options.out:
        check_target(path, options.file)
        if Path(path).suffix not in _ENDINGS:
            raise ArgumentError(f"--out must end in {', '.join(_ENDINGS)}; got {path!r}")
    rows = list(rows_of(options.file, options.column, needed=("reference",)))
    reward = reward_of(options, own_language=True)
    try:
        report = audit_reward(reward, rows, language=options.language, seed=options.seed)
    except ABOUT_ROWS as error:
        raise located(error, options.file) from error
    put(f"{report}\n")
    for path in options.out:
        with refusals():
            report.write(path)
    for line in report.failures(limits):
        say(f"finding: {line}")
    return report.exit_code(limits)


def limits_of(rules: Sequence[str]) -> FailOn:
    """What `--fail-on` says, as `AuditReport.failures` takes it.

    Args:
        rules: None at all, one verdict, or any number of `name=verdict` and `name=rate`.

    Raises:
        ArgumentError: A rule has another form, or names an attack, a kind or a verdict that does not exist.

    Example:
        >>> limits_of(["form=beats_weak", "source_copy=0.05"])
        {'form': 'beats_weak', 'source_copy': 0.05}
    """
    limits: FailOn
    if len(rules) == 1 and "=" not in rules[0]:
        limits = rules[0]  # type: ignore[assignment] # checked below
    elif wrong := [rule for rule in rules if "=" not in rule]:
        raise ArgumentError(
            f"--fail-on must be one verdict, or rules such as form=beats_weak, got {wrong[0]!r} among several"
        )
    else:
        limits = dict(_rule(rule) for rule in rules) or "beats_weak"
    # An audit of one row by a reward that costs nothing refuses what one of many rows would refuse at its end.
    audit_reward(_nothing, [{"reference": "-"}]).failures(limits)
    return limits


def _rule(text: str) -> tuple[str, str | float]:
    name, _, limit = text.partition("=")
    try:
        return name, float(limit)
    except ValueError:
        return name, limit


def _nothing(completions: Sequence[str], **_: object) -> list[float | None]:
    return [None for _ in completions]
