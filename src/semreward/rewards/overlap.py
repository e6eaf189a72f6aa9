"""Overlap with a reference: BLEU, chrF and ROUGE-L, with which semantic rewards are compared (Table 5 of the paper)."""

import functools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from semreward.arguments import check_choice
from semreward.batch import MISSING_POLICIES, Batch, MissingPolicy
from semreward.errors import MissingDependencyError
from semreward.rewards.base import Outcome, Reward
from semreward.text import units

# sacrebleu counts in percent.
_PERCENT = 100.0


@dataclass(frozen=True, kw_only=True)
class OverlapReward(Reward):
    """What BLEU, chrF and ROUGE-L share: a row's references.

    Args:
        reference_column: Name of the column with a string, or a list of strings, a row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
    """

    reference_column: str = "reference"
    on_missing: MissingPolicy = "raise"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("on_missing", self.on_missing, MISSING_POLICIES)

    def score(self, batch: Batch) -> Outcome:
        """The rewards of a batch; NaN where the reference is missing."""
        values = np.full(len(batch), np.nan)
        overlap = self._overlap_function()
        references = batch.references(self.reference_column, self.on_missing)
        for row, (answer, texts) in enumerate(zip(batch.answers, references, strict=True)):
            if texts is not None:
                values[row] = overlap(answer, texts)
        return Outcome(values)

    @abstractmethod
    def _overlap_function(self) -> Callable[[str, tuple[str, ...]], float]:
        """What tells, for one call, how much an answer has of its references, in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class SacrebleuReward(OverlapReward):
    """What BLEU and chrF share: sacrebleu computes them, in percent."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sacrebleu_module()  # a missing library shows here, not in the middle of a training

    def signature(self) -> str:
        """All that decides the numbers, sacrebleu's version included."""
        return f"{super().signature()}|sacrebleu:{sacrebleu_module().__version__}"

    def _overlap_function(self) -> Callable[[str, tuple[str, ...]], float]:
        return functools.partial(self._overlap, self._metric())

    def _overlap(self, metric: Any, answer: str, references: tuple[str, ...]) -> float:
        prepared = self._prepared(answer)
        if not prepared:
            return 0.0
        percent = metric.sentence_score(prepared, [self._prepared(text) for text in references]).score
        return min(1.0, float(percent) / _PERCENT)  # rounding may end just above 100

    @abstractmethod
    def _metric(self) -> Any:
        """A new sacrebleu metric: they keep state while they score, so that threads must not share one."""

    @staticmethod
    @abstractmethod
    def _prepared(text: str) -> str:
        """A text as the metric reads it."""


@dataclass(frozen=True, kw_only=True)
class BleuReward(SacrebleuReward):
    """Sentence BLEU against a row's reference.

    $$R(y, y^*) = BLEU(y, y^*) / 100$$

    A value is a float in [0, 1]; 1 for the reference itself, 0 where no unit matches and for an empty completion.
    N-grams of up to 4 `semreward.text.units` count (Han characters, Tibetan syllables, words), the effective order
    adapts to completions of fewer than 4 units, and higher orders without a match are smoothed exponentially. Several
    references are used as BLEU does: n-grams of all of them count, the closest length decides the brevity penalty. A
    row is `None` only where its reference is missing and `on_missing="none"`.

    Args:
        reference_column: Name of the column with a string, or a list of strings, a row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
        name: Metric key.
        answer: How the answer is found in a completion.

    Raises:
        MissingDependencyError: sacrebleu is not installed.
        ArgumentError: A parameter is out of its range.

    Source:
        Papineni et al. 2002, https://aclanthology.org/P02-1040; computed by sacrebleu (Post 2018,
        https://aclanthology.org/W18-6319). Table 5 of Su et al. 2026 uses a BLEU reward and does not define it.

    Example:
        >>> reward = BleuReward()
        >>> reward(completions=["the cat sat", "a dog", ""], reference=["the cat sat"] * 3)
        [1.0, 0.0, 0.0]
    """

    name: str = "bleu"

    def _metric(self) -> Any:
        return sacrebleu_module().metrics.BLEU(tokenize="none", effective_order=True, force=True)

    @staticmethod
    def _prepared(text: str) -> str:
        return " ".join(units(text))


