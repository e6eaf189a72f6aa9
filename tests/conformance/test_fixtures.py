"""Expected values in a JSONL file: compared, named, and updated without touching anything else."""

import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import broken
from semreward.errors import ArgumentError, ContractError
from semreward.testing import UPDATE_VARIABLE, check_fixtures

RIGHT = '{"completion": "the cat sat", "reference": "the cat sat", "expected": 1.0}\n'
WRONG = '{"completion": "the", "reference": "the cats", "expected": 0.25}\n'  # it earns 3 signs of 7 and a blank's none
NEW = '{"completion": "dog", "reference": "dogs"}\n'


@pytest.fixture
def file(tmp_path):
    return tmp_path / "fixtures.jsonl"


@pytest.fixture(autouse=True, scope="module")
def without_the_variable():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(UPDATE_VARIABLE, raising=False)
        yield


def checked(file, text, reward=broken.sound_function, **options):
    file.write_bytes(text.encode())
    return check_fixtures(reward, file, **options)


def statuses(report):
    return [result.status for result in report.results]


def test_rows_that_earn_what_they_should_pass(file):
    report = checked(file, RIGHT * 2)
    assert statuses(report) == ["passed", "passed"]
    assert report.raise_on_failure() is None


def test_a_row_that_earns_something_else_fails_with_both_values(file):
    report = checked(file, RIGHT + WRONG)
    assert statuses(report) == ["passed", "failed"]
    assert report.results[1].name == "line 2"
    assert "must earn 0.25, but it earned 0.428571" in report.results[1].message


def test_the_error_holds_the_diff(file):
    report = checked(file, RIGHT + WRONG)
    with pytest.raises(
        ContractError, match=r"(?s)something else in 1 of 2 rows of .*line 2: .*\n-.*0.25.*\n\+.*0.42857"
    ):
        report.raise_on_failure()


def test_without_update_nothing_is_written(file):
    checked(file, RIGHT + WRONG + NEW)
    assert file.read_text() == RIGHT + WRONG + NEW


def test_a_row_without_an_expected_value_fails(file):
    report = checked(file, NEW)
    assert "must have an expected value, but it earned 0.75; correct the reward, or run with" in (
        report.results[0].message
    )


def test_update_writes_values_that_pass_afterwards(file):
    assert statuses(checked(file, RIGHT + WRONG + NEW, update=True)) == ["passed"] * 3
    assert statuses(check_fixtures(broken.sound_function, file)) == ["passed"] * 3


def test_update_shows_the_diff(file, caplog):
    with caplog.at_level(logging.WARNING, "semreward"):
        report = checked(file, RIGHT + WRONG, update=True)
    assert report.updated
    assert "0.428571" in report.diff
    assert report.diff in caplog.text
    assert "written: 0.25 -> 0.428571" in report.results[1].message


def test_update_of_a_right_file_leaves_it_alone(file):
    checked(file, RIGHT, update=True)
    before = file.stat().st_mtime_ns
    report = check_fixtures(broken.sound_function, file, update=True)
    assert (report.updated, report.diff, file.stat().st_mtime_ns) == (False, "", before)


def test_update_rewrites_nothing_but_the_expected_value(file):
    line = (
        '  {"comment" : "ein \\u00dcberblick,  \\"expected\\": 7", "completion":"the", "expected" :  0.25 ,'
        '"reference":\t"the cats", "tolerance": 1e-3, "extra": {"expected": [1, 2.50]}}  \r\n'
    )
    checked(file, f"\n{line}\r\n{RIGHT}", update=True)
    assert file.read_bytes().decode() == f"\n{line.replace('0.25 ,', '0.4286 ,')}\r\n{RIGHT}"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50)
@given(
    columns=st.dictionaries(st.text(min_size=1).map("column {}".format), JSON_VALUES, max_size=4),
    expected=st.none() | st.floats(-1e6, 1e6),
    place=st.integers(0, 5),
    style=st.fixed_dictionaries(
        {
            "ensure_ascii": st.booleans(),
            "separators": st.sampled_from([(", ", ": "), (",", ":"), (" ,\t", " : ")]),
        }
    ),
)
def test_update_replaces_one_value_of_any_row(tmp_path_factory, columns, expected, place, style):
    items = [("completion", "the"), ("reference", "the cats"), *columns.items()]
    items.insert(place, ("expected", expected))
    before, after = (json.dumps(dict([*items, ("expected", value)]), **style) for value in (expected, 0.428571))
    file = tmp_path_factory.mktemp("rows") / "fixtures.jsonl"
    checked(file, before + "\n", update=True)
    assert file.read_bytes().decode() == after + "\n"


