"""Which scripts a language is written in, which letters of a text belong to them, and a report on both."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

import regex
from babel.core import get_global

from semreward.errors import ArgumentError, ArgumentTypeError, UnknownLanguageError
from semreward.letters import (
    ATTACHED,
    FOREIGN,
    OWN,
    has_own_letters_only,
    letter_kinds,
    letters_of,
    script_names,
    script_of_letter,
    visible,
)

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

# Of scripts that are written together, those without which a longer text is in another language.
_OWN_SCRIPTS = {"Jpan": ("Hira", "Kana"), "Kore": ("Hang",)}

# Languages that are written in two scripts side by side, by the same people: each text keeps to one of them. Others
# that have several (Uzbek, Azerbaijani, Mongolian, Punjabi) are taken in their likely one; a tag can name another.
_TWO_SCRIPTS = dict.fromkeys(("bs", "cnr", "sr"), ("Cyrl", "Latn"))

# Foreign letters in a row, with their marks, in what `letter_kinds` returns.
_FOREIGN_RUN = re.compile(FOREIGN + b"(?:" + ATTACHED + b"*" + FOREIGN + b")*" + ATTACHED + b"*")

# Longest printed span, in characters, and how many spans are printed.
_SHOWN_CHARACTERS = 40
_SHOWN_SPANS = 10


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
    return expand_scripts([script_code(language)])


def tag_parts(language: str) -> tuple[str, str | None, str | None]:
    """The language, by its preferred code, and the script and the region that a tag names.

    Raises:
        UnknownLanguageError: It is no tag.

    Example:
        >>> tag_parts("cmn_Hant"), tag_parts("zh-tw")
        (('zh', 'Hant', None), ('zh', None, 'TW'))
    """
    if not isinstance(language, str):
        raise ArgumentTypeError(f"`language` must be a BCP-47 tag such as 'bo', got {language!r}")
    subtags = regex.split("[-_]", language.strip())
    if not all(regex.fullmatch(r"[A-Za-z0-9]{1,8}", subtag) for subtag in subtags):
        raise UnknownLanguageError(f"`language` must be a BCP-47 tag such as 'bo' or 'zh-Hant', got {language!r}")
    # A single letter begins an extension (`ar-u-nu-latn`: Latin digits), which says nothing about the script.
    details = list(takewhile(lambda tag: len(tag) > 1, subtags[1:]))
    script = next((tag.title() for tag in details if regex.fullmatch("[A-Za-z]{4}", tag)), None)
    region = next((tag.upper() for tag in details if regex.fullmatch("[A-Za-z]{2}|[0-9]{3}", tag)), None)
    base = subtags[0].lower()
    alias = get_global("language_aliases").get(base, base)  # of a three-letter code or an old one: bod, cmn, sh
    return alias.split("_")[0], script, region


def script_code(language: str) -> str:
    """The script that a tag names, or else CLDR's likely one: an ISO 15924 code, perhaps of a combination (Jpan).

    Raises:
        UnknownLanguageError: CLDR knows no script for the tag.
    """
    base, script, region = tag_parts(language)
    if script:
        return script
    likely = get_global("likely_subtags")
    maximal = likely.get(f"{base}_{region}") or likely.get(base)
    if maximal is None or base == "und":
        raise UnknownLanguageError(
            f"`language` {language!r} has no script in CLDR; name the scripts instead, e.g. scripts=('Tibt',)"
        )
    return str(maximal.split("_")[1])


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
    """Tells a set of scripts' letters from foreign ones; the rule stands in `semreward.letters`.

    Only letters (Unicode general category L) count, after NFC and without zero-width characters: digits, punctuation,
    marks and spaces are neutral, although some of them, like the Tibetan tsheg, carry a script. A letter whose Script
    is Common or Inherited is judged by its Script_Extensions: allowed if an allowed script is among them, neutral if
    they say Common only, foreign otherwise. A font variant (`𝐡`, `ℓ`) is judged as the letter that it is a variant of.

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
        return self.count_visible(visible(text))

    def count_visible(self, text: str) -> LetterCounts:
        """Count the letters of a text that is as `semreward.letters.visible` returns it."""
        kinds = letter_kinds(text, self.scripts)
        return LetterCounts(kinds.count(OWN), kinds.count(FOREIGN))

    def is_consistent(self, text: str) -> bool:
        """Whether a text has letters, all of them allowed. Linear in the text's length.

        Example:
            >>> tibetan = ScriptFilter(scripts_of("bo"))
            >>> tibetan.is_consistent("བོད་ཡིག།"), tibetan.is_consistent("བོད་字"), tibetan.is_consistent("་་། 12")
            (True, False, False)
        """
        return has_own_letters_only(text, self.scripts)


