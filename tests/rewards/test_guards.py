import pickle

import numpy as np
import pytest

from semreward.errors import ArgumentError, ArgumentTypeError, MissingColumnError
from semreward.rewards.guards import (
    LengthRatioGuard,
    NumberRecallReward,
    RepetitionGuard,
    SourceCopyGuard,
    copied_share,
    repeated_share,
    weighted_length,
)
from semreward.testing import check_reward

TIBETAN = "ཁོང་གིས་ཁྲོམ་ལ་ཀུ་ཤུ་གསུམ་ཉོས།"
CHINESE = "他昨天下午在集市上买了三个苹果。"
GUARDS = [
    LengthRatioGuard(),
    RepetitionGuard(),
    RepetitionGuard(reference_column="reference"),
    SourceCopyGuard(),
    SourceCopyGuard(reference_column=None),
    NumberRecallReward(),
    NumberRecallReward(source_column="source"),
]
IDS = [
    "length_ratio",
    "repetition",
    "repetition_beside_reference",
    "source_copy",
    "source_copy_without_reference",
    "number_recall",
    "number_recall_with_source",
]
ALL = pytest.mark.parametrize("guard", GUARDS, ids=IDS)


def value(guard, answer, **columns):
    """What a guard gives one answer."""
    return guard(completions=[answer], **{name: [column] for name, column in columns.items()})[0]


@ALL
@pytest.mark.parametrize(("reference", "source"), [(TIBETAN, CHINESE), (CHINESE, TIBETAN), ("Yes.", "是的。")])
def test_nothing_is_wrong_with_the_reference_itself(guard, reference, source):
    assert value(guard, reference, reference=reference, source=source) == 1.0


@ALL
@pytest.mark.parametrize("answer", ["", "  \n", "<think>hm"])
def test_an_empty_answer_fails(guard, answer):
    assert value(guard, answer, reference=TIBETAN, source=CHINESE) == 0.0


@ALL
def test_no_completions_give_no_values(guard):
    assert guard(completions=[], reference=[], source=[]) == []


@ALL
def test_values_lie_within_the_bounds(guard):
    assert guard.bounds == (0.0, 1.0)


@ALL
def test_a_guard_is_the_same_after_pickling(guard):
    assert pickle.loads(pickle.dumps(guard)) == guard


@ALL
def test_conversational_answers_are_judged_without_their_reasoning(guard):
    completion = [{"role": "assistant", "content": f"<think>{CHINESE * 5}</think>{TIBETAN}"}]
    assert value(guard, completion, reference=TIBETAN, source=CHINESE) == 1.0


@ALL
def test_a_guard_keeps_the_contract(guard):
    rows = [
        {"completion": answer, "prompt": CHINESE, "reference": TIBETAN, "source": CHINESE}
        for answer in (TIBETAN, TIBETAN * 3, CHINESE, "3")
    ]
    report = check_reward(guard, rows, bounds=(0.0, 1.0), spawn=False)
    assert report.passed, str(report)


@ALL
def test_an_unknown_missing_policy_is_refused(guard):
    with pytest.raises(ArgumentError, match="`on_missing`"):
        guard.replace(on_missing="zero")


REFERRING = pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard.reference_column], ids=str)


@REFERRING
def test_a_missing_reference_is_named_by_its_row(guard):
    with pytest.raises(ArgumentError, match="`reference` .* got None at row 1"):
        guard(completions=["a", "a"], reference=["a", None], source=["b", "b"])


@REFERRING
def test_a_missing_reference_is_none_on_demand(guard):
    lenient = guard.replace(on_missing="none")
    assert lenient(completions=["a", "a"], reference=[None, "a"], source=["b", "b"]) == [None, 1.0]


@REFERRING
def test_a_missing_column_is_named(guard):
    with pytest.raises(MissingColumnError, match="column `reference` is missing"):
        guard(completions=["a"], source=["b"])


