"""Where the answer of a completion stands: dialects of messages, reasoning formats, tags, and what is not seen."""

import functools
import pickle
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from doubles import BigramEncoder
from semreward import (
    Answer,
    BleuReward,
    ChrfReward,
    CompositeReward,
    LanguageConsistencyReward,
    RougeLReward,
    SemanticSimilarityReward,
    paper_reward,
)
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.rewards.base import Batch
from semreward.rewards.guards import LengthRatioGuard, NumberRecallReward, RepetitionGuard
from semreward.text import END_TOKENS, answer_text

T = "ཁང་པ་དམར་པོ"
USER = {"role": "user", "content": "hello"}

MESSAGES = [
    [{"from": "human", "value": "hello"}, {"from": "gpt", "value": T}],
    [{"role": "model", "content": T}],
    [{"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": T}]}],
    *([{"role": role, "content": T}] for role in ("bot", "ai", "gpt", "Assistant")),
    [{"role": "assistant", "content": [{"type": "output_text", "text": T, "annotations": []}]}],
    [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": T}]},
    ],
    [{"type": "message", "content": [{"type": "output_text", "text": T}]}, {"type": "function_call", "name": "f"}],
    [{"role": "assistant", "content": T}, {"type": "function_call_output", "output": "x"}],
    [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": T},
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
            ],
        }
    ],
    [{"role": "assistant", "content": [T[:4], T[4:]]}],
    [
        {"role": "assistant", "channel": "final", "content": T},
        {"role": "assistant", "channel": "analysis", "content": "hm"},
    ],
    [{"role": "assistant", "content": T}, {"role": "tool_response", "content": "x"}],
]


@pytest.mark.parametrize("messages", MESSAGES)
def test_a_dialect_of_messages_is_read(messages):
    assert Answer()(messages) == T


UNREADABLE = [
    [{"speaker": "bot", "text": T}],
    [{"role": "assistant", "text": T}],
    [{"role": "narrator", "content": T}],
    [{"role": "assistant", "content": {"text": T}}],
    [{"role": "assistant", "content": b"text"}],
    [{"role": "assistant", "content": [{"type": "speech", "text": T}]}],
    [{"role": "assistant", "content": [{"type": "text", "text": {"value": T}}]}],
    [{"role": "assistant", "content": [{"type": "text", "content": T}]}],
    [{"role": "assistant", "content": [3]}],
    {"role": "assistant", "content": T},
]


@pytest.mark.parametrize("messages", UNREADABLE)
def test_a_shape_that_is_not_understood_is_an_error_with_its_row(messages):
    with pytest.raises(ArgumentTypeError, match=r"`completions` at row 1: .*, got (list|dict|int): .*answer="):
        LanguageConsistencyReward("bo")(completions=[T, messages])


def test_the_turns_of_a_prompt_in_sharegpt_are_read():
    prompt = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    assert Batch([T], {"prompts": [prompt]}).sources("prompts") == ["a\nb"]


CALL = (
    "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"
    "<|start|>functions.f to=assistant<|channel|>commentary<|message|>1<|end|>"
)
LOOKED_UP = "I look.\n<tool_call>\n{}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\nx\n</tool_response>"

# The chat templates of Kimi-K2, DeepSeek-V3 and DeepSeek-V3.2 write calls and results so.
KIMI_CALL = (
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|>"
    "<|tool_calls_section_end|>"
)
DEEPSEEK_CALL = (
    "I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜>"
)
DSML_CALL = '<｜DSML｜function_calls>\n<｜DSML｜invoke name="f">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>'

WITH_ATTRIBUTES = [
    '<think type="deep">hm</think>',
    "<reasoning effort=high>hm</reasoning>",
    """<THINK\nOf='a > b' kind = "x <think y='1'>" >hm</THINK>""",
]

