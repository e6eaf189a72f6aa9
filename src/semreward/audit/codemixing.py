"""Source words in an answer: a lexicon learnt from translation pairs, and answers in which two languages mix."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from semreward.audit import edits
from semreward.errors import ArgumentTypeError
from semreward.text import normalise, source_text

_LEAST_PAIRS = 2  # words that share fewer pairs do so by chance
_LEAST_DICE = 0.1
_SHARED = 0.1  # a word that the target uses this often, relative to the source, belongs to both languages
_ENDINGS = 20
_STEM = 3  # least letters before an ending
_MOST_WORDS = 3  # replaced in a text


class Lexicon(NamedTuple):
    """What `learn_lexicon` learns, in lower case."""

    leaks: Mapping[str, Sequence[str]]  # source words that translate a word of the target, the likeliest first
    endings: tuple[Sequence[str], Sequence[str]]  # frequent ones of the source and the target, long ones first


def learn_lexicon(pairs: Iterable[tuple[str, str]]) -> Lexicon:
    """Learn from pairs of a source and its translation which words translate each other, by Dice's coefficient.

    Words are units of `semreward.text.units`. Words that both languages use are left out. 29,000 captions take seconds.

    Example:
        >>> learn_lexicon([("a dog", "ein Hund"), ("the dog", "der Hund"), ("a cat", "eine Katze")]).leaks["hund"]
        ['dog']
    """
    sources: Counter[str] = Counter()
    targets: Counter[str] = Counter()
    together: dict[str, Counter[str]] = defaultdict(Counter)
    for row, pair in enumerate(pairs):
        source, target = (source_text(text, "pairs", row) for text in pair)
        words = dict.fromkeys(map(str.casefold, edits.words_of(source))).keys()  # each once, in order
        sources.update(words)
        for word in dict.fromkeys(map(str.casefold, edits.words_of(target))):
            targets[word] += 1
            together[word].update(words)
    leaks = {}
    for word, counts in together.items():
        dice = {
            other: 2 * count / (sources[other] + targets[word])
            for other, count in counts.items()
            if count >= _LEAST_PAIRS and targets[other] < _SHARED * sources[other]
        }
        leaks[word] = sorted((w for w in dice if dice[w] >= _LEAST_DICE), key=dice.__getitem__, reverse=True)
    return Lexicon(leaks, (_endings(sources), _endings(targets)))


def code_mixed(text: str, source: str, lexicon: Lexicon, rng: random.Random, *, adapted: bool = False) -> str | None:
    """A text with one to three words, preferably long ones, replaced by their translations, as they are or adapted.

    These come from its source, else from the lexicon; without any there, the source's longest word replaces one.
    """
    pieces, words = edits.split(text)
    donors = [word.casefold() for word in edits.words_of(source)]
    found = {index: lexicon.leaks.get(pieces[index].casefold(), []) for index in words}
    own = {index: [leak for leak in leaks if leak in donors] for index, leaks in found.items()}
    best = {index: leaks[0] for index, leaks in (own if any(own.values()) else found).items() if leaks}
    if not best and words and donors:
        best = {rng.choice(words): max(donors, key=len)}
    ranked = sorted(best, key=lambda index: rng.random() * len(best[index]), reverse=True)
    for index in ranked[: rng.randint(1, _MOST_WORDS)]:
        leak = adapted_word(best[index], lexicon, rng) if adapted else best[index]
        pieces[index] = rng.choice([leak, leak.capitalize() if pieces[index][0].isupper() else leak])
    return "".join(pieces) if best else None


def adapted_word(word: str, lexicon: Lexicon, rng: random.Random) -> str:
    """A source word with an ending of the target in place of its own."""
    old, new = lexicon.endings
    stems = (word[: -len(ending)] for ending in old if word.endswith(ending) and len(word) - len(ending) >= _STEM)
    return next(stems, word) + rng.choice(new or [""])


def omission_pairs(texts: Iterable[str], seed: int = 0) -> list[tuple[str, str]]:
    """Each text, and the text without one of its words, which an encoder should find nearer than a leak."""
    if isinstance(texts, str):
        raise ArgumentTypeError(f"`texts` must be a list of strings, got {texts[:60]!r}; put it into a list")
    rng = random.Random(seed)  # noqa: S311 - a choice of words, no cryptography
    pairs = []
    for row, text in enumerate(texts):
        pieces, words = edits.split(source_text(text, "texts", row))
        if len(words) > 1:
            index = rng.choice(words)
            pairs.append(("".join(pieces), normalise("".join(pieces[: index - 1] + pieces[index + 1 :]))))
    return pairs


def _endings(words: Iterable[str]) -> list[str]:
    """The most frequent endings of one to three letters, long ones first."""
    counts = Counter(word[-size:] for word in words for size in (1, 2, 3) if len(word) >= size + _STEM)
    return sorted((ending for ending, _ in counts.most_common(_ENDINGS)), key=len, reverse=True)
