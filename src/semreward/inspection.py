"""What a text is written in, for a person to look at: its letters by script, and where the foreign ones stand."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from semreward.languages import ScriptFilter, writing_of
from semreward.letters import ATTACHED, FOREIGN, letter_kinds, letters_of, script_names, script_of_letter, visible

# Foreign letters in a row, with their marks, in what `letter_kinds` returns.
_FOREIGN_RUN = re.compile(FOREIGN + b"(?:" + ATTACHED + b"*" + FOREIGN + b")*" + ATTACHED + b"*")

# Longest printed span, in characters, and how many spans are printed.
_SHOWN_CHARACTERS = 40
_SHOWN_SPANS = 10


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
        UnknownLanguageError: CLDR knows no script for the tag.

    Example:
        >>> print(language_report("ཁོང་གིས་iPhoneཉོས།", "bo"))
        bo: not consistent, 12 letters
          Latn        6   50.0%  Latin
          Tibt        6   50.0%  Tibetan
          foreign at 8-14: 'iPhone' (Latn)
    """
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
