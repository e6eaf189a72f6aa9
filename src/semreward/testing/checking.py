"""The two checks of a reward, against the rules of the contract and against expected values, and their report."""

import copy
import difflib
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from semreward.arguments import check_choice, check_number, is_column, is_finite_number
from semreward.batch import check_column
from semreward.errors import ArgumentError, ContractError
from semreward.files import read_rows, write_text
from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_one, reward_name
from semreward.testing.contract import RULES, Contract, Rule, is_range
from semreward.testing.probe import Arguments, NotApplicableError, agree, attempt, described, is_completion, shortened

CHECK_NAMES: tuple[str, ...] = tuple(rule.name for rule in RULES)
"""Names of all checks, in the order in which they run."""

# What trainers pass themselves, so that no column of a data set can have such a name.
RESERVED_COLUMNS = {"completions", "prompts", "environments", "trainer_state", "log_metric", "log_extra", "self"}

_UPDATE = "SEMREWARD_UPDATE"
_REWRITE = f"correct the reward, or run with {_UPDATE}=1"
_NOT_COLUMNS = {"expected", "tolerance", "comment"}

_logger = logging.getLogger(__name__)

Status: TypeAlias = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found: its name (or a fixture's row), its status, and the rule with what came instead, if any."""

    name: str
    status: Status
    message: str


@dataclass(frozen=True)
class ConformanceReport:
    """What all checks found about a reward, in order. Prints as a table.

    `diff` is what the reward would change in a file of fixtures, or has changed, as a unified diff.
    """

    reward: str
    results: tuple[CheckResult, ...]
    diff: str = ""

    @property
    def passed(self) -> bool:
        """Whether no check failed. Skipped checks do not fail; their messages say what was left unchecked."""
        return not self.with_status("failed")

    def with_status(self, status: Status) -> list[CheckResult]:
        """The results of one kind, in order."""
        return [result for result in self.results if result.status == status]

    def raise_on_failure(self) -> None:
        """Raise a `ContractError` that lists every check that failed; do nothing if none did."""
        if failed := self.with_status("failed"):
            listed = "\n".join(f"- {result.name}: {result.message}" for result in failed)
            raise ContractError(
                f"`{self.reward}` fails {len(failed)} of {len(self.results)} checks:\n{listed}\n{self.diff}"
            )

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.with_status(status))} {status}" for status in get_args(Status))
        width = max((len(result.name) for result in self.results), default=0)
        rows = [f"{result.status:<8}{result.name:<{width}}  {result.message}" for result in self.results]
        return "\n".join([f"{self.reward}: {counts}", *rows])


def check_reward(
    reward: RewardFunction,
    examples: Sequence[Mapping[str, Any]],
    *,
    tolerance: float = 1e-5,
    bounds: tuple[float, float] | None = None,
    ordered: Sequence[Mapping[str, Any]] = (),
    secrets: Sequence[str] = (),
    expected_failures: Mapping[str, str] | None = None,
    spawn: bool = True,
) -> ConformanceReport:
    """Check any reward function, sync or async, against the reward contract, in about `2 * N + 60` calls.

    Args:
        reward: The reward function, as a trainer would receive it.
        examples: `N` rows with the same columns: `completion` (text or messages) and whatever the reward needs, such
            as `reference` or `prompt`. A handful is enough; at least two should earn different values.
        tolerance: Largest difference between the values of one row in two calls, >= 0; 1e-2 in half precision.
        bounds: Lowest and highest value that the reward may return, by default its attribute `bounds`, if it has one.
        ordered: Rows with `completions` (and `completion_ids`, if any), from best to worst. No answer may earn more
            than a better one, and the best must earn more than the worst.
        secrets: Texts that must not show in the reward's repr, signature and pickle, such as its API key.
        expected_failures: Reasons by check. These checks count as skipped if they fail, and as failed if they pass.
        spawn: Whether to call the reward in a new Python process, too. That takes as long as its imports.

    Returns:
        One result per check. A check whose call raises fails.

    Raises:
        ArgumentError: `reward` cannot be called, a row is malformed, or another argument is out of its range.
    """
    if not callable(reward) or isinstance(reward, type):
        raise ArgumentError(f"`reward` must be a function or a callable instance, got {shortened(reward)}; build it")
    check_number("tolerance", tolerance, at_least=0)
    if bounds is not None and not is_range(bounds):
        raise ArgumentError(f"`bounds` must be (low, high) with low <= high, got {bounds!r}")
    reasons = dict(expected_failures or {})
    for name in reasons:
        check_choice("expected_failures", name, CHECK_NAMES)
    if not is_column(secrets) or not all(isinstance(secret, str) and secret for secret in secrets):
        raise ArgumentError("`secrets` must be a list of non-empty strings")  # and the message does not show them
    if not is_column(ordered):
        raise ArgumentError(f"`ordered` must be a list of cases, got {shortened(ordered)}; wrap a single one")
    cases = [_case_of(case, place) for place, case in enumerate(ordered)]
    contract = Contract(reward, _batch_of(examples), tolerance, bounds, cases, secrets, spawn)
    found: dict[str, CheckResult] = {}
    for rule in RULES:
        found[rule.name] = _result(rule, contract, found)
    return ConformanceReport(contract.name, tuple(_excused(result, reasons) for result in found.values()))


