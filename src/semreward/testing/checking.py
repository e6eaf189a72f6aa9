"""One call that checks a reward against every rule of the contract."""

from collections.abc import Mapping, Sequence
from typing import Any

from semreward.arguments import check_choice, check_number, is_column
from semreward.errors import ArgumentError
from semreward.protocols import RewardFunction
from semreward.testing.contract import RULES, Contract, Rule, is_range
from semreward.testing.probe import Batch, NotApplicableError, described, shortened
from semreward.testing.reports import CheckResult, ConformanceReport

CHECK_NAMES: tuple[str, ...] = tuple(rule.name for rule in RULES)
"""Names of all checks, in the order in which they run."""

# What trainers pass themselves, so that no column of a data set can have such a name.
RESERVED_COLUMNS = frozenset(
    {"completions", "prompts", "environments", "trainer_state", "log_metric", "log_extra", "self"}
)
_OF_ANSWERS = frozenset({"completions", "completion_ids"})
_NO_CASE_COLUMNS = (RESERVED_COLUMNS | {"completion"}) - {"completions"}


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
    """Check any reward function, sync or async, against the reward contract.

    The reward is called about `2 * N + 60` times for `N` examples. A handful is enough; at least two should earn
    different values. If the reward raises, the check that called it fails.

    Args:
        reward: The reward function, as a trainer would receive it.
        examples: `N` rows with the same columns: `completion` (text or messages) and whatever the reward needs, such
            as `reference`, `prompt` or `completion_ids`.
        tolerance: Largest difference between the values of one row in two calls, >= 0. The default suits float32; use
            1e-2 for an encoder in half precision.
        bounds: Lowest and highest value that the reward may return, by default its attribute `bounds`, if it has one.
        ordered: Rows with `completions` instead of `completion`: at least two answers to one prompt, from best to
            worst. No answer may earn more than a better one, and the best must earn more than the worst.
            `completion_ids`, if given, hold one list per answer.
        secrets: Texts that must not show in the reward's repr, signature and pickle, such as its API key.
        expected_failures: Checks that the reward is known to fail, each with the reason. They count as skipped; one
            that passes counts as failed.
        spawn: Whether to call the reward in a new Python process, too. That takes as long as its imports.

    Returns:
        One result per check.

    Raises:
        ArgumentError: `reward` cannot be called, a row is malformed, or another argument is out of its range.

    Example:
        >>> from semreward import LanguageConsistencyReward
        >>> rows = [{"completion": "བོད"}, {"completion": "yes"}]
        >>> print(check_reward(LanguageConsistencyReward("bo"), rows, spawn=False))  # doctest: +ELLIPSIS
        language_consistency: ... passed, 0 failed, ... skipped
        passed  not_a_module ...
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
        if rule.after is not None and found[rule.after].status != "passed":
            found[rule.name] = CheckResult(rule.name, "skipped", f"not run, because `{rule.after}` did not pass")
        else:
            found[rule.name] = _result(rule, contract)
    results = (_excused(result, reasons[name]) if name in reasons else result for name, result in found.items())
    return ConformanceReport(contract.name, tuple(results))


def _result(rule: Rule, contract: Contract) -> CheckResult:
    """What one rule finds: its first breach, if any."""
    try:
        breach = next(rule.check(contract), None)
    except NotApplicableError as reason:
        return CheckResult(rule.name, "skipped", f"not checked: {reason}")
    except Exception as error:  # noqa: BLE001 - a reward may raise anything
        breach = f"it raised {described(error)}"
    if breach is None:
        return CheckResult(rule.name, "passed", rule.clause)
    return CheckResult(rule.name, "failed", f"{rule.clause}, but {breach}; {rule.remedy}")


def _excused(result: CheckResult, reason: str) -> CheckResult:
    """The result of a check that was expected to fail."""
    if result.status == "failed":
        return CheckResult(result.name, "skipped", f"expected failure ({reason}): {result.message}")
    if result.status == "passed":
        told = f"expected to fail ({reason}), but passed; take it out of `expected_failures`"
        return CheckResult(result.name, "failed", told)
    return result


def _batch_of(examples: Sequence[Mapping[str, Any]]) -> Batch:
    """The examples as the arguments of a call."""
    if not is_column(examples) or not len(examples):
        raise ArgumentError(f"`examples` must be a list of at least one row, got {shortened(examples)}")
    for row, example in enumerate(examples):
        check_row(example, "an example", f" at row {row}")
        if example.keys() != examples[0].keys():
            raise ArgumentError(
                f"`examples` must have the same columns, got {sorted(example)} at row {row} and {sorted(examples[0])} "
                "at row 0; fill in None where a value is missing"
            )
    return {argument_of(name): [example[name] for example in examples] for name in examples[0]}


def _case_of(case: Any, place: int) -> Batch:
    """An ordered case as the arguments of a call."""
    got = f"got {shortened(case)} at place {place}"
    answers: Any = case.get("completions") if isinstance(case, Mapping) else None
    if not is_column(answers) or len(answers) < 2 or not all(map(is_completion, answers)):  # noqa: PLR2004 - a pair
        raise ArgumentError(f"an ordered case must be a mapping with `completions`, at least two of them, {got}")
    token_ids = case.get("completion_ids", answers)
    if not is_column(token_ids) or len(token_ids) != len(answers):
        raise ArgumentError(f"an ordered case must have one list of `completion_ids` per answer, {got}")
    if reserved := _NO_CASE_COLUMNS & case.keys():
        raise ArgumentError(f"an ordered case must not have a column `{min(reserved)}`, {got}; rename it")
    return {
        argument_of(name): list(value) if name in _OF_ANSWERS else [value] * len(answers)
        for name, value in case.items()
    }


def check_row(row: Any, name: str = "a row", where: str = "") -> None:
    """Raise unless a row has a completion and no column that trainers pass themselves."""
    if not isinstance(row, Mapping):
        raise ArgumentError(f"{name} must be a mapping from column to value, got {shortened(row)}{where}")
    if not is_completion(row.get("completion")):
        raise ArgumentError(
            f"{name} must have a `completion`, a string or a list of messages, got {shortened(row)}{where}; add it"
        )
    if reserved := RESERVED_COLUMNS & row.keys():
        raise ArgumentError(
            f"{name} must not have a column `{min(reserved)}`{where}: trainers pass it themselves; rename it"
        )


def argument_of(column: str) -> str:
    """The argument of a call in which a row's column arrives."""
    return {"completion": "completions", "prompt": "prompts"}.get(column, column)


def is_completion(value: object) -> bool:
    """Whether a value is a text or a list of messages."""
    return isinstance(value, str) or (
        isinstance(value, Sequence) and all(isinstance(message, Mapping) for message in value)
    )
