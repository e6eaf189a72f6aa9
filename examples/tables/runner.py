"""Runs the cells of a sweep: each is trained and measured once, and leaves one JSON file.

Every step is a stage of `tibetan.stages`, kept in the base's folder: a sweep that was interrupted goes on where it
stopped, and two programs that need the same policy train it once. A cell is what `tibetan.evaluate` measured of one
policy, with where it came from; tables are made from these files only.
"""

import copy
import dataclasses
import importlib.metadata
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from peft import get_peft_model

from miniature.world import build_world
from semreward import BleuReward, CompositeReward, LengthRatioGuard, SentenceTransformerEncoder
from semreward.errors import ArgumentError
from tables.cells import Cell, cell_path, exact_by_question
from tables.conditions import BLEU, LENGTH, Condition, cold_start
from tables.sweep import Sweep
from tibetan.arguments import Settings, decisive
from tibetan.data import Row, file_digests, prepare, read_part, read_rows
from tibetan.encoder import adapt_encoders
from tibetan.evaluate import Evaluator, load_calibration
from tibetan.policy import load_base, load_tokenizer, lora_config, train_grpo, train_sft
from tibetan.results import PACKAGES, machine, write_json
from tibetan.rewards import make_reward
from tibetan.stages import RECORD, Stages, process_state
from tibetan.world import use_world, world_settings

BASE_SEED = "base"
"""In the place of `seed-N` where no seed changes anything: the base policy."""


@dataclass(frozen=True)
class Bench:
    """One base policy, its world and its encoders, made ready for any condition.

    Attributes:
        sweep: The sweep.
        name: The base's name in it.
        stages: Runs stages in the base's folder.
        settings: By task.
        encoder: The encoder that pays.
        held_out: The one that only judges.
        splits: Rows by task and seed, read once.
        trained: Stages of trained adapters, looked up once.
    """

    sweep: Sweep
    name: str
    stages: Stages
    settings: Mapping[str, Settings]
    encoder: SentenceTransformerEncoder
    held_out: SentenceTransformerEncoder | None
    splits: dict[tuple[str, int], dict[str, list[Row]]] = field(default_factory=dict, compare=False, repr=False)
    trained: dict[tuple[int, str, str], str] = field(default_factory=dict, compare=False, repr=False)

    def seeded(self, task: str, seed: int) -> Settings:
        """The settings of a task for a seed."""
        return self.settings[task].for_seed(seed, self.stages.folder / f"seed-{seed}" / task)

    def evaluator(self, task: str, seed: int) -> Evaluator:
        """What measures policies."""
        return Evaluator(self.seeded(task, seed), self.encoder, self.held_out)


def set_up(sweep: Sweep, base: str) -> Bench:
    """Make a base's world, where it is a miniature, and adapt its encoders; or find that they stand."""
    stages = Stages(sweep.output_dir / base)
    settings = {task: sweep.settings(base, task) for task in sweep.tasks}
    first = next(iter(settings.values()))
    if first.run.miniature:
        sizes = world_settings(first.world, first.grpo.seed)
        world = stages.run("world", partial(build_world, settings=sizes), dataclasses.asdict(sizes))
        settings = {task: use_world(one, world) for task, one in settings.items()}
        first = next(iter(settings.values()))
    paying, held_out = adapt_encoders(first, stages)
    return Bench(sweep, base, stages, settings, paying, held_out)


def run_cell(bench: Bench, seed: int, condition: Condition) -> Path:
    """Train a policy and measure it, unless that stands; returns the cell's file."""
    trained = train(bench, seed, condition)
    settings = bench.seeded(condition.task, seed)
    place = BASE_SEED if condition.method == "none" else f"seed-{seed}"
    evaluator = bench.evaluator(condition.task, seed)
    adapter = None if trained is None else bench.stages.folder / trained
    evaluated = bench.stages.run(
        f"{place}/{condition.task}/evaluate_{condition.name}",
        partial(evaluator.evaluate, rows=_split(bench, seed, condition.task)["test"], adapter=adapter),
        {
            **decisive(settings.evaluation),
            "data": decisive(settings.data),
            "files": file_digests(settings.data),
            "encoders": evaluator.fingerprints,
            "max_tokens": settings.grpo.max_completion_length,
            "model": settings.policy.model_name_or_path,
        },
        inputs=() if trained is None else (trained,),
    )
    path = cell_path(bench.sweep.output_dir, bench.name, condition.task, condition.name, place)
    if process_state().is_main_process:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, dataclasses.asdict(_cell(bench, seed, condition, trained, evaluated)))
    return path


