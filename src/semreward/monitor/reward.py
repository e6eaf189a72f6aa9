"""A reward that also reports, through the trainer's log, how the policy goes about earning it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from semreward.arguments import is_column
from semreward.batch import Batch, source_text
from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError
from semreward.monitor.alarms import Watched
from semreward.monitor.metrics import Component, Sample, Values, measure
from semreward.protocols import RewardFunction
from semreward.rewards.base import AsyncReward, Outcome, Reward, as_values, reward_bounds
from semreward.rewards.calling import call_all, is_torch_module, reward_name
from semreward.rewards.composite import CompositeReward
from semreward.rewards.language import LanguageConsistencyReward
from semreward.text import DEFAULT_ANSWER, normalise


@dataclass(frozen=True)
class MonitoredReward(Reward):
    """A reward, unchanged, whose calls are also measured: lengths, groups, components, judges, copies.

    It earns what the reward inside earns, under its name, and logs what it logs. Where a trainer offers `log_metric`,
    each call adds metrics `<name>/monitor/<key>`, which `RewardMonitor` reads; `docs/monitor.md` lists them. It keeps
    no state, so several processes each measure their own rows, and the trainer averages. Where there is no `log_metric`
    (AsyncGRPO, online DPO), nothing is measured and no judge is called.

    Args:
        reward: The reward that pays: any callable in TRL's convention. A `CompositeReward` is seen through: its
            components are measured one by one, and those of weight 0 count among the judges.
        judges: Reward functions that watch and pay nothing, such as a similarity by another encoder, chrF, or a
            `LanguageConsistencyReward`. They are called with the same columns, and logged row by row as
            `<name>/monitor/<judge>` where the trainer offers `log_extra`.
        ignore: Names of components of weight 0, or of judges, that are called and logged as they are, and do not count
            as judges; gates never do.
        reference_column: Column whose texts lengths are compared with; rows without a text there, and calls without
            the column, are not compared.
        name: Metric key; the name of the reward inside by default.
        answer: How the answer is found in a completion; as the reward inside has it by default.
        on_error: What becomes of rows whose encoder cannot be reached; as the reward inside has it by default.

    Raises:
        ArgumentError: Two judges, or a judge and a component, have one name, `ignore` names neither, or a parameter is
            out of its range.
        ArgumentTypeError: The reward or a judge is not callable, or is a `torch.nn.Module`; `judges` or `ignore` is no
            list.

    Example:
        >>> from semreward import LanguageConsistencyReward
        >>> reward = MonitoredReward(LanguageConsistencyReward("bo"))
        >>> logged = {}
        >>> reward(completions=["བོད་ཡིག", "བོད་ཡིག", "book"], prompts=["p", "p", "p"], log_metric=logged.__setitem__)
        [1.0, 1.0, 0.0]
        >>> logged["language_consistency/monitor/distinct"], logged["language_consistency/monitor/flat_groups"]
        (0.6666666666666666, 0.0)
    """

    reward: RewardFunction
    _: KW_ONLY
    judges: Sequence[RewardFunction] = ()
    ignore: Sequence[str] = ()
    reference_column: str = "reference"
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "judges", _as_tuple(self.judges, "judges", "reward functions"))
        object.__setattr__(self, "ignore", _as_tuple(self.ignore, "ignore", "names"))
        if not callable(self.reward) or is_torch_module(self.reward):
            raise ArgumentTypeError(
                f"`reward` must be a reward function, got {type(self.reward).__name__}; "
                "wrap it in a class that calls it"
            )
        if self.judges:
            _panel(self.judges)  # checks them
        if not self.name:
            object.__setattr__(self, "name", reward_name(self.reward))
        if isinstance(self.reward, Reward):
            if self.answer == DEFAULT_ANSWER:
                object.__setattr__(self, "answer", self.reward.answer)
            if self.on_error == "raise":
                object.__setattr__(self, "on_error", self.reward.on_error)
        super().__post_init__()
        names = [*self._names, *map(reward_name, self.judges)]
        if len(set(names)) < len(names):
            raise ArgumentError(
                "`judges` must have other names than the components, got "
                f"{', '.join(names)}; rename one: reward.replace(name=...)"
            )
        if unknown := [name for name in self.ignore if name not in names]:
            raise ArgumentError(
                f"`ignore` must name components or judges, got {', '.join(map(repr, unknown))}; "
                f"there are {', '.join(names)}"
            )

    def replace(self, **changes: Any) -> "MonitoredReward":
        """Another one, equal but for the given parameters; a name that is its reward's follows the reward.

        Raises:
            TypeError: A parameter does not exist.
        """
        if "reward" in changes and self.name == reward_name(self.reward):
            changes = {"name": "", **changes}
        return super().replace(**changes)

    @property
    def watched(self) -> Watched:
        """Whose metrics it logs: the components that pay, and the judges, which are components of weight 0, too."""
        gates = self.reward.gates if isinstance(self.reward, CompositeReward) else ()
        others = {*gates, *self.ignore}
        unpaid = [part for part, weight in self._parts if not weight]
        judges = [part for part in (*unpaid, *self.judges) if reward_name(part) not in others]
        paying = [part for part, weight in self._parts if weight]
        languages = [part for part in (*paying, *judges) if _is_language(part)]
        return Watched(*(tuple(map(reward_name, found)) for found in (paying, judges, languages)))

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds of the reward inside."""
        return reward_bounds(self.reward)

    @property
    def _parts(self) -> list[tuple[RewardFunction, float]]:
        """Components and their weights; a reward that is no composite is its own only component."""
        return list(self.reward.components) if isinstance(self.reward, CompositeReward) else [(self.reward, 1.0)]

    def metric(self, key: str) -> str:
        """The name under which a metric of `semreward.monitor.metrics.measure` is logged."""
        return f"{self.name}/monitor/{key}"

    def score(self, batch: Batch) -> Outcome:
        """What the reward inside finds; with a trainer that logs metrics, also what was measured.

        Raises:
            RewardOutputError: The reward inside does not return one number or `None` per completion.
            SemRewardError: As the reward inside and the judges raise it.
        """
        outcome = self._inside(batch)
        if "log_metric" not in batch.hooks:
            return outcome
        parts = {reward_name(self.reward): outcome.values}
        if isinstance(self.reward, CompositeReward):
            parts = {name: _as_array(outcome.extras[name]) for name in self._names}
        for name, found in self._judged(batch).items():
            parts[name] = found
            outcome.extras[self.metric(name)] = as_values(found)
        for key, value in measure(self._sample(batch, outcome.values, parts)).items():
            outcome.metrics[self.metric(key)] = value
        return outcome

    def _inside(self, batch: Batch) -> Outcome:
        if isinstance(self.reward, Reward):
            return self.reward.score(batch)
        rows = len(batch)  # before the reward can change it
        return Outcome(_checked(call_all([self.reward], batch.arguments)[0], reward_name(self.reward), rows))

    @property
    def _names(self) -> list[str]:
        return [reward_name(part) for part, _ in self._parts]

    def _judged(self, batch: Batch) -> dict[str, Values]:
        if not self.judges:
            return {}
        quiet = copy.copy(batch)
        quiet.hooks = {}  # judges log nothing of their own
        judged = _panel(self.judges).score(quiet)
        if judged.errors and self.on_error == "raise":
            raise next(iter(judged.errors.values()))
        return {name: _as_array(judged.extras[name]) for name in map(reward_name, self.judges)}

    def _sample(self, batch: Batch, totals: Values, parts: Mapping[str, Values]) -> Sample:
        """A call as it is measured, given the values of components and judges by name."""
        prompts, references = batch.columns.get("prompts"), batch.columns.get(self.reference_column, ())
        is_compared = is_column(references) and len(references) == len(totals)
        return Sample(
            answers=batch.answers,
            totals=totals,
            bounds=self.bounds,
            components={
                reward_name(part): Component(parts[reward_name(part)], weight, reward_bounds(part) or (0.0, 1.0))
                for part, weight in self._parts
                if weight
            },
            judges={name: parts[name] for name in self.watched.judges},
            references=[_texts(reference) for reference in references] if is_compared else (),
            prompts=None if prompts is None else [_prompt_text(prompt, row) for row, prompt in enumerate(prompts)],
        )


