import re
import time

import pytest
import regex

from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.rewards.spans import SPAN_KINDS, as_terms, without_spans, without_terms
from semreward.scripts import writing_of

TIBETAN = writing_of("bo")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("code", "a `b` c"),
        ("code", "a ``b`b`` c"),
        ("code", "a\n```py\nb\n\nb\n```\nc"),
        ("code", "a ~~~b~~~ c"),
        ("latex", "a $b$ c"),
        ("latex", "a $$b\nb$$ c"),
        ("latex", r"a \(b\) c"),
        ("latex", r"a \[b \\[2pt] \frac{b}{b} \] c"),
        ("latex", r"a \begin{align*} b \end{align*} c"),
        ("latex", r"a \begin{b} b \begin{b} b \end{b} b \end{b} c"),
        ("urls", "a https://b.org/b?b=b#b c"),
        ("urls", "a HTTP://B c"),
        ("urls", "a ftp://b c"),
        ("urls", "a www.b.org c"),
        ("urls", "a b.b+b@b-b.org c"),
        ("tags", "a <b> c"),
        ("tags", "a </b> c"),
        ("tags", "a <b/> c"),
        ("tags", "a <b b=b/> c"),
        ("tags", """a <b b="b b" b:b='b' b=b /> c"""),
        ("tags", "a <|b_b|> c"),
        ("tags", "a &bb; c"),
        ("tags", "a &#123; c"),
        ("tags", "a &#xbb; c"),
    ],
)
def test_a_span_leaves_a_space(kind, text):
    assert without_spans(text, [kind]).split() == ["a", "c"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("code", "a `b c"),
        ("code", "a `b\nb` c"),
        ("code", "a ```b c"),
        ("code", "a 'b' c"),
        ("latex", "a $b c"),
        ("latex", "a $5 b $6 c"),
        ("latex", "a $5-$6 c"),
        ("latex", "a $b\nb$ c"),
        ("latex", r"a \(b c"),
        ("latex", r"a \[b c"),
        ("latex", r"a \begin{b} b c"),
        ("latex", r"a \end{b} b \begin{b} c"),
        ("latex", r"a \alpha c"),
        ("urls", "a b.org c"),
        ("urls", "a b@b c"),
        ("urls", "a @b.org c"),
        ("urls", "a http: b c"),
        ("tags", "a <b c"),
        ("tags", "a < b> c"),
        ("tags", "a <b b> c"),
        ("tags", "a <b b=b b/> c"),
        ("tags", 'a <b b="b > b"> c'),
        ("tags", "a < c > b"),
        ("tags", "a &bb c"),
        ("tags", "a <1> c"),
    ],
)
def test_what_only_resembles_a_span_stays(kind, text):
    assert without_spans(text, [kind]) == text


def test_only_the_named_kinds_are_removed():
    assert without_spans("`a` $b$", ["latex"]) == "`a`  "


def test_no_kind_changes_nothing():
    assert without_spans("`a` $b$ <c>", []) == "`a` $b$ <c>"


def test_a_formula_in_code_is_code():
    assert without_spans("`a $` b `$ c`", ["code", "latex"]).split() == ["b"]


def test_what_stands_beside_a_span_is_not_joined():
    assert without_spans("a`b`c", ["code"]) == "a c"


def test_a_pattern_keeps_its_flags():
    assert without_terms("AAB", as_terms([re.compile("a+b", re.IGNORECASE)])) == " "


def test_a_pattern_that_matches_the_empty_text_adds_nothing():
    assert without_terms("aab", as_terms([re.compile("x*")])) == "aab"


def test_terms_can_be_given_again():
    terms = as_terms([re.compile("a")])
    assert as_terms(terms) == terms


@pytest.mark.parametrize("allowed", ["GPT", b"GPT", None, 3])
def test_terms_outside_a_collection_are_refused(allowed):
    with pytest.raises(ArgumentTypeError, match="`allowed` must be a collection"):
        as_terms(allowed)