@dataclass(frozen=True)
class Writing:
    """How a language is written: in which scripts together, and which of them must show.

    Attributes:
        alternatives: One set of scripts; for a language of two scripts, two: a text keeps to one of them.
        own: Scripts without which a longer text is in another language: kana in Japanese, Hangul in Korean. Empty
            where there is no such script.
    """

    alternatives: tuple[frozenset[str], ...]
    own: frozenset[str] = frozenset()

    def is_consistent(self, text: str) -> bool:
        """Whether a text has letters, all of them of one alternative."""
        return any(has_own_letters_only(text, scripts) for scripts in self.alternatives)

    def closest(self, text: str) -> ScriptFilter:
        """The alternative that has most of a text's letters; the first of equals."""
        filters = [ScriptFilter(scripts) for scripts in self.alternatives]
        return filters[0] if len(filters) == 1 else max(filters, key=lambda judge: judge.count(text).allowed)

    def shows_own(self, text: str, every: int) -> bool:
        """Whether a text has at least one letter of the own scripts for every so many of the others.

        Args:
            text: Any text.
            every: At least 1. A text with fewer letters of the other scripts than that needs none.

        Example:
            >>> japanese = writing_of("ja")
            >>> [japanese.shows_own(text, every=4) for text in ["東京", "他买了苹果", "彼は林檎を買った"]]
            [True, False, True]
        """
        if not self.own:
            return True
        others = frozenset().union(*self.alternatives) - self.own
        shown = ScriptFilter(self.own).count(text).allowed
        return shown >= ScriptFilter(others).count(text).allowed // every


def writing_of(language: str) -> Writing:
    """How a language is written.

    Args:
        language: A BCP-47 tag, as for `scripts_of`.

    Returns:
        The scripts of `scripts_of`. Serbian, Bosnian and Montenegrin, unless the tag names a script, have two
        alternatives, Cyrillic and Latin: a text that mixes them is not consistent.

    Raises:
        UnknownLanguageError: CLDR knows no script for the tag.

    Example:
        >>> [sorted(scripts) for scripts in writing_of("sr").alternatives]
        [['Cyrl'], ['Latn']]
    """
    base, script, _ = tag_parts(language)
    if script is None and base in _TWO_SCRIPTS:
        return Writing(tuple(expand_scripts([code]) for code in _TWO_SCRIPTS[base]))
    return writing_in([script_code(language)])


def writing_in(scripts: Iterable[str]) -> Writing:
    """The writing that mixes some scripts freely.

    Args:
        scripts: ISO 15924 codes, as for `expand_scripts`.

    Raises:
        ArgumentError: No code was given.
        UnknownLanguageError: A code is unknown to Unicode.

    Example:
        >>> sorted(writing_in(["Jpan"]).own)
        ['Hira', 'Kana']
    """
    codes = scripts if isinstance(scripts, str) else tuple(scripts)
    expanded = expand_scripts(codes)
    own = frozenset(script for code in codes for script in _OWN_SCRIPTS.get(code.title(), ()))
    return Writing((expanded,), own)


