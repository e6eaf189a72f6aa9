"""Meanings, the sentences that express them in Chinese (`zh`) and Tibetan (`bo`), and a parser that reads them back.

The parser is the examples' independent judge: it knows what was meant, word by word, and shares nothing with the
sentence encoder that pays the reward. A policy that fools the encoder does not fool the parser.

Both directions come from the same patterns in `miniature.lexicon`: `realise` fills one, `parse` turns each of them into
a regular expression. Hence `parse(realise(meaning, language, rng), language) == meaning` for every paraphrase.
"""

import functools
import random
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from miniature.lexicon import LEXICON, PATTERNS, SWITCHED_ENDINGS, VERB_ENDINGS, TibetanWord


class Meaning(NamedTuple):
    """What a caption says, as keys of `miniature.lexicon.LEXICON`; independent of the language."""

    subject: str
    number: str
    colour: str
    object: str
    verb: str
    place: str
    time: str


class Judgement(NamedTuple):
    """How a completion compares with the meaning of its reference.

    Attributes:
        exact: The completion parses and means exactly what the reference means.
        slot_accuracy: Share of the seven slots, in [0, 1], for which a word of the right value occurs and none of a
            wrong value; order and grammar do not matter, so broken sentences earn credit for the words they get right.
        grammatical: The completion parses, whatever it means.
    """

    exact: bool
    slot_accuracy: float
    grammatical: bool


SLOTS: tuple[str, ...] = Meaning._fields
TIBETAN_LETTER = r"[\u0f40-\u0fbc]"


def sample_meaning(rng: random.Random) -> Meaning:
    """Draw each slot uniformly and independently."""
    return Meaning(*(rng.choice(list(LEXICON[slot])) for slot in SLOTS))


def realise(meaning: Meaning, language: str, rng: random.Random, *, switched: Collection[str] = ()) -> str:
    """Express a meaning as one sentence, with order, words and endings drawn at random.

    Args:
        meaning: What to say.
        language: `zh` or `bo`.
        rng: Source of the choice among paraphrases.
        switched: Slots of a Tibetan sentence that keep the Chinese word, as bilingual speakers do. Such a sentence does
            not parse as either language.

    Returns:
        The sentence with its final stop.
    """
    words = {
        slot: _switched_word(slot, value, rng) if slot in switched else rng.choice(surfaces(language, slot, value))
        for slot, value in meaning._asdict().items()
    }
    measure = LEXICON["object"][meaning.object].measure
    sentence = rng.choice(PATTERNS[language]).format(**words, measure=measure)
    return re.sub(r"(?<=[\u4e00-\u9fff])་", "", sentence)  # no tsheg after a Chinese character


def parse(text: str, language: str) -> Meaning | None:
    """Read a sentence back into its meaning.

    Args:
        text: The sentence. Spaces, line breaks and a missing final stop are forgiven.
        language: `zh` or `bo`.

    Returns:
        The meaning, or `None` where the text is no sentence of the grammar: empty, of the other language, of mixed
        languages, of more than one sentence, or with a Chinese measure word that does not suit its object.
    """
    text = re.sub(r"\s+", "", text).rstrip("。།་")
    for pattern in _sentence_patterns(language):
        match = pattern.fullmatch(text)
        if match:
            values = values_by_surface(language)
            meaning = Meaning(*(values[slot, match[slot]] for slot in SLOTS))
            measure = match.groupdict().get("measure")
            return meaning if measure in (None, LEXICON["object"][meaning.object].measure) else None
    return None


def judge(completion: str, reference: str, language: str) -> Judgement:
    """Compare a completion with what its reference means.

    Args:
        completion: A policy's output in `language`.
        reference: A sentence of the grammar in `language`: what was meant is parsed from it.
        language: `zh` or `bo`.

    Returns:
        Exactness, slot accuracy and grammaticality; all zero for empty text.

    Raises:
        ValueError: The reference is no sentence of the grammar.
    """
    meant = parse(reference, language)
    if meant is None:
        raise ValueError(f"`reference` must be a {language!r} sentence of the grammar, got {reference!r}")
    said = parse(completion, language)
    found = set(slot_values(completion, language))
    right = sum(
        {value for found_slot, value in found if found_slot == slot} == {value}
        for slot, value in meant._asdict().items()
    )
    return Judgement(exact=said == meant, slot_accuracy=right / len(SLOTS), grammatical=said is not None)


def _switched_word(slot: str, value: str, rng: random.Random) -> str:
    """Return the Chinese word with the Tibetan ending it takes inside a Tibetan sentence."""
    return rng.choice(LEXICON[slot][value].zh) + SWITCHED_ENDINGS.get(slot, "")


def surfaces(language: str, slot: str, value: str) -> tuple[str, ...]:
    """Return every way to write a value at its place in a sentence."""
    entry = LEXICON[slot][value]
    if language == "zh":
        return entry.zh
    if slot == "verb":
        return tuple(word.stem + ending.format(particle=word.ending) for word in entry.bo for ending in VERB_ENDINGS)
    return tuple(word.stem + word.ending for word in entry.bo)


def _stem(word: str | TibetanWord) -> str:
    """Return the part of a word that carries its meaning."""
    return word if isinstance(word, str) else word.stem


@functools.cache
def values_by_surface(language: str) -> dict[tuple[str, str], str]:
    """Map slot and written form to the value they express."""
    return {
        (slot, surface): value
        for slot, entries in LEXICON.items()
        for value in entries
        for surface in surfaces(language, slot, value)
    }


@functools.cache
def _sentence_patterns(language: str) -> tuple[re.Pattern[str], ...]:
    """Turn every sentence pattern into a regular expression with one named group a slot."""
    known = values_by_surface(language)
    groups = {slot: alternatives(surface for key, surface in known if key == slot) for slot in SLOTS}
    groups["measure"] = alternatives({entry.measure for entry in LEXICON["object"].values()})
    named = {slot: f"(?P<{slot}>{group})" for slot, group in groups.items()}
    return tuple(re.compile(pattern.rstrip("。།").format(**named)) for pattern in PATTERNS[language])


@functools.cache
def _value_by_stem(language: str) -> dict[str, tuple[str, str]]:
    """Map every word stem of a language to its slot and value."""
    return {
        _stem(word): (slot, value)
        for slot, entries in LEXICON.items()
        for value, entry in entries.items()
        for word in (entry.zh if language == "zh" else entry.bo)
    }


@functools.cache
def _stem_pattern(language: str) -> re.Pattern[str]:
    """Return a pattern that finds words left to right, the longest first: a word inside another is not counted."""
    stem = f"(?:{alternatives(_value_by_stem(language))})"
    if language == "bo":  # whole syllables, with or without the case endings that join the last one
        stem = rf"(?<!{TIBETAN_LETTER}){stem}(?=[སར]?(?!{TIBETAN_LETTER}))"
    return re.compile(stem)


def slot_values(text: str, language: str) -> Iterator[tuple[str, str]]:
    """Yield slot and value of each known word in a text, grammatical or not."""
    for match in _stem_pattern(language).finditer(re.sub(r"\s+", "", text)):
        yield _value_by_stem(language)[match.group()]


def alternatives(words: Collection[str] | Iterator[str]) -> str:
    """Return the body of a regular expression that matches any of the words, longest first."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))
