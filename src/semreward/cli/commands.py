"""The commands: each takes the parsed options and stdout, and returns the exit code."""

import dataclasses
import json
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain, islice
from pathlib import Path
from statistics import mean, median
from typing import Any, TextIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semreward import calibration, testing
from semreward.audit.auditing import audit_reward
from semreward.audit.results import ENDINGS
from semreward.cli.rewards import load, number_or_text, reward_of, similarity_of
from semreward.cli.streams import ABOUT_ROWS, Row, check_target, located, name_of, put, refusals, rows_of, say
from semreward.encoders.checking import Check, check_encoder
from semreward.encoders.local import SentenceTransformerEncoder
from semreward.errors import ArgumentError, EncoderUnavailableError, SemRewardError
from semreward.files import is_file
from semreward.rewards.base import Batch
from semreward.rewards.composite import CompositeReward, as_composite
from semreward.rewards.detector import FastTextDetector, probabilities_of
from semreward.scripts import writing_of
from semreward.testing.checking import argument_of, check_row

Values: TypeAlias = Mapping[str, NDArray[np.float64]]

_REWARDS = "rewards"

# What doctor asks for: shares of references and of sources.
_FEWEST_CONSISTENT = 0.95  # references that the strict language reward pays
_FEWEST_DETECTED = 0.9
_MOST_COPIES = 0.5  # sources that the language reward would pay as answers


def score(options: Namespace, stdout: TextIO) -> int:
    """Write all rows with what a reward pays them; those before an error are written."""
    faults: list[SemRewardError] = []
    rows = _scorable(rows_of(options.file, options.column, needed=("completion",)), name_of(options.file), faults)
    batch = list(islice(rows, options.batch_size))
    if not batch:
        raise faults[0]  # before an encoder is loaded
    reward = as_composite(reward_of(options))
    found: defaultdict[str, list[NDArray[np.float64]]] = defaultdict(list)
    columns: dict[str, None] = {}  # of all rows so far, in order
    done = 0
    while batch:
        columns.update(dict.fromkeys(chain.from_iterable(batch)))
        for scored, values in _scored(reward, batch, columns, options.file, done):
            put("".join(_line(row, values, index) for index, row in enumerate(scored)), stdout)
            for name, column in values.items():
                found[name].append(column)
        done += len(batch)
        batch = list(islice(rows, options.batch_size))
    say(_summary({name: np.concatenate(parts) for name, parts in found.items()}))
    if faults:
        raise faults[0]
    return 0


def _scorable(rows: Iterable[Row], name: str, faults: list[SemRewardError]) -> Iterator[Row]:
    """The rows before the first that cannot be read or scored; its error goes into `faults`."""
    try:
        for number, row in enumerate(rows, start=1):
            check_row(row, f"{name}: row {number}")
            if _REWARDS in row:
                raise ArgumentError(f"{name} must not have a column `{_REWARDS}`, as the result has; rename it")
            yield row
    except SemRewardError as error:
        faults.append(error)


def _scored(
    reward: CompositeReward, batch: Sequence[Row], columns: Iterable[str], source: str, first: int
) -> Iterator[tuple[Sequence[Row], Values]]:
    """The rows with their values; a batch that fails is halved until the row is found that fails alone."""
    # Copies: a reward may change what it is called with.
    call: dict[str, Any] = {argument_of(name): [deepcopy(row.get(name)) for row in batch] for name in columns}
    try:
        values = reward.breakdown(**call)
    except EncoderUnavailableError:  # which took its time
        raise
    except (Exception, SystemExit) as error:
        failure = repr(error)
        if len(batch) == 1 and isinstance(error, SemRewardError):
            raise located(error, source, first=first) from error
        if len(batch) == 1:
            say(f"semreward: the reward failed at row {first + 1} of {name_of(source)}:")
            raise
    else:
        yield batch, values
        return
    half = len(batch) // 2
    yield from _scored(reward, batch[:half], columns, source, first)
    yield from _scored(reward, batch[half:], columns, source, first + half)
    say(f"semreward: warning: rows {first + 1} to {first + len(batch)} failed together ({failure}), but not apart")


