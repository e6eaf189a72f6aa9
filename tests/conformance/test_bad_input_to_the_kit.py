"""What the kit says to those who call it wrongly."""

import subprocess
import sys

import pytest

from conformance import broken
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.testing import check_reward

ROW = broken.EXAMPLES[0]


def check(reward=broken.sound_function, examples=broken.EXAMPLES, **options):
    return check_reward(reward, examples, spawn=False, **options)


PAIR = {"completions": ["one", "two"], "reference": "one"}
NO_REWARD = "`reward` must be a function or a callable instance"
NO_ROWS = "`examples` must be a list of at least one row"
NO_COMPLETION = r"`examples` at row 1 must have a `completion`"
NO_CASE = r"`ordered` at row 1 must be a mapping with at least two `completions`"
NO_IDS = "`completion_ids` must "
NO_NUMBER = "`tolerance` must be a finite number of at least 0"
NO_RANGE = r"`bounds` must be \(low, high\)"
NO_TEXTS = "`secrets` must be a list of non-empty strings"

# Arguments of check_reward, and what is said about them: the rule, the value, the row, the remedy.
REFUSED = [
    ({"reward": "bleu"}, NO_REWARD),
    ({"reward": None}, NO_REWARD),
    ({"reward": broken.Sound}, NO_REWARD),
    ({"examples": []}, NO_ROWS),
    ({"examples": "text"}, NO_ROWS),
    ({"examples": None}, NO_ROWS),
    ({"examples": {"completion": "text"}}, NO_ROWS),
    ({"examples": [ROW, "text"]}, "`examples` at row 1 must be a mapping from column to value, got 'text'"),
    ({"examples": [ROW, {**ROW, "completion": None}]}, NO_COMPLETION),
    ({"examples": [ROW, {**ROW, "completion": 3}]}, NO_COMPLETION),
    ({"examples": [ROW, {**ROW, "completion": ["text"]}]}, NO_COMPLETION),
    ({"examples": [ROW, {"reference": "text"}]}, NO_COMPLETION),
    ({"examples": [ROW, {"completion": "text"}]}, r"got \['completion'\] at row 1 .* fill in None"),
    ({"tolerance": -1e-3}, NO_NUMBER),
    ({"tolerance": float("nan")}, NO_NUMBER),
    ({"tolerance": float("inf")}, NO_NUMBER),
    ({"tolerance": "small"}, NO_NUMBER),
    ({"bounds": (1.0, 0.0)}, NO_RANGE),
    ({"bounds": (0.0, float("nan"))}, NO_RANGE),
    ({"bounds": (0.0,)}, NO_RANGE),
    ({"bounds": 1.0}, NO_RANGE),
    ({"ordered": PAIR}, "`ordered` must be a list of cases"),
    ({"ordered": [PAIR, "text"]}, NO_CASE),
    ({"ordered": [PAIR, {}]}, NO_CASE),
    ({"ordered": [PAIR, {"completions": ["one"]}]}, NO_CASE),
    ({"ordered": [PAIR, {"completions": "two"}]}, NO_CASE),
    ({"ordered": [PAIR, {"completions": ["one", 2]}]}, "`ordered` at row 1 must have a `completion`"),
    ({"ordered": [{**PAIR, "completion_ids": [[1]]}]}, NO_IDS),
    ({"ordered": [{**PAIR, "completion_ids": 5}]}, NO_IDS),
    ({"ordered": [{**PAIR, "completion_ids": None}]}, NO_IDS),
    ({"secrets": "text"}, NO_TEXTS),
    ({"secrets": [""]}, NO_TEXTS),
    ({"secrets": [b"key"]}, NO_TEXTS),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[str(arguments)[:60] for arguments, _ in REFUSED])
def test_a_bad_argument_is_refused_with_its_rule(arguments, message):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=message):
        check(**arguments)


@pytest.mark.parametrize(
    "column", ["completions", "prompts", "environments", "trainer_state", "log_metric", "log_extra"]
)
def test_a_column_that_trainers_pass_themselves_is_refused(column):
    with pytest.raises(ArgumentError, match=f"must not have a column `{column}`"):
        check(examples=[{**ROW, column: "text"}])


@pytest.mark.parametrize("column", ["prompts", "log_metric"])
def test_a_reserved_column_of_an_ordered_case_is_refused(column):
    with pytest.raises(ArgumentError, match=f"must not have a column `{column}`"):
        check(ordered=[{**PAIR, column: "text"}])


def test_importing_the_kit_imports_neither_torch_nor_hypothesis():
    program = "import sys, semreward.testing; print(sorted({'torch', 'hypothesis'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
