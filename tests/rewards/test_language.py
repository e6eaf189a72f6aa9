import pickle
import re

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
    with pytest.raises(ArgumentError, match="`language` must have one value per completion: 2 expected, got 1"):
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


def test_scripts_may_come_from_a_generator():
    reward = LanguageConsistencyReward(scripts=(code for code in ["Tibt", "Hani"]))
    assert reward == LanguageConsistencyReward(scripts=("Tibt", "Hani"))


def test_a_reward_is_the_same_after_pickling():
    reward = LanguageConsistencyReward("bo", language_column="language")
    assert pickle.loads(pickle.dumps(reward)) == reward


def test_the_signature_renders_what_decides_the_numbers():
    assert LanguageConsistencyReward(scripts=("Tibt", "Hani")).signature() == (
        "LanguageConsistencyReward|allowed:()|answer:Answer(reasoning='remove', tag=None)|detector:None|"
        "detector_threshold:0.5|language:None|language_column:None|"
        "name:language_consistency|on_error:raise|on_missing:raise|scripts:(Tibt,Hani)|shape:strict|"
        f"strip:()|tolerance:0.0|semreward:{semreward.__version__}"
    )


def test_the_name_is_its_function_name():
    assert LanguageConsistencyReward("bo", name="tibetan").__name__ == "tibetan"


class Tagger:
    """A detector: whatever holds a marked syllable is Dzongkha, all else Tibetan."""

    def __init__(self):
        self.seen = []

    def __call__(self, texts):
        self.seen.append(list(texts))
        return [{"dzo_Tibt": 0.8, "bod_Tibt": 0.2} if "ཨིན" in text else {"bod_Tibt": 0.7} for text in texts]


class FingerprintedTagger(Tagger):
    fingerprint = "f00d"


def test_the_defaults_are_the_strict_rule():
    reward = LanguageConsistencyReward("bo")
    completions = ["བོད་ཡིག", "བོད་字", "`བོད`", "<b>བོད</b>", "GPT", ""]
    assert reward(completions=completions) == [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]


def test_a_tolerance_forgives_up_to_its_share():
    reward = LanguageConsistencyReward("bo", tolerance=0.25)
    assert reward(completions=["ཀཁགa", "ཀཁab", "ཀཁགངa"]) == [1.0, 0.0, 1.0]


def test_a_ratio_is_the_own_share():
    assert LanguageConsistencyReward("bo", shape="ratio")(completions=["ཀཁགa", "ཀabc", "a"]) == [0.75, 0.25, 0.0]


def test_a_ratio_with_a_tolerance_reaches_one_early_and_zero_at_the_end():
    reward = LanguageConsistencyReward("bo", shape="ratio", tolerance=0.25)
    assert reward(completions=["ཀཁགa", "ཀཁab"]) == pytest.approx([1.0, 1 - 0.25 / 0.75])


def test_a_serbian_answer_keeps_to_one_script():
    assert LanguageConsistencyReward("sr")(completions=["Он је", "On je", "Он je"]) == [1.0, 1.0, 0.0]


def test_allowed_terms_and_patterns_do_not_count():
    reward = LanguageConsistencyReward("bo", allowed=["GPT", re.compile(r"v\d")])
    assert reward(completions=["ང་ GPT v4 བེད་སྤྱོད།", "GPT v4", "ང་ BERT བེད་སྤྱོད།"]) == [1.0, 0.0, 0.0]


def test_spans_of_the_named_kinds_do_not_count():
    reward = LanguageConsistencyReward("bo", strip=("code", "tags"))
    assert reward(completions=["<b>བོད་ཡིག</b> `x`", "`བོད`", "བོད་ $x$"]) == [1.0, 0.0, 0.0]


def test_an_answer_that_is_left_out_for_the_most_part_earns_nothing():
    reward = LanguageConsistencyReward("bo", strip=["code"])
    hidden = "`He bought apples` ཁོང་གིས་ཉོས།"
    assert reward(completions=[hidden]) == [0.0]


