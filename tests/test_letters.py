import sys
import unicodedata

import pytest
import regex

from semreward.languages import ScriptFilter, expand_scripts
from semreward.letters import (
    attached_class,
    letter_pattern,
    letter_patterns,
    script_names,
    script_of_letter,
    visible,
)

SETS = ["Tibt", "Latn", "Grek", "Kore", "Jpan", "Deva", "Hebr"]
UNICODE = "".join(chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF)


@pytest.fixture(scope="module")
def composites():
    """Every character that decomposes, composed as far as it can be, and decomposed."""
    forms = [(sign, unicodedata.normalize("NFC", sign), unicodedata.normalize("NFD", sign)) for sign in UNICODE]
    return [signs for signs in forms if signs[0] != signs[2]]


@pytest.fixture(scope="module")
def letters():
    """All letters that count."""
    return "".join(letter_pattern().findall(UNICODE))


def found(scripts, text):
    patterns = letter_patterns(expand_scripts([scripts]))
    return patterns.own.search(text) is not None, patterns.foreign.search(text) is not None


@pytest.mark.parametrize("scripts", SETS)
def test_every_character_of_unicode_is_judged_as_its_composed_and_decomposed_forms_are(scripts, composites):
    assert len(composites) > 10_000
    assert [signs for signs in composites if len({found(scripts, sign) for sign in signs}) > 1] == []


def test_a_letter_is_own_or_foreign_or_neutral(letters):
    patterns = letter_patterns(frozenset({"Cyrl"}))
    own, foreign = set(patterns.own.findall(UNICODE)), set(patterns.foreign.findall(UNICODE))
    assert not own & foreign
    assert own | foreign == set(letters)


def test_nothing_but_letters_counts(letters):
    assert regex.fullmatch(r"\p{L}+", letters)


def test_no_invisible_character_counts(letters):
    assert not regex.search(r"\p{DI}", letters)


@pytest.mark.parametrize("filler", ["\u115f", "\u1160", "\u3164", "\uffa0"])
def test_an_invisible_hangul_filler_is_no_letter(filler):
    assert unicodedata.category(filler) == "Lo"
    assert not ScriptFilter(frozenset({"Hang"})).is_consistent(filler)


@pytest.mark.parametrize(("letter", "plain"), [("𝐡", "h"), ("ℓ", "l"), ("ℝ", "R"), ("𝛼", "α"), ("𞸁", "ب")])
def test_a_font_variant_is_judged_as_its_letter(letter, plain):
    assert script_of_letter(letter) == script_of_letter(plain)


@pytest.mark.parametrize("sign", ["µ", "ʹ", "ℵ"])
def test_a_letter_of_all_scripts_is_neutral(sign):
    assert found("Tibt", sign) == (False, False)


def test_the_greek_numeral_sign_is_judged_as_what_it_composes_to():
    assert unicodedata.normalize("NFC", "\u0374") == "\u02b9"
    assert found("Grek", "\u0374") == found("Grek", "\u02b9") == (False, False)


@pytest.mark.parametrize("sign", ["\u200b", "\u200d", "\u202e", "\u2066", "\ufe0f", "\ufeff", "\u00ad", "\U000e0041"])
def test_invisible_characters_are_removed(sign):
    assert visible(f"a{sign}字") == "a字"


def test_what_an_invisible_character_kept_apart_composes():
    assert visible("e\u200d\u0301") == "é"


@pytest.mark.parametrize("letter", ["a", "ན", "字", "か", "한", "ж", "𞤆"])
def test_a_letter_has_a_script_with_a_name(letter):
    assert script_names()[script_of_letter(letter)]


def test_a_letter_that_scripts_share_is_common():
    assert script_of_letter("ー") == "Zyyy"


def test_letters_of_scripts_that_babel_does_not_name_yet_are_of_an_unknown_script(letters):
    newer = regex.sub("[" + "".join(rf"\p{{sc={code}}}" for code in script_names()) + "]", "", letters)
    assert {script_of_letter(letter) for letter in newer} <= {"Zzzz"}


def test_marks_and_invisible_characters_stand_among_letters():
    assert regex.fullmatch(f"(?:{attached_class()})+", "\u0301\u0f72\u200d\ufe0f")
