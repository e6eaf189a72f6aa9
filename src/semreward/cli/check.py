"""`semreward check`: the conformance kit."""

from argparse import Namespace
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from semreward.cli.output import put
from semreward.cli.rewards import reward_of
from semreward.cli.rows import ABOUT_ROWS, Row, located, rows_of
from semreward.errors import ArgumentError
from semreward.protocols import RewardFunction
from semreward.testing import ConformanceReport, FixtureReport, check_fixtures, check_reward


def run(options: Namespace) -> int:
    """Print what the kit and the fixtures found; 1 where a check failed."""
    if options.ordered is not None and options.file is None:
        raise ArgumentError("--ordered needs FILE with examples beside it")
    if options.file is None and options.fixtures is None:
        raise ArgumentError("check needs FILE with examples, --fixtures, or both")
    if options.fixtures is not None and not Path(options.fixtures).is_file():
        raise ArgumentError(f"--fixtures must be a file, and {options.fixtures!r} does not exist")
    examples = [] if options.file is None else _rows(options, options.file, needed="completion", limit=options.examples)
    ordered = [] if options.ordered is None else _rows(options, options.ordered, needed="completions", limit=None)
    reward = reward_of(options)
    reports: list[ConformanceReport | FixtureReport] = []
    if examples:
        reports.append(_checked(options, reward, examples, ordered))
    if options.fixtures is not None:
        reports.append(check_fixtures(reward, options.fixtures, tolerance=options.tolerance))
    for report in reports:
        put(f"{report}\n")
        if isinstance(report, FixtureReport):
            put(report.diff)
    return int(not all(report.passed for report in reports))


def _rows(options: Namespace, source: str, *, needed: str, limit: int | None) -> list[Row]:
    columns = [(name, column) for name, column in options.column if needed == "completion" or name != "completion"]
    return list(islice(rows_of(source, columns, needed=(needed,)), limit))


def _checked(
    options: Namespace, reward: RewardFunction, examples: Sequence[Row], ordered: Sequence[Row]
) -> ConformanceReport:
    try:
        return check_reward(reward, examples, tolerance=options.tolerance, ordered=ordered, spawn=not options.no_spawn)
    except ABOUT_ROWS as error:
        raise located(error, options.file if not ordered else f"{options.file}, {options.ordered}") from error
