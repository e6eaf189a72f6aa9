"""Spans of an answer that its language is not judged by: code, URLs, LaTeX, tags, allowed terms, copied terms.

All of them are found in time linear in the text: the patterns here leave nothing to try twice (possessive quantifiers,
bodies that stop at their own opening sign). A pattern that a user hands in runs as fast as it is written.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

import regex

from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.letters import ATTACHED, COMMON_SCRIPT, FOREIGN, OWN, letter_kinds, script_of_letter, visible

SpanKind: TypeAlias = Literal["code", "urls", "latex", "tags"]
"""Kinds of spans that `without_spans` removes."""

UNSPACED_SCRIPTS = ("Hani", "Hira", "Kana", "Khmr", "Laoo", "Mymr", "Thai")
"""Scripts whose words no space separates."""

# In the order in which they are removed: what stands in code is neither a formula nor a tag.
SPAN_KINDS: tuple[SpanKind, ...] = ("code", "latex", "urls", "tags")

# Only closed spans: an opening sign without its closing one would hide the rest of an answer.
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
        r"|<\|\w++\|>"  # a chat template's signs
        r"|&(?:[a-z]{2,31}+|\#\d{1,7}+|\#x[0-9a-f]{1,6}+);",
        regex.IGNORECASE | regex.ASCII,
    ),
}
# Signs without which a text has no such span; looking for them first makes most texts cheap.
_SIGNS: dict[SpanKind, tuple[str, ...]] = {
    "code": ("`", "~~~"),
    "latex": ("$", "\\"),
    "urls": ("://", "@", "w.", "W."),
    "tags": ("<", "&"),
}
_ENVIRONMENT = regex.compile(r"\\(begin|end)\{[A-Za-z]++\*?\}")

# Letters and marks of scripts whose words no space separates, so that a word's ends do not show; and a stretch of such
# letters, or of others.
_UNSPACED = regex.compile("[" + "".join(rf"\p{{scx={code}}}" for code in UNSPACED_SCRIPTS) + "]")
_STRETCH = regex.compile(rf"{_UNSPACED.pattern}[{_UNSPACED.pattern}\p{{M}}]*|[^{_UNSPACED.pattern}]+", regex.V1)

# Letters of one kind in a row, with their marks, in what `letter_kinds` returns.
_OWN_RUN, _FOREIGN_RUN = (
    re.compile(kind + b"(?:" + ATTACHED + b"*" + kind + b")*" + ATTACHED + b"*") for kind in (OWN, FOREIGN)
)

# Words, or characters of an unspaced script, in a row that make a copied phrase.
_PHRASE = 3


class TermPattern(NamedTuple):
    """A compiled pattern as the value that it is: it compares, hashes, pickles and prints the same everywhere."""

    library: str
    pattern: str
    flags: int


def without_spans(text: str, kinds: Iterable[SpanKind]) -> str:
    r"""A text with a space in place of each span of some kinds.

    | kind | spans |
    |---|---|
    | `code` | between closed fences of three backticks or tildes, between backticks on one line |
    | `latex` | `$...$` on one line, `$$...$$`, `\(...\)`, `\[...\]`, `\begin{...}` to its `\end{...}` |
    | `urls` | `http://`, `https://`, `ftp://` and `www.` with the ASCII that follows; e-mail addresses |
    | `tags` | `<name attribute="value">`, `</name>`, `<|name|>`, `&name;` (the text between tags stays) |

    Args:
        text: Any text.
        kinds: Some of the four.

    Example:
        >>> without_spans("ཁྱབ་ `x = 1` $a^2$ <b>ཀ</b> https://example.org/a", ["code", "latex", "tags", "urls"]).split()
        ['ཁྱབ་', 'ཀ']
    """
    wanted = set(kinds)
    for kind in SPAN_KINDS:
        if kind in wanted and any(sign in text for sign in _SIGNS[kind]):
            if kind == "latex":
                text = _without_environments(text)
            text = _SPANS[kind].sub(" ", text)
    return text


def _without_environments(text: str) -> str:
    r"""A text without `\begin{...}` to its `\end{...}`, nested ones included."""
    kept, depth, start, last = [], 0, 0, 0
    for sign in _ENVIRONMENT.finditer(text):
        if sign[1] == "begin":
            start = sign.start() if depth == 0 else start
            depth += 1
        elif depth > 0:
            depth -= 1
            if depth == 0:
                kept += [text[last:start], " "]
                last = sign.end()
    return "".join([*kept, text[last:]])


def as_terms(allowed: Any) -> "tuple[str | TermPattern, ...]":
    """Terms and patterns as values: strings stay, compiled patterns become a `TermPattern`.

    Raises:
        ArgumentTypeError: `allowed` is no collection, or holds something other than strings and patterns of strings.
        ArgumentError: A term is blank.
    """
    if isinstance(allowed, (str, bytes, TermPattern)) or not hasattr(allowed, "__iter__"):
        raise ArgumentTypeError(f"`allowed` must be a collection of terms and compiled patterns, got {allowed!r}")
    terms = [_as_term(term) for term in allowed]
    return tuple(sorted(terms, key=str) if isinstance(allowed, (set, frozenset)) else terms)


def _as_term(term: object) -> "str | TermPattern":
    if isinstance(term, TermPattern):
        return term
    if isinstance(term, (re.Pattern, regex.Pattern)) and isinstance(term.pattern, str):
        return TermPattern(type(term).__module__.lstrip("_"), term.pattern, int(term.flags))
    if not isinstance(term, str):
        raise ArgumentTypeError(f"`allowed` must hold strings and compiled patterns of strings, got {term!r}")
    if not visible(term).strip():
        raise ArgumentError(f"`allowed` must hold terms with visible characters, got {term!r}; leave it out")
    return term


def without_terms(text: str, terms: "tuple[str | TermPattern, ...]") -> str:
    """A text with a space in place of each allowed term.

    A term counts as a whole: it is not found inside a longer word, unless its script separates no words (Chinese,
    Japanese, Thai, Lao, Khmer, Burmese). Case matters. A pattern is found wherever it matches.

    Args:
        text: A text as `semreward.letters.visible` returns it.
        terms: As `as_terms` returns them.

    Example:
        >>> without_terms("ང་ GPT དང་ GPTs", ("GPT",))
        'ང་   དང་ GPTs'
    """
    for pattern in _term_patterns(terms):
        text = pattern.sub(_space, text)
    return text


def _space(found: Any) -> str:
    return " " if found[0] else ""


@lru_cache(maxsize=64)
def _term_patterns(terms: "tuple[str | TermPattern, ...]") -> list[Any]:
    libraries = {"re": re, "regex": regex}
    patterns = [
        libraries[term.library].compile(term.pattern, term.flags) for term in terms if not isinstance(term, str)
    ]
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
    if not regex.match(r"\p{L}", edge) or _UNSPACED.match(edge) or script_of_letter(edge) == COMMON_SCRIPT:
        return ""
    return rf"[[\p{{sc={script_of_letter(edge)}}}&&\p{{L}}]\p{{M}}\p{{N}}]"


class Copies:
    """What the answers to a prompt take over from it, found in time linear in prompt and answer.

    Args:
        prompt: The prompt's text.
        scripts: The own scripts; letters of others are foreign.
    """

    def __init__(self, prompt: str, scripts: frozenset[str]) -> None:
        self._scripts = scripts
        prompt = visible(prompt)
        kinds = letter_kinds(prompt, scripts)
        terms = [prompt[start:end] for start, end in _stretches(prompt, kinds, _FOREIGN_RUN)]
        self._terms = {piece for term in terms for piece in _pieces(term, range(1, _PHRASE + 1))}
        self._phrases = set(_phrases([prompt[start:end] for start, end in _units(prompt, kinds)]))

    def forgiven(self, text: str) -> int:
        """How many foreign letters of an answer stand in terms that its prompt has, too, and so do not count.

        A term is a word; in a script that separates no words, a stretch of letters all of whose neighbours, three by
        three, are neighbours in the prompt. The number never exceeds that of the own letters which the answer does not
        repeat from its prompt, three words or unspaced characters in a row: a copy of the prompt gains nothing.

        Args:
            text: The answer, as `semreward.letters.visible` returns it.

        Example:
            >>> copies = Copies("他在Lhasa住", frozenset({"Tibt"}))
            >>> copies.forgiven("ཁོང་Lhasaལ་སྡོད"), copies.forgiven("Lhasa"), copies.forgiven("ཁོང་Parisལ་སྡོད")
            (5, 0, 0)
        """
        kinds = letter_kinds(text, self._scripts)
        copied = sum(
            kinds.count(FOREIGN, start, end)
            for start, end in _stretches(text, kinds, _FOREIGN_RUN)
            if self._terms.issuperset(_pieces(text[start:end], [min(_PHRASE, end - start)]))
        )
        if copied == 0:
            return 0
        units = list(_units(text, kinds))
        # The phrase that begins at place p holds the units p - 2 to p: two places stand before the first unit.
        repeated = {
            place - offset
            for place, phrase in enumerate(_phrases([text[start:end] for start, end in units]))
            if phrase in self._phrases
            for offset in range(_PHRASE)
        }
        new = sum(kinds.count(OWN, *unit) for place, unit in enumerate(units) if place not in repeated)
        return min(copied, new)


def _stretches(text: str, kinds: bytes, run: "re.Pattern[bytes]") -> Iterator[tuple[int, int]]:
    """Where the words of one kind of letters stand, and the stretches of letters of unspaced scripts."""
    for found in run.finditer(kinds):
        for stretch in _STRETCH.finditer(text, *found.span()):
            yield stretch.span()


def _units(text: str, kinds: bytes) -> Iterator[tuple[int, int]]:
    """Where the own words, and the single characters of unspaced scripts, stand."""
    for start, end in _stretches(text, kinds, _OWN_RUN):
        if _UNSPACED.match(text, start):
            yield from ((place, place + 1) for place in range(start, end))
        else:
            yield start, end


def _pieces(term: str, sizes: Iterable[int]) -> Iterator[str]:
    """A word; or all stretches of some sizes, in characters, of a term in an unspaced script."""
    if not _UNSPACED.match(term):
        yield term
        return
    for size in sizes:
        for start in range(len(term) - size + 1):
            yield term[start : start + size]


def _phrases(units: list[str]) -> Iterator[tuple[str | None, ...]]:
    """All phrases of units in a row, with two empty places before the first and after the last one."""
    around: list[str | None] = [None] * (_PHRASE - 1)
    padded = [*around, *units, *around]
    return zip(*(padded[start:] for start in range(_PHRASE)), strict=False)