def _line(row: Row, values: Values, index: int) -> str:
    """A row with its rewards as JSON; what JSON lacks becomes text (dates, bytes) or null (NaN, infinities)."""
    rewards = {name: None if np.isnan(column[index]) else float(column[index]) for name, column in values.items()}
    scored = json.loads(json.dumps({**row, _REWARDS: rewards}, default=str), parse_constant=lambda _: None)
    return json.dumps(scored, ensure_ascii=False) + "\n"


def _summary(values: Values) -> str:
    """A table: for each component the mean, quantiles, and how many rows are `None`."""
    table = [[f"{len(values['total'])} rows", "mean", "P10", "P50", "P90", "None"]]
    for name, column in values.items():
        present = column[~np.isnan(column)]
        numbers = [present.mean(), *np.percentile(present, (10, 50, 90))] if present.size else [np.nan] * 4
        table.append([name, *(f"{number:.4f}" for number in numbers), str(column.size - present.size)])
    width = max(len(cells[0]) for cells in table)
    return "\n".join(f"{name:<{width}}" + "".join(f" {cell:>9}" for cell in cells) for name, *cells in table)


def calibrate(options: Namespace, stdout: TextIO) -> int:
    """Print the threshold that fits an encoder and a policy, and save it where `--out` says."""
    if options.out is not None:
        check_target(options.out, options)
    reward = similarity_of(options)
    column, per_prompt = reward.reference_column, options.samples_per_prompt
    graded = [] if options.grades is None else ["prompt", options.grades]
    rows = list(rows_of(options.file, options.column, needed=("completion", column, *graded)))
    if options.encoder is not None:
        load(reward.encoder)
    try:
        measured = calibration.calibrate(
            reward.encoder,
            [row["completion"] for row in rows],
            [row[column] for row in rows],
            answer=reward.answer,
            samples_per_prompt=per_prompt,
            group_size=options.group_size,
            mismatched=not options.no_mismatched,
            statistic=number_or_text(options.statistic),
        )
    except ABOUT_ROWS as error:
        raise located(error, options.file) from error
    put(f"{measured}\n", stdout)
    if options.out is not None:
        with refusals():
            measured.save(options.out)
    if graded:  # last: a wrong grade must not cost the threshold
        groups = []
        for row in rows:
            text, grade = reward.answer(row["completion"]), row[options.grades]
            grade = None if grade is None or not str(grade).strip() else number_or_text(str(grade))
            groups.append((row["prompt"], text, row[column], grade, row.get("rater")))
        try:
            put(f"\n{calibration.ranking(reward.encoder, groups)}\n", stdout)
        except ABOUT_ROWS as error:
            raise located(error, options.file) from error
    return 0


def audit(options: Namespace, stdout: TextIO) -> int:
    """Print what a reward pays for answers that nobody wants, and name what breaks the limits."""
    limits = limits_of(options.fail_on)
    for path in options.out:
        check_target(path, options)
        if Path(path).suffix not in ENDINGS:
            raise ArgumentError(f"--out must end in {', '.join(ENDINGS)}; got {path!r}")
    rows = list(rows_of(options.file, options.column, needed=("reference",)))
    reward = reward_of(options)
    try:
        report = audit_reward(reward, rows, language=options.language, seed=options.seed)
    except ABOUT_ROWS as error:
        try:
            audit_reward(reward, rows, language=options.language, attacks=[])
        except ABOUT_ROWS as about_rows:
            raise located(about_rows, options.file) from error
        raise ArgumentError(f"{name_of(options.file)}: {error} (of the answers of an attack, from 0)") from error
    put(f"{report}\n", stdout)
    for path in options.out:
        with refusals():
            report.write(path)
    for line in report.failures(limits):
        say(f"finding: {line}")
    return report.exit_code(limits)


