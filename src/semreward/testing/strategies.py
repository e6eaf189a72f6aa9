"""Hypothesis strategies for what policies write. Hypothesis is imported when one is called."""

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import regex

from semreward.errors import MissingDependencyError
from semreward.languages import expand_scripts
from semreward.testing.probe import REASONING, content_parts, message

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_FIRST_SURROGATE, _LAST_SURROGATE = 0xD800, 0xDFFF


def texts(scripts: Iterable[str] = (), *, max_size: int = 40) -> "SearchStrategy[str]":
    """Texts in the given scripts.

    Args:
        scripts: ISO 15924 codes such as `"Tibt"` or `"Jpan"`; none: any Unicode text without surrogates, also empty.
        max_size: Longest text, in characters, >= 1.

    Returns:
        Strategy of texts with at least one letter, all of whose letters belong to the scripts; their marks, digits and
        punctuation and spaces come among them.

    Raises:
        MissingDependencyError: Hypothesis is not installed.
        UnknownLanguageError: A script is unknown to Unicode.

    Example:
        >>> from hypothesis import given
        >>> from semreward import LanguageConsistencyReward
        >>> @given(texts(["Tibt"]))
        ... def test_tibetan_text_is_tibetan(text):
        ...     assert LanguageConsistencyReward("bo")(completions=[text]) == [1.0]
        >>> test_tibetan_text_is_tibetan()
    """
    st = _strategies()
    codes = tuple(scripts)
    if not codes:
        text: SearchStrategy[str] = st.text(max_size=max_size)
        return text
    # Drawn by their place: Hypothesis would render a hundred thousand Han characters into the strategy's repr.
    letters, others = (st.integers(0, len(signs) - 1).map(signs.__getitem__) for signs in _signs(expand_scripts(codes)))
    # A letter at the start: a text without any is in no script.
    rest = st.text(letters | others, max_size=max_size - 1)
    started: SearchStrategy[str] = st.builds(str.__add__, letters, rest)
    return started


def completions(scripts: Iterable[str] = (), *, max_size: int = 40) -> "SearchStrategy[str | list[dict[str, Any]]]":
    """Completions as trainers hand them over: a text, one message, or one message of content parts.

    Args:
        scripts: As for `texts`; the answer's.
        max_size: As for `texts`.

    Returns:
        Strategy of completions, some of them with a closed `<think>` block before the answer.
    """
    st = _strategies()
    thoughts = st.sampled_from(["", REASONING])
    answers = st.builds(str.__add__, thoughts, texts(scripts, max_size=max_size))
    said = st.just("assistant")
    made: SearchStrategy[str | list[dict[str, Any]]] = st.one_of(
        answers, st.builds(message, answers, said), st.builds(content_parts, answers, said)
    )
    return made


def conversations(
    scripts: Iterable[str] = (), *, max_turns: int = 3, max_size: int = 40
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
    """All letters of the scripts, and everything else that they have, with a space."""
    own = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
    letters = regex.findall(rf"[\p{{L}}&&[{own}]]", _unicode(), regex.V1)
    others = regex.findall(rf"[[{own}]--\p{{L}}]", _unicode(), regex.V1)
    return "".join(letters), "".join([" ", *others])


@lru_cache(maxsize=1)
def _unicode() -> str:
    return "".join(map(chr, [*range(_FIRST_SURROGATE), *range(_LAST_SURROGATE + 1, sys.maxunicode + 1)]))
