"""Edits of a text that need no knowledge of its language: words left out, replaced, shuffled; letters exchanged."""

import functools
import random
import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import NamedTuple

from semreward.text import normalise, units

_LETTER_PAIR = re.compile(r"(?<=[^\W\d_])(?=[^\W\d_])")
_DIGITS = re.compile(r"\d+")


class Pieces(NamedTuple):
    """A text as its units and what stands around them; `gaps` has one entry more than `units`."""

    units: list[str]
    gaps: list[str]

    @property
    def words(self) -> list[int]:
        """Places of the units that are words: those with a letter or a digit."""
        return [place for place, unit in enumerate(self.units) if is_word(unit)]

    @property
    def text(self) -> str:
        """The text, put together again."""
        return self.gaps[0] + "".join(unit + gap for unit, gap in zip(self.units, self.gaps[1:], strict=True))


def is_word(unit: str) -> bool:
    """Whether a unit has a letter or a digit, and is no punctuation."""
    return any(sign.isalnum() for sign in unit)


def split(text: str) -> Pieces:
    """Take a text apart.

    Example:
        >>> split("བོད་ཡིག།")
        Pieces(units=['བོད', 'ཡིག', '།'], gaps=['', '་', '', ''])
    """
    text = normalise(text)
    found = units(text)
    gaps, place = [], 0
    for unit in found:
        start = text.index(unit, place)
        gaps.append(text[place:start])
        place = start + len(unit)
    return Pieces(found, [*gaps, text[place:]])


def words_of(text: str) -> list[str]:
    """The units of a text that are words."""
    return [unit for unit in units(text) if is_word(unit)]


def without_words(text: str, left_out: Collection[int]) -> str:
    """A text without some of its words, counted from 0; each goes with what stands between it and the next one.

    Example:
        >>> without_words("The cat sat down.", {1, 3})
        'The sat .'
    """
    pieces = split(text)
    gone = {place for word, place in enumerate(pieces.words) if word in left_out}
    kept = [
        unit + gap
        for place, (unit, gap) in enumerate(zip(pieces.units, pieces.gaps[1:], strict=True))
        if place not in gone
    ]
    return normalise(pieces.gaps[0] + "".join(kept))


def every_third_left_out(text: str) -> str | None:
    """A text without its third, sixth, ... word; without its second where it has only two; `None` for fewer.

    Example:
        >>> every_third_left_out("One two three four five six seven")
        'One two four five seven'
    """
    count = len(words_of(text))
    if count < 2:  # noqa: PLR2004 - nothing would be left
        return None
    return without_words(text, set(range(2, count, 3)) or {1})


