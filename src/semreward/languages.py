"""Which scripts a language is written in, and which letters of a text belong to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import regex
from babel.core import get_global

from semreward.errors import ArgumentError, ArgumentTypeError, UnknownLanguageError
from semreward.text import normalise

if TYPE_CHECKING:
    from regex import Pattern

# ISO 15924 codes that name a combination or a variant, as CLDR's likely subtags use them, and the scripts of Unicode's
# Script property that they stand for.
_COMBINED_SCRIPTS = {
    "Hanb": ("Hani", "Bopo"),
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Hrkt": ("Hira", "Kana"),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}


def scripts_of(language: str) -> frozenset[str]:
    """The scripts that a language is written in.

    Args:
        language: A BCP-47 tag, `-` or `_` between its parts: `"bo"`, `"zh-Hant"`, `"zh-TW"`, `"sr-Latn"`.

    Returns:
        Four-letter codes of Unicode's Script property: the tag's own script where it names one, else the likely one.

    Raises:
        UnknownLanguageError: CLDR knows no script for the tag.

    Source:
        CLDR's likely subtags, as Babel carries them. Combined codes are expanded (Jpan: Han, Hiragana, Katakana).

    Example:
        >>> sorted(scripts_of("bo")), sorted(scripts_of("ja"))
        (['Tibt'], ['Hani', 'Hira', 'Kana'])
    """
    if not isinstance(language, str):
        raise ArgumentTypeError(f"`language` must be a BCP-47 tag such as 'bo', got {language!r}")
    subtags = regex.split("[-_]", language.strip())
    if not all(regex.fullmatch(r"[A-Za-z0-9]{1,8}", subtag) for subtag in subtags):
        raise UnknownLanguageError(f"`language` must be a BCP-47 tag such as 'bo' or 'zh-Hant', got {language!r}")
    base = subtags[0].lower()
    # A single letter begins an extension (`ar-u-nu-latn`: Latin digits), which says nothing about the script.
    details = list(takewhile(lambda tag: len(tag) > 1, subtags[1:]))
    own_script = next((tag.title() for tag in details if regex.fullmatch("[A-Za-z]{4}", tag)), None)
    region = next((tag.upper() for tag in details if regex.fullmatch("[A-Za-z]{2}|[0-9]{3}", tag)), None)
    likely = get_global("likely_subtags")
    maximal = likely.get(f"{base}_{region}") or likely.get(base)
    if own_script:
        return expand_scripts([own_script])
    if maximal is None or base == "und":
        raise UnknownLanguageError(
            f"`language` {language!r} has no script in CLDR; name the scripts instead, e.g. scripts=('Tibt',)"
        )
    return expand_scripts([maximal.split("_")[1]])


def expand_scripts(scripts: Iterable[str]) -> frozenset[str]:
    """Check ISO 15924 codes and expand those that stand for several scripts.

    Args:
        scripts: Four-letter codes, such as `"Tibt"` or `"Jpan"`, in any case.

    Returns:
        Codes of Unicode's Script property.

    Raises:
        ArgumentError: No code was given.
        UnknownLanguageError: A code is unknown to Unicode.

    Example:
        >>> sorted(expand_scripts(["Kore", "latn"]))
        ['Hang', 'Hani', 'Latn']
    """
    if isinstance(scripts, str):
        raise ArgumentTypeError(f"`scripts` must be a collection of ISO 15924 codes, got the string {scripts!r}")
    expanded = frozenset(code for script in scripts for code in _expand(script))
    if not expanded:
        raise ArgumentError("`scripts` must name at least one script, got none")
    return expanded


def _expand(script: str) -> tuple[str, ...]:
    if not isinstance(script, str) or not regex.fullmatch("[A-Za-z]{4}", script):
        raise UnknownLanguageError(f"a script must be a four-letter ISO 15924 code such as 'Tibt', got {script!r}")
    codes = _COMBINED_SCRIPTS.get(script.title(), (script.title(),))
    try:
        regex.compile("".join(rf"\p{{sc={code}}}" for code in codes))
    except regex.error:
        raise UnknownLanguageError(f"script {script!r} is not a script of Unicode; codes look like 'Tibt'") from None
    return codes


class LetterCounts(NamedTuple):
    """How many letters of a text are written in the allowed scripts, and how many are not."""

    allowed: int
    foreign: int


@dataclass(frozen=True)
class ScriptFilter:
    """Tells a set of scripts' letters from foreign ones.

    Only letters (Unicode general category L) count, after NFC: digits, punctuation, marks and spaces are neutral,
    although some of them, like the Tibetan tsheg, carry a script. A letter whose Script is Common or Inherited is
    judged by its Script_Extensions: allowed if an allowed script is among them, neutral if they say Common only,
    foreign otherwise.

    Attributes:
        scripts: Codes of Unicode's Script property, as `scripts_of` and `expand_scripts` return them.
    """

    scripts: frozenset[str]

    def count(self, text: str) -> LetterCounts:
        """Count the letters of a text.

        Example:
            >>> ScriptFilter(scripts_of("bo")).count("བོད་ཡིག། 3 cm")
            LetterCounts(allowed=4, foreign=2)
        """
        text = normalise(text)
        allowed, foreign = _letter_patterns(self.scripts)
        return LetterCounts(len(allowed.findall(text)), len(foreign.findall(text)))

    def is_consistent(self, text: str) -> bool:
        """Whether a text has letters, all of them allowed. Linear in the text's length.

        Example:
            >>> tibetan = ScriptFilter(scripts_of("bo"))
            >>> tibetan.is_consistent("བོད་ཡིག།"), tibetan.is_consistent("བོད་字"), tibetan.is_consistent("་་། 12")
            (True, False, False)
        """
        text = normalise(text)
        allowed, foreign = _letter_patterns(self.scripts)
        return foreign.search(text) is None and allowed.search(text) is not None


@lru_cache(maxsize=256)
def _letter_patterns(scripts: frozenset[str]) -> "tuple[Pattern[str], Pattern[str]]":
    """Patterns of one allowed and one foreign letter."""
    own = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
    extended = "".join(rf"\p{{scx={script}}}" for script in sorted(scripts))
    shared = r"[\p{sc=Zyyy}\p{sc=Zinh}]"
    neutral = rf"[{shared}&&[\p{{scx=Zyyy}}\p{{scx=Zinh}}]]"
    allowed = rf"[{own}[{shared}&&[{extended}]]]"
    return (
        regex.compile(rf"[\p{{L}}&&{allowed}]", regex.V1),
        regex.compile(rf"[\p{{L}}--{allowed}--{neutral}]", regex.V1),
    )