def length_ratio(answer, reference, **options):
    return value(LengthRatioGuard(**{"low": 0.5, "high": 2.0, "slack": 0, **options}), answer, reference=reference)


@pytest.mark.parametrize(("length", "expected"), [(4, 0.0), (5, 1.0), (10, 1.0), (20, 1.0), (21, 0.0), (1000, 0.0)])
def test_a_length_within_the_band_passes(length, expected):
    assert length_ratio("ab" * (length // 2) + "a" * (length % 2), "abcdefghij") == expected


def test_slack_lets_short_texts_differ_by_so_many_characters():
    assert [length_ratio(answer, "嗨", slack=8) for answer in ("嗨", "你好啊!", "你好啊!!")] == [1.0, 1.0, 0.0]


def test_slack_lets_long_texts_be_shorter_by_so_many_characters():
    assert [length_ratio("a" * length, "a" * 20, slack=3) for length in (7, 6)] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "length"),
    [("abc", 3), ("བོད་ཡིག", 7), ("字", 4), ("한국", 8), ("a b\n", 2), ("12", 2), ("།", 4), ("\u200b", 4)],
)
def test_what_a_sign_is_worth(text, length):
    assert weighted_length(text) == length


def test_slack_does_not_let_an_empty_answer_pass():
    assert length_ratio("", "嗨", slack=5) == 0.0


