import sys
import time
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from semreward.errors import ArgumentError, ArgumentTypeError, UnknownLanguageError
from semreward.scripts import (
    ForeignSpan,
    LanguageReport,
    composed,
    expand_scripts,
    language_report,
    letter_kinds,
    script_names,
    script_of_letter,
    scripts_of,
    visible,
    writing_of,
)

SETS = ["Tibt", "Latn", "Grek", "Kore", "Jpan", "Deva", "Hebr"]
UNICODE = "".join(chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF)


@pytest.fixture(scope="module")
def composites():
    """Every character that decomposes, composed as far as it can be, and decomposed."""
    forms = [(sign, unicodedata.normalize("NFC", sign), unicodedata.normalize("NFD", sign)) for sign in UNICODE]
    return [signs for signs in forms if signs[0] != signs[2]]


@pytest.fixture(scope="module")
def letters():
    """All letters that count, or are neutral."""
    return "".join(regex.findall(r"[\p{L}--\p{DI}]", UNICODE, regex.V1))


def found(scripts, text):
    return tuple(sorted(set(map(letter_kinds(expand_scripts([scripts])).__getitem__, text)) - {""}))


@pytest.mark.parametrize("scripts", SETS)
def test_every_character_of_unicode_is_judged_as_its_composed_and_decomposed_forms_are(scripts, composites):
    assert len(composites) > 10_000
    assert [signs for signs in composites if len({found(scripts, sign) for sign in signs}) > 1] == []


@pytest.mark.parametrize("filler", ["\u115f", "\u1160", "\u3164", "\uffa0"])
def test_an_invisible_hangul_filler_is_no_letter(filler):
    assert unicodedata.category(filler) == "Lo"
    assert not writing_of("ko").is_consistent(filler)


@pytest.mark.parametrize(("letter", "plain"), [("𝐡", "h"), ("ℓ", "l"), ("ℝ", "R"), ("𝛼", "α"), ("𞸁", "ب")])
def test_a_font_variant_is_judged_as_its_letter(letter, plain):
    assert script_of_letter(letter) == script_of_letter(plain)


@pytest.mark.parametrize("sign", ["µ", "ʹ", "ℵ"])
def test_a_letter_of_all_scripts_is_neutral(sign):
    assert found("Tibt", sign) == ()


@pytest.mark.parametrize("sign", ["\u200b", "\u200d", "\u202e", "\u2066", "\ufe0f", "\ufeff", "\u00ad", "\U000e0041"])
def test_invisible_characters_are_removed(sign):
    assert visible(f"a{sign}字") == "a字"


def test_what_an_invisible_character_kept_apart_composes():
    assert visible("e\u200d\u0301") == "é"


@pytest.mark.parametrize("letter", ["a", "ན", "字", "か", "한", "ж", "𞤆"])
def test_a_letter_has_a_script_with_a_name(letter):
    assert script_names()[script_of_letter(letter)]


def test_only_letters_have_a_kind(letters):
    kinds = letter_kinds(frozenset({"Cyrl"}))
    assert {character for character in UNICODE if kinds[character]} <= set(letters)


def test_a_letter_that_scripts_share_is_common():
    assert script_of_letter("ー") == "Zyyy"


def test_every_letter_has_the_script_that_unicode_says(letters):
    codes = "".join(rf"(?P<{code}>\p{{sc={code}}})|" for code in script_names())
    pattern = regex.compile(f"{codes}(?P<Zzzz_>.)")
    plain = {letter for letter in letters if not unicodedata.decomposition(letter).startswith("<font>")}
    said = {letter: pattern.match(letter).lastgroup.rstrip("_") for letter in sorted(plain)[::7]}
    assert {letter: script_of_letter(letter) for letter in said} == said


def test_letters_of_scripts_that_babel_does_not_name_yet_are_of_an_unknown_script(letters):
    newer = regex.sub("[" + "".join(rf"\p{{sc={code}}}" for code in script_names()) + "]", "", letters)
    assert {script_of_letter(letter) for letter in newer} <= {"Zzzz"}


MARKS = st.sampled_from("\u0301\u0323\u0344\u0f71\u0f72\u0f73\u0f74\u3099\u05b0\u0327\u1dfa")


