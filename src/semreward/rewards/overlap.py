"""Overlap with a reference: BLEU, chrF and ROUGE-L, with which semantic rewards are compared (Table 5 of the paper)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from semreward.errors import library
from semreward.rewards.guards import ComparingReward
from semreward.text import Texts, units


@dataclass(frozen=True)
class SacrebleuReward(ComparingReward):
    """What BLEU and chrF share: sacrebleu computes them, by one metric per answer, because its metrics keep state."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sacrebleu_module()  # a missing library shows here, not in the middle of a training

    def signature(self) -> str:
        """All that decides the values, sacrebleu's version included."""
        return f"{super().signature()}|sacrebleu:{sacrebleu_module().__version__}"


@dataclass(frozen=True, kw_only=True)
class BleuReward(SacrebleuReward):
    """Sentence BLEU against a row's reference, divided by 100; see `ComparingReward` for parameters and values.

    N-grams of up to 4 `semreward.text.units` count. The effective order adapts to shorter answers, higher orders with
    no match are smoothed exponentially, and of several references the closest length decides the brevity penalty.

    Source:
        Papineni et al. 2002, https://aclanthology.org/P02-1040; computed by sacrebleu (Post 2018,
        https://aclanthology.org/W18-6319). Table 5 of Su et al. 2026 uses a BLEU reward and does not define it.

    Example:
        >>> reward = BleuReward()
        >>> reward(completions=["the cat sat", "a dog", ""], reference=["the cat sat"] * 3)
        [1.0, 0.0, 0.0]
    """

    name: str = "bleu"

    def _compared(self, answer: str, _source: str, references: Texts) -> float:
        metric = sacrebleu_module().metrics.BLEU(tokenize="none", effective_order=True, force=True)
        spaced, *others = (" ".join(units(text)) for text in (answer, *references))
        return _sentence_score(metric, spaced, others)


@dataclass(frozen=True, kw_only=True)
class ChrfReward(SacrebleuReward):
    """Sentence chrF against a row's reference, divided by 100; see `ComparingReward` for parameters and values.

    N-grams of 1 to 6 characters count, without white space; recall counts twice as much as precision. With several
    references the best match counts.

    Source:
        Popović 2015, https://aclanthology.org/W15-3049; computed by sacrebleu with its defaults.

    Example:
        >>> reward = ChrfReward()
        >>> reward(completions=["བོད་ཡིག", "字", ""], reference=["བོད་ཡིག"] * 3)
        [1.0, 0.0, 0.0]
    """

    name: str = "chrf"

    def _compared(self, answer: str, _source: str, references: Texts) -> float:
        return _sentence_score(sacrebleu_module().metrics.CHRF(), answer, references)


@dataclass(frozen=True, kw_only=True)
class RougeLReward(ComparingReward):
    r"""Sentence ROUGE-L against a row's reference; see `ComparingReward` for parameters and values.

    $$R(y, y^*) = \frac{2 P Q}{P + Q}, \quad P = \frac{LCS(y, y^*)}{|y|}, \quad Q = \frac{LCS(y, y^*)}{|y^*|}$$

    LCS is the longest common subsequence in `semreward.text.units`. With several references the best match counts.

    Source:
        Lin 2004, https://aclanthology.org/W04-1013, at the level of sentences with beta = 1.

    Example:
        >>> reward = RougeLReward()
        >>> reward(completions=["a c", "x", ""], reference=["a b c"] * 3)
        [0.8, 0.0, 0.0]
    """

    name: str = "rouge_l"

    def _compared(self, answer: str, _source: str, references: Texts) -> float:
        return max(rouge_l_f1(answer, text) for text in references)


def rouge_l_f1(completion: str, reference: str) -> float:
    """ROUGE-L F1 of two texts, in [0, 1]; symmetric, 1 if their units agree, 0 if none is common."""
    completed, wanted = units(completion), units(reference)
    common = common_subsequence_length(completed, wanted)
    return 2 * common / (len(completed) + len(wanted)) if common else 0.0


def common_subsequence_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence of two sequences; bit i of `row` is 0 where it grows at `first[i]`.

    Source:
        Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    positions: dict[str, int] = {}
    for index, unit in enumerate(first):
        positions[unit] = positions.get(unit, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for unit in second:
        matched = row & positions.get(unit, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(first) - row.bit_count()


def _sentence_score(metric: Any, answer: str, references: Sequence[str]) -> float:
    return min(1.0, float(metric.sentence_score(answer, list(references)).score) / 100)  # rounding may exceed 100


def sacrebleu_module() -> Any:
    """The sacrebleu library; a `MissingDependencyError` without it."""
    return library("sacrebleu", "semreward[eval]")
