"""Chinese reading comprehension, the paper's measure of alignment tax: asked, and scored as CMRC 2018 defines it."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from semreward.arguments import check_count, is_column
from semreward.errors import ArgumentError, ArgumentTypeError, library
from semreward.evaluation.asking import AnswerFile, answerer_name, check_fields, key_of
from semreward.files import read_json, read_rows
from semreward.text import ReasoningPolicy, remove_reasoning

Dataset: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | os.PathLike[str]
"""Questions or a file of them: in SQuAD's layout (`data` > `paragraphs` > `qas`), CMRC's own (`context_text`, `qas`) or
a row per question (`id`, `context`, `question`, `answers` > `text`), as hub data sets have it."""

Reader: TypeAlias = Callable[[Sequence[str]], Sequence[str]]  # a batch of prompts to their answers

READING_PROMPT = "阅读短文，用短文中的原文回答问题。只写答案。\n短文：{passage}\n问题：{question}"
"""The default prompt: answer in the passage's own words, and with the answer only. The paper does not state its own."""

# CMRC 2018 deletes these characters before it compares, and no others: ASCII commas, full stops and brackets stay, so
# does the opening quote U+2018, and so does an ellipsis, because the list names a pair of them as one character.
_DELETED = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_HAN_OR_OTHERS = re.compile("[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")


class ReadingPrompt(NamedTuple):
    """One question about one passage, with its distinct answers."""

    id: str
    passage: str
    question: str
    answers: tuple[str, ...]


