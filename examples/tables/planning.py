"""`--plan`: which stages, in which order, how long they take, and how small a tax they can show; nothing runs."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from tables.conditions import Condition, with_starts
from tables.intervals import detectable_difference
from tables.sweep import Costs, Sweep
from tibetan.arguments import Settings

DISCORDANCES = (0.02, 0.05, 0.1, 0.2)
"""Shares of questions that exactly one of two policies answers, for which a plan tells what can be seen."""


class Step(NamedTuple):
    """A stage of a sweep."""

    name: str  # its folder, below the sweep's
    seconds: float | None  # estimate; `None` where no machine was measured
    done: bool  # whether its result is there already


def steps(sweep: Sweep, conditions: Sequence[Condition], *, judged: Collection[str] = ()) -> list[Step]:
    """All stages in the order in which they run: a seed on all bases before the next seed.

    Args:
        sweep: The sweep.
        conditions: What is trained and measured.
        judged: Tasks for which a judge compares RL and strong SFT.
    """
    measured = sweep.costs is not None
    stages = [*_base_stages(sweep), *_seed_stages(sweep, conditions, judged)]
    return [Step(name, seconds if measured else None, (sweep.output_dir / name).exists()) for name, seconds in stages]


def print_plan(sweep: Sweep, planned: Sequence[Step]) -> None:
    """Print the stages, their times, and the smallest tax that the design detects."""
    for step in planned:
        time = "stands" if step.done else "?" if step.seconds is None else f"{step.seconds:.0f} s"
        print(f"{time:>8}  {step.name}")
    print(f"\n{len(planned)} stages, {sum(step.done for step in planned)} of them stand")
    seconds = [step.seconds for step in planned if not step.done and step.seconds is not None]
    if seconds and sweep.costs is not None:
        print(f"to do: about {sum(seconds) / 3600:.1f} hours, by what {sweep.costs.machine} took")
    print_detectable(sweep)


def print_detectable(sweep: Sweep) -> None:
    """Print the smallest tax that a base's questions show, where it is known how many there are."""
    for base in sweep.bases:
        settings = sweep.settings(base, next(iter(sweep.tasks)), plan=True)
        if settings.run.miniature:
            print(f"base {base}: {detectable_text(_questions(settings))}")


def detectable_text(items: int) -> str:
    """The smallest differences of exact match that a number of questions shows, for several discordances."""
    shown = []
    for share in DISCORDANCES:
        found = detectable_difference(items, share)
        shown.append(f"{'none' if found is None else f'{100 * found:.1f} points'} at {share:.0%} discordant answers")
    return f"a difference of EM shows on {items} questions (80 % power, two-sided 5 %, paired) from {', '.join(shown)}"


def _base_stages(sweep: Sweep) -> Iterator[tuple[str, float]]:
    costs = sweep.costs or Costs()
    for base in sweep.bases:
        settings = sweep.settings(base, next(iter(sweep.tasks)), plan=True)
        if settings.run.miniature:
            yield f"{base}/world", settings.world.world_pretrain_steps * costs.pretrain_step
        for name in ("encoder", "held_out_encoder"):
            yield f"{base}/{name}", costs.encoders / 2


def _seed_stages(sweep: Sweep, conditions: Sequence[Condition], judged: Collection[str]) -> Iterator[tuple[str, float]]:
    costs = sweep.costs or Costs()
    for seed in sweep.seeds:
        for base in sweep.bases:
            begun: set[str] = set()
            for condition in with_starts(conditions):
                settings = sweep.settings(base, condition.task, plan=True)
                folder = f"{base}/seed-{seed}/{condition.task}"
                if folder not in begun:
                    yield f"{folder}/data", costs.start
                calibration = f"{folder}/calibration"
                if condition.method == "grpo" and calibration not in begun:
                    samples = settings.data.calibration_size * (settings.grpo.num_generations or 1)
                    yield calibration, costs.start + samples * costs.answer
                    begun.add(calibration)
                begun.add(folder)
                if condition.method != "none":
                    yield f"{folder}/{condition.name}", costs.start + _training(condition, settings, sweep, costs)
                elif seed == sweep.seeds[0]:
                    folder = f"{base}/base/{condition.task}"
                else:
                    continue
                if condition in conditions:
                    yield f"{folder}/evaluate_{condition.name}", costs.start + _evaluation(settings, costs)
            yield from ((f"{base}/seed-{seed}/{task}/judge", costs.start) for task in judged)


def _training(condition: Condition, settings: Settings, sweep: Sweep, costs: Costs) -> float:
    if condition.method == "grpo":
        return float(max(1, round(settings.grpo.max_steps * condition.length))) * costs.grpo_step
    world, data, sft = settings.world, settings.data, settings.sft
    whole = (world.world_pairs if data.task == "translation" else world.world_headlines) - data.calibration_size
    sizes = {"all": whole, "few": min(whole, sweep.transfer_size), "cold_start": data.cold_start_size}
    epochs = sft.cold_start_epochs if condition.rows == "cold_start" else sft.strong_sft_epochs * condition.length
    return sizes.get(condition.rows, 0) / (1 - condition.replay) * epochs * costs.sft_row


def _evaluation(settings: Settings, costs: Costs) -> float:
    world = settings.world
    rows = world.world_test_pairs if settings.data.task == "translation" else world.world_test_headlines
    reading = _questions(settings) * costs.question
    return reading + rows * costs.answer + world.world_drift_texts * costs.drift_text


def _questions(settings: Settings) -> int:
    asked = settings.data.reading_size
    return settings.world.world_questions if asked is None else min(asked, settings.world.world_questions)
