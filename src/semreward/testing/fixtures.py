"""Expected values of a reward, kept in a JSONL file beside its tests."""

import difflib
import io
import json
import logging
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semreward.arguments import check_number, is_finite_number
from semreward.errors import ArgumentError
from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_all, reward_name
from semreward.testing.checking import argument_of, check_row
from semreward.testing.probe import agree, attempt, described, shortened
from semreward.testing.reports import CheckResult, FixtureReport

UPDATE_VARIABLE = "SEMREWARD_UPDATE"
"""Environment variable that makes `check_fixtures` write what rewards earn: `SEMREWARD_UPDATE=1 pytest`."""

_OFF = frozenset({"", "0", "false", "no", "off"})
_NOT_COLUMNS = frozenset({"expected", "tolerance", "comment"})
_NEXT_KEY = re.compile(r'[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*')
_MISSING = object()
_REWRITE = f"correct the reward, or run with {UPDATE_VARIABLE}=1"

_logger = logging.getLogger(__name__)


def check_fixtures(
    reward: RewardFunction, path: str | os.PathLike[str], *, tolerance: float = 1e-5, update: bool | None = None
) -> FixtureReport:
    r"""Compare what a reward earns with the expected values in a file, or update the file.

    Each line of the file is a JSON object: `completion` (a text or messages), `prompt` and columns as the reward needs
    them, and

    * `expected`: the value; `null` where the reward does not apply; or the class name of an exception (or of one of its
      bases) if the row must be refused: `"MissingColumnError"`;
    * `tolerance`, which overrides the argument for this row, and `comment`, both optional.

    Rows are called one at a time. An update only writes values that are missing or wrong. Everything else in the file
    stays as it is, byte by byte. NaN and infinities are never written, and names of exceptions are neither written nor
    replaced: such rows still fail.

    Args:
        reward: The reward function, sync or async.
        path: The file, in UTF-8.
        tolerance: Largest difference between a value and the expected one, >= 0.
        update: Whether to rewrite the file. `None`: if the environment variable `SEMREWARD_UPDATE` is set, but not to
            `0`, `false`, `no` or `off`.

    Returns:
        One result per row, named by its line, and the difference to the file as a diff.

    Raises:
        ArgumentError: The file cannot be read, has no rows, or has a malformed line; the message names it by number.

    Example:
        >>> import tempfile
        >>> from semreward import LanguageConsistencyReward
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "language.jsonl")
        ...     _ = path.write_text('{"completion": "yes", "expected": 1.0}\n{"completion": "是", "expected": 0.5}\n')
        ...     print(check_fixtures(LanguageConsistencyReward("en"), path, update=False))
        language_consistency: 1 passed, 1 failed, 0 skipped
        passed  line 1  the row must earn 1.0
        failed  line 2  the row must earn 0.5, but it earned 0.0; correct the reward, or run with SEMREWARD_UPDATE=1
    """
    check_number("tolerance", tolerance, at_least=0)
    if update is None:
        update = os.environ.get(UPDATE_VARIABLE, "").strip().lower() not in _OFF
    file = Path(path)
    lines = _lines_of(file)
    fixtures = {i: _parsed(line, f"{file}, line {i + 1}") for i, line in enumerate(lines) if line.strip()}
    if not fixtures:
        raise ArgumentError(f'{file} holds no row; write one per line: {{"completion": ..., "expected": ...}}')
    results: list[CheckResult] = []
    changed = list(lines)
    for i, (row, (start, end)) in fixtures.items():
        line = lines[i]
        allowed = float(row.get("tolerance", tolerance))
        outcome: Any = attempt(_value_of, reward, row)
        remedy = _remedy(row.get("expected", _MISSING), outcome, allowed)
        message = _message(row, outcome, remedy)
        if remedy == _REWRITE:
            key = ', "expected": ' if start == end else ""
            changed[i] = f"{line[:start]}{key}{json.dumps(_rounded(outcome, allowed))}{line[end:]}"
            if update:
                message, remedy = f"written: {line[start:end] or 'nothing yet'} -> {shortened(outcome)}", None
        results.append(CheckResult(f"line {i + 1}", "failed" if remedy else "passed", message))
    made = difflib.unified_diff(lines, changed, f"{file} (expected)", f"{file} (earned)", n=0)
    diff = "".join(line if line.endswith("\n") else f"{line}\n" for line in made)
    if update and diff:
        beside = file.with_name(f"{file.name}.new")  # so that an interrupted run leaves the old file
        beside.write_bytes("".join(changed).encode())
        beside.replace(file)
        _logger.warning("%s was updated:\n%s", file, diff)
    return FixtureReport(reward_name(reward), tuple(results), str(file), diff, updated=bool(update and diff))


