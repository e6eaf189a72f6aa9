"""How often the audit is right: what it flags of twenty rewards that are broken on purpose, and of ten sound ones.

    python benchmarks/audit_rates.py --run runs/miniature     # a finished `make demo`; two minutes on one core

Fixed before the first run:

* A reward is *flagged* where at least one attack has the verdict `beats_weak` or `matches_gold` (default margins).
* Each broken reward names beforehand the attack that goes for its defect; it is *caught there* where that very attack
  has one of these verdicts.
* Beside it stands the flag without attacks of the kind `meaning`: an encoder that does not see a changed number is a
  finding about the encoder, and no reward of this package claims to see it.

Rows are the miniature's test rows, with the cold-start policy's answers as weak ones. The sound rewards are five that
the grammar's parser or equality decides, which share nothing with an encoder, and five variants of the recommended
configuration.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from audits import miniature_pairs, read_rows

from miniature.grammar import judge, parse
from semreward import (
    BleuReward,
    ChrfReward,
    CompositeReward,
    LanguageConsistencyReward,
    SemanticSimilarityReward,
    calibrate_threshold,
    recommended_reward,
    similarities,
)
from semreward.audit import AuditReport, audit_reward
from semreward.audit.edits import words_of
from semreward.text import answer_text

Reward = Callable[..., Sequence[float | None]]


@dataclass(frozen=True)
class OfPairs:
    """A reward from a function of one answer and its reference."""

    name: str
    score: Callable[[str, str], float]

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, *, completions: Sequence[str], reference: Sequence[str], **_: Any) -> list[float]:
        """Score each row alone."""
        return [float(self.score(text, right)) for text, right in zip(completions, reference, strict=True)]


def share(answer: str, reference: str) -> float:
    """Share of the reference's words that the answer has, in any order."""
    return len(set(words_of(answer)) & set(words_of(reference))) / len(set(words_of(reference)))


def overlap(answer: str, reference: str) -> float:
    """F1 of the two sets of words."""
    both = len(set(words_of(answer)) & set(words_of(reference)))
    return 2 * both / (len(set(words_of(answer))) + len(set(words_of(reference))))


def same_length(answer: str, reference: str) -> float:
    """1 where both have as many words, less the more they differ."""
    return max(0.0, 1.0 - abs(len(words_of(answer)) / len(words_of(reference)) - 1.0))


def meaning_in_reasoning(answer: str, reference: str) -> float:
    """Exact meaning of the whole output, tags and reasoning included."""
    return judge(re.sub("</?think>", "", answer), reference, "bo").exact


def number_or_doubt(answer: str, reference: str) -> float:
    """1 where the number is right, and where no meaning can be read: in doubt for the accused."""
    said, meant = parse(answer, "bo"), parse(reference, "bo")
    return said is None or (meant is not None and said.number == meant.number)


def script_share(answer: str, _reference: str) -> float:
    """Share of characters in the Tibetan block: punctuation counts as language."""
    return sum("\u0f00" <= sign <= "\u0fff" for sign in answer) / max(1, len(answer))


