"""What a sweep covers, read from a YAML file: bases and tasks, as arguments of the recipe in `tibetan`, and seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from semreward.errors import ArgumentError
from tibetan.arguments import Settings, parse

CONFIGS = Path(__file__).parent.parent / "configs"
PARSER = "parser"
"""The judge of the miniature: the grammar's parser, no LLM."""


@dataclass(frozen=True)
class Costs:
    """Seconds that one unit of work takes on one machine, from which a plan estimates times.

    Attributes:
        machine: Where they were measured.
        pretrain_step: A step of the base's pretraining.
        encoders: Both encoders.
        start: What every stage costs before its first unit.
        sft_row: A row once through supervised fine-tuning.
        grpo_step: A step of GRPO.
        question: A question of the reading test.
        answer: A test row answered and scored.
        drift_text: A drift text read.
    """

    machine: str
    pretrain_step: float
    encoders: float
    start: float
    sft_row: float
    grpo_step: float
    question: float
    answer: float
    drift_text: float


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Attributes:
        output_dir: Receives a folder a base, `cells/` with one JSON file a cell, and the tables.
        seeds: Seeds of data splits, adapters and sampling; a base's own seed is among its arguments.
        tasks: From `mt` and `hg` to `config`, the recipe's YAML file beside the sweep's, and further arguments.
        bases: From name to arguments that hold for this base in every task.
        judge: `parser`, or arguments of `semreward.evaluation.ChatServer`, or `None`: nobody judges.
        transfer_size: Rows of few-shot transfer.
        forget_rate: Learning rate, as a factor, of the SFT that has to forget.
        forget_length: Its epochs, as a factor.
        replay_data: Rows to replay, columns `prompt` and `completion`; in the miniature the world's.
        tradeoff_rates: Learning rates of the trade-off, as factors.
        tradeoff_lengths: Epochs or steps of the trade-off, as factors.
        tradeoff_replay: Share of replayed rows; `None`: no SFT with replay.
        costs: `None` where no machine was measured: plans then give no times.
    """

    output_dir: Path
    seeds: Sequence[int]
    tasks: Mapping[str, Mapping[str, Any]]
    bases: Mapping[str, Mapping[str, Any]]
    judge: str | Mapping[str, Any] | None = None
    transfer_size: int = 1000
    forget_rate: float = 3.0
    forget_length: float = 2.0
    replay_data: str | None = None
    tradeoff_rates: Sequence[float] = (0.3, 1.0, 3.0)
    tradeoff_lengths: Sequence[float] = (0.25, 0.5, 1.0, 2.0)
    tradeoff_replay: float | None = 0.15
    costs: Costs | None = field(default=None)

    def __post_init__(self) -> None:
        if not self.seeds or not self.tasks or not self.bases:
            raise ArgumentError("`seeds`, `tasks` and `bases` of a sweep must each name at least one, got none")
        if len(set(self.seeds)) < len(self.seeds):
            raise ArgumentError(f"`seeds` must differ from each other, got {list(self.seeds)}")

    def settings(self, base: str, task: str, *, plan: bool = False) -> Settings:
        """The recipe's settings for a base and a task; for a plan, also where the machine cannot run them.

        Raises:
            ArgumentError: An argument is unknown to the recipe, or the task names no `config`.
        """
        given = {**self.tasks[task], **self.bases[base]}
        if "config" not in given:
            raise ArgumentError(f"task {task!r} of a sweep must name a `config`, got {', '.join(given) or 'nothing'}")
        arguments = ["--config", str(CONFIGS / given.pop("config")), "--output_dir", str(self.output_dir / base)]
        for name, value in given.items():
            values = value if isinstance(value, list) else [value]
            arguments += [f"--{name}", *(str(item).lower() if isinstance(item, bool) else str(item) for item in values)]
        return parse([*arguments, *(["--plan"] if plan else [])])[0]


def read_sweep(config: Path, **changes: Any) -> Sweep:
    """Read a sweep file, and those that it extends.

    Args:
        config: A YAML file with the members of `Sweep`; `extends` names another one, beside it, whose values hold where
            this one is silent.
        changes: Members to replace; `None`: as the file says.

    Raises:
        ArgumentError: The file does not exist, is no mapping, or names members that a sweep does not have.
    """
    values = {**_content(config), **{name: value for name, value in changes.items() if value is not None}}
    known = {item.name for item in dataclasses.fields(Sweep)}
    if unknown := sorted(set(values) - known):
        raise ArgumentError(f"{config} must hold members of a sweep, got {', '.join(unknown)}")
    if missing := sorted({"output_dir", "seeds", "tasks", "bases"} - set(values)):
        raise ArgumentError(f"{config} must name {', '.join(missing)}")
    if values.get("costs") is not None:
        values["costs"] = Costs(**values["costs"])
    return Sweep(**{**values, "output_dir": Path(values["output_dir"])})


def _content(config: Path) -> dict[str, Any]:
    if not config.is_file():
        raise ArgumentError(f"`config` must name a YAML file, got {str(config)!r}, which does not exist")
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ArgumentError(f"{config} must hold a mapping, got {type(content).__name__}")
    extended = content.pop("extends", None)
    return content if extended is None else {**_content(config.parent / extended), **content}
