"""The other functions whose results are frozen: one table, from a name to a call, and the data that they take.

Results are plain values: numbers, texts, `None`, and lists and mappings of them.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from frozen import rewards_under_test as rewards
from frozen.mixed_rows import (
    LANGUAGES,
    PEOPLE,
    PLACES,
    TAGS,
    Draws,
    MixedRow,
    Task,
    drawn_task,
    mixed_rows,
    text_of,
)
from semreward import (
    Answer,
    BleuReward,
    ChrfReward,
    LanguageConsistencyReward,
    MonitoredReward,
    RougeLReward,
    audit_reward,
    break_even_similarity,
    calibrate,
    calibrate_threshold,
    language_report,
    paper_reward,
    recommended_reward,
    threshold_rescale,
)
from semreward.evaluation import (
    bleu_score,
    chrf_score,
    cmrc_scores,
    graded_scores,
    language_consistency_score,
    mean_cosine,
    pair_auc,
    rank_correlation,
    retrieval_scores,
    rouge_l_score,
    similarity_score,
)

ENCODER, TAU = rewards.ENCODER, rewards.TAU
FEW = 24
MANY = 400
CALIBRATION_PROMPTS = 60
AUDIT_ROWS = 16

SPAN_KINDS = ("code", "urls", "latex", "tags")
ODD_NUMBERS = (
    ("三百零五", "305"),
    ("两万一千", "21000"),
    ("三百五", "350"),
    ("千万别去", "10000000"),
    ("万一", "10000"),
    ("三四十个", "30"),
    ("一九九零年", "1990"),
    ("一亿二千万", "120000000"),
    ("两三年", "2, 3"),
    ("九" * 30, "9"),
    ("十二亿", "1,200,000,000"),
    ("1.234.567,80", "1,234,567.8"),
    ("１，５００．５", "1500.5"),
    ("007 and 2.50", "7, 2.5"),
    ("3百万", "3000000"),
    ("1.5万", "15000"),
    ("٣٫٥", "3.5"),
    ("སུམ་ཅུ་སོ་གཉིས།", "32"),
    ("ཉེར་གཅིག", "21"),
    ("བཅུའི་ལྔས", "10 and 5"),
    ("བཅོ་བརྒྱད", "18"),
    ("ninety nine", "99"),
    ("one of 5, 6", "5, 7, 8"),
)
ODD_TEXTS = (
    r"ཀ \begin{align}x\begin{a}y\end{a}\end{align} ཁ",
    r"ཀ \end{a}\begin{a} x",
    r"ཀ \[a\] \\(b) $$c$$ $5 and $6",
    "ཀ ``a ` b`` `c` ~~~d~~~ ```e",
    "ཀ www.a.org a.b@c.org http://d.org/ཁ",
    "ཀ <a href='x' b=\"y\">ཁ</a> <|z|> &#65; <c",
    "ཀ ẹ\u0301" + "\u0323\u0301" * 700,
    "e" + "\u0301\u0323" * 20,
    "ཀ 5 µm 𝐡 ℓ ー ª",
    "Ａ\u034fÅ\u200d\u2066b\u2069",
    "ⅷ ½ ㈠ 12",
    "ᄒ\u1161\u11ab \u1f00\u0345",
)


@cache
def rows() -> tuple[MixedRow, ...]:
    return tuple(mixed_rows())


@cache
def complete_rows() -> tuple[MixedRow, ...]:
    return tuple(row for row in rows() if row.is_complete)


@cache
def distinct_tasks(count: int) -> tuple[Task, ...]:
    """Tasks whose references all differ."""
    draws, found = Draws(seed=7), {}
    while len(found) < count:
        task = drawn_task(draws)
        found.setdefault(task.references[0], task)
    return tuple(found.values())


def logged_on_few(make_reward: Callable[[], Any], *, complete: bool = False) -> dict[str, Any]:
    return rewards.logged(make_reward(), (complete_rows() if complete else rows())[:FEW])


def broken_down_on_few(make_reward: Callable[[], Any], *, complete: bool = False) -> dict[str, Any]:
    return rewards.breakdown(make_reward(), (complete_rows() if complete else rows())[:FEW])


def cosines() -> list[float | None]:
    """Raw cosines of a similarity reward, before its threshold."""
    many = rewards.columns_of(rows()[:MANY])
    logged: dict[str, Any] = {}
    rewards.similarity()(**many, log_extra=logged.__setitem__)
    found: list[float | None] = logged["semantic_similarity/similarity"]
    return found


def calibrated(**options: Any) -> dict[str, Any]:
    """A calibration on the samples of the first complete prompts, four per prompt."""
    samples = rewards.columns_of(complete_rows()[: 4 * CALIBRATION_PROMPTS])
    return dataclasses.asdict(calibrate(ENCODER, samples["completions"], samples["reference"], **options))


def calibrated_numbers(**options: Any) -> dict[str, Any]:
    samples = [[0.11, 0.52, 0.83], [0.42, 0.31, 0.23], [0.94, 0.91, 0.55], [-0.2, 0.05, 0.63]]
    return dataclasses.asdict(calibrate_threshold(samples, **options))


def audited(make_reward: Callable[[], Any], language: str, source_language: str) -> dict[str, Any]:
    """An audit's numbers: for each kind of honest answer, for each attack, and of the ranking."""
    pairs = [audit_pair(task, at, language, source_language) for at, task in enumerate(distinct_tasks(AUDIT_ROWS))]
    report = audit_reward(make_reward(), pairs, language=language, seed=3, hub_candidates=8)
    texts = ("description", "example", "kind")
    attacks = [dataclasses.asdict(attack) for attack in report.attacks]
    return {
        "levels": {level.name: dataclasses.asdict(level) for level in report.levels},
        "attacks": {item["name"]: {key: item[key] for key in item if key not in texts} for item in attacks},
        "weak_built": report.weak_built,
        "weights": report.weights,
        "mode": report.mode,
        "exit codes": [report.exit_code(), report.exit_code("matches_gold"), report.exit_code({"form": 0.1})],
    }


