"""The trade-off between quality and what is forgotten, fairly: every method at several learning rates and lengths.

    python examples/tradeoff.py --plan                # what would run, and how long
    python examples/tradeoff.py                       # the miniature's translation, on the bases of tables.yaml
    python examples/tradeoff.py --seeds 0 --bases A   # one seed on one base
    python examples/tradeoff.py --task hg             # headlines
    python examples/tradeoff.py --render              # only draw what has run so far

RL and SFT differ in learning rate, number of updates and passes over the data, so that one point of each proves little:
where one has forgotten less, it may only have learned less. This sweeps both for SFT, GRPO and SFT with replayed
questions (rows that ask for what the base could do already), and draws quality against drift and against reading
comprehension, each method's frontier as a line. Replay has an easy time here: the replayed questions are of the kind
that the reading test asks, though never about its passages.

Cells are those of `paper_tables.py`, in the same folder: what both need runs once. It writes `tradeoff_mt.svg` and
`tradeoff_mt.md`, by the task's name.
"""

from collections.abc import Sequence
from pathlib import Path

from tables.cells import read_cells
from tables.conditions import tradeoff_conditions
from tables.frontier import PARSED, draw, points, quality_path, tell
from tables.planning import print_plan, steps
from tables.runner import run_cell, set_up
from tables.sweep import Sweep, read_command
from tibetan.stages import process_state


def run(sweep: Sweep, task: str) -> None:
    """Train and measure every setting, a seed on all bases before the next seed."""
    for seed in sweep.seeds:
        for base in sweep.bases:
            bench = set_up(sweep, base)
            for condition in tradeoff_conditions(sweep, task):
                run_cell(bench, seed, condition)


def publish(sweep: Sweep, task: str) -> tuple[Path, Path]:
    """Write a task's figure and its Markdown from the cells that exist; returns their paths."""
    cells = [cell for cell in read_cells(sweep.output_dir) if cell.task == task]
    quality = "exact meaning" if quality_path(cells) == PARSED else "held-out similarity"
    found = {}
    for base in dict.fromkeys(cell.base for cell in cells):
        found[base] = points([cell for cell in cells if cell.base == base], tradeoff_conditions(sweep, task))
    figure, told = (sweep.output_dir / f"tradeoff_{task}.{kind}" for kind in ("svg", "md"))
    draw(figure, found, cells, quality=quality)
    told.write_text(tell(found, quality=quality), encoding="utf-8")
    return figure, told


def main(argv: Sequence[str] | None = None) -> None:
    """Plan, run or draw."""
    sweep, arguments = read_command(__doc__, argv)
    if arguments.plan:
        print_plan(sweep, steps(sweep, tradeoff_conditions(sweep, arguments.task)))
        return
    if not arguments.render:
        run(sweep, arguments.task)
    if process_state().is_main_process:
        figure, told = publish(sweep, arguments.task)
        print("\n" + told.read_text(encoding="utf-8"))
        print(figure, told)


if __name__ == "__main__":
    main()
