import gzip
import json

import pytest

from semreward.adaptation import Pair, PairData, PairReport, read_pairs
from semreward.adaptation.pairs import without_leaks
from semreward.errors import ArgumentError, MissingColumnError

ROWS = [("马", "རྟ"), ("山 上", "རི་ལ་"), ('说"好"', 'ལགས་"སོ།')]
PAIRS = tuple(Pair(*row) for row in ROWS)
TSV = "".join(f"{anchor}\t{positive}\n" for anchor, positive in ROWS).encode()
CSV = '马,རྟ\n山 上,རི་ལ་\n"说""好""","ལགས་""སོ།"\n'.encode()
JSONL = "".join(json.dumps({"zh": zh, "bo": bo}, ensure_ascii=False) + "\n" for zh, bo in ROWS).encode()


def written(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", TSV),
        ("a.csv", CSV),
        ("a.tsv.gz", gzip.compress(TSV)),
        ("v1.2.tsv.gz", gzip.compress(TSV)),
        ("a.tsv", b"\xef\xbb\xbf" + TSV),
        ("a.tsv", TSV.replace(b"\n", b"\r\n")),
        ("a.tsv", TSV.rstrip()),
        ("a.jsonl", JSONL),
    ],
)
def test_files_without_a_header_are_read_by_place(tmp_path, name, content):
    assert read_pairs(written(tmp_path / name, content)).pairs == PAIRS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", b"id\tzh\tbo\n" + b"".join(b"1\t" + line + b"\n" for line in TSV.splitlines())),
        ("a.csv", b"zh,bo\n" + CSV),
        ("a.jsonl.gz", gzip.compress(JSONL)),
    ],
)
def test_columns_are_read_by_name(tmp_path, name, content):
    assert read_pairs(written(tmp_path / name, content), ("zh", "bo")).pairs == PAIRS


def test_columns_may_come_in_the_other_order(tmp_path):
    assert read_pairs(written(tmp_path / "a.jsonl", JSONL), ("bo", "zh")).pairs[0] == ("རྟ", "马")


@pytest.mark.parametrize("compressed", [False, True])
def test_parquet_is_read(tmp_path, compressed):
    parquet, table = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    parquet.write_table(table.table({"zh": [a for a, _ in ROWS], "bo": [b for _, b in ROWS]}), path)
    if compressed:
        path = written(tmp_path / "a.parquet.gz", gzip.compress(path.read_bytes()))
    assert read_pairs(path, ("zh", "bo")).pairs == PAIRS


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_blank_lines_of_a_file_with_named_columns_are_no_rows(tmp_path, name):
    content = "zh,bo\n\n马,རྟ\n\n\n".replace(",", "," if name == "a.csv" else "\t")
    data = read_pairs(written(tmp_path / name, content.encode()), ("zh", "bo"))
    assert (data.pairs, data.report.rows) == (PAIRS[:1], 1)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_two_columns_of_one_name_are_an_error(tmp_path, name):
    path = tmp_path / name
    if name == "a.csv":
        written(path, "zh,bo,bo\n马,རྟ,x\n".encode())
    else:
        parquet, table = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
        columns = [table.array([text]) for text in ("马", "རྟ", "x")]
        parquet.write_table(table.table(columns, names=["zh", "bo", "bo"]), path)
    with pytest.raises(ArgumentError, match="two columns are called 'bo'"):
        read_pairs(path, ("zh", "bo"))


def test_a_hub_data_set_is_read_from_the_split_asked_for(monkeypatch):
    import datasets

    loaded = {("org/data", "validation"): [{"zh": "马", "bo": "རྟ"}]}
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: loaded[name, split])
    assert read_pairs("org/data", ("zh", "bo"), split="validation").pairs == (("马", "རྟ"),)


@pytest.mark.parametrize("rows", [ROWS, [list(row) for row in ROWS], iter(ROWS)])
def test_iterables_of_pairs_are_read(rows):
    assert read_pairs(rows).pairs == PAIRS


def test_iterables_of_mappings_are_read_by_name():
    assert read_pairs([{"zh": "马", "bo": "རྟ"}], ("zh", "bo")).pairs == (("马", "རྟ"),)


def test_texts_are_normalised():
    assert read_pairs([(" cafe\u0301 ", "咖啡")]).pairs == (("café", "咖啡"),)


def test_reading_stops_at_the_limit():
    assert read_pairs(iter(ROWS), limit=2).report.rows == 2


@pytest.mark.parametrize("limit", [0, -1, "2", 2.0, True])
def test_a_limit_that_is_no_positive_number_is_refused(limit):
    with pytest.raises(ArgumentError, match="`limit` must be a whole number of at least 1"):
        read_pairs(ROWS, limit=limit)


@pytest.mark.parametrize("columns", [("x",), None, (-5, 0), ("x", 1), "zh", (0, 1, 2), (True, False), ()])
def test_columns_that_are_no_two_names_or_places_are_refused(columns):
    with pytest.raises(ArgumentError, match="`columns` must be two names, or two positions counted from 0"):
        read_pairs(ROWS, columns)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("a",), "without two sides"),
        ("ab", "without two sides"),
        (None, "without two sides"),
        (("a", None), "with a side that is no text"),
        (("a", 3), "with a side that is no text"),
        (("a", " \u3000"), "with a blank side"),
        (("", "b"), "with a blank side"),
        (("a", " a"), "with equal sides"),
    ],
)
def test_a_row_that_is_no_pair_is_counted_by_its_reason(row, reason):
    assert read_pairs([*ROWS, row]).report.dropped == {reason: 1}