def audit_pair(task: Task, at: int, language: str, source_language: str) -> dict[str, Any]:
    """A row of an audit; every other one has a weak answer, and every third one a prompt of messages."""
    source = text_of(task.sentences, source_language, style=task.style)
    prompt = f"Translate: {source}"
    sentence, column = task.sentences[0], LANGUAGES.index(language)
    return {
        "reference": text_of(task.sentences, language, style=task.style),
        "weak": text_of(task.sentences[:1], language) if at % 2 else None,
        "source": source,
        "prompt": [{"role": "user", "content": prompt}] if at % 3 == 0 else prompt,
        "paraphrase": text_of(task.sentences, language, style=task.style, turned=True) if at % 4 else None,
        "other_language": text_of(task.sentences, "ru"),
        "entities": [PEOPLE[sentence.person][column]],
        "roles": [PEOPLE[sentence.person][column], PLACES[sentence.place][column]],
    }


def scores_of(language: str) -> dict[str, float]:
    """The scores of all complete rows of one language."""
    own = [row for row in complete_rows() if row.language in TAGS[language]]
    completions, references = [row.completion for row in own], [row.reference for row in own]
    return {
        "bleu": bleu_score(completions, references).value,
        "chrf": chrf_score(completions, references).value,
        "rouge_l": rouge_l_score(completions, references).value,
        "rouge_l, reasoning kept": rouge_l_score(completions, references, answer=Answer(reasoning="keep")).value,
        "similarity": similarity_score(ENCODER, completions, references).value,
        "language": language_consistency_score(completions, language).value,
        "language, detector": language_consistency_score(completions, language, detector=rewards.detector).value,
    }