def test_all_that_is_left_out_is_added_up():
    reward = LanguageConsistencyReward("bo", strip=["code"], allowed=["GPT"])
    assert reward(completions=["ཀཁགངཅ `xy` GPT", "ཀཁགངཅ `xyz` GPT"]) == [1.0, 0.0]


def test_a_detector_rejects_what_passed_by_its_letters():
    reward = LanguageConsistencyReward("bo", detector=Tagger())
    assert reward(completions=["ཁོང་གིས་", "མིང་ཨིན", "字"]) == [1.0, 0.0, 0.0]


def test_a_detector_sees_only_rows_that_passed_and_each_text_once():
    detector = Tagger()
    LanguageConsistencyReward("bo", detector=detector)(completions=["ཀ", "字", "", "ཀ", "ཁ"])
    assert detector.seen == [["ཀ", "ཁ"]]


def test_a_detector_is_not_called_where_no_row_passed():
    detector = Tagger()
    assert LanguageConsistencyReward("bo", detector=detector)(completions=["字", ""]) == [0.0, 0.0]
    assert detector.seen == []


def test_a_detector_sees_no_span_that_was_left_out():
    detector = Tagger()
    LanguageConsistencyReward("bo", detector=detector, strip=["code"])(completions=["ཀཁ `x` ག"])
    assert detector.seen == [["ཀཁ   ག"]]


def test_a_detector_looks_for_the_language_of_the_row():
    reward = LanguageConsistencyReward(language_column="language", detector=Tagger())
    assert reward(completions=["མིང་ཨིན", "མིང་ཨིན"], language=["bo", "dz"]) == [0.0, 1.0]


def test_a_detectors_threshold_is_the_least_probability():
    reward = LanguageConsistencyReward("bo", detector=Tagger())
    values = [reward.replace(detector_threshold=limit)(completions=["ཀ"])[0] for limit in (0.0, 0.7, 0.71)]
    assert values == [1.0, 1.0, 0.0]


def test_a_detector_leaves_a_ratio_as_it_is_or_takes_it_all():
    reward = LanguageConsistencyReward("bo", detector=Tagger(), shape="ratio")
    assert reward(completions=["ཀཁགa", "ཨིནa"]) == [0.75, 0.0]


def test_rows_without_a_language_are_not_detected():
    reward = LanguageConsistencyReward(language_column="language", on_missing="none", detector=Tagger())
    assert reward(completions=["ཀ", "ཀ"], language=[None, "bo"]) == [None, 1.0]


def test_the_share_that_a_detector_rejected_is_logged():
    logged = {}
    reward = LanguageConsistencyReward("bo", detector=Tagger())
    reward(completions=["ཀ", "ཨིན", "字"], log_metric=logged.__setitem__)
    assert logged == {"language_consistency/detector_rejected": 0.5}


def test_a_single_row_that_a_detector_rejected_is_all_of_them():
    logged = {}
    LanguageConsistencyReward("bo", detector=Tagger())(completions=["ཨིན"], log_metric=logged.__setitem__)
    assert logged == {"language_consistency/detector_rejected": 1.0}


def test_an_error_of_a_detector_is_raised():
    def broken(texts):
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        LanguageConsistencyReward("bo", detector=broken)(completions=["ཀ"])


def test_a_detector_needs_a_language():
    with pytest.raises(ArgumentError, match="`detector` needs a `language`"):
        LanguageConsistencyReward(scripts=("Tibt",), detector=Tagger())


