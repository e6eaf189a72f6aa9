import re
import sys
import time
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from semreward.languages import ScriptFilter, expand_scripts
from semreward.letters import (
    ATTACHED,
    FOREIGN,
    OWN,
    composed,
    letter_kinds,
    letter_patterns,
    letters_of,
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
    return "".join(letters_of(UNICODE))


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


def test_all_letters_of_unicode_are_known(letters):
    """Also those of planes that are not looked through."""
    assert set(letters) | neutral_letters() == set(regex.findall(r"[\p{L}--\p{DI}]", UNICODE, regex.V1))


def neutral_letters():
    shared = regex.findall(r"[\p{L}&&[\p{sc=Zyyy}\p{sc=Zinh}]]", UNICODE, regex.V1)
    return {letter for letter in shared if found("Tibt", letter) == (False, False)}


def test_all_marks_and_invisible_characters_of_unicode_are_known():
    kinds = letter_kinds(UNICODE, frozenset({"Tibt"}))
    attached = "".join(UNICODE[found.start()] for found in re.finditer(ATTACHED, kinds))
    assert attached == "".join(regex.findall(r"[\p{M}\p{DI}]", UNICODE))


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


def test_every_letter_has_the_script_that_unicode_says(letters):
    codes = "".join(rf"(?P<{code}>\p{{sc={code}}})|" for code in script_names())
    pattern = regex.compile(f"{codes}(?P<Zzzz_>.)")
    plain = {letter for letter in letters if not unicodedata.decomposition(letter).startswith("<font>")}
    said = {letter: pattern.match(letter).lastgroup.rstrip("_") for letter in sorted(plain)[::7]}
    assert {letter: script_of_letter(letter) for letter in said} == said


def test_letters_of_scripts_that_babel_does_not_name_yet_are_of_an_unknown_script(letters):
    newer = regex.sub("[" + "".join(rf"\p{{sc={code}}}" for code in script_names()) + "]", "", letters)
    assert {script_of_letter(letter) for letter in newer} <= {"Zzzz"}


def test_marks_and_invisible_characters_stand_among_letters():
    assert letter_kinds("\u0301\u0f72\u200d\ufe0f\u3164", frozenset({"Tibt"})) == ATTACHED * 5


@pytest.mark.parametrize("scripts", SETS)
def test_the_table_and_the_patterns_agree_on_all_of_unicode(scripts):
    codes = expand_scripts([scripts])
    kinds, patterns = letter_kinds(UNICODE, codes), letter_patterns(codes)
    for kind, pattern in ((OWN, patterns.own), (FOREIGN, patterns.foreign)):
        assert [found.start() for found in re.finditer(kind, kinds)] == [
            found.start() for found in pattern.finditer(UNICODE)
        ]


MARKS = st.sampled_from("\u0301\u0323\u0344\u0f71\u0f72\u0f73\u0f74\u3099\u05b0\u0327\u1dfa")


@given(st.lists(st.one_of(st.lists(MARKS, min_size=20, max_size=80).map("".join), st.sampled_from("aeཀか字 "))))
def test_composing_is_nfc(pieces):
    text = "".join(pieces) + "a" * 1001
    assert composed(text) == unicodedata.normalize("NFC", text)


def test_many_marks_on_one_letter_are_composed_in_no_quadratic_time():
    def seconds(size):
        start = time.thread_time()
        composed("a" + "\u0301\u0323" * size)
        return time.thread_time() - start

    seconds(1_000)
    # Quadratic work would take 256 times as long.
    assert seconds(32_000) < 80 * seconds(2_000) + 0.02