def train(bench: Bench, seed: int, condition: Condition) -> str | None:
    """Train a condition's adapter, after the one it starts from; returns its stage, `None` for the base itself."""
    if condition.method == "none":
        return None
    key = (seed, condition.task, condition.name)
    if key not in bench.trained:
        bench.trained[key] = _train(bench, seed, condition)
    return bench.trained[key]


def _train(bench: Bench, seed: int, condition: Condition) -> str:
    start = None if condition.start is None else train(bench, seed, condition.start)
    settings = _changed(bench.seeded(condition.task, seed), condition)
    work, decides = _training(bench, seed, condition, settings, start)
    stage, split = (f"seed-{seed}/{condition.task}/{name}" for name in (condition.name, "data"))
    trains = condition.method != "untrained"
    bench.stages.run(
        stage,
        work,
        {**decides, "seed": seed, "model": settings.policy.model_name_or_path},
        inputs=(split,) if start is None else (split, start),
        every_process=trains,
        keep_partial=trains,
    )
    return stage


def _training(
    bench: Bench, seed: int, condition: Condition, settings: Settings, start: str | None
) -> tuple[Callable[[Path], None], Mapping[str, Any]]:
    """What trains a condition from the adapter of a stage, and all that decides its result."""
    rows = _rows(bench, seed, condition)
    adapter = None if start is None else bench.stages.folder / start
    if condition.method == "untrained":
        return partial(_write_untrained, settings=settings), decisive(settings.policy)
    if condition.method == "sft":
        sft = settings.sft
        epochs = sft.cold_start_epochs if condition.rows == "cold_start" else sft.strong_sft_epochs
        decides = {**decisive(settings.policy), **decisive(sft), "rows": len(rows), "replay": condition.replay}
        return partial(train_sft, rows=rows, settings=settings, epochs=epochs, adapter=adapter), decides
    if adapter is None:
        raise ArgumentError(f"condition {condition.name!r} must have a `start`: GRPO goes on from an adapter")
    reward = _reward(bench, seed, condition)
    work = partial(train_grpo, rows=rows, cold_start=adapter, settings=settings, reward=reward)
    return work, {**decisive(settings.grpo), "reward": reward.signature()}


def _split(bench: Bench, seed: int, task: str) -> dict[str, list[Row]]:
    """Cold start, calibration, RL and test: no row in two of them."""
    if (task, seed) in bench.splits:
        return bench.splits[task, seed]
    settings = bench.seeded(task, seed)
    data, policy = settings.data, settings.policy
    prepared = bench.stages.run(
        f"seed-{seed}/{task}/data",
        lambda folder: prepare(folder, data, load_tokenizer(policy), seed),
        {**decisive(data), "tokenizer": policy.model_name_or_path, "seed": seed, "files": file_digests(data)},
    )
    split = {name: read_part(prepared, name) for name in ("cold_start", "calibration", "rl", "test")}
    bench.splits[task, seed] = split
    return split


def _rows(bench: Bench, seed: int, condition: Condition) -> list[Row]:
    split = _split(bench, seed, condition.task)
    whole = split["cold_start"] + split["rl"]
    rows = {"": [], "all": whole, "few": whole[: bench.sweep.transfer_size], **split}[condition.rows]
    return rows + _replayed(bench, seed, round(len(rows) * condition.replay / (1 - condition.replay)))


