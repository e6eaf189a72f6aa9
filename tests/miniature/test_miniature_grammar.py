"""The caption language: what is said can be read back, and the judge sees what an encoder may not."""

import random
from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniature.grammar import SLOTS, Judgement, Meaning, judge, parse, realise
from miniature.lexicon import LEXICON

LANGUAGES = ("zh", "bo")
EMPTY = Judgement(exact=False, slot_accuracy=0.0, grammatical=False)

Item = TypeVar("Item")

meanings = st.builds(Meaning, *(st.sampled_from(sorted(LEXICON[slot])) for slot in SLOTS))
languages = st.sampled_from(LANGUAGES)
choices = st.randoms(use_true_random=False)  # Hypothesis decides every draw, so it explores the paraphrases


class Nth(random.Random):
    """Chooses the n-th of every list of options."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.n = n

    def choice(self, seq: Sequence[Item]) -> Item:  # type: ignore[override] # narrower than typeshed's protocol
        return seq[self.n % len(seq)]


@given(meaning=meanings, language=languages, rng=choices)
def test_parsing_reads_back_what_was_said(meaning: Meaning, language: str, rng: random.Random) -> None:
    assert parse(realise(meaning, language, rng), language) == meaning


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("slot", "value"), [(slot, value) for slot in SLOTS for value in LEXICON[slot]])
def test_every_word_of_every_value_reads_back_in_every_pattern(language: str, slot: str, value: str) -> None:
    first = Meaning(*(next(iter(LEXICON[name])) for name in SLOTS))
    meaning = first._replace(**{slot: value})
    sentences = {realise(meaning, language, Nth(n)) for n in range(12)}  # patterns and words number 4 and 3 at most
    assert len(sentences) >= 3
    assert {parse(sentence, language) for sentence in sentences} == {meaning}


@given(meaning=meanings, language=languages, rng=choices)
def test_spaces_and_a_missing_stop_are_forgiven(meaning: Meaning, language: str, rng: random.Random) -> None:
    sentence = realise(meaning, language, rng)
    assert parse(f" {sentence[:5]} \n{sentence[5:-1]}", language) == meaning


@given(meaning=meanings, rng=choices)
def test_sentence_of_one_language_does_not_parse_as_the_other(meaning: Meaning, rng: random.Random) -> None:
    assert parse(realise(meaning, "zh", rng), "bo") is None
    assert parse(realise(meaning, "bo", rng), "zh") is None


@given(meaning=meanings, language=languages, rng=choices)
def test_two_sentences_are_not_one(meaning: Meaning, language: str, rng: random.Random) -> None:
    assert parse(realise(meaning, language, rng) * 2, language) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_empty_text_does_not_parse(language: str) -> None:
    assert parse("", language) is None
    assert parse("。།་ \n", language) is None


def test_measure_word_of_another_object_does_not_parse() -> None:
    assert parse("早上老师在市场买一本红书。", "zh") is None
    assert parse("早上老师正在市场买一本红书。", "zh") is not None
    assert parse("早上老师正在市场买一顶红书。", "zh") is None


@given(meaning=meanings, rng=choices, switched=st.sets(st.sampled_from(SLOTS), min_size=1))
def test_code_switched_sentence_parses_as_neither_language(
    meaning: Meaning, rng: random.Random, switched: set[str]
) -> None:
    sentence = realise(meaning, "bo", rng, switched=switched)
    assert parse(sentence, "bo") is None
    assert parse(sentence, "zh") is None


@given(meaning=meanings, language=languages, first=choices, second=choices)
def test_judge_accepts_every_paraphrase(
    meaning: Meaning, language: str, first: random.Random, second: random.Random
) -> None:
    completion, reference = realise(meaning, language, first), realise(meaning, language, second)
    assert judge(completion, reference, language) == Judgement(exact=True, slot_accuracy=1.0, grammatical=True)


@given(meant=meanings, said=meanings, language=languages, rng=choices)
def test_judge_counts_the_slots_that_agree(meant: Meaning, said: Meaning, language: str, rng: random.Random) -> None:
    agreeing = sum(a == b for a, b in zip(meant, said, strict=True))
    assert judge(realise(said, language, rng), realise(meant, language, rng), language) == Judgement(
        exact=meant == said, slot_accuracy=agreeing / len(SLOTS), grammatical=True
    )


@given(meaning=meanings, rng=choices, switched=st.sets(st.sampled_from(SLOTS), min_size=1))
def test_code_switched_words_earn_no_credit(meaning: Meaning, rng: random.Random, switched: set[str]) -> None:
    judgement = judge(realise(meaning, "bo", rng, switched=switched), realise(meaning, "bo", rng), "bo")
    assert judgement == Judgement(
        exact=False, slot_accuracy=(len(SLOTS) - len(switched)) / len(SLOTS), grammatical=False
    )


@given(meaning=meanings, rng=choices)
def test_copying_the_source_earns_nothing(meaning: Meaning, rng: random.Random) -> None:
    assert judge(realise(meaning, "zh", rng), realise(meaning, "bo", rng), "bo") == EMPTY


@pytest.mark.parametrize("language", LANGUAGES)
def test_empty_completion_earns_nothing(language: str) -> None:
    reference = realise(Meaning(*(next(iter(LEXICON[slot])) for slot in SLOTS)), language, Nth(0))
    assert judge("", reference, language) == EMPTY


def test_words_in_any_order_earn_slots_but_are_not_grammatical() -> None:
    reference = "早上老师正在市场买一本红书。"
    assert judge("书红一买市场老师早上", reference, "zh") == Judgement(
        exact=False, slot_accuracy=1.0, grammatical=False
    )


def test_naming_several_values_of_a_slot_loses_it() -> None:
    reference = "早上老师正在市场买一本红书。"
    judgement = judge("早上中午老师正在市场买一本红书。", reference, "zh")
    assert judgement.slot_accuracy == pytest.approx(6 / 7)


def test_reference_outside_the_grammar_is_an_error() -> None:
    with pytest.raises(ValueError, match="`reference` must be a 'bo' sentence of the grammar"):
        judge("", "早上", "bo")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_belongs_to_two_values(language: str) -> None:
    words = [
        word if isinstance(word, str) else word.stem
        for entries in LEXICON.values()
        for entry in entries.values()
        for word in (entry.zh if language == "zh" else entry.bo)
    ]
    assert len(words) == len(set(words))
