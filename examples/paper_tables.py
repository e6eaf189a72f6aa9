"""The paper's Tables 1 to 6 (arXiv 2605.14366): experiments 1 to 3, the reward ablation, and drift (appendix C).

    python examples/paper_tables.py --plan                          # what would run, how long, how small a tax shows
    python examples/paper_tables.py                                 # the miniature: three bases, three seeds, two tasks
    python examples/paper_tables.py --bases A                       # one process per base, where there are two cores
    python examples/paper_tables.py --render                        # only print the tables of what has run so far
    accelerate launch examples/paper_tables.py --config examples/configs/tables_paper.yaml    # Qwen3-4B, your data

Every base and seed also gets what the paper lacks: RL on similarity without language consistency, RL without a cold
start, and an SFT that is meant to forget, to show that the tax can be seen where there is one. Every policy is measured
in the same way: quality by the reward's encoder and by a second one, in the miniature also by the grammar's parser;
2,500 questions of reading comprehension; drift on topics that nobody trained on. No LLM judges offline: in the
miniature the parser takes its place, and its column says so.

The miniature takes about an hour per base and core (51 and 63 minutes for A and B, side by side on two cores); its
learning rates and sizes are those of `configs/tables.yaml`, seeds 0 to 2. To resume an interrupted run, start it
again. Each cell leaves a JSON file in `cells/`; `tables.md` is made from these alone.
"""

from collections.abc import Sequence
from pathlib import Path

from tables.cells import read_cells
from tables.conditions import paper_conditions
from tables.judging import judge_cell
from tables.planning import print_detectable, print_plan, steps
from tables.rendering import render
from tables.runner import run_cell, set_up
from tables.sweep import Sweep, read_command
from tibetan.stages import process_state


def run(sweep: Sweep, judged: Sequence[str]) -> None:
    """Run all cells, a seed on all bases before the next seed."""
    if process_state().is_main_process:
        print_detectable(sweep)
    for seed in sweep.seeds:
        for base in sweep.bases:
            bench = set_up(sweep, base)
            for condition in paper_conditions(sweep):
                run_cell(bench, seed, condition)
            for task in judged:
                judge_cell(bench, seed, task)
            if process_state().is_main_process:
                publish(sweep.output_dir)


def publish(output_dir: Path) -> str:
    """Write `tables.md` from the cells that exist; returns it."""
    tables = render(read_cells(output_dir))
    (output_dir / "tables.md").write_text(tables, encoding="utf-8")
    return tables


def main(argv: Sequence[str] | None = None) -> None:
    """Plan, run or render."""
    sweep, arguments = read_command(__doc__, argv)
    judged = [] if sweep.judge is None else list(sweep.tasks)
    if arguments.plan:
        print_plan(sweep, steps(sweep, paper_conditions(sweep), judged=judged))
        return
    if not arguments.render:
        run(sweep, judged)
    if process_state().is_main_process:
        print("\n" + publish(sweep.output_dir))
        print(sweep.output_dir / "tables.md")


if __name__ == "__main__":
    main()
