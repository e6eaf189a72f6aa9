"""Data files as people have them: what is read, what is refused, and how results are written."""

import contextlib
import gzip
import io
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from doubles import BigramEncoder
from semreward import calibrate, files
from semreward.adaptation import read_pairs
from semreward.cli.streams import is_one_file
from semreward.errors import ArgumentError, MissingColumnError
from semreward.evaluation.reading import reading_prompts
from tibetan import data as recipe
from tibetan.stages import Stages

SQUAD = {"data": [{"paragraphs": [{"context": "文", "qas": [{"id": "q", "question": "？"}]}]}]}
PLAIN = "bo\tzh\nཀ\t一\nཁ\t二\n"
ROWS = [{"bo": "ཀ", "zh": "一"}, {"bo": "ཁ", "zh": "二"}]


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# One reader for every format and every program.


@pytest.mark.parametrize("read", [files.read_rows, lambda path, columns: recipe.read_rows(str(path), columns)])
def test_recipe_and_library_keep_every_row_with_a_quotation_mark(written, read):
    path = written("a.tsv", 'bo\tzh\nཀ\t一\nཁ\t"二号\nག\t三\nང\t四号"\nཅ\t五\n')
    assert [row["zh"] for row in read(path, ["bo", "zh"])] == ["一", '"二号', "三", '四号"', "五"]


def test_adaptation_keeps_every_pair_with_a_quotation_mark(written):
    path = written("a.tsv", 'bo\tzh\nཀ\t一\nཁ\t"二号\nག\t三\nང\t四号"\nཅ\t五\n')
    assert read_pairs(path, ("bo", "zh")).report.kept == 5


@pytest.mark.parametrize("cell", ["NA", "null", "1.0", "007", "True"])
@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_cells_are_texts_whatever_they_look_like(written, name, cell):
    path = written(name, f"bo,zh\n{cell},一\n".replace(",", "\t" if name == "a.tsv" else ","))
    assert list(recipe.read_rows(str(path), ["bo", "zh"])) == [{"bo": cell, "zh": "一"}]


# Lines end at LF.


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_what_the_recipe_writes_it_reads_again(tmp_path, separator):
    rows = [{"source": f"a{separator}b", "reference": "c"}]
    recipe.write_rows(tmp_path / "rl.jsonl", rows)
    assert recipe.read_part(tmp_path, "rl") == rows


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.tsv", "a.csv", "a.tsv.gz", "a.csv.gz"])
def test_unicode_line_separators_are_characters(written, name):
    text = lines({"bo": "ཀ\u2028ཁ", "zh": "一\x85二"})
    if "jsonl" not in name:
        text = "bo,zh\nཀ\u2028ཁ,一\x85二\n".replace(",", "\t" if ".tsv" in name else ",")
    path = written(name, gzip.compress(text.encode()) if name.endswith("gz") else text)
    assert list(files.read_rows(path, ["bo", "zh"])) == [{"bo": "ཀ\u2028ཁ", "zh": "一\x85二"}]


# Encodings: read where they are certain.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.jsonl", "a.jsonl.gz", "a.json.gz", "a.csv.gz"])
def test_byte_order_marks_and_gzip_are_understood(written, name, encoding):
    table = PLAIN if ".tsv" in name else PLAIN.replace("\t", ",")
    content = (lines(*ROWS) if "json" in name else table).encode(encoding)
    path = written(name, gzip.compress(content) if name.endswith("gz") else content)
    assert list(files.read_rows(path, ["bo", "zh"])) == ROWS


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_reading_test_may_have_a_byte_order_mark(written, name, encoding):
    content = json.dumps(SQUAD).encode(encoding)
    path = written(name, gzip.compress(content) if name.endswith("gz") else content)
    assert [question.id for question in reading_prompts(path)] == ["q"]


@pytest.mark.parametrize("cells", ["\0\0\t\0\0", "\0\t\0"])
def test_a_pair_of_nuls_is_no_pair(written, cells):
    with pytest.raises(ArgumentError, match="must hold at least one pair"):
        read_pairs(written("a.tsv", f"bo\tzh\n{cells}\n"), ("bo", "zh"))


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16-le", "utf-16-be", "utf-32", "gbk"])
def test_a_header_in_another_encoding_is_told_with_file_line_and_encoding(written, encoding):
    path = written("a.tsv", "译文\tzh\n甲\t乙\n".encode(encoding))
    with pytest.raises(ArgumentError, match=r"a\.tsv' cannot be read: its header, line 1, is not valid UTF-8"):
        list(files.read_rows(path, ["zh"]))