REASONED = [
    *(f"<{tag}>hm</{tag}>" for tag in ("think", "thinking", "thought", "reasoning")),
    *(f"<{tag}>hm</{tag}>" for tag in ("reflection", "scratchpad", "seed:think", "mm:think", "THINK")),
    "[THINK]hm[/THINK]",
    "◁think▷hm◁/think▷",
    "<|channel>thought\nhm<channel|>",
    "<|START_THINKING|>hm<|END_THINKING|>",
    "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>",
    "<|inner_prefix|>hm<|inner_suffix|>",
    "<|begin_of_thought|>hm<|end_of_thought|>",
    "<start_working_out>hm<end_working_out>",
    "<think>hm</think>so</think>",
    "hm</think>so</think>",
    "<think>a<think>b</think>c</think>",
    "<think>a</think><reflection>b</reflection>",
    "<thinking>the tag <think> is one</thinking>",
    "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>",
    f"{CALL}<|start|>assistant<|channel|>final <|constrain|>text<|message|>",
    "analysisWe need Tibetan.assistantfinal",
    f"{LOOKED_UP}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "I look.\n<tool_call>\n{}\n</tool_call>\nuser\n<tool_response>\nx\n</tool_response>\nassistant\n",
    "<start_of_turn>model\n",
    "hm<turn|>\n<|turn>user\nx<turn|>\n<|turn>model\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "[TOOL_CALLS]f[ARGS]{}</s>[TOOL_RESULTS]x[/TOOL_RESULTS]",
    *WITH_ATTRIBUTES,
    f"{KIMI_CALL}<|im_end|><|im_system|>f<|im_middle|>x<|im_end|><|im_assistant|>assistant<|im_middle|>",
    f"{DEEPSEEK_CALL}<｜end▁of▁sentence｜><｜tool▁outputs▁begin｜>x<｜tool▁outputs▁end｜>",
    f"{DSML_CALL}<｜end▁of▁sentence｜>\n\n<function_results>x</function_results>\n\n<think>hm</think>",
]


@pytest.mark.parametrize("before", REASONED)
def test_what_stands_before_the_answer_is_left_out(before):
    assert Answer()(before + T) == T


@pytest.mark.parametrize("before", REASONED[:6] + REASONED[12:18] + WITH_ATTRIBUTES)
def test_reasoning_that_was_cut_off_is_no_answer(before):
    opening = before.partition("hm")[0]
    assert Answer()(f"{opening}{T}") == ""


@pytest.mark.parametrize("cut", ["<|channel|>analysis<|message|>", "<tool_call>", "<|im_start|>user\n"])
def test_a_turn_without_an_answer_has_none(cut):
    assert Answer()(cut + T) == ""


@pytest.mark.parametrize("token", END_TOKENS)
def test_end_tokens_are_left_out(token):
    assert Answer()(f"{T}{token}\n{token}") == T


@pytest.mark.parametrize(
    "after",
    [
        "<|im_end|>\n<|im_start|>user\nx",
        "<|user|>",
        "<tool_call>{}</tool_call><|im_end|>",
        KIMI_CALL,
        DSML_CALL,
        *WITH_ATTRIBUTES,
    ],
)
def test_what_follows_the_answer_is_left_out(after):
    assert Answer()(T + after) == T


@pytest.mark.parametrize("before", REASONED)
def test_everything_stays_if_it_is_to_be_kept(before):
    assert Answer(reasoning="keep")(before + T) == (before + T).strip()


@pytest.mark.parametrize(
    "text", ["3 < 4 > 2", "[1] a", "a <b> c", "analysis of T", "<div>T</div>", "[INST", "a/think>"]
)
def test_other_brackets_are_text(text):
    assert Answer()(text) == text


@pytest.mark.parametrize("policy", ["remove", "prefilled"])
@pytest.mark.parametrize(
    "text",
    [
        *("<think>", "</think>", "<answer>", "<think></answer>", "<", "</s>", "<|channel|>final "),
        *('<think a="', "<think a='\"", '<think a="x" b=\'', "<think a=1 ", "<think " + " " * 99),
    ],
)
def test_a_long_text_of_nothing_but_markers_is_read(text, policy):
    assert isinstance(Answer(policy, tag="answer")(text * 20_000 + "x"), str)


TAGGED = [
    (f"<answer>{T}</answer>", T),
    (f"<think>r <answer>x</answer></think>\n<answer> {T} </answer>", T),
    (f"<answer>x</answer> no: <answer>{T}</answer>.", T),
    (f"<answer>{T}</answer> and <answer>cut off", T),
    (f"<answer><answer>{T}</answer></answer>", T),
    (f"<ANSWER>{T}</ANSWER>", T),
    (f"<answer>{T}", ""),
    (T, ""),
    ("", ""),
    (f"<answers>{T}</answers>", ""),
    ([{"role": "assistant", "content": f"<answer>{T}</answer>"}], T),
]


@pytest.mark.parametrize(("completion", "answer"), TAGGED)
def test_a_tag_holds_the_answer(completion, answer):
    assert Answer(tag="answer")(completion) == answer


def test_without_a_tag_the_tag_is_text():
    assert answer_text("<answer>T</answer>") == "<answer>T</answer>"


@pytest.mark.parametrize("tag", ["", "<answer>", "a b", 3, "a>"])
def test_what_is_no_name_of_a_tag_is_refused(tag):
    with pytest.raises(ArgumentError, match="`tag` must be a tag's name"):
        Answer(tag=tag)


