"""Overlap with a reference: BLEU and chrF, the rewards that semantic ones are compared with (Table 5 of the paper)."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from semreward.errors import MissingDependencyError
from semreward.rewards.base import (
    CompletionReward,
    MissingPolicy,
    Scores,
    check_missing_policy,
    references_of,
)
from semreward.text import units

# sacrebleu counts in percent.
_PERCENT = 100.0


@dataclass(frozen=True, kw_only=True)
class OverlapReward(CompletionReward):
    """What BLEU and chrF share: a row's references, and the scale from percent to [0, 1].

    Args:
        reference_column: Name of the column with a string, or a list of strings, a row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
    """

    reference_column: str = "reference"
    on_missing: MissingPolicy = "raise"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_missing_policy(self.on_missing)
        sacrebleu_module()  # a missing library shows here, not in the middle of a training

    def signature(self) -> str:
        """All that decides the numbers, sacrebleu's version included."""
        return f"{super().signature()}|sacrebleu:{sacrebleu_module().__version__}"

    def _score(self, answers: list[str], columns: Mapping[str, Any]) -> Scores:
        references = references_of(columns, self.reference_column, rows=len(answers), on_missing=self.on_missing)
        metric = self._metric()
        return Scores(
            [
                None if texts is None else self._overlap(metric, answer, texts)
                for answer, texts in zip(answers, references, strict=True)
            ]
        )

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
class BleuReward(OverlapReward):
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
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

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
class ChrfReward(OverlapReward):
    """Sentence chrF against a row's reference.

    $$R(y, y^*) = chrF_2(y, y^*) / 100$$

    A value is a float in [0, 1]; 1 for the reference itself, 0 where no character matches and for an empty completion.
    N-grams of 1 to 6 characters count, white space left out, recall twice as important as precision. Of several
    references the best match counts. A row is `None` only where its reference is missing and `on_missing="none"`.

    Args:
        reference_column: Name of the column with a string, or a list of strings, a row.
        on_missing: `"raise"`, or `"none"` to let rows without a reference pass without a reward.
        name: Metric key.
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

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
