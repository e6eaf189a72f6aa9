"""What the base policy reads: shares as stated, code-switching included, evaluation passages left out."""

import random
from collections.abc import Collection

import pytest
import regex

from miniature.documents import REQUESTS_TO_REPEAT, Document, Mix, sample_documents
from miniature.topics import CHARACTERS, UNFAMILIAR, sample_text

COUNT = 3000


def documents_of(mix: Mix, excluded: Collection[str] = ()) -> list[Document]:
    return list(sample_documents(random.Random(11), COUNT, mix, excluded))


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return documents_of(Mix())


def text_of(document: Document) -> str:
    return "".join(segment.text for segment in document)


def tibetan_sentences(documents: list[Document]) -> list[str]:
    lines = [line for document in documents for line in text_of(document).splitlines()]
    return [line for line in lines if regex.search(r"\p{Tibetan}", line)]


def passages_of(documents: list[Document]) -> set[str]:
    found = (regex.search(r"短文：(.*)\n问题：", text_of(document)) for document in documents)
    return {match[1] for match in found if match}


def test_requests_to_repeat_are_off_by_default(documents: list[Document]) -> None:
    openings = {request.partition("{}")[0] for request in REQUESTS_TO_REPEAT}
    assert not any(opening in text_of(document) for document in documents for opening in openings)


def test_reply_to_a_request_repeats_it() -> None:
    only_echoing = Mix(captions=0, topics=0, reading=0, copying=0, echoing=1, tibetan=0, parallel=0)
    for request, reply in documents_of(only_echoing):
        assert reply.text.removesuffix("<|im_end|>\n") in request.text


def test_share_of_tibetan_sentences_is_the_stated_one(documents: list[Document]) -> None:
    mix = Mix()
    total = mix.captions + mix.topics + mix.reading + mix.copying + mix.echoing + mix.tibetan + mix.parallel
    assert len(tibetan_sentences(documents)) / COUNT == pytest.approx((mix.tibetan + mix.parallel) / total, abs=0.03)


def test_code_switching_occurs_in_the_stated_share_of_tibetan_sentences(documents: list[Document]) -> None:
    mix = Mix()
    sentences = tibetan_sentences(documents)
    switched = [sentence for sentence in sentences if regex.search(r"\p{Han}", sentence)]
    at_least_one_slot = 1 - (1 - mix.switched_slots) ** 7
    assert len(switched) / len(sentences) == pytest.approx(mix.switched_documents * at_least_one_slot, abs=0.06)


def test_code_switching_can_be_turned_off() -> None:
    sentences = tibetan_sentences(documents_of(Mix(switched_documents=0)))
    assert not [sentence for sentence in sentences if regex.search(r"\p{Han}", sentence)]


def test_excluded_passages_are_not_read(documents: list[Document]) -> None:
    excluded = passages_of(documents)  # what the same draws would read otherwise
    assert len(excluded) > 500
    assert not excluded & passages_of(documents_of(Mix(), excluded))


def test_translation_never_stands_in_a_chat(documents: list[Document]) -> None:
    chats = [text_of(document) for document in documents if "<|im_start|>" in text_of(document)]
    assert chats
    assert not [chat for chat in chats if regex.search(r"\p{Tibetan}", chat)]


def test_answers_weigh_more_than_what_they_answer(documents: list[Document]) -> None:
    weights = {tuple(segment.weight for segment in document) for document in documents if len(document) == 2}
    assert all(prompt < answer for prompt, answer in weights)


def test_copying_shows_every_character_of_the_drift_texts() -> None:
    only_copying = Mix(captions=0, topics=0, reading=0, copying=1, echoing=0, tibetan=0, parallel=0)
    assert set(CHARACTERS) <= set("".join(map(text_of, documents_of(only_copying))))


def test_unfamiliar_topics_are_not_read(documents: list[Document]) -> None:
    read = "\n".join(map(text_of, documents))
    rng = random.Random(12)
    assert not [text for text in (sample_text(rng, UNFAMILIAR, sentences=1) for _ in range(300)) if text in read]