@pytest.mark.parametrize("text", [TIBETAN, CHINESE])
def test_by_default_a_third_of_an_answer_and_two_answers_fail(text):
    guard = LengthRatioGuard()
    answers = [text[: len(text) // 3], text, text * 2]
    assert guard(completions=answers, reference=[text] * 3) == [0.0, 1.0, 0.0]


def test_an_ideograph_is_as_long_as_four_letters():
    assert [length_ratio(answer, "三顶帽子", low=1.0, high=1.0) for answer in ("a" * 16, "a" * 15)] == [1.0, 0.0]


def test_the_reference_that_suits_best_counts():
    assert length_ratio("a" * 30, ["a" * 100, "a" * 10, "a" * 25]) == 1.0


def test_white_space_has_no_length():
    assert length_ratio("a b\n c   d", "abcd", low=1.0, high=1.0) == 1.0


@pytest.mark.parametrize("text", [TIBETAN, CHINESE])
@pytest.mark.parametrize("padding", ["་" * 80, "།" * 40, "\u200b" * 40, "\u0f72" * 80, "!" * 40, "👍" * 40])
def test_what_says_nothing_has_a_length(text, padding):
    assert length_ratio(text + padding, text) == 0.0


def test_composed_and_decomposed_texts_are_of_one_length():
    assert length_ratio("e\u0301" * 5, "\u00e9" * 5, low=1.0, high=1.0) == 1.0


@pytest.mark.parametrize(
    "options",
    [
        {"high": 1.0, "low": 2.0},
        {"low": -0.1},
        {"high": float("inf")},
        {"low": float("nan")},
        {"low": None},
        {"slack": -1},
        {"slack": "2"},
    ],
)
def test_a_band_that_cannot_be_is_refused(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}`"):
        LengthRatioGuard(**options)


REPEATED = [TIBETAN, CHINESE, "He bought three apples in the market yesterday.", "मैंने कल बाज़ार में तीन सेब खरीदे थे।"]


@pytest.mark.parametrize("text", REPEATED)
def test_a_sentence_said_once_is_no_repetition(text):
    assert value(RepetitionGuard(), text) == 1.0


@pytest.mark.parametrize("text", REPEATED)
@pytest.mark.parametrize("times", [2, 3, 50])
def test_a_sentence_said_again_is_repetition(text, times):
    assert value(RepetitionGuard(), text * times) == 0.0


@pytest.mark.parametrize("text", REPEATED)
def test_white_space_does_not_hide_repetition(text):
    assert value(RepetitionGuard(), "\n ".join([text] * 3)) == 0.0


@pytest.mark.parametrize(("limit", "expected"), [(0.75, 1.0), (0.74, 0.0)])
def test_repetition_up_to_the_limit_passes(limit, expected):
    assert value(RepetitionGuard(limit=limit), "不要停下来，" * 4) == expected  # a share of 0.75


@pytest.mark.parametrize("loop", ["哈", "་", "!", "བོད་", "la ", "\u200b"])
def test_a_short_loop_is_repetition(loop):
    assert value(RepetitionGuard(), "answer" + loop * 100) == 0.0


@pytest.mark.parametrize("text", ["好", "好好", "谢谢！", "ཨ་མ་", "no, no", "哈哈哈", "མང་པོ་མང་པོ་"])
def test_honest_short_answers_may_repeat(text):
    assert value(RepetitionGuard(), text) == 1.0


def test_tibetan_may_repeat_its_syllables():
    # syllables and endings that recur, as in a list of things
    text = "ཁྱོད་ཀྱི་ཕ་མ་དང་། ཁྱོད་ཀྱི་སྤུན་མཆེད་དང་། ཁྱོད་ཀྱི་གྲོགས་པོ་རྣམས་ལ་བཀྲ་ཤིས་བདེ་ལེགས་ཞུ།"
    assert value(RepetitionGuard(), text) == 1.0


REFRAIN = "下雨了，快回家。" * 3


def test_what_the_reference_repeats_may_be_repeated():
    guard = RepetitionGuard(reference_column="reference")
    assert [value(guard, REFRAIN, reference=other) for other in (REFRAIN, CHINESE)] == [1.0, 0.0]


def test_a_repetitive_reference_does_not_excuse_saying_it_twice():
    assert value(RepetitionGuard(reference_column="reference"), REFRAIN * 2, reference=REFRAIN) == 0.0


def test_the_most_repetitive_reference_counts():
    assert value(RepetitionGuard(reference_column="reference"), REFRAIN, reference=[CHINESE, REFRAIN]) == 1.0


@pytest.mark.parametrize(
    ("text", "share"), [("", 0.0), ("abc", 0.0), ("a" * 20, 0.0), ("a" * 21, 20 / 21), ("不要停下来，" * 4, 0.75)]
)
def test_the_repeated_share_by_hand(text, share):
    assert repeated_share(text) == pytest.approx(share)


@pytest.mark.parametrize("guard", [RepetitionGuard, SourceCopyGuard])
@pytest.mark.parametrize("options", [{"limit": 1.0}, {"limit": -0.1}, {"ngram": 0}, {"ngram": 2.5}, {"ngram": True}])
def test_parameters_out_of_their_range_are_refused(guard, options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}`"):
        guard(**options)


def copy_guard(answer, source, reference, **options):
    return value(SourceCopyGuard(**options), answer, source=source, reference=reference)


@pytest.mark.parametrize(
    ("source", "reference"),
    [(CHINESE, TIBETAN), (TIBETAN, CHINESE), ("He lives here.", "Er wohnt hier."), ("是", "ཡིན།")],
)
def test_a_copy_of_the_source_fails(source, reference):
    assert copy_guard(source, source, reference) == 0.0


def test_a_copy_in_capitals_and_with_other_punctuation_fails():
    assert copy_guard("HE LIVES -- HERE", "he lives here", "Er wohnt hier.") == 0.0


def test_punctuation_between_the_letters_does_not_hide_a_copy():
    assert copy_guard("，".join(CHINESE), CHINESE, TIBETAN) == 0.0


@pytest.mark.parametrize(("limit", "expected"), [(0.6, 1.0), (0.59, 0.0)])
def test_a_copy_up_to_the_limit_passes(limit, expected):
    answer, source = "今天天气很好，我们走吧", "今天天气很好，出去走走"  # a share of 0.6
    assert copy_guard(answer, source, None, ngram=3, limit=limit, reference_column=None) == expected


def test_half_a_copy_fails():
    assert copy_guard(CHINESE + TIBETAN[:20], CHINESE, TIBETAN) == 0.0


def test_names_that_the_reference_has_too_are_not_copied():
    source, reference = "Ursula Gertrud von der Leyen kommt.", "Ursula Gertrud von der Leyen is coming."
    assert copy_guard("Ursula Gertrud von der Leyen comes.", source, reference) == 1.0


def test_without_a_reference_all_that_the_source_has_is_copied():
    source = "Ursula Gertrud von der Leyen kommt."
    assert copy_guard("Ursula Gertrud von der Leyen comes.", source, None, reference_column=None) == 0.0


def test_numbers_are_not_copied():
    assert copy_guard("2008 8 8", "2008年8月8日", "二〇〇八年") == 1.0


def test_an_answer_without_letters_copies_nothing():
    assert copy_guard("!!!", "!!!", "ཡིན།") == 1.0


def test_the_prompt_may_be_the_source():
    guard = SourceCopyGuard("prompts")
    prompts = [
        [{"role": "system", "content": "Translate."}, {"role": "user", "content": [{"type": "text", "text": CHINESE}]}],
        CHINESE,
    ]
    assert guard(completions=[CHINESE, CHINESE], prompts=prompts, reference=[TIBETAN] * 2) == [0.0, 0.0]


def test_every_message_of_a_prompt_is_source():
    prompt = [
        {"role": "user", "content": CHINESE},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "?"},
    ]
    assert value(SourceCopyGuard("prompts"), CHINESE, prompts=prompt, reference=TIBETAN) == 0.0


def test_a_message_that_only_calls_tools_says_nothing():
    prompt = [{"role": "user", "content": CHINESE}, {"role": "assistant", "tool_calls": []}]
    assert value(SourceCopyGuard("prompts"), CHINESE, prompts=prompt, reference=TIBETAN) == 0.0


@pytest.mark.parametrize("guard", [SourceCopyGuard(), NumberRecallReward(source_column="source")])
def test_the_share_of_blank_sources_is_logged(guard):
    metrics, sources = {}, ["", CHINESE, " \u200b\n", CHINESE]
    row = {"completions": [TIBETAN] * 4, "source": sources, "reference": [TIBETAN] * 4}
    assert guard(**row, log_metric=metrics.__setitem__) == [1.0] * 4
    assert metrics == {f"{guard.name}/blank_sources": 0.5}


def test_an_empty_source_has_nothing_to_copy():
    assert copy_guard("anything", "", TIBETAN) == 1.0


@pytest.mark.parametrize(
    ("answer", "source", "share"), [("abcdabcd", "abcd", 1.0), ("abcabc", "abc", 0.0), ("abcdefgh", "abcdexyz", 5 / 8)]
)
def test_the_copied_share_by_hand(answer, source, share):
    assert copied_share(answer, source, ngram=1) == share


def test_an_n_gram_is_twenty_letters_unless_it_is_told_otherwise():
    assert copied_share("abcdefghijklmnopqrst-yyyyy", "abcdefghijklmnopqrst-zzzzz") == 20 / 25


def test_a_missing_source_is_named_by_its_row():
    with pytest.raises(ArgumentError, match="`source` must be a text or a list of messages, got None at row 1"):
        SourceCopyGuard()(completions=["a", "a"], source=["a", None], reference=["a", "a"])


def test_a_missing_source_is_none_on_demand():
    guard = SourceCopyGuard(on_missing="none")
    assert guard(completions=["a", "a"], source=[None, "b"], reference=["a", "a"]) == [None, 1.0]


@pytest.mark.parametrize("source", [3, [3], [[]], {"a": 1}, [{"content": "a"}]])
def test_a_source_of_the_wrong_type_is_named_by_its_row(source):
    with pytest.raises(ArgumentTypeError, match="`source` must be a text or a list of messages .* at row 0"):
        SourceCopyGuard()(completions=["a"], source=[source], reference=["a"])


def test_missing_prompts_are_named():
    with pytest.raises(MissingColumnError, match="column `prompts` is missing"):
        SourceCopyGuard("prompts")(completions=["a"], reference=["a"])


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("3 apples", "3 apples", 1.0),
        ("༣", "3", 1.0),
        ("4 apples", "3 apples", 0.0),
        ("apples", "3 apples", 0.0),
        ("apples", "apples", 1.0),
        ("4 apples", "apples", 0.0),
        ("三个", "3 apples", 1.0),
        ("གསུམ", "3 apples", 1.0),
        ("3 apples", "three apples", 1.0),
        ("4 apples", "three apples", 0.0),
        ("some apples", "three apples", 1.0),
        ("3 and 4", "3", 2 / 3),
        ("3", "3 and 4", 2 / 3),
        ("3 and 5", "3 and 4", 1 / 2),
        ("3, 3 and 3", "3", 1.0),
        ("1,500", "1500", 1.0),
        ("3万", "30000", 1.0),
    ],
)
def test_number_recall_by_hand(answer, reference, expected):
    assert value(NumberRecallReward(), answer, reference=reference) == pytest.approx(expected)