@pytest.mark.parametrize(
    "answer", [Answer(), Answer("prefilled"), Answer(tag="answer"), Answer("prefilled", tag="a.b")]
)
def test_an_answer_is_found_in_the_completion_that_is_made_of_it(answer):
    assert answer(answer.completion_of(T)) == T


def last_line(completion):
    return completion.splitlines()[-1]


@dataclass(frozen=True)
class Line:
    index: int

    def __call__(self, completion):
        return completion.splitlines()[self.index]


@pytest.mark.parametrize("answer", [last_line, Line(-1), Answer(tag="answer")])
def test_a_reward_pickles_with_its_answer(answer):
    reward = paper_reward(BigramEncoder(), "bo", 0.1, answer=answer)
    completions = [f"It is:\n<answer>{T}</answer>" if isinstance(answer, Answer) else f"It is:\n{T}"]
    assert pickle.loads(pickle.dumps(reward))(completions=completions, reference=[T]) == [pytest.approx(2.5)]


@pytest.mark.parametrize("answer", [lambda completion: completion, functools.wraps(last_line)(lambda completion: "")])
def test_a_lambda_is_refused_as_an_answer_unless_it_has_a_name(answer):
    if answer.__qualname__ == "last_line":
        assert LanguageConsistencyReward("bo", answer=answer).answer is answer
    else:
        with pytest.raises(ArgumentError, match="`answer` must be .* do not pickle"):
            LanguageConsistencyReward("bo", answer=answer)


def scaled(completions, factor=1.0, **columns):
    return [factor for _ in completions]


