"""What attacks have to know about a language, as data: one frozen table a language."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from semreward.errors import ArgumentError, ArgumentTypeError

Rule: TypeAlias = tuple[str, str | Callable[["re.Match[str]"], str]]
"""A regular expression and what its first match becomes: a template as for `re.sub`, or a function of the match."""


@dataclass(frozen=True)
class LanguageTable:
    r"""What attacks know about the language of the answers. Everything but the tag may be left out.

    An attack that needs an entry which a table lacks does not apply, and the report says so.

    Args:
        language: BCP-47 tag.
        joiner: What stands between two sentences.
        word_joiner: What stands between the words of a bare list.
        separators: What an answer of separators only is made of, such as the Tibetan tsheg.
        boilerplate: A polite sentence that says nothing about any source.
        preamble: What announces a translation instead of giving it.
        function_words: Words (units, see `semreward.text.units`) that a bag of keywords leaves out, in lower case.
        negations: Rules that turn a statement into its opposite, in the order in which they are tried.
        role_swaps: Rules that exchange who does what to whom, in the order in which they are tried.
        number_words: Words for small numbers; they are exchanged for each other.
        number_pattern: Regular expression of one of them at its place, with `{words}` for the alternatives.
        entities: Groups of names that can stand for each other in a sentence.
        entity_pattern: Regular expression of a name at its place, with `{names}` for the alternatives.
        homoglyphs: Letters, and their look-alikes in the same order.
        transliterate: The text in another script, or `None` where no table is known. It must be a module-level function
            for the table to pickle.

    Raises:
        ArgumentError: The two strings of `homoglyphs` differ in length, or a regular expression is wrong.

    Example:
        >>> italian = LanguageTable("it", negations=((r"\bè\b", "non è"),))
        >>> rewritten("Il cane è rosso.", italian.negations)
        'Il cane non è rosso.'
    """

    language: str
    joiner: str = " "
    word_joiner: str = " "
    separators: str = ""
    boilerplate: str = ""
    preamble: str = ""
    function_words: frozenset[str] = frozenset()
    negations: tuple[Rule, ...] = ()
    role_swaps: tuple[Rule, ...] = ()
    number_words: tuple[str, ...] = ()
    number_pattern: str = r"\b(?:{words})\b"
    entities: tuple[tuple[str, ...], ...] = ()
    entity_pattern: str = r"\b(?:{names})\b"
    homoglyphs: tuple[str, str] = ("", "")
    transliterate: Callable[[str], str] | None = field(default=None)

    def __post_init__(self) -> None:
        plain, alike = self.homoglyphs
        if len(plain) != len(alike):
            raise ArgumentError(
                f"`homoglyphs` must be two strings of equal length, got {len(plain)} letters and {len(alike)}"
            )
        patterns = [pattern for pattern, _ in (*self.negations, *self.role_swaps)]
        for pattern in (*patterns, self.number_pattern, self.entity_pattern):
            self._check(pattern)

    def _check(self, pattern: str) -> None:
        try:
            re.compile(pattern.replace("{words}", "").replace("{names}", ""))
        except re.error as error:
            raise ArgumentError(f"the table of {self.language!r} has a wrong pattern {pattern!r}: {error}") from error


def words(text: str) -> tuple[str, ...]:
    """The words of a list that is written as one text, with spaces between."""
    return tuple(text.split())


def rewritten(text: str, rules: tuple[Rule, ...]) -> str | None:
    """A text after the first rule that changes it.

    Returns:
        The new text; `None` where no rule changes anything.
    """
    for pattern, replacement in rules:
        changed = re.sub(pattern, replacement, text, count=1)
        if changed != text:
            return changed
    return None


def table_of(language: "str | LanguageTable | None", tables: Mapping[str, LanguageTable]) -> LanguageTable:
    """The table of a language: a given one, a shipped one by its tag's first part, or an empty one.

    Raises:
        ArgumentTypeError: `language` is none of these.

    Example:
        >>> table_of("bo-CN", {"bo": LanguageTable("bo", separators="་")}).separators
        '་'
    """
    if isinstance(language, LanguageTable):
        return language
    if language is None:
        return LanguageTable("und")
    if not isinstance(language, str):
        raise ArgumentTypeError(f"`language` must be a BCP-47 tag such as 'bo' or a LanguageTable, got {language!r}")
    base = re.split("[-_]", language)[0].lower()
    return tables.get(base, LanguageTable(language))