def _lines_of(file: Path) -> list[str]:
    """The lines of a file with their ends."""
    try:
        # Not splitlines(): a JSON string may contain characters that Unicode counts as the end of a line.
        return list(io.StringIO(file.read_bytes().decode(), newline="\n"))
    except FileNotFoundError:
        raise ArgumentError(f"`path` must be a file of fixtures, and {file} does not exist; create it") from None
    except OSError as error:
        raise ArgumentError(f"`path` must be a file of fixtures, and {file} cannot be read: {error}") from None
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{file} must be in UTF-8: {error}") from None


def _parsed(line: str, where: str) -> tuple[dict[str, Any], tuple[int, int]]:
    """A line's object, and the span of its expected value: empty, at the end of the last value, if there is none."""
    try:
        row, span = _decoded(line)
        check_row(row)
        check_number("tolerance", row.get("tolerance", 0), at_least=0)
        expected = row.get("expected")
        if not isinstance(expected, (str, type(None))) and not is_finite_number(expected):
            raise ArgumentError(f"`expected` must be a finite number, null or an exception's name, got {expected!r}")
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{where}: {error}") from None
    return row, span


def _decoded(line: str) -> tuple[dict[str, Any], tuple[int, int]]:
    if not isinstance(json.loads(line), dict):
        raise ArgumentError("a row must be a JSON object")
    row: dict[str, Any] = {}
    span = None
    end = line.index("{") + 1
    while found := _NEXT_KEY.match(line, end):
        key = json.loads(found[1])
        if key in row:
            raise ArgumentError(f"the key {key!r} stands there twice")
        row[key], end = json.JSONDecoder().raw_decode(line, found.end())
        if key == "expected":
            span = (found.end(), end)
    return row, span or (end, end)


def _value_of(reward: RewardFunction, row: Mapping[str, Any]) -> Any:
    """What a reward returns for a row."""
    values = list(call_all([reward], {argument_of(name): [row[name]] for name in row if name not in _NOT_COLUMNS})[0])
    return values[0] if len(values) == 1 else values


def _remedy(expected: Any, outcome: Any, tolerance: float) -> str | None:
    """What to do about an outcome that is not the expected one; `None` if it is."""
    if isinstance(outcome, Exception):
        if any(base.__name__ == expected for base in type(outcome).__mro__):
            return None
        return "correct the reward; the name of an exception that is meant is written by hand"
    if outcome is not None and not isinstance(outcome, bool) and not is_finite_number(outcome):
        return "a value must be one finite float or None, and nothing else is ever written"
    if isinstance(expected, str):
        return "correct the reward; if the row is legal after all, write its value by hand"
    return None if agree(outcome, expected, tolerance) else _REWRITE


def _message(row: Mapping[str, Any], outcome: Any, remedy: str | None) -> str:
    """What a row must earn and, if there is a remedy, what it earned instead."""
    expected = row.get("expected", _MISSING)
    demand = f"raise {expected}" if isinstance(expected, str) else f"earn {json.dumps(row.get('expected'))}"
    message = f"the row must {'have an expected value' if expected is _MISSING else demand}"
    earned = f"raised {described(outcome)}" if isinstance(outcome, Exception) else f"earned {shortened(outcome)}"
    return message if remedy is None else f"{message}, but it {earned}; {remedy}"


def _rounded(value: float | None, tolerance: float) -> float | None:
    """A value with one digit more than the tolerance leaves meaning to."""
    if value is None or tolerance <= 0:
        return value if value is None else float(value)
    return round(float(value), max(0, 1 - math.floor(math.log10(tolerance))))
