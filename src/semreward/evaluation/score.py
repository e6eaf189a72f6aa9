"""What an evaluation reports, and the rows that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import semreward
from semreward.errors import ArgumentError
from semreward.protocols import Completion
from semreward.rewards.base import answers_of, check_column, reference_texts
from semreward.text import ReasoningPolicy


@dataclass(frozen=True)
class Score:
    """One number about a set of completions, and what it takes to compare it with another.

    Attributes:
        value: The number; see the function for its range.
        signature: Everything that decides it, on one line: metric, options, tokenisation, versions. Two values
            compare only where their signatures agree.
    """

    value: float
    signature: str


def signature_of(metric: str, **options: object) -> str:
    """A signature: the metric's name, its options in the given order, and the package version.

    Example:
        >>> signature_of("ROUGE-L", tok="units").startswith("ROUGE-L|tok:units|semreward:")
        True
    """
    parts = [metric, *(f"{name}:{value}" for name, value in options.items())]
    return "|".join([*parts, f"semreward:{semreward.__version__}"])


def check_count(name: str, value: object, least: int = 1) -> None:
    """Raise an `ArgumentError` unless a value is an integer of at least so much.

    Example:
        >>> check_count("batch_size", 16)
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ArgumentError(f"`{name}` must be an integer of at least {least}, got {value!r}")


def evaluated_answers(completions: Sequence[Completion], reasoning: ReasoningPolicy) -> list[str]:
    """The answer texts of `N` completions, as rewards read them; `N` is at least 1.

    Raises:
        ArgumentError: There are no completions.
        ArgumentTypeError: `completions` is not a list, or one of them is neither text nor messages.
    """
    answers = answers_of(completions, reasoning=reasoning)
    if not answers:
        raise ArgumentError("`completions` must hold at least one completion, got none; there is nothing to average")
    return answers


def evaluated_references(references: Sequence[str | Sequence[str]], rows: int) -> list[tuple[str, ...]]:
    """Each row's references, as rewards read them; none may be missing.

    Raises:
        ArgumentError: The number of rows is wrong, or a row's reference is missing or blank.
        ArgumentTypeError: A row's reference is neither a string nor a list of strings.
    """
    check_column("references", references, rows)
    return [reference_texts(reference, "references", row) for row, reference in enumerate(references)]
