"""Hard negatives that are made: texts that look like a pair's positive and mean something else.

Each maker takes a pair and a random generator and returns negatives, none where it finds nothing to change. A negative
must be wrong: a maker that leaves the meaning alone teaches the encoder to tell equals apart. The tables for single
languages are small, and meant to be replaced by one's own.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import regex

from semreward.adaptation.pairs import Pair
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.rewards.numerals import decimal_value

MakeNegatives: TypeAlias = Callable[[Pair, random.Random], list[str]]
"""Negatives of a pair, in the positive's place; deterministic for a state of the generator."""

# A Chinese character, a Tibetan syllable with its tsheg, another word with the spaces after it.
_PIECE = regex.compile(r"\p{sc=Han}|[^\s\u0F0B\p{sc=Han}]+[\s\u0F0B]*|[\s\u0F0B]+")
_NUMBER = regex.compile(r"\p{Nd}+")
_LETTER = r"[\p{L}\p{M}\p{N}]"

# A truncation must lose so much that its meaning changes, and be no mere stub.
_SHORTEST, _LONGEST = 0.3, 0.7
_FEWEST_PIECES = 4

NEGATIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "bo": (("ཡིན", "མིན"), ("ཡོད", "མེད"), ("བྱེད", "མི་བྱེད"), ("འདུག", "མི་འདུག"), ("སོང", "མ་སོང")),
    "zh": (("是", "不是"), ("有", "没有"), ("能", "不能"), ("会", "不会"), ("可以", "不可以")),
    "en": (("is", "is not"), ("are", "are not"), ("was", "was not"), ("can", "cannot"), ("will", "will not")),
}
"""Affirmations and their negations, by language: small tables for `TermSwap`."""


def changed_number(pair: Pair, rng: random.Random) -> list[str]:
    """The positive with one number changed in one digit, in the digits of its own script.

    Numbers in words need a table: `TermSwap` with one's own terms.

    Example:
        >>> changed_number(Pair("三", "3 horses"), random.Random(0))[0].endswith(" horses")
        True
    """
    found = list(_NUMBER.finditer(pair.positive))
    if not found:
        return []
    number = rng.choice(found)
    place = rng.randrange(number.start(), number.end())
    old = pair.positive[place]
    zero = ord(old) - decimal_value(old)  # decimal digits of a script follow each other
    new = rng.choice([digit for digit in (chr(zero + value) for value in range(10)) if digit != old])
    return [pair.positive[:place] + new + pair.positive[place + 1 :]]


def truncated(pair: Pair, rng: random.Random) -> list[str]:
    """The positive's first 30 to 70 per cent, cut after a word, a Tibetan syllable or a Chinese character.

    Example:
        >>> truncated(Pair("四匹马在山上", "རྟ་བཞི་རི་ལ་ཡོད།"), random.Random(0))
        ['རྟ་བཞི་རི་']
    """
    pieces = _PIECE.findall(pair.positive)
    if len(pieces) < _FEWEST_PIECES:
        return []
    kept = rng.randint(max(1, round(_SHORTEST * len(pieces))), int(_LONGEST * len(pieces)))
    return ["".join(pieces[:kept])]


def wrong_language_copy(pair: Pair, rng: random.Random) -> list[str]:
    """The positive with its end replaced by the end of the anchor: half a copy of the source in its own language.

    A whole copy can't serve: the anchor's cosine with itself is 1 whatever is trained. Rewards tell the languages apart
    by script; this teaches an encoder that a text which changes language midway is no translation.

    Example:
        >>> wrong_language_copy(Pair("四匹马在山上", "རྟ་བཞི་རི་ལ་ཡོད།"), random.Random(0))
        ['རྟ་བཞི་རི་山上']
    """
    own, other = _PIECE.findall(pair.positive), _PIECE.findall(pair.anchor)
    if min(len(own), len(other)) < _FEWEST_PIECES:
        return []
    share = rng.uniform(_SHORTEST, _LONGEST)
    return ["".join(own[: max(1, round(share * len(own)))] + other[round(share * len(other)) :])]


