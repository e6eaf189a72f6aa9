import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.errors import ArgumentTypeError, UnknownLanguageError
from semreward.languages import ForeignSpan, LanguageReport, ScriptFilter, language_report, scripts_of, writing_of

TEXT = st.text(st.one_of(st.sampled_from("བོདཡིག་a字ーé\u0301\u200bµ 1"), st.characters(exclude_categories=["Cs"])))


def test_letters_are_counted_by_script():
    assert dict(language_report("བོད་字a字 12!").letters) == {"Hani": 2, "Tibt": 2, "Latn": 1}


def test_shares_are_of_all_letters():
    assert dict(language_report("ཀཁ字a").shares) == {"Tibt": 0.5, "Hani": 0.25, "Latn": 0.25}


def test_without_a_language_nothing_is_foreign():
    report = language_report("ཀ字")
    assert (report.language, report.consistent, report.foreign) == (None, None, ())


def test_foreign_spans_have_places_and_scripts():
    assert language_report("བོད iPhone 手机.", "bo").foreign == (
        ForeignSpan(4, 10, "iPhone", "Latn"),
        ForeignSpan(11, 13, "手机", "Hani"),
    )


def test_a_span_ends_where_the_script_changes():
    assert [span.text for span in language_report("ཀGPT模型", "bo").foreign] == ["GPT", "模型"]


def test_marks_and_invisible_characters_belong_to_their_span():
    text = "ཀ cafe\u0301\u200b ཁ"
    assert language_report(text, "bo").foreign == (ForeignSpan(2, 8, "cafe\u0301\u200b", "Latn"),)


def test_places_refer_to_the_text_as_given():
    text = "\u200bཀ\u0f42\u0fb7 e\u0301a"
    (span,) = language_report(text, "bo").foreign
    assert (span.start, span.end) == (5, 8)


def test_a_consistent_text_has_no_foreign_spans():
    report = language_report("བོད་ཡིག", "bo")
    assert (report.consistent, report.foreign) == (True, ())


def test_a_text_without_letters_is_not_consistent():
    report = language_report("123 µ", "bo")
    assert (report.consistent, dict(report.letters)) == (False, {})


def test_of_two_scripts_the_one_with_more_letters_is_taken():
    assert [span.text for span in language_report("Он је rekao", "sr").foreign] == ["Он", "је"]
    assert [span.text for span in language_report("Он је купио dva", "sr").foreign] == ["dva"]


def test_an_unknown_language_is_refused():
    with pytest.raises(UnknownLanguageError, match="'xx'"):
        language_report("a", "xx")


def test_the_table_shows_scripts_shares_and_spans():
    assert str(language_report("ཀཁག字", "bo")).split("\n") == [
        "bo: not consistent, 4 letters",
        "  Tibt        3   75.0%  Tibetan",
        "  Hani        1   25.0%  Han",
        "  foreign at 3-4: '字' (Hani)",
    ]


def test_the_table_of_a_text_alone_has_a_head():
    assert str(language_report("a")).split("\n")[0] == "text: no language given, 1 letters"


def test_the_table_of_an_empty_text_is_its_head():
    assert str(language_report("", "bo")) == "bo: not consistent, 0 letters"


def test_a_long_span_and_many_spans_are_cut_short():
    table = str(language_report("ཀ " + "a" * 100 + " b" * 20, "bo"))
    assert "'" + "a" * 39 + "…'" in table
    assert "and 11 more foreign spans" in table


@pytest.mark.parametrize("text", [None, b"abc", ["abc"]])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="`text` must be a string"):
        language_report(text)


def test_letters_of_an_unknown_script_are_called_so():
    assert str(LanguageReport(None, {"Zzzz": 1})).endswith("Zzzz        1  100.0%  Unknown Script")


@given(TEXT)
def test_spans_hold_what_stands_at_their_places(text):
    assert all(span.text == text[span.start : span.end] for span in language_report(text, "bo").foreign)


@given(TEXT)
def test_spans_hold_all_foreign_letters_and_no_others(text):
    tibetan = ScriptFilter(scripts_of("bo"))
    report = language_report(text, "bo")
    assert sum(tibetan.count(span.text).foreign for span in report.foreign) == tibetan.count(text).foreign
    assert sum(tibetan.count(span.text).allowed for span in report.foreign) == 0


@given(TEXT)
def test_counts_are_of_all_letters(text):
    assert sum(language_report(text).letters.values()) == sum(ScriptFilter(scripts_of("bo")).count(text))


@given(TEXT, st.sampled_from(["bo", "ja", "sr"]))
def test_the_verdict_is_the_rewards(text, language):
    assert language_report(text, language).consistent == writing_of(language).is_consistent(text)
