import pickle

import numpy as np
import pytest

import semreward
from semreward import LanguageConsistencyReward
from semreward.errors import ArgumentError, ArgumentTypeError, MissingColumnError, UnknownLanguageError


def test_equation_3_by_hand():
    reward = LanguageConsistencyReward("bo")
    assert reward(completions=["བོད་ཡིག།", "བོད་字།", "字", "", "12 !", "༡༢ བོད"]) == [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def test_values_are_python_floats():
    assert type(LanguageConsistencyReward("bo")(completions=["ཀ"])[0]) is float


def test_no_completions_give_no_values():
    assert LanguageConsistencyReward("bo")(completions=[]) == []


def test_reasoning_in_another_language_is_not_judged():
    assert LanguageConsistencyReward("bo")(completions=["<think>hm</think>ཀ"]) == [1.0]


def test_unknown_columns_and_extras_are_ignored():
    assert LanguageConsistencyReward("bo")(completions=["ཀ"], prompts=["?"], reference=[None], step=3) == [1.0]


def test_scripts_can_be_named_instead_of_a_language():
    reward = LanguageConsistencyReward(scripts=("Tibt", "Hans"))
    assert reward(completions=["བོད་字", "བོད་a"]) == [1.0, 0.0]


def test_each_row_can_have_a_language_of_its_own():
    reward = LanguageConsistencyReward(language_column="language")
    values = reward(completions=["ཀ", "ཀ", "字", "字a"], language=["bo", "zh", "zh", ["Hani", "Latn"]])
    assert values == [1.0, 0.0, 1.0, 1.0]


def test_a_row_without_a_language_falls_back_to_the_rewards():
    reward = LanguageConsistencyReward("bo", language_column="language")
    assert reward(completions=["ཀ", "ཀ"], language=[None, "zh"]) == [1.0, 0.0]


def test_a_row_without_a_language_falls_back_to_the_rewards_scripts():
    reward = LanguageConsistencyReward(scripts=("Latn",), language_column="language")
    assert reward(completions=["a", "ཀ"], language=[None, None]) == [1.0, 0.0]


def test_a_row_without_any_language_is_none_on_demand():
    reward = LanguageConsistencyReward(language_column="language", on_missing="none")
    assert reward(completions=["ཀ", "ཀ"], language=[None, "bo"]) == [None, 1.0]


def test_a_row_without_any_language_is_named():
    with pytest.raises(ArgumentError, match=r"`language` must be a language tag, got None at row 1; .*on_missing"):
        LanguageConsistencyReward(language_column="language")(completions=["ཀ", "ཀ"], language=["bo", None])


@pytest.mark.parametrize("language", ["xx", "", ["Xxxx"], []])
def test_an_unknown_language_of_a_row_is_named(language):
    with pytest.raises(ArgumentError, match="`language` at row 1: "):
        LanguageConsistencyReward(language_column="language")(completions=["ཀ", "ཀ"], language=["bo", language])


@pytest.mark.parametrize("language", [3, {"language": "bo"}, b"bo"])
def test_a_language_of_the_wrong_type_is_named_by_its_row(language):
    with pytest.raises(ArgumentTypeError, match="must be a language tag or a list of scripts, got .* at row 1"):
        LanguageConsistencyReward(language_column="language")(completions=["ཀ", "ཀ"], language=["bo", language])


def test_the_languages_of_rows_may_be_an_array():
    reward = LanguageConsistencyReward(language_column="language")
    assert reward(completions=["ཀ"], language=np.array(["bo"])) == [1.0]


def test_a_missing_language_column_is_named():
    with pytest.raises(MissingColumnError, match="column `language` is missing"):
        LanguageConsistencyReward(language_column="language")(completions=["ཀ"])


def test_a_language_column_of_another_length_is_refused():
    with pytest.raises(ArgumentError, match="`language` must have one value a completion: 2 expected, got 1"):
        LanguageConsistencyReward(language_column="language")(completions=["ཀ", "ཀ"], language=["bo"])


def test_no_language_at_all_fails_at_construction():
    with pytest.raises(ArgumentError, match="give a `language`"):
        LanguageConsistencyReward()


def test_a_language_and_scripts_together_fail_at_construction():
    with pytest.raises(ArgumentError, match="not both"):
        LanguageConsistencyReward("bo", scripts=("Tibt",))


@pytest.mark.parametrize("language", ["xx", "", "tibetan language"])
def test_an_unknown_language_fails_at_construction(language):
    with pytest.raises(UnknownLanguageError, match="`language`"):
        LanguageConsistencyReward(language)


@pytest.mark.parametrize("scripts", [("Xxxx",), ("bo",)])
def test_an_unknown_script_fails_at_construction(scripts):
    with pytest.raises(UnknownLanguageError, match="script"):
        LanguageConsistencyReward(scripts=scripts)


def test_no_scripts_fail_at_construction():
    with pytest.raises(ArgumentError, match="at least one"):
        LanguageConsistencyReward(scripts=())


def test_a_single_script_outside_a_tuple_fails_at_construction():
    with pytest.raises(ArgumentTypeError, match="collection"):
        LanguageConsistencyReward(scripts="Tibt")


def test_an_unknown_missing_policy_fails_at_construction():
    with pytest.raises(ArgumentError, match="`on_missing`"):
        LanguageConsistencyReward("bo", on_missing="zero")


def test_a_list_of_scripts_can_be_hashed():
    assert hash(LanguageConsistencyReward(scripts=["Tibt"])) == hash(LanguageConsistencyReward(scripts=("Tibt",)))


def test_a_reward_is_the_same_after_pickling():
    reward = LanguageConsistencyReward("bo", language_column="language")
    assert pickle.loads(pickle.dumps(reward)) == reward


def test_the_signature_renders_what_decides_the_numbers():
    assert LanguageConsistencyReward(scripts=("Tibt", "Hani")).signature() == (
        "LanguageConsistencyReward|allow_from_prompt:False|allowed:()|detector:None|detector_threshold:0.5|high:None|"
        "language:None|language_column:None|low:None|max_left_out:0.5|min_letters:1|name:language_consistency|"
        "on_missing:raise|own_script_every:None|reasoning:remove|scripts:(Tibt,Hani)|shape:strict|"
        f"source_column:prompts|strip:()|tolerance:0.0|semreward:{semreward.__version__}"
    )


def test_the_name_is_its_function_name():
    assert LanguageConsistencyReward("bo", name="tibetan").__name__ == "tibetan"