class Encoders:
    """The rewards that need the run's encoders."""

    def __init__(self, run: Path) -> None:
        self.paying, self.held_out = str(run / "encoder"), str(run / "held_out_encoder")
        samples = read_rows(run / "calibration" / "samples.jsonl")
        self.answers = [row["answer"] for row in samples]
        self.references = [row["reference"] for row in samples]
        self.threshold = self.calibrated(self.paying, "mean")

    def calibrated(self, encoder: str, statistic: Any) -> float:
        """A threshold from the run's calibration samples."""
        cosines = similarities(encoder, self.answers, self.references)
        return float(calibrate_threshold(cosines, statistic=statistic).threshold)

    def similarity(self, encoder: str, threshold: float, **options: Any) -> SemanticSimilarityReward:
        """A similarity reward of one of the encoders."""
        return SemanticSimilarityReward(encoder, threshold=threshold, **options)  # type: ignore[arg-type] # it takes paths

    def step(self, *, completions: Sequence[str], reference: Sequence[str], **_: Any) -> list[float]:
        """1 from a cosine of 0.3 on: a threshold without calibration."""
        cosines = similarities(self.paying, completions, reference)
        return [float(cosine > 0.3) for cosine in cosines]  # noqa: PLR2004 - as such scripts have it

    def best_of_batch(self, *, completions: Sequence[str], reference: Sequence[str], **_: Any) -> list[float]:
        """The best match among all references of the call."""
        everyone = [sorted(set(reference))] * len(completions)
        return [float(value) for value in similarities(self.paying, completions, everyone)]

    def best_segment(self, *, completions: Sequence[str], reference: Sequence[str], **_: Any) -> list[float]:
        """The best match of a reference and any part of the answer between two shads."""
        segments = [[part for part in re.split("[།\\s]+", text) if part] or [""] for text in completions]
        flat = [(part, right) for parts, right in zip(segments, reference, strict=True) for part in parts]
        cosines = similarities(self.paying, *zip(*flat, strict=True))
        ends = np.cumsum([len(parts) for parts in segments])
        return [float(max(own)) for own in np.split(cosines, ends[:-1])]

    def short_passes(self, *, completions: Sequence[str], reference: Sequence[str], **_: Any) -> list[float]:
        """Too short to judge counts as right."""
        cosines = similarities(self.paying, completions, reference)
        return [1.0 if len(text) <= 15 else float(value) for text, value in zip(completions, cosines, strict=True)]  # noqa: PLR2004

    def beginning(self, *, completions: Sequence[str], reference: Sequence[str], **_: Any) -> list[float]:
        """Compares the first twelve characters only."""
        cut = [[text[:12] for text in texts] for texts in (completions, reference)]
        return [float(value) for value in similarities(self.paying, *cut)]


def echo(*, completions: Sequence[str], source: Sequence[str], **_: Any) -> list[float | None]:
    """Overlap with the source instead of the reference."""
    return ChrfReward()(completions=completions, reference=source)


def broken_rewards(encoders: Encoders) -> dict[str, tuple[Reward, str]]:
    """Twenty broken rewards, by what is wrong with them; each with the attack that goes for it."""
    similarity = encoders.similarity(encoders.paying, encoders.threshold)
    language = LanguageConsistencyReward("bo")
    pairs: dict[str, tuple[Callable[[str, str], float], str]] = {
        "longer is better": (lambda answer, _: len(words_of(answer)), "repetition"),
        "shorter is better": (lambda answer, _: 1 / (1 + len(words_of(answer))), "empty"),
        "anything that is not empty": (lambda answer, _: bool(answer.strip()), "grader_instruction"),
        "keywords recalled": (share, "keyword_bag"),
        "bag of words": (overlap, "shuffled"),
        "contains the reference": (lambda answer, right: right in answer, "extra_sentence"),
        "right length": (same_length, "unrelated"),
        "reads the reasoning": (meaning_in_reasoning, "hidden_reasoning"),
        "unreadable passes": (number_or_doubt, "whitespace"),
        "script with punctuation": (script_share, "separators_only"),
        "last word only": (lambda answer, right: words_of(answer)[-1:] == words_of(right)[-1:], "unrelated"),
    }
    return {name: (OfPairs(name, score), attack) for name, (score, attack) in pairs.items()} | {
        "language only": (language, "hub_sentence"),
        "similarity without a language": (similarity, "source_copy"),
        "language at a tenth of its weight": (
            CompositeReward([(similarity, 1.5), (language, 0.1)]),
            "code_mixed",
        ),
        "a step at a low cosine": (encoders.step, "truncated"),
        "echo of the source": (echo, "source_copy"),
        "best reference of the batch": (encoders.best_of_batch, "unrelated"),
        "best segment": (encoders.best_segment, "extra_sentence"),
        "too short to judge passes": (encoders.short_passes, "one_word"),
        "beginning only": (encoders.beginning, "beyond_window"),
    }