def _result(rule: Rule, contract: Contract, found: Mapping[str, CheckResult]) -> CheckResult:
    """What one rule finds: its first breach, if any."""
    if rule.after is not None and found[rule.after].status != "passed":
        return CheckResult(rule.name, "skipped", f"not run, because `{rule.after}` did not pass")
    try:
        breach = next(rule.check(contract), None)
    except NotApplicableError as reason:
        return CheckResult(rule.name, "skipped", f"not checked: {reason}")
    except Exception as error:  # noqa: BLE001 - a reward may raise anything
        breach = f"it raised {described(error)}"
    if breach is None:
        return CheckResult(rule.name, "passed", rule.clause)
    return CheckResult(rule.name, "failed", f"{rule.clause}, but {breach}; {rule.remedy}")


def _excused(result: CheckResult, reasons: Mapping[str, str]) -> CheckResult:
    """The result of a check, the other way round if it was expected to fail."""
    reason = reasons.get(result.name)
    if reason is None or result.status == "skipped":
        return result
    if result.status == "failed":
        return CheckResult(result.name, "skipped", f"expected failure ({reason}): {result.message}")
    return CheckResult(
        result.name, "failed", f"passed, though expected to fail ({reason}); take it out of `expected_failures`"
    )


def _batch_of(examples: Sequence[Mapping[str, Any]]) -> Arguments:
    """The examples as the arguments of a call."""
    if not is_column(examples) or not len(examples):
        raise ArgumentError(f"`examples` must be a list of at least one row, got {shortened(examples)}")
    for row, example in enumerate(examples):
        check_row(example, f"`examples` at row {row}")
        if example.keys() != examples[0].keys():
            raise ArgumentError(
                f"`examples` must have the same columns, got {sorted(example)} at row {row} and {sorted(examples[0])} "
                "at row 0; fill in None where a value is missing"
            )
    return {argument_of(name): [example[name] for example in examples] for name in examples[0]}


def _case_of(case: Any, place: int) -> Arguments:
    """An ordered case as the arguments of a call."""
    where = f"`ordered` at row {place}"
    answers: Any = case.get("completions") if isinstance(case, Mapping) else None
    if not is_column(answers) or len(answers) < 2:  # noqa: PLR2004 - a pair
        raise ArgumentError(f"{where} must be a mapping with at least two `completions`, got {shortened(case)}")
    shared = {name: value for name, value in case.items() if name not in {"completions", "completion_ids"}}
    for answer in answers:
        check_row({**shared, "completion": answer}, where)
    own = {name: case[name] for name in ("completions", "completion_ids") if name in case}
    for name, column in own.items():
        check_column(name, column, len(answers))
    return {argument_of(name): [value] * len(answers) for name, value in shared.items()} | own


def check_row(row: Any, where: str) -> None:
    """Raise unless a row has a completion and no column that trainers pass themselves."""
    if not isinstance(row, Mapping):
        raise ArgumentError(f"{where} must be a mapping from column to value, got {shortened(row)}")
    if not is_completion(row.get("completion")):
        raise ArgumentError(f"{where} must have a `completion`, a text or a list of messages, got {shortened(row)}")
    if reserved := RESERVED_COLUMNS & row.keys():
        raise ArgumentError(f"{where} must not have a column `{min(reserved)}`: trainers pass it themselves; rename it")


def argument_of(column: str) -> str:
    """The argument of a call in which a row's column arrives."""
    return {"completion": "completions", "prompt": "prompts"}.get(column, column)


