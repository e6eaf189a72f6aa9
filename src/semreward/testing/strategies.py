"""Hypothesis strategies for what policies write. Hypothesis is imported when one is called.

`scripts` is an ISO 15924 code such as `"Tibt"` or `"Jpan"`, or several; with none, a text is any Unicode text without
surrogates, also the empty one.
"""

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import regex

from semreward.arguments import check_count
from semreward.errors import UnknownLanguageError, library
from semreward.scripts import expand_scripts
from semreward.testing.probe import FORMS, REASONING

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
    """Texts of at most `max_size` characters, easy and hard ones, all of whose letters belong to the scripts.

    Each has at least one letter. Marks, digits, punctuation, zero-width characters and direction controls come in any
    order, and some texts are not in NFC.

    Raises:
        MissingDependencyError: Hypothesis is not installed.
        UnknownLanguageError: A script is unknown to Unicode, or has no letters (Braille).
    """
    check_count("max_size", max_size)
    st = library("hypothesis", "hypothesis").strategies
    codes = (scripts,) if isinstance(scripts, str) else tuple(scripts)
    if not codes:
        return st.text(max_size=max_size)  # type: ignore[no-any-return] # Hypothesis is imported late
    kinds = _characters(expand_scripts(codes))
    if not kinds[0]:
        raise UnknownLanguageError(f"`scripts` must have letters, and Unicode knows none of {', '.join(codes)}")
    # Drawn by index: Hypothesis would render a hundred thousand Han characters into the strategy's repr.
    letters, others = (st.integers(0, len(kind) - 1).map(kind.__getitem__) for kind in kinds)
    before = min(2, (max_size - 1) // 2)  # the letter need not come first
    after = st.text(letters | others, max_size=max_size - 1 - before)
    return st.builds("{}{}{}".format, st.text(others, max_size=before), letters, after)  # type: ignore[no-any-return]


def completions(scripts: str | Iterable[str] = ()) -> "SearchStrategy[str | list[dict[str, Any]]]":
    """Completions as trainers pass them: a text, a message of text or of content parts, messages around a tool call.

    Some reason: in a `<think>` block, in one that the chat template opened, or in a separate field.
    """
    st = library("hypothesis", "hypothesis").strategies
    thoughts = st.sampled_from(["", REASONING, REASONING.removeprefix("<think>")])
    answers = st.builds(str.__add__, thoughts, texts(scripts))
    return st.one_of(st.builds(form, answers, st.just("assistant")) for form in FORMS.values())  # type: ignore[no-any-return]


def conversations(scripts: str | Iterable[str] = ()) -> "SearchStrategy[list[dict[str, Any]]]":
    """Prompts as messages: one of a user, or two with an assistant's between them, some after a system's."""
    st = library("hypothesis", "hypothesis").strategies
    spoken = texts(scripts)
    turns = [["user"], ["system", "user"], ["user", "assistant", "user"], ["system", "user", "assistant", "user"]]

    def messages(roles: list[str]) -> Any:
        return st.tuples(*(st.builds(dict, role=st.just(role), content=spoken) for role in roles)).map(list)

    return st.sampled_from(turns).flatmap(messages)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _characters(scripts: frozenset[str]) -> tuple[str, str]:
    """All letters of the scripts, and everything else that may stand among them."""
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))  # without surrogates
    own = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
    letters = regex.findall(rf"[\p{{L}}&&[{own}]]", every, regex.V1)
    others = regex.findall(rf"[[{own}]--\p{{L}}]", every, regex.V1)
    return "".join(letters), "".join([_SHARED, *others])
