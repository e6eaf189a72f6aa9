"""Puts hard negatives beside pairs: mined from the other pairs, or made from the pair itself."""

import random
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.pairs import Pair
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.text import normalise

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MakeNegatives: TypeAlias = Callable[[Pair, random.Random], list[str]]
"""Returns texts that look like a pair's positive and mean something else, such as `semreward.audit.AttackNegatives`."""

_DRAWS = 20  # of another pair's positive, before all of them are searched


def pair_rows(
    pairs: Sequence[Pair],
    config: AdaptationConfig,
    model: "SentenceTransformer",
    make_negatives: MakeNegatives | None,
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Texts by column (`anchor`, `positive`, `negative_1` and on), and how many negatives were mined, made and filled.

    Every row needs equally many. The positive of a random other pair, never a translation of the anchor, fills a gap.
    """
    rng = random.Random(config.seed)  # noqa: S311 - a choice of texts, no cryptography
    columns = config.mined_negatives + config.made_negatives
    mined = _mined(pairs, config, model) if config.mined_negatives else {}
    positives = [pair.positive for pair in pairs]
    translations: dict[str, set[str]] = {}
    for pair in pairs:
        translations.setdefault(pair.anchor, set()).add(pair.positive)
    counts = {"mined": 0, "made": 0, "filled": 0}
    table: list[list[str]] = []
    for pair in pairs:
        found = mined.get(pair, [])[: config.mined_negatives]
        made = _made(pair, make_negatives, config.made_negatives, rng) if make_negatives is not None else []
        missing = columns - len(found) - len(made)
        filled = [_another(pair, positives, translations[pair.anchor], rng) for _ in range(missing)]
        table.append([*found, *made, *filled])
        for name, texts in (("mined", found), ("made", made), ("filled", filled)):
            counts[name] += len(texts)
    rows = {"anchor": [pair.anchor for pair in pairs], "positive": positives}
    rows |= {f"negative_{column + 1}": [negatives[column] for negatives in table] for column in range(columns)}
    return rows, counts


def _mined(pairs: Sequence[Pair], config: AdaptationConfig, model: "SentenceTransformer") -> dict[Pair, list[str]]:
    import datasets
    from sentence_transformers.util import mine_hard_negatives

    triplets = mine_hard_negatives(
        datasets.Dataset.from_list([pair._asdict() for pair in pairs]),
        model,
        anchor_column_name="anchor",
        positive_column_name="positive",
        num_negatives=config.mined_negatives,
        relative_margin=config.mining_margin,
        output_format="triplet",
        faiss_batch_size=1024,  # queries whose cosines with all candidates are held at a time
        verbose=False,
    )
    mined: dict[Pair, list[str]] = {}
    for row in triplets:
        mined.setdefault(Pair(row["anchor"], row["positive"]), []).append(row["negative"])
    return mined


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
    """The positive of another pair that does not translate this pair's anchor."""
    for _ in range(_DRAWS):
        text = rng.choice(positives)
        if text not in translations:
            return text
    wrong = [text for text in positives if text not in translations]
    if not wrong:
        raise ArgumentError(
            f"`train_pairs` must hold another second side that can be a negative of {pair.anchor[:80]!r}, but all of "
            "them translate it; add pairs, or set `mined_negatives` and `made_negatives` to 0"
        )
    return rng.choice(wrong)
