"""Chinese reading comprehension: exact match and F1 as CMRC 2018 defines them, the paper's measure of alignment tax."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from semreward.errors import ArgumentError, ArgumentTypeError, MissingDependencyError

Dataset: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]
"""Questions in the layout of SQuAD (`data` > `paragraphs` > `qas`), or the path of a JSON file with them."""

# What CMRC 2018 deletes before it compares, and nothing else: its list also names the pair of ellipsis signs, which no
# single character equals, so an ellipsis stays; so do ASCII commas, full stops, brackets, and the opening quote U+2018.
_DELETED = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")

_FIRST_HAN, _LAST_HAN = "\u4e00", "\u9fa5"
_PARTS = re.compile(f"[{_FIRST_HAN}-{_LAST_HAN}]|[^{_FIRST_HAN}-{_LAST_HAN}]+")


@dataclass(frozen=True)
class CmrcScores:
    """Results of a reading test.

    Attributes:
        exact_match: Share of questions answered to the letter, in percent.
        f1: Mean F1 over questions, in percent.
        average: Mean of the two ("Avg" of Table 3).
        total: Number of questions in the data set.
        missing: How many of them had no prediction; they count 0.
        absent: How many of them have no answer that stands in the passage, character by character; they count as all
            others do, though nobody can quote such an answer.
    """

    exact_match: float
    f1: float
    average: float
    total: int
    missing: int
    absent: int = 0


class ReadingPrompt(NamedTuple):
    """One question about one passage."""

    id: str
    passage: str
    question: str


class ReadingQuestion(NamedTuple):
    """One question about one passage, with all answers that count as right."""

    prompt: ReadingPrompt
    answers: tuple[str, ...]


def cmrc_scores(predictions: Mapping[str, str], dataset: Dataset) -> CmrcScores:
    r"""Exact match and F1 of predicted answers, in percent.

    Texts are lower-cased, stripped, and freed of CMRC's list of signs. A prediction is exact if it then equals
    an answer.

    $$F_1 = \frac{2 P R}{P + R}, \quad P = L / |prediction|, \quad R = L / |answer|$$

    where L is the length of their longest common *contiguous* run of tokens, and F1 is 0 where L is 0. Tokens are Han
    characters, and the words of what stands between them. Of several answers the best counts.

    Args:
        predictions: Question id to answer text; not cleaned of reasoning.
        dataset: Questions with answers in the layout of SQuAD, or the path of a JSON file with them.

    Returns:
        Scores in [0, 100] over all questions; those without a prediction count 0.

    Raises:
        ArgumentError: A prediction's id is not in the data set, the data set breaks the layout, a question has no
            answers, or there are no questions.
        ArgumentTypeError: A prediction or the data set has the wrong type.
        FileNotFoundError: `dataset` is a path at which nothing is.
        MissingDependencyError: nltk is not installed.

    Source:
        Cui et al. 2019, https://aclanthology.org/D19-1600, by the rules of its evaluation script for the SQuAD layout.
        The script also splits runs of other letters into sentences, by a model that has to be downloaded: we do not,
        which can differ only where a run holds several sentences.

    Example:
        >>> squad = {"data": [{"paragraphs": [{"context": "他在北京。", "qas": [
        ...     {"id": "q1", "question": "他在哪里？", "answers": [{"text": "北京", "answer_start": 2}]}]}]}]}
        >>> cmrc_scores({"q1": "在北京。"}, squad)  # L = 2, P = 2/3, R = 1
        CmrcScores(exact_match=0.0, f1=80.0, average=40.0, total=1, missing=0, absent=0)
    """
    questions = reading_questions(dataset)
    _check_predictions(predictions, {question.prompt.id for question in questions})
    exact, f1 = 0, 0.0
    for question in questions:
        if not question.answers:
            raise ArgumentError(
                f"`dataset` must give answers to every question, got none for {question.prompt.id!r}; "
                "use a split with public answers"
            )
        if question.prompt.id in predictions:
            prediction = predictions[question.prompt.id]
            text, tokens = comparable_text(prediction), reading_tokens(prediction)
            answers = dict.fromkeys(question.answers)  # annotators often agree
            exact += max(int(text == comparable_text(answer)) for answer in answers)
            f1 += max(_f1(tokens, reading_tokens(answer)) for answer in answers)
    total = len(questions)
    exact_percent, f1_percent = 100.0 * exact / total, 100.0 * f1 / total
    return CmrcScores(
        exact_match=exact_percent,
        f1=f1_percent,
        average=(exact_percent + f1_percent) / 2,
        total=total,
        missing=sum(question.prompt.id not in predictions for question in questions),
        absent=sum(all(answer not in question.prompt.passage for answer in question.answers) for question in questions),
    )


def reading_prompts(dataset: Dataset) -> Iterator[ReadingPrompt]:
    """The questions of a data set, in its order; answers are not needed.

    Args:
        dataset: Questions in the layout of SQuAD, or the path of a JSON file with them.

    Yields:
        Triples of id, passage and question.

    Raises:
        ArgumentError: The data set breaks the layout, or holds no questions.
        ArgumentTypeError: The data set has the wrong type.
        FileNotFoundError: `dataset` is a path at which nothing is.
    """
    for question in reading_questions(dataset):
        yield question.prompt


def first_questions(dataset: Dataset, count: int) -> dict[str, Any]:
    """A data set of only the first questions, to ask and score a part of it.

    Args:
        dataset: Questions in the layout of SQuAD, or the path of a JSON file with them.
        count: How many questions to keep, at least 1; all where there are fewer.

    Returns:
        The same layout; paragraphs and articles without a question are left out.

    Raises:
        ArgumentError: The data set breaks the layout, holds no questions, or `count` is below 1.
        ArgumentTypeError: The data set has the wrong type.
        FileNotFoundError: `dataset` is a path at which nothing is.

    Example:
        >>> squad = {"data": [{"paragraphs": [{"context": "他在北京。", "qas": [
        ...     {"id": name, "question": "他在哪里？", "answers": [{"text": "北京"}]} for name in ("q1", "q2")]}]}]}
        >>> [prompt.id for prompt in reading_prompts(first_questions(squad, 1))]
        ['q1']
    """
    if count < 1:
        raise ArgumentError(f"`count` must be at least 1, got {count}")
    kept = {question.prompt.id for question in reading_questions(dataset)[:count]}
    content = _content(dataset)
    articles = []
    for article in content["data"]:
        paragraphs = [
            {**paragraph, "qas": [item for item in paragraph["qas"] if item["id"] in kept]}
            for paragraph in article["paragraphs"]
        ]
        if paragraphs := [paragraph for paragraph in paragraphs if paragraph["qas"]]:
            articles.append({**article, "paragraphs": paragraphs})
    return {**content, "data": articles}


def comparable_text(text: str) -> str:
    """The form in which CMRC compares texts: lower case, stripped, then freed of its list of signs.

    White space inside stays, also where a deleted sign leaves it at an end.

    Example:
        >>> comparable_text(" 《ABC》, 1/2 ")
        'abc, 12'
    """
    return text.lower().strip().translate(_DELETED)


def reading_tokens(text: str) -> list[str]:
    """CMRC's tokens: each Han character from U+4E00 to U+9FA5, and the words of every run of other characters.

    Signs of CMRC's list vanish before runs are cut, so that what stood around them grows together.

    Example:
        >>> reading_tokens("2018年A-B c，3.5%")
        ['2018', '年', 'ab', 'c3.5', '%']
    """
    tokens: list[str] = []
    for part in _PARTS.findall(comparable_text(text)):
        tokens += part if _FIRST_HAN <= part[0] <= _LAST_HAN else _words(part)
    return tokens


def reading_f1(prediction: str, answer: str) -> float:
    """CMRC's F1 of one prediction against one answer, in [0, 1]; 0 where no token is common.

    Example:
        >>> reading_f1("北京大学", "北京的大学")  # the longest common run has 2 tokens: P = 2/4, R = 2/5
        0.4444444444444444
    """
    return _f1(reading_tokens(prediction), reading_tokens(answer))


def _f1(predicted: Sequence[str], wanted: Sequence[str]) -> float:
    common = _common_run_length(predicted, wanted)
    return 2 * common / (len(predicted) + len(wanted)) if common else 0.0


def _common_run_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest run of tokens that two sequences share.

    Each token becomes one character, so that Python's own search of texts finds runs.
    """
    characters: dict[str, str] = {}
    shorter, longer = (
        "".join(characters.setdefault(token, chr(len(characters))) for token in tokens)
        for tokens in sorted((first, second), key=len)
    )
    longest = 0
    for start in range(len(shorter)):
        while start + longest < len(shorter) and shorter[start : start + longest + 1] in longer:
            longest += 1
    return longest


