"""`semreward audit`: what a reward pays for answers that nobody wants."""

from argparse import Namespace
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from semreward.audit.auditing import audit_reward
from semreward.audit.results import FailOn
from semreward.cli.output import check_target, put, refusals, say
from semreward.cli.rewards import reward_of
from semreward.cli.rows import ABOUT_ROWS, Row, located, name_of, rows_of
from semreward.errors import ArgumentError, MissingDependencyError, SemRewardError
from semreward.protocols import RewardFunction

_ENDINGS = (".json", ".md", ".html")


def run(options: Namespace, stdout: TextIO) -> int:
    """Print the report, write it where that was asked for, and say what breaks the limits."""
    limits = limits_of(options.fail_on)
    for path in options.out:
        _check_report(path, options)
    rows = list(rows_of(options.file, options.column, needed=("reference",)))
    reward = reward_of(options, own_language=True)
    try:
        report = audit_reward(reward, rows, language=options.language, seed=options.seed)
    except ABOUT_ROWS as error:
        raise _placed(error, reward, rows, options) from error
    put(f"{report}\n", stdout)
    for path in options.out:
        with refusals():
            report.write(path)
    for line in report.failures(limits):
        say(f"finding: {line}")
    return report.exit_code(limits)


def _check_report(path: str, options: Namespace) -> None:
    check_target(path, options)
    if Path(path).suffix not in _ENDINGS:
        raise ArgumentError(f"--out must end in {', '.join(_ENDINGS)}; got {path!r}")
    if Path(path).suffix == ".html" and find_spec("matplotlib") is None:
        raise MissingDependencyError(
            "--out FILE.html needs matplotlib; install it with: pip install 'semreward[train]'"
        )


def _placed(error: SemRewardError, reward: RewardFunction, rows: Sequence[Row], options: Namespace) -> ArgumentError:
    """An error as one about a row of the file where the rows fail without an attack, too; else as one about answers."""
    try:
        audit_reward(reward, rows, language=options.language, attacks=[])
    except ABOUT_ROWS as about_rows:
        return located(about_rows, options.file)
    return ArgumentError(f"{name_of(options.file)}: {error} (of the answers of an attack, counted from 0)")


def limits_of(rules: Sequence[str]) -> FailOn:
    """What `--fail-on` says, as `AuditReport.failures` takes it.

    Args:
        rules: None at all, one verdict, or any number of `name=verdict` and `name=rate`.

    Raises:
        ArgumentError: A rule has another form, stands beside another one of its name, or names an attack, a kind or a
            verdict that does not exist.

    Example:
        >>> limits_of(["form=beats_weak", "source_copy=0.05"])
        {'form': 'beats_weak', 'source_copy': 0.05}
    """
    limits: FailOn
    if len({_rule(rule)[0] for rule in rules}) < len(rules):
        raise ArgumentError(f"--fail-on must name each attack or kind once, got {', '.join(rules)}")
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
