import pytest

from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.text import Answer, answer_text, normalise, remove_reasoning, units


def test_plain_text_is_its_own_answer():
    assert answer_text("བོད་ཡིག") == "བོད་ཡིག"


def test_the_last_assistant_message_is_the_answer():
    messages = [
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": "again"},
        {"role": "assistant", "content": "second"},
        {"role": "tool", "content": "third"},
    ]
    assert answer_text(messages) == "second"


def test_a_message_without_a_role_counts_as_the_assistants():
    assert answer_text([{"content": "yes"}]) == "yes"


def test_messages_without_an_assistants_give_an_empty_answer():
    assert answer_text([{"role": "user", "content": "hello"}]) == ""


def test_no_messages_give_an_empty_answer():
    assert answer_text([]) == ""


def test_a_message_that_only_calls_tools_gives_an_empty_answer():
    assert answer_text([{"role": "assistant", "content": None, "tool_calls": [{}]}]) == ""


def test_text_parts_are_joined_and_others_left_out():
    parts = [{"type": "text", "text": "one "}, {"type": "image", "image": object()}, {"text": "two"}]
    assert answer_text([{"role": "assistant", "content": parts}]) == "one two"


def test_a_part_of_another_type_is_left_out_though_it_has_a_text():
    parts = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "yes"}]
    assert answer_text([{"role": "assistant", "content": parts}]) == "yes"


def test_a_text_part_of_none_is_empty():
    assert answer_text([{"role": "assistant", "content": [{"type": "text", "text": None}]}]) == ""


def test_reasoning_in_a_field_of_its_own_is_no_part_of_the_answer():
    assert answer_text([{"role": "assistant", "reasoning_content": "hm", "content": "yes"}]) == "yes"


def test_an_answer_is_normalised_after_reasoning_is_removed():
    assert answer_text("<think>hm</think>\n\n cafe\u0301 ") == "caf\u00e9"


@pytest.mark.parametrize("completion", [None, 3, b"bytes", {"role": "assistant", "content": "x"}, ["text"]])
def test_a_completion_of_another_type_is_refused(completion):
    with pytest.raises(ArgumentTypeError, match="a string or a list of messages"):
        answer_text(completion)


def test_content_of_another_type_is_refused():
    with pytest.raises(ArgumentTypeError, match="`content`"):
        answer_text([{"role": "assistant", "content": 3}])


REASONING = [  # text, under "remove", under "prefilled"
    ("answer", "answer", ""),
    ("<think>r</think>answer", "answer", "answer"),
    ("r</think>answer", "answer", "answer"),
    ("</think>answer", "answer", "answer"),
    ("<think>r", "", ""),
    ("before<think>r</think>after", "beforeafter", "beforeafter"),
    ("a<think>r</think>b<think>s</think>c", "abc", "abc"),
    ("r</think>a<think>s", "a", "a"),
    ("r</think>a</think>b", "b", "b"),
    ("<think>r<think>s</think>a", "a", "a"),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "answer"), [(text, removed) for text, removed, _ in REASONING])
def test_reasoning_is_removed(text, answer):
    assert remove_reasoning(text) == answer


@pytest.mark.parametrize(("text", "answer"), [(text, prefilled) for text, _, prefilled in REASONING])
def test_reasoning_that_the_template_opened_is_removed(text, answer):
    assert remove_reasoning(text, policy="prefilled") == answer


@pytest.mark.parametrize(("text", "answer"), [(text, prefilled) for text, _, prefilled in REASONING])
def test_an_answer_leaves_out_reasoning_that_the_template_opened(text, answer):
    assert Answer(reasoning="prefilled")(text) == answer


@pytest.mark.parametrize("text", [text for text, _, _ in REASONING])
def test_reasoning_is_kept_on_demand(text):
    assert remove_reasoning(text, policy="keep") == text


def test_an_unknown_policy_is_refused():
    with pytest.raises(ArgumentError, match="remove, keep, prefilled"):
        remove_reasoning("text", policy="drop")


def test_normalising_composes_characters():
    assert normalise("e\u0301") == "\u00e9"


def test_normalising_strips_ideographic_spaces():
    assert normalise("\u3000字\n") == "字"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("བོད་ཡིག །", ["བོད", "ཡིག", "།"]),
        ("བོད༌ཡིག", ["བོད", "ཡིག"]),
        ("三只red猫", ["三", "只", "red", "猫"]),
        ("人々", ["人", "々"]),
        ("don't stop", ["don", "'", "t", "stop"]),
        ("3.5 km²", ["3", ".", "5", "km²"]),
        ("(a+b)", ["(", "a", "+", "b", ")"]),
        ("你好，世界。", ["你", "好", "，", "世", "界", "。"]),
        ("ひらがな漢字", ["ひらがな", "漢", "字"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("ที่บ้าน๒๕", ["ที่", "บ้", "า", "น", "๒๕"]),
        ("ສະບາຍ", ["ສ", "ະ", "ບ", "າ", "ຍ"]),
        ("ខ្ញុំ ခွေး", ["ខ្", "ញុំ", "ခွေး"]),
        ("a\u200bb\u0007", ["a", "b"]),
        ("", []),
        ("་ ་", []),
    ],
)
def test_units_are_characters_syllables_words_and_signs(text, expected):
    assert units(text) == expected


def test_units_do_not_depend_on_composition():
    assert units("cafe\u0301") == units("caf\u00e9")