@lru_cache(maxsize=2**16)
def _words(run: str) -> tuple[str, ...]:
    """The words of a run of other characters than Han; the same numbers and names come again and again."""
    return tuple(_word_tokenizer().tokenize(run)) if run.strip() else ()


@lru_cache(maxsize=1)
def _word_tokenizer() -> Any:
    try:
        from nltk.tokenize import NLTKWordTokenizer
    except ModuleNotFoundError as error:
        if error.name != "nltk":
            raise  # nltk is there, and something that it needs is not
        raise MissingDependencyError("CMRC's F1 needs nltk; pip install 'semreward[eval]'") from error
    return NLTKWordTokenizer()


def _check_predictions(predictions: Mapping[str, str], known: set[str]) -> None:
    if not isinstance(predictions, Mapping):
        raise ArgumentTypeError(f"`predictions` must map question ids to texts, got {type(predictions).__name__}")
    for question_id, prediction in predictions.items():
        if question_id not in known:
            raise ArgumentError(
                f"`predictions` must answer questions of the data set, got the unknown id {question_id!r}; "
                "is it from another split?"
            )
        if not isinstance(prediction, str):
            raise ArgumentTypeError(
                f"`predictions` must be texts, got {prediction!r} for {question_id!r}; leave unanswered questions out"
            )