@pytest.mark.parametrize("term", [None, 3, b"GPT", re.compile(b"a"), regex.compile("a"), ("GPT",)])
def test_what_is_no_term_is_refused(term):
    with pytest.raises(ArgumentTypeError, match="`allowed` must hold strings and patterns"):
        as_terms([term])


@pytest.mark.parametrize("term", ["", "  ", "\u200b"])
def test_a_blank_term_is_refused(term):
    with pytest.raises(ArgumentError, match="visible characters"):
        as_terms([term])


@pytest.mark.parametrize(
    ("term", "text", "left"),
    [
        ("GPT", "GPT", ""),
        ("GPT", "a GPT-4 b", "a -4 b"),
        ("GPT", "GPTs", "GPTs"),
        ("GPT", "xGPT", "xGPT"),
        ("GPT", "GPT4", "GPT4"),
        ("GPT", "GPT\u0323", "GPT\u0323"),
        ("GPT", "字GPT字", "字 字"),
        ("GPT-4", "GPT-45 GPT-4", "GPT-45"),
        ("C++", "C++11", "11"),
        ("苹果", "大苹果树", "大 树"),
        ("བོད", "བོད་བོདཔ", "་བོདཔ"),
        ("é", "e\u0301 é", "e\u0301"),  # texts come composed
        ("New York", "New York New Yorker", "New Yorker"),
        ("เชียงใหม่", "ไปเชียงใหม่มา", "ไป มา"),
        ("ʻokina", "a ʻokina b", "a b"),
    ],
)
def test_a_term_is_found_as_a_whole_word(term, text, left):
    assert " ".join(without_terms(text, as_terms([term])).split()) == left


def test_many_terms_are_looked_up_at_once():
    terms = as_terms([f"term{number}" for number in range(3000)])
    assert without_terms("term7 term2999 term3000", terms).split() == ["term3000"]


def test_a_decomposed_term_is_composed():
    assert without_terms("café", as_terms(["cafe\u0301"])) == " "


HOSTILE = [
    "$",
    "$a ",
    "$$a",
    "`",
    "`a\n",
    "``a ",
    "```a",
    "~",
    "\\(",
    "\\[",
    "\\(\\",
    "\\\\",
    "\\begin{a}",
    "\\end{a}",
    "<",
    "<a ",
    "<a b=",
    "<a b=c ",
    '<a b="',
    "<a b='c' ",
    "<|",
    "&",
    "&a",
    "&#1",
    "a",
    "a@",
    "a.",
    "a@a.",
    "@",
    "http://",
    "www.",
    "་",
    "字",
    "ཀ字",
    "ཀ ",
    "a b ",
    "ก",
    "ก a",
    "e\u0301",
    "\u0301",
    "\u200b",
    "a\u200b",
    "\U0001f600",
]


def seconds(call):
    best = float("inf")
    for _ in range(2):
        start = time.thread_time()
        call()
        best = min(best, time.thread_time() - start)
    return best


@pytest.mark.parametrize("piece", HOSTILE)
def test_sixteen_times_the_text_takes_nowhere_near_the_square_of_the_time(piece):
    def judge(size):
        text = piece * (size // len(piece))
        kept = without_terms(without_spans(text, SPAN_KINDS), ("GPT", "字字", "a a"))
        TIBETAN.is_consistent(text)
        return TIBETAN.count(kept)

    judge(100)
    # Quadratic work would take 256 times as long; a busy machine is allowed five times what linear work takes.
    assert seconds(lambda: judge(16_000)) < 80 * seconds(lambda: judge(1_000)) + 0.02


@pytest.mark.parametrize("text", ["a WWW.b c", "a wWw.b c", "a WwW.b c", "a HTTPS://b c", "a B@B.B c"])
def test_the_case_of_an_address_does_not_matter(text):
    assert without_spans(text, ["urls"]).split() == ["a", "c"]