def test_update_appends_a_missing_value_to_its_row(file):
    checked(file, '{"completion": "dog", "reference": "dogs" }\n', update=True)
    assert file.read_text() == '{"completion": "dog", "reference": "dogs", "expected": 0.75 }\n'


def test_update_keeps_the_end_of_a_file_without_a_line_feed(file):
    checked(file, RIGHT + NEW.rstrip("\n"), update=True)
    assert file.read_text() == RIGHT + '{"completion": "dog", "reference": "dogs", "expected": 0.75}'


def test_what_unicode_counts_as_a_line_end_stays_in_its_line(file):
    checked(file, '{"completion": "a\u2028b\u0085", "reference": "ab"}\n', update=True)
    assert file.read_text() == '{"completion": "a\u2028b\u0085", "reference": "ab", "expected": 1.0}\n'


def test_a_value_within_the_tolerance_stays_as_it_is_written(file):
    line = '{"completion": "the", "reference": "the cats", "expected": 0.43, "tolerance": 0.01}\n'
    assert statuses(checked(file, line, update=True)) == ["passed"]
    assert file.read_text() == line


@pytest.mark.parametrize("tolerance", [0.0, 1e-9, 1e-5, 0.01, 0.3, 2.0])
def test_written_values_lie_within_the_tolerance(file, tolerance):
    checked(file, '{"completion": "the", "reference": "the cats"}', tolerance=tolerance, update=True)
    assert json.loads(file.read_text())["expected"] == pytest.approx(3 / 7, abs=tolerance)
    assert check_fixtures(broken.sound_function, file, tolerance=tolerance).passed


@pytest.mark.parametrize(("value", "updated"), [("1", True), ("yes", True), ("0", False), ("off", False), ("", False)])
def test_the_environment_variable_switches_updating_on(file, monkeypatch, value, updated):
    monkeypatch.setenv(UPDATE_VARIABLE, value)
    assert checked(file, WRONG).updated is updated


def test_the_argument_goes_before_the_environment_variable(file, monkeypatch):
    monkeypatch.setenv(UPDATE_VARIABLE, "1")
    assert not checked(file, WRONG, update=False).updated


def test_none_is_expected_as_null(file):
    line = '{"completion": "a dog", "reference": "dogs", "expected": null}\n'
    assert checked(file, line, broken.NotForAll()).passed
    assert not checked(file, line, broken.Sound()).passed


def test_none_does_not_pass_for_a_number(file):
    line = '{"completion": "a dog", "reference": "dogs", "expected": 0.0}\n'
    assert not checked(file, line, broken.NotForAll()).passed


def test_none_does_not_pass_for_nothing_expected(file):
    assert not checked(file, '{"completion": "a dog", "reference": "dogs"}\n', broken.NotForAll()).passed


def test_update_writes_none_as_null(file):
    checked(file, NEW, broken.NotForAll(), update=True)
    assert json.loads(file.read_text())["expected"] is None


@pytest.mark.parametrize("name", ["ValueError", "Exception"])
def test_an_exception_is_expected_by_its_name_or_that_of_a_base(file, name):
    line = f'{{"completion": "dog", "reference": null, "expected": "{name}"}}\n'
    assert checked(file, line).passed


def test_another_exception_fails(file):
    report = checked(file, '{"completion": "dog", "expected": "KeyError"}\n')
    assert "must raise KeyError, but it raised TypeError" in report.results[0].message


@pytest.mark.parametrize("expected", ["0.5", '"KeyError"'])
def test_update_never_writes_an_exception(file, expected):
    line = f'{{"completion": "dog", "reference": null, "expected": {expected}}}\n'
    assert not checked(file, line, update=True).passed
    assert file.read_text() == line


