"""The caption language, read from `lexicon.yaml`: `miniature.grammar` turns it into sentences and back.

A meaning fills seven slots, and every combination makes sense (all verbs suit all objects), so the slots vary
independently and 14 * 5 * 6 * 12 * 7 * 8 * 6 = 1,693,440 meanings exist: a policy has to translate, it cannot
memorise. Most values have two words per language, and each language has several orders: a reference is only one of
many right answers. An overlap metric punishes the others, a semantic reward should not.
"""

from pathlib import Path
from typing import NamedTuple

import yaml


class TibetanWord(NamedTuple):
    """A Tibetan word and what has to follow it: a case ending on nouns, the linking particle on verbs."""

    stem: str
    ending: str = ""


class Entry(NamedTuple):
    """One value of a slot: the words that express it in each language, and the Chinese measure word of objects."""

    zh: list[str]
    bo: list[TibetanWord]
    measure: str = ""


def _entry(zh: list[str], bo: list[str], measure: str = "") -> Entry:
    return Entry(zh, [TibetanWord(*word.split("+")) for word in bo], measure)


_CONTENT = yaml.safe_load((Path(__file__).parent / "lexicon.yaml").read_text(encoding="utf-8"))

LEXICON: dict[str, dict[str, Entry]] = {
    slot: {value: _entry(**words) for value, words in values.items()} for slot, values in _CONTENT["words"].items()
}
PATTERNS: dict[str, list[str]] = _CONTENT["captions"]
HEADLINE_PATTERNS: dict[str, list[str]] = _CONTENT["headlines"]
VERB_ENDINGS: list[str] = _CONTENT["verb_endings"]
SWITCHED_ENDINGS: dict[str, str] = _CONTENT["switched_endings"]
