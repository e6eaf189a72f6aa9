"""One call of a trainer, read once: answers, references, sources and columns, each checked where it is first read."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from numbers import Real
from typing import Any, Literal, TypeAlias

from semreward.arguments import is_column
from semreward.errors import ArgumentError, ArgumentTypeError, MissingColumnError
from semreward.protocols import Completion
from semreward.text import DEFAULT_ANSWER, Answer, normalise

MissingPolicy: TypeAlias = Literal["raise", "none"]
"""What a row without its reference, source or language is: an error, or a row to which a reward does not apply."""

MISSING_POLICIES: tuple[MissingPolicy, ...] = ("raise", "none")

Texts: TypeAlias = tuple[str, ...]

_TRAINERS_COLUMNS = ("prompts", "completion_ids")  # `None` means absent

_AS_SAID = Answer(reasoning="keep")


class Batch:
    """One call of a trainer. Rewards score a batch; the components of a composite share it.

    Whatever breaks a rule is an error that names column, rule, value, row and remedy: `ArgumentTypeError` for a wrong
    type, `MissingColumnError` for an absent column, `ArgumentError` for the rest.

    Args:
        completions: `N` texts, or `N` lists of messages.
        columns: What else the trainer passed, by name: `prompts`, `completion_ids`, the data set's columns.
        answer: How the answer is found in a completion.
        hooks: The trainer's `log_metric` and `log_extra`, if it offers them.
    """

    def __init__(
        self,
        completions: Sequence[Completion],
        columns: Mapping[str, Any],
        *,
        answer: Callable[[Completion], str] = DEFAULT_ANSWER,
        hooks: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(answer):
            raise ArgumentError(f"`answer` must be an Answer or a callable from completions to texts, got {answer!r}")
        if not is_column(completions):
            raise ArgumentTypeError(
                f"`completions` must be a list of completions, got {type(completions).__name__}; "
                "wrap a single one: completions=[...]"
            )
        for name in _TRAINERS_COLUMNS:
            if columns.get(name) is not None:
                check_column(name, columns[name], len(completions))
        self.completions, self.columns, self.answer = completions, columns, answer
        self.hooks = {name: hook for name, hook in (hooks or {}).items() if hook is not None}
        self._texts: dict[tuple[Any, str, str], list[Any]] = {}

    def __len__(self) -> int:
        return len(self.completions)

    @property
    def arguments(self) -> dict[str, Any]:
        """The call as the trainer made it, for a reward function of any kind."""
        return {"completions": self.completions, **self.columns, **self.hooks}

    @cached_property
    def answers(self) -> list[str]:
        """The answer of each completion, possibly empty."""
        answers = []
        for row, completion in enumerate(self.completions):
            try:
                found: Any = self.answer(completion)
            except ArgumentTypeError as error:
                raise ArgumentTypeError(f"`completions` at row {row}: {error}") from None
            except Exception as error:
                raise ArgumentError(f"`answer` failed at row {row}, for {str(completion)[:80]!r}: {error!r}") from error
            if not isinstance(found, str):
                raise ArgumentTypeError(f"`answer` must return a text, got {found!r} at row {row}")
            answers.append(found if isinstance(self.answer, Answer) else normalise(found))
        return answers

    def column(self, name: str) -> Sequence[Any]:
        """A column that a reward needs, with one value per completion."""
        column: Sequence[Any] | None = self.columns.get(name)
        if column is None:
            given = [key for key, value in self.columns.items() if value is not None or key not in _TRAINERS_COLUMNS]
            raise MissingColumnError(
                f"column `{name}` is {'None' if name in given else 'missing'} (columns of this call: "
                f"{', '.join(sorted(given)) or 'none'}); "
                "add it to the data set, or name the reward's column. TRL drops columns when "
                "`remove_unused_columns=True`"
            )
        check_column(name, column, len(self))
        return column

    def references(self, name: str, on_missing: MissingPolicy = "raise") -> list[Texts | None]:
        """The references of each row, one or several normalised texts; `None` if missing and `on_missing="none"`."""
        return self._read(reference_texts, _is_missing, name, on_missing)

    def sources(self, name: str, on_missing: MissingPolicy = "raise") -> list[str | None]:
        """The source of each row: a text, or the texts of all its messages; `None` as for `references`."""
        return self._read(source_text, is_nothing, name, on_missing)

    def _read(
        self, read: Callable[[Any, str, int], Any], is_missing: Callable[[Any], bool], name: str, on_missing: str
    ) -> list[Any]:
        """What a column's rows say, read once for all rewards that need it."""
        key = (read, name, on_missing)
        if key not in self._texts:
            self._texts[key] = [
                None if on_missing == "none" and is_missing(value) else read(value, name, row)
                for row, value in enumerate(self.column(name))
            ]
        return self._texts[key]


def check_column(name: str, column: Any, rows: int) -> None:
    """Raise unless a column is a list of `rows` values."""
    if not is_column(column):
        raise ArgumentTypeError(f"`{name}` must be a list with one value per completion, got {type(column).__name__}")
    if len(column) != rows:
        raise ArgumentError(f"`{name}` must have one value per completion: {rows} expected, got {len(column)}")


def reference_texts(reference: Any, name: str, row: int) -> Texts:
    """One row's reference, a string or a list of strings, as a non-empty tuple of normalised, non-empty texts."""
    if isinstance(reference, str) and (text := normalise(reference)):
        return (text,)
    if _is_missing(reference):
        raise ArgumentError(
            f"`{name}` must be a non-empty string or a list of them, got {reference!r} at row {row}; "
            "drop the row, or let the reward pass it: on_missing='none'"
        )
    if not is_column(reference) or not all(isinstance(text, str) for text in reference):
        raise ArgumentTypeError(
            f"`{name}` must be a string or a list of strings, got {str(reference)[:80]!r} "
            f"({type(reference).__name__}) at row {row}; give the plain text"
        )
    texts = tuple(map(normalise, reference))
    if not all(texts):
        raise ArgumentError(f"`{name}` must hold non-empty texts, got a blank one at row {row}; leave it out")
    return texts


def _is_missing(reference: Any) -> bool:
    """Whether a reference is `None` (or NaN, as pandas has it), blank, or a list of nothing but such."""
    return all(
        is_nothing(text) or (isinstance(text, str) and not normalise(text))
        for text in (reference if is_column(reference) else [reference])
    )


def is_nothing(value: object) -> bool:
    """Whether a value is `None`, or NaN or NA, as pandas has them."""
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, Real) and math.isnan(value))


def source_text(source: Completion, name: str, row: int) -> str:
    """The text of a source: itself, or the texts of its messages, whoever speaks, one per line."""
    if isinstance(source, str):
        return normalise(source)
    if is_nothing(source):
        raise ArgumentError(
            f"`{name}` must be a text or a list of messages, got {source!r} at row {row}; drop the row, or let the "
            "reward pass it: on_missing='none'"
        )
    if not is_column(source) or not all(
        isinstance(message, Mapping) and {"role", "from"} & message.keys() for message in source
    ):
        raise ArgumentTypeError(
            f"`{name}` must be a text or a list of messages with `role` and `content`, got {str(source)[:80]!r} "
            f"({type(source).__name__}) at row {row}"
        )
    try:
        return "\n".join(_AS_SAID([{**message, "role": "assistant"}]) for message in source)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"`{name}` at row {row}: {error}") from None
