"""Edits of a text that need no knowledge of its language: words left out, replaced, shuffled; letters exchanged.

`None` means that the edit does not apply: the text has too few words, or lacks what is to be changed.
"""

import random
import re
from collections.abc import Mapping, Sequence
from functools import partial

from semreward.text import normalise, units


def is_word(unit: str) -> bool:
    """Whether a unit has a letter or a digit, and is not punctuation."""
    return any(character.isalnum() for character in unit)


def words_of(text: str) -> list[str]:
    """The units of a text that are words."""
    return [unit for unit in units(text) if is_word(unit)]


def split(text: str) -> tuple[list[str], list[int]]:
    """A text's units and the gaps around them, which add up to the text, and the indices of the words among them."""
    text = normalise(text)
    pieces, end = [], 0
    for unit in units(text):
        start = text.index(unit, end)
        pieces += [text[end:start], unit]
        end = start + len(unit)
    return [*pieces, text[end:]], [index for index in range(1, len(pieces), 2) if is_word(pieces[index])]


def every_third_left_out(text: str) -> str | None:
    """A text without its third, sixth, ... word; without its second where it has only two."""
    pieces, words = split(text)
    if len(words) < 2:  # noqa: PLR2004 - nothing would be left
        return None
    for index in words[2::3] or words[1:]:
        pieces[index : index + 2] = ["", ""]  # the gap behind the word goes, too
    return normalise("".join(pieces))


def halves(text: str) -> tuple[str, str]:
    """A text cut in two behind the middle word; both are empty if it has fewer than two."""
    pieces, words = split(text)
    if len(words) < 2:  # noqa: PLR2004 - one word has no half
        return "", ""
    middle = (len(words) - 1) // 2
    return normalise("".join(pieces[: words[middle] + 1])), normalise("".join(pieces[words[middle + 1] :]))


def shuffled(text: str, rng: random.Random) -> str | None:
    """A text with its words in another order and its punctuation where it was."""
    pieces, words = split(text)
    before = [pieces[index] for index in words]
    if len(set(before)) < 2:  # noqa: PLR2004 - equal words have one order
        return None
    after = list(before)
    while after == before:
        rng.shuffle(after)
    for index, word in zip(words, after, strict=True):
        pieces[index] = word
    return "".join(pieces)


def digits_changed(text: str, rng: random.Random) -> str:
    """A text in which every digit has become another one of its script; never 0, which would shorten a number."""

    def another(match: "re.Match[str]") -> str:
        value = int(match.group())
        return chr(ord(match.group()) - value + rng.choice([other for other in range(1, 10) if other != value]))

    return re.sub(r"\d", another, text)


def foreign_digits(text: str) -> str:
    """A text whose digits keep their value and become Arabic-Indic, or Tibetan where they are Arabic-Indic."""
    return re.sub(r"\d", lambda digit: chr((0x0F20 if "٠" <= digit[0] <= "٩" else 0x0660) + int(digit[0])), text)


def full_width(text: str) -> str:
    """A text with full-width forms of its ASCII letters and digits."""
    return re.sub("[0-9A-Za-z]", lambda match: chr(ord(match.group()) + 0xFEE0), text)


def zero_width(text: str) -> str:
    """A text with U+200B between adjacent letters; the eye sees no difference."""
    return re.sub(r"(?<=[^\W\d_])(?=[^\W\d_])", "\u200b", text)


def exchanged(text: str, first: str, second: str) -> str | None:
    """A text in which two parts that do not overlap have changed places."""
    if not first or not second or first in second or second in first or first not in text or second not in text:
        return None
    other = {first: second, second: first}
    return re.sub("|".join(map(re.escape, other)), lambda match: other[match.group()], text)


def next_of_its_group(text: str, groups: Sequence[Sequence[str]], pattern: str, step: int) -> str | None:
    """A text in which words of some groups have become others of their group that the text does not have yet.

    `pattern` is a word in a sentence, with `{words}` or `{names}` for the group's; `step` says how far to go on in it.
    """
    changed = text
    for group in groups:
        alternatives = "|".join(sorted(map(re.escape, group), key=len, reverse=True))
        expression = re.compile(pattern.replace("{words}", alternatives).replace("{names}", alternatives))
        present = {match.group().lower() for match in expression.finditer(text)}
        if free := [word for word in group if word.lower() not in present]:
            others = {word.lower(): free[(index + step) % len(free)] for index, word in enumerate(group)}
            changed = expression.sub(partial(_in_its_case, others), changed)
    return None if changed == text else changed


def _in_its_case(others: Mapping[str, str], match: "re.Match[str]") -> str:
    word = others[match.group().lower()]
    return word[0].upper() + word[1:] if match.group()[0].isupper() else word
