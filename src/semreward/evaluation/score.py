"""What an evaluation reports, and the rows that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import semreward
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.protocols import Completion
from semreward.rewards.base import check_column, check_rows, is_column
from semreward.text import ReasoningPolicy, answer_text, normalise


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


def answers_of(completions: Sequence[Completion], reasoning: ReasoningPolicy) -> list[str]:
    """The answer texts of `N` completions, as rewards read them; `N` is at least 1.

    Raises:
        ArgumentError: There are no completions.
        ArgumentTypeError: `completions` is not a list, or one of them is neither text nor messages.
    """
    check_rows(completions, {})
    if not len(completions):
        raise ArgumentError("`completions` must hold at least one completion, got none; there is nothing to average")
    return [answer_text(completion, reasoning=reasoning) for completion in completions]


def references_of_rows(references: Sequence[str | Sequence[str]], rows: int) -> list[tuple[str, ...]]:
    """Each row's references as a non-empty tuple of normalised, non-empty texts.

    Raises:
        ArgumentError: The number of rows is wrong, or a row's reference is missing or blank.
        ArgumentTypeError: A row's reference is neither a string nor a list of strings.
    """
    check_column("references", references, rows)
    return [_references_of_row(reference, row) for row, reference in enumerate(references)]


def _references_of_row(reference: object, row: int) -> tuple[str, ...]:
    texts = [reference] if isinstance(reference, str) else reference
    if not is_column(texts) or not all(isinstance(text, str) for text in texts):  # type: ignore[attr-defined] # a column
        raise ArgumentTypeError(
            f"`references` must be a string or a list of strings a row, got {str(reference)[:80]!r} "
            f"({type(reference).__name__}) at row {row}; give the plain text, or drop the row"
        )
    normal = tuple(normalise(text) for text in texts)  # type: ignore[attr-defined] # a column, see above
    if not normal or not all(normal):
        raise ArgumentError(
            f"`references` must hold non-empty text in every row, got {reference!r} at row {row}; drop the row"
        )
    return normal