def reading_scores() -> dict[str, Any]:
    """Predictions of all kinds for questions about Chinese and mixed passages."""
    paragraphs, predictions = [], {}
    for at, task in enumerate(distinct_tasks(40)):
        passage = text_of(task.sentences, "zh", style=task.style) + text_of(task.other, "en")
        answer = passage[at % 7 : at % 7 + 3 + at % 9]
        others = [answer[:-1] + "》", passage[-20 - at :]] if at % 3 else []
        found = [answer, *others] if at % 10 else [answer[::-1]]
        answers = [{"text": text, "answer_start": 0} for text in found]
        paragraphs.append({"context": passage, "qas": [{"id": f"q{at}", "question": "？", "answers": answers}]})
        said = (answer, f"《{answer}》。", passage[at % 5 : at % 5 + 9], "", passage, answer[::-1], passage[-30:])
        predictions[f"q{at}"] = said[at % len(said)]
    del predictions["q5"], predictions["q33"]
    return dataclasses.asdict(cmrc_scores(predictions, {"data": [{"paragraphs": paragraphs}]}))


def retrieved() -> dict[str, Any]:
    """Retrieval of paraphrases by the stand-in encoder, whose letters overlap within a language only."""
    tasks = distinct_tasks(60)
    anchors = ENCODER.encode([task.references[0] for task in tasks])
    positives = ENCODER.encode([text_of(task.sentences[:1], task.language, turned=True) for task in tasks])
    scores = retrieval_scores(anchors, positives)
    return {
        "forward": list(scores.forward),
        "backward": list(scores.backward),
        "auc": pair_auc(anchors, positives),
        "mean cosine": mean_cosine(anchors),
    }


def graded() -> dict[str, Any]:
    pairs = [
        (task.references[0], text_of([*task.sentences[: at % 3], *task.other], task.language), at % 3, task.language)
        for at, task in enumerate(distinct_tasks(60))
    ]
    return dict(graded_scores(ENCODER, pairs)._asdict())


def reported(language: str | None) -> list[dict[str, Any]]:
    """Letters by script and foreign spans of a few answers."""
    answers = [row.completion for row in rows() if isinstance(row.completion, str)][:20]
    return [
        {"letters": report.letters, "foreign": len(report.foreign), "consistent": report.consistent}
        for report in (language_report(answer, language) for answer in answers)
    ]


def odd_numbers(**options: Any) -> list[float | None]:
    """How numbers in all their forms are found in a reference, and the other way round."""
    reward = rewards.number_recall(**options)
    answers, references = zip(*ODD_NUMBERS, strict=True)
    return [
        *reward(completions=answers, reference=references),
        *reward(completions=references, reference=answers),
    ]


def odd_texts() -> dict[str, list[float | None]]:
    """What rewards make of spans, signs and letters that the mixed rows do not have."""
    judged = {
        "strip": LanguageConsistencyReward("bo", shape="ratio", strip=SPAN_KINDS),
        "strip latex": LanguageConsistencyReward("bo", shape="ratio", strip=("latex",)),
        "letters": LanguageConsistencyReward("en", shape="ratio"),
        "length": rewards.length(),
        "rouge_l": RougeLReward(),
        "chrf": ChrfReward(),
        "similarity": rewards.similarity(threshold=-1.0),
    }
    reference = ["ཀ་ཁ། a b"] * len(ODD_TEXTS)
    return {name: reward(completions=ODD_TEXTS, reference=reference) for name, reward in judged.items()}


def correlations() -> list[float | None]:
    return [
        rank_correlation([1, 2, 3, 4], [0.1, 0.4, 0.3, 0.9]),
        rank_correlation([1, 1, 2, 2, 3], [5.0, 4.0, 4.0, 8.0, 8.0]),
        rank_correlation([1, 2, 3], [7, 7, 7]),
        rank_correlation([], []),
    ]