@given(st.lists(st.one_of(st.lists(MARKS, min_size=20, max_size=80).map("".join), st.sampled_from("aeཀか字 "))))
def test_composing_is_nfc(pieces):
    text = "".join(pieces) + "a" * 1001
    assert composed(text) == unicodedata.normalize("NFC", text)


def test_many_marks_on_one_letter_are_composed_in_no_quadratic_time():
    def seconds(size):
        start = time.thread_time()
        composed("a" + "\u0301\u0323" * size)
        return time.thread_time() - start

    seconds(1_000)
    # Quadratic work would take 256 times as long.
    assert seconds(32_000) < 80 * seconds(2_000) + 0.02


# Languages and their scripts.


@pytest.mark.parametrize(
    ("language", "scripts"),
    [
        ("bo", {"Tibt"}),
        ("BO", {"Tibt"}),
        ("dz", {"Tibt"}),
        ("bo-CN", {"Tibt"}),
        ("bod_Tibt", {"Tibt"}),
        ("zh", {"Hani"}),
        ("zh-TW", {"Hani"}),
        ("zh-Hant", {"Hani"}),
        ("ja", {"Hani", "Hira", "Kana"}),
        ("ko", {"Hang", "Hani"}),
        ("sr", {"Cyrl"}),
        ("sr-Latn", {"Latn"}),
        ("sr_Latn_RS", {"Latn"}),
        ("az-IR", {"Arab"}),
        ("ug", {"Arab"}),
        ("mn", {"Cyrl"}),
        ("mn-CN", {"Mong"}),
        ("und-Latn", {"Latn"}),
        ("qaa-Tibt", {"Tibt"}),
        ("de-1996", {"Latn"}),
        (" en ", {"Latn"}),
        ("bod", {"Tibt"}),
        ("cmn", {"Hani"}),
        ("arb", {"Arab"}),
        ("khk", {"Cyrl"}),
        ("iw", {"Hebr"}),
        ("sh", {"Cyrl"}),
    ],
)
def test_a_tag_has_its_own_or_its_likely_scripts(language, scripts):
    assert scripts_of(language) == scripts


@pytest.mark.parametrize(("language", "scripts"), [("ar-u-nu-latn", {"Arab"}), ("bo-x-hani", {"Tibt"})])
def test_extensions_of_a_tag_do_not_name_its_script(language, scripts):
    assert scripts_of(language) == scripts


@pytest.mark.parametrize("language", ["", "xx", "und", "zz-QQ", "bo tibetan", "བོད", "tibetanlanguage", "bo--CN", "-"])
def test_an_unknown_tag_is_refused(language):
    with pytest.raises(UnknownLanguageError):
        scripts_of(language)


def test_an_unknown_tag_names_the_remedy():
    with pytest.raises(UnknownLanguageError, match=r"'xx' has no script in CLDR; .*scripts="):
        scripts_of("xx")


@pytest.mark.parametrize("language", [None, 3, ["bo"], b"bo"])
def test_a_tag_that_is_no_string_is_refused(language):
    with pytest.raises(ArgumentTypeError, match="BCP-47"):
        scripts_of(language)


@pytest.mark.parametrize("code", ["Xxxx", "Tib", "Tibetan", "", "T(bt", None, 3])
def test_an_unknown_script_code_is_refused(code):
    with pytest.raises(UnknownLanguageError, match="script"):
        expand_scripts([code])


def test_no_script_is_refused():
    with pytest.raises(ArgumentError, match="at least one"):
        expand_scripts([])


def test_a_single_code_outside_a_collection_is_refused():
    with pytest.raises(ArgumentTypeError, match="collection"):
        expand_scripts("Tibt")


def test_combined_codes_are_expanded():
    assert expand_scripts(["Hanb", "hrkt", "Hans"]) == {"Hani", "Bopo", "Hira", "Kana"}


TIBETAN = writing_of("bo")
CHINESE = writing_of("zh")
JAPANESE = writing_of("ja")
ENGLISH = writing_of("en")


