"""What checks found: one result each, as a table, as an exception, as plain data."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from semreward.errors import ContractError

Status: TypeAlias = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: The check, one of `CHECK_NAMES`, or the line of a fixture, such as `"line 3"`.
        status: `"passed"`, `"failed"` or `"skipped"`.
        message: The rule. If it is broken, also what came instead and the remedy; if it was skipped, why.
    """

    name: str
    status: Status
    message: str


@dataclass(frozen=True)
class ConformanceReport:
    """What all checks found about a reward, in the order in which they ran. Prints as a table."""

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
            raise ContractError(self._failures(listed, f"{len(failed)} of {len(self.results)}"))

    def to_dict(self) -> dict[str, Any]:
        """The report as data for `json.dumps`: `reward`, `passed`, `counts` (by status) and `results`."""
        return {
            "reward": self.reward,
            "passed": self.passed,
            "counts": {status: len(self.with_status(status)) for status in get_args(Status)},
            "results": [vars(result).copy() for result in self.results],
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.with_status(status))} {status}" for status in get_args(Status))
        width = max((len(result.name) for result in self.results), default=0)
        rows = [f"{result.status:<8}{result.name:<{width}}  {result.message}" for result in self.results]
        return "\n".join([f"{self.reward}: {counts}", *rows])

    def _failures(self, listed: str, count: str) -> str:
        return f"`{self.reward}` breaks the reward contract in {count} checks:\n{listed}"


@dataclass(frozen=True)
class FixtureReport(ConformanceReport):
    """What a file of fixtures found, one result per row.

    `diff` is what the reward would change in the file at `path` (or has changed, if `updated`), as a unified diff.
    """

    path: str
    diff: str
    updated: bool

    def to_dict(self) -> dict[str, Any]:
        """As `ConformanceReport.to_dict`, with `path`, `diff` and `updated`."""
        return {**super().to_dict(), "path": self.path, "diff": self.diff, "updated": self.updated}

    def _failures(self, listed: str, count: str) -> str:
        return f"`{self.reward}` earns something else in {count} rows of {self.path}:\n{listed}\n{self.diff}"
