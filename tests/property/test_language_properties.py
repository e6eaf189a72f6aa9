import unicodedata

import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st

from semreward import LanguageConsistencyReward
from semreward.languages import LetterCounts, ScriptFilter, scripts_of

TIBETAN = ScriptFilter(scripts_of("bo"))
JAPANESE = ScriptFilter(scripts_of("ja"))

CHARACTERS = st.one_of(
    st.characters(min_codepoint=0x0F00, max_codepoint=0x0FFF),
    st.sampled_from("ーµªa字あアя한\u0640\u0301々〆ʰ\u1cf5"),
    st.characters(exclude_categories=["Cs", "Cn"]),
)
TEXT = st.text(CHARACTERS)
NEUTRAL = st.text(st.characters(categories=["N", "P", "Z", "S"]))
TIBETAN_TEXT = st.text(st.sampled_from("ཀཁགངཅཆཇཉཏཐདནཔཕབམ་།༡༢ ིེོུ"), min_size=1).filter(
    lambda text: any(unicodedata.category(character)[0] == "L" for character in text)
)


def without_font(character):
    kind, _, plain = unicodedata.decomposition(character).partition(" ")
    return chr(int(plain, 16)) if kind == "<font>" else character


def one_by_one(scripts, text):
    """Counts letters in the plainest way: each by its category, its script, its script extensions."""
    allowed = foreign = 0
    for character in map(without_font, unicodedata.normalize("NFC", regex.sub(r"\p{DI}", "", text))):
        if unicodedata.category(character)[0] != "L":
            continue
        if regex.match(r"\p{sc=Zyyy}|\p{sc=Zinh}", character):
            if any(regex.match(rf"\p{{scx={script}}}", character) for script in scripts):
                allowed += 1
            elif not regex.match(r"\p{scx=Zyyy}|\p{scx=Zinh}", character):
                foreign += 1
        elif any(regex.match(rf"\p{{sc={script}}}", character) for script in scripts):
            allowed += 1
        else:
            foreign += 1
    return LetterCounts(allowed, foreign)


@pytest.mark.parametrize("judge", [TIBETAN, JAPANESE], ids=["bo", "ja"])
@given(TEXT)
def test_counts_equal_those_of_one_letter_at_a_time(judge, text):
    assert judge.count(text) == one_by_one(judge.scripts, text)


@given(TEXT)
def test_consistent_means_allowed_letters_and_no_foreign_ones(text):
    counts = TIBETAN.count(text)
    assert TIBETAN.is_consistent(text) == (counts.allowed > 0 and counts.foreign == 0)


@given(TEXT, NEUTRAL, st.integers(0, 50))
def test_neutral_characters_change_nothing(text, neutral, place):
    assume(unicodedata.is_normalized("NFC", text[:place] + neutral + text[place:]))
    assert TIBETAN.count(text[:place] + neutral + text[place:]) == TIBETAN.count(text)


@given(TIBETAN_TEXT, TIBETAN_TEXT)
def test_consistent_texts_together_are_consistent(first, second):
    assert TIBETAN.is_consistent(first + second)


@given(TIBETAN_TEXT, st.characters(categories=["Lu", "Ll", "Lo"]), st.integers(0, 50))
def test_one_foreign_letter_costs_everything(text, letter, place):
    assume(TIBETAN.count(letter).foreign == 1)
    spoilt = text[:place] + letter + text[place:]
    assert LanguageConsistencyReward("bo")(completions=[text, spoilt]) == [1.0, 0.0]


@given(TEXT, TEXT)
def test_counts_add_up_over_lines(first, second):
    separate = [sum(pair) for pair in zip(TIBETAN.count(first), TIBETAN.count(second), strict=True)]
    assert list(TIBETAN.count(f"{first}\n{second}")) == separate


@given(TEXT)
def test_composition_changes_nothing(text):
    assert TIBETAN.count(unicodedata.normalize("NFD", text)) == TIBETAN.count(text)


@given(TEXT)
def test_more_scripts_never_make_a_letter_foreign(text):
    wider = ScriptFilter(TIBETAN.scripts | JAPANESE.scripts)
    assert wider.count(text).foreign <= TIBETAN.count(text).foreign


@given(st.permutations(["བོད", "字", "", "ཀ a", "༡"]))
def test_a_row_does_not_depend_on_the_others(completions):
    reward = LanguageConsistencyReward("bo")
    assert reward(completions=completions) == [reward(completions=[text])[0] for text in completions]