DIFFERENT = [
    (LanguageConsistencyReward("bo", answer=Answer()), LanguageConsistencyReward("bo", answer=Answer(tag="answer"))),
    (LanguageConsistencyReward("bo", answer=Line(0)), LanguageConsistencyReward("bo", answer=Line(1))),
    *(
        (RepetitionGuard(limit=make(low)), RepetitionGuard(limit=make(high)))
        for make, low, high in [
            (np.float32, 0.1, 0.9),
            (np.float64, 0.1, 0.9),
            (np.float16, 0.1, 0.9),
            (Fraction, "1/10", "9/10"),
        ]
    ),
    (RepetitionGuard(ngram=np.int64(3)), RepetitionGuard(ngram=np.int64(4))),
    (NumberRecallReward(written_out=np.bool_(True)), NumberRecallReward(written_out=np.bool_(False))),
    (
        CompositeReward([(functools.partial(scaled, factor=1.0), 1.0)]),
        CompositeReward([(functools.partial(scaled, factor=2.0), 1.0)]),
    ),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_rewards_that_differ_have_different_signatures(one, other):
    assert one.signature() != other.signature()


def test_a_number_of_numpy_signs_as_the_same_number_of_python():
    assert RepetitionGuard(ngram=np.int64(3)).signature() == RepetitionGuard(ngram=3).signature()


def test_a_number_of_another_make_is_rendered_or_refused():
    with pytest.raises(ArgumentError, match="`limit`"):
        RepetitionGuard(limit=Decimal("0.1"))


INVISIBLE = ["\u200b", "\u2060", "\ufeff", "\u00ad", "\u200e", "\ufe0f", "\U000e0100", "\u3164", "\x00\x07", "\u2800"]


@pytest.mark.parametrize("text", [*INVISIBLE, " ".join(INVISIBLE)])
@pytest.mark.parametrize(
    "reward",
    [
        SemanticSimilarityReward(BigramEncoder(), threshold=-1.0),
        LanguageConsistencyReward("bo"),
        BleuReward(),
        ChrfReward(),
        RougeLReward(),
        LengthRatioGuard(low=0.0),
        RepetitionGuard(),
        NumberRecallReward(),
    ],
    ids=lambda reward: reward.name,
)
def test_a_completion_of_invisible_characters_earns_nothing(reward, text):
    assert reward(completions=[text], reference=[T]) == [0.0]


@pytest.mark.parametrize("text", INVISIBLE)
def test_a_reference_of_invisible_characters_is_missing(text):
    reward = SemanticSimilarityReward(BigramEncoder(), threshold=0.1, on_missing="none")
    assert reward(completions=[T], reference=[text]) == [None]


def test_invisible_characters_in_a_visible_text_stay():
    assert answer_text("\u200bམ\u200d") == "\u200bམ\u200d"


THOUSANDS = [
    "3000",
    "3千",
    "３千",
    "3仟",
    "三千",
    "叁仟",
    "3,000",
    "3\u00a0000",
    "3\u202f000",
    "３０００",
    "３，０００",
]
TRILLIONS = ["3万亿", "3萬億", "三万亿", "3000000000000", "3兆", "三兆"]
WITH_A_REST = ["3500000000000", "3兆5000億", "3兆5", "三兆五千亿", "三兆五", "三万五千亿"]
THIRTY_FIVE_HUNDRED = ["3500", "3千5", "3千5百", "三千五", "３千５"]
THIRTY_FIVE_THOUSAND = ["35000", "3万5", "3万5千", "3萬5千", "3万5000", "三万五千", "3.5万", "35,000", "３５０００"]


@pytest.mark.parametrize(
    "numbers",
    [
        *(THOUSANDS, THIRTY_FIVE_HUNDRED, THIRTY_FIVE_THOUSAND, TRILLIONS, WITH_A_REST),
        *(["120000000", "1亿2000万", "一亿两千万"], ["300", "3百"]),
    ],
)
def test_a_number_is_the_same_in_every_spelling(numbers):
    pairs = [(one, other) for one in numbers for other in numbers]
    completions, references = zip(*((f"共{one}人", f"共{other}人") for one, other in pairs), strict=True)
    assert NumberRecallReward()(completions=completions, reference=references) == [1.0] * len(pairs)


@pytest.mark.parametrize(("one", "other"), [("3千", "3"), ("3万5千", "3万"), ("3,000", "3"), ("3万5千", "30005000")])
def test_numbers_that_differ_earn_nothing(one, other):
    assert NumberRecallReward()(completions=[one], reference=[other]) == [0.0]


@pytest.mark.parametrize("text", ["3千克", "3千米", "3千瓦", "3百分点", "3兆瓦", "三兆赫", "3兆字节", "3兆B"])
def test_a_prefix_of_a_unit_does_not_multiply(text):
    assert NumberRecallReward()(completions=["3"], reference=[text]) == [1.0]


CODE = [
    "Declare `const xs: Array<Thought> = [];` and return it.",
    "fn f() -> Option<Reason> { None }",
    "<error><reason>disk full</reason></error>",
    "return <Reflection depth={2}>mirror</Reflection>;",
    "Put your steps into `<think>` and `</think>`.",
    "Array<Thought kind=1> is a <thought experiment>, `<think type='deep'>` a tag.",
]


@pytest.mark.parametrize("text", CODE)
def test_code_and_markup_are_not_taken_for_reasoning(text):
    assert Answer()(text) == text


@pytest.mark.parametrize(
    "reasoning", ["<think>I call it `x`</think>", "I call it `x`</think>", "<think>```py\nx\n```</think>"]
)
def test_a_backtick_before_a_closing_marker_hides_nothing(reasoning):
    assert Answer()(f"{reasoning}yes") == "yes"


def test_channels_of_gpt_oss_that_are_cut_off_hold_no_answer():
    assert Answer()("analysisWe need to translate") == ""


@pytest.mark.parametrize("channel", ["", None, "final", "Final"])
def test_a_final_channel_is_read(channel):
    assert Answer()([{"role": "assistant", "channel": channel, "content": T}]) == T


def test_an_item_of_reasoning_with_a_role_is_left_out():
    assert Answer()([{"role": "assistant", "type": "reasoning", "content": "secret"}]) == ""


def test_a_text_beside_an_empty_content_is_an_error():
    with pytest.raises(ArgumentTypeError, match="must have `content`"):
        Answer()([{"role": "assistant", "content": None, "text": T}])


@pytest.mark.parametrize("opening", ["<answer>", '<answer lang="en">', "<ANSWER\n>", '<answer of="a > b">'])
def test_a_tag_may_have_attributes(opening):
    assert Answer(tag="answer")(f"It is {opening}blue</answer>.") == "blue"


def test_a_tag_is_not_found_in_a_longer_name():
    assert Answer(tag="answer")("<answers>blue</answers>") == ""


def test_a_function_that_raises_is_an_error_with_the_row():
    with pytest.raises(ArgumentError, match=r"`answer` failed at row 1, for 'no hashes': IndexError"):
        LanguageConsistencyReward("en", answer=behind_the_hashes)(completions=["a #### yes", "no hashes"])


def behind_the_hashes(completion):
    return completion.split("####")[1]


def test_a_reference_of_pandas_that_is_missing_is_missing():
    missing = type("NAType", (), {})()
    assert ChrfReward(on_missing="none")(completions=["a", "b"], reference=[missing, "b"]) == [None, 1.0]
