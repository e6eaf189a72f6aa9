"""Guards against faults that a semantic reward does not see: each is a reward that is 1 if nothing is wrong.

Use them as gates of a `CompositeReward`. A guard compares an answer with its reference and its source by counting,
without a model, in linear time. It never says that an answer is good. `ComparingReward` has the common parameters.

Lengths are in characters, because Tibetan and Chinese write no spaces; white space does not count. Letters, marks,
digits and the tsheg count one. An ideograph or a Hangul syllable carries about as much as four of them and counts four,
so a Tibetan translation of a Chinese text has 1 to 1.5 times its length. All other characters count four, too, so that
nobody pads with them. N-grams are counted in ideographs: an n-gram of 5 is 5 ideographs, or 20 letters, marks and
tshegs, which are about five Tibetan syllables or four English words.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import regex

from semreward.arguments import check_choice, check_count, check_number, check_share, check_text
from semreward.rewards.base import MISSING_POLICIES, Batch, MissingPolicy, Outcome, Reward
from semreward.rewards.numerals import digit_numbers, written_numbers
from semreward.text import Texts

_IDEOGRAPH = 4
_FOURFOLD = r"\g<0>" * _IDEOGRAPH  # repeats a dense character, which counts four
_DENSE = regex.compile(r"[\p{sc=Han}\p{sc=Hang}[^\p{L}\p{M}\p{Nd}\u0F0B\u0F0C]]", regex.V1)
_SPACE = regex.compile(r"\s+")
_NO_LETTER = regex.compile(r"[^\p{L}\p{M}]+")
_ARTICLES = {"0", "1"}  # 一, གཅིག and "one" are articles and pronouns more often than numbers


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
        metrics = {f"{self.name}/blank_sources": sources.count("") / max(1, len(sources))} if source_column else {}
        return Outcome(values, metrics)

    @abstractmethod
    def _compared(self, answer: str, source: str, references: Texts) -> float:
        """The value of one answer that is not empty, in [0, 1]."""


@dataclass(frozen=True)
class LengthRatioGuard(ComparingReward):
    r"""1 if an answer is about as long as its reference, 0 if it is far shorter or longer.

    $$R(y, y^*) = 1 \text{ for } low \cdot |y^*| - slack \le |y| \le high \cdot |y^*| + slack, \quad 0 \text{ else}$$

    |y| is `weighted_length`. With several references the best fit counts.

    Args:
        low: Least ratio, >= 0 and at most `high`; `0` accepts short answers.
        high: Greatest ratio, finite. The default suits translation; headlines and summaries need a wider band.
        slack: Length by which an answer may always be longer or shorter, >= 0, for short references.

    Source:
        A semantic reward alone is reported to drive answers into verbosity: arXiv 2605.29502. The measure is ours.

    Example:
        >>> guard = LengthRatioGuard(0.5, 2.0, slack=0)
        >>> guard(completions=["abcd", "a", "abcdefghi"], reference=["abcd"] * 3)
        [1.0, 0.0, 0.0]
    """

    low: float = 0.5
    high: float = 1.75
    _: KW_ONLY
    slack: int = 4
    name: str = "length_ratio"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("low", self.low, at_least=0)
        check_number("high", self.high, at_least=self.low)
        check_number("slack", self.slack, at_least=0)

    def _compared(self, answer: str, _source: str, references: Texts) -> float:
        length = weighted_length(answer)
        for wanted in map(weighted_length, references):
            if self.low * wanted - self.slack <= length <= self.high * wanted + self.slack:
                return 1.0
        return 0.0


@dataclass(frozen=True)
class RepetitionGuard(ComparingReward):
    r"""1 if an answer says things once, 0 if much of it repeats what it said before.

    $$e = \frac{r(y) - r(y^*)}{1 - r(y^*)}, \qquad R = 1 \text{ for } e \le limit, \quad 0 \text{ for } e > limit$$

    r is the share of a text in n-grams of characters that occurred in it before: a text said N times has at least
    (N - 1)/N. With a reference, only repetition beyond its own counts: a poem may have a refrain. Of several references
    the most repetitive counts.

    Args:
        limit: Greatest share e, in [0, 1). Below 1/2, an answer that says everything twice earns 0.
        ngram: Length of the n-grams in ideographs or Hangul syllables, >= 1; four times as many characters of other
            scripts.
        reference_column: As in `ComparingReward`; `None` to judge answers alone (r(y*) = 0).

    Source:
        Repetition as degeneration: Holtzman et al. 2020, https://arxiv.org/abs/1904.09751. The measure is ours.

    Example:
        >>> guard = RepetitionGuard()
        >>> guard(completions=["他昨天在市场买了三个苹果。", "他昨天在市场买了三个苹果。" * 2])
        [1.0, 0.0]
        >>> poem = "雨一直下个不停。" * 3
        >>> guard.replace(reference_column="reference")(completions=[poem], reference=[poem])
        [1.0]
    """

    _: KW_ONLY
    limit: float = 0.4
    ngram: int = 5
    reference_column: str | None = None
    name: str = "repetition"

    _needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("limit", self.limit, below_one=True)
        check_count("ngram", self.ngram)

    def _compared(self, answer: str, _source: str, references: Texts) -> float:
        own = max([repeated_share(reference, self.ngram) for reference in references], default=0.0)
        excess = (repeated_share(answer, self.ngram) - own) / (1.0 - own)
        return float(excess <= self.limit)


@dataclass(frozen=True)
class SourceCopyGuard(ComparingReward):
    r"""1 if an answer is in its own or its reference's words, 0 if much of it is copied from its source.

    $$R = 1 \text{ for } c(y) \le limit, \quad 0 \text{ for } c(y) > limit$$

    c is the share of an answer's letters in n-grams that occur in the source and in no reference: a name that the
    reference keeps is not copied. Digits, punctuation and case do not count. For translation only: in headlines and
    summaries honest answers copy. An answer without letters earns 1.

    Args:
        source_column: Name of the column with a text, or messages, per row; `"prompts"` for the prompts themselves.
        limit: Greatest share c, in [0, 1).
        ngram: Length of the n-grams in ideographs, >= 1; four times as many letters of other scripts. Shorter answers
            are compared as a whole.
        reference_column: As in `ComparingReward`; `None` to count everything from the source as copied.

    Source:
        Copies of the source fool quality estimation: WALAR (2026), https://arxiv.org/abs/2603.13045. The measure is
        ours.

    Example:
        >>> guard = SourceCopyGuard("source")
        >>> row = {"source": "He lives in Rotterdam.", "reference": "Hij woont in Rotterdam."}
        >>> answers = ["Rotterdam", "He lives in", "In Rotterdam woont hij."]
        >>> guard(completions=answers, source=[row["source"]] * 3, reference=[row["reference"]] * 3)
        [1.0, 0.0, 1.0]
    """

    source_column: str = "source"
    _: KW_ONLY
    limit: float = 0.4
    ngram: int = 5
    name: str = "source_copy"

    _needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text("source_column", self.source_column)
        check_share("limit", self.limit, below_one=True)
        check_count("ngram", self.ngram)

    def _compared(self, answer: str, source: str, references: Texts) -> float:
        return float(copied_share(answer, source, references, ngram=self.ngram) <= self.limit)


@dataclass(frozen=True)
class NumberRecallReward(ComparingReward):
    r"""How many of the reference's numbers an answer has, and how few it invents.

    $$R = \frac{2 P Q}{P + Q}, \qquad Q = \frac{|W \cap G|}{|W|}, \quad P = 1 - \frac{|A \setminus K|}{|A|}$$

    W are the values that the reference writes with digits, A those of the answer. G are the answer's values with digits
    or in words, K those of the reference and the source (`semreward.rewards.numerals`). Q and P are 1 if there is
    nothing to count. As a gate it closes only if no number is right. With several references the best match counts.

    Args:
        written_out: Whether numbers in words, from two on, belong to W and A, too. Then 三 and གསུམ must be right, but
            some words are taken for numbers (三文鱼 "salmon"), which costs honest answers more.
        source_column: Name of a column with a text, or messages, per row, whose numbers are not invented; `"prompts"`
            for the prompts themselves; `None` for none.

    Source:
        Ours. Embeddings hardly move when numbers change; docs/guards.md measures it.

    Example:
        >>> reward = NumberRecallReward()
        >>> reward(completions=["༣ apples", "三个苹果", "4 apples", "some apples"], reference=["3 apples"] * 4)
        [1.0, 1.0, 0.0, 0.0]
        >>> reward.replace(written_out=True)(completions=["四个苹果", "三个苹果"], reference=["三个苹果"] * 2)
        [0.0, 1.0]
    """

    _: KW_ONLY
    written_out: bool = False
    source_column: str | None = None
    name: str = "number_recall"

    def _compared(self, answer: str, source: str, references: Texts) -> float:
        return max([self._match(answer, reference, source) for reference in references])

    def _match(self, answer: str, reference: str, source: str) -> float:
        wanted, given = self._counted(reference), self._counted(answer)
        missing, invented = wanted - given, given - wanted
        if missing:
            missing -= written_numbers(answer)
        if invented:
            invented -= written_numbers(reference) | digit_numbers(source) | written_numbers(source)
        recall = 1.0 - len(missing) / len(wanted) if wanted else 1.0
        precision = 1.0 - len(invented) / len(given) if given else 1.0
        return 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0

    def _counted(self, text: str) -> frozenset[str]:
        """The numbers of a text that count."""
        return digit_numbers(text) | (written_numbers(text) - _ARTICLES if self.written_out else frozenset())


def weighted_length(text: str) -> int:
    """Length of a text: letters, marks, digits and tshegs count one, white space nothing, all else four.

    Example:
        >>> weighted_length("three hats"), weighted_length("ཞྭ་མོ་གསུམ།"), weighted_length("三顶帽子")
        (9, 14, 16)
    """
    return len(_DENSE.sub(_FOURFOLD, _SPACE.sub("", text)))


def repeated_share(text: str, ngram: int = 5) -> float:
    """Share of a text, white space aside, that lies in n-grams which occurred in it before; linear in its length.

    `ngram` is their length in ideographs, at least 1. The share is in [0, 1); 0 for a text of less than one n-gram.

    Example:
        >>> repeated_share("不要停下来，" * 4)
        0.75
    """
    characters, size = _DENSE.sub(_FOURFOLD, _SPACE.sub("", text)), ngram * _IDEOGRAPH
    seen: set[str] = set()
    repeated = []
    for start in range(len(characters) - size + 1):
        gram = characters[start : start + size]
        if gram in seen:
            repeated.append(start)
        seen.add(gram)
    return _covered_share(repeated, size, len(characters))


def copied_share(answer: str, source: str, references: Sequence[str] = (), *, ngram: int = 5) -> float:
    """Share of an answer's letters in n-grams which the source has and no reference; linear in the texts' lengths.

    Texts are normalised; letters and their marks count, in any case. An answer shorter than an n-gram is looked
    for as a whole. The share is in [0, 1]; 0 for an answer without letters.

    Example:
        >>> copied_share("今天天气很好，我们走吧", "今天天气很好，出去走走", ngram=3)
        0.6
    """
    characters = _letters(answer)
    size = min(ngram * _IDEOGRAPH, len(characters))
    if not size:
        return 0.0
    copied = _grams(source, size)
    for text in references:
        copied -= _grams(text, size)
    found = [start for start in range(len(characters) - size + 1) if characters[start : start + size] in copied]
    return _covered_share(found, size, len(characters))


def _covered_share(starts: Iterable[int], size: int, length: int) -> float:
    """Share of `length` positions that lie in windows of a size, given where those start, in rising order."""
    covered = end = 0
    for start in starts:
        covered += start + size - max(start, end)
        end = start + size
    return covered / length if length else 0.0


def _letters(text: str) -> str:
    letters: str = _DENSE.sub(_FOURFOLD, _NO_LETTER.sub("", text.casefold()))
    return letters


def _grams(text: str, size: int) -> set[str]:
    """The n-grams of a text's letters."""
    letters = _letters(text)
    return {letters[start : start + size] for start in range(len(letters) - size + 1)}
