"""The labelled cases in `reference/language_cases.tsv`: every one of them comes out right."""

import re

import pytest

from reference.language_cases import CASES
from semreward import Answer, LanguageConsistencyReward


def reward_of(text, language, options):
    parameters = {name: value for name, value in options.items() if name != "pattern"}
    if "reasoning" in parameters:
        parameters["answer"] = Answer(reasoning=parameters.pop("reasoning"))
    if "pattern" in options:
        parameters["allowed"] = [re.compile(options["pattern"])]
    return LanguageConsistencyReward(language, **parameters)(completions=[text])


@pytest.mark.parametrize(
    ("language", "options", "text", "expected"),
    [case[:4] for case in CASES],
    ids=[f"{language}-{number}" for number, (language, *_) in enumerate(CASES, start=2)],  # the line in the file
)
def test_a_labelled_case_comes_out_right(language, options, text, expected):
    assert reward_of(text, language, options) == pytest.approx([expected])


def test_there_are_hundreds_of_cases_in_twenty_five_languages():
    assert len(CASES) >= 400
    assert len({re.split("[-_]", language.lower())[0] for language, *_ in CASES}) >= 25


def test_no_case_stands_twice():
    assert len({(language, str(options), text) for language, options, text, *_ in CASES}) == len(CASES)


def test_every_case_says_why():
    assert all(why for *_, why in CASES)
