"""What closes the hole for source words? GRPO, English -> German, with and without guard and adapted encoder.

    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/leak_ablation.py --real real --runs runs/leak --seeds 0 1 2
    python benchmarks/leak_ablation.py --runs runs/leak --arms cold_start reward guard ...   # some of the arms
    python benchmarks/leak_ablation.py --runs runs/leak --sheet 100 --seeds 0                # answers to label, blind

The recipe after a light cold start, where the policy knows few words: docs/results/captions.md shows the hole. One
cold start per seed; all arms start from it, on the same rows. Every arm is judged alike, by what paid none of them:
chrF and BLEU, MiniLM, answers with a source word, and labels of a blind sample. Each cell (seed and arm) ends in a JSON
file with configuration, scores, curves and numbers per answer, but no texts and no weights; a cell takes about half an
hour of one thread. Interrupted, it resumes from its last checkpoint.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent
sys.path[:0] = [str(REPOSITORY / "examples"), str(REPOSITORY / "benchmarks")]

import captions  # noqa: E402 - the folders come first

import cpu  # noqa: E402
import grpo_tibetan  # noqa: E402
from semreward import Calibration, CompositeReward, ForeignWordGuard, SentenceTransformerEncoder, calibrate  # noqa: E402
from semreward.files import read_rows, write_text  # noqa: E402
from tibetan.arguments import Settings, decisive, parse  # noqa: E402
from tibetan.encoder import adapt_encoders  # noqa: E402
from tibetan.evaluate import Evaluator  # noqa: E402
from tibetan.policy import train_grpo  # noqa: E402
from tibetan.pretrained import use_folder, use_pair  # noqa: E402
from tibetan.results import provenance  # noqa: E402
from tibetan.rewards import make_reward  # noqa: E402
from tibetan.stages import Stages  # noqa: E402

RESULTS = REPOSITORY / "docs" / "results" / "leak"
ARMS = {"cold_start": "", "reward": "", "guard": "guard", "encoder": "encoder", "both": "guard+encoder"}
"""Arm -> what it adds to 1.5 x similarity + 1.0 x language (script and detector)."""

SIZES = ["--cold_start_size", "2000", "--rl_size", "400", "--test_size", "500", "--max_steps", "40"]


def run_seed(seed: int, arguments: argparse.Namespace) -> None:
    """The cold start of a seed, and its arms."""
    given = ["--config", str(REPOSITORY / "examples/configs/captions.yaml"), "--real", str(arguments.real), *SIZES]
    settings, _ = parse([*given, "--pair", "en-de", "--seed", str(seed)])
    settings = cpu.use_cpu(use_folder(use_pair(settings)))
    settings = settings.replace(output_dir=str(arguments.runs / f"seed-{seed}"), drift_data=None, reading_data=None)
    stages = Stages(Path(settings.grpo.output_dir))
    rows = grpo_tibetan.split_data(settings, stages)
    encoder, held_out = adapt_encoders(settings, stages)
    evaluator = Evaluator(settings, encoder, held_out, stages.folder / "data")
    cold_start = grpo_tibetan.fine_tune(settings, stages, "cold_start", rows["cold_start"])
    threshold = grpo_tibetan.measure_threshold(stages, evaluator, rows["calibration"], cold_start)
    for arm in arguments.arms:
        cell = RESULTS / f"seed-{seed}-{arm}.json"
        if arm != "cold_start":
            reward = arm_reward(arm, stages, evaluator, threshold, arguments.adapted)
            work = partial(train_grpo, rows=rows["rl"], cold_start=cold_start, settings=settings, reward=reward)
            decides = {**decisive(settings.grpo), "reward": reward.signature()}
            stages.run(arm, work, decides, inputs=("data", "cold_start"), keep_partial=True)
        evaluated = stages.run(
            f"evaluate_{arm}",
            partial(evaluator.evaluate, rows=rows["test"], adapter=stages.folder / arm),
            {"encoders": evaluator.fingerprints},
            inputs=("data", arm),
        )
        write_text(cell, json.dumps(kept(stages, arm, evaluated, settings), ensure_ascii=False) + "\n")
        print(f"{cell.name}: {json.loads((evaluated / 'scores.json').read_text())['source_leak']}", flush=True)


def arm_reward(
    arm: str, stages: Stages, evaluator: Evaluator, threshold: float | Calibration, adapted: Path
) -> CompositeReward:
    """The reward of an arm. tau of the adapted encoder comes from the same samples of the cold start."""
    settings, encoder, adds = evaluator.settings, evaluator.encoder, ARMS[arm]
    if "encoder" in adds:
        encoder = SentenceTransformerEncoder(str(adapted), prompt=settings.encoders.encoder_prompt)
        samples = list(read_rows(stages.folder / "calibration" / "samples.jsonl"))
        answers, references = ([row[name] for row in samples] for name in ("answer", "reference"))
        group = settings.grpo.num_generations or 1
        threshold = calibrate(encoder, answers, references, samples_per_prompt=group)
        threshold.save(stages.folder / f"calibration-{arm}.json")
        print(threshold)
    reward = make_reward(
        settings.reward,
        encoder,
        threshold,
        settings.data.target_language,
        held_out=evaluator.held_out,
        data_folder=evaluator.data_folder,
    )
    if "guard" in adds:
        data = settings.data
        guard = ForeignWordGuard(target=data.target_column, source=data.source_column, data=str(data.train_data))
        reward = reward.replace(components=[*reward.components, (guard, 0.0)], mode="gate", gates=(guard.name,))
    return reward


def kept(stages: Stages, arm: str, evaluated: Path, settings: Settings) -> dict[str, Any]:
    """A cell's numbers, without texts and weights."""
    answers = list(read_rows(evaluated / "samples.jsonl"))
    each = [name for name in answers[0] if name not in ("source", "reference", "answer")]
    record = json.loads((stages.folder / arm / "stage.json").read_text())
    calibration = f"calibration-{arm}.json" if "encoder" in ARMS[arm] else "calibration/calibration.json"
    found = {
        "arm": arm,
        "seed": settings.grpo.seed,
        "sizes": dict(zip(SIZES[::2], SIZES[1::2], strict=True)),
        "reward": re.sub(r"/[\w./-]*/", "", record["settings"].get("reward", "")),  # nothing of this machine
        "calibration": json.loads((stages.folder / calibration).read_text()),
        "scores": json.loads((evaluated / "scores.json").read_text()),
        "seconds": record["seconds"],
        "steps": captions.grpo_steps(stages.folder / arm) if arm != "cold_start" else [],
        "answers": {
            name: [len(row[name]) if isinstance(row[name], list) else round(row[name], 4) for row in answers]
            for name in each
        },
        "settings": {name: decisive(part) for name, part in vars(settings).items() if name != "world"},
        **provenance(),
    }
    without: dict[str, Any] = captions.without_folders(found)
    return without


