"""`--plan`: which stages, in which order, how long they take, and how small a tax they can show; nothing runs."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tables.conditions import Condition
from tables.intervals import detectable_difference
from tables.sweep import UNITS, Sweep
from tibetan.arguments import Settings

DISCORDANCES = (0.02, 0.05, 0.1, 0.2)
"""Shares of questions that exactly one of two policies answers, for which a plan tells what can be seen."""


class Step(NamedTuple):
    """A stage of a sweep."""

    name: str  # its folder, below the sweep's
    seconds: float | None  # estimate; `None` where no machine was measured
    done: bool  # whether its result is there already


def steps(sweep: Sweep, conditions: Sequence[Condition], *, judged: Iterable[str] = ()) -> list[Step]:
    """All stages in the order in which they run; a judge compares RL and strong SFT on the tasks that are `judged`."""
    costs = dict.fromkeys(UNITS, 0.0) | dict(sweep.costs)
    settings = {base: {task: sweep.settings(base, task, plan=True) for task in sweep.tasks} for base in sweep.bases}
    seconds: dict[str, float] = {}
    for base, by_task in settings.items():
        first = next(iter(by_task.values()))
        if first.run.miniature:
            seconds[f"{base}/world"] = first.world.world_pretrain_steps * costs["pretrain_step"]
        seconds |= dict.fromkeys((f"{base}/encoder", f"{base}/held_out_encoder"), costs["encoders"] / 2)
    for seed, (base, by_task) in itertools.product(sweep.seeds, settings.items()):
        for condition in conditions:
            for name, taken in _condition_stages(sweep, by_task[condition.task], condition, costs):
                place = "base" if name == "evaluate_base" else f"seed-{seed}"
                seconds.setdefault(f"{base}/{place}/{condition.task}/{name}", taken)
        seconds |= {f"{base}/seed-{seed}/{task}/judge": costs["start"] for task in judged}
    known = bool(sweep.costs)
    return [Step(name, taken if known else None, (sweep.output_dir / name).exists()) for name, taken in seconds.items()]


def print_plan(sweep: Sweep, planned: Sequence[Step]) -> None:
    """Print the stages, their times, and the smallest tax that the design detects."""
    for step in planned:
        time = "stands" if step.done else "?" if step.seconds is None else f"{step.seconds:.0f} s"
        print(f"{time:>8}  {step.name}")
    print(f"\n{len(planned)} stages, {sum(step.done for step in planned)} of them stand")
    seconds = [step.seconds for step in planned if not step.done and step.seconds is not None]
    if seconds:
        print(f"to do: about {sum(seconds) / 3600:.1f} hours, by what {sweep.costs['machine']} took")
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


def _condition_stages(
    sweep: Sweep, settings: Settings, condition: Condition, costs: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    """The stages of one condition and their seconds; other conditions share some of them."""
    start, world = costs["start"], settings.world
    yield "data", start
    if condition.method == "grpo":
        samples = settings.data.calibration_size * (settings.grpo.num_generations or 1)
        yield "calibration", start + samples * costs["answer"]
    if condition.start is not None and condition.start.method == "untrained":
        yield condition.start.name, start
    if condition.method != "none":
        yield condition.name, start + _training(sweep, settings, condition, costs)
    rows = world.world_test_pairs if settings.data.task == "translation" else world.world_test_headlines
    asked = _questions(settings) * costs["question"] + rows * costs["answer"]
    yield f"evaluate_{condition.name}", start + asked + world.world_drift_texts * costs["drift_text"]


def _training(sweep: Sweep, settings: Settings, condition: Condition, costs: Mapping[str, float]) -> float:
    if condition.method == "grpo":
        updates: int = max(1, round(settings.grpo.max_steps * condition.length))
        return updates * costs["grpo_step"]
    world, data, sft = settings.world, settings.data, settings.sft
    whole = (world.world_pairs if data.task == "translation" else world.world_headlines) - data.calibration_size
    sizes = {"all": whole, "few": min(whole, sweep.transfer_size), "cold_start": data.cold_start_size}
    epochs = sft.cold_start_epochs if condition.rows == "cold_start" else sft.strong_sft_epochs * condition.length
    return sizes[condition.rows] / (1 - condition.replay) * epochs * costs["sft_row"]


def _questions(settings: Settings) -> int:
    asked = settings.data.reading_size
    return settings.world.world_questions if asked is None else min(asked, settings.world.world_questions)
