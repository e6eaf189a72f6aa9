"""`--plan`, second part: reads the local data as a run would and lists all problems; downloads at most a tokenizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from semreward import SentenceTransformerEncoder, check_encoder
from semreward.adaptation import read_pairs
from semreward.errors import ArgumentError
from semreward.evaluation import cmrc_scores, language_consistency_score
from semreward.files import COLUMN, FORMATS, is_file
from tibetan.arguments import Settings
from tibetan.data import COUNTED_ROWS, Row, read_texts, split_rows
from tibetan.policy import load_tokenizer
from tibetan.rewards import language_detector

DATA = ("train_data", "test_data")
ENOUGH = 0.5  # of the references are in the target language, and of the sources if both share a script


def preflight(settings: Settings) -> None:
    """Print what the data holds; an `ArgumentError` lists all problems. The miniature makes its data on the spot."""
    data, encoders = settings.data, settings.encoders
    if settings.run.miniature or (data.train_data is None and data.test_data is None):
        print("\nNo data was read: the miniature makes its own, and a plan needs train_data and test_data to read any.")
        return
    problems = [f"`{name}`: not named; add --{name} PATH" for name in DATA if getattr(data, name) is None]

    def look(argument: str, work: Callable[..., Any], *given: Any) -> Any:
        try:
            return None if given[0] is None else work(*given)
        except Exception as error:  # noqa: BLE001 - whatever it is, a run would end with it
            problems.append(f"`{argument}`: {error}")

    columns = [data.source_column, data.target_column]
    print("\nData, as a run would read it:")
    rows = {name: look(name, _read, _local(data, name), name, columns, problems) or [] for name in DATA}
    for name in ("encoder", "held_out_encoder"):
        pairs, read = f"{name}_pairs", encoders.encoder_pair_columns or columns
        look(pairs, _read, _local(encoders, pairs), pairs, read, problems)
        look(name, _check_encoder, getattr(encoders, name), name, settings, rows["train_data"])
    look("reading_data", lambda name: print(f"  {cmrc_scores({}, name).total} questions"), _local(data, "reading_data"))
    look("drift_data", lambda name: print(f"  {len(read_texts(name, None))} drift texts"), _local(data, "drift_data"))
    tokenizer = look("model_name_or_path", load_tokenizer, settings.policy)
    for name in DATA:
        look("target_language", _check_language, rows[name] or None, name, settings)
    if all(rows.values()):
        look("train_data", _show_prompts, tokenizer, rows, settings)
    if problems:
        raise ArgumentError("\n  - ".join(["a run of this plan would fail:", *problems]))


def _check_encoder(path: str, argument: str, settings: Settings, rows: list[Row]) -> None:
    """The faults of an encoder on this machine that judges the references as it is."""
    encoder = SentenceTransformerEncoder(path, prompt=getattr(settings.encoders, f"{argument}_prompt"))
    if Path(path).is_dir() and getattr(settings.encoders, f"{argument}_pairs") is None:
        references = [row[settings.data.target_column] for row in rows[:COUNTED_ROWS]]
        print(f"  {argument}: {check_encoder(encoder, references).verdict}")


def _local(part: object, argument: str) -> str | None:
    """The file that an argument names, if it is on this machine or should be."""
    name: str = getattr(part, argument) or ""
    is_path = is_file(name) or COLUMN in name or name.startswith((".", "/", "~")) or not name
    if "://" not in name and (is_path or name.removesuffix(".gz").endswith(FORMATS)):
        return name or None
    print(f"  {argument}: {name} was not read, because a plan downloads no data")
    return None


def _read(name: str, argument: str, columns: list[str], problems: list[str]) -> list[Row]:
    """The rows of a file; bad ones become a problem."""
    pairs = read_pairs(name, (columns[0], columns[1]))
    print(f"  {argument}: {pairs.report}")
    if pairs.report.dropped.keys() - {"with equal sides"}:
        problems.append(f"`{argument}`: {pairs.report}; {'; '.join(pairs.report.named)}; correct or drop them")
    return [dict(zip(columns, pair, strict=True)) for pair in pairs]


def _check_language(rows: list[Row], argument: str, settings: Settings) -> None:
    data, model = settings.data, settings.reward.language_detector
    is_on_hub = model is not None and not is_file(model) and model.count("/") == 2  # noqa: PLR2004 - as in `use_detector`
    detector = None if is_on_hub else language_detector(settings.reward)
    sample = rows[:: len(rows) // COUNTED_ROWS + 1]
    shares = []
    for column in (data.target_column, data.source_column):
        texts = [row[column] for row in sample]
        shares.append(language_consistency_score(texts, data.target_language, detector=detector).value)
        print(f"  {argument}: {shares[-1]:.1%} of `{column}` count as `{data.target_language}`")
    if shares[0] < ENOUGH:
        example = sample[0][data.target_column][:80]
        raise ArgumentError(f"{argument} must have references in {data.target_language!r}, got such as {example!r}")
    if shares[1] >= ENOUGH and detector is None and not is_on_hub and data.task == "translation":
        print("  ! Sources pass as references, so the language reward does nothing: name a --language_detector")


def _show_prompts(tokenizer: Any, rows: dict[str, list[Row]], settings: Settings) -> None:
    parts, counts = split_rows(rows["train_data"], rows["test_data"], settings.data, tokenizer, settings.grpo.seed)
    print("".join(f"  {name}: {count}\n" for name, count in counts.items()), end="")
    for row in parts["rl"][:3]:
        prompt = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        print(f"  a prompt, {len(tokenizer(prompt, add_special_tokens=False)['input_ids'])} tokens: {prompt!r}")