def test_update_does_not_replace_an_expected_exception(file):
    line = '{"completion": "dog", "reference": "dogs", "expected": "ValueError"}\n'
    report = checked(file, line, update=True)
    assert "must raise ValueError, but it earned 0.75; correct the reward; if the row is legal" in (
        report.results[0].message
    )
    assert file.read_text() == line


class Infinite(broken.Sound):
    def value(self, answer, reference):
        return float(answer)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_update_refuses_what_is_not_finite(file, value):
    line = f'{{"completion": "{value}", "reference": "", "expected": 0.5}}\n'
    report = checked(file, line, Infinite(), update=True)
    assert f"earned {value}; a value must be one finite float or None" in report.results[0].message
    assert (report.updated, file.read_text()) == (False, line)


def test_update_refuses_another_number_of_values(file):
    report = checked(file, NEW, broken.OneTooFew(), update=True)
    assert "earned []; a value must be one finite float" in report.results[0].message


def test_right_rows_are_written_beside_refused_ones(file):
    bad = '{"completion": "nan", "reference": "", "expected": 0.5}\n'
    report = checked(file, bad + '{"completion": "2.5", "reference": ""}\n', Infinite(), update=True)
    assert statuses(report) == ["failed", "passed"]
    assert file.read_text() == bad + '{"completion": "2.5", "reference": "", "expected": 2.5}\n'


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


def test_the_report_is_plain_data(file):
    data = json.loads(json.dumps(checked(file, RIGHT + WRONG).to_dict()))
    assert (data["passed"], data["path"], data["updated"]) == (False, str(file), False)
    assert "+" in data["diff"]


def test_the_report_prints_a_line_for_each_row(file):
    assert str(checked(file, RIGHT + WRONG)).startswith("sound_function: 1 passed, 1 failed, 0 skipped\npassed  line 1")


def test_a_missing_file_is_named(file):
    with pytest.raises(ArgumentError, match=r"fixtures\.jsonl does not exist; create it"):
        check_fixtures(broken.sound_function, file)


def test_a_file_without_rows_is_refused(file):
    with pytest.raises(ArgumentError, match="holds no row"):
        checked(file, "\n\n")


def test_a_file_in_another_encoding_is_refused(file):
    file.write_bytes(b'{"completion": "\xff"}')
    with pytest.raises(ArgumentError, match="must be in UTF-8"):
        check_fixtures(broken.sound_function, file)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Expecting property name"),
        ("[]", "must be a JSON object"),
        ('{"completion": 3}', "must have a `completion`"),
        ("{}", "must have a `completion`"),
        ('{"completion": "a", "completions": ["a"]}', "must not have a column `completions`"),
        ('{"completion": "a", "expected": true}', "`expected` must be a finite number, null or an exception's name"),
        ('{"completion": "a", "expected": [1]}', "`expected` must be a finite number, null or an exception's name"),
        ('{"completion": "a", "expected": NaN}', "`expected` must be a finite number"),
        ('{"completion": "a", "expected": 1e999}', "`expected` must be a finite number, null or an exception's name"),
        ('{"completion": "a", "tolerance": -1}', "`tolerance` must be a finite number of at least 0"),
        ('{"completion": "a", "tolerance": 1e999}', "`tolerance` must be a finite number of at least 0"),
        ('{"completion": "a", "expected": 1, "expected": 2}', "the key 'expected' stands there twice"),
    ],
)
def test_a_line_that_is_no_row_is_refused_by_its_number(file, line, message):
    with pytest.raises(ArgumentError, match=rf"fixtures\.jsonl, line 2: .*{message}"):
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
    with pytest.raises(ArgumentError, match="line 1: "):
        check_fixtures(broken.sound_function, path, update=False)


def test_a_line_that_nests_without_end_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("[" * 200_000 + "\n")
    with pytest.raises(ArgumentError, match="line 1: "):
        check_fixtures(broken.sound_function, path, update=False)


def test_a_folder_is_no_file_of_fixtures(tmp_path):
    with pytest.raises(ArgumentError, match="cannot be read"):
        check_fixtures(broken.sound_function, tmp_path, update=False)


def test_a_tolerance_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="`tolerance` must be a finite number of at least 0, got 'x'"):
        check_fixtures(broken.sound_function, tmp_path / "rows.jsonl", tolerance="x")