@dataclass(frozen=True)
class ForeignSpan:
    """A run of letters of one foreign script, with the marks and zero-width characters among them.

    Attributes:
        start: Place of its first character in the given text, as Python counts them.
        end: Place after its last character.
        text: What stands there.
        script: The letters' script, a code of ISO 15924.
    """

    start: int
    end: int
    text: str
    script: str


@dataclass(frozen=True)
class LanguageReport:
    """What a text is written in; `str()` of it is a table.

    Attributes:
        language: The wanted language; `None` where none was given.
        letters: How many letters of each script the text has, most first: as they are judged, after NFC and without
            zero-width characters. `"Zyyy"` stands for letters that several scripts share.
        foreign: Runs of foreign letters, in order; none where no language was given.
        consistent: Whether there are letters, and none of them foreign; `None` where no language was given.
    """

    language: str | None
    letters: Mapping[str, int]
    foreign: tuple[ForeignSpan, ...] = ()
    consistent: bool | None = None
    shares: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        total = sum(self.letters.values())
        object.__setattr__(self, "shares", {script: count / total for script, count in self.letters.items()})

    def __str__(self) -> str:
        verdict = {None: "no language given", True: "consistent", False: "not consistent"}[self.consistent]
        lines = [f"{self.language or 'text'}: {verdict}, {sum(self.letters.values())} letters"]
        for script, count in self.letters.items():
            lines.append(f"  {script}  {count:>7}  {self.shares[script]:>6.1%}  {script_names()[script]}")
        shown = self.foreign[:_SHOWN_SPANS]
        lines += [f"  foreign at {span.start}-{span.end}: {_shown(span.text)} ({span.script})" for span in shown]
        if len(self.foreign) > _SHOWN_SPANS:
            lines.append(f"  and {len(self.foreign) - _SHOWN_SPANS} more foreign spans")
        return "\n".join(lines)


def language_report(text: str, language: str | None = None) -> LanguageReport:
    """Letters by script and, given a language, the foreign spans of a text.

    Where a language has two scripts (Serbian), the one with most of the text's letters is taken. Options of a
    `LanguageConsistencyReward` play no part: this is what its strict default sees.

    Args:
        text: Any text; reasoning is not removed.
        language: A BCP-47 tag, such as `"bo"`.

    Returns:
        The report. Its spans refer to the text as given, its counts to the text as judged.

    Raises:
        ArgumentTypeError: `text` is no text.
        UnknownLanguageError: CLDR knows no script for the tag.

    Example:
        >>> print(language_report("ཁོང་གིས་iPhoneཉོས།", "bo"))
        bo: not consistent, 12 letters
          Latn        6   50.0%  Latin
          Tibt        6   50.0%  Tibetan
          foreign at 8-14: 'iPhone' (Latn)
    """
    if not isinstance(text, str):
        raise ArgumentTypeError(f"`text` must be a string, got {type(text).__name__}; of messages, give the content")
    counts: Counter[str] = Counter()
    for letter, count in Counter(letters_of(visible(text))).items():
        counts[script_of_letter(letter)] += count
    letters = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    if language is None:
        return LanguageReport(None, letters)
    writing = writing_of(language)
    judge = writing.closest(text)
    return LanguageReport(language, letters, tuple(_foreign_spans(text, judge)), writing.is_consistent(text))


def _foreign_spans(text: str, judge: ScriptFilter) -> Iterator[ForeignSpan]:
    """The foreign runs of a text, cut where the script changes."""
    kinds = letter_kinds(text, judge.scripts)
    for run in _FOREIGN_RUN.finditer(kinds):
        start, script = run.start(), script_of_letter(text[run.start()])
        for place in range(run.start() + 1, run.end()):
            if kinds[place] == FOREIGN[0] and (following := script_of_letter(text[place])) != script:
                yield ForeignSpan(start, place, text[start:place], script)
                start, script = place, following
        yield ForeignSpan(start, run.end(), text[start : run.end()], script)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")