def reading_prompts(dataset: Dataset) -> list[ReadingPrompt]:
    """The questions of a data set, in its order; they need no answers.

    Raises an `ArgumentError` if the data set breaks its layout, has no questions, or its file cannot be read.
    """
    content = _content(dataset)
    questions: list[ReadingPrompt] = []
    try:
        if isinstance(content, Mapping):
            content = [paragraph for article in content["data"] for paragraph in article["paragraphs"]]
        for row in content:
            questions += _questions(row)
    except (KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(
            "`dataset` must have the layout of SQuAD: data > paragraphs > context and qas, these with id, question and "
            f"answers with text (the docs list two other layouts); failed after question {len(questions)} at {error!r}"
        ) from error
    if not questions:
        raise ArgumentError("`dataset` must hold at least one question, got none")
    for question in questions:
        if not all(isinstance(text, str) for text in (question.passage, question.question, *question.answers)):
            raise ArgumentError(f"`dataset` must hold texts only; a member of {question.id!r} is not")
    [(question_id, times)] = Counter(question.id for question in questions).most_common(1)
    if times > 1:
        raise ArgumentError(f"`dataset` must name each question once, got the id {question_id!r} twice; rename one")
    return questions


def first_questions(dataset: Dataset, count: int) -> list[dict[str, Any]]:
    """The first `count` questions of a data set as rows, as hub data sets have them; raises like `reading_prompts`."""
    check_count("count", count)
    return [
        {"id": name, "context": passage, "question": question, "answers": {"text": answers}}
        for name, passage, question, answers in reading_prompts(dataset)[:count]
    ]


def _content(dataset: Dataset) -> Any:
    """What a data set holds: a mapping in SQuAD's layout, or rows."""
    content: Any = dataset
    if isinstance(dataset, (str, os.PathLike)):
        is_json = str(dataset).removesuffix(".gz").endswith(".json")
        content = read_json(dataset) if is_json else list(read_rows(dataset, split="validation"))
    is_rows = is_column(content) and all(isinstance(row, Mapping) for row in content)
    if not is_rows and not isinstance(content, Mapping):
        raise ArgumentTypeError(f"`dataset` must be a mapping or a path, or rows, got {type(content).__name__}")
    return content


def _questions(row: Mapping[str, Any]) -> Iterator[ReadingPrompt]:
    """The questions of one passage, in each of the layouts."""
    passage = row["context_text"] if "context_text" in row else row["context"]
    for item in row.get("qas", [row]):
        answers = item.get("answers") or ()
        if "query_id" in item:
            name, question, texts = item["query_id"], item["query_text"], answers
        else:
            texts = answers.get("text") or () if isinstance(answers, Mapping) else [each["text"] for each in answers]
            name, question = item["id"], item["question"]
        yield ReadingPrompt(name, passage, question, tuple(dict.fromkeys([texts] if isinstance(texts, str) else texts)))


def reading_answers(
    reader: Reader,
    dataset: Dataset,
    *,
    path: str | os.PathLike[str] | None = None,
    prompt: str = READING_PROMPT,
    batch_size: int = 16,
    reasoning: ReasoningPolicy = "remove",
) -> dict[str, str]:
    """The answers of a model to all questions of a data set, by id and in its order, ready for `cmrc_scores`.

    They have no outer white space. Answers of other models or to other prompts in the file are left alone.

    Args:
        reader: `ChatModel` or a function. Its attribute `signature`, a text, names it in the file of answers.
        dataset: Questions; `first_questions` takes a part.
        path: JSON lines file that keeps the answers; the reader is asked only for those that it lacks.
        prompt: Text with the fields `{passage}` and `{question}`; other braces are doubled.
        batch_size: Prompts per batch. If memory runs out, call again with fewer: earlier answers are kept.
        reasoning: What becomes of `<think>` blocks in the result; see `semreward.text.remove_reasoning`.

    Raises:
        ArgumentError: As for `reading_prompts`, or the prompt has other fields, a reader with a file has no
            `signature`, or it returns another number of answers.

    Source:
        Su et al. 2026, section 4.1.1, https://arxiv.org/abs/2605.14366, which states neither split nor prompt.
    """
    from tqdm.auto import tqdm

    check_fields(prompt, ("passage", "question"), argument="prompt")
    check_count("batch_size", batch_size)
    remove_reasoning("", policy=reasoning)  # a wrong policy must show before anything is asked
    name = answerer_name(reader, argument="reader", keeps=path is not None)
    questions = reading_prompts(dataset)
    prompts = [prompt.format(passage=question.passage, question=question.question) for question in questions]
    keys = [key_of(name, text) for text in prompts]
    answers = AnswerFile(path)
    todo = [row for row, key in enumerate(keys) if key not in answers]
    todo.sort(key=lambda row: -len(prompts[row]))  # similar lengths share a batch; what does not fit shows at once
    for start in tqdm(range(0, len(todo), batch_size), desc="reading", unit="batch", disable=None):
        rows = todo[start : start + batch_size]
        for row, answer in zip(rows, _answers(reader, [prompts[row] for row in rows]), strict=True):
            answers.add(keys[row], answer, id=questions[row].id)
    return {
        question.id: remove_reasoning(answers[key], policy=reasoning).strip()
        for question, key in zip(questions, keys, strict=True)
    }


def _answers(reader: Reader, prompts: list[str]) -> list[str]:
    answers: Any = reader(prompts)
    if not is_column(answers):
        raise ArgumentTypeError(f"`reader` must return a list of texts, one per prompt, got {type(answers).__name__}")
    if len(answers) != len(prompts):
        raise ArgumentError(f"`reader` must return one answer per prompt: {len(prompts)} expected, got {len(answers)}")
    if wrong := [answer for answer in answers if not isinstance(answer, str)]:
        raise ArgumentTypeError(f"`reader` must return texts, got {type(wrong[0]).__name__}")
    return list(answers)


@dataclass(frozen=True)
class CmrcScores:
    """Results of a reading test."""

    exact_match: float  # share of questions with an exact answer, in percent
    f1: float  # mean F1 over questions, in percent
    average: float  # mean of the two ("Avg" of Table 3)
    total: int  # questions of the data set
    missing: int  # questions without a prediction; they count 0
    absent: int = 0  # questions whose answers are not in the passage, so that nobody can quote them; they count


def cmrc_scores(predictions: Mapping[str, str], dataset: Dataset) -> CmrcScores:
    r"""Exact match and F1 of predicted answers, in percent; the best answer of a question counts.

    A prediction is exact if its `comparable_text` equals that of an answer.

    $$F_1 = \frac{2 P R}{P + R}, \quad P = L / |prediction|, \quad R = L / |answer|$$

    L is the length of the longest common *contiguous* run of `reading_tokens`; F1 is 0 if L is 0.

    `predictions` map question ids to answers, without reasoning. A question without a prediction counts 0.

    Raises:
        ArgumentError: As for `reading_prompts`, or a question has no answer, or a prediction's id is unknown.
        MissingDependencyError: nltk is not installed.

    Source:
        Cui et al. 2019, https://aclanthology.org/D19-1600, by the rules of its evaluation script, except that the
        script splits text other than Han into sentences, which differs only where such text holds several.
    """
    questions = reading_prompts(dataset)
    if not isinstance(predictions, Mapping):
        raise ArgumentTypeError(f"`predictions` must map question ids to texts, got {type(predictions).__name__}")
    if unknown := predictions.keys() - {question.id for question in questions}:
        raise ArgumentError(f"`predictions` has the unknown id {next(iter(unknown))!r}; is it from another split?")
    for name, text in predictions.items():
        if not isinstance(text, str):
            raise ArgumentTypeError(f"`predictions` must be texts, got {text!r} for {name!r}; leave the question out")
    exact, f1, absent = 0, 0.0, 0
    for name, passage, _, answers in questions:
        if not answers:
            raise ArgumentError(f"`dataset` must answer every question, got none for {name!r}; use another split")
        absent += all(answer not in passage for answer in answers)
        if name in predictions:
            exact += comparable_text(predictions[name]) in map(comparable_text, answers)
            f1 += max(reading_f1(predictions[name], answer) for answer in answers)
    total = len(questions)
    exact_percent, f1_percent = 100.0 * exact / total, 100.0 * f1 / total
    average = (exact_percent + f1_percent) / 2
    return CmrcScores(exact_percent, f1_percent, average, total, total - len(predictions), absent)


def comparable_text(text: str) -> str:
    """The form in which CMRC compares texts: lower case, stripped, then without the characters of its list."""
    return text.lower().strip().translate(_DELETED)


def reading_tokens(text: str) -> list[str]:
    """CMRC's tokens of a `comparable_text`: Han characters from U+4E00 to U+9FA5, and the words of all other text."""
    tokens: list[str] = []
    for part in _HAN_OR_OTHERS.findall(comparable_text(text)):
        tokens += part if "\u4e00" <= part[0] <= "\u9fa5" else _words(part)
    return tokens


def reading_f1(prediction: str, answer: str) -> float:
    """CMRC's F1 of one prediction against one answer, in [0, 1]; 0 if they share no token."""
    predicted, wanted = reading_tokens(prediction), reading_tokens(answer)
    common = SequenceMatcher(None, predicted, wanted, autojunk=False).find_longest_match().size
    return 2 * common / (len(predicted) + len(wanted)) if common else 0.0


@lru_cache(maxsize=2**16)  # the same numbers and names come again and again
def _words(text: str) -> tuple[str, ...]:
    return tuple(library("nltk", "semreward[eval]").tokenize.NLTKWordTokenizer().tokenize(text))