def first_half(text: str) -> str | None:
    """The first half of a text's words, rounded up; `None` where it has fewer than two.

    Example:
        >>> first_half("a b c d e")
        'a b c'
    """
    pieces = split(text)
    words = pieces.words
    if len(words) < 2:  # noqa: PLR2004 - one word has no half
        return None
    end = words[(len(words) - 1) // 2] + 1
    return normalise(Pieces(pieces.units[:end], [*pieces.gaps[:end], ""]).text)


def second_half(text: str) -> str | None:
    """What `first_half` leaves out.

    Example:
        >>> second_half("a b c d e")
        'd e'
    """
    pieces = split(text)
    words = pieces.words
    if len(words) < 2:  # noqa: PLR2004 - one word has no half
        return None
    start = words[(len(words) - 1) // 2 + 1]
    return normalise(Pieces(pieces.units[start:], ["", *pieces.gaps[start + 1 :]]).text)


def shuffled(text: str, rng: random.Random) -> str | None:
    """A text whose words stand in another order, its punctuation where it was; `None` where no other order exists.

    Example:
        >>> sorted(words_of(shuffled("a b c d.", random.Random(1)) or ""))
        ['a', 'b', 'c', 'd']
    """
    pieces = split(text)
    places = pieces.words
    before = [pieces.units[place] for place in places]
    if len(set(before)) < 2:  # noqa: PLR2004 - equal words have one order
        return None
    after = list(before)
    while after == before:
        rng.shuffle(after)
    return _replaced(pieces, dict(zip(places, after, strict=True)))


def words_replaced(text: str, donor: str, share: float, rng: random.Random) -> str | None:
    """A text with a share of its words, rounded up, replaced by words of another text; `None` where that has none.

    Example:
        >>> words_replaced("a b c d", "x", 0.5, random.Random(0)).count("x")
        2
    """
    pieces, foreign = split(text), words_of(donor)
    places = pieces.words
    if not foreign or not places:
        return None
    chosen = sorted(rng.sample(places, min(len(places), -int(-share * len(places) // 1))))
    start = rng.randrange(len(foreign))
    return _replaced(pieces, {place: foreign[(start + count) % len(foreign)] for count, place in enumerate(chosen)})


def digits_changed(text: str, rng: random.Random) -> str:
    """A text in which every number in digits has another value, but the same number of digits.

    Example:
        >>> changed = digits_changed("In 1998, 3 of 12.", random.Random(0))
        >>> [len(number) for number in re.findall("[0-9]+", changed)], "1998" in changed
        ([4, 1, 2], False)
    """
    return _DIGITS.sub(lambda match: "".join(_other_digit(digit, rng) for digit in match.group()), text)


def digits_of_another_script(text: str) -> str:
    """A text whose digits keep their value and change their script: Arabic-Indic ones, which become Tibetan ones.

    Example:
        >>> digits_of_another_script("12 ༣")
        '١٢ ٣'
    """
    return _DIGITS.sub(lambda match: "".join(_in_another_script(digit) for digit in match.group()), text)


def full_width(text: str) -> str:
    """A text whose ASCII letters and digits are full-width forms.

    Example:
        >>> full_width("No. 5")
        'Ｎｏ. ５'
    """
    return "".join(chr(ord(sign) + 0xFEE0) if sign.isascii() and sign.isalnum() else sign for sign in text)


def with_zero_width_spaces(text: str) -> str:
    """A text with U+200B between every two letters that stand side by side; the eye sees no difference.

    Example:
        >>> with_zero_width_spaces("ab c") == "a" + chr(0x200B) + "b c"
        True
    """
    return _LETTER_PAIR.sub("\u200b", text)


def exchanged(text: str, first: str, second: str) -> str | None:
    """A text in which two of its parts have changed places; `None` where it lacks one, or one lies in the other.

    Example:
        >>> exchanged("Tom met Ann in Paris.", "Tom", "Ann")
        'Ann met Tom in Paris.'
    """
    if not first or not second or first in second or second in first or first not in text or second not in text:
        return None
    either = re.compile(f"{re.escape(first)}|{re.escape(second)}")
    return either.sub(lambda match: second if match.group() == first else first, text)


def next_of_its_group(text: str, groups: Sequence[Sequence[str]], pattern: str, field: str, step: int) -> str | None:
    """A text in which words of some groups have become others of the same group.

    Args:
        text: The text.
        groups: Words that can stand for each other.
        pattern: Regular expression of a word at its place, with `{field}` for the alternatives.
        field: The name of that field.
        step: How far to go on in the group, at least 1; words that the text already has are passed over.

    Returns:
        The new text; `None` where it has no word of any group.
    """
    changed = text
    for group in groups:
        alternatives = "|".join(sorted(map(re.escape, group), key=len, reverse=True))
        expression = re.compile(pattern.replace(f"{{{field}}}", alternatives))
        present = {match.group().lower() for match in expression.finditer(text)}
        free = [word for word in group if word.lower() not in present]
        if free:
            places = {word.lower(): place + step for place, word in enumerate(group)}
            others = {word: free[place % len(free)] for word, place in places.items()}
            changed = expression.sub(functools.partial(_exchanged_word, others), changed)
    return None if changed == text else changed


def _exchanged_word(others: dict[str, str], match: "re.Match[str]") -> str:
    return _cased(others[match.group().lower()], match.group())


def _cased(word: str, like: str) -> str:
    return word[0].upper() + word[1:] if like[0].isupper() else word


def _replaced(pieces: Pieces, changes: dict[int, str]) -> str:
    return Pieces([changes.get(place, unit) for place, unit in enumerate(pieces.units)], pieces.gaps).text


def _other_digit(digit: str, rng: random.Random) -> str:
    """Another digit of the same script; never 0, so that no number loses its first digit."""
    value = unicodedata.digit(digit)
    other = rng.choice([candidate for candidate in range(1, 10) if candidate != value])
    return chr(ord(digit) - value + other)


def _in_another_script(digit: str) -> str:
    arabic, tibetan = 0x0660, 0x0F20
    value = unicodedata.digit(digit)
    return chr((tibetan if ord(digit) == arabic + value else arabic) + value)
