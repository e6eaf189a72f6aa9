import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from semreward.text import answer_text, normalise, remove_reasoning, units

PLAIN = st.text(st.characters(exclude_characters="<>[◁", exclude_categories=["Cs"]))
TEXT = st.text(st.one_of(st.sampled_from("བོདཡིག་།字三的red 3.,(a\u0301"), st.characters(exclude_categories=["Cs"])))
TAGGED = st.lists(st.one_of(PLAIN, st.sampled_from(["<think>", "</think>", "<", ">"]))).map("".join)


@given(TEXT)
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


@given(TEXT)
def test_composition_does_not_change_a_texts_form(text):
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)


@given(TEXT)
def test_units_are_never_empty(text):
    assert all(units(text))


@given(TEXT)
def test_units_hold_no_white_space_and_no_tsheg(text):
    assert not any(character.isspace() or character in "་༌" for unit in units(text) for character in unit)


@given(TEXT)
def test_units_keep_every_letter_and_digit_in_order(text):
    def letters(string):
        return [character for character in string if unicodedata.category(character)[0] in "LNM"]

    assert letters("".join(units(text))) == letters(normalise(text))


@given(TEXT, TEXT)
def test_the_units_of_two_lines_are_those_of_each(first, second):
    assert units(f"{first}\nx\n{second}") == [*units(first + "\nx"), *units("x\n" + second)[1:]]


@given(TEXT)
def test_units_joined_by_spaces_are_the_same_units(text):
    once = units(text)
    assert units(" ".join(once)) == once


@given(st.text("天地玄黄"))
def test_every_han_character_is_a_unit(text):
    assert units(text) == list(text)


@given(TAGGED)
def test_no_reasoning_is_left_after_it_was_removed(text):
    assert "<think>" not in remove_reasoning(text)


@given(TAGGED)
def test_what_is_kept_is_part_of_the_text(text):
    kept = remove_reasoning(text)
    rest = iter(text)
    assert all(character in rest for character in kept)


@given(PLAIN, PLAIN)
def test_the_answer_follows_the_reasoning(reasoning, answer):
    assert remove_reasoning(f"<think>{reasoning}</think>{answer}") == answer


@given(PLAIN, PLAIN)
def test_the_answer_follows_reasoning_that_the_template_opened(reasoning, answer):
    assert remove_reasoning(f"{reasoning}</think>{answer}") == answer


@given(PLAIN, PLAIN)
def test_unclosed_reasoning_is_no_answer(before, reasoning):
    assert remove_reasoning(f"{before}<think>{reasoning}") == before


@given(PLAIN)
def test_without_tags_everything_is_the_answer_or_nothing(text):
    assert (remove_reasoning(text), remove_reasoning(text, policy="prefilled")) == (text, "")


@given(TAGGED)
def test_prefilled_differs_only_where_reasoning_never_closed(text):
    assert "</think>" not in text or remove_reasoning(text, policy="prefilled") == remove_reasoning(text)


@given(TAGGED)
def test_every_form_of_a_completion_has_one_answer(text):
    messages = [{"role": "assistant", "content": text}]
    parts = [{"role": "assistant", "content": [{"type": "text", "text": text}]}]
    assert answer_text(text) == answer_text(messages) == answer_text(parts)
