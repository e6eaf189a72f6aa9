"""The two checks of a reward, against the rules of the contract and against expected values, and their report."""

import asyncio
import copy
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from semreward.arguments import check_column, check_number, is_column, is_finite_number
from semreward.errors import ArgumentError, ContractError
from semreward.files import read_rows
from semreward.protocols import RewardFunction
from semreward.rewards.calling import call_one, reward_name
from semreward.testing.contract import RULES, Contract, Rule, is_range
from semreward.testing.probe import Arguments, NotApplicableError, agree, described, is_completion, shortened

CHECK_NAMES: tuple[str, ...] = tuple(rule.name for rule in RULES)
"""Names of all checks, in the order in which they run."""

# What trainers pass themselves, so that no column of a data set can have such a name.
RESERVED_COLUMNS = {"completions", "prompts", "environments", "trainer_state", "log_metric", "log_extra", "self"}

_NOT_COLUMNS = {"expected", "tolerance", "comment"}

# `sys.exit(0)` in a reward would end the caller's script as if all were well.
_ANY_BUT_INTERRUPT = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError)

Status: TypeAlias = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found: its name (or a fixture's row), its status, and the rule with what came instead, if any."""

    name: str
    status: Status
    message: str


@dataclass(frozen=True)
class ConformanceReport:
    """What all checks found about a reward, in order. Prints as a table."""

    reward: str
    results: tuple[CheckResult, ...]

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
            raise ContractError(f"`{self.reward}` fails {len(failed)} of {len(self.results)} checks:\n{listed}")

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
    spawn: bool = True,
) -> ConformanceReport:
    """Check any reward function, sync or async, against the reward contract, in about `2 * N + 80` calls.

    Args:
        reward: The reward function, as a trainer would receive it.
        examples: `N` rows with the same columns: `completion` (text or messages) and what the reward needs, such
            as `reference` or `prompt`. A handful is enough; at least two should earn different values.
        tolerance: Largest difference between the values of one row in two calls, >= 0; 1e-2 in half precision.
        bounds: Lowest and highest value that the reward may return, by default its attribute `bounds`, if it has one.
        ordered: Rows with `completions` (and `completion_ids`, if any), from best to worst. No answer may earn more
            than a better one, and the best must earn more than the worst.
        secrets: Texts that must not show in the reward's repr, signature and pickle, such as its API key.
        spawn: Whether to call the reward in a new Python process, too. That takes as long as its imports.

    Returns:
        One result per check. A check whose call raises fails, `SystemExit` included; `KeyboardInterrupt` propagates.

    Raises:
        ArgumentError: `reward` cannot be called, a row is malformed, or another argument is out of its range.
    """
    if not callable(reward) or isinstance(reward, type):
        raise ArgumentError(f"`reward` must be a function or a callable instance, got {shortened(reward)}; build it")
    check_number("tolerance", tolerance, at_least=0)
    if bounds is not None and not is_range(bounds):
        raise ArgumentError(f"`bounds` must be (low, high) with low <= high, got {bounds!r}")
    if not is_column(secrets) or not all(isinstance(secret, str) and secret for secret in secrets):
        raise ArgumentError("`secrets` must be a list of non-empty strings")  # and the message does not show them
    if not is_column(ordered):
        raise ArgumentError(f"`ordered` must be a list of cases, got {shortened(ordered)}; wrap a single one")
    cases = [_case_of(case, place) for place, case in enumerate(ordered)]
    contract = Contract(reward, _batch_of(examples), tolerance, bounds, cases, secrets, spawn)
    found: dict[str, CheckResult] = {}
    for rule in RULES:
        found[rule.name] = _result(rule, contract, found)
    return ConformanceReport(contract.name, tuple(found.values()))


def _result(rule: Rule, contract: Contract, found: Mapping[str, CheckResult]) -> CheckResult:
    """What one rule finds: its first breach, if any."""
    for name in rule.after.split():
        if found[name].status != "passed":
            return CheckResult(rule.name, "skipped", f"not run, because `{name}` did not pass")
    try:
        breach = next(rule.check(contract), None)
    except NotApplicableError as reason:
        return CheckResult(rule.name, "skipped", f"not checked: {reason}")
    except _ANY_BUT_INTERRUPT as error:
        ends = "" if isinstance(error, Exception) else ", which ends the process; raise an Exception instead"
        breach = f"it raised {described(error)}{ends}"
    if breach is None:
        return CheckResult(rule.name, "passed", rule.clause)
    return CheckResult(rule.name, "failed", f"{rule.clause}, but {breach}; {rule.remedy}")


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
    check_column("completion_ids", case.get("completion_ids", answers), len(answers))
    own = {name: case[name] for name in case if name not in shared}
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
    reward: RewardFunction, path: str | os.PathLike[str], *, tolerance: float = 1e-5
) -> ConformanceReport:
    """Compare what a reward, sync or async, earns with the expected values in a file; returns one result per row.

    Each row holds `completion`, `prompt` and columns as the reward needs them; `expected`, the value, or `null` where
    the reward does not apply, or the class name of an exception (or of one of its bases) if the row must be refused;
    optionally `tolerance`, for this row, and `comment`.

    Args:
        reward: The reward function.
        path: The file, JSON lines in UTF-8.
        tolerance: Largest difference between a value and the expected one, >= 0.

    Raises:
        ArgumentError: The file cannot be read, has no rows, or has a malformed one; the message names it by number.
    """
    check_number("tolerance", tolerance, at_least=0)
    rows = list(read_rows(path, ("completion", "expected")))
    if not rows:
        raise ArgumentError(f'{path} holds no row; write one per line: {{"completion": ..., "expected": ...}}')
    for number, row in enumerate(rows, start=1):
        where, expected, own = f"{path}, row {number}", row["expected"], row.get("tolerance", 0)
        check_row(row, where)
        if not isinstance(expected, (str, type(None))) and not is_finite_number(expected):
            raise ArgumentError(f"{where}: `expected` must be a finite number, null or an exception, got {expected!r}")
        if not is_finite_number(own) or own < 0:
            raise ArgumentError(f"{where}: `tolerance` must be a finite number of at least 0, got {own!r}")
    results = (_fixture_result(reward, row, f"row {number}", tolerance) for number, row in enumerate(rows, start=1))
    return ConformanceReport(reward_name(reward), tuple(results))


def _fixture_result(reward: RewardFunction, row: Mapping[str, Any], name: str, tolerance: float) -> CheckResult:
    """What a row must earn, with what it earned instead, if anything."""
    expected = row["expected"]
    call = {argument_of(name): [copy.deepcopy(row[name])] for name in row if name not in _NOT_COLUMNS}
    try:
        values = list(call_one(reward, call))
    except _ANY_BUT_INTERRUPT as error:
        how = "raised" if isinstance(error, Exception) else "ended the process with"
        earned, names = f"{how} {described(error)}", {base.__name__ for base in type(error).__mro__}
        is_right = isinstance(error, Exception) and expected in names
    else:
        value = values[0] if len(values) == 1 else values
        earned = f"earned {shortened(value)}"
        is_value = (value is None or is_finite_number(value)) and not isinstance(expected, str)
        is_right = is_value and agree(value, expected, row.get("tolerance", tolerance))
    demand = f"raise {expected}" if isinstance(expected, str) else f"earn {json.dumps(expected)}"
    fault = "" if is_right else f", but it {earned}; correct the reward or, if that is right, the row"
    return CheckResult(name, "passed" if is_right else "failed", f"the row must {demand}{fault}")
