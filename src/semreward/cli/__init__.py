"""The command line: `semreward score`, `calibrate`, `audit` and `check`.

Parsing needs the standard library only; what a command needs is loaded when it runs.
"""

import argparse
import contextlib
import importlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO
from warnings import formatwarning

import semreward
from semreward.cli.output import ReaderGoneError, say
from semreward.errors import SemRewardError, SemRewardWarning

FINE, FINDINGS, WRONG, BUG = 0, 1, 2, 3
"""Exit codes: nothing found; the audit or the kit found something; wrong usage or bad input; any other exception."""

# As a shell has them for processes that Ctrl-C and a closed pipe ended.
_INTERRUPTED, _READER_GONE = 130, 141

_DESCRIPTION = "Score, calibrate, audit and check rewards of meaning. FILE holds rows: .jsonl, .csv, .tsv or .parquet."
_EXIT_CODES = (
    "exit codes: 0 fine; 1 findings of an audit or a check; 2 wrong usage or bad input; 3 an unforeseen exception, "
    "with its traceback"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What stands behind `semreward`, by default in this process's own command line.

    Returns:
        The exit code: `FINE`, `FINDINGS`, `WRONG`, `BUG`; 130 after Ctrl-C, 141 where whoever reads the output stops.

    Raises:
        SystemExit: As argparse raises it, for `--help`, `--version` and wrong usage.

    Example:
        >>> main(["audit", "nowhere.jsonl", "--reward", "semreward:paper_reward"])
        2
    """
    options = _parser().parse_args(arguments)
    _prepare_streams()
    try:
        command = importlib.import_module(f"semreward.cli.{options.command}")
        stdout = sys.stdout
        # Rewards may print, and so may the modules that make them; stdout holds results only.
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.showwarning = _show_warning
            return int(command.run(options, stdout))
    except SemRewardError as error:
        if options.traceback:
            say(traceback.format_exc())
        say(f"semreward: error: {error}")
        return WRONG
    except ReaderGoneError:
        return _READER_GONE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (Exception, SystemExit):  # noqa: BLE001 - a reward may even exit; Python's own codes would read as others
        say(traceback.format_exc())
        return BUG


def _prepare_streams() -> None:
    """Texts in every script, whatever the locale; a stream that the caller closed leads nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _show_warning(  # noqa: PLR0917 - called as warnings.showwarning is
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,
) -> None:
    """Show a warning of ours on one line, and any other as Python does."""
    is_ours = issubclass(category, SemRewardWarning)
    say(f"semreward: warning: {message}" if is_ours else formatwarning(message, category, filename, lineno, line))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("semreward", description=_DESCRIPTION, epilog=_EXIT_CODES, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"semreward {semreward.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_score, _add_calibrate, _add_audit, _add_check):
        command = add(commands)
        command.add_argument("--traceback", action="store_true", help="show where an error comes from")
    return parser


def _command(commands: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description, epilog=_EXIT_CODES, allow_abbrev=False
    )
    return command


def _add_score(commands: Any) -> argparse.ArgumentParser:
    command = _command(
        commands,
        "score",
        "score the rows of a file",
        "Score each row's `completion` (a text or messages). Writes the rows as JSON lines, each with the value of "
        "every component and the total under `rewards`; a summary goes to stderr.",
    )
    _add_file(command, "rows with `completion` and what the reward needs; - for JSON lines on stdin")
    _add_reward(command)
    command.add_argument("--out", metavar="FILE", help="write there instead of to stdout")
    command.add_argument("--batch-size", type=_count, default=256, metavar="N", help="rows a call (default: 256)")
    return command


def _add_calibrate(commands: Any) -> argparse.ArgumentParser:
    command = _command(
        commands,
        "calibrate",
        "measure the threshold tau on samples of a policy",
        "Measure tau on completions of the policy from which training will start, and say what it does to them.",
    )
    _add_file(command, "rows with `completion` and `reference`, the samples of a prompt side by side; - for stdin")
    _add_which(command, "a SemanticSimilarityReward")
    command.add_argument("--samples-per-prompt", type=_count, default=1, metavar="M", help="samples of each prompt")
    command.add_argument(
        "--group-size", type=_count, metavar="G", help="completions that training compares (default: M)"
    )
    command.add_argument("--no-mismatched", action="store_true", help="leave out the references of other prompts")
    command.add_argument(
        "--statistic", default="mean", help="mean, median, youden, or a quantile such as 0.25 (default: mean)"
    )
    command.add_argument("--out", metavar="FILE.json", help="write it there, to be given as --threshold FILE.json")
    return command


def _add_audit(commands: Any) -> argparse.ArgumentParser:
    command = _command(
        commands,
        "audit",
        "attack a reward with answers that nobody wants",
        "Attack a reward with answers that a reader would send back, and see what it pays them.",
    )
    _add_file(command, "rows with `reference`, and if possible `weak`, `source`, `prompt`, `paraphrase`; - for stdin")
    _add_reward(command, "language of the answers, which decides the attacks, too")
    command.add_argument(
        "--out", action="append", default=[], metavar="FILE", help="write the report: .json, .md or .html; repeatable"
    )
    command.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="RULE",
        help="what is a finding: beats_weak (default) or matches_gold, of any attack; or, repeatable, of one attack or "
        "kind: form=beats_weak; or the win rate that passes: source_copy=0.05",
    )
    command.add_argument("--seed", type=int, default=0, help="decides the attacks' draws (default: 0)")
    return command


def _add_check(commands: Any) -> argparse.ArgumentParser:
    command = _command(
        commands,
        "check",
        "check a reward against the reward contract",
        "Call a reward in every way that trainers do, and check what comes back.",
    )
    _add_file(command, "rows with `completion` and what the reward needs, as examples; - for stdin", nargs="?")
    _add_reward(command)
    command.add_argument("--examples", type=_count, default=20, metavar="N", help="take the first N rows (default: 20)")
    command.add_argument("--ordered", metavar="FILE", help="rows with `completions`, best to worst, as cases")
    command.add_argument(
        "--fixtures", metavar="FILE", help="JSON lines with the value that each row is `expected` to earn"
    )
    command.add_argument(
        "--tolerance",
        type=float,
        default=1e-5,
        help="how far two calls may lie apart (default: 1e-5; half precision: 1e-2)",
    )
    command.add_argument("--no-spawn", action="store_true", help="leave out the checks that start a new process")
    return command


def _add_file(command: argparse.ArgumentParser, meaning: str, **more: Any) -> None:
    command.add_argument("file", metavar="FILE", help=meaning, **more)
    command.add_argument(
        "--column",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=COLUMN",
        help="take column NAME from the file's COLUMN, such as reference=bo; repeatable",
    )


def _add_which(command: argparse.ArgumentParser, what: str) -> argparse._ArgumentGroup:
    group = command.add_argument_group("the reward")
    which = group.add_mutually_exclusive_group(required=True)
    which.add_argument("--reward", metavar="TARGET", help=f"{what}: module:attribute, or path/to/file.py:attribute")
    which.add_argument("--encoder", metavar="PATH_OR_ID", help="sentence encoder: a folder, or a hub id")
    return group


def _add_reward(command: argparse.ArgumentParser, language: str = "language of the answers") -> None:
    group = _add_which(command, "any reward function")
    group.add_argument("--language", metavar="TAG", help=f"{language}, such as bo")
    group.add_argument("--threshold", metavar="TAU", help="with --encoder: a number, or what `calibrate` wrote")
    group.add_argument(
        "--recommended", action="store_true", help="with --encoder: recommended_reward, not paper_reward"
    )
    group.add_argument("--source-column", metavar="NAME", help="with --recommended: what answers must not copy")


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value


_count.__name__ = "whole number"  # argparse says "invalid whole number value"


def _pair(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise argparse.ArgumentTypeError(f"must be NAME=COLUMN, got {text!r}")
    return name, column
