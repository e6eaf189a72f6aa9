"""Runs the cells of a sweep: each is trained and measured once, and leaves one JSON file.

Every step is a stage of `tibetan.stages`, kept in the base's folder: a sweep that was interrupted goes on where it
stopped, and two programs that need the same policy train it once.
"""

import copy
import dataclasses
import functools
import itertools
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from peft import get_peft_model

from miniature.world import build_world
from semreward import BleuReward, Calibration, CompositeReward, LengthRatioGuard, SentenceTransformerEncoder
from semreward.errors import ArgumentError
from semreward.evaluation import first_questions
from semreward.evaluation.reading import comparable_text, reading_prompts
from tables.cells import Cell
from tables.conditions import BLEU, LENGTH, Condition, standard
from tables.sweep import Sweep
from tibetan.arguments import DataArguments, Settings, decisive
from tibetan.data import PAIRS, Row, file_digests, local_path, prepare, read_part, read_rows
from tibetan.encoder import adapt_encoders
from tibetan.evaluate import Evaluator
from tibetan.policy import load_base, load_tokenizer, lora_config, train_grpo, train_sft
from tibetan.results import provenance
from tibetan.rewards import make_reward
from tibetan.stages import RECORD, Stages, process_state
from tibetan.world import use_world, world_settings


@dataclass(frozen=True, eq=False)
class Bench:
    """One base policy, its world and its encoders, made ready for any condition."""

    sweep: Sweep
    name: str  # the base's, in the sweep
    stages: Stages  # in the base's folder
    settings: Mapping[str, Settings]  # by task
    encoder: SentenceTransformerEncoder  # pays
    held_out: SentenceTransformerEncoder | None  # only judges

    def evaluator(self, task: str, seed: int) -> Evaluator:
        """What measures policies, with the settings of a task for a seed."""
        settings = self.settings[task].for_seed(seed, self.stages.folder / f"seed-{seed}" / task)
        return Evaluator(settings, self.encoder, self.held_out)


def set_up(sweep: Sweep, base: str) -> Bench:
    """Make a base's world, where it is a miniature, and adapt its encoders; or find that this was done."""
    stages = Stages(sweep.output_dir / base)
    settings = {task: sweep.settings(base, task) for task in sweep.tasks}
    first = next(iter(settings.values()))
    if first.run.miniature:
        sizes = world_settings(first.world, first.grpo.seed)
        world = stages.run("world", partial(build_world, settings=sizes), dataclasses.asdict(sizes))
        settings = {task: use_world(one, world) for task, one in settings.items()}
    return Bench(sweep, base, stages, settings, *adapt_encoders(next(iter(settings.values())), stages))


