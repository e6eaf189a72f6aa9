"""Puts hard negatives beside pairs."""

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.pairs import Pair
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.text import normalise

MakeNegatives: TypeAlias = Callable[[Pair, random.Random], list[str]]
"""Returns texts that look like a pair's positive and mean something else, such as `semreward.audit.AttackNegatives`."""


def pair_rows(
    pairs: Sequence[Pair], config: AdaptationConfig, make_negatives: MakeNegatives | None
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Texts by column (`anchor`, `positive`, `negative_1` and on), and how many negatives were made and filled.

    Every row needs equally many. The positive of a random other pair, never a translation of the anchor, fills a gap.
    """
    rng = random.Random(config.seed)  # noqa: S311 - a choice of texts, no cryptography
    positives = [pair.positive for pair in pairs]
    translations = defaultdict(set)
    for pair in pairs:
        translations[pair.anchor].add(pair.positive)
    counts = {"made": 0, "filled": 0}
    table: list[list[str]] = []
    for pair in pairs:
        made = _made(pair, make_negatives, config.made_negatives, rng) if make_negatives is not None else []
        missing = config.made_negatives - len(made)
        filled = [_another(pair, positives, translations[pair.anchor], rng) for _ in range(missing)]
        table.append([*made, *filled])
        counts["made"] += len(made)
        counts["filled"] += len(filled)
    rows = {"anchor": [pair.anchor for pair in pairs], "positive": positives}
    rows |= {f"negative_{number}": list(texts) for number, texts in enumerate(zip(*table, strict=True), start=1)}
    return rows, counts


def _made(pair: Pair, make_negatives: MakeNegatives, wanted: int, rng: random.Random) -> list[str]:
    """Some of a pair's made negatives, none of them blank or equal to one of its sides."""
    returned: Any = make_negatives(pair, rng)
    if not isinstance(returned, (list, tuple)) or not all(isinstance(text, str) for text in returned):
        raise ArgumentTypeError(
            f"`make_negatives` must return a list of texts, possibly empty, got {str(returned)[:80]!r} for {pair[0]!r}"
        )
    usable = [text for text in dict.fromkeys(map(normalise, returned)) if text and text not in pair]
    return rng.sample(usable, min(wanted, len(usable)))


def _another(pair: Pair, positives: Sequence[str], translations: Collection[str], rng: random.Random) -> str:
    """The first positive, from a random position on, that does not translate this pair's anchor."""
    start = rng.randrange(len(positives))
    for step in range(len(positives)):
        text = positives[(start + step) % len(positives)]
        if text not in translations:
            return text
    raise ArgumentError(
        f"`train_pairs` must hold another second side that can be a negative of {pair.anchor[:80]!r}, but all of them "
        "translate it; add pairs, or set `made_negatives` to 0"
    )
