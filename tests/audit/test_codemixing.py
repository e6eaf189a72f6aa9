import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.audit import edits, learn_lexicon, omission_pairs
from semreward.audit.codemixing import adapted_word, code_mixed
from semreward.errors import ArgumentError, ArgumentTypeError

PAIRS = [
    ("A dog runs in Paris.", "Ein Hund läuft in Paris."),
    ("The dog sleeps.", "Der Hund schläft."),
    ("A man runs in Paris.", "Ein Mann läuft in Paris."),
    ("The man sleeps.", "Der Mann schläft."),
]
LEXICON = learn_lexicon(PAIRS)
UNLEARNT = learn_lexicon([])
SEEDS = range(20)


def mixed(text, source, lexicon=LEXICON, **options):
    return {code_mixed(text, source, lexicon, random.Random(seed), **options) for seed in SEEDS}


@pytest.mark.parametrize(("word", "translation"), [("hund", "dog"), ("mann", "man"), ("läuft", "a")])
def test_words_that_go_together_translate_each_other(word, translation):
    assert LEXICON.leaks[word][0] == translation  # of equals, the first of the source


def test_translations_are_ordered_by_dice():
    pairs = [("x y", "a"), ("x y", "a"), ("x", "a"), ("y", "b")]
    assert learn_lexicon(pairs).leaks["a"] == ["x", "y"]  # 2 * 3 / (3 + 3) and 2 * 2 / (3 + 3)


def test_words_that_meet_once_are_no_translations():
    assert learn_lexicon([("dog", "Hund")]).leaks == {"hund": []}


@pytest.mark.parametrize("learn", [learn_lexicon, lambda pairs: omission_pairs([text for _, text in pairs])])
def test_a_missing_text_is_named_by_its_row(learn):
    with pytest.raises(ArgumentError, match="`(pairs|texts)` must be a text .*, got None at row 1"):
        learn([("a", "b"), ("a", None)])


def test_words_of_both_languages_do_not_leak():
    assert not {"in", "paris"} & {leak for leaks in LEXICON.leaks.values() for leak in leaks}


def test_han_characters_and_syllables_are_words():
    assert learn_lexicon([("马山", "རྟ་རི"), ("马", "རྟ"), ("山", "རི")]).leaks == {"རྟ": ["马"], "རི": ["山"]}


def test_words_become_those_of_the_source():
    (once,) = mixed("Hund.", "The dog.", learn_lexicon([("dog", "hund")] * 2)) - {"Dog."}
    assert once == "dog."


def test_the_source_decides_between_translations():
    lexicon = learn_lexicon([("dog", "Hund")] * 3 + [("hound", "Hund")] * 2)
    assert mixed("ein hund", "a hound", lexicon) == {"ein hound"}


def test_without_a_translation_in_the_source_the_lexicon_decides():
    assert mixed("ein hund", "un chien", learn_lexicon([("dog", "Hund")] * 2)) == {"ein dog"}


def test_where_nothing_is_aligned_the_longest_source_word_leaks():
    assert mixed("b", "a long word", UNLEARNT) == {"long"}


@pytest.mark.parametrize(("text", "source"), [("", "a"), ("b", ""), ("!", "a")])
def test_nothing_is_mixed_without_words(text, source):
    assert mixed(text, source, UNLEARNT) == {None}


@given(st.integers(0, 1000))
def test_one_to_three_words_change(seed):
    before = PAIRS[0][1]
    after = code_mixed(before, PAIRS[0][0], LEXICON, random.Random(seed))
    changed = [new for old, new in zip(edits.words_of(before), edits.words_of(after), strict=True) if old != new]
    assert 1 <= len(changed) <= 3
    assert {word.lower() for word in changed} <= {"a", "dog", "runs"}


def test_an_adapted_word_has_an_ending_of_the_target():
    lexicon = learn_lexicon([("walking talking", "gehend redend")])
    assert {adapted_word("snowing", lexicon, random.Random(seed))[:4] for seed in SEEDS} == {"snow"}
    assert {adapted_word("snowing", lexicon, random.Random(seed))[4:] for seed in SEEDS} == {"d", "nd", "end"}


def test_adapted_words_replace_their_translations():
    lexicon = learn_lexicon([("walking", "gehend")] * 2)
    assert mixed("er gehend", "walking", lexicon, adapted=True) == {"er walkd", "er walknd", "er walkend"}


def test_an_omission_pair_is_a_text_and_that_text_without_a_word():
    assert omission_pairs(["Ein Hund."])[0] in [("Ein Hund.", "Hund."), ("Ein Hund.", "Ein.")]


def test_a_single_text_is_no_list_of_texts():
    with pytest.raises(
        ArgumentTypeError, match="`texts` must be a list of strings, got 'Ein Hund.'; put it into a list"
    ):
        omission_pairs("Ein Hund.")


def test_texts_of_one_word_have_no_omission():
    assert omission_pairs(["Hund.", ""]) == []
