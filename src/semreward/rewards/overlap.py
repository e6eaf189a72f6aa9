"""Overlap with a reference: BLEU, chrF and ROUGE-L, with which semantic rewards are compared (Table 5 of the paper)."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from semreward.arguments import check_choice
from semreward.batch import MISSING_POLICIES, Batch, MissingPolicy, Texts
from semreward.errors import MissingDependencyError
from semreward.rewards.base import Outcome, Reward
from semreward.text import units


@dataclass(frozen=True, kw_only=True)
class OverlapReward(Reward):
    """What BLEU, chrF and ROUGE-L share. Values lie in [0, 1]: 1 for the reference itself, 0 for an empty answer.

    Args:
        reference_column: Name of the column with a string, or a list of strings, per row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
        name, answer, on_error: As for every `Reward`.

    Raises:
        ArgumentError: A parameter is out of its range.
        MissingDependencyError: BLEU and chrF: sacrebleu is not installed.
    """

    reference_column: str = "reference"
    on_missing: MissingPolicy = "raise"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("on_missing", self.on_missing, MISSING_POLICIES)
        self._scorer()  # a missing library shows here, not in the middle of a training

    def score(self, batch: Batch) -> Outcome:
        """The rewards of a batch; NaN where the reference is missing."""
        values = np.full(len(batch.answers), np.nan)
        scorer = self._scorer()
        references = batch.references(self.reference_column, self.on_missing)
        for row, (answer, texts) in enumerate(zip(batch.answers, references, strict=True)):
            if texts is not None:
                values[row] = scorer(answer, texts)
        return Outcome(values)

    @abstractmethod
    def _scorer(self) -> Callable[[str, Texts], float]:
        """A function for one call: how much an answer has of its references. sacrebleu's metrics keep state."""


@dataclass(frozen=True, kw_only=True)
class BleuReward(OverlapReward):
    """Sentence BLEU against a row's reference, divided by 100; see `OverlapReward` for parameters and values.

    N-grams of up to 4 `semreward.text.units` count (Han characters, Tibetan syllables, words). The effective order
    adapts to answers of fewer than 4 units, and higher orders without a match are smoothed exponentially. With several
    references, n-grams of all count, and the closest length decides the brevity penalty.

    Source:
        Papineni et al. 2002, https://aclanthology.org/P02-1040; computed by sacrebleu (Post 2018,
        https://aclanthology.org/W18-6319). Table 5 of Su et al. 2026 uses a BLEU reward and does not define it.

    Example:
        >>> reward = BleuReward()
        >>> reward(completions=["the cat sat", "a dog", ""], reference=["the cat sat"] * 3)
        [1.0, 0.0, 0.0]
    """

    name: str = "bleu"

    def signature(self) -> str:
        """All that decides the values, sacrebleu's version included."""
        return f"{super().signature()}|sacrebleu:{sacrebleu_module().__version__}"

    def _scorer(self) -> Callable[[str, Texts], float]:
        metric = sacrebleu_module().metrics.BLEU(tokenize="none", effective_order=True, force=True)
        return lambda answer, texts: _sentence_score(metric, _spaced(answer), map(_spaced, texts))


@dataclass(frozen=True, kw_only=True)
class ChrfReward(OverlapReward):
    """Sentence chrF against a row's reference, divided by 100; see `OverlapReward` for parameters and values.

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

    def signature(self) -> str:
        """All that decides the values, sacrebleu's version included."""
        return f"{super().signature()}|sacrebleu:{sacrebleu_module().__version__}"

    def _scorer(self) -> Callable[[str, Texts], float]:
        metric = sacrebleu_module().metrics.CHRF()
        return lambda answer, texts: _sentence_score(metric, answer, texts)


@dataclass(frozen=True, kw_only=True)
class RougeLReward(OverlapReward):
    r"""Sentence ROUGE-L against a row's reference; see `OverlapReward` for parameters and values.

    $$R(y, y^*) = \frac{2 P Q}{P + Q}, \quad P = \frac{LCS(y, y^*)}{|y|}, \quad Q = \frac{LCS(y, y^*)}{|y^*|}$$

    LCS is the longest common subsequence; lengths count `semreward.text.units` (Han characters, Tibetan syllables,
    words). With several references the best match counts.

    Source:
        Lin 2004, https://aclanthology.org/W04-1013, at the level of sentences with beta = 1.

    Example:
        >>> reward = RougeLReward()
        >>> reward(completions=["a c", "x", ""], reference=["a b c"] * 3)
        [0.8, 0.0, 0.0]
    """

    name: str = "rouge_l"

    def _scorer(self) -> Callable[[str, Texts], float]:
        return lambda answer, texts: max(rouge_l_f1(answer, text) for text in texts)


def rouge_l_f1(completion: str, reference: str) -> float:
    """ROUGE-L F1 of two texts, in [0, 1]; symmetric, 1 if their units agree, 0 if none is common.

    Example:
        >>> rouge_l_f1("a c", "a b c")  # LCS = 2, P = 1, R = 2/3
        0.8
    """
    completed, wanted = units(completion), units(reference)
    common = common_subsequence_length(completed, wanted)
    return 2 * common / (len(completed) + len(wanted)) if common else 0.0


def common_subsequence_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence of two sequences; bit i of `row` is 0 where it grows at `first[i]`.

    Source:
        Hyyrö 2004, "Bit-parallel LCS-length computation revisited".

    Example:
        >>> common_subsequence_length("abcbdab", "bdcaba")
        4
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


def _spaced(text: str) -> str:
    return " ".join(units(text))


def _sentence_score(metric: Any, answer: str, references: Any) -> float:
    if not answer:
        return 0.0
    return min(1.0, float(metric.sentence_score(answer, list(references)).score) / 100)  # rounding may exceed 100


def sacrebleu_module() -> Any:
    """The sacrebleu library.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import sacrebleu
        import sacrebleu.metrics
    except ModuleNotFoundError as error:
        if error.name != "sacrebleu":
            raise  # sacrebleu is there, and something that it needs is not
        raise MissingDependencyError("BLEU and chrF need sacrebleu; pip install 'semreward[eval]'") from error
    return sacrebleu