@dataclass(frozen=True, kw_only=True)
class ChrfReward(SacrebleuReward):
    """Sentence chrF against a row's reference.

    $$R(y, y^*) = chrF_2(y, y^*) / 100$$

    A value is a float in [0, 1]; 1 for the reference itself, 0 where no character matches and for an empty completion.
    N-grams of 1 to 6 characters count, white space left out, recall twice as important as precision. Of several
    references the best match counts. A row is `None` only where its reference is missing and `on_missing="none"`.

    Args:
        reference_column: Name of the column with a string, or a list of strings, a row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
        name: Metric key.
        answer: How the answer is found in a completion.

    Raises:
        MissingDependencyError: sacrebleu is not installed.
        ArgumentError: A parameter is out of its range.

    Source:
        Popović 2015, https://aclanthology.org/W15-3049; computed by sacrebleu with its defaults.

    Example:
        >>> reward = ChrfReward()
        >>> reward(completions=["བོད་ཡིག", "字", ""], reference=["བོད་ཡིག"] * 3)
        [1.0, 0.0, 0.0]
    """

    name: str = "chrf"

    def _metric(self) -> Any:
        return sacrebleu_module().metrics.CHRF()

    @staticmethod
    def _prepared(text: str) -> str:
        return text


@dataclass(frozen=True, kw_only=True)
class RougeLReward(OverlapReward):
    r"""Sentence ROUGE-L against a row's reference: how much of both is their longest common subsequence.

    $$R(y, y^*) = \frac{2 P Q}{P + Q}, \quad P = \frac{LCS(y, y^*)}{|y|}, \quad Q = \frac{LCS(y, y^*)}{|y^*|}$$

    A value is a float in [0, 1]; 1 where the units agree, 0 where none is common and for an empty completion. Lengths
    count `semreward.text.units` (Han characters, Tibetan syllables, words). Of several references the best match
    counts. A row is `None` only where its reference is missing and `on_missing="none"`. Needs no further library; two
    texts of 10,000 units take about a tenth of a second.

    Args:
        reference_column: Name of the column with a string, or a list of strings, a row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
        name: Metric key.
        answer: How the answer is found in a completion.

    Raises:
        ArgumentError: A parameter is out of its range.

    Source:
        Lin 2004, https://aclanthology.org/W04-1013, at the level of sentences with beta = 1.

    Example:
        >>> reward = RougeLReward()
        >>> reward(completions=["a c", "x", ""], reference=["a b c"] * 3)
        [0.8, 0.0, 0.0]
    """

    name: str = "rouge_l"

    def _overlap_function(self) -> Callable[[str, tuple[str, ...]], float]:
        return _best_rouge_l


def _best_rouge_l(answer: str, references: tuple[str, ...]) -> float:
    return max(rouge_l_f1(answer, reference) for reference in references)


def rouge_l_f1(completion: str, reference: str) -> float:
    """ROUGE-L F1 of one pair of texts, in [0, 1]; symmetric, 1 where the units agree, 0 where none is common.

    Example:
        >>> rouge_l_f1("a c", "a b c")  # LCS = 2, P = 1, R = 2/3
        0.8
    """
    completed, wanted = units(completion), units(reference)
    common = common_subsequence_length(completed, wanted)
    return 2 * common / (len(completed) + len(wanted)) if common else 0.0


def common_subsequence_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence of two sequences.

    Bit i of `row` is 0 where the length grows from `first[:i]` to `first[:i + 1]`; each unit of `second` updates all
    bits at once.

    Source:
        Hyyrö 2004, "Bit-parallel LCS-length computation revisited".

    Example:
        >>> common_subsequence_length("abcbdab", "bdcaba")
        4
    """
    places: dict[str, int] = {}
    for place, unit in enumerate(first):
        places[unit] = places.get(unit, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for unit in second:
        matched = row & places.get(unit, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(first) - row.bit_count()


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
