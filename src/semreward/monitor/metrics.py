"""What one call of a reward says about the policy, as numbers: lengths, groups, components, judges, copies.

Axes: `N` completions of one call. Groups are the completions of one prompt, whose differences are all that
group-relative training learns from; every correlation and share of variance here is taken within them.
"""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from semreward.shaping import SATURATION
from semreward.text import units

Values: TypeAlias = NDArray[np.float64]
Units: TypeAlias = list[str]

# Rewards that differ by less are equal: it is the noise of an encoder in single precision.
_TIE = 1e-5


@dataclass(frozen=True)
class Sample:
    """The completions of one call and what they earned.

    Attributes:
        answers: `N` answer texts.
        totals: Their rewards, shape (N,), NaN for `None`.
        bounds: Least and greatest reward that there is; `None` where it is not known.
        components: The paying components by name; a reward that is no composite is its own only one.
        judges: Values of the rewards that watch without paying, by name, shape (N,) each, NaN for `None`.
        references: `N` tuples of reference texts, empty where a row has none; or no tuple at all.
        prompts: `N` prompts as text, by which rows are grouped; `None` where the call carried none.
    """

    answers: Sequence[str]
    totals: Values
    bounds: tuple[float, float] | None = None
    components: Mapping[str, "Component"] = field(default_factory=dict)
    judges: Mapping[str, Values] = field(default_factory=dict)
    references: Sequence[tuple[str, ...]] = ()
    prompts: Sequence[str] | None = None


@dataclass(frozen=True)
class Component:
    """What one component of a reward pays.

    Attributes:
        values: Before the weight, shape (N,), NaN for `None`.
        weight: Not 0; the most is paid for the greatest value where it is positive, else for the least.
        bounds: Least and greatest value.
    """

    values: Values
    weight: float = 1.0
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def scaled(self) -> Values:
        """The values on a scale from 0, where the least is paid, to 1; shape (N,)."""
        worst, best = self.bounds if self.weight > 0 else self.bounds[::-1]
        return (self.values - worst) / ((best - worst) or 1.0)


def measure(sample: Sample) -> dict[str, float]:
    """All metrics of a call that are defined for it; `docs/monitor.md` lists them.

    Args:
        sample: The call.

    Returns:
        Finite floats by key. A key is absent where its number is undefined: a correlation where nothing varies, what
        needs references where there are none. Nothing at all for an empty call.

    Example:
        >>> sample = Sample(["a b", "a b c", "c"], np.array([1.0, 2.0, 0.0]), prompts=["p", "p", "q"])
        >>> found = measure(sample)
        >>> found["answer_units"], round(found["length_correlation"], 3), found["flat_groups"], found["distinct"]
        (2.0, 1.0, 0.0, 1.0)
    """
    if not sample.answers:
        return {}
    groups = _group_numbers(sample)
    split = [units(answer) for answer in sample.answers]
    wanted = [[units(text) for text in texts] for texts in sample.references] or [[] for _ in split]
    measured = {
        **_totals(sample, groups),
        **_lengths(sample.totals, split, wanted, groups),
        **_copies(sample),
        **_components(sample, groups),
        **_judges(sample, groups),
    }
    if sample.prompts is not None:
        measured["missing_units"] = _missing(split, wanted, groups)
        measured["echo"] = _echo(sample.prompts, split, wanted)
    return {key: float(value) for key, value in measured.items() if value is not None}


def within_groups(first: Values, second: Values, groups: NDArray[np.int64]) -> tuple[Values, Values]:
    """Two columns as deviations from their groups' means, over the rows where both are defined.

    Args:
        first: Shape (N,), NaN where undefined.
        second: Shape (N,), NaN where undefined.
        groups: Shape (N,), from 0.

    Returns:
        Two arrays of one shape (M,), M <= N: rows that are alone in their group are left out.
    """
    present = np.isfinite(first) & np.isfinite(second)
    count = np.bincount(groups[present], minlength=int(groups.max()) + 1)
    rows = np.flatnonzero(present & (count[groups] > 1))

    def deviations(values: Values) -> Values:
        sums = np.bincount(groups[rows], weights=values[rows], minlength=count.size)
        centred: Values = values[rows] - sums[groups[rows]] / count[groups[rows]]
        return centred

    return deviations(first), deviations(second)


def correlation(first: Values, second: Values, groups: NDArray[np.int64]) -> float | None:
    """Pearson's correlation within groups, in [-1, 1]; `None` where one of the two does not vary in any group."""
    a, b = within_groups(first, second, groups)
    spread = _norm(a) * _norm(b)
    return None if spread == 0 else float(np.clip((a @ b) / spread, -1.0, 1.0))


def _norm(deviations: Values) -> float:
    """Euclidean norm, 0 where all that varies is rounding."""
    return float(np.linalg.norm(deviations)) if np.abs(deviations).max(initial=0.0) > _TIE else 0.0


def _group_numbers(sample: Sample) -> NDArray[np.int64]:
    if sample.prompts is None:
        return np.zeros(len(sample.answers), dtype=np.int64)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(prompt, len(numbers)) for prompt in sample.prompts], dtype=np.int64)


