"""Reads pairs and splits them: cold start, calibration, RL, test. No row serves two purposes."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from semreward import files
from semreward.errors import ArgumentError
from semreward.files import COLUMN
from semreward.text import normalise, units
from tibetan.arguments import DataArguments
from tibetan.leak import foreign_words, write_words

DOWNLOAD_TIMEOUT_S = 30
COUNTED_ROWS = 2000

Row = dict[str, Any]


def read_rows(name: str, columns: Sequence[str], *, split: str = "train") -> Iterator[Row]:
    """Columns of text of a local file, of what a URL names, or of a hub data set: `semreward.files.read_rows`.

    Args:
        name: Path, URL or hub id. With `{column}` in it: text files, one per column, whose lines belong together.
        columns: Columns that every row must fill with text.
        split: Split of a hub data set.

    Raises:
        ArgumentError: The file does not exist, cannot be read, or a row has no text in a column.
        MissingColumnError: A row lacks a column.
    """
    for number, row in enumerate(files.read_rows(local_path(name, columns), columns, split=split), start=1):
        for column in columns:
            if not isinstance(row[column], str) or not normalise(row[column]):
                raise ArgumentError(
                    f"{name}: column `{column}` must be text, got {row[column]!r} at row {number}; correct or drop it"
                )
        yield {column: normalise(row[column]) for column in columns}


def local_path(name: str, columns: Sequence[str] = ("",)) -> str:
    """A path as it is; what a URL names is downloaded once, with `{column}` in it once per column.

    Raises:
        ArgumentError: The download fails.
    """
    if "://" not in name:
        return name
    import datasets

    folder = Path(datasets.config.DOWNLOADED_DATASETS_PATH)
    folder.mkdir(parents=True, exist_ok=True)
    endings = "".join(Path(name).suffixes).replace(f".{COLUMN}", "")
    stem = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}{'.' + COLUMN if COLUMN in name else ''}"
    for column in columns:
        _download(name.replace(COLUMN, column), folder / f"{stem}{endings}".replace(COLUMN, column))
    return str(folder / f"{stem}{endings}")


def _download(url: str, path: Path) -> None:
    if path.exists():
        return
    try:
        answer = httpx2.get(url, follow_redirects=True, timeout=DOWNLOAD_TIMEOUT_S).raise_for_status()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ArgumentError(f"data file {url!r} cannot be downloaded ({error}); name a local path") from error
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(answer.content)
    partial.replace(path)


def file_digests(data: DataArguments) -> dict[str, str]:
    """Hashes of the local data files, by which a changed file is noticed."""
    names = (data.train_data, data.test_data, data.reading_data, data.drift_data)
    columns = (data.source_column, data.target_column)
    files = {name.replace(COLUMN, column) for name in names if name is not None for column in columns}
    paths = [Path(name) for name in sorted(files) if Path(name).is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in paths}


def prepare(folder: Path, data: DataArguments, tokenizer: Any, seed: int) -> None:
    """Write `cold_start.jsonl`, `calibration.jsonl`, `rl.jsonl`, `test.jsonl`, `foreign_words.txt` and `counts.json`.

    Rows are shuffled with the seed, over-long ones dropped and counted. A row has `prompt` and `completion` (messages),
    `source` and `reference`.

    Raises:
        ArgumentError: Fewer rows are left than the cold start and the calibration need.
    """
    if data.train_data is None or data.test_data is None:
        raise ArgumentError("`train_data` and `test_data` must name files or hub data sets; or set `miniature: true`")
    counts: dict[str, float] = {}
    columns = (data.source_column, data.target_column)
    train = [_row(pair, data) for pair in read_rows(data.train_data, columns)]
    test = [_row(pair, data) for pair in read_rows(data.test_data, columns, split="test")]
    held_out = {row["source"] for row in test}
    counts["train_rows_read"], counts["test_rows_read"] = len(train), len(test)
    if data.count_leaks:
        foreign = foreign_words((row["source"], row["reference"]) for row in train)
        write_words(folder, foreign)
        counts["words_of_the_source_language_only"] = len(foreign)
    train = [row for row in train if row["source"] not in held_out]
    counts["train_rows_that_are_in_test"] = counts["train_rows_read"] - len(train)
    counts |= _tokens(train, tokenizer)
    train, counts["train_rows_too_long"] = _within_limits(train, data, tokenizer)
    test, counts["test_rows_too_long"] = _within_limits(test, data, tokenizer)

    random.Random(seed).shuffle(train)  # noqa: S311 - the order of rows, no cryptography
    first_rl = data.cold_start_size + data.calibration_size
    if len(train) <= first_rl:
        raise ArgumentError(
            f"`train_data` must hold more than cold_start_size + calibration_size = {first_rl} usable rows, "
            f"got {len(train)}; lower the sizes or raise max_row_tokens"
        )
    last_rl = None if data.rl_size is None else first_rl + data.rl_size
    parts = {
        "cold_start": train[: data.cold_start_size],
        "calibration": train[data.cold_start_size : first_rl],
        "rl": train[first_rl:last_rl],
        "test": test[: data.test_size],
    }
    for name, rows in parts.items():
        counts[name] = len(rows)
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "counts.json").write_text(json.dumps(counts, indent=2))
    print(", ".join(f"{key}: {value}" for key, value in counts.items()))


def read_part(folder: Path, name: str) -> list[Row]:
    """Rows that `prepare` wrote."""
    return list(files.read_rows(folder / f"{name}.jsonl"))


def read_texts(name: str, limit: int | None) -> list[str]:
    """The `text` column of a file or hub data set, or the passages of a `.json` file in SQuAD layout."""
    if ".json" in Path(name).suffixes:
        content = files.read_json(local_path(name))
        if isinstance(content, dict) and "data" in content:
            return [part["context"] for article in content["data"] for part in article["paragraphs"]][:limit]
    return [row["text"] for row in read_rows(name, ["text"])][:limit]


def read_pairs(name: str, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Two columns of a file or hub data set."""
    first, second = columns
    return [(row[first], row[second]) for row in read_rows(name, columns)]


def _row(pair: Mapping[str, str], data: DataArguments) -> Row:
    source, reference = pair[data.source_column], pair[data.target_column]
    return {
        "prompt": [{"role": "user", "content": data.prompt.format(source=source)}],
        "completion": [{"role": "assistant", "content": reference}],
        "source": source,
        "reference": reference,
    }


def _tokens(rows: Sequence[Row], tokenizer: Any) -> dict[str, float]:
    """What the tokenizer makes of the first rows: tokens per prompt, and per syllable, Han character or word."""
    counts: dict[str, float] = {}
    sample = rows[:COUNTED_ROWS]
    prompts = [
        tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
        for row in sample
    ]
    counts["mean_prompt_tokens"] = round(sum(map(len, prompts)) / len(sample), 1) if sample else 0
    for side in ("source", "reference"):
        texts = [row[side] for row in sample]
        tokens = sum(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]) if texts else 0
        spoken = sum(len(units(text)) for text in texts)
        counts[f"tokens_per_unit_of_{side}"] = round(tokens / spoken, 2) if spoken else 0
    return counts


def _within_limits(rows: list[Row], data: DataArguments, tokenizer: Any) -> tuple[list[Row], int]:
    kept = []
    for row in rows:
        prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
        answer = tokenizer(row["reference"], add_special_tokens=False)["input_ids"]
        if len(prompt) <= data.max_prompt_tokens and len(prompt) + len(answer) <= data.max_row_tokens:
            kept.append(row)
    return kept, len(rows) - len(kept)