def test_a_row_in_another_encoding_is_told_with_file_line_and_encoding(written):
    path = written("a.tsv", b"bo\tzh\nx\t1\ny\t" + "二".encode("gb18030") + b"\n")
    with pytest.raises(ArgumentError, match=r"a\.tsv: not valid UTF-8 at row 2 \(line 3\)"):
        list(files.read_rows(path, ["zh"]))


# Files as spreadsheets and shells leave them.


@pytest.mark.parametrize("content", ["", "\n\n", "bo\tzh\n", PLAIN])
def test_a_file_with_the_columns_is_read_however_few_rows_it_has(written, content):
    assert list(files.read_rows(written("a.tsv", content), ["bo", "zh"])) in ([], ROWS)


@pytest.mark.parametrize(
    ("name", "content", "got"),
    [
        ("a.csv", "bo;zh\nཀ;一\n", "got bo;zh in its header"),
        ("a.csv", "bo;zh\nཀ, ག;一\n", "got bo;zh in its header"),
        ("a.csv", "sep=;\nbo;zh\nཀ;一\n", "got sep=; in its header"),
        ("a.csv", PLAIN, "got bo\tzh in its header"),
        ("a.tsv", '"bo"\t"zh"\n', 'got "bo", "zh" in its header'),
        ("a.tsv", "de\tfr\n", "got de, fr in its header"),
        ("a.tsv", PLAIN.replace("\n", "\r"), "in its header"),
    ],
)
@pytest.mark.parametrize("keep_bad", [False, True])
def test_a_header_without_the_column_is_told_even_if_no_row_follows(written, name, content, got, keep_bad):
    with pytest.raises(MissingColumnError) as caught:
        list(files.read_rows(written(name, content), ["bo", "zh"], keep_bad=keep_bad))
    assert got in str(caught.value)


def test_an_empty_parquet_file_without_the_column_is_told(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"de": arrow.array([], arrow.string())}), tmp_path / "a.parquet")
    with pytest.raises(MissingColumnError, match="got de in its header"):
        list(files.read_rows(tmp_path / "a.parquet", ["bo"]))


@pytest.mark.parametrize("content", ["\n" + PLAIN, PLAIN.replace("\n", "\r\n"), "\r\n\r\n" + PLAIN])
def test_blank_first_lines_and_crlf_do_not_hide_the_header(written, content):
    assert list(files.read_rows(written("a.tsv", content), ["bo", "zh"])) == ROWS


@pytest.mark.parametrize("row", ["ཁ\t二\t", "ཁ\t二\t三", "ཁ"])
def test_a_row_with_another_number_of_columns_is_told(written, row):
    path = written("a.tsv", f"bo\tzh\nཀ\t一\n{row}\n")
    with pytest.raises(ArgumentError, match=r"another number of columns at row 2 \(line 3\)"):
        list(files.read_rows(path, ["bo"]))


@pytest.mark.parametrize("read", [files.read_rows, files.read_json, read_pairs, reading_prompts])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_not_a_regular_file_is_named(tmp_path, read, make):
    make(tmp_path / "a.json")
    with pytest.raises(ArgumentError, match=r"a\.json' is not a regular file; .* pipe JSON lines"):
        list(read(tmp_path / "a.json"))


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_a_file_that_changes_while_it_is_read_is_told(written, name):
    packed = gzip.compress if name.endswith("gz") else bytes
    path = written(name, packed(PLAIN.encode()))
    rows = files.read_rows(path, ["bo"])
    next(rows)
    with path.open("ab") as file:
        file.write(packed("ག\t三\n".encode()))
    with pytest.raises(ArgumentError, match=r"a\.tsv.*' changed while it was read"):
        list(rows)


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(written):
    path = written("a.tsv", PLAIN)
    rows = files.read_rows(path, ["bo"])
    first = next(rows)
    files.write_text(path, "bo\tzh\n")
    assert [first, *rows] == ROWS


