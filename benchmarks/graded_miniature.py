"""Whether an adapted encoder follows grades of meaning: the miniature's captions, of which the meaning is known.

Captions differ in 0, 1, 2, 4 or all 7 of their seven slots (subject, number, colour, object, verb, place, time), in
words and word order that are drawn anew; the grade is the number of slots that agree. Spearman's correlation of cosine
and grade, within Tibetan, within Chinese and across: for the untrained encoder, for one adapted on pairs, for one
adapted on the same sentences without knowing which belong together, and for one with made negatives.

    python benchmarks/graded_miniature.py                # two CPU cores: some 6 minutes

Writes `graded-miniature.json` to `--out` (default `runs/benchmarks/graded-miniature`).
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import regex

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from miniature.grammar import SLOTS, Meaning, realise, sample_meaning
from miniature.models import EncoderShape, write_encoder
from semreward import SentenceTransformerEncoder
from semreward.adaptation import AdaptationConfig, Pair, adapt_encoder, measure_encoder
from semreward.evaluation.retrieval import GradedPair

DIFFERENCES = (0, 1, 2, 4, 7)
# A Chinese character, a Tibetan syllable with its tsheg, another word with the spaces after it.
PIECE = regex.compile(r"\p{sc=Han}|[^\s\u0F0B\p{sc=Han}]+[\s\u0F0B]*|[\s\u0F0B]+")
LANGUAGES = {"bo-bo": ("bo", "bo"), "zh-zh": ("zh", "zh"), "zh-bo": ("zh", "bo")}


def caption_pairs(count: int, rng: random.Random) -> list[Pair]:
    """Chinese captions and their Tibetan translations, of meanings drawn at random."""
    meanings = [sample_meaning(rng) for _ in range(count)]
    return [Pair(realise(meaning, "zh", rng), realise(meaning, "bo", rng)) for meaning in meanings]


def graded_captions(each: int, rng: random.Random) -> list[GradedPair]:
    """So many pairs of each number of differing slots and each pair of languages."""
    graded = []
    for group, (first, second) in LANGUAGES.items():
        for different in DIFFERENCES:
            for _ in range(each):
                meaning = sample_meaning(rng)
                other = changed(meaning, different, rng)
                texts = realise(meaning, first, rng), realise(other, second, rng)
                graded.append(GradedPair(*texts, float(len(SLOTS) - different), group))
    return graded


def changed(meaning: Meaning, different: int, rng: random.Random) -> Meaning:
    """A meaning with so many of its slots filled with other values."""
    values: dict[str, str] = {}
    for slot in rng.sample(SLOTS, different):
        while (value := getattr(sample_meaning(rng), slot)) == getattr(meaning, slot):
            pass
        values[slot] = value
    return meaning._replace(**values)


def cut_negatives(pair: Pair, rng: random.Random) -> list[str]:
    """A beginning of the translation, alone and followed by the end of the source; none of short texts."""
    own, other = PIECE.findall(pair.positive), PIECE.findall(pair.anchor)
    if min(len(own), len(other)) < 4:  # noqa: PLR2004 - a stub teaches nothing
        return []
    share = rng.uniform(0.3, 0.7)
    beginning = "".join(own[: max(1, round(share * len(own)))])
    return [beginning, beginning + "".join(other[round(share * len(other)) :])]


def main() -> None:
    """Adapt in three ways, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12_800)
    parser.add_argument("--each", type=int, default=100, help="graded pairs a grade and pair of languages")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/graded-miniature"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311 - texts, not secrets
    train, test = caption_pairs(options.pairs, rng), caption_pairs(300, rng)
    graded = graded_captions(options.each, rng)
    base = options.out / "base"
    sentences = [text for pair in train for text in pair]
    write_encoder(base, sentences, EncoderShape(), seed=options.seed)

    def config(name: str, **changes: Any) -> AdaptationConfig:
        chosen = {"batch_size": 128, "learning_rate": 1e-3, "max_tokens": 64, "use_cpu": True}
        return AdaptationConfig(str(base), str(options.out / name), **{**chosen, "seed": options.seed, **changes})

    runs: dict[str, Any] = {
        "pairs": lambda: adapt_encoder(config("pairs"), train),
        "sentences alone": lambda: adapt_encoder(
            config("sentences", dropout=0.1), [Pair(text, text) for text in sentences]
        ),
        "pairs and made negatives": lambda: adapt_encoder(
            config("negatives", made_negatives=1), train, make_negatives=cut_negatives
        ),
    }
    untrained = SentenceTransformerEncoder(str(base), device="cpu")
    results: dict[str, Any] = {"untrained": measure_encoder(untrained, test, graded)}
    for name, run in runs.items():
        start = time.perf_counter()
        encoder = run().encoder
        results[name] = {**measure_encoder(encoder, test, graded), "seconds": time.perf_counter() - start}
        encoder.close()
    for name, found in results.items():
        print(name, ", ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "graded-miniature.json").write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
