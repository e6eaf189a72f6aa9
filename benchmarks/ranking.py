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
from semreward.audit import learn_lexicon
from semreward.calibration import area_under_curve
from semreward.files import read_rows

CAPTIONS, SEED = 150, 0
LEAST_LETTERS = 4  # of a word that may leak


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


def prefer_leaks(encoders: dict[str, Encoder], folder: Path) -> None:
    """How often a caption is closer with a French word in it than with anything else in its place."""
    train, test = (
        [(row["fr"], row["en"]) for row in read_rows(f"{folder}/{name}.{{column}}.gz", ["fr", "en"])]
        for name in ("train", "test_2016_flickr")
    )
    leaks, rng = learn_lexicon(train).leaks, random.Random(SEED)  # noqa: S311 - draws of a benchmark
    english = sorted(word for word, found in leaks.items() if found)
    captions, changed = list[str](), defaultdict[str, list[str]](list)
    for source, caption in rng.sample(test, len(test)):
        asked = set(re.findall(r"\w+", source.lower()))
        words = list(re.finditer(rf"\w{{{LEAST_LETTERS},}}", caption))
        aligned = [(word, leak) for word in words for leak in leaks.get(word[0].lower(), [])[:1] if leak in asked]
        if aligned and len(captions) < CAPTIONS:
            word, leak = rng.choice(aligned)
            others = {"leak": leak, "omission": "", "wrong word": rng.choice(english)}
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
