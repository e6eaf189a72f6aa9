"""The judge of Table 3: an LLM behind an endpoint, or in the miniature the grammar's parser in its place."""

import dataclasses
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from babel import Locale

from miniature.grammar import Judgement, judge, parse, realise
from miniature.headlines import judge_headline, lead_of, main_fact
from semreward.errors import ArgumentError
from semreward.evaluation import ChatServer, headline_prompt, pairwise_scores, translation_prompt
from tables.cells import read_cell
from tables.runner import Bench
from tibetan.arguments import DataArguments
from tibetan.data import read_part
from tibetan.results import write_json
from tibetan.stages import process_state

SYSTEMS = ("rl", "strong_sft")
"""The two conditions that are compared."""

SIGNIFICANT = 0.26
"""Difference of slot accuracy from which an inexact candidate is better than another: two words right more."""

_SHOWN = re.compile(
    r"<source>\n(.*?)\n</source>.*<candidate_1>\n(.*?)\n</candidate_1>.*<candidate_2>\n(.*?)\n</candidate_2>", re.DOTALL
)


def judge_cell(bench: Bench, seed: int, task: str) -> None:
    """Compare RL and strong SFT of a task and a seed, both measured, unless that was done; writes the cell."""
    folder, data = f"seed-{seed}/{task}", bench.evaluator(task, seed).settings.data
    evaluated, prompt = tuple(f"{folder}/evaluate_{system}" for system in SYSTEMS), prompt_of(data)
    judged = bench.stages.run(
        f"{folder}/judge",
        partial(_judge, bench=bench, data=data, evaluated=evaluated, prompt=prompt),
        {"judge": bench.sweep.judge, "prompt": prompt},
        inputs=evaluated,
    )
    if process_state().is_main_process:
        scores = json.loads((judged / "judge.json").read_text(encoding="utf-8"))
        cell = read_cell(bench.sweep.output_dir / "cells" / bench.name / task / SYSTEMS[0] / f"seed-{seed}.json")
        told = dataclasses.replace(cell, condition="judge", label="judge", scores=scores, correct="", training={})
        told.write(bench.sweep.output_dir)


def prompt_of(data: DataArguments) -> str:
    """What the judge is asked: appendix B's prompt for the task, with the languages' English names (or their tags)."""
    names = Locale("en").languages
    target, source = (names.get(tag, tag) for tag in (data.target_language, data.source_column))
    return headline_prompt(target) if data.task == "headline" else translation_prompt(source, target)


def judge_of(asked: str | Mapping[str, Any] | None, data: DataArguments) -> "ChatServer | ParserJudge":
    """The judge that a sweep names: `parser`, or arguments of `ChatServer`."""
    if isinstance(asked, Mapping):
        return ChatServer(**asked)
    if asked == "parser":
        return ParserJudge(data)
    raise ArgumentError(f"`judge` must be 'parser' or arguments of ChatServer, got {asked!r}")


def _judge(folder: Path, *, bench: Bench, data: DataArguments, evaluated: tuple[str, ...], prompt: str) -> None:
    samples = [read_part(bench.stages.folder / stage, "samples") for stage in evaluated]
    sources = [row["source"] for row in samples[0]]
    first, second = ([row["answer"] for row in rows] for rows in samples)
    asked, cache = judge_of(bench.sweep.judge, data), folder / "answers.jsonl"
    scores = pairwise_scores(asked, sources, first, second, prompt=prompt, cache=cache)
    if not scores.judged:
        raise ArgumentError(f"`judge` gave no parsable verdict about {len(sources)} pairs; see {folder}")
    wins, losses, ties = (100 * part / scores.judged for part in (scores.wins, scores.losses, scores.ties))
    content = {"wins": dict(zip(SYSTEMS, (wins, losses), strict=True)), "ties": ties, "pairs": len(sources)}
    names = ("unparsable", "inconsistent", "margin_interval", "signature")
    write_json(folder / "judge.json", content | {name: getattr(scores, name) for name in names})


@dataclass(frozen=True)
class ParserJudge:
    """Answers a judge's prompt as the grammar's parser decides, which reads the source, not a reference.

    A candidate that means exactly that is better than one that does not; of two that do not, one with at least two
    words right more is.
    """

    data: DataArguments
    signature: str = "grammar-parser"

    def __call__(self, prompt: str) -> str:
        """The verdict; an `ArgumentError` where the prompt shows no candidates, or a source outside the grammar."""
        shown = _SHOWN.search(prompt)
        if shown is None:
            raise ArgumentError(f"a judge's prompt must show a source and two candidates between tags, got {prompt!r}")
        first, second = (self._judgement(shown[1], candidate) for candidate in (shown[2], shown[3]))
        ahead = first.exact - second.exact or first.slot_accuracy - second.slot_accuracy
        mark = 0 if abs(ahead) <= SIGNIFICANT else 1 if ahead > 0 else 2
        right = f"{first.slot_accuracy:.0%} and {second.slot_accuracy:.0%} of the words are right"
        return f"Reason: exact: {first.exact} and {second.exact}; {right}.\nDecision: [[{mark}]]"

    def _judgement(self, source: str, candidate: str) -> Judgement:
        """The candidate compared with a sentence that says what the source says."""
        target, rng = self.data.target_language, random.Random(0)  # noqa: S311 - any wording of the meaning will do
        if self.data.task == "headline":
            lead = lead_of(source, self.data.source_column[-2:])
            if lead is not None:
                return judge_headline(candidate, realise(main_fact([lead]), target, rng), target)
        elif (meaning := parse(source, self.data.source_column)) is not None:
            return judge(candidate, realise(meaning, target, rng), target)
        raise ArgumentError(f"the source must be of the grammar, got {source!r}")
