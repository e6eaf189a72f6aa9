"""Do encoders rank the answers to one prompt? The figures of docs/calibration.md, "Does the signal rank the answers?".

    SEMREWARD_DATA=path/of/data SEMREWARD_MODELS=path/of/models python benchmarks/ranking.py

* MQM: `ranking` on WMT's TED talks, Chinese to English, by 13 systems (google/wmt-mqm-human-evaluation), with the
  official reference and with the better one. Experts marked errors: the grade is -5 per major one, -1 per minor one.
* SICK: how often an entailed sentence is closer than a contradicting one, over all pairs of such pairs.
* Captions: 150 of Multi30k with one word replaced by its French translation (a leak), left out, or replaced by another
  English word or "thing". How often is the leak closer?

The models are multilingual-e5-small (`encoder`) and all-MiniLM-L6-v2 (`judge`).
"""

import os
import random
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from semreward import ChrfReward, Encoder, SentenceTransformerEncoder, ranking, similarities
from semreward.calibration import area_under_curve
from semreward.files import read_rows

CAPTIONS, SEED = 150, 0
LEAST_LETTERS, LEAST_DICE = 4, 0.3  # of a word that may leak, and of its translation


def rank_translations(encoders: dict[str, Encoder], path: Path) -> None:
    """The table of `ranking` for each encoder and reference."""
    points: Counter[tuple[str, str]] = Counter()
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for row in read_rows(path):
        key = (f"{row['doc_id']}/{row['seg_id']}", row["system"])
        points[key] += {"No-error": 0, "Minor": 1, "Major": 5}[row["severity"]]
        seen[key] = re.sub("</?v>", "", row["target"]), row["rater"]
    for reference in ("ref", "refB"):
        graded = [
            (prompt, answer, seen[prompt, reference][0], -points[prompt, system], rater)
            for (prompt, system), (answer, rater) in seen.items()
            if not system.startswith("ref")
        ]
        for name, encoder in encoders.items():
            print(f"MQM, {name}, reference {reference}\n{ranking(encoder, graded)}\n", flush=True)


def tell_contradictions(encoders: dict[str, Encoder], path: Path) -> None:
    """The area under the curve of entailment over contradiction, and what contradictions earn."""
    rows = [row for row in read_rows(path) if row["entailment_label_En"] != "neutral"]
    one, other = ([row[f"sentence_{side}_En"] for row in rows] for side in "AB")
    is_entailed = np.array([row["entailment_label_En"] == "entailment" for row in rows])
    signals = {name: similarities(encoder, one, other) for name, encoder in encoders.items()}
    for name, values in (signals | {"chrF": np.array(ChrfReward()(completions=one, reference=other))}).items():
        wrong = values[~is_entailed]
        low, high = np.percentile(wrong, (10, 90))
        print(f"SICK, {name}: AUC {area_under_curve(values[is_entailed], wrong):.3f}, {is_entailed.sum()} entailed,")
        print(f"  {wrong.size} contradictions at {wrong.mean():.3f}, P10 {low:.3f}, P90 {high:.3f}", flush=True)


def words_of(text: str) -> set[str]:
    """Words in lower case."""
    return set(re.findall(r"\w+", text.lower()))


def translations(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """For each English word the French one with the highest Dice coefficient over pairs (French, English)."""
    french, english, together = Counter[str](), Counter[str](), defaultdict[str, Counter[str]](Counter)
    for source, target in pairs:
        french.update(words_of(source))
        english.update(words_of(target))
        for word in words_of(target):
            together[word].update(words_of(source))
    found = {}
    for word, counts in together.items():
        dice = {other: 2 * count / (french[other] + english[word]) for other, count in counts.items()}
        best = max(dice, key=lambda other: (dice[other], other))
        if dice[best] >= LEAST_DICE and min(len(word), len(best)) >= LEAST_LETTERS and best != word:
            found[word] = best
    return found


def prefer_leaks(encoders: dict[str, Encoder], folder: Path) -> None:
    """How often a caption is closer with a French word in it than with anything else in its place."""
    train, test = (
        [(row["fr"], row["en"]) for row in read_rows(f"{folder}/{name}.{{column}}.gz", ["fr", "en"])]
        for name in ("train", "test_2016_flickr")
    )
    french, rng = translations(train), random.Random(SEED)  # noqa: S311 - draws of a benchmark
    captions, changed = list[str](), defaultdict[str, list[str]](list)
    for source, caption in rng.sample(test, len(test)):
        aligned = [word for word in re.finditer(r"\w+", caption) if french.get(word[0].lower()) in words_of(source)]
        if aligned and len(captions) < CAPTIONS:
            word = rng.choice(aligned)
            own = word[0].lower()
            others = {"leak": french[own], "omission": "", "wrong word": rng.choice(sorted(french.keys() - {own}))}
            captions.append(caption)
            for kind, other in (others | {"thing": "thing"}).items():
                text = f"{caption[: word.start()]}{other}{caption[word.end() :]}"
                changed[kind].append(" ".join(text.split()))
    for name, encoder in encoders.items():
        cosines = {kind: similarities(encoder, texts, captions) for kind, texts in changed.items()}
        print(f"captions, {name}: mean cosines {', '.join(f'{kind} {c.mean():.3f}' for kind, c in cosines.items())}")
        shares = (f"{kind} {(cosines['leak'] > values).mean():.0%}" for kind, values in cosines.items())
        print("  the leak is closer than", ", ".join(shares), flush=True)


def main() -> None:
    """Print all three."""
    data, models = Path(os.environ["SEMREWARD_DATA"]), Path(os.environ["SEMREWARD_MODELS"])
    e5 = SentenceTransformerEncoder(str(models / "encoder"), prompt="query: ", device="cpu")
    encoders: dict[str, Encoder] = {"e5": e5, "MiniLM": SentenceTransformerEncoder(str(models / "judge"), device="cpu")}
    rank_translations(encoders, data / "mqm" / "mqm_ted_zhen.tsv.gz")
    tell_contradictions(encoders, data / "jsick" / "jsick.tsv.gz")
    prefer_leaks(encoders, data / "multi30k")


if __name__ == "__main__":
    main()