def sheet(runs: Path, seeds: Sequence[int], arms: Sequence[str], size: int) -> None:
    """Answers of all arms to the same captions, in random order, without the arm; and the key, in another file."""
    lines, key = [], []
    for seed in seeds:
        rng = random.Random(seed)  # noqa: S311 - a choice of rows, no cryptography
        samples = {arm: list(read_rows(runs / f"seed-{seed}" / f"evaluate_{arm}" / "samples.jsonl")) for arm in arms}
        chosen = rng.sample(range(len(samples[arms[0]])), size)
        for row in chosen:
            answers = {arm: samples[arm][row]["answer"] for arm in arms}
            for answer in sorted(set(answers.values())):  # equal answers are read once
                source, reference = (samples[arms[0]][row][name] for name in ("source", "reference"))
                key.append({"seed": seed, "row": row, "arms": [arm for arm in arms if answers[arm] == answer]})
                lines.append([source, reference, answer])
    order = list(range(len(lines)))
    random.Random(0).shuffle(order)  # noqa: S311 - as above
    texts = [
        "\t".join([str(number), *(text.replace("\t", " ").replace("\n", " ") for text in lines[index]), ""])
        for number, index in enumerate(order)
    ]
    write_text(runs / "sheet.tsv", "\n".join(["number\tsource\treference\tanswer\tlabel", *texts]) + "\n")
    keys = [json.dumps({"number": number, **key[index]}) for number, index in enumerate(order)]
    write_text(runs / "key.jsonl", "\n".join(keys) + "\n")
    print(f"{len(lines)} answers in {runs / 'sheet.tsv'}; who wrote them: {runs / 'key.jsonl'}")


def main() -> None:
    """Run cells, or write a sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=Path("real"), help="folder with models and data: docs/captions.md")
    parser.add_argument("--runs", type=Path, default=Path("runs/leak"))
    parser.add_argument("--adapted", type=Path, help="encoder adapted on code-mixed negatives")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--sheet", type=int, help="write so many captions' answers, to label them blind")
    arguments = parser.parse_args()
    if arguments.sheet:
        sheet(arguments.runs, arguments.seeds, arguments.arms, arguments.sheet)
        return
    for seed in arguments.seeds:
        run_seed(seed, arguments)


if __name__ == "__main__":
    main()
