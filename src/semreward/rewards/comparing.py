"""What guards and overlap rewards share: each answer is compared with the texts of its own row, without a model."""

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from semreward.arguments import check_choice, check_text
from semreward.batch import MISSING_POLICIES, Batch, MissingPolicy, Texts
from semreward.rewards.base import Outcome, Reward


@dataclass(frozen=True)
class ComparingReward(Reward):
    """Compares each answer with its row's references and source. Values lie in [0, 1]; an empty answer earns 0.

    Args:
        reference_column: Name of the column with a string, or a list of strings, per row.
        on_missing: `"raise"`, or `"none"` to give no reward to rows whose reference or source is missing.
        name, answer, on_error: As for every `Reward`.
    """

    _: KW_ONLY
    reference_column: str | None = "reference"
    on_missing: MissingPolicy = "raise"

    _needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._needs_reference or self.reference_column is not None:
            check_text("reference_column", self.reference_column)
        check_choice("on_missing", self.on_missing, MISSING_POLICIES)

    def score(self, batch: Batch) -> Outcome:
        """The values of a batch: 0 for an empty answer, NaN for a row without its reference or source."""
        answers = batch.answers
        values = np.full(len(answers), np.nan)
        column, source_column = self.reference_column, getattr(self, "source_column", None)  # where a reward has one
        texts = [()] * len(answers) if column is None else batch.references(column, self.on_missing)
        sources = [""] * len(answers) if source_column is None else batch.sources(source_column, self.on_missing)
        for row, (answer, source, references) in enumerate(zip(answers, sources, texts, strict=True)):
            if source is not None and references is not None:
                values[row] = self._compared(answer, source, references) if answer else 0.0
        return Outcome(values)

    @abstractmethod
    def _compared(self, answer: str, source: str, references: Texts) -> float:
        """The value of one answer that is not empty, in [0, 1]."""
