"""Headlines: what one says can be read back, and the judge knows the main fact from what else an article tells."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniature.grammar import Fact, parse, realise
from miniature.headlines import judge_headline, lead_of, main_fact, parse_headline, sample_article
from miniature.lexicon import LEXICON

LANGUAGES = ("zh", "bo")

facts = st.builds(Fact, *(st.sampled_from(sorted(LEXICON[slot])) for slot in Fact._fields))
languages = st.sampled_from(LANGUAGES)
choices = st.randoms(use_true_random=False)
seeds = st.integers(0, 10_000).map(random.Random)


@given(fact=facts, language=languages, rng=choices)
def test_parsing_reads_back_what_a_headline_says(fact: Fact, language: str, rng: random.Random) -> None:
    assert parse_headline(realise(fact, language, rng), language) == fact


@given(fact=facts, language=languages, rng=choices)
def test_headline_is_no_caption(fact: Fact, language: str, rng: random.Random) -> None:
    assert parse(realise(fact, language, rng), language) is None


@given(language=languages, rng=seeds)
def test_caption_is_no_headline(language: str, rng: random.Random) -> None:
    assert parse_headline(realise(sample_article(rng)[0], language, rng), language) is None


@given(fact=facts, rng=choices)
def test_headline_of_one_language_does_not_parse_as_the_other(fact: Fact, rng: random.Random) -> None:
    assert parse_headline(realise(fact, "zh", rng), "bo") is None
    assert parse_headline(realise(fact, "bo", rng), "zh") is None


@given(rng=seeds)
def test_sentences_of_an_article_share_neither_person_nor_thing_nor_place(rng: random.Random) -> None:
    article = sample_article(rng)
    assert [len({getattr(one, slot) for one in article}) for slot in ("subject", "object", "place")] == [2, 2, 2]


@given(language=languages, rng=seeds)
def test_lead_is_read_from_the_whole_article(language: str, rng: random.Random) -> None:
    article = sample_article(rng)
    assert lead_of("".join(realise(meaning, language, rng) for meaning in article), language) == article[0]


@given(language=languages, rng=seeds)
def test_any_wording_of_the_main_fact_is_exact(language: str, rng: random.Random) -> None:
    fact = main_fact(sample_article(rng))
    judged = judge_headline(realise(fact, language, rng), realise(fact, language, rng), language)
    assert judged == (True, 1.0, True)


@given(language=languages, rng=seeds)
def test_headline_about_another_sentence_is_wrong_but_grammatical(language: str, rng: random.Random) -> None:
    article = sample_article(rng)
    said = realise(main_fact(article[1:]), language, rng)
    judged = judge_headline(said, realise(main_fact(article), language, rng), language)
    assert (judged.exact, judged.grammatical) == (False, True)
    assert judged.slot_accuracy <= 0.25  # the verb may be the same


@given(language=languages, rng=seeds)
def test_full_lead_sentence_has_the_right_words_and_is_no_headline(language: str, rng: random.Random) -> None:
    article = sample_article(rng)
    said = realise(article[0], language, rng)
    judged = judge_headline(said, realise(main_fact(article), language, rng), language)
    assert judged == (False, 1.0, False)


def test_empty_headline_earns_nothing() -> None:
    reference = realise(Fact("monk", "market", "lamp", "buy"), "bo", random.Random(0))
    assert judge_headline("", reference, "bo") == (False, 0.0, False)


def test_reference_that_is_no_headline_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a 'zh' headline of the grammar"):
        judge_headline("", "你好", "zh")
