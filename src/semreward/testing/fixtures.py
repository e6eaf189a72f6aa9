"""Expected values of a reward, kept in a JSONL file beside its tests."""

import difflib
import io
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semreward.arguments import is_finite_number
from semreward.errors import ArgumentError
from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_all, reward_name
from semreward.testing.checking import RESERVED_COLUMNS, argument_of, is_completion
from semreward.testing.probe import said, short
from semreward.testing.reports import CheckResult, FixtureReport

UPDATE_VARIABLE = "SEMREWARD_UPDATE"
"""Environment variable that makes `check_fixtures` write what rewards earn: `SEMREWARD_UPDATE=1 pytest`."""

_OFF = frozenset({"", "0", "false", "no", "off"})
_SPACES = " \t\r\n"
_NOT_COLUMNS = frozenset({"expected", "tolerance", "comment"})
_MISSING = object()

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Fixture:
    """One row of a file: its line as it was read, what it holds, and where in the line the expected value stands."""

    number: int
    line: str
    row: Mapping[str, Any]
    span: tuple[int, int]

    @property
    def expected(self) -> Any:
        return self.row.get("expected", _MISSING)

    def tolerance(self, default: float) -> float:
        return float(self.row.get("tolerance", default))

    def rewritten(self, value: float | None, tolerance: float) -> str:
        """The line with another expected value, and otherwise as it was."""
        start, end = self.span
        text = json.dumps(_rounded(value, tolerance))
        if self.expected is _MISSING:
            text = f', "expected": {text}'
        return self.line[:start] + text + self.line[end:]


