import random

import pytest

from semreward.adaptation import (
    NEGATIONS,
    AllNegatives,
    Pair,
    RoleSwap,
    TermSwap,
    changed_number,
    truncated,
    wrong_language_copy,
)
from semreward.errors import ArgumentError, ArgumentTypeError

PAIR = Pair("2024年四匹马在山上", "༢༠༢༤ ལོར་རྟ་བཞི་རི་ལ་ཡོད།")


def rng():
    return random.Random(3)


def test_a_changed_number_differs_in_one_digit_of_its_own_script():
    (negative,) = changed_number(PAIR, rng())
    changed = [(old, new) for old, new in zip(PAIR.positive, negative, strict=True) if old != new]
    assert [(old in "༢༠༤", new in "༠༡༢༣༤༥༦༧༨༩") for old, new in changed] == [(True, True)]


def test_digits_that_python_does_not_know_are_changed_too():
    """Garay digits came with Unicode 16."""
    (negative,) = changed_number(Pair("3", "\U00010d43"), rng())
    assert 0x10D40 <= ord(negative) <= 0x10D49
    assert negative != "\U00010d43"


def test_a_text_without_digits_has_no_changed_number():
    assert changed_number(Pair("四", "བཞི།"), rng()) == []


def test_a_truncation_is_a_beginning_that_ends_with_a_syllable():
    (negative,) = truncated(PAIR, rng())
    assert PAIR.positive.startswith(negative)
    assert negative[-1] in "་ "


@pytest.mark.parametrize("text", ["རྟ་", "རྟ་བཞི་ཡོད", "two words", "上山了"])
def test_a_text_of_few_pieces_is_not_truncated(text):
    assert truncated(Pair("a", text), rng()) == []


def test_a_wrong_language_copy_ends_as_the_anchor_does():
    (negative,) = wrong_language_copy(PAIR, rng())
    assert (negative[:2], negative[-2:]) == (PAIR.positive[:2], PAIR.anchor[-2:])


def test_a_short_pair_has_no_wrong_language_copy():
    assert wrong_language_copy(Pair("马", PAIR.positive), rng()) == []


@pytest.mark.parametrize(
    ("language", "text", "negative"),
    [
        ("bo", "རྟ་ཡོད།", "རྟ་མེད།"),
        ("bo", "རྟ་མེད།", "རྟ་ཡོད།"),
        ("zh", "这是马", "这不是马"),
        ("zh", "这不是马", "这是马"),
        ("en", "This is a horse.", "This is not a horse."),
        ("en", "This is not a horse.", "This is a horse."),
    ],
)
def test_negation_is_turned_round(language, text, negative):
    assert TermSwap(NEGATIONS[language])(Pair("x", text), rng()) == [negative]


@pytest.mark.parametrize(("language", "text"), [("bo", "ཡོདས།"), ("en", "This island")])
def test_a_part_of_a_word_is_no_term(language, text):
    assert TermSwap(NEGATIONS[language])(Pair("x", text), rng()) == []


def test_one_occurrence_is_replaced():
    (negative,) = TermSwap((("三", "五"),))(Pair("x", "三山三水"), rng())
    assert sorted(negative) == sorted("三山五水")


def test_roles_are_exchanged():
    swap = RoleSwap(("རྟ", "གཡག"))
    assert swap(Pair("x", "རྟ་ཡིས་གཡག་བསྐྱལ།"), rng()) == ["གཡག་ཡིས་རྟ་བསྐྱལ།"]


def test_terms_that_are_equal_are_not_exchanged():
    assert RoleSwap(("dog", "man"))(Pair("x", "dog and dog"), rng()) == []


def test_several_makers_add_up():
    makers = AllNegatives((changed_number, truncated, wrong_language_copy, TermSwap(NEGATIONS["bo"])))
    assert len(makers(PAIR, rng())) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TermSwap(()), "at least 1"),
        (lambda: TermSwap((("a", " "),)), "non-empty strings"),
        (lambda: RoleSwap(("a",)), "at least 2"),
        (lambda: AllNegatives(()), "at least one maker"),
    ],
)
def test_a_table_that_is_none_is_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_maker_among_several_that_returns_one_text_is_named():
    with pytest.raises(ArgumentTypeError, match="`make_negatives` must return a list of texts, .* got 'a horse'"):
        AllNegatives((truncated, lambda pair, rng: "a horse"))(PAIR, rng())


def test_a_maker_that_cannot_be_called_is_refused():
    with pytest.raises(ArgumentTypeError, match="`makers` must be functions"):
        AllNegatives("bo")