@pytest.mark.parametrize("text", ["ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།", "༡༢ བོད", "ཀ 3.5 %", "「ཀ」", "ཀ😀", "ཀ\u0301"])
def test_tibetan_with_neutral_characters_is_consistent(text):
    assert TIBETAN.is_consistent(text)


@pytest.mark.parametrize("text", ["བོད་字", "ཀ cm", "བོད a", "ཀ\u0430", "ཀあ"])
def test_one_foreign_letter_is_inconsistent(text):
    assert not TIBETAN.is_consistent(text)


@pytest.mark.parametrize("text", ["", "   ", "་་།", "༡༢༣", "123!?", "😀", "\u0f7c", "µ"])
def test_a_text_without_letters_is_inconsistent(text):
    assert not TIBETAN.is_consistent(text)


def test_the_long_vowel_mark_belongs_to_japanese():
    assert JAPANESE.is_consistent("ラーメン")


def test_the_long_vowel_mark_is_foreign_to_chinese():
    assert CHINESE.count("面ー") == (1, 1)


def test_a_neutral_letter_does_not_count():
    assert CHINESE.count("5 µ米") == (1, 0)


def test_bopomofo_is_foreign_to_chinese():
    assert not CHINESE.is_consistent("字ㄅ")


def test_latin_letters_with_diacritics_are_latin():
    assert ENGLISH.is_consistent("na\u00efve fa\u00e7ade")


def test_decomposed_letters_count_once():
    assert ENGLISH.count("e\u0301") == (1, 0)


def test_lookalikes_of_another_script_are_foreign():
    assert ENGLISH.count("p\u0430y") == (2, 1)


def test_a_long_text_is_judged_in_linear_time():
    assert TIBETAN.count("བོད་" * 100_000) == (200_000, 0)


@pytest.mark.parametrize("language", ["sr", "bs", "cnr", "sh", "sr-RS"])
def test_a_language_of_two_scripts_has_two_alternatives(language):
    assert writing_of(language).alternatives == (frozenset({"Cyrl"}), frozenset({"Latn"}))


@pytest.mark.parametrize(("language", "script"), [("sr-Latn", "Latn"), ("sr_Cyrl", "Cyrl"), ("bs-Latn-BA", "Latn")])
def test_a_script_in_the_tag_leaves_one_alternative(language, script):
    assert writing_of(language).alternatives == (frozenset({script}),)


def test_scripts_that_are_written_together_are_one_alternative():
    assert writing_of("ja").alternatives == (frozenset({"Hani", "Hira", "Kana"}),)


@pytest.mark.parametrize(("text", "foreign"), [("Он je kupio", ["Он"]), ("Он је kup", ["kup"]), ("123", [])])
def test_the_alternative_with_most_letters_is_taken(text, foreign):
    assert [span.text for span in language_report(text, "sr").foreign] == foreign


@pytest.mark.parametrize("text", ["བོད", "12", "", "abc", "ཀa"])
def test_plain_ascii_is_judged_like_all_else(text):
    for judge in (TIBETAN, ENGLISH):
        own, foreign = judge.count(text)
        assert judge.is_consistent(text) == (own > 0 and foreign == 0)


# The report.

TEXT = st.text(st.one_of(st.sampled_from("བོདཡིག་a字ーé\u0301\u200bµ 1"), st.characters(exclude_categories=["Cs"])))


def test_letters_are_counted_by_script():
    assert dict(language_report("བོད་字a字 12!").letters) == {"Hani": 2, "Tibt": 2, "Latn": 1}


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
    assert "foreign at 2-102: 'aaaaaaaaaaaa...aaaaaaaaaaaaa' (Latn)" in table
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
    report = language_report(text, "bo")
    assert sum(TIBETAN.count(span.text)[1] for span in report.foreign) == TIBETAN.count(text)[1]
    assert sum(TIBETAN.count(span.text)[0] for span in report.foreign) == 0


@given(TEXT)
def test_counts_are_of_all_letters(text):
    assert sum(language_report(text).letters.values()) == sum(TIBETAN.count(text))


@given(TEXT, st.sampled_from(["bo", "ja", "sr"]))
def test_the_verdict_is_the_rewards(text, language):
    assert language_report(text, language).consistent == writing_of(language).is_consistent(text)
