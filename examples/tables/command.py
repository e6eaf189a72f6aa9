"""The command line that both programs share."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from semreward.errors import ArgumentError
from tables.conditions import TRANSLATION
from tables.sweep import CONFIGS, Sweep, read_sweep


def read_command(description: str | None, argv: Sequence[str] | None) -> tuple[Sweep, argparse.Namespace]:
    """Read a command line.

    Args:
        description: What `--help` says of the program.
        argv: Arguments; those of the process by default.

    Returns:
        The sweep that they describe, and what else they say: `plan`, `render` and `task`.

    Raises:
        ArgumentError: The sweep's file is none, or has no base of a name that is given.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIGS / "tables.yaml", help="The sweep's YAML file.")
    parser.add_argument("--output_dir", help="Where to write; as the file says, by default.")
    parser.add_argument("--seeds", type=int, nargs="+", help="Seeds; as the file says, by default.")
    parser.add_argument("--bases", nargs="+", help="Only these of the file's bases, as for one process a base.")
    parser.add_argument("--task", default=TRANSLATION, help="The trade-off's task, by its name in the file.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--plan", action="store_true", help="Print what would run and stop.")
    what.add_argument("--render", action="store_true", help="Make tables or figure of the cells that stand and stop.")
    arguments = parser.parse_args(argv)
    sweep = read_sweep(arguments.config, output_dir=arguments.output_dir, seeds=arguments.seeds)
    if arguments.task not in sweep.tasks:
        raise ArgumentError(f"`task` must be one of {', '.join(sweep.tasks)}, got {arguments.task!r}")
    return sweep if arguments.bases is None else only_bases(sweep, arguments.bases), arguments


def only_bases(sweep: Sweep, names: Sequence[str]) -> Sweep:
    """A sweep over some of its bases.

    Raises:
        ArgumentError: It has no base of such a name.
    """
    if unknown := sorted(set(names) - set(sweep.bases)):
        raise ArgumentError(f"`bases` must be among {', '.join(sweep.bases)}, got {', '.join(unknown)}")
    return dataclasses.replace(sweep, bases={name: sweep.bases[name] for name in names})
