"""Reading comprehension: every question has one answer, and the file is one that semreward's evaluation reads."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniature.reading import RELATIONS, ReadingItem, Relation, sample_item, sample_items, to_cmrc
from semreward.evaluation import cmrc_scores
from semreward.evaluation.reading import reading_prompts

items = st.builds(sample_item, st.randoms(use_true_random=False), facts=st.integers(1, len(RELATIONS)))


def relation_asked(item: ReadingItem) -> Relation:
    """The kind of fact that a question asks for."""
    endings = {pattern.removeprefix("{name}"): relation for relation in RELATIONS for pattern in relation.questions}
    return next(relation for ending, relation in endings.items() if item.question.endswith(ending))


@given(item=items)
def test_answer_stands_once_in_the_passage(item: ReadingItem) -> None:
    assert item.passage.count(item.answer) == 1


@given(item=items)
def test_passage_holds_one_answer_to_the_question(item: ReadingItem) -> None:
    assert [answer for answer in relation_asked(item).answers if answer in item.passage] == [item.answer]


@given(item=items)
def test_question_is_about_the_person_of_the_passage(item: ReadingItem) -> None:
    assert item.passage.startswith(item.question[:2])


@given(rng=st.randoms(use_true_random=False), facts=st.integers(1, len(RELATIONS)))
def test_passage_states_the_requested_number_of_facts(rng: random.Random, facts: int) -> None:
    assert sample_item(rng, facts=facts).passage.count("。") == facts


@pytest.fixture(scope="module")
def sampled() -> list[ReadingItem]:
    return sample_items(random.Random(5), 200)


def test_sampled_passages_differ(sampled: list[ReadingItem]) -> None:
    assert len({item.passage for item in sampled}) == len(sampled) == 200


def test_answer_starts_where_the_file_says(sampled: list[ReadingItem]) -> None:
    for paragraph in to_cmrc(sampled)["data"][0]["paragraphs"]:
        answer: dict[str, Any] = paragraph["qas"][0]["answers"][0]
        assert paragraph["context"][answer["answer_start"] :].startswith(answer["text"])


def test_gold_answers_score_one_hundred(sampled: list[ReadingItem]) -> None:
    pytest.importorskip("nltk", reason="needs the extra `eval`")
    dataset = to_cmrc(sampled)
    prompts = list(reading_prompts(dataset))
    gold = {prompt.id: item.answer for prompt, item in zip(prompts, sampled, strict=True)}
    scores = cmrc_scores(gold, dataset)
    assert (scores.exact_match, scores.f1, scores.total, scores.missing) == (100.0, 100.0, 200, 0)


def test_evaluation_reads_passages_and_questions_in_order(sampled: list[ReadingItem]) -> None:
    read = [(prompt.passage, prompt.question) for prompt in reading_prompts(to_cmrc(sampled))]
    assert read == [(item.passage, item.question) for item in sampled]
