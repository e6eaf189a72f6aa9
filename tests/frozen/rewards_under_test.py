"""The rewards whose values are frozen: one table, from a name to what makes the reward.

A change of the interface changes this file and `calls_under_test.py`, never the frozen values: a name here stays what
it computes. Entries of `ON_ALL_ROWS` take every row; those of `ON_COMPLETE_ROWS` refuse a missing column, and are
called with the rows that miss none.
"""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from doubles import BigramEncoder
from frozen.mixed_rows import MixedRow
from semreward import (
    Answer,
    BleuReward,
    ChrfReward,
    CompositeReward,
    LanguageConsistencyReward,
    LengthRatioGuard,
    MonitoredReward,
    NumberRecallReward,
    RepetitionGuard,
    RougeLReward,
    SemanticSimilarityReward,
    SourceCopyGuard,
    calibrate_threshold,
    paper_reward,
    recommended_reward,
)

ENCODER = BigramEncoder()
TAU = 0.37

_LABELS = ("bod_Tibt", "zho_Hans", "eng_Latn", "rus_Cyrl")


def detector(texts: list[str]) -> list[dict[str, float]]:
    """A language detector whose probabilities follow from a hash of the text, for every language alike."""
    return [dict.fromkeys(_LABELS, zlib.crc32(text.encode()) % 1000 / 1000) for text in texts]


def label_detector(texts: list[str]) -> list[str]:
    """A detector that names one label per text."""
    return ["__label__dzo_Tibt" if len(text) % 3 == 0 else "__label__bod_Tibt" for text in texts]


