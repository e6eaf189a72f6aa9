"""Runs attacks on a reward and measures what they earn."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import semreward
from semreward.audit import edits
from semreward.audit.attacks import DEFAULT_ATTACKS, HUB, Attack, AuditRow, Corpus, check_attacks
from semreward.audit.chinese import CHINESE
from semreward.audit.english import ENGLISH
from semreward.audit.graded import graded_results
from semreward.audit.results import AttackResult, AuditReport, BreakEven, Level, Margins
from semreward.audit.scoring import Scored, Scorer, figure
from semreward.audit.tables import LanguageTable, table_of
from semreward.audit.tibetan import TIBETAN
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.protocols import RewardFunction
from semreward.rewards.base import is_column, reference_texts
from semreward.rewards.calling import reward_name
from semreward.text import answer_text, normalise

TABLES: dict[str, LanguageTable] = {table.language: table for table in (TIBETAN, CHINESE, ENGLISH)}
"""The language tables that the package ships, by tag."""

_EXAMPLE_LENGTH = 60
_TIE = 1e-6  # rewards that differ by less are the same: encoders round
_DEFAULT_MARGINS = Margins()


class _Honest(NamedTuple):
    """What the honest answers of all rows earn."""

    gold: Scored
    weak: Scored
    paraphrase: Scored


def audit_reward(
    reward: RewardFunction,
    pairs: Sequence[Mapping[str, Any]],
    *,
    language: str | LanguageTable | None = None,
    attacks: Sequence[Attack] = DEFAULT_ATTACKS,
    margins: Margins = _DEFAULT_MARGINS,
    seed: int = 0,
    hub_candidates: int = 50,
    across_languages: bool = False,
) -> AuditReport:
    """Attack a reward with answers that nobody would accept, and see what it pays them.

    Each attack makes one answer a row; its mean reward stands beside that of the row's reference (*gold*) and of an
    honest weak answer. In group-relative training, what earns more than the honest answers of its group is reinforced:
    an attack that beats the weak answers of a policy is what the policy will learn, however low its reward is.

    Args:
        reward: Any callable in TRL's convention, sync or async. Where it is a `CompositeReward`, its components are
            reported too.
        pairs: Rows, each a mapping with `reference` (a text, or a list of texts whose first one is attacked) and
            optionally

            * `weak`: an honest weak answer, best a sample of the cold-start policy. Where it is missing or blank, every
              third word of the reference is left out, and the report counts such rows;
            * `source`, `prompt` (a text or messages; rows with messages get their completions as messages, as in TRL);
            * `paraphrase`: an honest good answer in other words;
            * `other_language`: the same in a third language; `entities`: names in the reference; `roles`: two of its
              parts, agent and patient;
            * columns that the reward needs. It is given all columns but `prompt`, which comes as `prompts`.
        language: The language of the answers: a tag of `TABLES` or a table of your own. Without one, and for tags
            without a table, attacks that need a table do not apply.
        attacks: What to try, `DEFAULT_ATTACKS` by default.
        margins: The lines between verdicts.
        seed: Decides all draws. Equal arguments give an equal report.
        hub_candidates: How many references, evenly spaced, are tried as hub sentence, on as many rows.
        across_languages: Rank answers of known order against the source as well, in the reference's place: for rewards
            that read several languages. A reward that needs a reference in its own language may refuse.

    Returns:
        The report. An attack does not apply to a row that lacks what it needs, or where its answer equals the reference
        or the paraphrase.

    Raises:
        ArgumentError: There are no rows, a reference is missing, a column has a name that trainers reserve, or two
            attacks share a name.
        ArgumentTypeError: A row, a reference, an attack, `margins` or `seed` has the wrong type.
        RewardOutputError: The reward returned something else than one finite float or `None` a completion.

    Example:
        >>> def length(completions, **columns):
        ...     return [float(len(completion)) for completion in completions]
        >>> report = audit_reward(length, [{"reference": "It rains today."}, {"reference": "The dog is asleep."}])
        >>> report["repetition"].verdict, report["empty"].verdict, report.exit_code()
        ('matches_gold', 'harmless', 1)
    """
    check_attacks(attacks)
    seed = _checked(margins, seed, hub_candidates)
    names = [attack.name for attack in attacks]
    if len(set(names)) < len(names):
        raise ArgumentError(f"`attacks` must have distinct names, got {', '.join(names)}")
    rows = _rows(pairs)
    scorer = Scorer(reward, rows)
    corpus = Corpus(rows, table_of(language, TABLES), seed=seed)
    if HUB in names:
        corpus = Corpus(rows, corpus.table, hub_sentence(scorer, rows, hub_candidates), seed)
    honest = _Honest(
        scorer.score([row.reference for row in rows]),
        scorer.score([row.weak for row in rows]),
        scorer.score([row.paraphrase for row in rows]),
    )
    return AuditReport(
        reward=reward_name(reward),
        signature=_signature(reward),
        language=corpus.table.language,
        rows=len(rows),
        weak_built=sum(_is_blank(pair.get("weak")) for pair in pairs),
        seed=seed,
        margins=margins,
        weights=scorer.weights,
        mode=scorer.mode,
        levels=tuple(_level(name, scored, honest.weak) for name, scored in honest._asdict().items()),
        attacks=tuple(_attacked(attack, corpus, scorer, honest, margins) for attack in attacks),
        graded=graded_results(scorer, corpus, honest.weak, across_languages=across_languages),
        version=semreward.__version__,
    )


def hub_sentence(scorer: Scorer, rows: Sequence[AuditRow], candidates: int) -> str | None:
    """The reference that earns most, on average, as an answer to the other rows.

    Args:
        scorer: The reward and its rows.
        rows: The rows.
        candidates: How many references to try, on as many rows, both evenly spaced.

    Returns:
        The reference; of equal ones the first. `None` where all references are the same, or nothing has a value.
    """
    if candidates < 1:
        raise ArgumentError(f"`hub_candidates` must be at least 1, got {candidates}")
    chosen = sorted({round(place) for place in np.linspace(0, len(rows) - 1, min(candidates, len(rows)))})
    texts = list(dict.fromkeys(rows[place].reference for place in chosen))
    trials = [(text, place) for text in texts for place in chosen if rows[place].reference != text]
    values = scorer.score_at([place for _, place in trials], [text for text, _ in trials]).total
    of_text = np.array([texts.index(text) for text, _ in trials])
    means = [
        float(np.nanmean(own)) if not np.isnan(own := values[of_text == number]).all() else -np.inf
        for number in range(len(texts))
        if trials
    ]
    return texts[int(np.argmax(means))] if means and max(means) > -np.inf else None


def _checked(margins: object, seed: object, hub_candidates: object) -> int:
    """The seed as Python's own integer, which JSON knows."""
    if not isinstance(margins, Margins):
        raise ArgumentTypeError(f"`margins` must be Margins(...), got {margins!r}; leave it out for the default ones")
    for name, value in (("seed", seed), ("hub_candidates", hub_candidates)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise ArgumentTypeError(f"`{name}` must be a whole number, got {value!r}")
    return int(seed)  # type: ignore[call-overload,no-any-return] # the loop has looked


def _signature(reward: object) -> str | None:
    signature = getattr(reward, "signature", None)
    return str(signature()) if callable(signature) else None


def _rows(pairs: Sequence[Mapping[str, Any]]) -> list[AuditRow]:
    if not is_column(pairs) or not len(pairs):
        raise ArgumentError("`pairs` must be a non-empty list of rows, each a mapping with a `reference`")
    rows = []
    for index, pair in enumerate(pairs):
        if not isinstance(pair, Mapping):
            raise ArgumentTypeError(f"`pairs` must hold mappings, got {type(pair).__name__} at row {index}")
        reference = reference_texts(pair.get("reference"), "reference", index)[0]
        weak = _text(pair, "weak", index) or edits.every_third_left_out(reference)
        texts = {name: _text(pair, name, index) for name in ("source", "prompt", "paraphrase")}
        rows.append(AuditRow(reference=reference, weak=weak, columns=pair, index=index, **texts))
    return rows


def _text(pair: Mapping[str, Any], name: str, index: int) -> str | None:
    """A row's text in a column, `None` where it is missing or blank; of messages the last one's."""
    value = pair.get(name)
    if value is None:
        return None
    if name == "prompt" and is_column(value) and all(isinstance(message, Mapping) for message in value):
        value = answer_text([{**message, "role": "assistant"} for message in value][-1:], reasoning="keep")
    if not isinstance(value, str):
        allowed = "a text, messages or None" if name == "prompt" else "a text or None"
        raise ArgumentTypeError(f"`{name}` must be {allowed}, got {str(value)[:80]!r} at row {index}")
    return normalise(value) or None


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _attacked(attack: Attack, corpus: Corpus, scorer: Scorer, honest: _Honest, margins: Margins) -> AttackResult:
    answers = [_answer(attack, row, corpus) for row in corpus.rows]
    scored = scorer.score(answers)
    rows = scored.valued & honest.weak.valued & honest.gold.valued
    applied = sum(answer is not None for answer in answers)
    facts: dict[str, Any] = {
        "name": attack.name,
        "kind": attack.kind,
        "description": attack.description,
        "applied": applied,
        "unscored": applied - int(scored.valued.sum()),
        "example": _shortened(next((answer for answer in answers if answer is not None), "")),
    }
    if not rows.any():
        return AttackResult(
            **facts, mean=None, weak=None, gold=None, position=None, win_rate=None, verdict="not_tested"
        )
    mean, weak, gold = (figure(item.total[rows].mean()) for item in (scored, honest.weak, honest.gold))
    wins = _win_rate(scored.total[rows], honest.weak.total[rows])
    return AttackResult(
        **facts,
        mean=mean,
        weak=weak,
        gold=gold,
        position=figure((mean - weak) / (gold - weak)) if gold - weak > _TIE else None,
        win_rate=wins,
        verdict=margins.verdict(mean, weak, gold, wins),
        components=scored.means(rows),
        break_even=_break_even(scored, honest.weak, rows, scorer.weights) if scorer.mode == "sum" else (),
    )


def _answer(attack: Attack, row: AuditRow, corpus: Corpus) -> str | None:
    answer = attack.make(row, corpus)
    if answer is not None and not isinstance(answer, str):
        raise ArgumentTypeError(
            f"attack {attack.name!r} must make a text or None, got {type(answer).__name__} at row {row.index}"
        )
    return None if answer in (row.reference, row.paraphrase) else answer


def _win_rate(values: NDArray[np.float64], weak: NDArray[np.float64]) -> float:
    difference = values - weak
    return figure(((difference > _TIE) + 0.5 * (np.abs(difference) <= _TIE)).mean())


def _break_even(
    scored: Scored, weak: Scored, rows: NDArray[np.bool_], weights: Mapping[str, float]
) -> tuple[BreakEven, ...]:
    """Where the weighted difference of the means is 0, for each weight alone; a missing component adds nothing."""
    differences = {
        name: float((np.nan_to_num(scored.parts[name][rows]) - np.nan_to_num(weak.parts[name][rows])).mean())
        for name in weights
    }
    total = sum(weights[name] * difference for name, difference in differences.items())
    points = []
    for name, difference in differences.items():
        if abs(difference) > _TIE:
            weight = weights[name] - total / difference
            if weight > _TIE:
                points.append(BreakEven(name, figure(weight), "above" if difference < 0 else "below"))
    return tuple(points)


def _level(name: str, scored: Scored, weak: Scored) -> Level:
    both = scored.valued & weak.valued
    return Level(
        name=name,
        rows=int(scored.answered.sum()),
        unscored=int((scored.answered & ~scored.valued).sum()),
        mean=figure(scored.total[scored.valued].mean()) if scored.valued.any() else None,
        win_rate=_win_rate(scored.total[both], weak.total[both]) if both.any() and scored is not weak else None,
        components=scored.means(scored.valued),
    )


def _shortened(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= _EXAMPLE_LENGTH else shown[: _EXAMPLE_LENGTH - 1] + "…"
