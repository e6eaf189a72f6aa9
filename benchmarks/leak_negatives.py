"""Does an encoder that saw source words as hard negatives stop preferring them to an omission?

    python benchmarks/leak_negatives.py --encoder ENCODER --data multi30k --out encoders/de

Adapts an encoder of several languages on captions: a reference is to be nearer to itself without one of its words than
to itself with words of its source (`LEAKS`). Training pairs are English and German, none of them from the test set.
Measured before and after on test captions, for English -> German and for French -> English, whose pairs it never saw.
In each caption one word is replaced: by the source's word for it, by the same with an ending of the target, by nothing,
by another word that is about as frequent, by "Ding" ("thing"). A folder that already holds an encoder is only measured.
`--data` is a folder with `train.en.gz`, `test_2016_flickr.en.gz` and so on, one caption per line. Seed 0. Half an hour
on one core.
"""

import argparse
import gzip
import json
import random
import time
from collections import Counter
from pathlib import Path

import numpy as np
from encoder_adaptation import BF16

from semreward import SentenceTransformerEncoder
from semreward.adaptation import AdaptationConfig, adapt_encoder, measure_encoder
from semreward.audit import LEAKS, AttackNegatives, edits, learn_lexicon, omission_pairs
from semreward.audit.codemixing import Lexicon, adapted_word

Texts = list[str]
Pairs = list[tuple[str, str]]

SEED = 0
DIRECTIONS = (("en", "de"), ("fr", "en"))
NEUTRAL = {"de": "Ding", "en": "thing"}
LEAK_KINDS, HONEST_KINDS = ("leak", "adapted leak"), ("omission", "wrong word", "neutral word")
LONGEST = 66  # characters of a training caption: short ones train three times as fast
BATCH = 32


def read_lines(data: Path, split: str, language: str) -> Texts:
    """Captions of one language, one per line."""
    return gzip.open(data / f"{split}.{language}.gz", "rt", encoding="utf-8").read().splitlines()


def adapt(arguments: argparse.Namespace) -> dict[str, float]:
    """Adapt the encoder on training captions; returns how many pairs it saw and the seconds."""
    captions = list(zip(*(read_lines(arguments.data, "train", language) for language in DIRECTIONS[0]), strict=True))
    captions = captions[arguments.first_row :]
    short = [pair for pair in captions if max(map(len, pair)) <= LONGEST][: arguments.steps * BATCH]
    omissions = round(len(short) * arguments.omissions)
    pairs = omission_pairs(target for _, target in short[:omissions])
    pairs += [(target, source) for source, target in short[omissions:]]
    config = AdaptationConfig(
        str(arguments.encoder),
        str(arguments.out),
        batch_size=BATCH,
        learning_rate=arguments.learning_rate,
        temperature=arguments.temperature,
        made_negatives=1,
        max_tokens=64,
        bf16=BF16,
        use_cpu=True,
        seed=SEED,
    )
    negatives = AttackNegatives("de", attacks=LEAKS, lexicon=learn_lexicon(captions), side="anchor")
    begun = time.perf_counter()
    adaptation = adapt_encoder(config, pairs, make_negatives=negatives)
    return {"pairs": adaptation.pairs, "seconds": round(time.perf_counter() - begun)}


