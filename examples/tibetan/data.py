"""Reads pairs and splits them: cold start, calibration, RL, test. No row serves two purposes."""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import httpx2

from semreward import files
from semreward.errors import ArgumentError
from semreward.evaluation.asking import check_fields
from semreward.files import COLUMN
from semreward.text import normalise, units
from tibetan.arguments import DataArguments
from tibetan.leak import write_foreign_words

DOWNLOAD_TIMEOUT_S = 30
COUNTED_ROWS = 2000
PAIRS = "pairs.jsonl"  # all training pairs, columns `source` and `reference`
PARTS = ("cold_start", "calibration", "rl", "test")

Row = dict[str, Any]


def read_rows(name: str, columns: Sequence[str], *, split: str = "train") -> Iterator[Row]:
    """Rows of a local file, a URL or a hub data set, by `semreward.files.read_rows`; every column must hold text."""
    for number, row in enumerate(files.read_rows(local_path(name, columns), columns, split=split), start=1):
        for column in columns:
            if not isinstance(row[column], str) or not normalise(row[column]):
                raise ArgumentError(
                    f"{name}: column `{column}` must be text, got {row[column]!r} at row {number}; correct or drop it"
                )
        yield {column: normalise(row[column]) for column in columns}


def local_path(name: str, columns: Sequence[str] = ("",)) -> str:
    """A path as it is; a URL's file is downloaded once, with `{column}` in it once per column."""
    if "://" not in name:
        return name
    folder = Path(datasets.config.DOWNLOADED_DATASETS_PATH) / hashlib.sha256(name.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    file = name.rpartition("/")[2]
    for column in columns:
        url, path = name.replace(COLUMN, column), folder / file.replace(COLUMN, column)
        if path.exists():
            continue
        try:
            answer = httpx2.get(url, follow_redirects=True, timeout=DOWNLOAD_TIMEOUT_S).raise_for_status()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ArgumentError(f"data file {url!r} cannot be downloaded ({error}); name a local path") from error
        partial = path.with_name(f"{path.name}.partial")
        partial.write_bytes(answer.content)
        partial.replace(path)
    return str(folder / file)


def file_digests(data: DataArguments) -> dict[str, str]:
    """Hashes of the local data files, by which a changed file is noticed."""
    names = [name for name in (data.train_data, data.test_data, data.reading_data, data.drift_data) if name is not None]
    paths = {name.replace(COLUMN, column) for name in names for column in (data.source_column, data.target_column)}
    local = [Path(path) for path in sorted(paths) if files.is_file(path)]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in local}


def prepare(folder: Path, data: DataArguments, tokenizer: Any, seed: int) -> None:
    """Write the parts as `cold_start.jsonl` and so on, `pairs.jsonl`, `foreign_words.txt` and `counts.json`.

    Rows are shuffled with the seed; rows that are too long are dropped and counted. A row has `prompt` and
    `completion` (messages), `source` and `reference`.
    """
    if data.train_data is None or data.test_data is None:
        raise ArgumentError("`train_data` and `test_data` must name files or hub data sets; or set `miniature: true`")
    columns = (data.source_column, data.target_column)
    train = list(read_rows(data.train_data, columns))
    test = list(read_rows(data.test_data, columns, split="test"))
    parts, counts = split_rows(train, test, data, tokenizer, seed)
    pairs = [(pair[data.source_column], pair[data.target_column]) for pair in train]
    write_rows(folder / PAIRS, ({"source": source, "reference": reference} for source, reference in pairs))
    if data.count_leaks:
        counts["words_of_the_source_language_only"] = write_foreign_words(folder, pairs)
    for name, rows in parts.items():
        write_rows(folder / f"{name}.jsonl", rows)
    (folder / "counts.json").write_text(json.dumps(counts, indent=2))
    print(", ".join(f"{key}: {value}" for key, value in counts.items()))


