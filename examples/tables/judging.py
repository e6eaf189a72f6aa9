"""The judge of Table 3: an LLM behind an endpoint, or in the miniature the grammar's parser behind the same client."""

import contextlib
import dataclasses
import json
import random
import re
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from babel import Locale

from miniature.grammar import Judgement, judge, parse, realise
from miniature.headlines import judge_headline, lead_of, main_fact
from semreward.errors import ArgumentError
from semreward.evaluation import ChatServer, JudgePrompt, headline_prompt, pairwise_scores, translation_prompt
from tables.cells import cell_path, read_cell
from tables.runner import Bench
from tables.sweep import PARSER
from tibetan.arguments import DataArguments
from tibetan.results import write_json
from tibetan.stages import process_state

SYSTEMS = ("rl", "strong_sft")
"""The two conditions that are compared."""

SIGNIFICANT = 0.26
"""Difference of slot accuracy from which an inexact candidate is better than another: two words right more."""

_SHOWN = re.compile(
    r"<source>\n(.*?)\n</source>.*<candidate_1>\n(.*?)\n</candidate_1>.*<candidate_2>\n(.*?)\n</candidate_2>", re.DOTALL
)


def judge_cell(bench: Bench, seed: int, task: str) -> Path:
    """Compare RL and strong SFT of a task and a seed, unless that stands; returns the cell's file.

    Both conditions must have been measured.
    """
    folder, settings = f"seed-{seed}/{task}", bench.seeded(task, seed)
    evaluated = [f"{folder}/evaluate_{system}" for system in SYSTEMS]
    prompt = prompt_of(settings.data)
    judged = bench.stages.run(
        f"{folder}/judge",
        partial(_judge, bench=bench, data=settings.data, evaluated=evaluated, prompt=prompt),
        {"judge": bench.sweep.judge, "prompt": prompt.signature},
        inputs=tuple(evaluated),
    )
    path = cell_path(bench.sweep.output_dir, bench.name, task, "judge", f"seed-{seed}")
    if process_state().is_main_process:
        scores = json.loads((judged / "judge.json").read_text(encoding="utf-8"))
        other = cell_path(bench.sweep.output_dir, bench.name, task, SYSTEMS[0], f"seed-{seed}")
        cell = read_cell(other)
        path.parent.mkdir(parents=True, exist_ok=True)
        told = dataclasses.replace(cell, condition="judge", label="judge", scores=scores, correct="", training={})
        write_json(path, dataclasses.asdict(told))
    return path


def prompt_of(data: DataArguments) -> JudgePrompt:
    """What the judge is asked: appendix B's prompt for the task, with the languages' English names."""
    target = language_name(data.target_language)
    if data.task == "headline":
        return headline_prompt(target)
    return translation_prompt(language_name(data.source_column), target)


def language_name(tag: str) -> str:
    """English name of a language; the tag itself where CLDR has none."""
    return str(Locale("en").languages.get(tag, tag))


def _judge(folder: Path, *, bench: Bench, data: DataArguments, evaluated: list[str], prompt: JudgePrompt) -> None:
    samples = [_samples(bench.stages.folder / stage) for stage in evaluated]
    sources = [row["source"] for row in samples[0]]
    answers = [[row["answer"] for row in rows] for rows in samples]
    with served(bench.sweep.judge, data) as server:
        scores = pairwise_scores(
            server, sources, answers[0], answers[1], prompt=prompt, cache=folder / "answers.jsonl", names=SYSTEMS
        )
    if not scores.judged:
        raise ArgumentError(f"`judge` gave no parsable verdict about {len(sources)} pairs; see {folder}")
    shares = [100 * part / scores.judged for part in (scores.wins, scores.losses, scores.ties)]
    content = {
        "wins": dict(zip(SYSTEMS, shares[:2], strict=True)),
        "ties": shares[2],
        "pairs": len(sources),
        "unparsable": scores.unparsable,
        "inconsistent": scores.inconsistent,
        "margin_interval": scores.margin_interval,
        "signature": scores.signature,
    }
    write_json(folder / "judge.json", content)


def _samples(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


@contextlib.contextmanager
def served(asked: str | Mapping[str, Any] | None, data: DataArguments) -> Iterator[ChatServer]:
    """The judge as a chat server: the parser on loopback while the context lasts, or an endpoint that stands."""
    if isinstance(asked, Mapping):
        yield ChatServer(**asked)
    elif asked == PARSER:
        with parser_server(data) as base_url:
            yield ChatServer(base_url, "grammar-parser", api_key="none")
    else:
        raise ArgumentError(f"`judge` must be {PARSER!r} or arguments of ChatServer, got {asked!r}")


@contextlib.contextmanager
def parser_server(data: DataArguments) -> Iterator[str]:
    """The grammar's parser behind an OpenAI-compatible endpoint on loopback; yields its base address."""
    server = _ParserServer(data)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def verdict(prompt: str, data: DataArguments) -> str:
    """What the parser answers to a judge's prompt.

    It reads the source, not a reference. A candidate that means exactly that is better than one that does not; of two
    that do not, one with at least two words right more is.

    Raises:
        ArgumentError: The prompt shows no source and candidates, or a source that is not of the grammar.
    """
    shown = _SHOWN.search(prompt)
    if shown is None:
        raise ArgumentError(f"a judge's prompt must show a source and two candidates between tags, got {prompt!r}")
    first, second = (_judged(shown[1], candidate, data) for candidate in (shown[2], shown[3]))
    if first.exact != second.exact:
        mark = 1 if first.exact else 2
    elif abs(first.slot_accuracy - second.slot_accuracy) > SIGNIFICANT:
        mark = 1 if first.slot_accuracy > second.slot_accuracy else 2
    else:
        mark = 0
    right = f"{first.slot_accuracy:.0%} and {second.slot_accuracy:.0%} of the words are right"
    return f"Reason: exact: {first.exact} and {second.exact}; {right}.\nDecision: [[{mark}]]"


def _judged(source: str, candidate: str, data: DataArguments) -> Judgement:
    """A candidate beside a sentence that says what the source says."""
    target, rng = data.target_language, random.Random(0)  # noqa: S311 - any wording of the meaning will do
    if data.task == "headline":
        lead = lead_of(source, "zh" if data.source_column.endswith("zh") else "bo")
        if lead is not None:
            return judge_headline(candidate, realise(main_fact([lead]), target, rng), target)
    else:
        meaning = parse(source, data.source_column)
        if meaning is not None:
            return judge(candidate, realise(meaning, target, rng), target)
    raise ArgumentError(f"the source must be of the grammar, got {source!r}")


class _ParserServer(ThreadingHTTPServer):
    """Answers chat completions with verdicts about a task."""

    daemon_threads = True

    def __init__(self, data: DataArguments) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data = data


class _Handler(BaseHTTPRequestHandler):
    """One request, one verdict."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in two parts
    server: _ParserServer

    def do_POST(self) -> None:
        """Answer a chat completion; what cannot be judged is refused with status 400."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            content = verdict(request["messages"][-1]["content"], self.server.data)
        except ArgumentError as error:
            self._send(400, {"error": {"message": str(error), "type": "invalid_request_error", "code": None}})
            return
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send(
            200,
            {
                "id": "verdict",
                "object": "chat.completion",
                "created": 0,
                "model": request["model"],
                "choices": [choice],
            },
        )

    def _send(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
