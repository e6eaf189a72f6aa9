"""Letters by script: which characters of a text count when its language is judged, and for which scripts they count.

The rule, for one character:

* Only letters count (Unicode general category L). Default-ignorable characters (zero-width spaces and joiners, bidi
  controls, variation selectors, the invisible Hangul fillers, which Unicode calls letters) never do.
* A letter belongs to its Script. One whose Script is Common or Inherited belongs to its Script_Extensions; if they say
  Common only, it is neutral (the micro sign). A font variant of a letter (`𝐡`, `ℓ`) is judged as that letter.

The rule gives a text the same verdict before and after canonical composition and decomposition: a character's letters
and those of its decomposition belong to the same scripts (tests go through all of Unicode). So a verdict needs no NFC,
and it is found by two searches for one character of a class, at the speed of the standard library's `re`: the fastest
way for texts as short as answers. Counting goes through a table of all code points.
"""

import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import compress
from typing import NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

COMMON_SCRIPT = "Zyyy"
"""ISO 15924's code for characters that several scripts share."""

UNKNOWN_SCRIPT = "Zzzz"
"""ISO 15924's code for a script without a code; here also one that Unicode knows and Babel does not yet."""

_SHARED = r"[\p{sc=Zyyy}\p{sc=Zinh}]"

# Planes of Unicode with anything but private use in them; a test compares them with all seventeen.
_PLANES = (0, 1, 2, 3, 14)
_PLANE_SIZE = 0x10000
_SURROGATES = range(0xD800, 0xE000)

# In shorter texts, and in shorter runs of characters of a combining class other than 0, quadratic time is not felt.
_LONG_TEXT = 1000
_LONG_RUN = re.compile(rb"[^\x00]{30,}")

OWN, FOREIGN, ATTACHED = b"\x01", b"\x02", b"\x03"
"""Kinds of characters: an own letter, a foreign one, and what may stand among a word's letters (marks, ignorables)."""

_POINT = np.dtype("<u4")
_IS_LETTER = bytes.maketrans(OWN + FOREIGN + ATTACHED, b"\x01\x01\x00")


class LetterPatterns(NamedTuple):
    """Patterns of one letter of a set of scripts, and of one foreign letter; neutral letters match neither."""

    own: "re.Pattern[str]"
    foreign: "re.Pattern[str]"


def visible(text: str) -> str:
    r"""The form in which letters are counted: without default-ignorable characters, in NFC.

    Example:
        >>> visible("cafe\u200b\u0301") == "café"
        True
    """
    return text if text.isascii() else composed(_ignorable().sub("", text))


def composed(text: str) -> str:
    r"""A text in NFC, in linear time, but for the sorting of marks.

    Python's own way takes time quadratic in the marks that follow one letter: a text of 100 kB that is nothing but two
    marks in turn takes it seconds. So long runs of marks are put into canonical order before.

    Example:
        >>> composed("ẹ́" + "̣́" * 20) == unicodedata.normalize("NFC", "e" + "̣́" * 21)
        True
    """
    if text.isascii():
        return text
    if len(text) > _LONG_TEXT:
        classes = _combining_classes()[_points(text)].tobytes()
        runs = [run.span() for run in _LONG_RUN.finditer(classes)]
        text = "".join(_with_ordered(text, runs)) if runs else text
    return unicodedata.normalize("NFC", text)


def _with_ordered(text: str, runs: list[tuple[int, int]]) -> Iterator[str]:
    """The pieces of a text, runs of marks among them in canonical order."""
    last = 0
    for start, end in runs:
        yield text[last:start]
        parts = "".join(unicodedata.normalize("NFD", mark) for mark in text[start:end])  # a mark may be of several
        yield "".join(sorted(parts, key=unicodedata.combining))
        last = end
    yield text[last:]


def has_own_letters_only(text: str, scripts: frozenset[str]) -> bool:
    """Whether a text, in any normal form, has letters of some scripts and no foreign ones."""
    patterns = letter_patterns(scripts)
    if text.isascii():  # the letters of ASCII are Latin
        return patterns.own.match("a") is not None and patterns.own.search(text) is not None
    return patterns.foreign.search(text) is None and patterns.own.search(text) is not None


def letter_kinds(text: str, scripts: frozenset[str]) -> bytes:
    r"""What each character of a text is: `OWN`, `FOREIGN`, `ATTACHED` (a mark or ignorable), or a zero byte.

    Example:
        >>> letter_kinds("ཀི་ a", frozenset({"Tibt"}))
        b'\x01\x03\x00\x00\x02'
    """
    return _kinds(scripts)[_points(text)].tobytes()


