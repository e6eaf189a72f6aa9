"""Chinese reading comprehension: exact match and F1 as CMRC 2018 defines them, the paper's measure of alignment tax."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from semreward.arguments import check_count
from semreward.errors import ArgumentError, ArgumentTypeError, MissingDependencyError

Dataset: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]
"""Questions in SQuAD's layout (`data` > `paragraphs` > `qas`), or the path of a JSON file with them."""

# CMRC 2018 deletes these characters before it compares, and no others: ASCII commas, full stops and brackets stay, so
# does the opening quote U+2018, and so does an ellipsis, because the list names a pair of them as one character.
_DELETED = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")

_HAN_OR_OTHERS = re.compile("[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")


@dataclass(frozen=True)
class CmrcScores:
    """Results of a reading test."""

    exact_match: float  # share of questions with an exact answer, in percent
    f1: float  # mean F1 over questions, in percent
    average: float  # mean of the two ("Avg" of Table 3)
    total: int  # questions of the data set
    missing: int  # questions without a prediction; they count 0
    absent: int = 0  # questions whose answers are not in the passage, so that nobody can quote them; they count


class ReadingPrompt(NamedTuple):
    """One question about one passage."""

    id: str
    passage: str
    question: str


def cmrc_scores(predictions: Mapping[str, str], dataset: Dataset) -> CmrcScores:
    r"""Exact match and F1 of predicted answers, in percent; the best answer of a question counts.

    A prediction is exact if its `comparable_text` equals that of an answer.

    $$F_1 = \frac{2 P R}{P + R}, \quad P = L / |prediction|, \quad R = L / |answer|$$

    L is the length of the longest common *contiguous* run of `reading_tokens`; F1 is 0 if L is 0.

    Args:
        predictions: Question id to answer text; reasoning is not removed. A question without a prediction counts 0.
        dataset: Questions with answers in SQuAD's layout, or the path of a JSON file with them.

    Raises:
        ArgumentError: The data set breaks the layout, has no questions, or lacks a prediction's id or an answer.
        ArgumentTypeError: A prediction or the data set has the wrong type.
        FileNotFoundError: `dataset` is a path that does not exist.
        MissingDependencyError: nltk is not installed.

    Source:
        Cui et al. 2019, https://aclanthology.org/D19-1600, by the rules of its evaluation script, except that the
        script splits text other than Han into sentences, which differs only where such text holds several.

    Example:
        >>> squad = {"data": [{"paragraphs": [{"context": "他在北京。", "qas": [
        ...     {"id": "q1", "question": "他在哪里？", "answers": [{"text": "北京", "answer_start": 2}]}]}]}]}
        >>> cmrc_scores({"q1": "在北京。"}, squad)  # L = 2, P = 2/3, R = 1
        CmrcScores(exact_match=0.0, f1=80.0, average=40.0, total=1, missing=0, absent=0)
    """
    questions = reading_questions(dataset)
    _check_predictions(predictions, {prompt.id for prompt, _ in questions})
    exact, f1, absent = 0, 0.0, 0
    for prompt, answers in questions:
        if not answers:
            raise ArgumentError(f"`dataset` must answer every question, got none for {prompt.id!r}; use another split")
        absent += all(answer not in prompt.passage for answer in answers)
        if prompt.id in predictions:
            prediction = predictions[prompt.id]
            exact += comparable_text(prediction) in map(comparable_text, answers)
            f1 += max(reading_f1(prediction, answer) for answer in answers)
    total = len(questions)
    exact_percent, f1_percent = 100.0 * exact / total, 100.0 * f1 / total
    average = (exact_percent + f1_percent) / 2
    return CmrcScores(exact_percent, f1_percent, average, total, total - len(predictions), absent)


def reading_prompts(dataset: Dataset) -> Iterator[ReadingPrompt]:
    """The questions of a data set, in its order; they need no answers. Raises like `cmrc_scores`."""
    for prompt, _ in reading_questions(dataset):
        yield prompt


def first_questions(dataset: Dataset, count: int) -> dict[str, Any]:
    """A data set of the same layout with only the first `count` questions, at least 1; raises like `cmrc_scores`."""
    check_count("count", count)
    content = _content(dataset)
    reading_questions(content)  # checks the layout
    articles = []
    for article in content["data"]:
        paragraphs = []
        for paragraph in article["paragraphs"]:
            if asked := paragraph["qas"][:count]:
                paragraphs.append({**paragraph, "qas": asked})
                count -= len(asked)
        if paragraphs:
            articles.append({**article, "paragraphs": paragraphs})
    return {**content, "data": articles}


