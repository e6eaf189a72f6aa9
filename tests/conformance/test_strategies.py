"""The kit's Hypothesis strategies make what they promise."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semreward import LanguageConsistencyReward
from semreward.errors import MissingDependencyError, UnknownLanguageError
from semreward.testing import completions, conversations, texts
from semreward.text import answer_text

SCRIPTS = st.sampled_from(["Tibt", "Hani", "Jpan", "Latn", "Grek", "Arab", "Deva", "Hang", "Mong"])


@settings(max_examples=50)
@given(st.data())
def test_texts_are_in_their_scripts(data):
    scripts = tuple(data.draw(st.sets(SCRIPTS, min_size=1, max_size=2)))
    text = data.draw(texts(scripts))
    assert LanguageConsistencyReward(scripts=scripts)(completions=[text]) == [1.0]


@given(texts(["Tibt"], max_size=3))
def test_texts_are_as_long_as_allowed(text):
    assert 1 <= len(text) <= 3


@given(texts())
def test_texts_in_any_script_can_be_encoded(text):
    assert text.encode().decode() == text


@settings(max_examples=25)
@given(completions(["Tibt"]))
def test_completions_have_an_answer_in_their_script(completion):
    assert LanguageConsistencyReward("bo")(completions=[completion]) == [1.0]


@settings(max_examples=25)
@given(st.lists(completions(["Latn"]), min_size=30, max_size=30))
def test_completions_come_as_text_and_as_messages(batch):
    assert {type(completion) for completion in batch} <= {str, list}
    assert all(answer_text(completion) for completion in batch)


@settings(max_examples=25)
@given(conversations(["Latn"], max_turns=2))
def test_conversations_take_turns_and_end_with_the_user(messages):
    roles = [message["role"] for message in messages]
    spoken = roles[1:] if roles[0] == "system" else roles
    assert spoken in (["user"], ["user", "assistant", "user"])


def test_an_unknown_script_is_refused():
    with pytest.raises(UnknownLanguageError, match="'Abcd'"):
        texts(["Abcd"])


@given(texts("Tibt"))
def test_one_script_may_be_given_as_a_string(text):
    assert LanguageConsistencyReward("bo")(completions=[text]) == [1.0]


def test_without_hypothesis_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(MissingDependencyError, match="pip install hypothesis"):
        texts()
