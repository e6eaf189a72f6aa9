import gzip
import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from semreward.errors import ArgumentError
from tibetan.arguments import DataArguments
from tibetan.data import PAIRS, prepare, read_part, read_rows, read_texts

ROWS = [{"zh": f"第{number}句", "bo": "བོད་" * (number + 1)} for number in range(20)]


@pytest.fixture(scope="module")
def tokenizer(policy_folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(policy_folder)


def _write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_texts_may_hold_line_separators_of_unicode(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    rows = [{**row, "zh": f"{row['zh']}\u2028二"} for row in ROWS]
    prepare(tmp_path, _arguments(tmp_path, train_data=_write(tmp_path / "other.jsonl", rows)), tokenizer, seed=0)
    assert {row["source"] for row in read_part(tmp_path, "rl")} < {row["zh"] for row in rows}


def test_texts_are_a_column_or_the_passages_of_a_reading_test(tmp_path: Path) -> None:
    squad = {"data": [{"paragraphs": [{"context": "一", "qas": []}, {"context": "二", "qas": []}]}]}
    (tmp_path / "squad.json.gz").write_bytes(gzip.compress(json.dumps(squad).encode("utf-8-sig")))
    (tmp_path / "texts.json").write_text(json.dumps([{"text": "一"}, {"text": "二"}]), encoding="utf-8")
    assert (
        read_texts(str(tmp_path / "squad.json.gz"), None) == read_texts(str(tmp_path / "texts.json"), 2) == ["一", "二"]
    )


@pytest.mark.parametrize("text", ["", "  ", None])
def test_row_without_text_is_named(tmp_path: Path, text: object) -> None:
    path = _write(tmp_path / "rows.jsonl", [*ROWS[:2], {"zh": "第三句", "bo": text}])
    with pytest.raises(ArgumentError, match=r"column `bo` must be text, got .* at row 3"):
        list(read_rows(path, ["zh", "bo"]))


def _arguments(tmp_path: Path, **changes: object) -> DataArguments:
    paths = {
        "train_data": _write(tmp_path / "train.jsonl", ROWS),
        "test_data": _write(tmp_path / "test.jsonl", [{"zh": "测试", "bo": "ཚོད་ལྟ"}]),
    }
    return DataArguments(**{**paths, "cold_start_size": 6, "calibration_size": 4, **changes})


def test_no_row_serves_two_purposes(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    prepare(tmp_path, _arguments(tmp_path), tokenizer, seed=0)
    parts = {name: {row["source"] for row in read_part(tmp_path, name)} for name in ("cold_start", "calibration", "rl")}
    assert [len(rows) for rows in parts.values()] == [6, 4, 10]
    assert len(set().union(*parts.values())) == 20


def test_training_rows_that_are_test_rows_are_dropped(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    leaking = _write(tmp_path / "leaking.jsonl", [ROWS[0], {"zh": "测试", "bo": "ཚོད་ལྟ"}])
    prepare(tmp_path, _arguments(tmp_path, test_data=leaking), tokenizer, seed=0)
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert (counts["train_rows_that_are_in_test"], counts["rl"]) == (1, 9)


def test_rows_longer_than_the_limit_are_dropped_and_counted(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    prepare(tmp_path, _arguments(tmp_path, max_row_tokens=90), tokenizer, seed=0)
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert counts["train_rows_too_long"] > 0
    assert counts["train_rows_too_long"] + counts["cold_start"] + counts["calibration"] + counts["rl"] == 20


def test_too_few_rows_are_an_error_that_names_the_sizes(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ArgumentError, match=r"more than cold_start_size \+ calibration_size = 24 usable rows, got 20"):
        prepare(tmp_path, _arguments(tmp_path, cold_start_size=20), tokenizer, seed=0)


def test_rows_carry_what_both_trainers_read(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    prepare(tmp_path, _arguments(tmp_path), tokenizer, seed=0)
    assert read_part(tmp_path, "test") == [
        {
            "prompt": [{"role": "user", "content": "请把下面的句子翻译成藏语：测试"}],
            "completion": [{"role": "assistant", "content": "ཚོད་ལྟ"}],
            "source": "测试",
            "reference": "ཚོད་ལྟ",
        }
    ]


def test_counts_tell_what_a_syllable_costs(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    path = _write(tmp_path / "rows.jsonl", ROWS)
    test = _write(tmp_path / "test.jsonl", [{"zh": "别的", "bo": "བོད་"}])
    prepare(
        tmp_path, DataArguments(train_data=path, test_data=test, cold_start_size=2, calibration_size=2), tokenizer, 0
    )
    counts = json.loads((tmp_path / "counts.json").read_text())
    syllables = sum(row["bo"].count("བོད་") for row in ROWS)
    tokens = sum(len(tokenizer(row["bo"], add_special_tokens=False)["input_ids"]) for row in ROWS)
    assert counts["tokens_per_unit_of_reference"] == pytest.approx(tokens / syllables, abs=0.01)
    assert counts["mean_prompt_tokens"] > 0


def test_all_training_pairs_are_kept_for_word_lists(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    prepare(tmp_path, _arguments(tmp_path, max_row_tokens=90), tokenizer, seed=0)
    pairs = [json.loads(line) for line in (tmp_path / PAIRS).read_text(encoding="utf-8").splitlines()]
    assert pairs == [{"source": row["zh"], "reference": row["bo"]} for row in ROWS]