def test_a_number_of_the_source_is_not_invented():
    columns = {"reference": "several apples", "source": "他买了 4 个苹果"}
    guards = [NumberRecallReward(), NumberRecallReward(source_column="source")]
    assert [value(guard, "4 apples", **columns) for guard in guards] == [0.0, 1.0]


def test_a_number_that_the_source_writes_out_is_not_invented():
    guard = NumberRecallReward(source_column="source")
    assert value(guard, "4 apples", reference="several apples", source="四个苹果") == 1.0


def test_a_number_that_only_the_source_has_need_not_be_recalled():
    guard = NumberRecallReward(source_column="source")
    assert value(guard, "several apples", reference="several apples", source="4 个苹果") == 1.0


def test_the_reference_whose_numbers_match_best_counts_for_numbers():
    assert value(NumberRecallReward(), "3 apples", reference=["4 apples", "3 apples"]) == 1.0


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("四个苹果", "三个苹果", 0.0),
        ("苹果", "三个苹果", 0.0),
        ("3个苹果", "三个苹果", 1.0),
        ("ཀུ་ཤུ་བཞི", "ཀུ་ཤུ་གསུམ", 0.0),
        ("an apple", "one apple", 1.0),
        ("一个苹果", "苹果", 1.0),
        ("fifty of them", "ninety of them", 0.0),
    ],
)
def test_numbers_that_are_written_out_count_on_demand(answer, reference, expected):
    assert value(NumberRecallReward(written_out=True), answer, reference=reference) == expected


def test_a_source_that_cannot_be_read_is_named_with_its_row():
    source = ["text", [{"role": "user", "content": {"a": 1}}]]
    with pytest.raises(ArgumentTypeError, match="`source` at row 1: a message must have `content`"):
        SourceCopyGuard("source")(completions=["a", "b"], source=source, reference=["a", "b"])


def test_a_length_of_ngrams_may_come_from_numpy():
    assert RepetitionGuard(ngram=np.int64(5)) == RepetitionGuard(ngram=5)


def test_a_number_beyond_all_floats_is_no_ratio():
    with pytest.raises(ArgumentError, match="`high` must be a finite number of at least 0.5"):
        LengthRatioGuard(high=10**400)


def test_a_missing_reference_of_pandas_is_missing():
    guard = LengthRatioGuard(on_missing="none")
    assert guard(completions=["a", "b"], reference=[float("nan"), "b"]) == [None, 1.0]


def test_numbers_of_numpy_are_part_of_the_signature():
    first, second = (LengthRatioGuard(np.float32(low)).signature() for low in (0.3, 0.6))
    assert first != second
