"""Extend a policy to a low-resource language: cold-start SFT, then GRPO with a semantic reward (arXiv 2605.14366).

    python examples/grpo_tibetan.py                                           # the miniature: two CPU cores, minutes
    python examples/grpo_tibetan.py --seeds 0 1 2 --output_dir runs/seeds     # the same on three seeds
    python examples/grpo_tibetan.py --config examples/configs/paper_mt.yaml --plan
    accelerate launch examples/grpo_tibetan.py --config examples/configs/paper_mt.yaml --train_data pairs.tsv ...

The story, as `run_once` tells it: read and split the data; adapt a sentence encoder on translation pairs; cold-start
the policy by a little supervised fine-tuning; measure tau on the cold start's own samples; reinforce with

    1.5 x threshold-rescaled similarity + 1.0 x language consistency;

train the strong-SFT baseline; compare base, cold start, RL and strong SFT, alignment tax included.

Every argument is a field of `tibetan.arguments` or of TRL's `GRPOConfig`, on the command line or in the YAML file. An
interrupted run resumes when it is started again. It ends in `results.json` and `report.html`. `docs/miniature.md` has
the miniature's numbers and machines.
"""

import dataclasses
import sys
from functools import partial
from pathlib import Path
from typing import Any

import cpu
from miniature.world import build_world
from semreward import Calibration
from semreward.errors import SemRewardError
from tibetan import results
from tibetan.arguments import Settings, decisive, parse
from tibetan.data import PAIRS, PARTS, Row, file_digests, prepare, read_part, read_texts
from tibetan.encoder import adapt_encoders
from tibetan.evaluate import Evaluator
from tibetan.plan import print_plan
from tibetan.policy import load_tokenizer, train_grpo, train_sft
from tibetan.preflight import preflight
from tibetan.pretrained import check_network, use_detector, use_folder, use_pair
from tibetan.rewards import make_reward
from tibetan.stages import Stages, process_state
from tibetan.world import use_world, world_settings


def run_once(settings: Settings) -> dict[str, Any]:
    """Run all stages for one seed; returns the results."""
    stages = Stages(Path(settings.grpo.output_dir))
    given = {name: decisive(part) for name, part in vars(settings).items()}
    if settings.run.miniature:
        settings = make_world(settings, stages)
    rows = split_data(settings, stages)
    encoder, held_out = adapt_encoders(settings, stages)
    counted = stages.folder / "data" if settings.data.count_leaks else None
    evaluator = Evaluator(settings, encoder, held_out, counted)

    cold_start = fine_tune(settings, stages, "cold_start", rows["cold_start"])
    threshold = measure_threshold(stages, evaluator, rows["calibration"], cold_start)
    reinforce(stages, evaluator, rows["rl"], cold_start, threshold)
    if settings.run.strong_sft:
        fine_tune(settings, stages, "strong_sft", (rows["cold_start"] + rows["rl"])[: settings.sft.strong_sft_size])

    evaluate(stages, evaluator, rows["test"])
    return results.collect(stages.folder, given, stages.seconds())


def make_world(settings: Settings, stages: Stages) -> Settings:
    """The miniature: texts, an untrained encoder and a pretrained base policy, made on the spot."""
    sizes = world_settings(settings.world, settings.grpo.seed)
    world = stages.run("world", partial(build_world, settings=sizes), dataclasses.asdict(sizes))
    return use_world(settings, world)


def split_data(settings: Settings, stages: Stages) -> dict[str, list[Row]]:
    """Cold start, calibration, RL and test: no row in two of them."""
    data, seed, policy = settings.data, settings.grpo.seed, settings.policy
    decides = {
        **decisive(data),
        "tokenizer": policy.model_name_or_path,
        "chat_template": policy.chat_template,
        "seed": seed,
        "files": file_digests(data),
    }
    prepared = stages.run("data", lambda folder: prepare(folder, data, load_tokenizer(policy), seed), decides)
    return {name: read_part(prepared, name) for name in PARTS}


def fine_tune(settings: Settings, stages: Stages, name: str, rows: list[Row]) -> Path:
    """Supervised fine-tuning from the base: a little for the cold start, on everything for the strong baseline."""
    epochs, minutes = getattr(settings.sft, f"{name}_epochs"), getattr(settings.run, f"{name}_minutes")
    return stages.run(
        name,
        partial(train_sft, rows=rows, settings=settings, epochs=epochs, minutes=minutes),
        {**decisive(settings.policy), **decisive(settings.sft), "rows": len(rows), "seed": settings.grpo.seed},
        inputs=("data",),
        every_process=True,
        keep_partial=True,
    )