def run_cell(bench: Bench, seed: int, condition: Condition) -> None:
    """Train a policy and measure it, unless that was done; writes the cell."""
    trained = None if condition.method == "none" else train(bench, seed, condition)
    evaluator = bench.evaluator(condition.task, seed)
    settings, adapter = evaluator.settings, None if trained is None else bench.stages.folder / trained
    place = "base" if trained is None else f"seed-{seed}"  # no seed changes the base policy
    evaluated = bench.stages.run(
        f"{place}/{condition.task}/evaluate_{condition.name}",
        partial(evaluator.evaluate, rows=split(bench, seed, condition.task)["test"], adapter=adapter),
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
    if not process_state().is_main_process:
        return
    training = {key: value for key, value in dataclasses.asdict(condition).items() if key not in ("name", "label")}
    training["seconds"] = None if adapter is None else json.loads((adapter / RECORD).read_text())["seconds"]
    cell = Cell(
        base=bench.name,
        task=condition.task,
        condition=condition.name,
        label=condition.label,
        seed=None if trained is None else seed,
        scores=json.loads((evaluated / "scores.json").read_text(encoding="utf-8")),
        correct=exact_by_question(evaluated / "reading_answers.json", settings.data),
        training=training,
        arguments={**bench.sweep.tasks[condition.task], **bench.sweep.bases[bench.name]},
        **provenance(),
    )
    cell.write(bench.sweep.output_dir)


def exact_by_question(answers_file: Path, data: DataArguments) -> str:
    """`1` or `0` for each question of the reading test, in its order; empty where there was no test."""
    if data.reading_data is None:
        return ""
    given = json.loads(answers_file.read_text(encoding="utf-8"))
    right = ""
    for question in reading_prompts(first_questions(local_path(data.reading_data), data.reading_size or 10**9)):
        answers = map(comparable_text, question.answers)
        right += "1" if question.id in given and comparable_text(given[question.id]) in answers else "0"
    return right


@functools.lru_cache(maxsize=16)
def split(bench: Bench, seed: int, task: str) -> dict[str, list[Row]]:
    """Cold start, calibration, RL and test: no row in two of them."""
    settings = bench.evaluator(task, seed).settings
    data, policy = settings.data, settings.policy
    prepared = bench.stages.run(
        f"seed-{seed}/{task}/data",
        lambda folder: prepare(folder, data, load_tokenizer(policy), seed),
        {**decisive(data), "tokenizer": policy.model_name_or_path, "seed": seed, "files": file_digests(data)},
    )
    return {name: read_part(prepared, name) for name in ("cold_start", "calibration", "rl", "test")}


@functools.lru_cache(maxsize=64)
def train(bench: Bench, seed: int, condition: Condition) -> str:
    """Train a condition's adapter, after the one it starts from; returns its stage."""
    start = None if condition.start is None else train(bench, seed, condition.start)
    adapter = None if start is None else bench.stages.folder / start
    settings = _changed(bench.evaluator(condition.task, seed).settings, condition)
    rows = _rows(bench, seed, condition)
    work: Callable[[Path], None]
    if condition.method == "untrained":
        work, decides = partial(_write_untrained, settings=settings), decisive(settings.policy)
    elif condition.method == "sft":
        sft = settings.sft
        epochs = sft.cold_start_epochs if condition.rows == "cold_start" else sft.strong_sft_epochs
        work = partial(train_sft, rows=rows, settings=settings, epochs=epochs, adapter=adapter)
        decides = {**decisive(settings.policy), **decisive(sft), "rows": len(rows), "replay": condition.replay}
    elif adapter is not None:
        reward = _reward(bench, seed, condition)
        work = partial(train_grpo, rows=rows, cold_start=adapter, settings=settings, reward=reward)
        decides = {**decisive(settings.grpo), "reward": reward.signature()}
    else:
        raise ArgumentError(f"condition {condition.name!r} must have a `start`: GRPO goes on from an adapter")
    stage, data = (f"seed-{seed}/{condition.task}/{name}" for name in (condition.name, "data"))
    trains = condition.method != "untrained"
    bench.stages.run(
        stage,
        work,
        {**decides, "seed": seed, "model": settings.policy.model_name_or_path},
        inputs=(data,) if start is None else (data, start),
        every_process=trains,
        keep_partial=trains,
    )
    return stage


def _rows(bench: Bench, seed: int, condition: Condition) -> list[Row]:
    """What a condition is trained on. Replayed rows repeat where their file has too few."""
    parts = split(bench, seed, condition.task)
    whole = parts["cold_start"] + parts["rl"]
    rows = {"": [], "all": whole, "few": whole[: bench.sweep.transfer_size], **parts}[condition.rows]
    if not condition.replay:
        return rows
    world = bench.stages.folder / "world" / "replay.jsonl"
    known = list(read_rows(bench.sweep.replay_data or str(world), ["prompt", "completion"]))
    random.Random(seed).shuffle(known)  # noqa: S311 - the order of rows, no cryptography
    count = round(len(rows) * condition.replay / (1 - condition.replay))
    replayed: list[Row] = []
    for row in itertools.islice(itertools.cycle(known), count):
        prompt = [{"role": "user", "content": row["prompt"]}]
        replayed.append({"prompt": prompt, "completion": [{"role": "assistant", "content": row["completion"]}]})
    return rows + replayed


def _changed(settings: Settings, condition: Condition) -> Settings:
    """Settings with a condition's factors in them."""
    sft, grpo = copy.copy(settings.sft), copy.deepcopy(settings.grpo)
    if condition.method == "sft":
        sft.sft_learning_rate *= condition.rate
        sft.strong_sft_epochs *= condition.length
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
    evaluator = bench.evaluator(condition.task, seed)
    arguments, data = evaluator.settings.reward, evaluator.settings.data
    threshold = arguments.threshold
    whole = make_reward(
        arguments,
        bench.encoder,
        _calibration(bench, seed, condition.task) if threshold is None else threshold,
        data.target_language,
        held_out=bench.held_out,
        parser_language=evaluator.parser_language,
        task=data.task,
        pairs=bench.stages.folder / f"seed-{seed}/{condition.task}/data" / PAIRS,
    )
    components = [(part, weight if part.__name__ in condition.reward else 0.0) for part, weight in whole.components]
    if BLEU in condition.reward:
        components.append((BleuReward(), arguments.similarity_weight))
    if LENGTH in condition.reward:
        components.append((LengthRatioGuard(), arguments.language_weight))
    return whole.replace(components=components)


def _calibration(bench: Bench, seed: int, task: str) -> Calibration:
    start, evaluator = train(bench, seed, standard(task)["cold_start"]), bench.evaluator(task, seed)
    rows = split(bench, seed, task)["calibration"]
    sampling = ("temperature", "top_p", "max_completion_length", "num_generations", "seed")
    decides = {name: getattr(evaluator.settings.grpo, name) for name in sampling}
    decides["statistic"] = evaluator.settings.reward.threshold_statistic
    folder = bench.stages.run(
        f"seed-{seed}/{task}/calibration",
        partial(evaluator.calibrate, rows=rows, adapter=bench.stages.folder / start),
        {**decides, "encoder": bench.encoder.fingerprint},
        inputs=(f"seed-{seed}/{task}/data", start),
    )
    return Calibration.load(folder / "calibration.json")


def _write_untrained(folder: Path, *, settings: Settings) -> None:
    base: Any = load_base(settings.policy, settings.grpo)
    get_peft_model(base, lora_config(settings.policy)).save_pretrained(str(folder))
