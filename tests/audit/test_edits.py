import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.audit import edits
from semreward.text import normalise

TEXTS = st.text(st.sampled_from("abcXYZ ,.!?123 བོད་ཡིག། 三只猫。é"), max_size=40)
SEEDS = st.integers(0, 1000)


@given(TEXTS)
def test_a_text_that_is_taken_apart_comes_together_again(text):
    assert "".join(edits.split(text)[0]) == normalise(text)


@given(TEXTS)
def test_the_halves_have_all_words(text):
    halves = edits.halves(text)
    assert not any(halves) or [word for half in halves for word in edits.words_of(half)] == edits.words_of(text)


@given(TEXTS)
def test_the_first_half_is_no_shorter_than_the_second(text):
    first, second = edits.halves(text)
    assert len(edits.words_of(first)) - len(edits.words_of(second)) in (0, 1)


@given(TEXTS, SEEDS)
def test_shuffling_keeps_all_characters(text, seed):
    shuffled = edits.shuffled(text, random.Random(seed))
    assert shuffled is None or sorted(shuffled) == sorted(normalise(text))


@given(TEXTS, SEEDS)
def test_shuffling_changes_the_order(text, seed):
    assert edits.shuffled(text, random.Random(seed)) != normalise(text)


def test_a_text_of_equal_words_has_no_other_order():
    assert edits.shuffled("ha ha ha!", random.Random(0)) is None


@given(TEXTS, SEEDS)
def test_changed_numbers_keep_their_length(text, seed):
    changed = edits.digits_changed(text, random.Random(seed))
    assert [sign.isdigit() for sign in changed] == [sign.isdigit() for sign in text]


@given(st.integers(0, 10**9), SEEDS)
def test_changed_numbers_differ_in_every_digit(number, seed):
    changed = edits.digits_changed(str(number), random.Random(seed))
    assert all(old != new for old, new in zip(str(number), changed, strict=True))


@given(st.text(st.sampled_from("0123456789༠༩٣ x"), max_size=20))
def test_foreign_digits_keep_their_value(text):
    changed = edits.foreign_digits(text)
    assert [unicodedata.digit(sign, -1) for sign in changed] == [unicodedata.digit(sign, -1) for sign in text]


@given(st.text(st.sampled_from("0123456789༠༩٣"), min_size=1, max_size=20))
def test_foreign_digits_are_other_characters(text):
    changed = edits.foreign_digits(text)
    assert all(old != new for old, new in zip(text, changed, strict=True))


@given(TEXTS)
def test_zero_width_spaces_are_all_that_is_added(text):
    assert edits.zero_width(text).replace("\u200b", "") == text.replace("\u200b", "")


@given(TEXTS)
def test_full_width_forms_are_compatible_with_what_they_replace(text):
    assert unicodedata.normalize("NFKC", edits.full_width(text)) == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    ("text", "rest"),
    [("བོད་ཡིག་འདི་ཡག་པོ་འདུག།", "བོད་ཡིག་ཡག་པོ་།"), ("三只红猫睡了。", "三只猫睡。"), ("a b", "a"), ("a", None), ("", None)],
)
def test_every_third_word_is_left_out(text, rest):
    assert edits.every_third_left_out(text) == rest


@pytest.mark.parametrize("text", ["a.", "", "..."])
def test_one_word_has_no_halves(text):
    assert edits.halves(text) == ("", "")


@pytest.mark.parametrize(("first", "second"), [("Tom", "Bob"), ("Tom", "Tom"), ("", "Tom"), ("Tom", "Tomas")])
def test_parts_that_the_text_lacks_or_share_are_not_exchanged(first, second):
    assert edits.exchanged("Tom met Tomas.", first, second) is None


def test_words_of_a_group_that_are_all_there_stay():
    assert edits.next_of_its_group("red blue", [("red", "blue")], r"\b(?:{names})\b", 1) is None
