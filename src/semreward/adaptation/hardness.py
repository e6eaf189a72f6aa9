"""Puts hard negatives beside pairs: mined from the other rows, made from the row itself.

Loads torch, datasets and sentence-transformers.
"""

import logging
import random
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

import datasets
from sentence_transformers.util import mine_hard_negatives

from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.negatives import MakeNegatives, checked_negatives
from semreward.adaptation.pairs import Pair
from semreward.errors import ArgumentError
from semreward.text import normalise

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

# Queries whose cosines with all candidates are held at a time.
_MINED_AT_A_TIME = 1024

# Draws of another row's positive before all of them are looked through.
_DRAWS = 20


class HardRows(NamedTuple):
    """Texts by column, and how many negatives there are of each kind.

    Attributes:
        rows: `anchor`, `positive`, and `negative_1` and on, each of as many texts as there are pairs.
        counts: Negatives that were mined, made, and filled with another row's positive where those were too few.
    """

    rows: dict[str, list[str]]
    counts: dict[str, int]


def pair_rows(
    pairs: Sequence[Pair],
    config: AdaptationConfig,
    model: "SentenceTransformer",
    make_negatives: MakeNegatives | None,
) -> HardRows:
    """The training's columns: anchors, positives, and as many negatives a pair as the configuration asks for.

    A batch needs as many negatives in each row. Where too few are found or made, the positive of a random other pair
    stands in, which is what in-batch negatives are anyway; never one that is a translation of the anchor in some row.

    Args:
        pairs: At least two distinct pairs, if negatives are asked for.
        config: How many negatives, and the margin of mined ones.
        model: The encoder that mines.
        make_negatives: Makes negatives of a pair; needed where `made_negatives` is not 0.

    Raises:
        ArgumentError: No other row's positive can stand in for a missing negative.
        ArgumentTypeError: `make_negatives` returned something else than texts.
    """
    rows = {"anchor": [pair.anchor for pair in pairs], "positive": [pair.positive for pair in pairs]}
    rng = random.Random(config.seed)  # noqa: S311 - a choice of texts, no cryptography
    mined = _mined(pairs, config, model) if config.mined_negatives else {}
    counts = {"mined": 0, "made": 0, "filled": 0}
    table: list[list[str]] = []
    right: dict[str, set[str]] = {}
    for pair in pairs:
        right.setdefault(pair.anchor, set()).add(pair.positive)
    for place, pair in enumerate(pairs):
        found = mined.get(pair, [])[: config.mined_negatives]
        made = _made(pair, make_negatives, config.made_negatives, rng) if make_negatives is not None else []
        missing = config.mined_negatives + config.made_negatives - len(found) - len(made)
        filled = [_another(pairs, place, right[pair.anchor], rng) for _ in range(missing)]
        table.append([*found, *made, *filled])
        for name, texts in (("mined", found), ("made", made), ("filled", filled)):
            counts[name] += len(texts)
    for column in range(config.mined_negatives + config.made_negatives):
        rows[f"negative_{column + 1}"] = [negatives[column] for negatives in table]
    if len(rows) > 2:  # noqa: PLR2004 - there are negatives
        logger.info("hard negatives: %d mined, %d made, %d filled with other pairs' positives", *counts.values())
    return HardRows(rows, counts)


def _mined(pairs: Sequence[Pair], config: AdaptationConfig, model: "SentenceTransformer") -> dict[Pair, list[str]]:
    triplets = mine_hard_negatives(
        datasets.Dataset.from_list([pair._asdict() for pair in pairs]),
        model,
        anchor_column_name="anchor",
        positive_column_name="positive",
        num_negatives=config.mined_negatives,
        relative_margin=config.mining_margin,
        output_format="triplet",
        faiss_batch_size=_MINED_AT_A_TIME,
        verbose=False,
    )
    mined: dict[Pair, list[str]] = {}
    for row in triplets:
        mined.setdefault(Pair(row["anchor"], row["positive"]), []).append(row["negative"])
    return mined


def _made(pair: Pair, make_negatives: MakeNegatives, wanted: int, rng: random.Random) -> list[str]:
    """Some of a pair's made negatives, none of them blank or equal to one of its sides."""
    made = dict.fromkeys(normalise(text) for text in checked_negatives(make_negatives, pair, rng))
    usable = [text for text in made if text and text not in pair]
    return rng.sample(usable, min(wanted, len(usable)))


def _another(pairs: Sequence[Pair], place: int, right: Collection[str], rng: random.Random) -> str:
    """The positive of another pair, none of the right ones of this pair's anchor."""
    for _ in range(_DRAWS):
        other = rng.randrange(len(pairs) - 1)
        text = pairs[other + (other >= place)].positive
        if text not in right:
            return text
    wrong = [text for text in dict.fromkeys(pair.positive for pair in pairs) if text not in right]
    if not wrong:
        raise ArgumentError(
            f"`train_pairs` must hold another second side that can be a negative of {pairs[place].anchor[:80]!r}, but "
            "all of them translate it; add pairs, or set `mined_negatives` and `made_negatives` to 0"
        )
    return rng.choice(wrong)