def check_fixtures(
    reward: RewardFunction, path: str | os.PathLike[str], *, tolerance: float = 1e-5, update: bool | None = None
) -> FixtureReport:
    r"""Compare what a reward earns with what a file says that it should; or write that down.

    Each line of the file is a JSON object: a row of the data set, with `completion` (a text or messages), `prompt` and
    columns as the reward needs them, and

    * `expected`: the value, `null` where the reward does not apply, or the name of an exception's class (or of one of
      its bases) where the row must be refused: `"MissingColumnError"`;
    * `tolerance`: how far the value may lie from it, if not as far as the argument says;
    * `comment`: whatever should be said about the row.

    Rows are called one at a time. Blank lines are skipped.

    Updating writes values only: of rows that have no expected value yet, and of those that earn another one. Lines that
    are right, order, spacing and every other key stay as they were, byte by byte. It never writes NaN or an infinity,
    and it neither writes nor replaces the name of an exception: such rows fail, as without it. Review the change as
    you review code.

    Args:
        reward: The reward function, sync or async.
        path: The file, in UTF-8.
        tolerance: How far a value may lie from the expected one, >= 0 and finite.
        update: Whether to rewrite the file. `None`: if the environment variable `SEMREWARD_UPDATE` is set, to
            anything but `0`, `false`, `no` or `off`.

    Returns:
        One result a row, named by its line, and the difference to the file as a diff.

    Raises:
        ArgumentError: The file does not exist, has no row, or a line is no such object; it is named by its number.

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
    if not is_finite_number(tolerance) or tolerance < 0:
        raise ArgumentError(f"`tolerance` must be a finite number >= 0, got {tolerance!r}")
    if update is None:
        update = os.environ.get(UPDATE_VARIABLE, "").strip().lower() not in _OFF
    file = Path(path)
    lines = _lines_of(file)
    fixtures = list(_fixtures_of(lines, file))
    if not fixtures:
        raise ArgumentError(f'{file} holds no row; write one a line: {{"completion": ..., "expected": ...}}')
    results: list[CheckResult] = []
    changed = list(lines)
    for fixture in fixtures:
        allowed = fixture.tolerance(tolerance)
        outcome = _outcome(reward, fixture.row)
        result = _compared(fixture, outcome, allowed)
        if result.status == "failed" and _is_writable(fixture, outcome):
            changed[fixture.number - 1] = fixture.rewritten(outcome, allowed)
            if update:
                result = CheckResult(result.name, "passed", f"written: {_shown(fixture.expected)} -> {short(outcome)}")
        results.append(result)
    diff = _diff(lines, changed, file)
    if update and diff:
        _write(file, changed)
        _logger.warning("%s was updated:\n%s", file, diff)
    return FixtureReport(reward_name(reward), tuple(results), str(file), diff, updated=bool(update and diff))


def _lines_of(file: Path) -> list[str]:
    """The lines of a file with their ends."""
    try:
        # Not splitlines(): a JSON string may hold what Unicode counts as the end of a line.
        return list(io.StringIO(file.read_bytes().decode(), newline="\n"))
    except FileNotFoundError:
        raise ArgumentError(f"`path` must be a file of fixtures, and {file} does not exist; create it") from None
    except OSError as error:
        raise ArgumentError(f"`path` must be a file of fixtures, and {file} cannot be read: {error}") from None
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{file} must be in UTF-8: {error}") from None


def _fixtures_of(lines: list[str], file: Path) -> Iterator[_Fixture]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row, span = _parsed(line)
                _check_row(row)
            except (ValueError, RecursionError) as error:
                raise ArgumentError(f"{file}, line {number}: {error}") from None
            yield _Fixture(number, line, row, span)


def _parsed(line: str) -> tuple[dict[str, Any], tuple[int, int]]:
    """A line's object, and where its expected value stands, or could be inserted.

    Raises:
        ValueError: It is no JSON object, or names a key twice.
    """
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    if not isinstance(decoder.decode(line), dict):
        raise ArgumentError("a row must be a JSON object")
    row: dict[str, Any] = {}
    place = _after(line, line.index("{") + 1)
    end, span = place, None
    while line[place] != "}":
        key, place = decoder.raw_decode(line, place)
        start = _after(line, _after(line, place) + 1)
        value, end = decoder.raw_decode(line, start)
        if key in row:
            raise ArgumentError(f"the key {key!r} stands there twice")
        row[key] = value
        span = (start, end) if key == "expected" else span
        place = _after(line, end)
        place = _after(line, place + 1) if line[place] == "," else place
    return row, span or (end, end)


def _after(line: str, place: int) -> int:
    """The first place from there on that holds no space."""
    while line[place] in _SPACES:
        place += 1
    return place


def _no_constant(name: str) -> float:
    raise ArgumentError(f"{name} is no number; write null where the reward does not apply")


def _check_row(row: Mapping[str, Any]) -> None:
    if not is_completion(row.get("completion")):
        raise ArgumentError(f"a row must have a `completion`, a string or a list of messages, got {short(row)}")
    if reserved := RESERVED_COLUMNS & row.keys():
        raise ArgumentError(f"a row must not have a column `{min(reserved)}`; use `completion`, `prompt` and columns")
    expected = row.get("expected")
    if isinstance(expected, bool) or not isinstance(expected, (int, float, str, type(None))):
        raise ArgumentError(f"`expected` must be a number, null, or the name of an exception, got {short(expected)}")
    if isinstance(expected, (int, float)) and not is_finite_number(expected):
        raise ArgumentError("`expected` must be finite")
    tolerance = row.get("tolerance", 0)
    if not is_finite_number(tolerance) or tolerance < 0:
        raise ArgumentError(f"`tolerance` must be a finite number >= 0, got {short(tolerance)}")


def _outcome(reward: RewardFunction, row: Mapping[str, Any]) -> Any:
    """What a reward returns for a row, or what it raises."""
    arguments = {argument_of(name): [value] for name, value in row.items() if name not in _NOT_COLUMNS}
    try:
        values = list(call_all([reward], arguments)[0])
    except Exception as error:  # noqa: BLE001 - a reward may raise anything
        return error
    return values[0] if len(values) == 1 else values


def _is_writable(fixture: _Fixture, outcome: Any) -> bool:
    """Whether updating may put an outcome into a row."""
    return not isinstance(fixture.expected, str) and not isinstance(outcome, Exception) and _refused(outcome) is None


def _compared(fixture: _Fixture, outcome: Any, tolerance: float) -> CheckResult:
    """Whether a row earned what it should."""
    expected = fixture.expected
    message = "the row must have an expected value" if expected is _MISSING else f"the row must {_demand(expected)}"
    remedy = _remedy(expected, outcome, tolerance)
    if remedy is not None:
        earned = f"raised {said(outcome)}" if isinstance(outcome, Exception) else f"earned {short(outcome)}"
        message = f"{message}, but it {earned}; {remedy}"
    return CheckResult(f"line {fixture.number}", "passed" if remedy is None else "failed", message)


def _remedy(expected: Any, outcome: Any, tolerance: float) -> str | None:
    """What to do about an outcome that is not the expected one; `None` where it is."""
    if isinstance(outcome, Exception):
        if any(base.__name__ == expected for base in type(outcome).__mro__):
            return None
        return "correct the reward; the name of an exception that is meant is written by hand"
    if problem := _refused(outcome):
        return f"{problem}, and nothing else is ever written"
    if isinstance(expected, str):
        return "correct the reward; if the row is legal after all, write its value by hand"
    numbers = isinstance(expected, (int, float)) and outcome is not None
    if (outcome is None and expected is None) or (numbers and abs(outcome - expected) <= tolerance):
        return None
    return f"correct the reward, or run with {UPDATE_VARIABLE}=1"


def _demand(expected: object) -> str:
    return f"raise {expected}" if isinstance(expected, str) else f"earn {_shown(expected)}"


def _shown(expected: object) -> str:
    return "nothing yet" if expected is _MISSING else json.dumps(expected)


def _refused(value: object) -> str | None:
    """Why a value cannot be expected of a reward; `None` where it can."""
    if value is None or isinstance(value, bool) or is_finite_number(value):
        return None
    return "a value must be one finite float or None"


def _rounded(value: float | None, tolerance: float) -> float | None:
    """A value with the digits that the tolerance leaves meaning to, and one more."""
    if value is None or tolerance <= 0:
        return value if value is None else float(value)
    return round(float(value), max(0, 1 - math.floor(math.log10(tolerance))))


def _diff(before: list[str], after: list[str], file: Path) -> str:
    made = difflib.unified_diff(before, after, f"{file} (expected)", f"{file} (earned)", n=0)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in made)


def _write(file: Path, lines: list[str]) -> None:
    """Replace a file as a whole, so that a broken run leaves the old one."""
    beside = file.with_name(f"{file.name}.new")
    beside.write_bytes("".join(lines).encode())
    beside.replace(file)
