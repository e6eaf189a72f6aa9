"""Measures a policy by one call of its reward: lengths, groups, components, judges, copies.

Axes: `N` completions of one call. A group is the completions of one prompt. Group-relative training learns only from
differences within a group, so every correlation and share of variance here is taken within groups.
"""

import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semreward.text import units

Values: TypeAlias = NDArray[np.float64]
Units: TypeAlias = list[str]

_TIE = 1e-5  # rewards that differ by less are equal: it is the noise of an encoder in single precision
_WORD = 4  # letters: shorter words of two languages are too often equal by chance


class Component(NamedTuple):
    """A component's values, shape (N,), NaN for `None`; its weight in this call; its least and greatest value."""

    values: Values
    weight: float = 1.0
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def scaled(self) -> Values:
        """The values on a scale from 0, where the least is paid, to 1; shape (N,)."""
        worst, best = self.bounds if self.weight >= 0 else self.bounds[::-1]
        return (self.values - worst) / ((best - worst) or 1.0)


def measure(
    answers: Sequence[str],
    totals: Values,  # their rewards, shape (N,), NaN for `None`
    *,
    components: Mapping[str, Component] = MappingProxyType({}),  # those that pay, by name
    judges: Mapping[str, Values] = MappingProxyType({}),  # of those that do not, by name, shape (N,) each
    references: Sequence[tuple[str, ...]] = (),  # `N` tuples of texts, empty for rows without one; or nothing
    prompts: Sequence[str] | None = None,  # `N` texts, by which rows are grouped
) -> dict[str, float]:
    """All metrics of a call; `docs/monitor.md` lists them.

    Returns:
        Finite floats by key; a key is absent where its number is undefined (nothing varies, no references, no answers).

    Example:
        >>> found = measure(["a b", "a b c", "c"], np.array([1.0, 2.0, 0.0]), prompts=["p", "p", "q"])
        >>> found["answer_units"], round(found["length_correlation"], 3), found["flat_groups"], found["distinct"]
        (2.0, 1.0, 0.0, 1.0)
    """
    if not answers:
        return {}
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, prompt in enumerate(prompts or [""] * len(answers)):
        rows_of[prompt].append(row)
    groups = list(rows_of.values())
    split = [units(answer) for answer in answers]
    wanted = [[found for text in texts if (found := units(text))] for texts in references] or [[] for _ in split]
    lengths = np.array([len(answer) for answer in split], dtype=np.float64)
    measured = {
        "reward": _mean(totals),
        "answer_units": _mean(lengths),
        "length_ratio": _length_ratio(split, wanted),
        "length_correlation": correlation(totals, lengths, groups),
        "distinct": len(set(answers)) / len(answers),
    }
    if prompts is not None:
        present = [totals[rows][np.isfinite(totals[rows])] for rows in groups]
        measured["flat_groups"] = _mean([float(np.ptp(group) <= _TIE) for group in present if len(group) > 1])
        measured["missing_units"] = _missing_units(split, wanted, groups)
        asked = list(map(functools.cache(units), prompts))
        measured["echo"] = _echo(asked, split, wanted)
        measured["leaked"] = _leaked(asked, split, wanted)
    for name, component in components.items():
        scaled = component.scaled[np.isfinite(component.values)]
        part, total = deviations(component.weight * component.values, totals, groups)
        measured[f"mean/{name}"] = _mean(scaled)
        measured[f"dead_zone/{name}"] = _mean(scaled <= _TIE)
        measured[f"share/{name}"] = float((part @ total) / (total @ total)) if _varies(total) else math.nan
    for name, values in judges.items():
        measured[f"judge/{name}"] = _mean(values)
        measured[f"agreement/{name}"] = correlation(totals, values, groups)
    return {key: value for key, value in measured.items() if not math.isnan(value)}


def deviations(first: Values, second: Values, groups: Sequence[list[int]]) -> Values:
    """Two columns, shape (N,) each, as deviations from their groups' means; rows where either is NaN are left out."""
    columns = np.stack([first, second])
    parts = [np.empty((2, 0))]
    for rows in groups:
        group = columns[:, rows]
        group = group[:, np.isfinite(group).all(axis=0)]
        if group.size:
            parts.append(group - group.mean(axis=1, keepdims=True))
    return np.concatenate(parts, axis=1)


def correlation(first: Values, second: Values, groups: Sequence[list[int]]) -> float:
    """Pearson's correlation within groups, in [-1, 1]; NaN where one of the two does not vary in any group."""
    a, b = deviations(first, second, groups)
    if not _varies(a) or not _varies(b):
        return math.nan
    return float(np.clip((a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)), -1.0, 1.0))


def _varies(deviation: Values) -> bool:
    return bool(np.abs(deviation).max(initial=0.0) > _TIE)


def _mean(values: ArrayLike) -> float:
    """The mean of all values that are not NaN; NaN if there are none."""
    present = np.asarray(values, dtype=np.float64)
    present = present[np.isfinite(present)]
    return float(present.mean()) if present.size else math.nan


def _length_ratio(split: Sequence[Units], wanted: Sequence[Sequence[Units]]) -> float:
    """Mean length relative to the reference of the nearest length."""
    ratios = [
        min((len(answer) / len(text) for text in references), key=lambda ratio: abs(ratio - 1))
        for answer, references in zip(split, wanted, strict=True)
        if references
    ]
    return _mean(ratios)


def _missing_units(split: Sequence[Units], wanted: Sequence[Sequence[Units]], groups: Sequence[list[int]]) -> float:
    """Share of the references' units that no completion of their group has; of several references, the lowest."""
    shares = []
    for rows in groups:
        present = {unit for row in rows for unit in split[row]}
        references = [wanted[row] for row in rows if wanted[row]]
        if references:
            shares.append(min(sum(unit not in present for unit in text) / len(text) for text in references[-1]))
    return _mean(shares)


def _echo(asked: Sequence[Units], split: Sequence[Units], wanted: Sequence[Sequence[Units]]) -> float:
    """Share of the answers' adjacent unit pairs that their prompts have, beyond what the references have."""
    echoes = []
    for prompt, answer, references in zip(asked, split, wanted, strict=True):
        if answer:
            shares = [len(_pairs(text) & _pairs(prompt)) / len(_pairs(text)) for text in (answer, *references)]
            echoes.append(max(0.0, shares[0] - max(shares[1:], default=0.0)))
    return _mean(echoes)


def _leaked(asked: Sequence[Units], split: Sequence[Units], wanted: Sequence[Sequence[Units]]) -> float:
    """Share of the answers with a word that their prompt has and no reference; of rows that have references."""
    return _mean(
        [
            bool((_words(answer) & _words(prompt)).difference(*map(_words, references)))
            for prompt, answer, references in zip(asked, split, wanted, strict=True)
            if references
        ]
    )


def _words(split: Units) -> set[str]:
    """Words of at least four letters, in lower case."""
    return {unit.casefold() for unit in split if len(unit) >= _WORD and not any(map(str.isdigit, unit))}


def _pairs(split: Units) -> set[tuple[str, ...]]:
    """Adjacent units; a text of one unit is that unit."""
    return set(itertools.pairwise(split)) or {tuple(split)}
