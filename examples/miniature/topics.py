"""Chinese text about other things than captions: `topics.yaml`, and the sampler that fills its patterns in.

`FAMILIAR` topics are part of pretraining: fresh draws from them show how far fine-tuning moves the policy on text it
was trained on. `UNFAMILIAR` topics occur neither in pretraining nor in any fine-tuning data: they show the drift on
text that is truly out of domain, with other words and sentence patterns.
"""

import itertools
import random
import string
from pathlib import Path
from typing import NamedTuple

import yaml


class Topic(NamedTuple):
    """Sentence patterns of one topic, and the words that fill the fields in them."""

    patterns: list[str]
    words: dict[str, list[str]]


_CONTENT = yaml.safe_load((Path(__file__).parent / "topics.yaml").read_text(encoding="utf-8"))
FAMILIAR, UNFAMILIAR = (tuple(Topic(**topic) for topic in _CONTENT[group]) for group in ("familiar", "unfamiliar"))

_WORDS = {word for topic in FAMILIAR + UNFAMILIAR for word in itertools.chain.from_iterable(topic.words.values())}
_PATTERNS = {pattern for topic in FAMILIAR + UNFAMILIAR for pattern in topic.patterns}

CHARACTERS: tuple[str, ...] = tuple(
    sorted(sign for sign in set("".join(_WORDS | _PATTERNS)) if sign.isalpha() and not sign.isascii())
)
"""Every Chinese character of both groups of topics."""

VOCABULARY: tuple[str, ...] = tuple(sorted({*CHARACTERS, *_WORDS}))
"""Those characters, and every word that fills a field."""


def sample_text(rng: random.Random, topics: tuple[Topic, ...], *, sentences: int = 2) -> str:
    """Draw a short text about one of the topics: `FAMILIAR` or `UNFAMILIAR`."""
    topic = rng.choice(topics)
    return "".join(_fill(rng.choice(topic.patterns), topic, rng) for _ in range(sentences))


def _fill(pattern: str, topic: Topic, rng: random.Random) -> str:
    fields = [field for _, field, _, _ in string.Formatter().parse(pattern) if field]
    return pattern.format(**{field: rng.choice(topic.words[field]) for field in fields})
