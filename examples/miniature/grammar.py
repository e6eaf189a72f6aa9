"""Meanings, the sentences that express them in Chinese (`zh`) and Tibetan (`bo`), and a parser that reads them back.

The parser is the examples' independent judge: it knows what was meant, word by word, and shares nothing with the
sentence encoder that pays the reward. A policy that fools the encoder does not fool the parser.

Both directions use the patterns in `miniature.lexicon`: `realise` fills one, `parse` turns each of them into a regular
expression. Hence `parse(realise(meaning, language, rng), language) == meaning` for every paraphrase.
"""

import functools
import random
import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, TypeVar

from miniature.lexicon import HEADLINE_PATTERNS, LEXICON, PATTERNS, SWITCHED_ENDINGS, VERB_ENDINGS


class Meaning(NamedTuple):
    """What a caption says, as keys of `miniature.lexicon.LEXICON`; independent of the language."""

    subject: str
    number: str
    colour: str
    object: str
    verb: str
    place: str
    time: str


class Fact(NamedTuple):
    """What a headline says: a meaning without time, number and colour."""

    subject: str
    place: str
    object: str
    verb: str


class Judgement(NamedTuple):
    """How a completion compares with the meaning of its reference."""

    exact: bool
    """It parses and means exactly what the reference means."""
    slot_accuracy: float
    """Share of slots, in [0, 1], for which a word of the right value occurs and none of a wrong value. Order and
    grammar do not matter, so broken sentences earn credit for the words they get right."""
    grammatical: bool
    """It parses, whatever it means."""


Said = TypeVar("Said", Meaning, Fact)

SLOTS: tuple[str, ...] = Meaning._fields
TIBETAN_LETTER = r"[\u0f40-\u0fbc]"


def sample_meaning(rng: random.Random) -> Meaning:
    """Draw each slot uniformly and independently."""
    return Meaning(*(rng.choice(list(LEXICON[slot])) for slot in SLOTS))


def realise(said: Meaning | Fact, language: str, rng: random.Random, *, switched: Collection[str] = ()) -> str:
    """Express a meaning as one caption, or a fact as one headline; order, words and endings are drawn at random.

    Args:
        said: What to say.
        language: `zh` or `bo`.
        rng: Source of the choice among paraphrases.
        switched: Slots of a Tibetan sentence that keep the Chinese word, as bilingual speakers do. Such a sentence does
            not parse as either language.
    """
    words = {}
    for slot, value in said._asdict().items():
        words[slot] = rng.choice(_surfaces("zh" if slot in switched else language, slot, value))
        if slot in switched:
            words[slot] += SWITCHED_ENDINGS.get(slot, "")
    measure = LEXICON["object"][said.object].measure
    sentence = rng.choice(_patterns(said._fields, language)).format(**words, measure=measure)
    return re.sub(r"(?<=[\u4e00-\u9fff])་", "", sentence)  # no tsheg after a Chinese character


def parse(text: str, language: str) -> Meaning | None:
    """Read a caption back into its meaning. Spaces, line breaks and a missing final stop are forgiven.

    Returns:
        The meaning, or `None` if the text is not a caption of the grammar: empty, of the other language, of mixed
        languages, of more than one sentence, or with a Chinese measure word that does not suit its object.
    """
    return read_back(Meaning, text, language)


def read_back(form: type[Said], text: str, language: str) -> Said | None:
    """As `parse`, for captions (`Meaning`) or headlines (`Fact`)."""
    text = re.sub(r"\s+", "", text).rstrip("。།་")
    for pattern in _expressions(form._fields, language):
        match = pattern.fullmatch(text)
        if match:
            values = _values_by_surface(language)
            said = form(*(values[slot, match[slot]] for slot in form._fields))
            measure = match.groupdict().get("measure")
            return said if measure in (None, LEXICON["object"][said.object].measure) else None
    return None


def judge(
    completion: str,
    reference: str,
    language: str,
    form: type[Said] = Meaning,  # type: ignore[assignment] # type variables have no defaults yet
) -> Judgement:
    """Compare a completion with what its reference means; empty text earns nothing.

    Raises:
        ValueError: The reference is neither a sentence nor a headline of the grammar.
    """
    meant, said = (read_back(form, text, language) for text in (reference, completion))
    if meant is None:
        kind = "sentence" if form is Meaning else "headline"
        raise ValueError(f"`reference` must be a {language!r} {kind} of the grammar, got {reference!r}")
    found = set(slot_values(completion, language))
    right = sum({other for name, other in found if name == slot} == {value} for slot, value in meant._asdict().items())
    return Judgement(exact=said == meant, slot_accuracy=right / len(meant), grammatical=said is not None)


def slot_values(text: str, language: str) -> Iterator[tuple[str, str]]:
    """Yield slot and value of each known word in a text, grammatical or not."""
    for match in _stem_pattern(language).finditer(re.sub(r"\s+", "", text)):
        yield _value_by_stem(language)[match.group()]


def _patterns(slots: tuple[str, ...], language: str) -> list[str]:
    return (PATTERNS if slots == SLOTS else HEADLINE_PATTERNS)[language]


def _surfaces(language: str, slot: str, value: str) -> list[str]:
    """Every way to write a value in a sentence."""
    entry = LEXICON[slot][value]
    if language == "zh":
        return entry.zh
    if slot == "verb":
        return [word.stem + ending.format(particle=word.ending) for word in entry.bo for ending in VERB_ENDINGS]
    return [word.stem + word.ending for word in entry.bo]


@functools.cache
def _values_by_surface(language: str) -> dict[tuple[str, str], str]:
    return {
        (slot, surface): value
        for slot, entries in LEXICON.items()
        for value in entries
        for surface in _surfaces(language, slot, value)
    }


@functools.cache
def _expressions(slots: tuple[str, ...], language: str) -> tuple[re.Pattern[str], ...]:
    """Each sentence pattern as a regular expression with one named group per slot."""
    known = _values_by_surface(language)
    groups = {slot: _alternatives(surface for key, surface in known if key == slot) for slot in slots}
    groups["measure"] = _alternatives({entry.measure for entry in LEXICON["object"].values()})
    named = {slot: f"(?P<{slot}>{group})" for slot, group in groups.items()}
    return tuple(re.compile(pattern.rstrip("。།").format(**named)) for pattern in _patterns(slots, language))


@functools.cache
def _value_by_stem(language: str) -> dict[str, tuple[str, str]]:
    found = {}
    for slot, entries in LEXICON.items():
        for value, entry in entries.items():
            stems = entry.zh if language == "zh" else [word.stem for word in entry.bo]
            found.update(dict.fromkeys(stems, (slot, value)))
    return found


@functools.cache
def _stem_pattern(language: str) -> re.Pattern[str]:
    """Finds words left to right, the longest first: a word inside another is not counted."""
    stem = f"(?:{_alternatives(_value_by_stem(language))})"
    if language == "bo":  # whole syllables, with or without the case endings that join the last one
        stem = rf"(?<!{TIBETAN_LETTER}){stem}(?=[སར]?(?!{TIBETAN_LETTER}))"
    return re.compile(stem)


def _alternatives(words: Iterable[str]) -> str:
    """The body of a regular expression that matches any of the words, longest first."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))
