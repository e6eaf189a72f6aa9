"""Spans that do not count for an answer's language: code, URLs, LaTeX, tags, allowed terms.

All are found in linear time: the patterns never try anything twice (possessive quantifiers, bodies that stop at their
own opening). A user's own pattern runs as fast as it is written.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import regex

from semreward.arguments import in_one_order
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.scripts import COMMON_SCRIPT, script_of_letter, visible

SpanKind: TypeAlias = Literal["code", "latex", "urls", "tags"]
"""Kinds of spans, in the order in which `without_spans` removes them: code holds no formulas and tags."""

SPAN_KINDS: tuple[SpanKind, ...] = get_args(SpanKind)

# Only closed spans: an opening mark without its closing one would hide the rest of an answer.
_SPANS: "dict[SpanKind, regex.Pattern[str]]" = {
    "code": regex.compile(r"```.*?```|~~~.*?~~~|``[^\n]*?``|`[^`\n]++`", regex.DOTALL),
    "latex": regex.compile(
        r"\$\$[^$]++\$\$"
        r"|\$(?!\s)[^$\n]++(?<!\s)\$(?!\d)"  # "$5 and $6" are prices
        r"|(?<!\\)\\\((?:[^\\]|\\[^()])*+\\\)"  # a doubled backslash is a line break, which opens nothing
        r"|(?<!\\)\\\[(?:[^\\]|\\[^\[\]])*+\\\]"
    ),
    "urls": regex.compile(
        r"(?:(?:https?|ftp)://|www\.)[!#-;=?-_a-~]++"  # printable ASCII without quotes, angle brackets and backticks
        r"|(?<![\w.%+-])[\w.%+-]++@[a-z0-9-]++(?:\.[a-z0-9-]++)++",
        regex.IGNORECASE | regex.ASCII,
    ),
    "tags": regex.compile(
        r"</?[a-z][\w:.-]*+"
        r"""(?:\s++[\w:.-]++\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s<>"'=]++))*+"""  # attributes have values
        r"\s*+/?>"
        r"|<\|\w++\|>"  # a chat template's special tokens
        r"|&(?:[a-z]{2,31}+|\#\d{1,7}+|\#x[0-9a-f]{1,6}+);",
        regex.IGNORECASE | regex.ASCII,
    ),
}
_ENVIRONMENT = regex.compile(r"\\(begin|end)\{[A-Za-z]++\*?\}")

# Letters and marks of scripts that put no spaces between words, so that a word's ends do not show.
UNSPACED = regex.compile(r"[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{scx=Khmr}\p{scx=Laoo}\p{scx=Mymr}\p{scx=Thai}]")


def without_spans(text: str, kinds: Iterable[SpanKind]) -> str:
    r"""A text with a space in place of each span of some kinds.

    | kind | spans |
    |---|---|
    | `code` | between closed fences of three backticks or tildes, between backticks on one line |
    | `latex` | `$...$` on one line, `$$...$$`, `\(...\)`, `\[...\]`, `\begin{...}` to its `\end{...}` |
    | `urls` | `http://`, `https://`, `ftp://` and `www.` with the ASCII that follows; e-mail addresses |
    | `tags` | `<name key="value">`, `</name>`, `<name/>`, `<|name|>`, `&name;` (not the text between, nor `<a b>`) |

    Example:
        >>> without_spans("ཁྱབ་ `x = 1` $a^2$ <b>ཀ</b> https://example.org/a", ["code", "latex", "tags", "urls"]).split()
        ['ཁྱབ་', 'ཀ']
    """
    for kind in sorted(set(kinds), key=SPAN_KINDS.index):
        if kind == "latex":
            text = _without_environments(text)
        text = _SPANS[kind].sub(" ", text)
    return text


def _without_environments(text: str) -> str:
    r"""A text without `\begin{...}` to its `\end{...}`, nested ones included."""
    kept, depth, start, last = [], 0, 0, 0
    for mark in _ENVIRONMENT.finditer(text):
        if mark[1] == "begin":
            start = mark.start() if depth == 0 else start
            depth += 1
        elif depth > 0:
            depth -= 1
            if depth == 0:
                kept += [text[last:start], " "]
                last = mark.end()
    return "".join([*kept, text[last:]])


def as_terms(allowed: Any) -> tuple[Any, ...]:
    """Terms and compiled patterns as a tuple; a set's in one order.

    Raises:
        ArgumentTypeError: `allowed` is not a collection, or holds something other than strings and patterns of strings.
        ArgumentError: A term is blank.
    """
    if isinstance(allowed, (str, bytes)) or not hasattr(allowed, "__iter__"):
        raise ArgumentTypeError(f"`allowed` must be a collection of terms and compiled patterns, got {allowed!r}")
    terms = in_one_order(allowed)
    for term in terms:
        is_pattern = isinstance(term, re.Pattern) and isinstance(term.pattern, str)
        if not is_pattern and not isinstance(term, str):
            raise ArgumentTypeError(
                f"`allowed` must hold strings and patterns of strings that `re` compiled, got {term!r}"
            )
        if isinstance(term, str) and not visible(term).strip():
            raise ArgumentError(f"`allowed` must hold terms with visible characters, got {term!r}; leave it out")
    return terms


def without_terms(text: str, terms: tuple[Any, ...]) -> str:
    """A text with a space in place of each allowed term.

    A term is not found inside a longer word, unless its script puts no spaces between words (Chinese, Japanese, Thai,
    Lao, Khmer, Burmese). Case matters. A pattern is found wherever it matches.

    Example:
        >>> without_terms("ང་ GPT དང་ GPTs", ("GPT",))
        'ང་   དང་ GPTs'
    """
    for pattern in _term_patterns(terms):
        text = pattern.sub(lambda found: " " if found[0] else "", text)
    return text


@lru_cache(maxsize=64)
def _term_patterns(terms: tuple[Any, ...]) -> list[Any]:
    patterns = [term for term in terms if not isinstance(term, str)]
    by_edges: dict[tuple[str, str], list[str]] = {}
    for term in terms:
        if isinstance(term, str):
            plain = visible(term).strip()
            by_edges.setdefault((_inside_of(plain[0]), _inside_of(plain[-1])), []).append(plain)
    for (before, after), words in by_edges.items():
        left, right = (f"(?<!{before})" if before else ""), (f"(?!{after})" if after else "")
        patterns.append(regex.compile(rf"{left}\L<words>{right}", regex.V1, words=words))
    return patterns


def _inside_of(edge: str) -> str:
    """Class of the characters next to a term's first or last one that would put the term inside a longer word."""
    if regex.match(r"\p{N}", edge):
        return r"\p{N}"
    if not regex.match(r"\p{L}", edge) or UNSPACED.match(edge) or script_of_letter(edge) == COMMON_SCRIPT:
        return ""
    return rf"[[\p{{sc={script_of_letter(edge)}}}&&\p{{L}}]\p{{M}}\p{{N}}]"