def monitored() -> MonitoredReward:
    """A reward with judges that watch: their metrics are the monitor's."""
    judges = [ChrfReward(on_missing="none"), LanguageConsistencyReward("en", name="english")]
    return MonitoredReward(rewards.sum_of_several(), judges=judges)


paper = partial(paper_reward, ENCODER, threshold=TAU)
recommended = partial(recommended_reward, ENCODER, threshold=TAU)

CALLS: Mapping[str, Callable[[], Any]] = {
    "similarity, cosines": cosines,
    "logged, similarity": partial(logged_on_few, rewards.similarity),
    "logged, similarity, threshold -1": partial(logged_on_few, partial(rewards.similarity, threshold=-1.0)),
    "logged, similarity, on_error none": partial(logged_on_few, partial(rewards.similarity, on_error="none")),
    "logged, language with detector": partial(logged_on_few, partial(rewards.language, detector=rewards.detector)),
    "logged, bleu": partial(logged_on_few, partial(BleuReward, on_missing="none")),
    "logged, number_recall": partial(logged_on_few, rewards.number_recall),
    "logged, sum": partial(logged_on_few, rewards.sum_of_several),
    "logged, gate": partial(logged_on_few, rewards.gated_with_floor),
    "logged, composite of composites": partial(logged_on_few, rewards.composite_of_composites),
    "logged, paper": partial(logged_on_few, partial(paper, "bo"), complete=True),
    "logged, recommended": partial(logged_on_few, partial(recommended, "en", source_column="source"), complete=True),
    "logged, monitored": partial(logged_on_few, monitored),
    "breakdown, sum": partial(broken_down_on_few, rewards.sum_of_several),
    "breakdown, gate": partial(broken_down_on_few, rewards.gated_with_floor),
    "breakdown, paper": partial(broken_down_on_few, partial(paper, "zh"), complete=True),
    "breakdown, recommended": partial(
        broken_down_on_few, partial(recommended, "zh", source_column="prompts"), complete=True
    ),
    "calibrate, mean": calibrated,
    "calibrate, median": partial(calibrated, statistic="median", mismatched=False),
    "calibrate, youden": partial(calibrated, statistic="youden"),
    "calibrate, quantile": partial(calibrated, statistic=0.8, group_size=8),
    "calibrate, prompts": partial(calibrated, samples_per_prompt=4),
    "calibrate, groups": partial(calibrated, samples_per_prompt=4, group_size=2, statistic="youden"),
    "calibrate_threshold": calibrated_numbers,
    "calibrate_threshold, groups": partial(calibrated_numbers, group_size=2, statistic=0.25),
    "calibrate_threshold, youden": partial(
        calibrated_numbers, negatives=[0.05, 0.31, -0.4, 0.55, 0.2], statistic="youden"
    ),
    "threshold_rescale": lambda: threshold_rescale([-1.0, 0.2, 0.37, 0.371, 0.9, 1.0], TAU).tolist(),
    "break_even_similarity": lambda: [break_even_similarity(), break_even_similarity(2.0, 0.5, threshold=0.6)],
    "audit, paper, bo": partial(audited, partial(paper, "bo"), "bo", "zh"),
    "audit, recommended, bo": partial(audited, partial(recommended, "bo", source_column="source"), "bo", "zh"),
    "audit, similarity, zh": partial(audited, rewards.similarity, "zh", "en"),
    "audit, chrf, en": partial(audited, partial(ChrfReward, on_missing="none"), "en", "bo"),
    **{f"scores, {language}": partial(scores_of, language) for language in LANGUAGES},
    "cmrc_scores": reading_scores,
    "retrieval_scores": retrieved,
    "graded_scores": graded,
    "rank_correlation": correlations,
    "odd numbers": odd_numbers,
    "odd numbers, written_out": partial(odd_numbers, written_out=True),
    "odd texts": odd_texts,
    "language_report": partial(reported, None),
    "language_report, bo": partial(reported, "bo"),
}