def reading_questions(dataset: Dataset) -> list[ReadingQuestion]:
    """All questions of a data set, in its order; raises as `reading_prompts` does."""
    content = _content(dataset)
    try:
        questions = [
            ReadingQuestion(
                ReadingPrompt(item["id"], paragraph["context"], item["question"]),
                tuple(answer["text"] for answer in item.get("answers", ())),
            )
            for article in content["data"]
            for paragraph in article["paragraphs"]
            for item in paragraph["qas"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(
            "`dataset` must have the layout of SQuAD: data > paragraphs > context and qas, these with id, question and "
            f"answers of text; stumbled over {error!r}"
        ) from error
    if not questions:
        raise ArgumentError("`dataset` must hold at least one question, got none")
    ids = [question.prompt.id for question in questions]
    if len(set(ids)) < len(ids):
        twice = next(question_id for question_id in ids if ids.count(question_id) > 1)
        raise ArgumentError(f"`dataset` must name each question once, got the id {twice!r} twice; rename one")
    return questions


def _content(dataset: Dataset) -> Mapping[str, Any]:
    if isinstance(dataset, Mapping):
        return dataset
    if not isinstance(dataset, (str, os.PathLike)):
        raise ArgumentTypeError(f"`dataset` must be a mapping or a path, got {type(dataset).__name__}")
    try:
        content: Mapping[str, Any] = json.loads(Path(dataset).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ArgumentError(f"`dataset` must be a JSON file, but {os.fspath(dataset)!r} is none: {error}") from error
    return content
