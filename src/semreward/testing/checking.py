"""One call that puts a reward through every rule of the contract."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from semreward.errors import ArgumentError
from semreward.protocols import RewardFunction
from semreward.rewards.base import is_column
from semreward.testing.conduct import CONDUCT_RULES
from semreward.testing.forms import FORM_RULES
from semreward.testing.probe import Batch, NotApplicableError, Probe, Rule, said, short
from semreward.testing.processes import PROCESS_RULES
from semreward.testing.reports import CheckResult, ConformanceReport
from semreward.testing.rows import ROW_RULES
from semreward.testing.values import VALUE_RULES

_RULES = (*VALUE_RULES, *ROW_RULES, *FORM_RULES, *CONDUCT_RULES, *PROCESS_RULES)

CHECK_NAMES: tuple[str, ...] = tuple(rule.name for rule in _RULES)
"""Names of all checks, in the order in which they run."""

# What trainers pass themselves, so that no column of a data set can be called so.
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
    """Check a reward function, of ours or of anyone's, sync or async, against the reward contract.

    The reward is called about `2 * N + 60` times, with at most `2 * N` or `N + 13` completions: a handful of examples
    suffices, best with two that earn different values. An exception that it raises is a failure of the check that
    called it.

    Args:
        reward: The reward function, as it would be given to a trainer.
        examples: `N` rows, each with a `completion` (text or messages), all with the same columns: what the reward
            needs, such as `reference`, and `prompt` or `completion_ids` if it reads them.
        tolerance: How far values of the same row may lie apart in two calls, >= 0. The default suits float32; give
            1e-2 for an encoder in half precision.
        bounds: Least and greatest value that the reward may return, by default those of its own attribute `bounds`, if
            it has one; they are checked on the examples and on degenerate completions.
        ordered: Cases, each a row of columns with `completions` in place of `completion`: at least two answers to one
            prompt, from best to worst, such as gold, paraphrase, unrelated, empty. None may earn more than a better
            one, and the best must earn more than the worst. `completion_ids`, if there are any, are one list an answer.
        secrets: Texts that must show neither in the reward's repr and signature nor in its pickle, such as the API key
            that it was given.
        expected_failures: Checks that the reward is known to fail, each with the reason. They are reported as skipped;
            one that passes after all is reported as failed, so that the list stays true.
        spawn: Whether to try the reward in a new Python process, which takes as long as its imports.

    Returns:
        The results of all checks.

    Raises:
        ArgumentError: `reward` is no function or instance that can be called, an example or a case is no such row, or
            another argument is out of its range.

    Example:
        >>> from semreward import LanguageConsistencyReward
        >>> rows = [{"completion": "བོད་ཡིག"}, {"completion": "English"}]
        >>> answers = {"completions": ["བོད་ཡིག", "བོད and English", ""]}
        >>> report = check_reward(LanguageConsistencyReward("bo"), rows, ordered=[answers], spawn=False)
        >>> report.passed
        True
        >>> print(report)  # doctest: +ELLIPSIS
        language_consistency: ... passed, 0 failed, ... skipped
        passed  not_a_module ...
    """
    if not callable(reward) or isinstance(reward, type):
        raise ArgumentError(f"`reward` must be a function or a callable instance, got {short(reward)}; build it first")
    if not tolerance >= 0 or math.isinf(tolerance):
        raise ArgumentError(f"`tolerance` must be a finite number >= 0, got {tolerance!r}")
    if bounds is not None and not (len(bounds) == 2 and bounds[0] <= bounds[1]):  # noqa: PLR2004 - a pair
        raise ArgumentError(f"`bounds` must be (low, high) with low <= high, got {bounds!r}")
    reasons = dict(expected_failures or {})
    for name in reasons:
        if name not in CHECK_NAMES:
            raise ArgumentError(
                f"`expected_failures` must name checks, got {name!r}; there are {', '.join(CHECK_NAMES)}"
            )
    probe = Probe(
        reward,
        _batch_of(examples),
        tolerance=tolerance,
        bounds=bounds,
        ordered=_cases_of(ordered),
        secrets=_secrets_of(secrets),
        spawn=spawn,
    )
    found: dict[str, CheckResult] = {}
    for rule in _RULES:
        found[rule.name] = _result(rule, probe, found)
    results = tuple(_expected(result, reasons.get(result.name)) for result in found.values())
    return ConformanceReport(probe.name, results)


def _batch_of(examples: Sequence[Mapping[str, Any]]) -> Batch:
    """The examples as the lists of a call."""
    if not is_column(examples) or not len(examples):
        raise ArgumentError(f"`examples` must be a list of at least one row, got {short(examples)}")
    for row, example in enumerate(examples):
        if not isinstance(example, Mapping):
            raise ArgumentError(f"an example must be a mapping from column to value, got {short(example)} at row {row}")
        if not is_completion(example.get("completion")):
            raise ArgumentError(
                f"an example must have a `completion`, a string or a list of messages, got {short(dict(example))} "
                f"at row {row}; add it"
            )
        if example.keys() != examples[0].keys():
            raise ArgumentError(
                f"examples must have the same columns, got {sorted(example)} at row {row} and {sorted(examples[0])} "
                "at row 0; fill in None where a value is missing"
            )
    if reserved := RESERVED_COLUMNS & examples[0].keys():
        raise ArgumentError(
            f"an example must not have a column `{min(reserved)}`, which trainers pass themselves; rename it, or use "
            "`completion` and `prompt`"
        )
    return {argument_of(name): [example[name] for example in examples] for name in examples[0]}


def _cases_of(ordered: Sequence[Mapping[str, Any]]) -> list[Batch]:
    """The ordered cases as the lists of one call each."""
    if not is_column(ordered):
        raise ArgumentError(f"`ordered` must be a list of cases, got {short(ordered)}; wrap a single one")
    batches: list[Batch] = []
    for place, case in enumerate(ordered):
        answers: Any = case.get("completions") if isinstance(case, Mapping) else None
        if not is_column(answers) or len(answers) < 2 or not all(map(is_completion, answers)):  # noqa: PLR2004 - a pair
            raise ArgumentError(
                "an ordered case must be a mapping with `completions`, at least two of them from best to worst, got "
                f"{short(case)} at place {place}"
            )
        token_ids: Any = case.get("completion_ids", answers)
        if not is_column(token_ids) or len(token_ids) != len(answers):
            raise ArgumentError(
                f"`completion_ids` of an ordered case must have one list an answer: {len(answers)} expected, got "
                f"{short(token_ids)} at place {place}"
            )
        if reserved := _NO_CASE_COLUMNS & case.keys():
            raise ArgumentError(
                f"an ordered case must not have a column `{min(reserved)}`, got {short(dict(case))} at place {place}; "
                "give `completions`, `prompt` and the columns of one row"
            )
        batches.append(
            {
                argument_of(name): list(value) if name in _OF_ANSWERS else [value] * len(answers)
                for name, value in case.items()
            }
        )
    return batches


def _secrets_of(secrets: Sequence[str]) -> tuple[str, ...]:
    if not is_column(secrets) or not all(isinstance(secret, str) and secret for secret in secrets):
        raise ArgumentError("`secrets` must be a list of non-empty strings")  # and they are not shown here either
    return tuple(secrets)


def argument_of(column: str) -> str:
    """The argument of a call in which a row's column arrives."""
    return {"completion": "completions", "prompt": "prompts"}.get(column, column)