def _replayed(bench: Bench, seed: int, count: int) -> list[Row]:
    """Rows of what the base could do before, as many as asked; they repeat where the file has fewer."""
    if not count:
        return []
    world = bench.stages.folder / "world" / "replay.jsonl"
    rows = list(read_rows(bench.sweep.replay_data or str(world), ["prompt", "completion"]))
    random.Random(seed).shuffle(rows)  # noqa: S311 - the order of rows, no cryptography
    return [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["completion"]}],
        }
        for row in (rows[number % len(rows)] for number in range(count))
    ]


def _changed(settings: Settings, condition: Condition) -> Settings:
    """Settings with a condition's factors in them."""
    sft, grpo = settings.sft, copy.deepcopy(settings.grpo)
    if condition.method == "sft":
        sft = dataclasses.replace(
            sft,
            sft_learning_rate=sft.sft_learning_rate * condition.rate,
            strong_sft_epochs=sft.strong_sft_epochs * condition.length,
        )
    elif condition.method == "grpo":
        grpo.learning_rate *= condition.rate
        if grpo.max_steps > 0:
            grpo.max_steps = max(1, round(grpo.max_steps * condition.length))
        else:
            grpo.num_train_epochs *= condition.length
    return dataclasses.replace(settings, sft=sft, grpo=grpo)


def _reward(bench: Bench, seed: int, condition: Condition) -> CompositeReward:
    """Eq. 4 with what a condition does not pay for at weight 0; tau is the cold start's, also without a cold start.

    BLEU weighs as much as similarity, the length reward as much as language consistency: the paper states neither.
    """
    settings = bench.seeded(condition.task, seed)
    given = settings.reward.threshold
    threshold = load_calibration(_calibrated(bench, seed, condition.task)) if given is None else given
    evaluator = bench.evaluator(condition.task, seed)
    whole = make_reward(
        settings.reward,
        bench.encoder,
        threshold,
        settings.data.target_language,
        held_out=bench.held_out,
        parser_language=evaluator.parser_language,
        task=settings.data.task,
    )
    components = [(part, weight if part.__name__ in condition.reward else 0.0) for part, weight in whole.components]
    if BLEU in condition.reward:
        components.append((BleuReward(), settings.reward.similarity_weight))
    if LENGTH in condition.reward:
        components.append((LengthRatioGuard(), settings.reward.language_weight))
    return whole.replace(components=components)


def _calibrated(bench: Bench, seed: int, task: str) -> Path:
    start = str(train(bench, seed, cold_start(task)))
    settings, evaluator = bench.seeded(task, seed), bench.evaluator(task, seed)
    rows = _split(bench, seed, task)["calibration"]
    sampling = ("temperature", "top_p", "max_completion_length", "num_generations", "seed")
    return bench.stages.run(
        f"seed-{seed}/{task}/calibration",
        partial(evaluator.calibrate, rows=rows, adapter=bench.stages.folder / start),
        {
            "statistic": settings.reward.threshold_statistic,
            "encoder": bench.encoder.fingerprint,
            **{name: getattr(settings.grpo, name) for name in sampling},
        },
        inputs=(f"seed-{seed}/{task}/data", start),
    )


def _write_untrained(folder: Path, *, settings: Settings) -> None:
    base: Any = load_base(settings.policy, settings.grpo)
    get_peft_model(base, lora_config(settings.policy)).save_pretrained(str(folder))


def _cell(bench: Bench, seed: int, condition: Condition, trained: str | None, evaluated: Path) -> Cell:
    scores = json.loads((evaluated / "scores.json").read_text(encoding="utf-8"))
    settings = bench.settings[condition.task]
    stage = None if trained is None else json.loads((bench.stages.folder / trained / RECORD).read_text())
    return Cell(
        base=bench.name,
        task=condition.task,
        condition=condition.name,
        label=condition.label,
        seed=None if condition.method == "none" else seed,
        scores=scores,
        correct=exact_by_question(evaluated / "reading_answers.json", settings.data),
        training={
            **{key: value for key, value in dataclasses.asdict(condition).items() if key not in ("name", "label")},
            "seconds": None if stage is None else stage["seconds"],
        },
        arguments={**bench.sweep.tasks[condition.task], **bench.sweep.bases[bench.name]},
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
        machine=machine(),
        date=datetime.now(timezone.utc).date().isoformat(),
    )
