"""Hypothesis strategies for what policies write. Hypothesis is imported when one is called."""

import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import regex

from semreward.arguments import check_count
from semreward.errors import MissingDependencyError, UnknownLanguageError
from semreward.scripts import expand_scripts
from semreward.testing.forms import FORMS, REASONING

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

# What belongs to no script, and stands among the letters of all: spaces, digits and punctuation of several kinds, marks
# that combine, characters that join or turn letters without being seen, an emoji.
_SHARED = (
    " \t\n\u00a0\u3000"
    "0٣९½№.,!?…«»“”()（）。、👩🏔𝟙"
    "\u0301\u0323\u034f\u200b\u200c\u200d\u200e\u200f\u202e\u202c\u2060\ufe0f\ufeff"
)


def texts(scripts: str | Iterable[str] = (), *, max_size: int = 40) -> "SearchStrategy[str]":
    """Texts in the given scripts, easy and hard ones.

    Args:
        scripts: An ISO 15924 code such as `"Tibt"` or `"Jpan"`, or several. None: any Unicode text without surrogates,
            also empty.
        max_size: Longest text, in characters, >= 1.

    Returns:
        Strategy of texts with at least one letter, all of whose letters belong to the scripts. Marks, digits,
        punctuation, spaces, zero-width characters, direction controls and emoji come among them, in any order. Some
        texts are in NFC, others not.

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
    check_count("max_size", max_size)
    st = _strategies()
    codes = (scripts,) if isinstance(scripts, str) else tuple(scripts)
    if not codes:
        text: SearchStrategy[str] = st.text(max_size=max_size)
        return text
    kinds = _characters(expand_scripts(codes))
    if not kinds[0]:
        raise UnknownLanguageError(f"`scripts` must have letters, and Unicode knows none of {', '.join(codes)}")
    # Drawn by index: Hypothesis would render a hundred thousand Han characters into the strategy's repr.
    letters, others = (st.integers(0, len(kind) - 1).map(kind.__getitem__) for kind in kinds)
    before = min(2, (max_size - 1) // 2)  # the letter need not come first
    after = st.text(letters | others, max_size=max_size - 1 - before)
    made: SearchStrategy[str] = st.builds("{}{}{}".format, st.text(others, max_size=before), letters, after)
    return made


def completions(
    scripts: str | Iterable[str] = (), *, max_size: int = 40
) -> "SearchStrategy[str | list[dict[str, Any]]]":
    """Completions as trainers pass them: a text, a message of text or of content parts, messages around a tool call.

    Args:
        scripts: As for `texts`, for the answer.
        max_size: As for `texts`.

    Returns:
        Strategy of completions. Some reason: in a `<think>` block, in one that the chat template opened, or in a
        separate field.
    """
    st = _strategies()
    thoughts = st.sampled_from(["", REASONING, REASONING.removeprefix("<think>")])
    answers = st.builds(str.__add__, thoughts, texts(scripts, max_size=max_size))
    made: SearchStrategy[str | list[dict[str, Any]]] = st.one_of(
        st.builds(form, answers, st.just("assistant")) for form in FORMS.values()
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
    check_count("max_turns", max_turns)
    st = _strategies()

    spoken = texts(scripts, max_size=max_size)

    def messages(system: list[str], turns: list[tuple[str, str]], last: str) -> list[dict[str, Any]]:
        roles = ["system"] * len(system) + ["user", "assistant"] * len(turns) + ["user"]
        contents = [*system, *(text for turn in turns for text in turn), last]
        return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]

    made: SearchStrategy[list[dict[str, Any]]] = st.builds(
        messages, st.lists(spoken, max_size=1), st.lists(st.tuples(spoken, spoken), max_size=max_turns - 1), spoken
    )
    return made


def _strategies() -> Any:
    if find_spec("hypothesis") is None:
        raise MissingDependencyError("semreward's strategies need hypothesis; pip install hypothesis")
    import hypothesis.strategies

    return hypothesis.strategies


@lru_cache(maxsize=64)
def _characters(scripts: frozenset[str]) -> tuple[str, str]:
    """All letters of the scripts, and everything else that may stand among them."""
    own = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
    letters = regex.findall(rf"[\p{{L}}&&[{own}]]", _unicode(), regex.V1)
    others = regex.findall(rf"[[{own}]--\p{{L}}]", _unicode(), regex.V1)
    return "".join(letters), "".join([_SHARED, *others])


@lru_cache(maxsize=1)
def _unicode() -> str:
    """All characters but the surrogates."""
    return "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))
