"""Runs attacks on a reward and measures what they earn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import semreward
from semreward.arguments import check_count, is_column
from semreward.audit import edits
from semreward.audit.attacks import DEFAULT_ATTACKS, HUB, Attack, AuditRow, Corpus, check_attacks
from semreward.audit.codemixing import learn_lexicon
from semreward.audit.results import AttackResult, AuditReport, Level, verdict_of
from semreward.audit.tables import LanguageTable, table_of
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.protocols import RewardFunction
from semreward.rewards.calling import reward_name
from semreward.rewards.composite import TOTAL, CompositeReward, as_composite
from semreward.text import answer_text, normalise, reference_texts

_EXAMPLE_LENGTH = 60
_TIE = 1e-6  # rewards that differ by less are the same: encoders round

# What trainers pass besides the columns of the data set; `prompt` becomes `prompts`.
_RESERVED = frozenset({"completions", "prompts", "completion_ids", "trainer_state", "log_metric", "log_extra"})


def audit_reward(
    reward: RewardFunction,
    pairs: Sequence[Mapping[str, Any]],
    *,
    language: str | LanguageTable | None = None,
    attacks: Sequence[Attack] = DEFAULT_ATTACKS,
    seed: int = 0,
    hub_candidates: int = 50,
) -> AuditReport:
    """Attack a reward with answers that nobody would accept, and see what it pays them.

    The report compares the mean reward of each attack with that of the references (*gold*) and of honest weak answers.
    A policy will learn an attack that beats its weak answers, however low the reward is.

    Args:
        reward: Any callable in TRL's convention, sync or async. The report has each component of a `CompositeReward`.
        pairs: Rows, each a mapping with `reference` (a text, or a list of texts whose first one is attacked), the
            columns that the reward needs, and optionally `weak` (an honest weak answer, ideally one of the cold-start
            policy; else every third word of the reference is left out), `source`, `prompt` (a text, or messages as in
            TRL), `paraphrase`, `other_language` (the same in a third language), `entities` (names in the reference) and
            `roles` (two of its parts, agent and patient).
        language: The language of the answers: a tag of `TABLES` or a table of your own.
        attacks: What to try. An attack does not apply to a row that lacks what it needs.
        seed: Decides all draws, at least 0. Equal arguments give an equal report.
        hub_candidates: How many references, evenly spaced, are tried as hub sentence, on as many rows; at least 1.

    Raises:
        ArgumentError, ArgumentTypeError: A row, a reference, an attack or a number is missing or wrong.
        RewardOutputError: The reward returned something else than one finite float or `None` per completion.

    Example:
        >>> def length(completions, **columns):
        ...     return [float(len(completion)) for completion in completions]
        >>> report = audit_reward(length, [{"reference": "It rains today."}, {"reference": "The dog is asleep."}])
        >>> report["repetition"].verdict, report["empty"].verdict, report.exit_code()
        ('matches_gold', 'harmless', 1)
    """
    check_attacks(attacks)
    names = [attack.name for attack in attacks]
    if len(set(names)) < len(names):
        raise ArgumentError(f"`attacks` must have distinct names, got {', '.join(names)}")
    check_count("seed", seed, at_least=0)
    check_count("hub_candidates", hub_candidates)
    if not is_column(pairs) or not len(pairs):
        raise ArgumentError("`pairs` must be a non-empty list of rows, each a mapping with a `reference`")
    rows = [_row(pair, index) for index, pair in enumerate(pairs)]
    scorer = _Scorer(reward, rows)
    hub = _hub_sentence(scorer, rows, hub_candidates) if HUB in names else None
    lexicon = learn_lexicon((row.source, row.reference) for row in rows if row.source)
    corpus = Corpus(rows, table_of(language), hub, int(seed), lexicon)
    honest = {
        "gold": scorer.score([row.reference for row in rows], rows),
        "weak": scorer.score([row.weak for row in rows], rows),
        "paraphrase": scorer.score([row.paraphrase for row in rows], rows),
    }
    signature = getattr(reward, "signature", None)
    return AuditReport(
        reward=reward_name(reward),
        signature=str(signature()) if callable(signature) else None,
        language=corpus.table.language,
        rows=len(rows),
        weak_built=sum(_text(row.columns, "weak", row.index) is None for row in rows),
        seed=corpus.seed,
        weights=scorer.weights,
        mode=scorer.mode,
        levels=tuple(_level(name, scored, honest["weak"]) for name, scored in honest.items()),
        attacks=tuple(_attacked(attack, corpus, scorer, honest) for attack in attacks),
        version=semreward.__version__,
    )


def _row(pair: Any, index: int) -> AuditRow:
    if not isinstance(pair, Mapping):
        raise ArgumentTypeError(f"`pairs` must hold mappings, got {type(pair).__name__} at row {index}")
    reference = reference_texts(pair.get("reference"), "reference", index)[0]
    weak = _text(pair, "weak", index) or edits.every_third_left_out(reference)
    texts = {name: _text(pair, name, index) for name in ("source", "prompt", "paraphrase", "other_language")}
    return AuditRow(reference=reference, weak=weak, columns=pair, index=index, **texts)


def _text(pair: Mapping[str, Any], name: str, index: int) -> str | None:
    """A row's text in a column, `None` where it is missing or blank; of messages the last one's."""
    value: Any = pair.get(name)
    if name == "prompt" and is_column(value) and all(isinstance(message, Mapping) for message in value):
        value = answer_text([{**message, "role": "assistant"} for message in value][-1:], reasoning="keep")
    if value is not None and not isinstance(value, str):
        allowed = "a text, messages or None" if name == "prompt" else "a text or None"
        raise ArgumentTypeError(f"`{name}` must be {allowed}, got {str(value)[:80]!r} at row {index}")
    return normalise(value or "") or None


@dataclass(frozen=True)
class _Scored:
    """Rewards of `N` answers and the values of a composite's components, shape (N,); NaN: no answer or no reward."""

    answers: int
    total: NDArray[np.float64]
    parts: Mapping[str, NDArray[np.float64]]

    @property
    def valued(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.total)

    def means(self, rows: NDArray[np.bool_]) -> dict[str, float]:
        """Each component's mean over some rows, without those that have no value there."""
        chosen = {name: values[rows] for name, values in self.parts.items()}
        return {name: _rounded(np.nanmean(values)) for name, values in chosen.items() if not np.isnan(values).all()}

    def win_rate(self, weak: "_Scored", rows: NDArray[np.bool_]) -> float:
        difference = (self.total - weak.total)[rows]
        return _rounded(((difference > _TIE) + 0.5 * (np.abs(difference) <= _TIE)).mean())


