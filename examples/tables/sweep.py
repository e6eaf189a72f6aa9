"""What a sweep covers, read from a YAML file and the command line: bases and tasks of the recipe, and seeds."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semreward.errors import ArgumentError
from tibetan.arguments import EXTENDS, Settings, config_files, parse

CONFIGS = Path(__file__).parent.parent / "configs"

UNITS = ("pretrain_step", "encoders", "start", "sft_row", "grpo_step", "question", "answer", "drift_text")
"""What `costs` gives the seconds of; `tables.yaml` says what each is."""


@dataclass(frozen=True)
class Sweep:
    """A sweep."""

    output_dir: Path  # receives a folder per base, `cells/` with one JSON file per cell, and the tables
    seeds: Sequence[int]  # of data splits, adapters and sampling; a base's own seed is among its arguments
    tasks: Mapping[str, Mapping[str, Any]]  # from `mt` and `hg` to `config`, a YAML file of the recipe, and arguments
    bases: Mapping[str, Mapping[str, Any]]  # from name to arguments that hold for this base in every task
    judge: str | Mapping[str, Any] | None = None  # `parser`, arguments of `ChatServer`, or `None`: nobody judges
    transfer_size: int = 1000  # rows of few-shot transfer
    forget_rate: float = 3.0  # learning rate, as a factor, of the SFT that has to forget
    forget_length: float = 2.0  # its epochs, as a factor
    replay_data: str | None = None  # rows to replay, columns `prompt` and `completion`; in the miniature the world's
    tradeoff_rates: Sequence[float] = (0.3, 1.0, 3.0)  # factors of the learning rate
    tradeoff_lengths: Sequence[float] = (0.25, 0.5, 1.0, 2.0)  # factors of epochs or steps
    tradeoff_replay: float | None = 0.15  # share of replayed rows; `None`: no SFT with replay
    costs: Mapping[str, Any] = field(
        default_factory=dict
    )  # `machine`, and seconds of `UNITS`; empty: no times in plans

    def __post_init__(self) -> None:
        if self.costs and set(self.costs) != {"machine", *UNITS}:
            raise ArgumentError(
                f"`costs` of a sweep must name machine, {', '.join(UNITS)}; got {', '.join(self.costs)}"
            )
        if not self.seeds or not self.tasks or not self.bases:
            raise ArgumentError("`seeds`, `tasks` and `bases` of a sweep must each name at least one, got none")
        if len(set(self.seeds)) < len(self.seeds):
            raise ArgumentError(f"`seeds` must differ from each other, got {list(self.seeds)}")

    def settings(self, base: str, task: str, *, plan: bool = False) -> Settings:
        """The recipe's settings for a base and a task; for a plan, also where the machine cannot run them."""
        given = {**self.tasks[task], **self.bases[base]}
        if "config" not in given:
            raise ArgumentError(f"task {task!r} of a sweep must name a `config`, got {', '.join(given) or 'nothing'}")
        arguments = ["--config", str(CONFIGS / given.pop("config")), "--output_dir", str(self.output_dir / base)]
        for name, value in given.items():
            values = value if isinstance(value, list) else [value]
            arguments += [f"--{name}", *(str(item).lower() if isinstance(item, bool) else str(item) for item in values)]
        return parse([*arguments, *(["--plan"] if plan else [])])[0]


def read_sweep(config: Path, **changes: Any) -> Sweep:
    """Read a YAML file with the members of `Sweep`, and change those that are given and not `None`.

    `extends` names another file, beside it, whose values hold where this one is silent.
    """
    values: dict[str, Any] = {}
    for content in [*config_files(config).values(), changes]:
        values |= {name: value for name, value in content.items() if value is not None and name != EXTENDS}
    if unknown := sorted(set(values) - {item.name for item in dataclasses.fields(Sweep)}):
        raise ArgumentError(f"{config} must hold members of a sweep, got {', '.join(unknown)}")
    if missing := sorted({"output_dir", "seeds", "tasks", "bases"} - set(values)):
        raise ArgumentError(f"{config} must name {', '.join(missing)}")
    return Sweep(**{**values, "output_dir": Path(values["output_dir"])})


def read_command(description: str | None, argv: Sequence[str] | None) -> tuple[Sweep, argparse.Namespace]:
    """Read the command line that both programs share: the sweep, and `plan`, `render` and `task`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIGS / "tables.yaml", help="The sweep's YAML file.")
    parser.add_argument("--output_dir", help="Where to write; as the file says, by default.")
    parser.add_argument("--seeds", type=int, nargs="+", help="Seeds; as the file says, by default.")
    parser.add_argument("--bases", nargs="+", help="Only these of the file's bases, as for one process per base.")
    parser.add_argument("--task", default="mt", help="The trade-off's task, by its name in the file.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--plan", action="store_true", help="Print what would run and stop.")
    what.add_argument("--render", action="store_true", help="Make tables or figure of the cells that exist and stop.")
    arguments = parser.parse_args(argv)
    sweep = read_sweep(arguments.config, output_dir=arguments.output_dir, seeds=arguments.seeds)
    if arguments.task not in sweep.tasks:
        raise ArgumentError(f"`task` must be one of {', '.join(sweep.tasks)}, got {arguments.task!r}")
    bases = arguments.bases or list(sweep.bases)
    if unknown := sorted(set(bases) - set(sweep.bases)):
        raise ArgumentError(f"`bases` must be among {', '.join(sweep.bases)}, got {', '.join(unknown)}")
    return dataclasses.replace(sweep, bases={name: sweep.bases[name] for name in bases}), arguments
