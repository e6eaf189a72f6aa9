"""Language consistency by script: is every letter of an answer written as the target language writes (eq. 3)?"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from semreward.arguments import check_choice, check_share, in_one_order, is_column, is_nothing
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.rewards.base import MISSING_POLICIES, Batch, MissingPolicy, Outcome, Reward
from semreward.rewards.detector import LanguageDetector, probabilities_of
from semreward.rewards.spans import SPAN_KINDS, SpanKind, as_terms, without_spans, without_terms
from semreward.scripts import Writing, expand_scripts, visible, writing_of

_Target: TypeAlias = tuple[Writing, str]  # how a row is to be written, and its language's tag, if it has one

_TOLERANCE_END = 0.5  # there, a text is as much in another language as in its own
_MOST_LEFT_OUT = 0.5  # share of letters that `allowed` and `strip` may leave out: an answer of nothing else hides
_ROUNDING = 1e-9  # a share of 5 % is within a tolerance of 0.05


@dataclass(frozen=True)
class LanguageConsistencyReward(Reward):
    """1 if an answer has letters and all of them belong to the target language's scripts, else 0.

    Digits, punctuation, marks and spaces are neutral; an answer without letters earns 0. `semreward.scripts` has the
    rule for a letter. Only a `detector` tells apart languages that share a script (Tibetan and Dzongkha, Chinese and
    Japanese kanji). A row is `None` if its language is missing and `on_missing="none"`.

    The other options relax this. Let q be the share of foreign letters among an answer's letters that count. It earns
    1 for q <= `tolerance`, else 0; with `shape="ratio"` 1 - max(0, q - `tolerance`) / (1 - `tolerance`), in [0, 1]; and
    0 if `allowed` and `strip` leave out more than half of its letters.

    Args:
        language: BCP-47 tag, such as `"bo"` or `"zh-Hant"`, whose scripts CLDR knows; see `writing_of` for Serbian.
        scripts: ISO 15924 codes instead of a tag: `("Tibt", "Hani")`.
        language_column: Column with a tag, or a list of scripts, per row; `None` falls back to `language` or `scripts`.
        on_missing: `"raise"`, or `"none"` to let rows without a language pass without a reward.
        shape: `"strict"` or `"ratio"`.
        tolerance: Foreign share that is forgiven, in [0, 0.5).
        allowed: Terms (strings: whole words, case matters) and patterns (compiled with `re`) whose letters, own or
            foreign, do not count.
        strip: Kinds of spans whose letters do not count: `"code"`, `"urls"`, `"latex"`, `"tags"`; see `without_spans`.
        detector: A second stage for rows that passed by their letters: a callable from `N` texts (without what was left
            out) to `N` labels, or mappings from labels to probabilities; `FastTextDetector` is one.
        detector_threshold: Probability of the row's language, in [0, 1], below which a row earns 0 after all.
        name, answer, on_error: As for every `Reward`.

    Raises:
        ArgumentError, ArgumentTypeError: Not exactly one way to name a language is used, or an option breaks its rule.
        UnknownLanguageError: A tag has no known script, or a script code does not exist.

    Source:
        Su et al. 2026, section 3.4.2, eq. 3, https://arxiv.org/abs/2605.14366. The paper gives no ranges: counting
        letters only, by Unicode's Script and Script_Extensions, is our reading, and so are all options.

    Example:
        >>> reward = LanguageConsistencyReward("bo")
        >>> reward(completions=["ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།", "ཁོང་གིས་苹果་གསུམ་ཉོས།", "123"])
        [1.0, 0.0, 0.0]
        >>> reward.replace(shape="ratio", allowed=("GPT",))(completions=["བོད་ཡིག GPT", "བོད་ཡིག字", "GPT"])
        [1.0, 0.8, 0.0]
    """

    language: str | None = None
    _: KW_ONLY
    scripts: tuple[str, ...] | None = None
    language_column: str | None = None
    on_missing: MissingPolicy = "raise"
    name: str = "language_consistency"
    shape: Literal["strict", "ratio"] = "strict"
    tolerance: float = 0.0
    allowed: tuple[Any, ...] = ()  # terms and compiled patterns
    strip: tuple[SpanKind, ...] = ()
    detector: LanguageDetector | None = None
    detector_threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("on_missing", self.on_missing, MISSING_POLICIES)
        self._check_languages()
        object.__setattr__(self, "allowed", as_terms(self.allowed))
        kinds = in_one_order(self.strip) if hasattr(self.strip, "__iter__") else (self.strip,)
        if not all(kind in SPAN_KINDS for kind in kinds):
            raise ArgumentError(
                f"`strip` must be a collection of {', '.join(map(repr, SPAN_KINDS))}; got {self.strip!r}"
            )
        object.__setattr__(self, "strip", kinds)
        check_choice("shape", self.shape, ("strict", "ratio"))
        check_share("tolerance", self.tolerance)
        if self.tolerance >= _TOLERANCE_END:
            raise ArgumentError(f"`tolerance` must be below {_TOLERANCE_END}, got {self.tolerance!r}")
        check_share("detector_threshold", self.detector_threshold)
        if self.detector is not None and not callable(self.detector):
            raise ArgumentTypeError(f"`detector` must be a callable from texts to languages, got {self.detector!r}")

    def _check_languages(self) -> None:
        if self.language is not None and self.scripts is not None:
            raise ArgumentError("give `language` or `scripts`, not both")
        if self.language is None and self.scripts is None and self.language_column is None:
            raise ArgumentError(
                "give a `language` such as 'bo', or `scripts` such as ('Tibt',), or a `language_column`"
            )
        if self.scripts is not None:
            given: Any = self.scripts
            codes = given if isinstance(given, str) else in_one_order(given)
            expand_scripts(codes)  # refuses wrong codes, and a string
            object.__setattr__(self, "scripts", codes)
            if self.detector is not None:
                raise ArgumentError("`detector` needs a `language` to look for, got `scripts`; name the language")
        if self.language is not None:
            writing_of(self.language)

    def score(self, batch: Batch) -> Outcome:
        """The rewards of a batch; with a detector, logs the share of rows that passed by letters and failed by it."""
        values = np.full(len(batch.answers), np.nan)
        passed: list[tuple[int, str, str]] = []
        for row, (answer, target) in enumerate(zip(batch.answers, self._targets(batch), strict=True)):
            if target is None:
                continue
            writing, language = target
            values[row], text = self._judged(answer, writing)
            if values[row] > 0:
                passed.append((row, text, language))
        if self.detector is None:
            return Outcome(values)
        rows, texts, languages = zip(*passed, strict=True) if passed else ((), (), ())
        found = probabilities_of(self.detector, texts, languages)
        rejected = [row for row, share in zip(rows, found, strict=True) if share < self.detector_threshold]
        values[rejected] = 0.0
        return Outcome(values, {f"{self.name}/detector_rejected": len(rejected) / max(1, len(passed))})

    def _judged(self, answer: str, writing: Writing) -> tuple[float, str]:
        """The value of an answer's letters, and its text without ignored parts."""
        if self.shape == "strict" and not (self.tolerance or self.allowed or self.strip):
            return float(writing.is_consistent(answer)), answer
        text = visible(answer)
        kept = without_terms(without_spans(text, self.strip), self.allowed)
        own, foreign = writing.count(kept)
        left_out = sum(writing.count(text)) - own - foreign
        if not own or left_out > _MOST_LEFT_OUT * (own + foreign + left_out) + _ROUNDING:
            return 0.0, kept
        share = foreign / (own + foreign)
        if self.shape == "strict":
            return float(share <= self.tolerance + _ROUNDING), kept
        return 1 - max(0.0, share - self.tolerance) / (1 - self.tolerance), kept

    def _targets(self, batch: Batch) -> Sequence[_Target | None]:
        own = self.language or self.scripts
        default = None if own is None else _target(own)
        if self.language_column is None:
            return [default] * len(batch)
        tags = batch.column(self.language_column)
        return [self._row_target(tag, row, default) for row, tag in enumerate(tags)]

    def _row_target(self, language: object, row: int, default: _Target | None) -> _Target | None:
        if is_nothing(language):
            if default is None and self.on_missing == "raise":
                raise ArgumentError(
                    f"`{self.language_column}` must be a language tag, got None at row {row}; drop the row, give a "
                    "`language` to fall back to, or pass on_missing='none'"
                )
            return default
        if not isinstance(language, str) and (self.detector is not None or not is_column(language)):
            wanted = "a language tag or a list of scripts" if self.detector is None else "a language tag"
            raise ArgumentTypeError(f"`{self.language_column}` must be {wanted}, got {language!r} at row {row}")
        try:
            return _target(language)
        except (ArgumentError, ArgumentTypeError) as error:
            raise type(error)(f"`{self.language_column}` at row {row}: {error}") from None


def _target(named: Any) -> _Target:
    """The writing that a language tag or script codes name, with the tag, which is empty for scripts."""
    return (writing_of(named), named) if isinstance(named, str) else (Writing((expand_scripts(named),)), "")
