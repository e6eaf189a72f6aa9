"""The paper's Tables 1 to 6 (arXiv 2605.14366): experiments 1 to 3, the reward ablation, and drift (appendix C).

    python examples/paper_tables.py --plan                          # what would run, how long, how small a tax shows
    python examples/paper_tables.py                                 # the miniature: two bases, three seeds, two tasks
    python examples/paper_tables.py --render                        # only print the tables of what has run so far
    accelerate launch examples/paper_tables.py --config examples/configs/tables_paper.yaml    # Qwen3-4B, your data

Beside what the paper compares, every base and seed also gets: RL on similarity without language consistency, RL
without a cold start, RL with a length reward, and an SFT that is meant to forget, to show that the tax can be seen
where there is one. Every policy is measured in the same way: quality by the reward's encoder and by a second one, in
the miniature also by the grammar's parser; 2,500 questions of reading comprehension; drift on topics that nobody
trained on.

No LLM judges offline: in the miniature the parser answers through the judge's client, and its column says so.

A run that was interrupted goes on where it stopped when it is started again. Each cell leaves a JSON file in `cells/`;
`tables.md` is made from these alone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tables.cells import read_cells
from tables.conditions import paper_conditions
from tables.judging import judge_cell
from tables.planning import print_plan, steps
from tables.rendering import render
from tables.runner import run_cell, set_up
from tables.sweep import Sweep, read_sweep
from tibetan.stages import process_state

CONFIG = Path(__file__).parent / "configs" / "tables.yaml"


def run(sweep: Sweep) -> None:
    """Run all cells, a seed on all bases before the next seed."""
    conditions = paper_conditions(sweep.tasks, forget_rate=sweep.forget_rate, forget_length=sweep.forget_length)
    for seed in sweep.seeds:
        for base in sweep.bases:
            bench = set_up(sweep, base)
            for condition in conditions:
                run_cell(bench, seed, condition)
            for task in judged_tasks(sweep):
                judge_cell(bench, seed, task)
            if process_state().is_main_process:
                publish(sweep.output_dir)


def judged_tasks(sweep: Sweep) -> list[str]:
    """The tasks on which RL is judged against strong SFT."""
    return [] if sweep.judge is None else list(sweep.tasks)


def publish(output_dir: Path) -> str:
    """Write `tables.md` from the cells that stand; returns it."""
    tables = render(read_cells(output_dir))
    (output_dir / "tables.md").write_text(tables, encoding="utf-8")
    return tables


def main(argv: Sequence[str] | None = None) -> None:
    """Plan, run or render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG, help="The sweep's YAML file.")
    parser.add_argument("--output_dir", help="Where to write; as the file says, by default.")
    parser.add_argument("--seeds", type=int, nargs="+", help="As the file says, by default.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--plan", action="store_true", help="Print what would run and stop.")
    what.add_argument("--render", action="store_true", help="Print the tables of the cells that stand and stop.")
    arguments = parser.parse_args(argv)
    sweep = read_sweep(arguments.config, output_dir=arguments.output_dir, seeds=arguments.seeds)
    if arguments.plan:
        conditions = paper_conditions(sweep.tasks, forget_rate=sweep.forget_rate, forget_length=sweep.forget_length)
        print_plan(sweep, steps(sweep, conditions, judged=judged_tasks(sweep)))
        return
    if not arguments.render:
        run(sweep)
    if process_state().is_main_process:
        print("\n" + publish(sweep.output_dir))
        print(sweep.output_dir / "tables.md")


if __name__ == "__main__":
    main()