@pytest.mark.parametrize("error", [FileNotFoundError("no such data set"), ValueError("bad split")])
def test_a_hub_data_set_that_is_not_there_is_named(monkeypatch, error):
    def load_dataset(*_, **__):
        raise error

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(ArgumentError, match=f"hub data set 'org/data' cannot be read: {error}"):
        list(files.read_rows("org/data", ["bo"]))


# Files are written whole.


def test_a_file_is_replaced_only_when_the_new_one_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("old")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(path, "new")
    assert {found.name: found.read_text() for found in tmp_path.iterdir()} == {"a.json": "old"}


def test_permissions_and_links_survive_a_new_content(tmp_path):
    path, link = tmp_path / "a.json", tmp_path / "link.json"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    files.write_text(link, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode), link.is_symlink()) == ("new", 0o600, True)


KILLED = """
import os, signal, sys
from pathlib import Path
from semreward import Calibration
write_text = Path.write_text
def killed(path, text, **how):
    write_text(path, text[: len(text) // 2], **how)
    os.kill(os.getpid(), signal.SIGKILL)
Path.write_text = killed
Calibration.load(sys.argv[1]).save(sys.argv[1])
"""


def test_a_calibration_survives_a_kill_in_the_middle_of_its_replacement(tmp_path):
    path = tmp_path / "tau.json"
    calibrate(BigramEncoder(), ["ab", "cd"], ["ab", "ce"]).save(path)
    before = path.read_text()
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, check=False)
    assert (done.returncode, path.read_text()) == (-signal.SIGKILL, before)


def _semreward(folder, *arguments, **streams):
    command = [sys.executable, "-m", "semreward", *arguments]
    return subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True, check=False, timeout=300, **streams)


LENGTH = "def length(completions, **columns):\n    return [float(len(completion)) for completion in completions]\n"


@pytest.fixture
def rows(tmp_path, written):
    written("rewards.py", LENGTH)
    return written("rows.jsonl", lines({"completion": "a", "reference": "a"}, {"completion": "b", "reference": "b"}))


@pytest.mark.parametrize("source", ["rows.jsonl", "-"])
def test_rows_are_not_scored_into_the_file_that_they_are_read_from(tmp_path, rows, source):
    before = rows.read_text()
    with rows.open("rb") as given, rows.open("ab") as taken:
        done = _semreward(tmp_path, "score", source, "--reward", "rewards:length", stdin=given, stdout=taken)
    assert (done.returncode, rows.read_text()) == (2, before)
    assert "stdout must not be the file that is read" in done.stderr


@pytest.mark.parametrize("command", ["calibrate", "audit"])
def test_no_result_replaces_the_file_on_stdin(tmp_path, rows, command):
    rows = rows.rename(tmp_path / "rows.json")
    before = rows.read_text()
    with rows.open("rb") as given:
        arguments = (command, "-", "--reward", "rewards:length", "--out", "rows.json")
        done = _semreward(tmp_path, *arguments, stdin=given, stdout=subprocess.PIPE)
    assert (done.returncode, rows.read_text()) == (2, before)
    assert "--out must not be a file that is read" in done.stderr


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_link_to_a_file_is_the_file(tmp_path, rows, link):
    link(rows, tmp_path / "link.jsonl")
    assert is_one_file(str(rows), str(tmp_path / "link.jsonl"))


def test_a_device_may_be_read_and_written():
    with Path(os.devnull).open("rb") as given, Path(os.devnull).open("wb") as taken:
        assert not is_one_file(given, taken)


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_a_stream_without_a_file_is_no_file(rows, stream):
    assert not is_one_file(str(rows), stream)


def test_a_record_that_was_cut_off_does_not_stop_the_next_attempt(tmp_path, monkeypatch):
    write_text = Path.write_text

    def killed(path, text, **how):
        write_text(path, text[:1], **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt), contextlib.redirect_stdout(io.StringIO()):
        Stages(tmp_path).run("one", lambda folder: None, {}, keep_partial=True)
    monkeypatch.undo()
    assert Stages(tmp_path).run("one", lambda folder: None, {}, keep_partial=True).is_dir()


def test_positions_of_json_lines_are_those_of_the_first_row(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"bo": "ཀ", "zh": "一"}\n{"zh": "二", "bo": "ཁ"}\n', encoding="utf-8")
    assert [tuple(pair) for pair in read_pairs(path, (0, 1))] == [("ཀ", "一"), ("ཁ", "二")]