class _Scorer:
    """Scores answers to rows. A composite calls any reward, awaits what is async, and checks the values."""

    def __init__(self, reward: RewardFunction, rows: Sequence[AuditRow]) -> None:
        self._is_composite = isinstance(reward, CompositeReward)
        self._reward = as_composite(reward)
        self._written = getattr(self._reward.answer, "completion_of", str)  # a callable gets the texts as they are
        self.mode = self._reward.mode if self._is_composite else None
        pairs: Any = self._reward.components if self._is_composite else ()
        self.weights: dict[str, float] = {reward_name(part): weight for part, weight in pairs}
        self._names = dict.fromkeys(name for row in rows for name in row.columns)
        if reserved := _RESERVED & self._names.keys():
            raise ArgumentError(f"`pairs` must not have the column {min(reserved)!r}, trainers reserve it")
        prompts: list[Any] = [row.columns.get("prompt") for row in rows]
        self._is_chat = any(is_column(prompt) and len(prompt) > 0 for prompt in prompts)

    def score(self, answers: Sequence[str | None], rows: Sequence[AuditRow]) -> _Scored:
        """Score one answer per row in one call, `None` for no answer."""
        answered = np.array([answer is not None for answer in answers], dtype=np.bool_)
        values = {TOTAL: np.full(len(answers), np.nan)}
        if answered.any():
            asked = [row for row, answer in zip(rows, answers, strict=True) if answer is not None]
            call: dict[str, Any] = {name: [row.columns.get(name) for row in asked] for name in self._names}
            prompts = call.pop("prompt", [])
            if any(prompt is not None for prompt in prompts):
                call["prompts"] = prompts
            texts: list[Any] = [self._written(answer) for answer in answers if answer is not None]
            if self._is_chat:
                texts = [[{"role": "assistant", "content": text}] for text in texts]
            for name, column in self._reward.breakdown(completions=texts, **call).items():
                values[name] = np.full(len(answers), np.nan)
                values[name][answered] = column
        total = values.pop(TOTAL)
        return _Scored(int(answered.sum()), total, values if self._is_composite else {})


