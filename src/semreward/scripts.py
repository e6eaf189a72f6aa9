"""Scripts: which ones a language is written in, which letters of a text belong to them, and a report on both.

The rule for one character:

* Only letters count (Unicode general category L), and no default-ignorable character (zero-width spaces and joiners,
  bidi controls, the invisible Hangul fillers, which Unicode calls letters).
* A letter belongs to its Script. If that is Common or Inherited, it belongs to its Script_Extensions; if they say
  Common only, it is neutral (the micro sign). A font variant of a letter (`𝐡`, `ℓ`) is judged as that letter.

The rule gives a text the same verdict before and after canonical composition and decomposition (tests go through all of
Unicode), so a verdict needs no NFC.
"""

import reprlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

import regex
from babel import Locale
from babel.core import get_global
from babel.localedata import locale_identifiers

from semreward.errors import ArgumentError, ArgumentTypeError, UnknownLanguageError

COMMON_SCRIPT = "Zyyy"
"""ISO 15924's code for characters that several scripts share."""

# ISO 15924 codes of combinations and variants in CLDR's likely subtags, and the scripts that they stand for.
_COMBINED_SCRIPTS = {
    "Hanb": ("Hani", "Bopo"),
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Hrkt": ("Hira", "Kana"),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}

# Languages written in two scripts by the same people; each text keeps to one. Other such languages (Uzbek, Azerbaijani,
# Mongolian, Punjabi) are taken in their likely script; a tag can name another.
_TWO_SCRIPTS = dict.fromkeys(("bs", "cnr", "sr"), ("Cyrl", "Latn"))

_TAG = regex.compile(
    "(?P<language>[a-z]{2,8})(-(?P<extended>[a-z]{3}))?(-(?P<script>[a-z]{4}))?(-(?P<region>[a-z]{2}|[0-9]{3}))?"
    "(-(?P<variant>[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(-[a-wyz0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?"
)
_EXTENDED = {"ar", "kok", "lv", "ms", "sgn", "sw", "uz", "zh"}  # languages before another of their own (`zh-yue`)

_SHARED = r"[\p{sc=Zyyy}\p{sc=Zinh}]"
_NEUTRAL = regex.compile(rf"[{_SHARED}&&[\p{{scx=Zyyy}}\p{{scx=Zinh}}]]", regex.V1)
_LETTER = regex.compile(r"[\p{L}--\p{DI}]", regex.V1)
_ATTACHED = regex.compile(r"[\p{M}\p{DI}]")
_IGNORABLE = regex.compile(r"\p{DI}+")

_LONG_RUN = regex.compile(r"\p{M}{31,}")  # Python's NFC takes time quadratic in the marks that follow one letter

_SHOWN_SPANS = 10


def visible(text: str) -> str:
    """The form in which letters are counted: without default-ignorable characters, in NFC."""
    return text if text.isascii() else composed(_IGNORABLE.sub("", text))


def composed(text: str) -> str:
    """A text in NFC, in linear time (except for sorting): long runs of marks are put into canonical order before."""
    return unicodedata.normalize("NFC", _LONG_RUN.sub(_ordered, text))


def _ordered(run: "regex.Match[str]") -> str:
    """A run of marks, decomposed and in canonical order: sorted by combining class between marks of class 0."""
    forms = {ord(mark): unicodedata.normalize("NFD", mark) for mark in set(run[0])}
    marks = run[0].translate(forms)
    starts = [0, *(index for index, mark in enumerate(marks) if not unicodedata.combining(mark)), len(marks)]
    stretches = (marks[start:end] for start, end in pairwise(starts))
    return "".join(chain.from_iterable(sorted(stretch, key=unicodedata.combining) for stretch in stretches))


class LetterKinds(dict[str, str]):
    """What each character is to a set of scripts: `"own"`, `"foreign"`, or `""` for neither (`5`, the micro sign)."""

    def __init__(self, scripts: frozenset[str]) -> None:
        super().__init__()
        named = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
        extended = "".join(rf"\p{{scx={script}}}" for script in sorted(scripts))
        self._own = regex.compile(rf"[{named}[{_SHARED}&&[{extended}]]]", regex.V1)

    def __missing__(self, character: str) -> str:
        kind = ""
        if _LETTER.match(character):
            judged = _judged(character)[0]
            kind = "own" if self._own.match(judged) else "" if _NEUTRAL.match(judged) else "foreign"
        self[character] = kind
        return kind


letter_kinds = lru_cache(maxsize=128)(LetterKinds)


def _judged(letter: str) -> str:
    """The letter behind a font variant, else the letter itself; in NFC."""
    kind, _, plain = unicodedata.decomposition(letter).partition(" ")
    return unicodedata.normalize("NFC", chr(int(plain, 16)) if kind == "<font>" else letter)


@lru_cache(maxsize=4096)
def script_of_letter(letter: str) -> str:
    """The script by which a letter is judged, as a code of Unicode's Script property; `"Zzzz"`: Babel knows none."""
    plain = _judged(letter)[0]
    return next((code for code in script_names() if regex.match(rf"\p{{sc={code}}}", plain)), "Zzzz")


@lru_cache(maxsize=1)
def script_names() -> dict[str, str]:
    """English names of the scripts that Unicode's Script property knows, by code; from CLDR through Babel."""
    return {code: name for code, name in sorted(Locale("en").scripts.items()) if _is_script(code)}


def _is_script(code: str) -> bool:
    try:
        regex.compile(rf"\p{{sc={code}}}")
    except regex.error:
        return False
    return True


def scripts_of(language: str) -> frozenset[str]:
    """The scripts of a BCP-47 tag (`"bo"`, `"zh-Hant"`, `"zh_TW"`), as codes of Unicode's Script property.

    The tag names one, or CLDR's likely one is taken; combinations are expanded. Raises as `tag_parts`, or an
    `UnknownLanguageError` if CLDR knows no script.

    Example:
        >>> sorted(scripts_of("bo")), sorted(scripts_of("ja"))
        (['Tibt'], ['Hani', 'Hira', 'Kana'])
    """
    return expand_scripts([script_code(language)])


def tag_parts(language: str) -> tuple[str, str | None, str | None]:
    """The language by its preferred code, and the script and the region that a tag names.

    Raises:
        ArgumentTypeError, UnknownLanguageError: Not a BCP-47 tag, or CLDR does not know its region or variant.

    Example:
        >>> tag_parts("cmn_Hant"), tag_parts("zh-tw"), tag_parts("zh-yue")
        (('zh', 'Hant', None), ('zh', None, 'TW'), ('yue', None, None))
    """
    if not isinstance(language, str):
        raise ArgumentTypeError(f"`language` must be a BCP-47 tag such as 'bo', got {language!r}")
    tag = _TAG.fullmatch(language.strip().lower().replace("_", "-"))
    if tag is None:
        raise UnknownLanguageError(f"`language` must be a BCP-47 tag such as 'bo' or 'zh-Hant', got {language!r}")
    base, extended, script, region = tag.group("language", "extended", "script", "region")
    if extended and base in _EXTENDED and scripts_of(extended) == scripts_of(base):
        base, extended = extended, None
    for part in filter(None, (extended, region, *tag.captures("variant"))):
        if not _is_known(part.upper(), base, script):
            raise UnknownLanguageError(
                f"`language` {language!r} must not contain {part!r}: CLDR knows no such part of {base!r}; leave it "
                "out, or, for a translation direction, name the language of the answers alone"
            )
    alias = get_global("language_aliases").get(base, base)  # of a three-letter code or an old one: bod, cmn, sh
    return alias.split("_")[0], script and script.title(), region and region.upper()


@lru_cache(maxsize=1024)
def _is_known(part: str, language: str, script: str | None) -> bool:
    """Whether CLDR knows a region or variant; of a region that is also a language (`zh-bo`), for this language."""
    english, likely, aliases = Locale("en"), get_global("likely_subtags"), get_global("language_aliases")
    if part not in {*english.territories, *get_global("territory_aliases"), *english.variants}:
        return False
    if script or not {part.lower()} & (likely.keys() | aliases.keys()):
        return True
    ends = f"{aliases.get(language, language)}_", f"_{part}"
    tags = (*likely, *likely.values(), *locale_identifiers())
    return any(tag.startswith(ends[0]) and tag.endswith(ends[1]) for tag in tags)


def script_code(language: str) -> str:
    """The script that a tag names, or CLDR's likely one: an ISO 15924 code, perhaps of a combination (Jpan)."""
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
    """Check ISO 15924 codes, in any case, and expand such as Kore; raises for an unknown one, none, or a string."""
    if isinstance(scripts, str):
        raise ArgumentTypeError(f"`scripts` must be a collection of ISO 15924 codes, got the string {scripts!r}")
    expanded: set[str] = set()
    for script in scripts:
        is_code = isinstance(script, str) and regex.fullmatch("[A-Za-z]{4}", script)
        codes = _COMBINED_SCRIPTS.get(script.title(), (script.title(),)) if is_code else ()
        if not codes or not all(map(_is_script, codes)):
            raise UnknownLanguageError(f"a script must be an ISO 15924 code in Unicode, such as 'Tibt', got {script!r}")
        expanded.update(codes)
    if not expanded:
        raise ArgumentError("`scripts` must name at least one script, got none")
    return frozenset(expanded)


@dataclass(frozen=True)
class Writing:
    """How a language is written.

    Example:
        >>> [writing_of("bo").is_consistent(text) for text in ("བོད་ཡིག།", "བོད་字", "་་། 12")]
        [True, False, False]
        >>> writing_of("bo").count("བོད་ཡིག། 3 cm")
        (4, 2)
    """

    alternatives: tuple[frozenset[str], ...]  # sets of scripts that a text may mix; it keeps to one of the sets

    def is_consistent(self, text: str) -> bool:
        """Whether a text has letters, all of them of one alternative. Linear in the text's length."""
        characters = set(text)
        for scripts in self.alternatives:
            kinds = set(map(letter_kinds(scripts).__getitem__, characters))
            if "own" in kinds and "foreign" not in kinds:
                return True
        return False

    def count(self, text: str) -> tuple[int, int]:
        """How many letters of a text, as `visible`, are of the alternative that has most of them; how many are not."""
        text, counts = visible(text), []
        for scripts in self.alternatives:
            kinds = Counter(map(letter_kinds(scripts).__getitem__, text))
            counts.append((kinds["own"], kinds["foreign"]))
        return max(counts)


@lru_cache(maxsize=1024)
def writing_of(language: str) -> Writing:
    """How a language is written: Serbian, Bosnian, Montenegrin in Cyrillic or Latin, unless the tag names a script."""
    base, script, _ = tag_parts(language)
    if script is None and base in _TWO_SCRIPTS:
        return Writing(tuple(expand_scripts([code]) for code in _TWO_SCRIPTS[base]))
    return Writing((scripts_of(language),))


@dataclass(frozen=True)
class ForeignSpan:
    """A run of letters of one foreign script, with the marks and zero-width characters among them."""

    start: int  # index in the given text
    end: int
    text: str
    script: str


@dataclass(frozen=True)
class LanguageReport:
    """What a text is written in; `str()` of it is a table."""

    language: str | None  # the wanted one; without it, `foreign` is empty and `consistent` is `None`
    letters: Mapping[str, int]  # how many of each script count, most first; "Zyyy": those that several scripts share
    foreign: tuple[ForeignSpan, ...] = ()  # runs of foreign letters, in order
    consistent: bool | None = None  # whether there are letters, and none of them foreign

    def __str__(self) -> str:
        total = sum(self.letters.values())
        verdict = {None: "no language given", True: "consistent", False: "not consistent"}[self.consistent]
        lines = [f"{self.language or 'text'}: {verdict}, {total} letters"]
        for script, count in self.letters.items():
            lines.append(f"  {script}  {count:>7}  {count / total:>6.1%}  {script_names()[script]}")
        shown = self.foreign[:_SHOWN_SPANS]
        lines += [f"  foreign at {span.start}-{span.end}: {reprlib.repr(span.text)} ({span.script})" for span in shown]
        if len(self.foreign) > _SHOWN_SPANS:
            lines.append(f"  and {len(self.foreign) - _SHOWN_SPANS} more foreign spans")
        return "\n".join(lines)


def language_report(text: str, language: str | None = None) -> LanguageReport:
    """Letters by script and, given a language, the foreign spans of a text, as the strict default sees them.

    Reasoning is not removed. Spans refer to the text as given, counts to the text as judged. For a language of two
    scripts (Serbian), the one with most of the text's letters is taken. Raises as `scripts_of`; an `ArgumentTypeError`
    if `text` is not a string.

    Example:
        >>> print(language_report("ཁོང་གིས་iPhoneཉོས།", "bo"))
        bo: not consistent, 12 letters
          Latn        6   50.0%  Latin
          Tibt        6   50.0%  Tibetan
          foreign at 8-14: 'iPhone' (Latn)
    """
    if not isinstance(text, str):
        raise ArgumentTypeError(f"`text` must be a string, got {type(text).__name__}; of messages, give the content")
    kinds = letter_kinds(frozenset({"Latn"}))  # those of any script show which characters count
    counts = Counter(script_of_letter(character) for character in visible(text) if kinds[character])
    letters = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    if language is None:
        return LanguageReport(None, letters)
    writing = writing_of(language)
    closest = max(writing.alternatives, key=lambda scripts: Writing((scripts,)).count(text))
    return LanguageReport(language, letters, tuple(_foreign_spans(text, closest)), writing.is_consistent(text))


def _foreign_spans(text: str, scripts: frozenset[str]) -> Iterator[ForeignSpan]:
    """The foreign runs of a text, cut where the script changes."""
    kinds = letter_kinds(scripts)
    start, script = 0, ""  # an empty script: no run is open
    for index, character in enumerate(text):
        letter_script = script_of_letter(character) if kinds[character] == "foreign" else ""
        ends = letter_script != script and not (not letter_script and _ATTACHED.match(character))
        if script and ends:
            yield ForeignSpan(start, index, text[start:index], script)
        if ends:
            start, script = index, letter_script
    if script:
        yield ForeignSpan(start, len(text), text[start:], script)
