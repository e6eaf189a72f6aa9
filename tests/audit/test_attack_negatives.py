import pickle
import random

import pytest

from semreward.adaptation import Pair
from semreward.audit import LEAKS, WRONG_ANSWERS, Attack, AttackNegatives, LanguageTable, learn_lexicon
from semreward.errors import ArgumentError, ArgumentTypeError

PAIR = Pair("扎西给了卓玛三本书。", "བཀྲ་ཤིས་ཀྱིས་སྒྲོལ་མ་ལ་དེབ་གསུམ་སྤྲད།")


def test_the_wrong_answers_keep_words_and_lose_the_meaning():
    assert [attack.name for attack in WRONG_ANSWERS] == [
        "shuffled",
        "numbers_changed",
        "negation",
        "entity_swap",
        "role_swap",
    ]


def test_each_attack_that_applies_makes_one_negative():
    assert len(set(AttackNegatives("bo")(PAIR, random.Random(0)))) == 5


def test_the_translation_is_no_negative():
    same = Attack("same", "form", "", lambda row, corpus: row.reference)
    assert AttackNegatives("bo", attacks=[same])(PAIR, random.Random(0)) == []


def test_the_generator_decides_the_draws():
    made = [AttackNegatives("bo")(PAIR, random.Random(seed)) for seed in (0, 0, 1)]
    assert (made[0] == made[1], made[0] == made[2]) == (True, False)


def test_attacks_see_the_source():
    copied = Attack("copied", "language", "", lambda row, corpus: row.source)
    assert AttackNegatives("bo", attacks=[copied])(PAIR, random.Random(0)) == [PAIR.anchor]


@pytest.mark.parametrize("other", ["a dog", "ein"])  # its source, and itself without a word
def test_leaks_of_an_anchor_are_made_from_the_lexicon(other):
    negatives = AttackNegatives("de", attacks=LEAKS, lexicon=learn_lexicon([("dog", "hund")] * 2), side="anchor")
    assert negatives(Pair("ein hund", other), random.Random(0))[0] == "ein dog"


@pytest.mark.parametrize("lexicon", [learn_lexicon([]), None, [("dog", "hund")]])
def test_leaks_without_what_was_learnt_are_refused(lexicon):
    with pytest.raises(ArgumentError, match="`lexicon` must come from `learn_lexicon`, and hold words, for LEAKS"):
        AttackNegatives("de", attacks=LEAKS, lexicon=lexicon)


def test_a_side_that_no_pair_has_is_refused():
    with pytest.raises(ArgumentError, match="`side` must be"):
        AttackNegatives("de", side="target")


def test_a_language_without_a_table_makes_what_needs_none():
    (shuffled,) = AttackNegatives(LanguageTable("xx"))(Pair("a", "b c"), random.Random(0))
    assert shuffled == "c b"


def test_they_survive_pickling():
    assert pickle.loads(pickle.dumps(AttackNegatives("bo")))(PAIR, random.Random(0)) == AttackNegatives("bo")(
        PAIR, random.Random(0)
    )


def test_no_attacks_are_refused():
    with pytest.raises(ArgumentError, match="`attacks` must hold at least one attack"):
        AttackNegatives("bo", attacks=[])


@pytest.mark.parametrize("attacks", ["shuffled", ["shuffled"], None])
def test_names_of_attacks_are_refused(attacks):
    with pytest.raises(ArgumentTypeError, match="`attacks` must be a list of Attack objects"):
        AttackNegatives("bo", attacks=attacks)


def test_a_language_that_is_none_is_refused_at_once():
    with pytest.raises(ArgumentTypeError, match="`language` must be a BCP-47 tag"):
        AttackNegatives(3)
