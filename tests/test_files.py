"""`semreward.files`: every format gives the same rows, and what is wrong with a file is named."""

import gzip
import io
import json
import sys

import pytest

from semreward.errors import ArgumentError, MissingColumnError
from semreward.files import BadRow, is_file, read_json, read_rows

ROWS = [{"bo": "ཀ་ཁ", "zh": '一, "二"'}, {"bo": "ག\u2028ང\x85", "zh": "NA"}]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = 'bo,zh\nཀ་ཁ,"一, ""二"""\nག\u2028ང\x85,NA\n'
TSV = CSV.replace('"一, ""二"""', '一, "二"').replace(",", "\t").replace("一\t ", "一, ")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", JSONL),
        ("a.jsonl", JSONL.rstrip("\n")),
        ("a.jsonl", JSONL.replace("\n", "\r\n\r\n")),
        ("a.json", JSONL),
        ("a.json", json.dumps(ROWS, indent=1)),
        ("a.csv", CSV),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("a.tsv", TSV),
        ("a.tsv", TSV.replace("\n", "\n\n")),
        ("a.tsv", "\ufeff" + TSV),
        ("a.tsv", TSV.encode("utf-16")),  # as Excel's "Unicode text"
        ("a.tsv", b"\xfe\xff" + TSV.encode("utf-16-be")),
        ("a.json", json.dumps(ROWS).encode("utf-16")),
        ("v1.2.tsv.gz", gzip.compress(TSV.encode())),
        ("a.json.gz", gzip.compress(json.dumps(ROWS).encode())),
    ],
)
def test_every_format_gives_the_same_rows(written, name, content):
    assert list(read_rows(written(name, content), ["zh", "bo"])) == ROWS


@pytest.mark.parametrize("compressed", [False, True])
def test_parquet_gives_the_same_rows(written, tmp_path, compressed):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.Table.from_pylist(ROWS), path)
    if compressed:
        path = written("b.parquet.gz", gzip.compress(path.read_bytes()))
    assert list(read_rows(path)) == ROWS
    assert list(read_rows(path, [0, 1])) == [{0: row["bo"], 1: row["zh"]} for row in ROWS]


def test_quotation_marks_are_text_in_tsv(written):
    lines = ["bo\tzh", "ཀ\t一", 'ཁ\t"二号', "ག\t三", 'ང\t四号"', "ཅ\t五"]
    assert [row["zh"] for row in read_rows(written("a.tsv", "\n".join(lines)))] == ["一", '"二号', "三", '四号"', "五"]


def test_a_quoted_field_of_csv_may_hold_lines(written):
    assert list(read_rows(written("a.csv", 'a,b\n"1\n2",3\n'))) == [{"a": "1\n2", "b": "3"}]


@pytest.mark.parametrize(("name", "content"), [("a.csv", "ཀ,一\nཁ,二\n"), ("a.tsv", "ཀ\t一\nཁ\t二\n")])
def test_columns_by_number_mean_that_there_is_no_header(written, name, content):
    assert list(read_rows(written(name, content), [0, 1])) == [{0: "ཀ", 1: "一"}, {0: "ཁ", 1: "二"}]


def test_columns_of_objects_can_be_numbered(written):
    assert list(read_rows(written("a.jsonl", JSONL), [1])) == [{0: row["bo"], 1: row["zh"]} for row in ROWS]


def test_aligned_text_files_are_read_by_column(written, tmp_path):
    written("a.bo.gz", gzip.compress("ཀ\u2028\r\n\r\n".encode()))
    written("a.zh.gz", gzip.compress("\ufeff一\n二".encode()))
    rows = list(read_rows(str(tmp_path / "a.{column}.gz"), ["bo", "zh"]))
    assert rows == [{"bo": "ཀ\u2028", "zh": "一"}, {"bo": "", "zh": "二"}]


def test_aligned_text_files_have_as_many_lines_each(written, tmp_path):
    written("a.bo", "ཀ\n")
    written("a.zh", "一\n二\n")
    with pytest.raises(ArgumentError, match="equally many lines, got bo: 1, zh: 2"):
        list(read_rows(tmp_path / "a.{column}", ["bo", "zh"]))


def test_json_lines_come_from_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"\ufeff{JSONL}".encode())))
    assert list(read_rows("-", ["bo"])) == ROWS


def test_what_cannot_be_read_from_stdin_is_told(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfeb")))
    with pytest.raises(ArgumentError, match="'-' cannot be read: .*truncated data"):
        list(read_rows("-"))


def test_a_hub_data_set_is_read_from_the_split_asked_for(monkeypatch):
    import datasets

    loaded = {("org/data", "validation"): ROWS}
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: loaded[name, split])
    assert list(read_rows("org/data", ["zh"], split="validation")) == ROWS


