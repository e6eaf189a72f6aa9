"""Runs attacks on a reward and measures what they earn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import semreward
from semreward.arguments import check_count, is_column
from semreward.audit import edits
from semreward.audit.attacks import DEFAULT_ATTACKS, HUB, Attack, AuditRow, Corpus, check_attacks
from semreward.audit.graded import graded_result
from semreward.audit.results import AttackResult, AuditReport, BreakEven, Level, Margins
from semreward.audit.scoring import Scored, Scorer, figure
from semreward.audit.tables import LanguageTable, table_of
from semreward.batch import reference_texts
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.protocols import RewardFunction
from semreward.rewards.calling import reward_name
from semreward.text import answer_text, normalise

_EXAMPLE_LENGTH = 60
_TIE = 1e-6  # rewards that differ by less are the same: encoders round
_DEFAULT_MARGINS = Margins()


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

    Each attack makes one answer per row. The report compares its mean reward with that of the references (*gold*) and
    of honest weak answers. Group-relative training reinforces what earns more than the honest answers of its group: a
    policy will learn an attack that beats its weak answers, however low the reward is.

    Args:
        reward: Any callable in TRL's convention, sync or async. The report has each component of a `CompositeReward`.
        pairs: Rows, each a mapping with `reference` (a text, or a list of texts whose first one is attacked), the
            columns that the reward needs, and optionally

            * `weak`: an honest weak answer, best a sample of the cold-start policy. Where it is missing or blank, every
              third word of the reference is left out, and the report counts such rows;
            * `source`, `prompt` (a text or messages; rows with messages get their completions as messages, as in TRL);
            * `paraphrase`: an honest good answer in other words;
            * `other_language`: the same in a third language; `entities`: names in the reference; `roles`: two of its
              parts, agent and patient.
        language: The language of the answers: a tag of `TABLES` or a table of your own. Attacks that need an entry
            which is not there do not apply.
        attacks: What to try.
        margins: The lines between verdicts.
        seed: Decides all draws, at least 0. Equal arguments give an equal report.
        hub_candidates: How many references, evenly spaced, are tried as hub sentence, on as many rows; at least 1.
        across_languages: Rank answers of known order against the source as well, in the reference's place: for rewards
            that read several languages.

    Returns:
        The report. An attack does not apply to a row that lacks what it needs, or where its answer equals the reference
        or the paraphrase.

    Raises:
        ArgumentError: There are no rows, a reference is missing, a column has a name that trainers reserve, two attacks
            share a name, or a number is out of range.
        ArgumentTypeError: A row, a reference, an attack or `margins` has the wrong type.
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
    if not isinstance(margins, Margins):
        raise ArgumentTypeError(f"`margins` must be Margins(...), got {margins!r}; leave it out for the default ones")
    check_count("seed", seed, at_least=0)
    check_count("hub_candidates", hub_candidates)
    if not is_column(pairs) or not len(pairs):
        raise ArgumentError("`pairs` must be a non-empty list of rows, each a mapping with a `reference`")
    rows = [_row(pair, index) for index, pair in enumerate(pairs)]
    scorer = Scorer(reward, rows)
    hub = hub_sentence(scorer, rows, hub_candidates) if HUB in names else None
    corpus = Corpus(rows, table_of(language), hub, int(seed))
    answers: dict[str, list[str | None]] = {
        "gold": [row.reference for row in rows],
        "weak": [row.weak for row in rows],
        "paraphrase": [row.paraphrase for row in rows],
    }
    honest = {name: scorer.score(texts) for name, texts in answers.items()}
    graded = [graded_result("within", scorer, corpus)]
    graded += [graded_result("across", scorer, corpus)] if across_languages else []
    signature = getattr(reward, "signature", None)
    return AuditReport(
        reward=reward_name(reward),
        signature=str(signature()) if callable(signature) else None,
        language=corpus.table.language,
        rows=len(rows),
        weak_built=sum(_text(row.columns, "weak", row.index) is None for row in rows),
        seed=corpus.seed,
        margins=margins,
        weights=scorer.weights,
        mode=scorer.mode,
        levels=tuple(_level(name, answers[name], honest) for name in answers),
        attacks=tuple(_attacked(attack, corpus, scorer, honest, margins) for attack in attacks),
        graded=tuple(result for result in graded if result is not None),
        version=semreward.__version__,
    )


def _row(pair: Any, index: int) -> AuditRow:
    if not isinstance(pair, Mapping):
        raise ArgumentTypeError(f"`pairs` must hold mappings, got {type(pair).__name__} at row {index}")
    reference = reference_texts(pair.get("reference"), "reference", index)[0]
    weak = _text(pair, "weak", index) or edits.every_third_left_out(reference)
    texts = {name: _text(pair, name, index) for name in ("source", "prompt", "paraphrase")}
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


def hub_sentence(scorer: Scorer, rows: Sequence[AuditRow], candidates: int) -> str | None:
    """The reference that earns most, on average, as an answer to the other rows; of equal ones the first.

    `candidates` references are tried on as many rows, both evenly spaced. `None` where all references are the same, or
    nothing has a value.
    """
    indices = np.unique(np.linspace(0, len(rows) - 1, min(candidates, len(rows))).round().astype(int))
    chosen = [rows[index] for index in indices]
    texts = list(dict.fromkeys(row.reference for row in chosen))
    trials = [(text, row) for text in texts for row in chosen if row.reference != text]
    values = scorer.score([text for text, _ in trials], [row for _, row in trials]).total
    means: dict[str, float] = {}
    for text in texts:
        own = values[[text == tried for tried, _ in trials]]
        if not np.isnan(own).all():
            means[text] = float(np.nanmean(own))
    return max(means, key=means.__getitem__, default=None)


def _attacked(
    attack: Attack, corpus: Corpus, scorer: Scorer, honest: Mapping[str, Scored], margins: Margins
) -> AttackResult:
    answers = [_answer(attack, row, corpus) for row in corpus.rows]
    made = [answer for answer in answers if answer is not None]
    scored = scorer.score(answers)
    unscored = len(made) - int(scored.valued.sum())
    example = _shortened(made[0]) if made else ""
    result = AttackResult(attack.name, attack.kind, attack.description, len(made), unscored, example=example)
    rows = scored.valued & honest["weak"].valued & honest["gold"].valued
    if not rows.any():
        return result
    mean, weak, gold = (figure(item.total[rows].mean()) for item in (scored, honest["weak"], honest["gold"]))
    wins = _win_rate(scored, honest["weak"], rows)
    return replace(
        result,
        mean=mean,
        weak=weak,
        gold=gold,
        position=figure((mean - weak) / (gold - weak)) if gold - weak > _TIE else None,
        win_rate=wins,
        verdict=margins.verdict(mean, weak, gold, wins),
        components=scored.means(rows),
        break_even=_break_even(scorer, scored, honest["weak"], rows),
    )


def _answer(attack: Attack, row: AuditRow, corpus: Corpus) -> str | None:
    answer = attack.make(row, corpus)
    if answer is not None and not isinstance(answer, str):
        raise ArgumentTypeError(
            f"attack {attack.name!r} must make a text or None, got {type(answer).__name__} at row {row.index}"
        )
    return None if answer in (row.reference, row.paraphrase) else answer


def _win_rate(scored: Scored, weak: Scored, rows: NDArray[np.bool_]) -> float:
    difference = (scored.total - weak.total)[rows]
    return figure(((difference > _TIE) + 0.5 * (np.abs(difference) <= _TIE)).mean())


def _break_even(scorer: Scorer, scored: Scored, weak: Scored, rows: NDArray[np.bool_]) -> tuple[BreakEven, ...]:
    """Where the weighted difference of the means is 0, for each weight alone; a missing component adds nothing."""
    if scorer.mode != "sum":
        return ()
    differences = {
        name: float((np.nan_to_num(scored.parts[name][rows]) - np.nan_to_num(weak.parts[name][rows])).mean())
        for name in scorer.weights
    }
    total = sum(scorer.weights[name] * difference for name, difference in differences.items())
    points = []
    for name, difference in differences.items():
        if abs(difference) > _TIE:
            weight = scorer.weights[name] - total / difference
            if weight > _TIE:
                points.append(BreakEven(name, figure(weight), "above" if difference < 0 else "below"))
    return tuple(points)


def _level(name: str, answers: Sequence[str | None], honest: Mapping[str, Scored]) -> Level:
    scored, weak = honest[name], honest["weak"]
    count = sum(answer is not None for answer in answers)
    both = scored.valued & weak.valued
    return Level(
        name=name,
        rows=count,
        unscored=count - int(scored.valued.sum()),
        mean=figure(scored.total[scored.valued].mean()) if scored.valued.any() else None,
        win_rate=_win_rate(scored, weak, both) if both.any() and scored is not weak else None,
        components=scored.means(scored.valued),
    )


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _EXAMPLE_LENGTH else text[: _EXAMPLE_LENGTH - 1] + "…"
