"""Conformance kit: does a reward function keep the reward contract?

```python
from semreward.testing import check_reward

def test_my_reward_keeps_the_contract():
    check_reward(MyReward(), [{"completion": "...", "reference": "..."}, ...]).raise_on_failure()
```

`CHECK_NAMES` lists the checks. The Hypothesis strategies `texts`, `completions` and `conversations` make what policies
produce, for property tests of a reward.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from semreward.errors import ArgumentError, ContractError
from semreward.protocols import RewardFunction
from semreward.rewards.base import is_column
from semreward.testing.conduct import CONDUCT_RULES
from semreward.testing.probe import Batch, NotApplicableError, Probe, Rule, said, short
from semreward.testing.strategies import completions, conversations, texts
from semreward.testing.values import VALUE_RULES

__all__ = [
    "CHECK_NAMES",
    "CheckResult",
    "ConformanceReport",
    "check_reward",
    "completions",
    "conversations",
    "texts",
]

Status: TypeAlias = Literal["passed", "failed", "skipped"]

_RULES = (*VALUE_RULES, *CONDUCT_RULES)
_RESERVED = frozenset({"completions", "prompts", "trainer_state", "log_metric", "log_extra"})

CHECK_NAMES: tuple[str, ...] = tuple(rule.name for rule in _RULES)
"""Names of all checks, in the order in which they run."""


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: The check, one of `CHECK_NAMES`.
        status: `"passed"`, `"failed"` or `"skipped"`.
        message: The rule; where it is broken, also what came instead and the remedy; where it was skipped, why.
    """

    name: str
    status: Status
    message: str


@dataclass(frozen=True)
class ConformanceReport:
    """What all checks found about a reward; prints as a table.

    Attributes:
        reward: The reward's name.
        results: One result a check, in the order of `CHECK_NAMES`.
    """

    reward: str
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed. Skipped checks do not fail; their messages say what was left unchecked."""
        return not self._with_status("failed")

    def raise_on_failure(self) -> None:
        """Do nothing if the reward passed.

        Raises:
            ContractError: A check failed; the message lists all that did.
        """
        if failed := self._with_status("failed"):
            listed = "\n".join(f"- {result.name}: {result.message}" for result in failed)
            raise ContractError(
                f"`{self.reward}` breaks the reward contract in {len(failed)} of {len(self.results)} checks:\n{listed}"
            )

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self._with_status(status))} {status}" for status in ("passed", "failed", "skipped"))
        width = max(len(result.name) for result in self.results)
        rows = [f"{result.status:<8}{result.name:<{width}}  {result.message}" for result in self.results]
        return "\n".join([f"{self.reward}: {counts}", *rows])

    def _with_status(self, status: str) -> list[CheckResult]:
        return [result for result in self.results if result.status == status]


def check_reward(
    reward: RewardFunction,
    examples: Sequence[Mapping[str, Any]],
    *,
    tolerance: float = 1e-5,
    bounds: tuple[float, float] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    spawn: bool = True,
) -> ConformanceReport:
    """Check a reward function, of ours or of anyone's, sync or async, against the reward contract.

    The reward is called about `2 * N + 60` times with `N` examples or fewer: a handful of them suffices, best with two
    that earn different values. An exception that it raises is a failure of the check that called it.

    Args:
        reward: The reward function, as it would be given to a trainer.
        examples: `N` rows, each with a `completion` (text or messages), all with the same columns: what the reward
            needs, such as `reference`, and `prompt` if it reads prompts.
        tolerance: How far values of the same row may lie apart in two calls, >= 0. The default suits float32; give
            1e-2 for an encoder in half precision.
        bounds: Least and greatest value that the reward may return, if it declares a range; they are checked on the
            examples and on degenerate completions.
        expected_failures: Checks that the reward is known to fail, each with the reason. They are reported as skipped;
            one that passes after all is reported as failed, so that the list stays true.
        spawn: Whether to try the reward in a new Python process, which takes as long as its imports.

    Returns:
        The results of all checks.

    Raises:
        ArgumentError: `reward` is no function or instance that can be called, an example is no such row, or another
            argument is out of its range.

    Example:
        >>> from semreward import LanguageConsistencyReward
        >>> rows = [{"completion": "བོད་ཡིག"}, {"completion": "English"}]
        >>> report = check_reward(LanguageConsistencyReward("bo"), rows, bounds=(0.0, 1.0), spawn=False)
        >>> report.passed
        True
        >>> print(report)  # doctest: +ELLIPSIS
        language_consistency: 27 passed, 0 failed, 4 skipped
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
    probe = Probe(reward, _batch_of(examples), tolerance=tolerance, bounds=bounds, spawn=spawn)
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
        if not _is_completion(example.get("completion")):
            raise ArgumentError(
                f"an example must have a `completion`, a string or a list of messages, got {short(dict(example))} "
                f"at row {row}; add it"
            )
        if example.keys() != examples[0].keys():
            raise ArgumentError(
                f"examples must have the same columns, got {sorted(example)} at row {row} and {sorted(examples[0])} "
                "at row 0; fill in None where a value is missing"
            )
    if reserved := _RESERVED & examples[0].keys():
        raise ArgumentError(
            f"an example must not have a column `{min(reserved)}`, which trainers pass themselves; rename it, or use "
            "`completion` and `prompt`"
        )
    arguments = {"completion": "completions", "prompt": "prompts"}
    return {arguments.get(name, name): [example[name] for example in examples] for name in examples[0]}


def _is_completion(value: object) -> bool:
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
