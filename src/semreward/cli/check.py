"""`semreward check`: the conformance kit."""

from argparse import Namespace
from collections.abc import Sequence
from itertools import islice
from typing import TextIO

from semreward.cli.output import put
from semreward.cli.rewards import reward_of
from semreward.cli.rows import ABOUT_ROWS, Row, is_file, located, rows_of
from semreward.errors import ArgumentError
from semreward.protocols import RewardFunction
from semreward.testing import ConformanceReport, FixtureReport, check_fixtures, check_reward


def run(options: Namespace, stdout: TextIO) -> int:
    """Print what the kit and the fixtures found; 1 where a check failed."""
    if options.ordered is not None and options.file is None:
        raise ArgumentError("--ordered needs FILE with examples beside it")
    if options.file is None and options.fixtures is None:
        raise ArgumentError("check needs FILE with examples, --fixtures, or both")
    if options.fixtures is not None and not is_file(options.fixtures):
        raise ArgumentError(f"--fixtures must be a file, and {options.fixtures!r} is none")
    examples = [] if options.file is None else _examples(options)
    ordered = [] if options.ordered is None else _ordered(options)
    reward = reward_of(options)
    reports: list[ConformanceReport | FixtureReport] = []
    if examples:
        reports.append(_checked(options, reward, examples, ordered))
    if options.fixtures is not None:
        reports.append(check_fixtures(reward, options.fixtures, tolerance=options.tolerance))
    for report in reports:
        put(f"{report}\n", stdout)
        if isinstance(report, FixtureReport):
            put(report.diff, stdout)
    return int(not all(report.passed for report in reports))


def _examples(options: Namespace) -> list[Row]:
    """The first rows of the file; what one lacks and another has is `None`, as `score` has it."""
    found = list(islice(rows_of(options.file, options.column, needed=("completion",)), options.examples))
    names = dict.fromkeys(name for row in found for name in row)
    return [{name: row.get(name) for name in names} for row in found]


def _ordered(options: Namespace) -> list[Row]:
    """The ordered cases; they have `completions`, so that no column stands for `completion`."""
    columns = [(name, column) for name, column in options.column if name != "completion"]
    return list(rows_of(options.ordered, columns, needed=("completions",)))


def _checked(
    options: Namespace, reward: RewardFunction, examples: Sequence[Row], ordered: Sequence[Row]
) -> ConformanceReport:
    try:
        return check_reward(reward, examples, tolerance=options.tolerance, ordered=ordered, spawn=not options.no_spawn)
    except ABOUT_ROWS as error:
        raise located(error, options.file if not ordered else f"{options.file}, {options.ordered}") from error