def check_fixtures(
    reward: RewardFunction, path: str | os.PathLike[str], *, tolerance: float = 1e-5, update: bool | None = None
) -> ConformanceReport:
    """Compare what a reward earns, row by row, with the expected values in a file, or write the file anew.

    Each line is a JSON object: `completion`, `prompt` and columns as the reward needs them; `expected`, the value, or
    `null` where the reward does not apply, or the class name of an exception (or of one of its bases) if the row must
    be refused; optionally `tolerance`, for this row, and `comment`. An update never writes exceptions, NaN and
    infinities, nor replaces the name of an exception: such rows still fail.

    Args:
        reward: The reward function, sync or async.
        path: The file, `.jsonl`, in UTF-8.
        tolerance: Largest difference between a value and the expected one, >= 0.
        update: Whether to write missing and wrong values. `None`: if `SEMREWARD_UPDATE` is set, but not to `0`.

    Returns:
        One result per row, and the difference to the file as a diff.

    Raises:
        ArgumentError: The file cannot be read, has no rows, or has a malformed one; the message names it by number.
    """
    check_number("tolerance", tolerance, at_least=0)
    if update is None:
        update = os.environ.get(_UPDATE, "0") not in {"", "0"}
    file = Path(path)
    if file.suffix != ".jsonl":
        raise ArgumentError(f"`path` must be a .jsonl file, got {str(file)!r}; rename or convert it")
    rows = list(read_rows(file, ("completion",)))
    for number, row in enumerate(rows, start=1):
        _check_fixture(row, f"{file}, row {number}")
    if not rows:
        raise ArgumentError(f'{file} holds no row; write one per line: {{"completion": ..., "expected": ...}}')
    before = [_line(row) for row in rows]
    results: list[CheckResult] = []
    for number, row in enumerate(rows, start=1):
        outcome: Any = attempt(_value_of, reward, row)
        message, remedy = _judged(row, outcome, row.get("tolerance", tolerance))
        if remedy == _REWRITE:
            row["expected"] = None if outcome is None else float(outcome)
            remedy = None if update else remedy
        results.append(CheckResult(f"row {number}", "failed" if remedy else "passed", message))
    after = [_line(row) for row in rows]
    diff = "".join(difflib.unified_diff(before, after, f"{file} (expected)", f"{file} (earned)", n=0))
    if update and diff:
        write_text(file, "".join(after))
        _logger.warning("%s was updated:\n%s", file, diff)
    return ConformanceReport(reward_name(reward), tuple(results), diff)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _check_fixture(row: Mapping[str, Any], where: str) -> None:
    """Raise unless a row's `expected` and `tolerance` are well formed, too."""
    check_row(row, where)
    expected, tolerance = row.get("expected"), row.get("tolerance", 0)
    if not isinstance(expected, (str, type(None))) and not is_finite_number(expected):
        raise ArgumentError(f"{where}: `expected` must be a finite number, null or an exception, got {expected!r}")
    if not is_finite_number(tolerance) or tolerance < 0:
        raise ArgumentError(f"{where}: `tolerance` must be a finite number of at least 0, got {tolerance!r}")


def _value_of(reward: RewardFunction, row: Mapping[str, Any]) -> Any:
    """What a reward returns for a copy of a row."""
    call = {argument_of(name): [copy.deepcopy(row[name])] for name in row if name not in _NOT_COLUMNS}
    values = list(call_one(reward, call))
    return values[0] if len(values) == 1 else values


def _judged(row: Mapping[str, Any], outcome: Any, tolerance: float) -> tuple[str, str | None]:
    """What a row must earn, with what it earned instead and the remedy, if any; and that remedy."""
    expected = row.get("expected", math.nan)
    demand = f"raise {expected}" if isinstance(expected, str) else f"earn {json.dumps(expected)}"
    demand = f"the row must {demand if 'expected' in row else 'have an expected value'}"
    if isinstance(outcome, Exception):
        earned, remedy = (
            f"raised {described(outcome)}",
            "correct the reward; write the name of a meant exception by hand",
        )
        is_right = any(base.__name__ == expected for base in type(outcome).__mro__)
    else:
        earned, remedy, is_right = f"earned {shortened(outcome)}", _REWRITE, agree(outcome, expected, tolerance)
        if isinstance(expected, str):
            remedy = "correct the reward; if the row is legal after all, write its value by hand"
        elif outcome is not None and not is_finite_number(outcome):
            is_right, remedy = False, "a value must be one finite float or None, and nothing else is ever written"
    return (demand, None) if is_right else (f"{demand}, but it {earned}; {remedy}", remedy)
