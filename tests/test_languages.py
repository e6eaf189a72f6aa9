import pytest

from semreward.errors import ArgumentError, ArgumentTypeError, UnknownLanguageError
from semreward.languages import LetterCounts, ScriptFilter, expand_scripts, scripts_of, writing_in, writing_of


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


TIBETAN = ScriptFilter(scripts_of("bo"))
CHINESE = ScriptFilter(scripts_of("zh"))
JAPANESE = ScriptFilter(scripts_of("ja"))
ENGLISH = ScriptFilter(scripts_of("en"))


@pytest.mark.parametrize("text", ["ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།", "༡༢ བོད", "ཀ 3.5 %", "「ཀ」", "ཀ😀", "ཀ\u0301"])
def test_tibetan_with_neutral_signs_is_consistent(text):
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
    assert CHINESE.count("面ー") == LetterCounts(allowed=1, foreign=1)


def test_a_letter_of_all_scripts_is_neutral():
    assert CHINESE.count("5 µ米") == LetterCounts(allowed=1, foreign=0)


def test_bopomofo_is_foreign_to_chinese():
    assert not CHINESE.is_consistent("字ㄅ")


def test_latin_letters_with_diacritics_are_latin():
    assert ENGLISH.is_consistent("na\u00efve fa\u00e7ade")


def test_decomposed_letters_count_once():
    assert ENGLISH.count("e\u0301") == LetterCounts(allowed=1, foreign=0)


def test_lookalikes_of_another_script_are_foreign():
    assert ENGLISH.count("p\u0430y") == LetterCounts(allowed=2, foreign=1)


def test_a_long_text_is_judged_in_linear_time():
    assert TIBETAN.count("བོད་" * 100_000).allowed == 200_000


@pytest.mark.parametrize("language", ["sr", "bs", "cnr", "sh", "sr-RS"])
def test_a_language_of_two_scripts_has_two_alternatives(language):
    assert writing_of(language).alternatives == (frozenset({"Cyrl"}), frozenset({"Latn"}))


@pytest.mark.parametrize(("language", "script"), [("sr-Latn", "Latn"), ("sr_Cyrl", "Cyrl"), ("bs-Latn-BA", "Latn")])
def test_a_script_in_the_tag_leaves_one_alternative(language, script):
    assert writing_of(language).alternatives == (frozenset({script}),)


def test_scripts_that_are_written_together_are_one_alternative():
    assert writing_of("ja").alternatives == (frozenset({"Hani", "Hira", "Kana"}),)


@pytest.mark.parametrize(
    ("language", "own"), [("ja", {"Hira", "Kana"}), ("ko", {"Hang"}), ("zh", set()), ("bo", set())]
)
def test_a_language_that_mixes_scripts_has_scripts_of_its_own(language, own):
    assert writing_of(language).own == own


@pytest.mark.parametrize("scripts", ["Tibt", None, 3])
def test_a_writing_in_no_collection_is_refused(scripts):
    with pytest.raises((ArgumentTypeError, TypeError)):
        writing_in(scripts)


@pytest.mark.parametrize("code", ["Xxxx", None, 3])
def test_a_writing_in_an_unknown_script_is_refused(code):
    with pytest.raises(UnknownLanguageError, match="script"):
        writing_in([code])


def test_the_closest_alternative_has_most_letters():
    serbian = writing_of("sr")
    assert serbian.closest("Он je kupio").scripts == {"Latn"}
    assert serbian.closest("Он је kup").scripts == {"Cyrl"}
    assert serbian.closest("123").scripts == {"Cyrl"}


@pytest.mark.parametrize(
    ("text", "every", "shows"),
    [
        ("", 1, True),
        ("東", 1, False),
        ("東京", 3, True),
        ("東京都", 3, False),
        ("東京都の", 3, True),
        ("東京都東京の", 3, True),
        ("東京都東京都の", 3, False),
        ("のの", 1, True),
    ],
)
def test_own_letters_show_often_enough(text, every, shows):
    assert writing_of("ja").shows_own(text, every) is shows


def test_a_language_without_own_scripts_always_shows_them():
    assert writing_of("zh").shows_own("他买了三个苹果", 1)


@pytest.mark.parametrize("text", ["བོད", "12", "", "abc", "ཀa"])
def test_plain_ascii_is_judged_like_all_else(text):
    for judge in (TIBETAN, ENGLISH):
        own, foreign = judge.count(text)
        assert judge.is_consistent(text) == (own > 0 and foreign == 0)
