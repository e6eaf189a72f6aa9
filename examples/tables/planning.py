"""`--plan`: which stages, in which order, how long they take, and how small a tax they can show; nothing runs."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from tables.conditions import Condition, with_starts
from tables.power import detectable_difference
from tables.runner import BASE_SEED
from tables.sweep import Costs, Sweep
from tibetan.arguments import Settings

DISCORDANCES = (0.02, 0.05, 0.1, 0.2)
"""Shares of questions that exactly one of two policies answers, for which a plan tells what can be seen."""


class Step(NamedTuple):
    """A stage of a sweep.

    Attributes:
        name: Its folder, below the sweep's.
        seconds: Estimate; `None` where no machine was measured, or the data is not the miniature's.
        stands: Whether its result is there already.
    """

    name: str
    seconds: float | None
    stands: bool


def steps(sweep: Sweep, conditions: Sequence[Condition], *, judged: Collection[str] = ()) -> list[Step]:
    """All stages in the order in which they run: a seed on all bases before the next seed.

    Args:
        sweep: The sweep.
        conditions: What is trained and measured.
        judged: Tasks for which a judge compares RL and strong SFT.
    """
    return [
        Step(name, seconds, (sweep.output_dir / name).exists())
        for name, seconds in [*_base_stages(sweep), *_seed_stages(sweep, conditions, judged)]
    ]


def print_plan(sweep: Sweep, planned: Sequence[Step]) -> None:
    """Print the stages, their times, and the smallest tax that the design detects."""
    for step in planned:
        time = "stands" if step.stands else "?" if step.seconds is None else f"{step.seconds:.0f} s"
        print(f"{time:>8}  {step.name}")
    open_steps = [step for step in planned if not step.stands]
    known = [step.seconds for step in open_steps if step.seconds is not None]
    print(f"\n{len(planned)} stages, {len(planned) - len(open_steps)} of them stand")
    if known and sweep.costs is not None:
        print(f"to do: about {sum(known) / 3600:.1f} hours, by what {sweep.costs.machine} took")
    print_detectable(sweep)


def print_detectable(sweep: Sweep) -> None:
    """Print the smallest tax that a base's questions show, where it is known how many there are."""
    for base in sweep.bases:
        settings = _settings(sweep, base)
        if settings.run.miniature:
            print(f"base {base}: {detectable_text(_questions(settings))}")


def detectable_text(items: int) -> str:
    """The smallest differences of exact match that a number of questions shows, for several discordances."""
    found = {share: detectable_difference(items, share) for share in DISCORDANCES}
    shown = ", ".join(
        f"{'none' if value is None else f'{100 * value:.1f} points'} at {share:.0%} discordant answers"
        for share, value in found.items()
    )
    return f"a difference of EM shows on {items} questions (80 % power, two-sided 5 %, paired) from {shown}"


def _settings(sweep: Sweep, base: str) -> Settings:
    return sweep.settings(base, next(iter(sweep.tasks)), plan=True)


def _base_stages(sweep: Sweep) -> Iterator[tuple[str, float | None]]:
    for base in sweep.bases:
        settings, costs = _settings(sweep, base), sweep.costs
        if settings.run.miniature:
            steps_of = settings.world.world_pretrain_steps
            yield f"{base}/world", None if costs is None else steps_of * costs.pretrain_step
        for name in ("encoder", "held_out_encoder"):
            yield f"{base}/{name}", None if costs is None else costs.encoders / 2


def _seed_stages(
    sweep: Sweep, conditions: Sequence[Condition], judged: Collection[str]
) -> Iterator[tuple[str, float | None]]:
    ordered = with_starts(conditions)
    start = None if sweep.costs is None else sweep.costs.start
    measured = {(condition.task, condition.name) for condition in conditions}
    for seed in sweep.seeds:
        for base in sweep.bases:
            begun: set[str] = set()
            for condition in ordered:
                settings = sweep.settings(base, condition.task, plan=True)
                folder = f"{base}/seed-{seed}/{condition.task}"
                if folder not in begun:
                    begun.add(folder)
                    yield f"{folder}/data", start
                calibration = f"{folder}/calibration"
                if condition.method == "grpo" and calibration not in begun:
                    begun.add(calibration)
                    yield calibration, _calibration(settings, sweep.costs)
                if condition.method != "none":
                    yield f"{folder}/{condition.name}", _training(condition, settings, sweep)
                elif seed == sweep.seeds[0]:
                    folder = f"{base}/{BASE_SEED}/{condition.task}"
                else:
                    continue
                if (condition.task, condition.name) in measured:
                    yield f"{folder}/evaluate_{condition.name}", _evaluation(settings, sweep.costs)
            yield from ((f"{base}/seed-{seed}/{task}/judge", start) for task in judged)


def _calibration(settings: Settings, costs: Costs | None) -> float | None:
    if costs is None:
        return None
    return costs.start + settings.data.calibration_size * (settings.grpo.num_generations or 1) * costs.answer


def _training(condition: Condition, settings: Settings, sweep: Sweep) -> float | None:
    costs = sweep.costs
    if costs is None or not settings.run.miniature:
        return None
    if condition.method == "grpo":
        return costs.start + float(max(1, round(settings.grpo.max_steps * condition.length))) * costs.grpo_step
    world, data, sft = settings.world, settings.data, settings.sft
    whole = (world.world_pairs if data.task == "translation" else world.world_headlines) - data.calibration_size
    rows = {"all": whole, "few": min(whole, sweep.transfer_size), "cold_start": data.cold_start_size}.get(
        condition.rows, 0
    )
    epochs = sft.cold_start_epochs if condition.rows == "cold_start" else sft.strong_sft_epochs * condition.length
    return costs.start + rows / (1 - condition.replay) * epochs * costs.sft_row


def _evaluation(settings: Settings, costs: Costs | None) -> float | None:
    if costs is None or not settings.run.miniature:
        return None
    world = settings.world
    rows = world.world_test_pairs if settings.data.task == "translation" else world.world_test_headlines
    return (
        costs.start
        + _questions(settings) * costs.question
        + rows * costs.answer
        + world.world_drift_texts * costs.drift_text
    )


def _questions(settings: Settings) -> int:
    asked = settings.data.reading_size
    return settings.world.world_questions if asked is None else min(asked, settings.world.world_questions)