def measure_threshold(stages: Stages, evaluator: Evaluator, rows: list[Row], cold_start: Path) -> float | Calibration:
    """tau: the similarity that the cold start already reaches, on rows that nothing trains on."""
    reward, grpo = evaluator.settings.reward, evaluator.settings.grpo
    if reward.threshold is not None:
        return reward.threshold
    sampling = ("temperature", "top_p", "max_completion_length", "num_generations", "seed")
    calibrated = stages.run(
        "calibration",
        partial(evaluator.calibrate, rows=rows, adapter=cold_start),
        {
            "statistic": reward.threshold_statistic,
            "encoder": evaluator.encoder.fingerprint,
            **{name: getattr(grpo, name) for name in sampling},
        },
        inputs=("data", "cold_start"),
    )
    return Calibration.load(calibrated / "calibration.json")


def reinforce(
    stages: Stages, evaluator: Evaluator, rows: list[Row], cold_start: Path, threshold: float | Calibration
) -> None:
    """GRPO from the cold start on; if asked for, once more without the language reward, to see what that earns."""
    settings = evaluator.settings
    data, evaluation = settings.data, settings.evaluation
    reward = make_reward(
        settings.reward,
        evaluator.encoder,
        threshold,
        data.target_language,
        held_out=evaluator.held_out,
        parser_language=evaluator.parser_language,
        task=data.task,
        data_folder=evaluator.data_folder,
        pairs=stages.folder / "data" / PAIRS,
    )
    rewards = {"grpo": reward}
    if settings.run.similarity_only:
        components = [(part, 0.0 if index == 1 else weight) for index, (part, weight) in enumerate(reward.components)]
        rewards["grpo_similarity_only"] = reward.replace(components=components)
    texts = read_texts(data.drift_data, evaluation.drift_curve_size) if data.drift_data else []
    work = partial(train_grpo, rows=rows, cold_start=cold_start, settings=settings)
    for stage, paid in rewards.items():
        stages.run(
            stage,
            partial(work, reward=paid, drift_texts=texts, drift_every=evaluation.drift_every),
            {**decisive(settings.grpo), "reward": paid.signature()},
            inputs=("data", "cold_start"),
            every_process=True,
            keep_partial=True,
        )


def evaluate(stages: Stages, evaluator: Evaluator, rows: list[Row]) -> None:
    """All policies, on the same rows, questions and texts."""
    settings = evaluator.settings
    decides = {
        **decisive(settings.evaluation),
        "data": decisive(settings.data),
        "encoders": evaluator.fingerprints,
        "language_detector": settings.reward.language_detector,
        "max_tokens": settings.grpo.max_completion_length,
    }
    for model in results.MODELS:
        adapter = None if model == "base" else stages.folder / model
        if adapter is None or adapter.exists():
            work = partial(evaluator.evaluate, rows=rows, adapter=adapter)
            inputs = ("data",) if adapter is None else ("data", model)
            stages.run(f"evaluate_{model}", work, decides, inputs=inputs)


def main() -> None:
    """Run once, or once per seed."""
    settings, config = parse(sys.argv[1:])
    settings = use_folder(use_pair(settings))
    if settings.run.plan:
        print_plan(settings, config)
        preflight(settings)
        return
    settings = cpu.use_cpu(settings)
    if not settings.run.miniature:
        check_network(settings)
        settings = use_detector(settings)
    folder, seeds = Path(settings.grpo.output_dir), settings.run.seeds
    runs = []
    for one in [settings.for_seed(seed, folder / f"seed-{seed}") for seed in seeds] or [settings]:
        runs.append(run_once(one))
        if process_state().is_main_process:
            results.publish(Path(one.grpo.output_dir), runs[-1])
    if seeds and process_state().is_main_process:
        summary = results.summary(runs)
        results.write_json(folder / "results.json", {"summary": summary, "runs": runs})
        results.print_summary(summary)


if __name__ == "__main__":
    try:
        main()
    except SemRewardError as error:  # its message names what to change; a traceback would hide it
        sys.exit(f"{type(error).__name__}: {error}")
