"""Expected values in a file of JSON lines: compared and named."""

import json

import pytest

from conformance import broken
from semreward.errors import ArgumentError, ContractError
from semreward.testing import check_fixtures

RIGHT = '{"completion": "the cat sat", "reference": "the cat sat", "expected": 1.0}\n'
WRONG = '{"completion": "the", "reference": "the cats", "expected": 0.25}\n'  # it earns 3 signs of 7 and a blank's none
NEW = '{"completion": "dog", "reference": "dogs"}\n'


@pytest.fixture
def file(tmp_path):
    return tmp_path / "fixtures.jsonl"


def checked(file, text, reward=broken.sound_function, **options):
    file.write_bytes(text.encode())
    return check_fixtures(reward, file, **options)


def statuses(report):
    return [result.status for result in report.results]


def test_rows_that_earn_what_they_should_pass(file):
    report = checked(file, RIGHT * 2)
    assert statuses(report) == ["passed", "passed"]
    assert report.raise_on_failure() is None


def test_a_row_without_an_expected_value_is_refused(file):
    with pytest.raises(ArgumentError, match="must have a column `expected`"):
        checked(file, RIGHT + '{"completion": "dog", "reference": "dogs"}')


def test_the_error_lists_the_rows(file):
    with pytest.raises(ContractError, match=r"(?s)fails 1 of 2 checks.*row 2: .*0.25.*0.42857.*correct the reward or"):
        checked(file, RIGHT + WRONG).raise_on_failure()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_value_that_is_not_finite_fails(file, value):
    report = checked(file, f'{{"completion": "{value}", "reference": "", "expected": 0.5}}', Infinite())
    assert f"must earn 0.5, but it earned {value}" in report.results[0].message


def test_another_number_of_values_fails(file):
    assert "but it earned []" in checked(file, RIGHT, broken.OneTooFew()).results[0].message


def test_a_row_has_its_own_tolerance(file):
    line = '{"completion": "the", "reference": "the cats", "expected": 0.43, "tolerance": 0.01}'
    assert checked(file, line, tolerance=0).passed


def test_a_value_does_not_pass_for_an_exception(file):
    report = checked(file, '{"completion": "dog", "reference": "dogs", "expected": "ValueError"}')
    assert "must raise ValueError, but it earned 0.75" in report.results[0].message


def test_rows_are_copied(file):
    def changes_its_column(completions, reference, **columns):
        reference[0].clear()
        return [0.5]

    line = '{"completion": "a", "reference": ["b"], "expected": 0.5}'
    assert checked(file, line, changes_its_column).passed


def test_a_row_that_earns_something_else_fails_with_both_values(file):
    report = checked(file, RIGHT + WRONG)
    assert statuses(report) == ["passed", "failed"]
    assert report.results[1].name == "row 2"
    assert "must earn 0.25, but it earned 0.428571" in report.results[1].message


def test_none_is_expected_as_null(file):
    line = '{"completion": "a dog", "reference": "dogs", "expected": null}\n'
    assert checked(file, line, broken.NotForAll()).passed
    assert not checked(file, line, broken.Sound()).passed


def test_none_does_not_pass_for_a_number(file):
    line = '{"completion": "a dog", "reference": "dogs", "expected": 0.0}\n'
    assert not checked(file, line, broken.NotForAll()).passed


@pytest.mark.parametrize("name", ["ValueError", "Exception"])
def test_an_exception_is_expected_by_its_name_or_that_of_a_base(file, name):
    line = f'{{"completion": "dog", "reference": null, "expected": "{name}"}}\n'
    assert checked(file, line).passed


def test_another_exception_fails(file):
    report = checked(file, '{"completion": "dog", "expected": "KeyError"}\n')
    assert "must raise KeyError, but it raised TypeError" in report.results[0].message


class Infinite(broken.Sound):
    def value(self, answer, reference):
        return float(answer)


def test_comment_and_tolerance_are_no_columns(file):
    seen = []

    def listener(**arguments):
        seen.append(arguments)
        return [0.5]

    checked(file, '{"completion": "a", "prompt": "b", "comment": "c", "tolerance": 1, "expected": 1, "d": 4}', listener)
    assert seen == [{"completions": ["a"], "prompts": ["b"], "d": [4]}]


def test_rows_may_be_messages_and_rewards_coroutines(file):
    row = {**broken.CONVERSATIONS[0], "expected": 1.0}
    assert checked(file, json.dumps(row), broken.sound_coroutine).passed


def test_the_report_prints_a_line_for_each_row(file):
    assert str(checked(file, RIGHT + WRONG)).startswith("sound_function: 1 passed, 1 failed, 0 skipped\npassed  row 1")


def test_a_missing_file_is_named(file):
    with pytest.raises(ArgumentError, match=r"fixtures\.jsonl' does not exist; correct the path"):
        check_fixtures(broken.sound_function, file)


def test_a_file_without_rows_is_refused(file):
    with pytest.raises(ArgumentError, match="holds no row"):
        checked(file, "\n\n")


def test_a_file_in_another_encoding_is_refused(file):
    file.write_bytes(b'{"completion": "\xff"}')
    with pytest.raises(ArgumentError, match="not valid UTF-8 at row 1"):
        check_fixtures(broken.sound_function, file)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"completion": 3, "expected": 1}', "must have a `completion`"),
        ("{}", "must have a column `completion`"),
        ('{"completion": "a", "completions": ["a"], "expected": 1}', "must not have a column `completions`"),
        ('{"completion": "a", "expected": true}', "`expected` must be a finite number, null or an exception"),
        ('{"completion": "a", "expected": [1]}', "`expected` must be a finite number, null or an exception"),
        ('{"completion": "a", "expected": NaN}', "`expected` must be a finite number"),
        ('{"completion": "a", "expected": 1e999}', "`expected` must be a finite number, null or an exception"),
        ('{"completion": "a", "expected": 1, "tolerance": -1}', "`tolerance` must be a finite number of at least 0"),
        ('{"completion": "a", "expected": 1, "tolerance": 1e999}', "`tolerance` must be a finite number of at least 0"),
        ('{"completion": "a", "expected": 1, "expected": 2}', "two columns are called 'expected'"),
    ],
)
def test_a_line_that_is_no_row_is_refused(file, line, message):
    with pytest.raises(ArgumentError, match=rf"fixtures\.jsonl.*{message}"):
        checked(file, f"\n{line}\n")


@pytest.mark.parametrize("tolerance", [-1e-3, float("nan"), float("inf")])
def test_a_tolerance_that_is_no_distance_is_refused(file, tolerance):
    with pytest.raises(ArgumentError, match="`tolerance` must be a finite number of at least 0"):
        checked(file, RIGHT, tolerance=tolerance)


@pytest.mark.parametrize(
    "row", ['"expected": 1' + "0" * 400, '"expected": 1.0, "tolerance": 1' + "0" * 400, '"expected": 1.0, "self": 1']
)
def test_a_row_out_of_range_is_named_with_its_line(tmp_path, row):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"completion": "a", ' + row + "}\n")
    with pytest.raises(ArgumentError, match="row 1"):
        check_fixtures(broken.sound_function, path)


def test_a_line_that_nests_without_end_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("[" * 200_000 + "\n")
    with pytest.raises(ArgumentError, match="row 1"):
        check_fixtures(broken.sound_function, path)


def test_a_tolerance_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="`tolerance` must be a finite number of at least 0, got 'x'"):
        check_fixtures(broken.sound_function, tmp_path / "rows.jsonl", tolerance="x")
