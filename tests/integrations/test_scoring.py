"""What the adapters share."""

import pytest

from doubles import returning
from integrations.rewards import BO, Listener, similarity_alone, trl_style, usual
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.integrations.scoring import Adapter
from semreward.rewards.composite import as_composite
from semreward.text import END_TOKENS, without_end_tokens


def adapter(reward=trl_style, **options):
    return Adapter(reward, **options)


def test_a_composite_is_taken_as_it_is():
    reward = usual()
    assert as_composite(reward) == reward


def test_a_function_pays_what_it_paid():
    assert as_composite(trl_style)(completions=["a", "b"], reference=["a", "a"]) == [1.0, 0.0]


def test_an_awaited_reward_is_the_reward():
    reward = usual()
    assert as_composite(reward.as_async()) == reward


def test_a_component_named_like_the_whole_is_refused():
    with pytest.raises(ArgumentError, match="no component may be called 'score'"):
        adapter(similarity_alone(name="score"))


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ArgumentTypeError, match="must be callable, got 'org/encoder'"):
        as_composite("org/encoder")


def test_rows_hold_the_whole_and_its_parts_before_their_weights():
    rows = adapter(usual()).rows({"completions": [BO, "x"], "reference": [BO, BO]})
    assert rows[0] == pytest.approx({"score": 2.5, "semantic_similarity": 1.0, "language_consistency": 1.0})
    assert rows[1]["language_consistency"] == 0.0


@pytest.mark.parametrize("on_none", [float("nan"), float("inf"), "zero", None, True])
def test_what_is_neither_a_number_nor_raise_cannot_stand_for_none(on_none):
    with pytest.raises(ArgumentError, match="`on_none` must be a finite number or 'raise'"):
        adapter(on_none=on_none)


@pytest.mark.parametrize("value", [float("nan"), "1"])
def test_a_reward_that_returns_no_number_is_an_error(value):
    with pytest.raises(ValueError, match="`fixed` must return"):
        adapter(returning(value)).rows({"completions": ["a"]})


@pytest.mark.parametrize("token", END_TOKENS)
def test_an_end_token_is_removed(token):
    assert without_end_tokens(f"{BO}{token}\n") == BO


def test_several_end_tokens_are_removed():
    assert without_end_tokens(f"{BO}<|im_end|>\n<|endoftext|>") == BO


def test_an_end_token_inside_an_answer_stays():
    assert without_end_tokens("a<|im_end|>b") == "a<|im_end|>b"


def test_text_of_nothing_but_end_tokens_is_empty():
    assert without_end_tokens("</s>" * 1000) == ""


@pytest.mark.parametrize("truth", [None, ""])
def test_an_empty_ground_truth_does_not_hide_a_field(truth):
    assert adapter().columns({"reference": "r"}, truth) == {"reference": "r"}


def test_a_ground_truth_goes_before_a_field_of_its_name():
    assert adapter().columns({"reference": "old"}, "new") == {"reference": "new"}


def test_a_missing_ground_truth_is_handed_on_as_missing():
    assert adapter().columns({}, None) == {"reference": None}


def test_columns_leave_the_fields_as_they_are():
    fields = {"reference": "old"}
    adapter().columns(fields, "new")
    assert fields == {"reference": "old"}


def test_fields_cannot_pass_for_completions_or_hooks():
    listener = Listener()
    call = adapter(listener).call_of(
        "a", {"completions": "b", "log_metric": 1, "log_extra": 2, "self": 3, 4: 5, "lang": "bo"}
    )
    adapter(listener).rows(call)
    assert listener.calls[0]["completions"] == ["a"]
    assert not {"log_metric", "self", 4} & listener.calls[0].keys()
    assert listener.calls[0]["lang"] == ["bo"]