def comparable_text(text: str) -> str:
    """The form in which CMRC compares texts: lower case, stripped, then without the characters of its list.

    Example:
        >>> comparable_text(" 《ABC》, 1/2 ")
        'abc, 12'
    """
    return text.lower().strip().translate(_DELETED)


def reading_tokens(text: str) -> list[str]:
    """CMRC's tokens of a `comparable_text`: Han characters from U+4E00 to U+9FA5, and the words of all other text.

    Example:
        >>> reading_tokens("2018年A-B c，3.5%")
        ['2018', '年', 'ab', 'c3.5', '%']
    """
    tokens: list[str] = []
    for part in _HAN_OR_OTHERS.findall(comparable_text(text)):
        tokens += part if "\u4e00" <= part[0] <= "\u9fa5" else _words(part)
    return tokens


def reading_f1(prediction: str, answer: str) -> float:
    """CMRC's F1 of one prediction against one answer, in [0, 1]; 0 if they share no token.

    Example:
        >>> reading_f1("北京大学", "北京的大学")  # the longest common run has 2 tokens: P = 2/4, R = 2/5
        0.4444444444444444
    """
    predicted, wanted = reading_tokens(prediction), reading_tokens(answer)
    common = SequenceMatcher(None, predicted, wanted, autojunk=False).find_longest_match().size
    return 2 * common / (len(predicted) + len(wanted)) if common else 0.0


@lru_cache(maxsize=2**16)  # the same numbers and names come again and again
def _words(text: str) -> tuple[str, ...]:
    try:
        from nltk.tokenize import NLTKWordTokenizer
    except ModuleNotFoundError as error:
        if error.name != "nltk":
            raise  # nltk is there, but one of its own dependencies is missing
        raise MissingDependencyError("CMRC's F1 needs nltk; pip install 'semreward[eval]'") from error
    return tuple(NLTKWordTokenizer().tokenize(text))


def _check_predictions(predictions: Mapping[str, str], known: set[str]) -> None:
    if not isinstance(predictions, Mapping):
        raise ArgumentTypeError(f"`predictions` must map question ids to texts, got {type(predictions).__name__}")
    for name, text in predictions.items():
        if name not in known:
            raise ArgumentError(f"`predictions` has the unknown id {name!r}; is it from another split?")
        if not isinstance(text, str):
            raise ArgumentTypeError(f"`predictions` must be texts, got {text!r} for {name!r}; leave the question out")


def reading_questions(dataset: Dataset) -> list[tuple[ReadingPrompt, tuple[str, ...]]]:
    """All questions of a data set with their distinct answers, in its order; raises like `cmrc_scores`."""
    content = _content(dataset)
    questions = []
    try:
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                for item in paragraph["qas"]:
                    answers = dict.fromkeys(answer["text"] for answer in item.get("answers", ()))
                    prompt = ReadingPrompt(item["id"], paragraph["context"], item["question"])
                    questions.append((prompt, tuple(answers)))
    except (KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(
            "`dataset` must have the layout of SQuAD: data > paragraphs > context and qas, these with id, question and "
            f"answers with text; failed at {error!r}"
        ) from error
    if not questions:
        raise ArgumentError("`dataset` must hold at least one question, got none")
    for prompt, texts in questions:
        if not all(isinstance(text, str) for text in (*prompt[1:], *texts)):
            raise ArgumentError(f"`dataset` must hold texts only; passage, question or answer of {prompt.id!r} is not")
    [(question_id, times)] = Counter(prompt.id for prompt, _ in questions).most_common(1)
    if times > 1:
        raise ArgumentError(f"`dataset` must name each question once, got the id {question_id!r} twice; rename one")
    return questions


def _content(dataset: Dataset) -> Mapping[str, Any]:
    if isinstance(dataset, Mapping):
        return dataset
    if not isinstance(dataset, (str, os.PathLike)):
        raise ArgumentTypeError(f"`dataset` must be a mapping or a path, got {type(dataset).__name__}")
    try:
        content: Mapping[str, Any] = json.loads(Path(dataset).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ArgumentError(f"`dataset` must be a JSON file; {os.fspath(dataset)!r} is not: {error}") from error
    return content
