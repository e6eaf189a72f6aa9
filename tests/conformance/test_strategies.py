"""The kit's Hypothesis strategies make what they promise."""

import contextlib
import re
import sys
import unicodedata

import pytest
from babel import Locale
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from semreward import LanguageConsistencyReward
from semreward.errors import MissingDependencyError, UnknownLanguageError
from semreward.testing import completions, conversations, texts

SCRIPTS = st.sampled_from(["Tibt", "Hani", "Jpan", "Latn", "Grek", "Arab", "Deva", "Hang", "Mong"])
NO_LETTERS = {"Brai", "Sgnw", "Zinh", "Zyyy", "Zzzz"}  # dots, signs, and what belongs to no script


def every_script():
    """Codes of all scripts of ISO 15924 that Unicode has."""
    for code in sorted(Locale("en").scripts.keys() - NO_LETTERS):
        with contextlib.suppress(UnknownLanguageError):
            yield LanguageConsistencyReward(scripts=(code,))


REWARDS = list(every_script())


ANY_OF_MANY = settings(max_examples=3000, phases=[Phase.generate], database=None)


@settings(max_examples=60)
@given(st.data())
def test_texts_come_in_every_script(data):
    reward = data.draw(st.sampled_from(REWARDS))
    assert reward(completions=[data.draw(texts(reward.scripts))]) == [1.0]


def test_there_are_as_many_scripts_as_unicode_has():
    assert len(REWARDS) > 150


@settings(max_examples=50)
@given(st.data())
def test_texts_are_in_their_scripts(data):
    scripts = tuple(data.draw(st.sets(SCRIPTS, min_size=1, max_size=2)))
    text = data.draw(texts(scripts))
    assert LanguageConsistencyReward(scripts=scripts)(completions=[text]) == [1.0]


@given(texts("Tibt"))
def test_one_script_may_be_given_as_a_string(text):
    assert LanguageConsistencyReward("bo")(completions=[text]) == [1.0]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_texts_are_as_long_as_allowed(size):
    @given(texts(["Tibt"], max_size=size))
    def check(text):
        assert 1 <= len(text) <= size

    check()


@given(texts())
def test_texts_in_any_script_can_be_encoded(text):
    assert text.encode().decode() == text


@pytest.mark.parametrize(
    "is_hard",
    [
        lambda text: unicodedata.normalize("NFC", text) != text,
        lambda text: unicodedata.category(text[0])[0] != "L",
        lambda text: any(unicodedata.category(sign) == "Cf" for sign in text),
        lambda text: any(unicodedata.category(sign) == "Mn" for sign in text),
        lambda text: any(unicodedata.category(sign) == "Nd" for sign in text),
        lambda text: any(unicodedata.category(sign)[0] == "P" for sign in text),
        lambda text: "\n" in text,
        lambda text: any(ord(sign) > 0xFFFF for sign in text),
    ],
    ids=["not_nfc", "no_letter_first", "unseen", "mark", "digit", "punctuation", "line_feed", "astral"],
)
@pytest.mark.parametrize("script", ["Latn", "Tibt"])
def test_texts_are_hard_in_every_way(script, is_hard):
    assert is_hard(find(texts(script), is_hard, settings=ANY_OF_MANY))


@settings(max_examples=25)
@given(completions(["Tibt"]))
def test_completions_have_an_answer_in_their_script(completion):
    assert LanguageConsistencyReward("bo")(completions=[completion]) == [1.0]


@pytest.mark.parametrize(
    "is_form",
    [
        lambda completion: isinstance(completion, str) and "<think>" in completion,
        lambda completion: isinstance(completion, str) and re.search("^(?!<think>).*</think>", completion, re.DOTALL),
        lambda completion: isinstance(completion, list) and "reasoning_content" in completion[-1],
        lambda completion: isinstance(completion, list) and isinstance(completion[-1]["content"], list),
        lambda completion: isinstance(completion, list) and len(completion) == 3,
    ],
    ids=["closed", "prefilled", "field", "parts", "tool"],
)
def test_completions_come_in_every_form(is_form):
    assert is_form(find(completions("Latn"), is_form, settings=ANY_OF_MANY))


@settings(max_examples=25)
@given(conversations(["Latn"]))
def test_conversations_take_turns_and_end_with_the_user(messages):
    roles = [message["role"] for message in messages]
    spoken = roles[1:] if roles[0] == "system" else roles
    assert spoken in (["user"], ["user", "assistant", "user"])


def test_an_unknown_script_is_refused():
    with pytest.raises(UnknownLanguageError, match="'Abcd'"):
        texts(["Abcd"])


def test_a_script_without_letters_is_refused():
    with pytest.raises(UnknownLanguageError, match="must have letters, and Unicode knows none of Brai"):
        texts("Brai")


def test_without_hypothesis_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(MissingDependencyError, match="pip install 'hypothesis'"):
        texts()