def split_rows(
    train_pairs: Sequence[Row], test_pairs: Sequence[Row], data: DataArguments, tokenizer: Any, seed: int
) -> tuple[dict[str, list[Row]], dict[str, float]]:
    """The rows of each part, and how many were read, dropped and why; an error if a part is empty."""
    check_fields(data.prompt, ("source",), argument="prompt")
    train, test = [_row(pair, data) for pair in train_pairs], [_row(pair, data) for pair in test_pairs]
    counts: dict[str, float] = {"train_rows_read": len(train), "test_rows_read": len(test)}
    held_out = {row["source"] for row in test}
    train = [row for row in train if row["source"] not in held_out]
    counts["train_rows_that_are_in_test"] = counts["train_rows_read"] - len(train)
    counts |= _tokens(train[:COUNTED_ROWS], tokenizer)
    train, counts["train_rows_too_long"] = _within_limits(train, data, tokenizer)
    test, counts["test_rows_too_long"] = _within_limits(test, data, tokenizer)

    random.Random(seed).shuffle(train)  # noqa: S311 - the order of rows, no cryptography
    first_rl = data.cold_start_size + data.calibration_size
    dropped = ", ".join(f"{key}: {value}" for key, value in counts.items() if "rows" in key)
    if len(train) <= first_rl:
        raise ArgumentError(
            f"`train_data` must hold more than cold_start_size + calibration_size = {first_rl} usable rows, "
            f"got {len(train)} ({dropped}); lower the sizes or raise max_row_tokens"
        )
    if not test:
        raise ArgumentError(f"`test_data` must hold a usable row, got none ({dropped}); raise max_row_tokens")
    last_rl = None if data.rl_size is None else first_rl + data.rl_size
    parts = {
        "cold_start": train[: data.cold_start_size],
        "calibration": train[data.cold_start_size : first_rl],
        "rl": train[first_rl:last_rl],
        "test": test[: data.test_size],
    }
    return parts, counts | {name: len(rows) for name, rows in parts.items()}


def read_part(folder: Path, name: str) -> list[Row]:
    """Rows that `prepare` wrote."""
    return list(files.read_rows(folder / f"{name}.jsonl"))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_texts(name: str, limit: int | None) -> list[str]:
    """The `text` column of a file or hub data set, or the passages of a `.json` file in SQuAD layout."""
    if ".json" in Path(name).suffixes:
        content = files.read_json(local_path(name))
        if isinstance(content, dict) and "data" in content:
            return [part["context"] for article in content["data"] for part in article["paragraphs"]][:limit]
    return [row["text"] for row in read_rows(name, ["text"])][:limit]


def _row(pair: Mapping[str, str], data: DataArguments) -> Row:
    source, reference = pair[data.source_column], pair[data.target_column]
    return {
        "prompt": [{"role": "user", "content": data.prompt.format(source=source)}],
        "completion": [{"role": "assistant", "content": reference}],
        "source": source,
        "reference": reference,
    }


def _prompt_tokens(row: Row, tokenizer: Any) -> int:
    return len(tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"])


def _text_tokens(text: str, tokenizer: Any) -> int:
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def _tokens(rows: Sequence[Row], tokenizer: Any) -> dict[str, float]:
    """Tokens per prompt, and per syllable, Han character or word of each side."""
    prompts = sum(_prompt_tokens(row, tokenizer) for row in rows)
    counts: dict[str, float] = {"mean_prompt_tokens": round(prompts / len(rows), 1) if rows else 0}
    for side in ("source", "reference"):
        tokens = sum(_text_tokens(row[side], tokenizer) for row in rows)
        counted = sum(len(units(row[side])) for row in rows)
        counts[f"tokens_per_unit_of_{side}"] = round(tokens / counted, 2) if counted else 0
    return counts


def _within_limits(rows: list[Row], data: DataArguments, tokenizer: Any) -> tuple[list[Row], int]:
    kept = []
    for row in rows:
        prompt = _prompt_tokens(row, tokenizer)
        whole = prompt + _text_tokens(row["reference"], tokenizer)
        if prompt <= data.max_prompt_tokens and whole <= data.max_row_tokens:
            kept.append(row)
    return kept, len(rows) - len(kept)
