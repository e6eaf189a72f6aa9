"""Rewards with real encoders earn what they earned when the values were frozen, to 1e-5, on 500 image captions.

Captions are the first 500 of multi30k's test set of 2016, English from French, under `SEMREWARD_DATA`. The encoders
lie under `SEMREWARD_MODELS`: `judge` (sentence-transformers/all-MiniLM-L6-v2) and `encoder`
(intfloat/multilingual-e5-small). Answers are made from the captions with seeded draws; the file holds their values
only. It takes half a minute on one core. `SEMREWARD_UPDATE=1` rewrites the file, as in `test_frozen_values.py`.
"""

import dataclasses
import gzip
import hashlib
import os
from pathlib import Path

import pytest

from frozen.mixed_rows import Draws, with_reasoning
from frozen.value_file import Frozen, differences, first_of, is_updating, read_frozen, update_frozen
from semreward import (
    SemanticSimilarityReward,
    SentenceTransformerEncoder,
    calibrate,
    paper_reward,
    recommended_reward,
)
from semreward.evaluation import similarity_score

FILE = Path(__file__).parent / "real_values.json.xz"
TOLERANCE = 1e-5  # float32: vectors depend a little on what a batch is padded to
ROWS = 500
THRESHOLDS = {"judge": 0.5, "encoder": 0.85}
PROMPTS = {"judge": None, "encoder": "query: "}
REWARDS = ("similarity, threshold -1", "similarity", "paper", "recommended, source")
NAMES = tuple(f"{encoder}, {reward}" for encoder in THRESHOLDS for reward in REWARDS)

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif("SEMREWARD_DATA" not in os.environ, reason="SEMREWARD_DATA is not set"),
    pytest.mark.skipif("SEMREWARD_MODELS" not in os.environ, reason="SEMREWARD_MODELS is not set"),
]


def degraded(caption, other, source, draws):
    """An answer between the caption itself and nothing of it."""
    words = caption.split()
    at = draws.below(len(words))
    half = len(words) // 2
    forms = (
        caption,
        " ".join([*words[:at], *words[at + 1 :]]),
        " ".join([*words[:at], draws.one(other.split()), *words[at + 1 :]]),
        " ".join(word for word in words if not draws.chance(0.4)),
        " ".join([*words[:half], *other.split()[-half:]]),
        " ".join(draws.shuffled(words)),
        " ".join(words[: 1 + at]),
        caption.lower().rstrip("."),
        caption.replace("man", "woman").replace("girl", "boy").replace("two", "3"),
        f"{caption} {caption}",
        f"{caption} {other}",
        f"Here is the translation: {caption}",
        " ".join([*words[:half], *source.split()[-half:]]),
        other,
        source,
        "",
        "A person is doing something.",
    )
    answer = draws.one(forms)
    return with_reasoning(answer, source, draws) if draws.chance(0.1) else answer


@pytest.fixture(scope="module")
def captions():
    folder = Path(os.environ["SEMREWARD_DATA"]) / "multi30k"
    sides = []
    for language in ("en", "fr"):
        with gzip.open(folder / f"test_2016_flickr.{language}.gz", "rt", encoding="utf-8") as file:
            sides.append([line.rstrip("\n") for line in file][:ROWS])
    english, french = sides
    draws = Draws(seed=11)
    others = [*english[ROWS // 2 :], *english[: ROWS // 2]]
    answers = [degraded(*row, draws) for row in zip(english, others, french, strict=True)]
    return {"completions": answers, "reference": english, "source": french}


@pytest.fixture(scope="module")
def encoders():
    folder = Path(os.environ["SEMREWARD_MODELS"])
    return {
        name: SentenceTransformerEncoder(str(folder / name), prompt=prompt, device="cpu")
        for name, prompt in PROMPTS.items()
    }


def rewards_of(encoder, threshold):
    return {
        "similarity, threshold -1": SemanticSimilarityReward(encoder, threshold=-1.0),
        "similarity": SemanticSimilarityReward(encoder, threshold=threshold),
        "paper": paper_reward(encoder, "en", threshold),
        "recommended, source": recommended_reward(encoder, "en", threshold, source_column="source"),
    }


def calls_of(encoder, captions):
    completions, references = captions["completions"], captions["reference"]
    grouped = [references[row // 4 * 4] for row in range(len(references))]  # as if four samples shared a prompt
    groups = calibrate(encoder, completions, grouped, statistic="median", samples_per_prompt=4)
    results = {
        "calibrate, mean": dataclasses.asdict(calibrate(encoder, completions, references)),
        "calibrate, groups": dataclasses.asdict(groups),
        "similarity_score": similarity_score(encoder, completions, references).value,
    }
    for name in ("calibrate, mean", "calibrate, groups"):
        del results[name]["encoder_fingerprint"]
    return results


@pytest.fixture(scope="module")
def now(captions, encoders):
    """What today's code computes."""
    values, calls = {}, {}
    for name, encoder in encoders.items():
        for reward_name, reward in rewards_of(encoder, THRESHOLDS[name]).items():
            values[f"{name}, {reward_name}"] = reward(**captions)
        calls |= {f"{name}, {call}": result for call, result in calls_of(encoder, captions).items()}
    digest = hashlib.sha256("\n".join([*captions["completions"], *captions["source"]]).encode()).hexdigest()[:16]
    return Frozen(digest, values, calls)


@pytest.fixture(scope="module")
def frozen(now):
    if is_updating():
        update_frozen(FILE, now, TOLERANCE / 10)
    return read_frozen(FILE)


def test_captions_are_those_whose_values_are_frozen(frozen, now):
    assert now.rows == frozen.rows, "other captions or answers; no value can be compared"


@pytest.mark.parametrize("name", NAMES)
def test_reward_earns_its_frozen_values(name, frozen, now):
    found = list(differences(frozen.values[name], now.values[name], TOLERANCE, "row "))
    assert not found, f"`{name}` earns something else on {len(found)} of {ROWS} rows: {first_of(found)}"


def test_calls_return_their_frozen_results(frozen, now):
    found = list(differences(frozen.calls, now.calls, TOLERANCE))
    assert not found, first_of(found)