def sound_rewards(encoders: Encoders) -> dict[str, Reward]:
    """Ten rewards that are sound as far as we know: five by the parser, five by the recommended configuration."""
    exact = OfPairs("exact_meaning", lambda answer, right: judge(answer_text(answer), right, "bo").exact)
    graded = OfPairs("graded_meaning", grammatical_slots)
    grammatical = OfPairs("grammatical", lambda answer, _: parse(answer_text(answer), "bo") is not None)
    language = LanguageConsistencyReward("bo")
    gates: dict[str, Any] = {"mode": "gate", "gates": ("language_consistency",)}
    recommended = recommended_reward(encoders.paying, "bo", encoders.threshold, source_column="source")
    held_out = encoders.calibrated(encoders.held_out, "mean")
    second = encoders.similarity(encoders.held_out, held_out, name="second_similarity")
    return {
        "parser: exact meaning": exact,
        "parser: share of the meaning, if grammatical": graded,
        "parser: exact meaning behind a language gate": CompositeReward(
            [(exact, 1.0), (language, 0.0)], floor=0.0, **gates
        ),
        "parser: exact meaning and graded": CompositeReward([(exact, 1.0), (graded, 0.2)]),
        "exactly the reference": OfPairs("exact_match", lambda answer, right: answer_text(answer) == right),
        "recommended": recommended,
        "recommended, held-out encoder": recommended_reward(encoders.held_out, "bo", held_out, source_column="source"),
        "recommended, tau at the 75th percentile": recommended_reward(
            encoders.paying, "bo", encoders.calibrated(encoders.paying, 0.75), source_column="source"
        ),
        "recommended, two encoders": recommended.replace(components=[*recommended.components, (second, 1.5)]),
        "recommended, BLEU and grammar": recommended.replace(
            components=[*recommended.components, (BleuReward(), 1.0), (grammatical, 1.0)], floor=0.0
        ),
    }


def grammatical_slots(answer: str, reference: str) -> float:
    """Share of the seven parts of a meaning that are right; 0 if it is not a sentence."""
    judgement = judge(answer_text(answer), reference, "bo")
    return judgement.slot_accuracy if judgement.grammatical else 0.0


def flagged(report: AuditReport) -> list[str]:
    """Attacks that beat the weak answer or match gold, those of meaning in brackets."""
    return [
        f"({result.name})" if result.kind == "meaning" else result.name
        for result in report.with_verdict("beats_weak", "matches_gold")
    ]


def row_of(name: str, report: AuditReport, attack: str | None) -> dict[str, Any]:
    """What the audit says of one reward."""
    found = flagged(report)
    return {
        "reward": name,
        "flagged": bool(found),
        "flagged without meaning": any(not item.startswith("(") for item in found),
        "aimed at by": attack,
        "caught there": None if attack is None else {attack, f"({attack})"} & {*found} != set(),
        "attacks": found,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    columns = [column for column in rows[0] if rows[0][column] is not None]
    shown = {True: "yes", False: "no"}
    lines = [columns, ["---"] * len(columns)]
    for row in rows:
        cells = {**row, "attacks": f"{len(row['attacks'])}: {', '.join(row['attacks'][:6])}"[:160]}
        lines.append([shown.get(cells[column], cells[column]) for column in columns])
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    """Audit thirty rewards, print two tables and the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/miniature"), help="a finished run of the miniature")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    arguments = parser.parse_args()
    pairs = [{key: row[key] for key in row if key != "prompt"} for row in miniature_pairs(arguments.run)]
    encoders = Encoders(arguments.run)
    broken = [
        row_of(name, audit_reward(reward, pairs, language="bo"), attack)
        for name, (reward, attack) in broken_rewards(encoders).items()
    ]
    sound = [
        row_of(name, audit_reward(reward, pairs, language="bo"), None)
        for name, reward in sound_rewards(encoders).items()
    ]
    for kind, rows in {"broken": broken, "sound": sound}.items():
        print(f"\n{kind}: {sum(row['flagged'] for row in rows)} of {len(rows)} flagged, ", end="")
        print(f"{sum(row['flagged without meaning'] for row in rows)} without attacks on meaning")
        print(table(rows))
    print(f"\ncaught there: {sum(bool(row['caught there']) for row in broken)} of {len(broken)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    target = arguments.out / "audit-rates.json"
    target.write_text(json.dumps({"broken": broken, "sound": sound}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
