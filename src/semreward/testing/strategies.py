"""Hypothesis strategies for what policies write. Hypothesis is imported when one is called."""

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import regex

from semreward.errors import MissingDependencyError, UnknownLanguageError
from semreward.scripts import expand_scripts
from semreward.testing.probe import REASONING, after_a_tool, content_parts, message, reasoned_message

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_FIRST_SURROGATE, _LAST_SURROGATE = 0xD800, 0xDFFF

# What belongs to no script, and stands among the letters of all: spaces, digits and punctuation of several kinds, marks
# that combine, signs that join or turn letters without being seen, an emoji.
_SHARED_SIGNS = (
    " \t\n\u00a0\u3000"
    "0٣९½№.,!?…«»“”()（）。、👩🏔𝟙"
    "\u0301\u0323\u034f\u200b\u200c\u200d\u200e\u200f\u202e\u202c\u2060\ufe0f\ufeff"
)


def texts(scripts: str | Iterable[str] = (), *, max_size: int = 40) -> "SearchStrategy[str]":
    """Texts in the given scripts, easy and hard ones.

    Args:
        scripts: An ISO 15924 code such as `"Tibt"` or `"Jpan"`, or several; none: any Unicode text without surrogates,
            also empty.
        max_size: Longest text, in characters, >= 1.

    Returns:
        Strategy of texts with at least one letter, all of whose letters belong to the scripts. Among them come the
        scripts' marks, digits and punctuation, in any order, and what belongs to no script: spaces, digits,
        punctuation, combining marks, zero-width signs, direction controls, emoji. Not normalised: some texts are in
        NFC, others not.

    Raises:
        MissingDependencyError: Hypothesis is not installed.
        UnknownLanguageError: A script is unknown to Unicode, or has no letters (Braille).

    Example:
        >>> from hypothesis import given
        >>> from semreward import LanguageConsistencyReward
        >>> @given(texts("Tibt"))
        ... def test_tibetan_text_is_tibetan(text):
        ...     assert LanguageConsistencyReward("bo")(completions=[text]) == [1.0]
        >>> test_tibetan_text_is_tibetan()
    """
    st = _strategies()
    codes = (scripts,) if isinstance(scripts, str) else tuple(scripts)
    if not codes:
        text: SearchStrategy[str] = st.text(max_size=max_size)
        return text
    signs = _signs(expand_scripts(codes))
    if not signs[0]:
        raise UnknownLanguageError(f"`scripts` must have letters, and Unicode knows none of {', '.join(codes)}")
    # Drawn by their place: Hypothesis would render a hundred thousand Han characters into the strategy's repr.
    letters, others = (st.integers(0, len(kind) - 1).map(kind.__getitem__) for kind in signs)
    # A text without any letter is in no script, but the letter need not come first.
    before = min(2, (max_size - 1) // 2)
    made: SearchStrategy[str] = st.builds(
        "{}{}{}".format,
        st.text(others, max_size=before),
        letters,
        st.text(letters | others, max_size=max_size - 1 - before),
    )
    return made


def completions(
    scripts: str | Iterable[str] = (), *, max_size: int = 40
) -> "SearchStrategy[str | list[dict[str, Any]]]":
    """Completions as trainers hand them over: a text, a message of text or of content parts, messages around a tool.

    Args:
        scripts: As for `texts`; the answer's.
        max_size: As for `texts`.

    Returns:
        Strategy of completions, some of them with reasoning: a closed `<think>` block before the answer, one whose
        opening tag the chat template wrote, or a field of its own.
    """
    st = _strategies()
    thoughts = st.sampled_from(["", REASONING, REASONING.removeprefix("<think>")])
    answers = st.builds(str.__add__, thoughts, texts(scripts, max_size=max_size))
    said = st.just("assistant")
    forms = (message, reasoned_message, content_parts, after_a_tool)
    made: SearchStrategy[str | list[dict[str, Any]]] = st.one_of(
        answers, *(st.builds(form, answers, said) for form in forms)
    )
    return made


def conversations(
    scripts: str | Iterable[str] = (), *, max_turns: int = 3, max_size: int = 40
) -> "SearchStrategy[list[dict[str, Any]]]":
    """Prompts in conversational form: turns of user and assistant, a user's first and last, sometimes a system message.

    Args:
        scripts: As for `texts`.
        max_turns: Most messages of the user, >= 1.
        max_size: As for `texts`, of each message.

    Returns:
        Strategy of lists of messages.
    """
    st = _strategies()
    said = texts(scripts, max_size=max_size)

    def messages(system: list[str], turns: list[tuple[str, str]], last: str) -> list[dict[str, Any]]:
        spoken = [("system", text) for text in system]
        for question, answer in turns:
            spoken += [("user", question), ("assistant", answer)]
        return [{"role": role, "content": text} for role, text in [*spoken, ("user", last)]]

    made: SearchStrategy[list[dict[str, Any]]] = st.builds(
        messages, st.lists(said, max_size=1), st.lists(st.tuples(said, said), max_size=max_turns - 1), said
    )
    return made


def _strategies() -> Any:
    try:
        import hypothesis
        import hypothesis.strategies
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise  # hypothesis is there, and something that it needs is not
        raise MissingDependencyError("semreward's strategies need hypothesis; pip install hypothesis") from error
    return hypothesis.strategies


@lru_cache(maxsize=64)
def _signs(scripts: frozenset[str]) -> tuple[str, str]:
    """All letters of the scripts, and everything else that may stand among them."""
    own = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
    letters = regex.findall(rf"[\p{{L}}&&[{own}]]", _unicode(), regex.V1)
    others = regex.findall(rf"[[{own}]--\p{{L}}]", _unicode(), regex.V1)
    return "".join(letters), "".join([_SHARED_SIGNS, *others])


@lru_cache(maxsize=1)
def _unicode() -> str:
    return "".join(map(chr, [*range(_FIRST_SURROGATE), *range(_LAST_SURROGATE + 1, sys.maxunicode + 1)]))
