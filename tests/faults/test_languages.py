"""Language tags whose parts mean nothing, and letters under a million marks."""

import subprocess
import sys

import pytest

from semreward import LanguageConsistencyReward
from semreward.errors import UnknownLanguageError
from semreward.scripts import scripts_of, tag_parts

MARKED = ["ཀ" + "\u0f73" * 350_000, "ཀ" + "\u0f71\u0f72" * 175_000, "e" + "\u0323\u0301" * 175_000, "\u0f73" * 350_000]
SCORED = """
from semreward import LanguageConsistencyReward, RepetitionGuard, language_report

reward = LanguageConsistencyReward("bo")
print(reward(completions=texts))
print(reward.replace(shape="ratio")(completions=texts))
print([sum(language_report(text, "bo").letters.values()) for text in texts])
print(len(RepetitionGuard()(completions=texts)))
"""


@pytest.mark.parametrize(
    "tag",
    ["en-zh", "EN-ZH", "en_zh", "zh-bo", "zh-mn", "en-uk", "en-UK", "en-EN", "eng-zho", "eng-zho-Hans", "zh-bod"],
)
def test_a_translation_direction_is_no_language(tag):
    with pytest.raises(UnknownLanguageError, match="for a translation direction, name the language of the answers"):
        LanguageConsistencyReward(tag)


@pytest.mark.parametrize("tag", ["bo-XX", "zh-Hans-QQ", "en-foobar", "en-german", "zh-CHT", "ar-777", "de-0123"])
def test_an_unknown_part_is_named(tag):
    part = tag.split("-")[-1].lower()
    with pytest.raises(UnknownLanguageError, match=f"must not contain '{part}'"):
        LanguageConsistencyReward(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "bo-",
        "-bo",
        "bo--CN",
        "zh-Hans-Hant",
        "en-US-GB",
        "en-CN-Hans",
        "i-klingon",
        "en-GB-oed",
        "x-bo",
        "en-u",
        "zh/en",
    ],
)
def test_what_is_no_tag_is_refused(tag):
    with pytest.raises(UnknownLanguageError, match="must be a BCP-47 tag"):
        LanguageConsistencyReward(tag)


@pytest.mark.parametrize("tag", ["und", "mul", "zxx"])
def test_a_tag_of_no_language_asks_for_scripts(tag):
    with pytest.raises(UnknownLanguageError, match="name the scripts instead"):
        LanguageConsistencyReward(tag)


@pytest.mark.parametrize(
    ("tag", "scripts"),
    [
        ("bo_CN", {"Tibt"}),
        ("bo-IN", {"Tibt"}),
        ("EN", {"Latn"}),
        ("pt-br", {"Latn"}),
        ("en-de", {"Latn"}),
        ("es-419", {"Latn"}),
        ("ay-BO", {"Latn"}),
        ("zh-hans-cn", {"Hani"}),
        ("zh-tw", {"Hani"}),
        ("zh-Latn", {"Latn"}),
        ("zh-Latn-pinyin", {"Latn"}),
        ("sr-Cyrl", {"Cyrl"}),
        ("sr-ME", {"Latn"}),
        ("zh-yue-HK", {"Hani"}),
        ("zh-cmn-Hans-CN", {"Hani"}),
        ("hy-Latn-IT-arevela", {"Latn"}),
        ("en-US-x-private", {"Latn"}),
        ("en-US-u-ca-gregory-x-zh", {"Latn"}),
        ("de-DE-1996", {"Latn"}),
        ("qaa-Tibt", {"Tibt"}),
    ],
)
def test_a_tag_of_known_parts_is_read(tag, scripts):
    assert scripts_of(tag) == scripts


def test_an_extended_language_goes_by_its_own_name():
    assert tag_parts("zh-yue") == tag_parts("yue")


def test_a_direction_in_a_language_column_is_named_with_its_row():
    reward = LanguageConsistencyReward(language_column="language")
    with pytest.raises(UnknownLanguageError, match="`language` at row 1: .*'en-zh'.*translation direction"):
        reward(completions=["yes", "yes"], language=["en", "en-zh"])


def test_a_megabyte_of_marks_is_scored():
    program = f"texts = {MARKED!r}\n{SCORED}"
    done = subprocess.run(
        [sys.executable], input=program, capture_output=True, text=True, timeout=300, check=False
    )  # quadratic work would take an hour
    assert done.stdout.splitlines() == ["[1.0, 1.0, 0.0, 0.0]", "[1.0, 1.0, 0.0, 0.0]", "[1, 1, 1, 0]", "4"], (
        done.stderr
    )
