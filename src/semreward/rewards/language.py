"""Language consistency by script: is every letter of an answer written as the target language writes (eq. 3)?"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from semreward.arguments import check_choice, check_count, check_share, is_column
from semreward.batch import MISSING_POLICIES, Batch, MissingPolicy
from semreward.detectors import LanguageDetector, probabilities_of
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.languages import Writing, writing_in, writing_of
from semreward.letters import visible
from semreward.rewards.base import Outcome, Reward, in_one_order
from semreward.spans import SPAN_KINDS, Copies, SpanKind, as_terms, without_spans, without_terms

Shape: TypeAlias = Literal["strict", "ratio", "ramp"]
"""How the share of own letters becomes a reward; see `LanguageConsistencyReward`."""

SHAPES: tuple[Shape, ...] = ("strict", "ratio", "ramp")

# At half, a text is as much in another language as in its own.
_TOLERANCE_END = 0.5

# A share of 5 % is within a tolerance of 0.05, whatever their rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class LanguageConsistencyReward(Reward):
    """1 where an answer has letters and all of them belong to the target language's scripts, else 0.

    Digits, punctuation, marks and spaces are neutral; an answer without any letter earns 0. `semreward.letters` has the
    rule for a letter. Languages that share a script (Tibetan and Dzongkha, Chinese and Japanese kanji) are told apart
    by a `detector` only. A row is `None` only where its language, or the text that may be copied from, is missing and
    `on_missing="none"`.

    The other options relax or sharpen this, and all are off by default. Let an answer have $o$ own and $f$ foreign
    letters that count, and $q = f / (o + f)$ their foreign share. A value is a float in [0, 1]:

    | `shape` | reward |
    |---|---|
    | `"strict"` | 1 where q <= `tolerance`, else 0 |
    | `"ratio"` | 1 - max(0, q - `tolerance`) / (1 - `tolerance`) |
    | `"ramp"` | 0 up to an own share (1 - q) of `low`, 1 from `high` on, linear between |

    Whatever the shape, an answer earns 0 that has fewer own letters than `min_letters`, whose own script does not show
    (`own_script_every`), or of whose letters the options leave out more than `max_left_out`.

    Args:
        language: BCP-47 tag, such as `"bo"` or `"zh-Hant"`, whose scripts CLDR knows; see `writing_of` for Serbian.
        scripts: Instead of a tag, ISO 15924 codes: `("Tibt", "Hani")`.
        language_column: For data in several languages, the column with a tag (or a list of scripts) a row. Rows where
            it is `None` fall back to `language` or `scripts`, if given.
        on_missing: `"raise"`, or `"none"` to let rows pass without a reward that have no language, or no source.
        name: Metric key.
        shape: How the foreign share becomes a reward.
        tolerance: Foreign share that is forgiven, in [0, 0.5); 0 with `shape="ramp"`, whose `high` says it.
        low: Own share up to which the ramp is 0, in [0, `high`).
        high: Own share from which on the ramp is 1, in (`low`, 1].
        min_letters: Own letters that an answer needs, >= 1.
        own_script_every: Where a language mixes scripts and one of them tells it from others: how many letters of the
            others may stand for each of its own, >= 1; fewer need none. 8 asks Japanese for one kana to eight Han
            letters, and Korean for Hangul; other languages are not concerned. `None`: Han alone passes.
        allowed: Terms (strings: whole words, case matters) and patterns (compiled with `re` or `regex`) whose letters,
            own or foreign, do not count. A pattern of yours runs as fast as it is written.
        allow_from_prompt: Whether foreign terms that stand in the row's prompt do not count. They do count where they
            have more letters than what the answer says in words of its own; see `semreward.spans.Copies`.
        source_column: Where `allow_from_prompt` looks: `"prompts"`, or a column with a text, or messages, a row.
        strip: Kinds of spans whose letters do not count: some of `"code"`, `"urls"`, `"latex"`, `"tags"`; see
            `semreward.spans.without_spans`.
        max_left_out: Largest share of an answer's letters that `allowed`, `allow_from_prompt` and `strip` together may
            leave out, in [0, 1): nothing is said about them, and an answer of nothing else is in no language.
        detector: A second stage for the rows that passed by their letters: a callable from `N` texts (without what was
            left out) to `N` labels, or mappings from labels to probabilities; `FastTextDetector` is one.
        detector_threshold: Probability of the row's language, in [0, 1], below which a row earns 0 after all.
        answer: How the answer is found in a completion.
        on_error: As for every reward; this one has no encoder.

    Raises:
        ArgumentError: Both or none of the ways to name a language are used, or an option is out of its range.
        ArgumentTypeError: `allowed` holds something other than terms and patterns.
        UnknownLanguageError: A tag has no known script, or a script code does not exist.
        MissingColumnError: At a call, a column that is named is absent, or `allow_from_prompt` finds no prompts.

    Source:
        Su et al. 2026, section 3.4.2, eq. 3, https://arxiv.org/abs/2605.14366. The paper gives no ranges; counting
        letters only, after NFC, by Unicode's Script and Script_Extensions is our reading, and so are all options.

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
    shape: Shape = "strict"
    tolerance: float = 0.0
    low: float | None = None
    high: float | None = None
    min_letters: int = 1
    own_script_every: int | None = None
    allowed: tuple[Any, ...] = ()  # terms and compiled patterns; the latter become values, see `as_terms`
    allow_from_prompt: bool = False
    source_column: str = "prompts"
    strip: tuple[SpanKind, ...] = ()
    max_left_out: float = 0.5
    detector: LanguageDetector | None = None
    detector_threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("on_missing", self.on_missing, MISSING_POLICIES)
        self._check_languages()
        object.__setattr__(self, "allowed", as_terms(self.allowed))
        object.__setattr__(self, "strip", _as_kinds(self.strip))
        self._check_shape()
        check_count("min_letters", self.min_letters)
        if self.own_script_every is not None:
            check_count("own_script_every", self.own_script_every)
        check_share("max_left_out", self.max_left_out, below_one=True)
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
            object.__setattr__(self, "scripts", _as_codes(self.scripts))
            if self.detector is not None:
                raise ArgumentError("`detector` needs a `language` to look for, got `scripts`; name the language")
        if self.language is not None:
            writing_of(self.language)

    def _check_shape(self) -> None:
        check_choice("shape", self.shape, SHAPES)
        check_share("tolerance", self.tolerance)
        if self.tolerance >= _TOLERANCE_END:
            raise ArgumentError(f"`tolerance` must be below {_TOLERANCE_END}, got {self.tolerance!r}")
        if self.shape != "ramp":
            if self.low is not None or self.high is not None:
                raise ArgumentError(f"`low` and `high` belong to shape='ramp', got shape={self.shape!r}")
            return
        if self.low is None or self.high is None:
            raise ArgumentError("shape='ramp' needs `low` and `high`: the own shares from which it rises, and is 1")
        check_share("low", self.low, below_one=True)
        check_share("high", self.high)
        if self.low >= self.high:
            raise ArgumentError(f"`low` must be below `high`, got {self.low!r} and {self.high!r}")
        if self.tolerance:
            raise ArgumentError(f"shape='ramp' has no `tolerance`, got {self.tolerance!r}; lower `high` by it instead")

    def signature(self) -> str:
        """All that decides the numbers, the detector's fingerprint included, if it has one."""
        fingerprint = getattr(self.detector, "fingerprint", None)
        return super().signature() + ("" if fingerprint is None else f"|detected_by:{fingerprint}")

    def score(self, batch: Batch) -> Outcome:
        """The rewards of a batch; with a detector, logs the share of rows that passed by letters and failed by it."""
        values = np.full(len(batch), np.nan)
        targets = self._targets(batch)
        sources = batch.sources(self.source_column, self.on_missing) if self.allow_from_prompt else None
        passed: list[tuple[int, str, str]] = []
        for row, (answer, target) in enumerate(zip(batch.answers, targets, strict=True)):
            source = "" if sources is None else sources[row]
            if target is None or source is None:
                continue
            judgement = self._judge(answer, target.writing, source)
            values[row] = judgement.value
            if judgement.value > 0:
                passed.append((row, judgement.text, str(target.language)))
        if self.detector is None:
            return Outcome(values)
        rows, texts, languages = zip(*passed, strict=True) if passed else ((), (), ())
        found = probabilities_of(self.detector, texts, languages)
        rejected = [row for row, share in zip(rows, found, strict=True) if share < self.detector_threshold]
        values[rejected] = 0.0
        return Outcome(values, {f"{self.name}/detector_rejected": len(rejected) / max(1, len(passed))})

    def _judge(self, answer: str, writing: Writing, source: str) -> "_Judgement":
        if self._is_plain():
            return _Judgement(float(writing.is_consistent(answer)), answer)
        text = visible(answer)
        kept = without_terms(without_spans(text, self.strip), self.allowed)
        letters = writing.closest(kept)
        own, foreign = letters.count_visible(kept)  # a space in place of a span leaves the rest composed
        left_out = 0 if kept == text else sum(letters.count_visible(text)) - own - foreign
        if source and foreign:
            forgiven = _copies(source, letters.scripts).forgiven(kept)
            foreign, left_out = foreign - forgiven, left_out + forgiven
        if (
            own < self.min_letters
            or left_out > self.max_left_out * (own + foreign + left_out) + _ROUNDING
            or (self.own_script_every is not None and not writing.shows_own(kept, self.own_script_every))
        ):
            return _Judgement(0.0, kept)
        return _Judgement(self._shaped(foreign / (own + foreign)), kept)

    def _is_plain(self) -> bool:
        """Whether no option asks for more than two searches."""
        options = (self.tolerance, self.allowed, self.strip, self.allow_from_prompt, self.own_script_every)
        return self.shape == "strict" and self.min_letters == 1 and not any(options)

    def _shaped(self, foreign_share: float) -> float:
        if self.shape == "strict":
            return float(foreign_share <= self.tolerance + _ROUNDING)
        if self.low is not None and self.high is not None:
            return min(1.0, max(0.0, (1 - foreign_share - self.low) / (self.high - self.low)))
        return 1 - max(0.0, foreign_share - self.tolerance) / (1 - self.tolerance)

    def _targets(self, batch: Batch) -> "Sequence[_Target | None]":
        default = self._default_target()
        if self.language_column is None:
            return [default] * len(batch)
        tags = batch.column(self.language_column)
        return [self._row_target(tag, row, default) for row, tag in enumerate(tags)]

    def _default_target(self) -> "_Target | None":
        if self.scripts is not None:
            return _Target(writing_in(self.scripts), None)
        return None if self.language is None else _Target(writing_of(self.language), self.language)

    def _row_target(self, language: object, row: int, default: "_Target | None") -> "_Target | None":
        if language is None:
            if default is None and self.on_missing == "raise":
                raise ArgumentError(
                    f"`{self.language_column}` must be a language tag, got None at row {row}; drop the row, give a "
                    "`language` to fall back to, or pass on_missing='none'"
                )
            return default
        try:
            if isinstance(language, str):
                return _Target(writing_of(language), language)
            if is_column(language) and self.detector is None:
                return _Target(writing_in(language), None)  # type: ignore[arg-type] # a collection of codes
        except (ArgumentError, ArgumentTypeError) as error:
            raise type(error)(f"`{self.language_column}` at row {row}: {error}") from None
        wanted = "a language tag or a list of scripts" if self.detector is None else "a language tag"
        raise ArgumentTypeError(f"`{self.language_column}` must be {wanted}, got {language!r} at row {row}")


class _Target(NamedTuple):
    """What a row should be written in; the language is `None` where scripts were named instead."""

    writing: Writing
    language: str | None


class _Judgement(NamedTuple):
    """What a row's letters earn, and its text without what was left out."""

    value: float
    text: str


@lru_cache(maxsize=64)
def _copies(source: str, scripts: frozenset[str]) -> Copies:
    """What may be copied from a source; a group's completions share theirs."""
    return Copies(source, scripts)


def _as_codes(scripts: Any) -> tuple[str, ...]:
    codes = scripts if isinstance(scripts, str) else in_one_order(scripts)
    writing_in(codes)  # refuses what are no codes, and a string
    return tuple(codes)


def _as_kinds(strip: Any) -> tuple[SpanKind, ...]:
    is_collection = hasattr(strip, "__iter__") and not isinstance(strip, str)
    kinds = in_one_order(strip) if is_collection else ()
    if not is_collection or not all(kind in SPAN_KINDS for kind in kinds):
        raise ArgumentError(f"`strip` must be a collection of {', '.join(map(repr, SPAN_KINDS))}; got {strip!r}")
    return kinds
