"""Articles of several caption sentences, and the headlines that state their main fact.

As in a news report, the main fact is what the first sentence tells: who does what to what, and where. A headline says
just that, in other words and another order; what comes after the lead is about other people and things. So a
headline can be judged by a parser, as translations are in `miniature.grammar`: reading one back gives a `Fact`.
"""

import functools
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from miniature.grammar import Judgement, Meaning, alternatives, parse, sample_meaning, slot_values, surfaces
from miniature.grammar import values_by_surface as caption_values
from miniature.lexicon import HEADLINE_PATTERNS

SENTENCES = 2
"""Sentences of an article. With three, SFT on 300 headlines gets 15 % of the test right instead of 66 %, which leaves
GRPO little to reinforce (seed 0, 8 epochs at 2e-3, 100 test articles)."""

_STOP = {"zh": "。", "bo": "།"}


class Fact(NamedTuple):
    """What a headline says, as keys of `miniature.lexicon.LEXICON`; independent of the language."""

    subject: str
    place: str
    object: str
    verb: str


def main_fact(article: Sequence[Meaning]) -> Fact:
    """What the headline of an article has to say: its first sentence without time, number and colour."""
    lead = article[0]
    return Fact(lead.subject, lead.place, lead.object, lead.verb)


def sample_article(rng: random.Random, *, sentences: int = SENTENCES) -> tuple[Meaning, ...]:
    """Draw what an article tells.

    Args:
        rng: Source of randomness.
        sentences: Number of sentences, between 1 and the number of places: no subject, object or place of one occurs in
            another, so that a headline that mixes two of them is wrong.

    Returns:
        One meaning a sentence, the lead first.
    """
    article: list[Meaning] = []
    while len(article) < sentences:
        meaning = sample_meaning(rng)
        told = {(name, getattr(other, name)) for other in article for name in ("subject", "object", "place")}
        if not told & {(name, getattr(meaning, name)) for name in ("subject", "object", "place")}:
            article.append(meaning)
    return tuple(article)


def realise_headline(fact: Fact, language: str, rng: random.Random) -> str:
    """Express a fact as one headline, with order, words and endings drawn at random.

    Args:
        fact: What to say.
        language: `zh` or `bo`.
        rng: Source of the choice among paraphrases.
    """
    words = {slot: rng.choice(surfaces(language, slot, value)) for slot, value in fact._asdict().items()}
    return rng.choice(HEADLINE_PATTERNS[language]).format(**words)


def parse_headline(text: str, language: str) -> Fact | None:
    """Read a headline back into its fact.

    Args:
        text: The headline. Spaces, line breaks and a missing final stop are forgiven.
        language: `zh` or `bo`.

    Returns:
        The fact, or `None` where the text is no headline of the grammar: empty, of the other or of mixed languages,
        more than one sentence, or a full caption.
    """
    text = re.sub(r"\s+", "", text).rstrip("。།་")
    for pattern in _headline_patterns(language):
        match = pattern.fullmatch(text)
        if match:
            values = caption_values(language)
            return Fact(*(values[slot, match[slot]] for slot in Fact._fields))
    return None


def judge_headline(completion: str, reference: str, language: str) -> Judgement:
    """Compare a completion with what its reference headline says.

    Args:
        completion: A policy's output in `language`.
        reference: A headline of the grammar in `language`.
        language: `zh` or `bo`.

    Returns:
        As `miniature.grammar.judge`, over the four slots of a headline.

    Raises:
        ValueError: The reference is no headline of the grammar.
    """
    meant = parse_headline(reference, language)
    if meant is None:
        raise ValueError(f"`reference` must be a {language!r} headline of the grammar, got {reference!r}")
    said = parse_headline(completion, language)
    found = set(slot_values(completion, language))
    right = sum(
        {value for found_slot, value in found if found_slot == slot} == {value}
        for slot, value in meant._asdict().items()
    )
    return Judgement(exact=said == meant, slot_accuracy=right / len(Fact._fields), grammatical=said is not None)


def lead_of(article: str, language: str) -> Meaning | None:
    """What the first sentence of an article means; `None` where it is no sentence of the grammar."""
    return parse(article.partition(_STOP[language])[0], language)


@functools.cache
def _headline_patterns(language: str) -> tuple[re.Pattern[str], ...]:
    """Turn every headline pattern into a regular expression with one named group a slot."""
    known = caption_values(language)
    groups = {
        slot: f"(?P<{slot}>{alternatives(surface for key, surface in known if key == slot)})" for slot in Fact._fields
    }
    return tuple(re.compile(pattern.rstrip("。།").format(**groups)) for pattern in HEADLINE_PATTERNS[language])
