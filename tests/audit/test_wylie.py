import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.audit.tables import ergative, wylie


@pytest.mark.parametrize(
    ("tibetan", "latin"),
    [
        ("བཀྲ་ཤིས་ཀྱིས་སྒྲོལ་མ་ལ་དེབ་གསུམ་སྤྲད།", "bkra shis kyis sgrol ma la deb gsum sprad/"),
        ("ཀ།ཁ༎ ༡༩", "ka/kha// 19"),
        ("ང་ཚོ། 3 ཉོས།", "nga tsho/ 3 nyos/"),
        ("གཡག", "g.yag"),
        ("དགའ", "dga'"),
        ("གངས", "gangs"),
        ("ཀོའི", "ko'i"),
        ("པདྨ", "pad+ma"),
    ],
)
def test_tibetan_is_written_in_wylie(tibetan, latin):
    assert wylie(tibetan) == latin


@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x0EFF)))
def test_text_without_tibetan_stays_as_it_is(text):
    assert wylie(text) == text


@given(st.text(st.characters(min_codepoint=0x0F00, max_codepoint=0x0FFF), max_size=30))
def test_no_tibetan_is_left(text):
    assert wylie(text).isascii()


@pytest.mark.parametrize(
    ("noun", "agent"),
    [
        ("བུ་མོ", "བུ་མོས"),
        ("ལྷ", "ལྷས"),
        ("བོད", "བོད་ཀྱིས"),
        ("བཀྲ་ཤིས", "བཀྲ་ཤིས་ཀྱིས"),
        ("རབ", "རབ་ཀྱིས"),
        ("ཐབས", "ཐབས་ཀྱིས"),
        ("དག", "དག་གིས"),
        ("ལེགས", "ལེགས་གིས"),
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