def limits_of(rules: Sequence[str]) -> Any:
    """The `--fail-on` rules for `AuditReport.failures`: one verdict, or names with their verdicts and win rates."""
    pairs = [rule.partition("=") for rule in rules]
    limits: Any = {name: number_or_text(limit) for name, _, limit in pairs}
    if len(limits) < len(rules):
        raise ArgumentError(f"--fail-on must name each attack or kind once, got {', '.join(rules)}")
    if len(rules) <= 1 and "=" not in "".join(rules):
        limits = "".join(rules) or "beats_weak"
    # An audit of one row that costs nothing refuses the limits that the real one would refuse at its end.
    audit_reward(lambda completions, **_: [None for _ in completions], [{"reference": "-"}]).failures(limits)
    return limits


def check(options: Namespace, stdout: TextIO) -> int:
    """Print what the conformance kit and the fixtures found."""
    if options.file is None and options.fixtures is None:
        raise ArgumentError("check needs FILE with examples, --fixtures, or both")
    if options.fixtures is not None and not is_file(options.fixtures):
        raise ArgumentError(f"--fixtures must be a file, and {options.fixtures!r} does not exist")
    examples, passed = [], True
    if options.file is not None:
        found = list(islice(rows_of(options.file, options.column, needed=("completion",)), options.examples))
        names = dict.fromkeys(chain.from_iterable(found))
        examples = [{name: row.get(name) for name in names} for row in found]  # what a row lacks is None, as in `score`
    reward = reward_of(options)
    if examples:
        try:
            report = testing.check_reward(reward, examples, tolerance=options.tolerance, spawn=not options.no_spawn)
        except ABOUT_ROWS as error:
            raise located(error, options.file) from error
        put(f"{report}\n", stdout)
        passed = report.passed
    if options.fixtures is not None:
        fixtures = testing.check_fixtures(reward, options.fixtures, tolerance=options.tolerance)
        put(f"{fixtures}\n", stdout)
        passed = passed and fixtures.passed
    return int(not passed)


def doctor(options: Namespace, stdout: TextIO) -> int:
    """Print what was found and a verdict; 1 if something rules training out."""
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
    batch = Batch([""] * len(rows), {column: [row[column] for row in rows] for column in columns})
    try:
        references = [text for texts in batch.references(columns[0]) for text in texts or ()] if rows else []
        sources = batch.sources(columns[1]) if columns[1:] else []
    except ABOUT_ROWS as error:
        raise located(error, options.data) from error
    return [text for text in sources if text], references


def checks_of(options: Namespace, sources: Sequence[str], references: Sequence[str]) -> Iterator[Check]:
    """The rows of the report that speak of the data."""
    lengths = [len(text) for text in references]
    yield Check("references", len(references), f"{len(references)}, {len(set(references))} of them distinct")
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
    tag, writing = options.language, writing_of(options.language)
    foreign = [text for text in references if not writing.is_consistent(text)]
    share = 1 - len(foreign) / len(references)
    fault = f"{1 - share:.0%} of the references are not in the script of {tag} alone, such as {foreign[:1]}"
    shown = f"{share:.1%} of references in the script of {tag} alone"
    yield Check("language", share, shown, fault if share < _FEWEST_CONSISTENT else "")
    if options.detector is not None:
        found = probabilities_of(FastTextDetector(options.detector), references, [tag] * len(references))
        share = mean(probability >= 0.5 for probability in found)  # noqa: PLR2004 - the reward's default
        fault = f"the detector takes only {share:.0%} of the references for {tag}: use one that knows it"
        shown = f"takes {share:.1%} of references for {tag}"
        yield Check("detector", share, shown, fault if share < _FEWEST_DETECTED else "")
    if sources:
        share = mean(writing.is_consistent(text) for text in sources)
        is_inert = share > _MOST_COPIES and options.detector is None
        fault = f"sources are written in the script of {tag}, so the language reward pays copies: pass it a detector"
        yield Check("shared script", share, f"{share:.1%} of sources pass as {tag}", fault if is_inert else "")
