"""Letters by script: which characters of a text count when its language is judged, and for which scripts they count.

The rule, for one character:

* Only letters count (Unicode general category L). Default-ignorable characters (zero-width spaces and joiners, bidi
  controls, variation selectors, the invisible Hangul fillers, which Unicode calls letters) never do.
* A letter belongs to its Script. One whose Script is Common or Inherited belongs to its Script_Extensions; if they say
  Common only, it is neutral (the micro sign). A font variant of a letter (`𝐡`, `ℓ`) is judged as that letter.

The rule gives a text the same verdict before and after canonical composition and decomposition: a character's letters
and those of its decomposition belong to the same scripts (tests go through all of Unicode). So a verdict needs no NFC,
and it is found by two searches for one character of a class, at the speed of the standard library's `re`.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import regex

COMMON_SCRIPT = "Zyyy"
"""ISO 15924's code for characters that several scripts share."""

UNKNOWN_SCRIPT = "Zzzz"
"""ISO 15924's code for a script without a code; here also one that Unicode knows and Babel does not yet."""

_SHARED = r"[\p{sc=Zyyy}\p{sc=Zinh}]"
_ATTACHED = r"[\p{M}\p{DI}]"
_IGNORABLE = regex.compile(r"\p{DI}+")
_FIRST_SURROGATE, _LAST_SURROGATE = 0xD800, 0xDFFF


class LetterPatterns(NamedTuple):
    """Patterns of one letter of a set of scripts, and of one foreign letter; neutral letters match neither.

    The classes are what the patterns consist of, to build longer ones from.
    """

    own: "re.Pattern[str]"
    foreign: "re.Pattern[str]"
    own_class: str
    foreign_class: str


def visible(text: str) -> str:
    r"""The form in which letters are counted: without default-ignorable characters, in NFC.

    Example:
        >>> visible("cafe\u200b\u0301") == "café"
        True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", _IGNORABLE.sub("", text))


@lru_cache(maxsize=128)
def letter_patterns(scripts: frozenset[str]) -> LetterPatterns:
    """Patterns that tell the letters of some scripts from foreign ones; see the rule above.

    Args:
        scripts: Codes of Unicode's Script property.

    Example:
        >>> own, foreign, *_ = letter_patterns(frozenset({"Grek"}))
        >>> own.findall("5 µ → αβγ m"), foreign.findall("5 µ → αβγ m")
        (['α', 'β', 'γ'], ['m'])
    """
    letters, shared = _letters()
    named = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
    extended = "".join(rf"\p{{scx={script}}}" for script in sorted(scripts))
    allowed = regex.compile(rf"[{named}[{_SHARED}&&[{extended}]]]", regex.V1)
    own = _ranges(
        [*regex.findall(rf"[{named}]", letters), *(letter for letter in shared if allowed.match(shared[letter]))]
    )
    # All that is not foreign, the other way round: the search leaves a class at the first range that holds a
    # character, and few characters are foreign. Own letters come first, then what is widest.
    own_class, foreign_class = f"[{_rendered(own)}]", f"[^{_rendered([*own, *_neutral_ranges()])}]"
    return LetterPatterns(re.compile(own_class), re.compile(foreign_class), own_class, foreign_class)


@lru_cache(maxsize=4096)
def script_of_letter(letter: str) -> str:
    """The script by which a letter is judged.

    Returns:
        Code of Unicode's Script property; `"Zyyy"` (Common) for a letter that several scripts share; `"Zzzz"` for a
        script that Unicode's data know and Babel's do not yet.

    Example:
        >>> script_of_letter("བ"), script_of_letter("ー"), script_of_letter("𝐡")
        ('Tibt', 'Zyyy', 'Latn')
    """
    found = _any_script().match(_judged(letter))
    return str(found.lastgroup) if found else UNKNOWN_SCRIPT


@lru_cache(maxsize=1)
def letter_pattern() -> "re.Pattern[str]":
    """Pattern of one letter that counts, of any script; neutral letters do not match."""
    return re.compile(f"[^{_rendered(_neutral_ranges())}]")


@lru_cache(maxsize=1)
def attached_class() -> str:
    """Class of what may stand among a word's letters: one mark or default-ignorable character."""
    return f"[{_rendered(_ranges(regex.findall(_ATTACHED, _unicode())))}]"


@lru_cache(maxsize=1)
def script_names() -> dict[str, str]:
    """English names of the scripts that Unicode's Script property knows, by code; from CLDR through Babel."""
    from babel import Locale

    names: dict[str, str] = dict(Locale("en").scripts)
    return {code: name for code, name in sorted(names.items()) if _is_script(code)}


def _is_script(code: str) -> bool:
    try:
        regex.compile(rf"\p{{sc={code}}}")
    except regex.error:
        return False
    return True


@lru_cache(maxsize=1)
def _any_script() -> "regex.Pattern[str]":
    return regex.compile("|".join(rf"(?P<{code}>\p{{sc={code}}})" for code in script_names()))


@lru_cache(maxsize=1)
def _letters() -> tuple[str, dict[str, str]]:
    """All letters of one script, and those of several with the character that each is judged by."""
    letters = "".join(regex.findall(r"[\p{L}--\p{DI}]", _unicode(), regex.V1))
    shared = regex.findall(_SHARED, letters)
    return regex.sub(f"{_SHARED}+", "", letters), {letter: _judged(letter) for letter in shared}


@lru_cache(maxsize=1)
def _neutral_ranges() -> list[tuple[int, int]]:
    """All characters that are foreign to no script, the widest ranges first."""
    letters, shared = _letters()
    neutral = regex.compile(rf"[{_SHARED}&&[\p{{scx=Zyyy}}\p{{scx=Zinh}}]]", regex.V1)
    belonging = _ranges([*letters, *(letter for letter in shared if not neutral.match(shared[letter]))])
    starts = [0, *(last + 1 for _, last in belonging)]
    ends = [*(first - 1 for first, _ in belonging), sys.maxunicode]
    gaps = [(start, end) for start, end in zip(starts, ends, strict=True) if start <= end]
    return sorted(gaps, key=lambda gap: gap[0] - gap[1])


def _judged(letter: str) -> str:
    """The letter that a font variant is a variant of, in NFC; else the letter itself, in NFC."""
    kind, _, plain = unicodedata.decomposition(letter).partition(" ")
    return unicodedata.normalize("NFC", chr(int(plain, 16)) if kind == "<font>" else letter)


def _unicode() -> str:
    return "".join(map(chr, [*range(_FIRST_SURROGATE), *range(_LAST_SURROGATE + 1, sys.maxunicode + 1)]))


def _ranges(characters: Iterable[str]) -> list[tuple[int, int]]:
    """Code points as inclusive ranges, in order."""
    spans: list[tuple[int, int]] = []
    for point in sorted(map(ord, characters)):
        if spans and point == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], point)
        else:
            spans.append((point, point))
    return spans


def _rendered(spans: list[tuple[int, int]]) -> str:
    return "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in spans)