def _totals(sample: Sample, groups: NDArray[np.int64]) -> dict[str, float | None]:
    present = sample.totals[np.isfinite(sample.totals)]
    if not present.size:
        return {}
    measured: dict[str, float | None] = {"reward": float(present.mean())}
    if sample.prompts is not None:
        spans: dict[int, list[float]] = defaultdict(list)
        for group, total in zip(groups.tolist(), sample.totals.tolist(), strict=True):
            if np.isfinite(total):
                spans[group].append(total)
        flat = [max(values) - min(values) <= _TIE for values in spans.values() if len(values) > 1]
        measured["flat_groups"] = _mean(flat)
    if sample.bounds is not None:
        low, high = sample.bounds
        measured["floor"] = float((present <= low + _TIE).mean())
        measured["ceiling"] = float((present >= low + SATURATION * (high - low)).mean())
    return measured


def _lengths(
    totals: Values, split: Sequence[Units], wanted: Sequence[Sequence[Units]], groups: NDArray[np.int64]
) -> dict[str, float | None]:
    lengths = np.array([len(answer) for answer in split], dtype=np.float64)
    ratios = []
    for answer, references in zip(split, wanted, strict=True):
        sizes = [len(text) for text in references if text]
        if sizes:
            ratios.append(min((len(answer) / size for size in sizes), key=lambda ratio: abs(ratio - 1)))
    return {
        "answer_units": float(lengths.mean()),
        "length_ratio": _mean(ratios),
        "length_correlation": correlation(totals, lengths, groups),
    }


def _missing(split: Sequence[Units], wanted: Sequence[Sequence[Units]], groups: NDArray[np.int64]) -> float | None:
    """Share of the references' units that no completion of their group has; of several references, of the best."""
    said: dict[int, set[str]] = defaultdict(set)
    for group, answer in zip(groups.tolist(), split, strict=True):
        said[group].update(answer)
    shares = {
        group: min(sum(unit not in said[group] for unit in text) / len(text) for text in references if text)
        for group, references in zip(groups.tolist(), wanted, strict=True)
        if any(references)
    }
    return _mean(list(shares.values()))


def _echo(prompts: Sequence[str], split: Sequence[Units], wanted: Sequence[Sequence[Units]]) -> float | None:
    """Share of the answers' neighbouring units that their prompts have, beyond what the references' have."""
    asked = {prompt: _pairs(units(prompt)) for prompt in set(prompts)}
    echoes = []
    for prompt, answer, references in zip(prompts, split, wanted, strict=True):
        if answer:
            honest = max((_share(_pairs(text), asked[prompt]) for text in references if text), default=0.0)
            echoes.append(max(0.0, _share(_pairs(answer), asked[prompt]) - honest))
    return _mean(echoes)


def _pairs(split: Units) -> set[tuple[str, ...]]:
    """Neighbouring units; a text of one unit is that unit."""
    return set(itertools.pairwise(split)) or {tuple(split)}


def _share(of: set[tuple[str, ...]], within: set[tuple[str, ...]]) -> float:
    return len(of & within) / len(of)


def _copies(sample: Sample) -> dict[str, float | None]:
    measured: dict[str, float | None] = {"distinct": len(set(sample.answers)) / len(sample.answers)}
    if sample.prompts is not None and len(set(sample.prompts)) > 1:
        references = sample.references or [(prompt,) for prompt in sample.prompts]
        tasks: dict[str, set[tuple[str, tuple[str, ...]]]] = defaultdict(set)
        for answer, prompt, texts in zip(sample.answers, sample.prompts, references, strict=True):
            tasks[answer].add((prompt, texts))
        several = {answer: len({texts for _, texts in found}) > 1 for answer, found in tasks.items()}
        measured["shared_answers"] = _mean([several[answer] for answer in sample.answers])
    return measured


def _components(sample: Sample, groups: NDArray[np.int64]) -> dict[str, float | None]:
    """What each paying component earns, and its share in what sets completions of one prompt apart."""
    measured: dict[str, float | None] = {}
    for name, component in sample.components.items():
        scaled = component.scaled[np.isfinite(component.values)]
        if scaled.size:
            measured[f"mean/{name}"] = float(scaled.mean())
            measured[f"dead_zone/{name}"] = float((scaled <= _TIE).mean())
            paid = component.weight * component.values
            measured[f"share/{name}"] = _variance_share(paid, sample.totals, groups)
    return measured


def _variance_share(part: Values, total: Values, groups: NDArray[np.int64]) -> float | None:
    """cov(part, total) / var(total) within groups: the shares of all parts of a sum add up to 1."""
    a, b = within_groups(part, total, groups)
    return None if _norm(b) == 0 else float((a @ b) / (b @ b))


def _judges(sample: Sample, groups: NDArray[np.int64]) -> dict[str, float | None]:
    measured: dict[str, float | None] = {}
    for name, values in sample.judges.items():
        present = values[np.isfinite(values)]
        if present.size:
            measured[f"judge/{name}"] = float(present.mean())
            measured[f"agreement/{name}"] = correlation(sample.totals, values, groups)
    return measured


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