def test_bad_rows_are_named_with_their_numbers():
    data = read_pairs([ROWS[0], ("x", ""), ROWS[1]])
    assert data.report.named == ("row 2 with a blank side: ('x', '')",)


def test_only_the_first_bad_rows_are_named():
    data = read_pairs([ROWS[0], *[("x", "")] * 100])
    assert (len(data.report.named), data.report.dropped) == (5, {"with a blank side": 100})


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.tsv", TSV + b"\xff\xfe\tb\n", "not valid UTF-8"),
        ("a.jsonl", JSONL + b"{broken\n", "not valid JSON"),
        ("a.jsonl", JSONL + b"[1]\n", "not a JSON object"),
        ("a.jsonl", JSONL + b"[" * 100_000 + b"]" * 100_000, "not valid JSON"),
        ("a.tsv", TSV + b"alone\n", "missing column"),
    ],
)
def test_a_bad_line_of_a_file_is_counted(tmp_path, name, content, reason):
    assert read_pairs(written(tmp_path / name, content)).report.dropped == {reason: 1}


def test_a_blank_line_is_no_row(tmp_path):
    report = read_pairs(written(tmp_path / "a.tsv", TSV + b"\n")).report
    assert (report.rows, report.dropped) == (3, {})


def test_a_line_with_another_number_of_columns_is_counted(tmp_path):
    path = written(tmp_path / "a.csv", b"zh,bo\na,b\na,b,c\n")
    assert read_pairs(path, ("zh", "bo")).report.dropped == {"another number of columns": 1}


def test_the_report_prints_where_from_and_what_was_dropped(tmp_path):
    path = written(tmp_path / "a.tsv", TSV + b"alone\n")
    assert str(read_pairs(path).report) == f"{path}: 4 rows read, 3 kept, dropped: 1 missing column"


def test_rows_none_of_which_is_a_pair_are_an_error_with_the_reasons():
    with pytest.raises(ArgumentError, match=r"2 rows read, 0 kept.*row 1 with a blank side"):
        read_pairs([("a", ""), ("b",)])


def test_an_empty_file_is_an_error(tmp_path):
    with pytest.raises(ArgumentError, match="it is empty"):
        read_pairs(written(tmp_path / "a.tsv", b""))


def test_a_missing_column_is_named_with_those_there_are(tmp_path):
    with pytest.raises(MissingColumnError, match="must have a column `de`, got zh, bo at row 1"):
        read_pairs(written(tmp_path / "a.jsonl", JSONL), ("zh", "de"))


def test_a_later_row_without_a_column_is_counted_and_named(tmp_path):
    report = read_pairs(written(tmp_path / "a.jsonl", JSONL + b'{"zh": "x"}\n' + JSONL), ("zh", "bo")).report
    assert (report.rows, report.dropped) == (7, {"missing column": 1})
    assert report.named == ("row 4 missing column: {'zh': 'x'}",)


@pytest.mark.parametrize("name", ["missing.tsv", "./missing", "/nowhere/missing"])
def test_a_file_that_does_not_exist_is_named(name):
    with pytest.raises(ArgumentError, match=f"{name!r} does not exist"):
        read_pairs(name)


def test_an_unknown_ending_is_named_with_those_known(tmp_path):
    with pytest.raises(ArgumentError, match=r"must end in \.tsv, \.csv, \.jsonl, \.parquet"):
        read_pairs(written(tmp_path / "a.txt", TSV))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv.gz", TSV),
        ("a.tsv.gz", gzip.compress(TSV)[:-9]),
        ("a.csv", b'a,b\n"unclosed,c\n'),
        ("a.parquet", TSV),
    ],
)
def test_a_file_that_is_not_what_its_ending_says_is_an_error(tmp_path, name, content):
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_pairs(written(tmp_path / name, content))


def test_read_pairs_are_a_sequence():
    data = read_pairs(ROWS)
    assert (len(data), data[0], data[1:].pairs, list(data)) == (3, PAIRS[0], PAIRS[1:], list(PAIRS))


def test_a_part_of_read_pairs_keeps_the_report():
    data = read_pairs([*ROWS, ("a", "")])
    assert data[:1].report == data.report


def test_duplicates_and_leaks_are_removed_and_counted():
    pairs, report = without_leaks([("a", "b"), (" a", "b "), ("x", "d"), ("e", "y"), ("a", "c")], ["x", "y"])
    assert (pairs, report) == (
        [("a", "b"), ("a", "c")],
        PairReport("train_pairs", 5, {"duplicates": 1, "that share a sentence with the evaluation": 2}),
    )


def test_the_report_of_reading_goes_on_when_duplicates_are_removed():
    _, report = without_leaks(read_pairs([("a", "b"), ("a", "b"), ("a", "")]), [])
    assert (report.rows, report.dropped) == (3, {"with a blank side": 1, "duplicates": 1})


def test_rows_that_were_cut_off_after_reading_are_counted():
    _, report = without_leaks(read_pairs([("a", "b"), ("c", "d")])[:1], [])
    assert report.dropped == {"not selected": 1}


def test_the_report_adds_up():
    pairs, report = without_leaks(read_pairs([("a", "b"), ("a", "b"), ("a", ""), ("x", "y"), ("c", "d")])[:3], ["x"])
    assert report.kept == len(pairs) == 1


def test_equal_data_is_equal():
    assert read_pairs(ROWS) == PairData(PAIRS, PairReport("an iterable", 3))