@lru_cache(maxsize=128)
def letter_patterns(scripts: frozenset[str]) -> LetterPatterns:
    """Patterns that tell the letters of some scripts from foreign ones; see the rule above.

    Args:
        scripts: Codes of Unicode's Script property.

    Example:
        >>> own, foreign = letter_patterns(frozenset({"Grek"}))
        >>> own.findall("5 µ → αβγ m"), foreign.findall("5 µ → αβγ m")
        (['α', 'β', 'γ'], ['m'])
    """
    own = _own_ranges(scripts)
    # All that is not foreign, the other way round: the search leaves a class at the first range that holds a
    # character, and few characters are foreign. Own letters come first, then what is widest.
    foreign = f"[^{_rendered([*own, *_neutral_ranges()])}]"
    return LetterPatterns(re.compile(f"[{_rendered(own)}]"), re.compile(foreign))


def script_of_letter(letter: str) -> str:
    """The script by which a letter is judged.

    Args:
        letter: A letter that counts, or a neutral one.

    Returns:
        Code of Unicode's Script property; `"Zyyy"` (Common) for a letter that several scripts share; `"Zzzz"` for a
        script that Unicode's data know and Babel's do not yet.

    Example:
        >>> script_of_letter("བ"), script_of_letter("ー"), script_of_letter("𝐡")
        ('Tibt', 'Zyyy', 'Latn')
    """
    starts, scripts = _script_ranges()
    return scripts[bisect_right(starts, ord(_judged(letter)[0])) - 1]


def letters_of(text: str) -> Iterator[str]:
    """The letters of a text that count, of whatever script."""
    kinds = letter_kinds(text, frozenset({"Latn"}))  # any script's table knows which characters are letters
    return compress(text, kinds.translate(_IS_LETTER))


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
def _script_ranges() -> tuple[list[int], list[str]]:
    """Where runs of letters of one script begin, all other characters left out, and the script of each."""
    letters = "".join(regex.findall(r"\p{L}", _unicode()))
    scripts = "|".join(rf"(?P<{code}>\p{{sc={code}}}+)" for code in script_names())
    runs = [(ord(run[0][0]), run.lastgroup) for run in regex.finditer(rf"{scripts}|.", letters)]
    return [start for start, _ in runs], [script or UNKNOWN_SCRIPT for _, script in runs]


@lru_cache(maxsize=1)
def _ignorable() -> "re.Pattern[str]":
    points = regex.findall(r"\p{DI}", _unicode())
    return re.compile(f"[{_rendered(_ranges(points))}]+")


@lru_cache(maxsize=1)
def _combining_classes() -> NDArray[np.uint8]:
    """The canonical combining class of every code point."""
    classes = np.zeros(sys.maxunicode + 1, dtype=np.uint8)
    for mark in regex.findall(r"\p{M}", _unicode()):
        classes[ord(mark)] = unicodedata.combining(mark)
    return classes


def _points(text: str) -> NDArray[np.uint32]:
    """The code points of a text, surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=_POINT)


@lru_cache(maxsize=64)  # of 1.1 MB each
def _kinds(scripts: frozenset[str]) -> NDArray[np.uint8]:
    """The kind of every code point."""
    kinds = np.full(sys.maxunicode + 1, FOREIGN[0], dtype=np.uint8)
    for spans, kind in ((_neutral_ranges(), 0), (_attached_ranges(), ATTACHED[0]), (_own_ranges(scripts), OWN[0])):
        for first, last in spans:
            kinds[first : last + 1] = kind
    return kinds


@lru_cache(maxsize=1)
def _attached_ranges() -> list[tuple[int, int]]:
    return _ranges(regex.findall(r"[\p{M}\p{DI}]", _unicode()))


@lru_cache(maxsize=128)
def _own_ranges(scripts: frozenset[str]) -> list[tuple[int, int]]:
    """The letters of some scripts."""
    letters, shared = _letters()
    named = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
    extended = "".join(rf"\p{{scx={script}}}" for script in sorted(scripts))
    allowed = regex.compile(rf"[{named}[{_SHARED}&&[{extended}]]]", regex.V1)
    return _ranges(
        [*regex.findall(rf"[{named}]", letters), *(letter for letter in shared if allowed.match(shared[letter]))]
    )


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
    """All characters, in order, of the planes that have some."""
    planes = (range(plane * _PLANE_SIZE, (plane + 1) * _PLANE_SIZE) for plane in _PLANES)
    return "".join(chr(point) for plane in planes for point in plane if point not in _SURROGATES)


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
