"""Does an encoder that has seen wrong answers as hard negatives close what an audit leaves open?

    python benchmarks/audit_hard_negatives.py --run runs/miniature     # a finished `make demo`; 5 minutes on one core

Adapts the miniature's encoder anew, with the run's own recipe: without hard negatives, with those of `AttackNegatives`
for all wrong answers, and with those for shuffled words only. Each encoder gets a threshold of its own from the run's
calibration samples, and `recommended_reward` with it is audited on the run's test rows. Seed 0. Encoders go to `--out`.
"""

import argparse
import json
from pathlib import Path

from audits import miniature_pairs, read_rows

from semreward import calibrate_threshold, recommended_reward, similarities
from semreward.adaptation import AdaptationConfig, adapt_encoder
from semreward.audit import WRONG_ANSWERS, AttackNegatives, AuditReport, audit_reward

HELD_OUT = 500

VARIANTS: dict[str, AttackNegatives | None] = {
    "none": None,
    "all five": AttackNegatives("bo"),
    "shuffled only": AttackNegatives("bo", attacks=[WRONG_ANSWERS[0]]),
}


def adapted(run: Path, folder: Path, negatives: AttackNegatives | None) -> str:
    """The folder of an encoder that was adapted with the run's recipe and some hard negatives."""
    settings = json.loads((run / "encoder" / "begun.json").read_text(encoding="utf-8"))["settings"]
    pairs = [(row["zh"], row["bo"]) for row in read_rows(run / "world" / "encoder_pairs.jsonl")]
    config = AdaptationConfig(
        base=str(run / "world" / "encoder"),
        output_dir=str(folder),
        epochs=settings["encoder_epochs"],
        batch_size=settings["encoder_batch_size"],
        learning_rate=settings["encoder_learning_rate"],
        temperature=settings["encoder_temperature"],
        max_tokens=settings["encoder_max_tokens"],
        made_negatives=0 if negatives is None else 1,
        seed=0,
        use_cpu=True,
    )
    adapt_encoder(config, pairs[HELD_OUT:], pairs[:HELD_OUT], make_negatives=negatives)
    return str(folder)


def audited(run: Path, encoder: str) -> tuple[float, AuditReport]:
    """An encoder's threshold, and the audit of the recommended configuration with it."""
    samples = read_rows(run / "calibration" / "samples.jsonl")
    answers, references = ([row[key] for row in samples] for key in ("answer", "reference"))
    threshold = calibrate_threshold(similarities(encoder, answers, references)).threshold
    reward = recommended_reward(encoder, "bo", threshold, source_column="source")
    return threshold, audit_reward(reward, miniature_pairs(run), language="bo")


def main() -> None:
    """Adapt, audit, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/miniature"), help="a finished run of the miniature")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/hard_negatives"))
    arguments = parser.parse_args()
    names = [attack.name for attack in WRONG_ANSWERS]
    print(f"| hard negatives | tau | paraphrase | {' | '.join(names)} | others that beat weak |")
    print("|---" * (len(names) + 4) + "|")
    for label, negatives in VARIANTS.items():
        encoder = adapted(arguments.run, arguments.out / label.replace(" ", "_"), negatives)
        threshold, report = audited(arguments.run, encoder)
        cells = [f"{report[name].position:.2f} ({report[name].win_rate:.0%})" for name in names]
        open_ones = [item.name for item in report.with_verdict("beats_weak", "matches_gold") if item.name not in names]
        paraphrase = f"{report.levels[2].win_rate:.0%}"
        others = ", ".join(open_ones) or "none"
        print(f"| {label} | {threshold:.3f} | {paraphrase} | {' | '.join(cells)} | {others} |", flush=True)


if __name__ == "__main__":
    main()