def _hub_sentence(scorer: _Scorer, rows: Sequence[AuditRow], candidates: int) -> str | None:
    """The reference that earns most, on average, as an answer to the other rows, of `candidates` tried on as many."""
    indices = np.unique(np.linspace(0, len(rows) - 1, min(candidates, len(rows))).round().astype(int))
    chosen = [rows[index] for index in indices]
    texts = list(dict.fromkeys(row.reference for row in chosen))
    answers = [text if row.reference != text else None for text in texts for row in chosen]
    values = scorer.score(answers, chosen * len(texts)).total.reshape(len(texts), -1)
    means = {text: np.nanmean(own) for text, own in zip(texts, values, strict=True) if not np.isnan(own).all()}
    return max(means, key=means.__getitem__, default=None)


def _attacked(attack: Attack, corpus: Corpus, scorer: _Scorer, honest: Mapping[str, _Scored]) -> AttackResult:
    answers: list[str | None] = []
    for row in corpus.rows:
        answer: Any = attack.make(row, corpus)
        if answer is not None and not isinstance(answer, str):
            found = f"got {type(answer).__name__} at row {row.index}"
            raise ArgumentTypeError(f"attack {attack.name!r} must make a text or None, {found}")
        answers.append(None if answer in (row.reference, row.paraphrase) else answer)
    scored, gold, weak = scorer.score(answers, corpus.rows), honest["gold"], honest["weak"]
    example = " ".join(next((answer for answer in answers if answer is not None), "").split())
    example = example if len(example) <= _EXAMPLE_LENGTH else example[: _EXAMPLE_LENGTH - 1] + "…"
    unscored = scored.answers - int(scored.valued.sum())
    result = AttackResult(attack.name, attack.kind, attack.description, scored.answers, unscored, example=example)
    rows = scored.valued & weak.valued & gold.valued
    if not rows.any():
        return result
    mean, low, high = (_rounded(item.total[rows].mean()) for item in (scored, weak, gold))
    position = _rounded((mean - low) / (high - low)) if high - low > _TIE else None
    wins, components = scored.win_rate(weak, rows), scored.means(rows)
    verdict = verdict_of(mean, low, high, wins)
    means: dict[str, Any] = {"mean": mean, "weak": low, "gold": high}
    return replace(result, **means, position=position, win_rate=wins, verdict=verdict, components=components)


def _level(name: str, scored: _Scored, weak: _Scored) -> Level:
    both = scored.valued & weak.valued
    unscored = scored.answers - int(scored.valued.sum())
    mean = _rounded(scored.total[scored.valued].mean()) if scored.valued.any() else None
    win_rate = scored.win_rate(weak, both) if both.any() and scored is not weak else None
    return Level(name, scored.answers, unscored, mean, win_rate, scored.means(scored.valued))


def _rounded(value: float | np.floating[Any]) -> float:
    """A value to nine digits, as reports hold it: the order of a sum must not show."""
    return float(f"{value:.9g}")