@dataclass(frozen=True)
class TermSwap:
    """Replaces one term by its counterpart: negations, numbers in words, opposites.

    A term counts where no letter, mark or digit touches it; Chinese characters may, as words have no ends there. Of
    terms that contain each other the longest is meant.

    Args:
        terms: Pairs of terms that exclude each other, such as `NEGATIONS["bo"]`; each replaces the other.

    Raises:
        ArgumentError: There are no terms, or one is blank.

    Example:
        >>> TermSwap(NEGATIONS["zh"])(Pair("ཡིན།", "这是马"), random.Random(0))
        ['这不是马']
    """

    terms: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple((first, second) for first, second in self.terms))
        _check_terms([term for both in self.terms for term in both])

    def __call__(self, pair: Pair, rng: random.Random) -> list[str]:
        """The positive with one occurrence replaced; none where no term occurs."""
        counterparts = {**{second: first for first, second in self.terms}, **dict(self.terms)}
        found = list(_terms_pattern(tuple(counterparts)).finditer(pair.positive))
        if not found:
            return []
        term = rng.choice(found)
        return [pair.positive[: term.start()] + counterparts[term.group()] + pair.positive[term.end() :]]


@dataclass(frozen=True)
class RoleSwap:
    """Exchanges two different terms of one kind: who did it and to whom, what stands where.

    Args:
        terms: Terms that can stand in each other's place, such as nouns or names.

    Raises:
        ArgumentError: There are fewer than two terms, or one is blank.

    Example:
        >>> RoleSwap(("dog", "man"))(Pair("狗咬人", "the dog bites the man"), random.Random(0))
        ['the man bites the dog']
    """

    terms: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(self.terms))
        _check_terms(self.terms, at_least=2)

    def __call__(self, pair: Pair, rng: random.Random) -> list[str]:
        """The positive with two of its terms exchanged; none where fewer than two different ones occur."""
        found = list(_terms_pattern(self.terms).finditer(pair.positive))
        choices = [(a, b) for place, a in enumerate(found) for b in found[place + 1 :] if a.group() != b.group()]
        if not choices:
            return []
        first, second = rng.choice(choices)
        between = pair.positive[first.end() : second.start()]
        exchanged = second.group() + between + first.group()
        return [pair.positive[: first.start()] + exchanged + pair.positive[second.end() :]]


@dataclass(frozen=True)
class AllNegatives:
    """The negatives of several makers, one after the other.

    Args:
        makers: The makers, such as `(changed_number, truncated, TermSwap(NEGATIONS["bo"]))`.

    Raises:
        ArgumentError: There are no makers.
        ArgumentTypeError: A maker cannot be called.
    """

    makers: Sequence[MakeNegatives]

    def __post_init__(self) -> None:
        object.__setattr__(self, "makers", tuple(self.makers))
        if not self.makers:
            raise ArgumentError("`makers` must hold at least one maker of negatives, got none")
        for maker in self.makers:
            if not callable(maker):
                raise ArgumentTypeError(f"`makers` must be functions of a pair and a generator, got {maker!r}")

    def __call__(self, pair: Pair, rng: random.Random) -> list[str]:
        """All makers' negatives of a pair."""
        return [negative for maker in self.makers for negative in checked_negatives(maker, pair, rng)]


def checked_negatives(maker: MakeNegatives, pair: Pair, rng: random.Random) -> Sequence[str]:
    """What a maker returns for a pair.

    Raises:
        ArgumentTypeError: It is no list of texts, such as a single text, which would be taken apart by letters.
    """
    returned: Any = maker(pair, rng)
    if not isinstance(returned, (list, tuple)) or not all(isinstance(text, str) for text in returned):
        raise ArgumentTypeError(
            f"`make_negatives` must return a list of texts, empty where it makes none; got {str(returned)[:80]!r} "
            f"({type(returned).__name__}) for the pair {str(tuple(pair))[:120]}"
        )
    return returned


@lru_cache(maxsize=64)
def _terms_pattern(terms: tuple[str, ...]) -> "regex.Pattern[str]":
    longest_first = sorted(dict.fromkeys(terms), key=len, reverse=True)
    return regex.compile("|".join(_bounded(term) for term in longest_first))


def _bounded(term: str) -> str:
    """A pattern of a term that is no part of a longer word, where its script has words."""
    before = "" if regex.match(r"\p{sc=Han}", term[0]) else rf"(?<!{_LETTER})"
    after = "" if regex.match(r"\p{sc=Han}", term[-1]) else rf"(?!{_LETTER})"
    return f"{before}{regex.escape(term)}{after}"


def _check_terms(terms: Sequence[str], *, at_least: int = 1) -> None:
    if len(terms) < at_least:
        raise ArgumentError(f"`terms` must hold at least {at_least}, got {len(terms)}")
    for term in terms:
        if not isinstance(term, str) or not term.strip():
            raise ArgumentError(f"`terms` must be non-empty strings, got {term!r}")
