"""The command line: `semreward score` and the other commands. Parsing loads the standard library only."""

import contextlib
import importlib
import io
import sys
import traceback
import warnings
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from typing import Any

import semreward
from semreward.cli.streams import ReaderGoneError, say
from semreward.errors import MissingColumnError, SemRewardError

WRONG, BUG = 2, 3
INTERRUPTED, READER_GONE = 130, 141  # as a shell reports Ctrl-C and a closed pipe

_DESCRIPTION = "Score, calibrate, audit and check rewards of meaning. FILE holds rows: .jsonl, .csv, .tsv or .parquet."
_EXIT_CODES = (
    "exit codes: 0 fine; 1 findings of an audit, a check or doctor; 2 wrong usage or bad input; 3 any other exception"
)
_REPEATED: dict[str, Any] = {"action": "append", "default": []}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, by default that of this process, and return its exit code; argparse exits by itself."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # whatever the locale
    try:
        commands = importlib.import_module("semreward.cli.commands")
        stdout = sys.stdout
        # Rewards and the modules that make them may print; stdout holds results only.
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.showwarning = lambda message, *_, **__: say(f"semreward: warning: {message}")
            return int(getattr(commands, options.command)(options, stdout))
    except SemRewardError as error:
        remedy = ". On the command line: --column NAME=COLUMN" if isinstance(error, MissingColumnError) else ""
        say(f"semreward: error: {error}{remedy}")
        return WRONG
    except ReaderGoneError:
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except (Exception, SystemExit):  # noqa: BLE001 - a reward may even exit, with a code that has a meaning here
        say(traceback.format_exc())
        return BUG


def _parser() -> ArgumentParser:
    parser = ArgumentParser("semreward", description=_DESCRIPTION, epilog=_EXIT_CODES, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"semreward {semreward.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, summary: str, file: str, **more: Any) -> Any:
        command = commands.add_parser(name, help=summary, description=summary, epilog=_EXIT_CODES, allow_abbrev=False)
        option = command.add_argument
        option("file", metavar="FILE", help=f"{file}; - for JSON lines on stdin", **more)
        option("--column", metavar="NAME=COLUMN", type=_pair, **_REPEATED, help="take NAME from the file's COLUMN")
        which = command.add_argument_group("the reward").add_mutually_exclusive_group(required=True)
        which.add_argument("--reward", metavar="TARGET", help="module:attribute, or path/to/file.py:attribute")
        which.add_argument("--encoder", metavar="PATH_OR_ID", help="sentence encoder: a folder, or a hub id")
        option("--answer-tag", metavar="TAG", help="with --encoder: the answer is what <TAG>...</TAG> holds")
        if name != "calibrate":
            option("--language", metavar="TAG", help="with --encoder, and for an audit: language of the answers")
            option("--threshold", metavar="TAU", help="with --encoder: a number, or what `calibrate` wrote")
        return option

    option = add("score", "score the rows of a file", "rows with `completion` and what the reward needs")
    option("--batch-size", type=_count, default=256, metavar="N", help="rows per call (default: 256)")

    samples = "rows with `completion` and `reference`, the samples of a prompt side by side"
    option = add("calibrate", "measure the threshold tau on samples of a policy", samples)
    option("--samples-per-prompt", type=_count, default=1, metavar="M", help="samples of each prompt")
    option("--group-size", type=_count, metavar="G", help="completions that training compares (default: M)")
    option("--no-mismatched", action="store_true", help="leave out the references of other prompts")
    option("--statistic", default="mean", help="mean, median, youden, or a quantile such as 0.25 (default: mean)")
    option("--grades", metavar="COLUMN", help="also measure how the encoder ranks graded answers to a `prompt`")
    option("--out", metavar="FILE.json", help="write it there, to be given as --threshold FILE.json")

    pairs = "rows with `reference`, and if possible `weak`, `source`, `prompt`, `paraphrase`"
    option = add("audit", "attack a reward with answers that nobody wants", pairs)
    option("--out", metavar="FILE", **_REPEATED, help="write the report: .json, .md or .html; repeatable")
    rules = "beats_weak (default) or matches_gold; of one attack or kind: form=beats_weak, source_copy=0.05 (win rate)"
    option("--fail-on", metavar="RULE", **_REPEATED, help=rules)
    option("--seed", type=int, default=0, help="decides the attacks' draws (default: 0)")

    examples = "rows with `completion` and what the reward needs, as examples"
    option = add("check", "check a reward against the reward contract", examples, nargs="?")
    option("--examples", type=_count, default=20, metavar="N", help="take the first N rows (default: 20)")
    option("--fixtures", metavar="FILE", help="JSON lines with the value that each row is `expected` to earn")
    option("--tolerance", type=float, default=1e-5, help="largest difference of two calls (default: 1e-5)")
    option("--no-spawn", action="store_true", help="leave out the checks that start a new process")

    summary = "look at an encoder, and at the data of a training, before it begins"
    doctor = commands.add_parser("doctor", help=summary, description=summary, epilog=_EXIT_CODES, allow_abbrev=False)
    option = doctor.add_argument
    option("--encoder", metavar="PATH_OR_ID", required=True, help="sentence encoder: a folder, or a hub id")
    option("--prompt", metavar="TEXT", help="text before each input of the encoder")
    option("--data", metavar="FILE", help="rows of sources and references; - for JSON lines on stdin")
    option("--source-column", metavar="COLUMN", help="column of the sources")
    option("--reference-column", metavar="COLUMN", default="reference", help="column of the references")
    option("--language", metavar="TAG", help="language of the references")
    option("--detector", metavar="FILE", help="fastText model that identifies languages")
    option("--tokenizer", metavar="PATH_OR_ID", help="the policy, whose tokens are counted")
    return parser


def _count(text: str) -> int:
    if int(text) < 1:
        raise ArgumentTypeError(f"must be at least 1, got {text}")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise ArgumentTypeError(f"must be NAME=COLUMN, got {text!r}")
    return name, column
