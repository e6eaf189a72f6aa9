"""`semreward doctor`: an encoder, a data set and a policy's tokenizer, looked at before training."""

import dataclasses
from argparse import Namespace
from collections.abc import Iterator, Sequence
from statistics import mean, median
from typing import TextIO

from semreward.cli.streams import name_of, put, rows_of
from semreward.encoders.checking import Check, check_encoder
from semreward.encoders.local import SentenceTransformerEncoder
from semreward.errors import ArgumentError
from semreward.rewards.detector import FastTextDetector, probabilities_of
from semreward.scripts import writing_of

_FEWEST_CONSISTENT = 0.95  # references that the strict language reward pays
_FEWEST_DETECTED = 0.9
_MOST_COPIES = 0.5  # sources that the language reward would pay as answers


def doctor(options: Namespace, stdout: TextIO) -> int:
    """Print what was found and a verdict; 1 if something speaks against training."""
    sources, references = texts_of(options)
    report = check_encoder(SentenceTransformerEncoder(options.encoder, prompt=options.prompt), references)
    checks = (*report.checks, *checks_of(options, sources, references)) if references else report.checks
    put(f"{dataclasses.replace(report, checks=checks)}\n", stdout)
    return int(any(check.fault for check in checks))


def texts_of(options: Namespace) -> tuple[list[str], list[str]]:
    """The sources and the references of `--data`; none without it."""
    if options.data is None and (options.language or options.tokenizer or options.source_column):
        raise ArgumentError("--language, --tokenizer and --source-column need --data")
    if options.detector and not options.language:
        raise ArgumentError("--detector needs --language, the one to look for")
    columns = [options.reference_column, *filter(None, [options.source_column])]
    rows = list(rows_of(options.data, (), needed=columns)) if options.data is not None else []
    for number, row in enumerate(rows, start=1):
        for column in columns:
            if not isinstance(row[column], str) or not row[column].strip():
                found = f"got {row[column]!r} at row {number}; drop the row"
                raise ArgumentError(f"{name_of(options.data)}: `{column}` must be a non-empty string, {found}")
    references, *sources = ([row[column] for row in rows] for column in columns)
    return (sources[0] if sources else []), references


def checks_of(options: Namespace, sources: Sequence[str], references: Sequence[str]) -> Iterator[Check]:
    """The rows of the report that speak of the data."""
    lengths = [len(text) for text in references]
    yield Check("rows", len(references), f"{len(references)}, {len(set(references))} distinct references")
    yield Check("length", median(lengths), f"{median(lengths):.0f} characters in the median, {max(lengths)} at most")
    if options.language is not None:
        yield from _of_language(options, sources, references)
    if options.tokenizer is not None:
        from transformers import AutoTokenizer

        numbers = AutoTokenizer.from_pretrained(options.tokenizer)(list(references), add_special_tokens=False)
        tokens = [len(row) for row in numbers["input_ids"]]
        per_character = sum(tokens) / sum(lengths)
        shown = f"{mean(tokens):.0f} a reference, {max(tokens)} at most, {per_character:.2f} per character"
        yield Check("policy's tokens", mean(tokens), shown)


def _of_language(options: Namespace, sources: Sequence[str], references: Sequence[str]) -> Iterator[Check]:
    language, writing = options.language, writing_of(options.language)
    foreign = [text for text in references if not writing.is_consistent(text)]
    share = 1 - len(foreign) / len(references)
    fault = f"{1 - share:.0%} of the references are not in the script of {language} alone, such as {foreign[:1]}"
    shown = f"{share:.1%} of references in the script of {language} alone"
    yield Check("language", share, shown, fault if share < _FEWEST_CONSISTENT else "")
    if options.detector is not None:
        found = probabilities_of(FastTextDetector(options.detector), references, [language] * len(references))
        share = mean(probability >= 0.5 for probability in found)  # noqa: PLR2004 - the reward's default
        fault = f"the detector takes only {share:.0%} of the references for {language}: use one that knows it"
        shown = f"takes {share:.1%} of references for {language}"
        yield Check("detector", share, shown, fault if share < _FEWEST_DETECTED else "")
    if sources:
        share = mean(writing.is_consistent(text) for text in sources)
        is_inert = share > _MOST_COPIES and options.detector is None
        fault = (
            f"sources are written in the script of {language}, so the language reward pays copies: pass it a detector"
        )
        yield Check("shared script", share, f"{share:.1%} of sources pass as {language}", fault if is_inert else "")