def edited(
    pairs: list[tuple[str, str]], lexicon: Lexicon, counts: Counter[str], neutral: str, size: int
) -> list[Texts]:
    """The reference and its edits, one row per caption in which a word of four letters or more has an aligned leak."""
    rng = random.Random(SEED)  # noqa: S311 - a choice of words
    alike: dict[int, Texts] = {}
    for word, count in sorted(counts.items()):
        alike.setdefault(count.bit_length(), []).append(word)
    rows: list[Texts] = []
    for source, reference in pairs:
        pieces, words = edits.split(reference)
        donors = {word.casefold() for word in edits.words_of(source)}
        known = {index: lexicon.leaks.get(pieces[index].casefold(), []) for index in words if len(pieces[index]) > 3}  # noqa: PLR2004
        leaks = {index: leak for index, found in known.items() for leak in [w for w in found if w in donors][:1]}
        if not leaks:
            continue
        index = rng.choice(sorted(leaks))
        word = pieces[index].casefold()
        other = rng.choice([w for w in alike[counts[word].bit_length()] if w != word] or [neutral.lower()])
        row = [reference]
        for text in (leaks[index], adapted_word(leaks[index], lexicon, rng), "", other, neutral):
            shown = text[:1].upper() + text[1:] if pieces[index][0].isupper() else text
            gap = pieces[index - 1] if text else ""
            row.append("".join([*pieces[: index - 1], gap, shown, *pieces[index + 1 :]]))
        rows.append(row)
    return rows[:size]


def scores(folder: Path, data: Path, source: str, target: str, size: int) -> dict[str, float]:
    """Mean cosines with the reference, how often a leak is nearer than another edit, and retrieval."""
    encoder = SentenceTransformerEncoder(str(folder), device="cpu", prompt="query: ")
    train, test = (
        list(zip(read_lines(data, split, source), read_lines(data, split, target), strict=True))
        for split in ("train", "test_2016_flickr")
    )
    counts = Counter(word.casefold() for _, text in train for word in edits.words_of(text))
    rows = edited(test, learn_lexicon(train), counts, NEUTRAL[target], size)
    columns = [encoder_vectors(encoder, list(column)) for column in zip(*rows, strict=True)]
    cosines = {
        kind: (columns[0] * vectors).sum(axis=1)
        for kind, vectors in zip((*LEAK_KINDS, *HONEST_KINDS), columns[1:], strict=True)
    }
    found = {f"cosine, {kind}": float(values.mean()) for kind, values in cosines.items()}
    for leak in LEAK_KINDS:
        found |= {f"{leak} above {kind}": float((cosines[leak] > cosines[kind]).mean()) for kind in HONEST_KINDS}
    measures = measure_encoder(encoder, test)
    found |= {f"P@1 {source}-{target}": measures["forward"], f"P@1 {target}-{source}": measures["backward"]}
    encoder.close()
    return {name: round(value, 4) for name, value in found.items()}


def encoder_vectors(encoder: SentenceTransformerEncoder, texts: Texts) -> np.ndarray:
    """Unit rows of texts, which may repeat."""
    distinct = list(dict.fromkeys(texts))
    rows = dict(zip(distinct, encoder.encode(distinct), strict=True))
    return np.stack([rows[text] for text in texts])


def main() -> None:
    """Adapt, measure before and after, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True, help="folder of multilingual-e5-small")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the adapted encoder")
    parser.add_argument("--json", type=Path, default=Path("docs/results/leak/negatives.json"))
    parser.add_argument("--steps", type=int, default=110)
    parser.add_argument("--first-row", type=int, default=10_000, help="train on the rows from here on")
    parser.add_argument("--omissions", type=float, default=0.7, help="share of the pairs; others are translations")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--temperature", type=float, default=0.02)
    parser.add_argument("--captions", type=int, default=200)
    arguments = parser.parse_args()
    trained: dict[str, float] = {} if (arguments.out / "adaptation.json").exists() else adapt(arguments)
    config = {
        name: getattr(arguments, name) for name in ("steps", "first_row", "omissions", "learning_rate", "temperature")
    }
    result = {"config": {**config, "captions": arguments.captions}, "seed": SEED, "bf16": BF16, **trained, "scores": {}}
    for source, target in DIRECTIONS:
        for when, folder in (("before", arguments.encoder), ("after", arguments.out)):
            found = scores(folder, arguments.data, source, target, arguments.captions)
            result["scores"].setdefault(f"{source}-{target}", {})[when] = found
            print(source, target, when, found, flush=True)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
