import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.audit.tibetan import ergative
from semreward.audit.wylie import final_letter, wylie

# Words of the miniature's lexicon, and the hard cases: prefixes, two suffixes, particles, Sanskrit.
PYEWTS = dict(
    line.split("\t")
    for line in Path(__file__).with_name("wylie_pyewts.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)


@pytest.mark.parametrize(("tibetan", "latin"), PYEWTS.items())
def test_words_are_spelled_as_pyewts_spells_them(tibetan, latin):
    assert wylie(tibetan) == latin


def test_the_comparison_with_pyewts_is_no_small_one():
    assert len(PYEWTS) > 250


def test_punctuation_and_digits_are_transliterated():
    assert wylie("ཀ།ཁ༎ ༡༩") == "ka/kha// 19"


@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x0EFF)))
def test_text_without_tibetan_stays_as_it_is(text):
    assert wylie(text) == text


@given(st.text(st.sampled_from("ཀཁགངཅདནབམའཡརལསཧཨ྄ིེོུྱྲླ་།"), max_size=30))
def test_no_tibetan_base_letter_is_left(text):
    assert not re.search("[ཀ-ཨ]", wylie(text))


@pytest.mark.parametrize(
    ("noun", "agent"),
    [
        ("བུ་མོ", "བུ་མོས"),
        ("ལྷ", "ལྷས"),
        ("བོད", "བོད་ཀྱིས"),
        ("བཀྲ་ཤིས", "བཀྲ་ཤིས་ཀྱིས"),
        ("རབ", "རབ་ཀྱིས"),
        ("དག", "དག་གིས"),
        ("ཟི་ལིང", "ཟི་ལིང་གིས"),
        ("དགེ་རྒན", "དགེ་རྒན་གྱིས"),
        ("ལམ", "ལམ་གྱིས"),
        ("རྒྱ་གར", "རྒྱ་གར་གྱིས"),
        ("བལ", "བལ་གྱིས"),
        ("ནམ་མཁའ", "ནམ་མཁས"),
        ("གངས", "གངས་གིས"),
    ],
)
def test_the_agents_ending_follows_the_last_letter(noun, agent):
    assert ergative(noun) == agent


def test_what_is_no_tibetan_has_no_final_letter():
    assert final_letter("abc") == ""