def test_a_detector_needs_a_language_in_every_row():
    reward = LanguageConsistencyReward(language_column="language", detector=Tagger())
    with pytest.raises(ArgumentTypeError, match=r"`language` must be a language tag, got \['Tibt'\] at row 0"):
        reward(completions=["ཀ"], language=[["Tibt"]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "linear"}, "`shape` must be one of"),
        ({"tolerance": -0.1}, "`tolerance`"),
        ({"tolerance": 0.5}, "`tolerance` must be below 0.5"),
        ({"tolerance": float("nan")}, "`tolerance`"),
        ({"tolerance": True}, "`tolerance`"),
        ({"detector_threshold": 1.5}, "`detector_threshold`"),
        ({"strip": "code"}, "`strip` must be a collection of 'code'"),
        ({"strip": None}, "`strip` must be a collection of 'code'"),
        ({"strip": ["html"]}, "`strip` must be a collection of 'code'"),
        ({"allowed": [""]}, "`allowed` must hold terms"),
    ],
)
def test_an_option_out_of_its_range_fails_at_construction(options, message):
    with pytest.raises(ArgumentError, match=message):
        LanguageConsistencyReward("bo", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"allowed": "GPT"}, "`allowed`"), ({"allowed": [3]}, "`allowed`"), ({"detector": "bo"}, "`detector`")],
)
def test_an_option_of_the_wrong_type_fails_at_construction(options, message):
    with pytest.raises(ArgumentTypeError, match=message):
        LanguageConsistencyReward("bo", **options)


def test_a_reward_with_patterns_is_the_same_after_pickling():
    reward = LanguageConsistencyReward("bo", allowed=[re.compile("[A-Z]+"), "GPT"])
    assert pickle.loads(pickle.dumps(reward)) == reward


def test_a_reward_with_patterns_can_be_replaced_and_hashed():
    reward = LanguageConsistencyReward("bo", allowed=[re.compile("[A-Z]+")], strip=["code"])
    assert reward.replace(tolerance=0.0) == reward
    assert hash(reward.replace(tolerance=0.0)) == hash(reward)


def test_the_signature_renders_patterns_and_their_flags():
    reward = LanguageConsistencyReward("bo", allowed=["GPT", re.compile("a", re.IGNORECASE)], strip=["urls", "code"])
    assert "|allowed:(GPT,re:34:'a')|" in reward.signature()
    assert "|strip:(urls,code)|" in reward.signature()


def test_the_signature_renders_a_detectors_fingerprint():
    signature = LanguageConsistencyReward("bo", detector=FingerprintedTagger()).signature()
    assert "|detector:FingerprintedTagger:f00d|" in signature
    assert "|detector:Tagger|" in LanguageConsistencyReward("bo", detector=Tagger()).signature()


def test_every_option_is_part_of_the_signature():
    reward = LanguageConsistencyReward("bo")
    changes = [
        {"shape": "ratio"},
        {"tolerance": 0.1},
        {"allowed": ["GPT"]},
        {"allowed": [re.compile("GPT")]},
        {"strip": ["code"]},
        {"detector": Tagger()},
        {"detector_threshold": 0.9},
    ]
    assert len({reward.replace(**change).signature() for change in changes} | {reward.signature()}) == len(changes) + 1


def test_sets_have_one_order_in_the_signature():
    reward = LanguageConsistencyReward(
        scripts={"Tibt", "Hani", "Latn"}, allowed={"b", "a", "c"}, strip={"urls", "code", "tags"}
    )
    assert "|allowed:(a,b,c)|" in reward.signature()
    assert "|scripts:(Hani,Latn,Tibt)|" in reward.signature()
    assert reward.strip == ("code", "tags", "urls")


def test_one_term_with_a_comma_is_not_two_in_the_signature():
    one, two = (LanguageConsistencyReward("bo", allowed=allowed) for allowed in (("a,b",), ("a", "b")))
    assert one.signature() != two.signature()


def test_kinds_of_spans_that_are_none_are_refused():
    with pytest.raises(ArgumentError, match="`strip` must be a collection of"):
        LanguageConsistencyReward("bo", strip=[["code"]])


def test_terms_may_come_from_a_generator():
    reward = LanguageConsistencyReward("bo", allowed=(term for term in ["GPT"]))
    assert reward(completions=["བོད་ཡིག GPT"]) == [1.0]


def test_a_language_that_is_nan_is_missing():
    reward = LanguageConsistencyReward(language_column="language", on_missing="none")
    assert reward(completions=["བོད"], language=[float("nan")]) == [None]
