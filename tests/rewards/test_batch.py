"""One call of a trainer, read once."""

import math

import numpy as np
import pytest

from semreward import Answer
from semreward.errors import ArgumentError, ArgumentTypeError, MissingColumnError
from semreward.rewards.base import Batch


def test_answers_are_read_once():
    seen = []

    def answer(completion):
        seen.append(completion)
        return completion.upper()

    batch = Batch(["a", "b"], {}, answer=answer)
    assert (batch.answers, batch.answers) == (["A", "B"], ["A", "B"])
    assert seen == ["a", "b"]


def test_answers_are_found_as_the_batch_is_told():
    completions = ["<think>a</think>b"]
    assert Batch(completions, {}).answers == ["b"]
    assert Batch(completions, {}, answer=Answer(reasoning="keep")).answers == completions


def test_a_completion_that_cannot_be_read_is_named_by_its_row():
    with pytest.raises(ArgumentTypeError, match="`completions` at row 1"):
        _ = Batch(["a", 3], {}).answers


@pytest.mark.parametrize("completions", ["ab", {"a": 1}, None, 3, np.array("abc")])
def test_what_is_no_list_of_completions_is_refused(completions):
    with pytest.raises(ArgumentTypeError, match="`completions` must be a list of completions"):
        Batch(completions, {})


@pytest.mark.parametrize("name", ["prompts", "completion_ids"])
def test_the_trainers_own_columns_are_checked_and_may_be_absent(name):
    Batch(["a"], {name: None})
    with pytest.raises(ArgumentError, match=f"`{name}` must have one value per completion: 1 expected, got 2"):
        Batch(["a"], {name: ["b", "c"]})


def test_arguments_are_the_call_as_it_was_made():
    columns = {"prompts": None, "completion_ids": None, "reference": ["b"], "trainer_state": object()}
    hooks = {"log_metric": print, "log_extra": None}
    batch = Batch(["a"], columns, hooks=hooks)
    assert batch.arguments == {"completions": ["a"], **columns, "log_metric": print}


def test_an_absent_column_names_those_that_are_there():
    with pytest.raises(MissingColumnError, match=r"column `reference` is missing \(columns of this call: source\)"):
        Batch(["a"], {"prompts": None, "source": ["b"]}).references("reference")


def test_references_are_normalised_texts():
    batch = Batch(["a"] * 3, {"reference": [" b ", ["c", "d "], np.array(["e"])]})
    assert batch.references("reference") == [("b",), ("c", "d"), ("e",)]


@pytest.mark.parametrize("missing", [None, "", "  ", math.nan, [], [None], ["", None]])
def test_a_missing_reference_is_an_error_or_no_reference(missing):
    batch = Batch(["a", "a"], {"reference": ["b", missing]})
    assert batch.references("reference", "none") == [("b",), None]
    with pytest.raises(ArgumentError, match="`reference` must be a non-empty string .* at row 1; drop the row"):
        batch.references("reference")


@pytest.mark.parametrize("wrong", [3, ["b", 3], {"a": "b"}, b"b", [["b"]]])
def test_a_reference_of_another_type_is_named_by_its_row(wrong):
    with pytest.raises(ArgumentTypeError, match="`reference` must be a string or a list of strings, .* at row 1"):
        Batch(["a", "a"], {"reference": ["b", wrong]}).references("reference", "none")


def test_one_blank_text_among_references_is_an_error():
    with pytest.raises(ArgumentError, match="a blank one at row 0"):
        Batch(["a"], {"reference": [["b", " "]]}).references("reference")


def test_a_source_is_a_text_or_what_was_said():
    said = [{"role": "system", "content": "be brief "}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]
    assert Batch(["a"] * 2, {"source": [" b", said]}).sources("source") == ["b", "be brief\nb"]


def test_a_missing_source_is_an_error_or_no_source():
    batch = Batch(["a", "a"], {"source": ["b", None]})
    assert batch.sources("source", "none") == ["b", None]
    with pytest.raises(ArgumentError, match="`source` must be a text .* got None at row 1"):
        batch.sources("source")


@pytest.mark.parametrize(
    "wrong", [3, ["b"], [{"content": "b"}], [{"role": "user", "content": "b"}, "c"], [{"role": "user", "content": 3}]]
)
def test_a_source_of_another_type_is_named_by_its_row(wrong):
    with pytest.raises(ArgumentTypeError, match="`source` .*at row 1"):
        Batch(["a", "a"], {"source": ["b", wrong]}).sources("source")


@pytest.mark.parametrize("found", [None, 3, ["a"]])
def test_an_answer_that_is_no_text_is_an_error(found):
    with pytest.raises(ArgumentTypeError, match="`answer` must return a text, got .* at row 0"):
        _ = Batch(["a"], {}, answer=lambda _: found).answers


def test_what_a_callable_finds_is_normalised():
    assert Batch(["a"], {}, answer=lambda _: " cafe\u0301 ").answers == ["café"]


def test_a_source_that_is_nan_is_missing():
    assert Batch(["a"], {"source": [math.nan]}).sources("source", "none") == [None]