def brevity(completions: Sequence[Any], **columns: Any) -> list[float | None]:
    """A user's own reward: 1, 0.5, 0.25, ... as completions get longer; does not apply to an empty list of messages."""
    return [None if completion == [] else 2.0 ** -(len(str(completion)) // 100) for completion in completions]


brevity.bounds = (0.0, 1.0)  # type: ignore[attr-defined] # a function may declare its bounds

similarity = partial(SemanticSimilarityReward, ENCODER, threshold=TAU, on_missing="none")
language = partial(LanguageConsistencyReward, language_column="language", on_missing="none")
length = partial(LengthRatioGuard, on_missing="none")
repetition = partial(RepetitionGuard, on_missing="none")
source_copy = partial(SourceCopyGuard, on_missing="none")
number_recall = partial(NumberRecallReward, on_missing="none")


def sum_of_several() -> CompositeReward:
    """A sum with a penalty, an async component and a function; any of them may not apply to a row."""
    return CompositeReward(
        [
            (similarity(), 1.5),
            (language(), 1.0),
            (number_recall().as_async(), 0.25),
            (repetition(), 0.5),
            (brevity, -0.5),
            (length(), 0.0),
        ]
    )


def gated_by_language() -> CompositeReward:
    """The paper's sum and a penalty behind one gate; the floor follows from the components' bounds."""
    return CompositeReward(
        [(similarity(), 1.5), (language(), 1.0), (brevity, -0.5)], mode="gate", gates=["language_consistency"]
    )


def gated_with_floor() -> CompositeReward:
    """Three gates with a threshold and a floor that is given; one of them weighs nothing."""
    return CompositeReward(
        [(similarity(), 1.5), (language(shape="ratio"), 1.0), (length(), 0.0), (number_recall(), 0.5)],
        mode="gate",
        gates=["language_consistency", "length_ratio", "number_recall"],
        gate_threshold=0.6,
        floor=-0.25,
    )


def composite_of_composites() -> CompositeReward:
    inner = CompositeReward([(similarity(), 1.0), (repetition(), -0.5)], name="inner")
    return CompositeReward([(inner, 1.5), (language(), 0.5)], name="outer")


def calibrated_similarity() -> SemanticSimilarityReward:
    """A similarity whose threshold is a calibration."""
    return similarity(threshold=calibrate_threshold([0.81, 0.89, 0.91, 0.97], statistic="median"))


ON_ALL_ROWS: Mapping[str, Callable[[], Any]] = {
    "similarity": similarity,
    "similarity, threshold 0.9": partial(similarity, threshold=0.9),
    "similarity, calibrated": calibrated_similarity,
    "similarity, reasoning kept": partial(similarity, answer=Answer(reasoning="keep")),
    "similarity, reasoning prefilled": partial(similarity, answer=Answer(reasoning="prefilled")),
    "similarity, on_error none": partial(similarity, on_error="none"),
    "similarity, another column": partial(similarity, threshold=0.7, reference_column="translation"),
    "language, bo": partial(LanguageConsistencyReward, "bo"),
    "language, zh-Hant": partial(LanguageConsistencyReward, "zh-Hant"),
    "language, en": partial(LanguageConsistencyReward, "en"),
    "language, sr": partial(LanguageConsistencyReward, "sr"),
    "language, ja": partial(LanguageConsistencyReward, "ja"),
    "language, scripts": partial(LanguageConsistencyReward, scripts=("Tibt", "Hani")),
    "language, column": language,
    "language, column or bo": partial(LanguageConsistencyReward, "bo", language_column="language"),
    "language, reasoning kept": partial(language, answer=Answer(reasoning="keep")),
    "language, reasoning prefilled": partial(language, answer=Answer(reasoning="prefilled")),
    "language, tolerance": partial(language, tolerance=0.1),
    "language, ratio": partial(language, shape="ratio"),
    "language, ratio, tolerance": partial(language, shape="ratio", tolerance=0.2),
    "language, allowed": partial(language, shape="ratio", allowed=("GPT", "iPhone", "拉萨", re.compile("[A-Z]{2,}"))),
    "language, strip all": partial(language, strip=("code", "urls", "latex", "tags")),
    "language, strip code": partial(language, shape="ratio", strip=("code",)),
    "language, detector": partial(language, detector=detector),
    "language, detector of labels": partial(
        LanguageConsistencyReward, "bo", detector=label_detector, shape="ratio", strip=("urls", "tags")
    ),
    "language, detector threshold": partial(language, detector=detector, detector_threshold=0.2, tolerance=0.05),
    "bleu": partial(BleuReward, on_missing="none"),
    "chrf": partial(ChrfReward, on_missing="none"),
    "rouge_l": partial(RougeLReward, on_missing="none"),
    "length": length,
    "length, narrow": partial(length, 0.8, 1.2, slack=0),
    "repetition": repetition,
    "repetition, reference": partial(repetition, reference_column="reference"),
    "source_copy": source_copy,
    "source_copy, prompts": partial(source_copy, "prompts", reference_column=None),
    "number_recall": number_recall,
    "number_recall, source": partial(number_recall, source_column="source"),
    "number_recall, written_out": partial(number_recall, written_out=True),
    "number_recall, written_out, prompts": partial(number_recall, written_out=True, source_column="prompts"),
    "composite, sum": sum_of_several,
    "composite, gate": gated_by_language,
    "composite, gate with floor": gated_with_floor,
    "composite of composites": composite_of_composites,
    "monitored": lambda: MonitoredReward(sum_of_several()),
}

ON_COMPLETE_ROWS: Mapping[str, Callable[[], Any]] = {
    "similarity, on_missing raise": partial(SemanticSimilarityReward, ENCODER, threshold=TAU),
    "language, on_missing raise": partial(LanguageConsistencyReward, language_column="language"),
    "rouge_l, on_missing raise": RougeLReward,
    "paper, bo": partial(paper_reward, ENCODER, "bo", TAU),
    "paper, en": partial(paper_reward, ENCODER, "en", TAU),
    "recommended, bo": partial(recommended_reward, ENCODER, "bo", TAU),
    "recommended, bo, source": partial(recommended_reward, ENCODER, "bo", TAU, source_column="source"),
    "recommended, zh, prompts": partial(recommended_reward, ENCODER, "zh", TAU, source_column="prompts"),
    "recommended, en, written_out": partial(
        recommended_reward, ENCODER, "en", TAU, source_column="source", written_out=True, length=(0.7, 1.3)
    ),
    "recommended, ru, source": partial(recommended_reward, ENCODER, "ru", TAU, source_column="source"),
}

NAMES = (*ON_ALL_ROWS, *ON_COMPLETE_ROWS)


def reward_named(name: str) -> Any:
    return (ON_ALL_ROWS.get(name) or ON_COMPLETE_ROWS[name])()


def columns_of(rows: Sequence[MixedRow]) -> dict[str, list[Any]]:
    """A trainer's call with these rows, as keyword arguments."""
    return {
        "completions": [row.completion for row in rows],
        "prompts": [row.prompt for row in rows],
        "reference": [row.reference for row in rows],
        "source": [row.source for row in rows],
        "language": [row.language for row in rows],
        "translation": [row.translation for row in rows],
    }


def values_of(name: str, rows: Sequence[MixedRow]) -> list[float | None]:
    """What the reward of that name earns on all rows; `None` also where it is not called with the row."""
    called = [at for at, row in enumerate(rows) if name in ON_ALL_ROWS or row.is_complete]
    earned = reward_named(name)(**columns_of([rows[at] for at in called]))
    values: list[float | None] = [None] * len(rows)
    for at, value in zip(called, earned, strict=True):
        values[at] = value
    return values


def logged(reward: Any, rows: Sequence[MixedRow]) -> dict[str, Any]:
    """The values of one call, and the metrics and columns that it logs, by name."""
    metrics: dict[str, float] = {}
    columns: dict[str, list[Any]] = {}
    values = reward(**columns_of(rows), log_metric=metrics.__setitem__, log_extra=columns.__setitem__)
    return {"values": values, "metrics": metrics, "columns": columns}


def breakdown(reward: CompositeReward, rows: Sequence[MixedRow]) -> dict[str, list[float | None]]:
    """The parts of a composite, `None` for NaN."""
    parts = reward.breakdown(**columns_of(rows))
    return {name: [None if np.isnan(value) else value for value in values.tolist()] for name, values in parts.items()}
