import re
import unicodedata

import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st

from semreward import LanguageConsistencyReward
from semreward.rewards.spans import without_spans
from semreward.scripts import Writing, visible, writing_of

TIBETAN = writing_of("bo")
JAPANESE = writing_of("ja")

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
    return allowed, foreign


@pytest.mark.parametrize("judge", [TIBETAN, JAPANESE], ids=["bo", "ja"])
@given(TEXT)
def test_counts_equal_those_of_one_letter_at_a_time(judge, text):
    assert judge.count(text) == one_by_one(judge.alternatives[0], text)


@given(TEXT)
def test_consistent_means_allowed_letters_and_no_foreign_ones(text):
    allowed, foreign = TIBETAN.count(text)
    assert TIBETAN.is_consistent(text) == (allowed > 0 and foreign == 0)


@given(TEXT, NEUTRAL, st.integers(0, 50))
def test_neutral_characters_change_nothing(text, neutral, place):
    assume(unicodedata.is_normalized("NFC", text[:place] + neutral + text[place:]))
    assert TIBETAN.count(text[:place] + neutral + text[place:]) == TIBETAN.count(text)


@given(TIBETAN_TEXT, TIBETAN_TEXT)
def test_consistent_texts_together_are_consistent(first, second):
    assert TIBETAN.is_consistent(first + second)


@given(TIBETAN_TEXT, st.characters(categories=["Lu", "Ll", "Lo"]), st.integers(0, 50))
def test_one_foreign_letter_costs_everything(text, letter, place):
    assume(TIBETAN.count(letter)[1] == 1)
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
    wider = Writing((TIBETAN.alternatives[0] | JAPANESE.alternatives[0],))
    assert wider.count(text)[1] <= TIBETAN.count(text)[1]


@given(st.permutations(["བོད", "字", "", "ཀ a", "༡"]))
def test_a_row_does_not_depend_on_the_others(completions):
    reward = LanguageConsistencyReward("bo")
    assert reward(completions=completions) == [reward(completions=[text])[0] for text in completions]


# Everything that options look for, and what could disturb them.
SIGNS = st.sampled_from(
    [
        *"བོཀཁ་。字苹果aZ é\u0301ー$`\\()[]{}<>/=@.&;#|~\n 1",
        "GPT",
        "```",
        "$$",
        "\\\\(",
        "\\\\)",
        "https://a.b",
        "<b>",
        "</b>",
        "&lt;",
    ]
)
MARKED_TEXT = st.lists(SIGNS, max_size=30).map("".join)
INVISIBLE = st.sampled_from(["\u200b", "\u200d", "\u202e", "\ufe0f", "\ufeff", "\u00ad", "\u2060", "\u3164"])
OPTIONS = st.fixed_dictionaries(
    {
        "shape": st.sampled_from(["strict", "ratio"]),
        "tolerance": st.sampled_from([0.0, 0.2]),
        "allowed": st.lists(st.sampled_from(["GPT", "字", "é", re.compile("[A-Z]{2,}")]), max_size=3),
        "strip": st.lists(st.sampled_from(["code", "urls", "latex", "tags"]), unique=True),
    }
)


def value_of(text, language="bo", **options):
    return LanguageConsistencyReward(language, **options)(completions=[text])[0]


@given(MARKED_TEXT, OPTIONS)
def test_values_lie_between_0_and_1(text, options):
    assert 0.0 <= value_of(text, **options) <= 1.0


@given(MARKED_TEXT, OPTIONS, st.lists(st.tuples(INVISIBLE, st.integers(0, 60)), max_size=4))
def test_invisible_characters_hide_and_create_nothing(text, options, invisible):
    disturbed = text
    for sign, place in invisible:
        disturbed = disturbed[:place] + sign + disturbed[place:]
    assert value_of(disturbed, **options) == value_of(text, **options)


@given(MARKED_TEXT, OPTIONS, st.sampled_from(["NFC", "NFD"]))
def test_options_see_a_text_however_it_is_composed(text, options, form):
    changed = unicodedata.normalize(form, text)
    assert value_of(changed, **options) == value_of(text, **options)


@given(MARKED_TEXT, OPTIONS)
def test_a_text_without_own_letters_earns_nothing(text, options):
    assume(TIBETAN.count(text)[0] == 0)
    assert value_of(text, **options) == 0.0


@given(MARKED_TEXT, OPTIONS)
def test_a_ratio_never_falls_by_own_letters(text, options):
    options = {**options, "shape": "ratio", "strip": []}
    assert value_of(f"{text} ཀཁགང", **options) >= value_of(text, **options) - 1e-12


@given(MARKED_TEXT, st.lists(st.sampled_from(["code", "urls", "latex", "tags"]), unique=True))
def test_leaving_spans_out_adds_no_letters(text, kinds):
    text = visible(text)
    kept = without_spans(text, kinds)
    assert all(after <= before for after, before in zip(TIBETAN.count(kept), TIBETAN.count(text), strict=True))
    assert without_spans(text, []) == text


@given(TEXT)
def test_a_tolerance_of_nothing_is_the_strict_rule(text):
    assert value_of(text, tolerance=1e-12) == value_of(text)
