"""What the kit says to those who call it wrongly."""

import subprocess
import sys

import pytest

from conformance import broken
from semreward.errors import ArgumentError
from semreward.testing import check_reward

ROW = broken.EXAMPLES[0]


def check(reward=broken.sound_function, examples=broken.EXAMPLES, **options):
    return check_reward(reward, examples, spawn=False, **options)


@pytest.mark.parametrize("reward", ["bleu", None, broken.Sound], ids=["text", "None", "class"])
def test_a_reward_that_cannot_be_called_is_refused(reward):
    with pytest.raises(ArgumentError, match="`reward` must be a function or a callable instance"):
        check(reward)


@pytest.mark.parametrize(
    "examples", [[], "text", None, {"completion": "text"}], ids=["empty", "text", "None", "mapping"]
)
def test_examples_that_are_no_rows_are_refused(examples):
    with pytest.raises(ArgumentError, match="`examples` must be a list of at least one row"):
        check(examples=examples)


def test_an_example_that_is_no_mapping_is_refused_by_its_row():
    with pytest.raises(ArgumentError, match="a mapping from column to value, got 'text' at row 1"):
        check(examples=[ROW, "text"])


@pytest.mark.parametrize("completion", [None, 3, ["text"]], ids=["None", "number", "texts"])
def test_an_example_with_an_unreadable_completion_is_refused_by_its_row(completion):
    with pytest.raises(ArgumentError, match=r"must have a `completion`.* at row 1; add it"):
        check(examples=[ROW, {**ROW, "completion": completion}])


def test_an_example_without_completion_is_refused_by_its_row():
    with pytest.raises(ArgumentError, match=r"must have a `completion`.* at row 0; add it"):
        check(examples=[{"reference": "text"}])


def test_ragged_examples_are_refused_by_their_row():
    with pytest.raises(ArgumentError, match=r"got \['completion'\] at row 1 .* fill in None"):
        check(examples=[ROW, {"completion": "text"}])


@pytest.mark.parametrize(
    "column", ["completions", "prompts", "environments", "trainer_state", "log_metric", "log_extra"]
)
def test_a_column_that_trainers_pass_themselves_is_refused(column):
    with pytest.raises(ArgumentError, match=f"must not have a column `{column}`"):
        check(examples=[{**ROW, column: "text"}])


def test_an_unknown_check_name_is_refused_with_the_known_ones():
    with pytest.raises(ArgumentError, match="`expected_failures` must be one of not_a_module, .*; got 'speed'"):
        check(expected_failures={"speed": "slow"})


@pytest.mark.parametrize("tolerance", [-1e-3, float("nan"), float("inf")])
def test_a_tolerance_that_is_no_distance_is_refused(tolerance):
    with pytest.raises(ArgumentError, match="`tolerance` must be a finite number of at least 0"):
        check(tolerance=tolerance)


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (0.0, float("nan")), (0.0,)])
def test_bounds_that_are_no_range_are_refused(bounds):
    with pytest.raises(ArgumentError, match=r"`bounds` must be \(low, high\)"):
        check(bounds=bounds)


@pytest.mark.parametrize(
    "case",
    ["text", {}, {"completions": ["one"]}, {"completions": "two"}, {"completions": ["one", 2]}],
    ids=["text", "empty", "one", "string", "number"],
)
def test_an_ordered_case_without_two_answers_is_refused_by_its_place(case):
    with pytest.raises(ArgumentError, match=r"must be a mapping with `completions`, at least two .* at place 1"):
        check(ordered=[{"completions": ["one", "two"], "reference": "one"}, case])


def test_a_single_ordered_case_must_be_wrapped():
    with pytest.raises(ArgumentError, match="`ordered` must be a list of cases"):
        check(ordered={"completions": ["one", "two"]})


@pytest.mark.parametrize("column", ["completion", "prompts", "log_metric"])
def test_a_reserved_column_of_an_ordered_case_is_refused(column):
    with pytest.raises(ArgumentError, match=f"must not have a column `{column}`"):
        check(ordered=[{"completions": ["one", "two"], column: "text"}])


@pytest.mark.parametrize("token_ids", [[[1]], 5, None])
def test_token_ids_of_an_ordered_case_belong_to_its_answers(token_ids):
    with pytest.raises(ArgumentError, match="must have one list per answer, 2 here, got .* at place 0"):
        check(ordered=[{"completions": ["one", "two"], "completion_ids": token_ids}])


@pytest.mark.parametrize("secrets", ["text", [""], [b"key"]], ids=["text", "empty", "bytes"])
def test_secrets_that_are_no_texts_are_refused(secrets):
    with pytest.raises(ArgumentError, match="`secrets` must be a list of non-empty strings"):
        check(secrets=secrets)


def test_importing_the_kit_imports_neither_torch_nor_hypothesis():
    program = "import sys, semreward.testing; print(sorted({'torch', 'hypothesis'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