def is_completion(value: object) -> bool:
    """Whether a value is a text or a list of messages."""
    return isinstance(value, str) or (
        isinstance(value, Sequence) and all(isinstance(message, Mapping) for message in value)
    )


def _result(rule: Rule, probe: Probe, found: Mapping[str, CheckResult]) -> CheckResult:
    """Run one check."""
    if rule.after is not None and found[rule.after].status != "passed":
        return CheckResult(rule.name, "skipped", f"not run, because `{rule.after}` did not pass")
    try:
        instead = rule.check(probe)
    except NotApplicableError as reason:
        return CheckResult(rule.name, "skipped", f"not checked: {reason}")
    except Exception as error:  # noqa: BLE001 - a reward may raise anything
        instead = f"it raised {said(error)}"
    if instead is None:
        return CheckResult(rule.name, "passed", rule.says)
    return CheckResult(rule.name, "failed", f"{rule.says}, but {instead}; {rule.remedy}")


def _expected(result: CheckResult, reason: str | None) -> CheckResult:
    """A result in the light of the reason why a failure was expected, if one was."""
    if reason is None or result.status == "skipped":
        return result
    if result.status == "failed":
        return CheckResult(result.name, "skipped", f"expected failure ({reason}): {result.message}")
    return CheckResult(
        result.name, "failed", f"expected to fail ({reason}), but passed; take it out of `expected_failures`"
    )