def _as_tuple(values: Any, name: str, of: str) -> tuple[Any, ...]:
    if isinstance(values, (set, frozenset)):
        return tuple(sorted(values, key=str))
    if not is_column(values):
        raise ArgumentTypeError(f"`{name}` must be a list of {of}, got {values!r}; write {name}=[...]")
    return tuple(values)


def _checked(output: Any, name: str, rows: int) -> Values:
    """What a reward has returned, as an array; a trainer takes NaN for `None`, and so does this."""
    if isinstance(output, (str, bytes, Mapping)):
        raise RewardOutputError(f"`{name}` must return a list of values, got {type(output).__name__}")
    try:
        values = list(output)
        array = _as_array(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise RewardOutputError(f"`{name}` must return one float or None per completion: {error}") from error
    if len(values) != rows:
        raise RewardOutputError(f"`{name}` must return one value per completion: {rows} expected, got {len(values)}")
    return array


def _panel(judges: Sequence[RewardFunction]) -> CompositeReward:
    """Judges as one reward, which checks what they return."""
    return CompositeReward([(judge, 0.0) for judge in judges])


def _is_language(reward: RewardFunction) -> bool:
    return isinstance(reward.reward if isinstance(reward, AsyncReward) else reward, LanguageConsistencyReward)


def _as_array(values: Sequence[float | None]) -> Values:
    return np.array([np.nan if value is None else _as_float(value) for value in values], dtype=np.float64)


def _as_float(value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError(f"got the text {value!r}")
    return float(value)


def _texts(reference: Any) -> tuple[str, ...]:
    """The texts of a row's reference; none where it is something else."""
    found: Any = reference if is_column(reference) else [reference]
    return tuple(text for text in found if isinstance(text, str) and normalise(text))


def _prompt_text(prompt: Any, row: int) -> str:
    """What is common to a group and sets it apart from others; of a conversation, what was said in it."""
    return prompt if isinstance(prompt, str) else source_text(prompt, "prompts", row)
