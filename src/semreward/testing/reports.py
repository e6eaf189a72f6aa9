"""What checks found: one result each, as a table, as an exception, as plain data."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from semreward.errors import ContractError

Status: TypeAlias = Literal["passed", "failed", "skipped"]

STATUSES: tuple[Status, ...] = ("passed", "failed", "skipped")


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: The check, one of `CHECK_NAMES`; of a fixture, its place, such as `"line 3"`.
        status: `"passed"`, `"failed"` or `"skipped"`.
        message: The rule; where it is broken, also what came instead and the remedy; where it was skipped, why.
    """

    name: str
    status: Status
    message: str


@dataclass(frozen=True)
class Report(ABC):
    """What all checks found about a reward; prints as a table.

    Attributes:
        reward: The reward's name.
        results: One result a check, in the order in which they ran.
    """

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
        """Do nothing if the reward passed.

        Raises:
            ContractError: A check failed; the message lists all that did.
        """
        if failed := self.with_status("failed"):
            listed = "\n".join(f"- {result.name}: {result.message}" for result in failed)
            raise ContractError(f"`{self.reward}` {self._breach(len(failed))}:\n{listed}{self._details()}")

    def to_dict(self) -> dict[str, Any]:
        """The report as strings, booleans, numbers, lists and mappings, which `json.dumps` takes as they are.

        Returns:
            `reward`, `passed`, `counts` (by status) and `results` (`name`, `status` and `message` of each check).
        """
        return {
            "reward": self.reward,
            "passed": self.passed,
            "counts": {status: len(self.with_status(status)) for status in STATUSES},
            "results": [vars(result).copy() for result in self.results],
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.with_status(status))} {status}" for status in STATUSES)
        width = max((len(result.name) for result in self.results), default=0)
        rows = [f"{result.status:<8}{result.name:<{width}}  {result.message}" for result in self.results]
        return "\n".join([f"{self.reward}: {counts}", *rows])

    @abstractmethod
    def _breach(self, failed: int) -> str:
        """What so many failures mean, after the reward's name."""

    def _details(self) -> str:
        return ""


@dataclass(frozen=True)
class ConformanceReport(Report):
    """What the checks of the reward contract found, one result for each of `CHECK_NAMES`; see `Report`."""

    def _breach(self, failed: int) -> str:
        return f"breaks the reward contract in {failed} of {len(self.results)} checks"


@dataclass(frozen=True)
class FixtureReport(Report):
    """What a file of fixtures found, one result a row; see `Report`.

    Attributes:
        path: The file.
        diff: What the reward would change in the file (or has changed: `updated`), as a unified diff; empty where
            every row earned what it should.
        updated: Whether the file was rewritten.
    """

    path: str
    diff: str
    updated: bool

    def to_dict(self) -> dict[str, Any]:
        """As `Report.to_dict`, with `path`, `diff` and `updated`."""
        return {**super().to_dict(), "path": self.path, "diff": self.diff, "updated": self.updated}

    def _breach(self, failed: int) -> str:
        return f"earns something else in {failed} of {len(self.results)} rows of {self.path}"

    def _details(self) -> str:
        return f"\n{self.diff}" if self.diff else ""
