"""How long a text is, and what of it lies in n-grams: those that it repeats, those that it has from another text.

All is counted in characters, because Tibetan and Chinese write no spaces; white space does not count. Letters, marks,
digits and the tsheg count one. An ideograph or a Hangul syllable carries about as much as four of them and counts four,
so a Tibetan translation of a Chinese text has 1 to 1.5 times its length. All other characters count four, too, so that
nobody pads with them. N-grams are counted in ideographs: an n-gram of 5 is 5 ideographs, or 20 letters, marks and
tshegs, which are about five Tibetan syllables or four English words.
"""

from collections.abc import Iterable, Sequence

import regex

_IDEOGRAPH = 4
_FOURFOLD = r"\g<0>" * _IDEOGRAPH  # dense characters stand for as many as they are worth
_DENSE = regex.compile(r"[\p{sc=Han}\p{sc=Hang}[^\p{L}\p{M}\p{Nd}\u0F0B\u0F0C]]", regex.V1)
_SPACE = regex.compile(r"\s+")
_NO_LETTER = regex.compile(r"[^\p{L}\p{M}]+")


def weighted_length(text: str) -> int:
    """Length of a text: letters, marks, digits and tshegs count one, white space nothing, all else four.

    Example:
        >>> weighted_length("three hats"), weighted_length("ཞྭ་མོ་གསུམ།"), weighted_length("三顶帽子")
        (9, 14, 16)
    """
    return len(_DENSE.sub(_FOURFOLD, _SPACE.sub("", text)))


def repeated_share(text: str, ngram: int = 5) -> float:
    """Share of a text, white space aside, that lies in n-grams which occurred in it before; linear in its length.

    `ngram` is their length in ideographs, at least 1. The share is in [0, 1); 0 for a text of less than one n-gram.

    Example:
        >>> repeated_share("不要停下来，" * 4)
        0.75
    """
    characters, size = _DENSE.sub(_FOURFOLD, _SPACE.sub("", text)), ngram * _IDEOGRAPH
    seen: set[str] = set()
    repeated = []
    for start in range(len(characters) - size + 1):
        gram = characters[start : start + size]
        if gram in seen:
            repeated.append(start)
        seen.add(gram)
    return _covered_share(repeated, size, len(characters))


def copied_share(answer: str, source: str, references: Sequence[str] = (), *, ngram: int = 5) -> float:
    """Share of an answer's letters in n-grams which the source has and no reference; linear in the texts' lengths.

    Texts are normalised; letters and their marks count, in any case. An answer shorter than an n-gram is looked
    for as a whole. The share is in [0, 1]; 0 for an answer without letters.

    Example:
        >>> copied_share("今天天气很好，我们走吧", "今天天气很好，出去走走", ngram=3)
        0.6
    """
    characters = _letters(answer)
    size = min(ngram * _IDEOGRAPH, len(characters))
    if not size:
        return 0.0
    copied = _grams(source, size)
    for text in references:
        copied -= _grams(text, size)
    found = [start for start in range(len(characters) - size + 1) if characters[start : start + size] in copied]
    return _covered_share(found, size, len(characters))


def _covered_share(starts: Iterable[int], size: int, length: int) -> float:
    """Share of `length` positions that lie in windows of a size, given where those start, in rising order."""
    covered = end = 0
    for start in starts:
        covered += start + size - max(start, end)
        end = start + size
    return covered / length if length else 0.0


def _letters(text: str) -> str:
    letters: str = _DENSE.sub(_FOURFOLD, _NO_LETTER.sub("", text.casefold()))
    return letters


def _grams(text: str, size: int) -> set[str]:
    """The n-grams of a text's letters."""
    letters = _letters(text)
    return {letters[start : start + size] for start in range(len(letters) - size + 1)}