BAD = [
    ("a.jsonl", b'{"bo": 1}\n\n{"bo": \n{"bo": 2}\n', 3, "not valid JSON"),
    ("a.jsonl", b'{"bo": 1}\n' + b"[" * 100_000 + b'\n{"bo": 2}', 2, "not valid JSON"),
    ("a.jsonl", b'{"bo": 1}\n[1]\n{"bo": 2}\n', 2, "not a JSON object"),
    ("a.json", b'[{"bo": 1}, null, {"bo": 2}]', 2, "not a JSON object"),
    ("a.jsonl", b'{"bo": 1}\n{"bo": 1, "bo": 2}\n{"bo": 2}\n', 2, "two columns are called 'bo'"),
    ("a.jsonl", b'{"bo": 1}\n{"bo": "\\ud800"}\n{"bo": 2}\n', 2, "not valid UTF-8"),
    ("a.jsonl", b'{"bo": 1}\n{"bo": "\xff"}\n{"bo": 2}\n', 2, "not valid UTF-8"),
    ("a.tsv", b"bo\n1\n\xff\xfe\n2\n", 3, "not valid UTF-8"),
    ("a.csv", b"bo,zh\n1,\n1,2,3\n2,\n", 3, "another number of columns"),
    ("a.tsv", b"bo\tzh\n1\t\nalone\n2\t\n", 3, "another number of columns"),
]


@pytest.mark.parametrize(("name", "content", "line", "fault"), BAD)
def test_a_bad_row_is_named_after_all_rows_before_it(written, name, content, line, fault):
    rows = read_rows(written(name, content))
    assert str(next(rows)["bo"]) == "1"
    with pytest.raises(ArgumentError, match=rf"{name}: {fault} at row 2 \(line {line}\), got .*; correct or drop it"):
        next(rows)


@pytest.mark.parametrize(("name", "content", "line", "fault"), BAD)
def test_bad_rows_can_be_kept(written, name, content, line, fault):
    first, bad, last = read_rows(written(name, content), ["bo"], keep_bad=True)
    assert (str(first["bo"]), str(last["bo"])) == ("1", "2")
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.fault) == (line, fault)


def test_utf16_without_a_byte_order_mark_is_refused(written):
    rows = read_rows(written("a.tsv", TSV.encode("utf-16-le")), [0, 1], keep_bad=True)
    assert {row.fault for row in rows} == {"not valid UTF-8"}


def test_a_missing_column_is_named_with_those_there_are(written):
    with pytest.raises(MissingColumnError, match="must have a column `en`, got bo, zh in its header"):
        list(read_rows(written("a.tsv", TSV), ["bo", "en"]))


def test_a_later_row_without_a_column_is_an_error_or_a_bad_row(written):
    path = written("a.jsonl", '{"bo": 1}\n{}\n')
    with pytest.raises(MissingColumnError, match="must have a column `bo`, got none at row 2"):
        list(read_rows(path, ["bo"]))
    assert list(read_rows(path, ["bo"], keep_bad=True)) == [{"bo": 1}, BadRow(0, "missing column", "{}")]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.tsv.gz", TSV, "Not a gzipped file"),
        ("a.tsv.gz", gzip.compress(TSV.encode())[:-9], "ended before"),
        ("a.tsv.gz", gzip.compress(TSV.encode())[:12] + b"no deflate", "invalid"),
        ("a.csv", 'a,b\n1,2\n"open,c\n', "line 3: unexpected end of data"),
        ("a.csv", "a,a\n1,2\n", "two columns are called 'a'"),
        ("a.tsv", "a\ta\n1\t2\n", "two columns are called 'a'"),
        ("a.parquet", TSV, ""),
        ("a.json", "[{}, ", "line 1 column"),
        ("a.tsv", b"\xff\xfeb", "truncated data"),
    ],
)
def test_a_file_that_is_not_what_its_ending_says_is_named(written, name, content, reason):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow.parquet")
    with pytest.raises(ArgumentError, match=rf"a\..*' cannot be read: .*{reason}"):
        list(read_rows(written(name, content)))


@pytest.mark.parametrize("name", ["missing.tsv", "./missing", "/nowhere/missing", "long" * 100 + ".csv"])
def test_a_file_that_does_not_exist_is_named(name):
    assert not is_file(name)
    with pytest.raises(ArgumentError, match=f"{name!r} does not exist"):
        list(read_rows(name))


def test_an_unknown_ending_is_named_with_those_known(written):
    with pytest.raises(ArgumentError, match=r"a\.txt' must end in \.tsv, \.csv, \.jsonl, \.parquet, \.json"):
        list(read_rows(written("a.txt", TSV)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_whole(written, encoding):
    path = written("a.json.gz", gzip.compress(json.dumps({"data": ROWS}).encode(encoding)))
    assert read_json(path) == {"data": ROWS}


@pytest.mark.parametrize("content", [b'{"a": ', b'{"a": "\xff"}'])
def test_what_is_not_json_is_named(written, content):
    with pytest.raises(ArgumentError, match=r"a\.json' cannot be read"):
        read_json(written("a.json", content))
