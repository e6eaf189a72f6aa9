"""A reward that also reports, through the trainer's log, how the policy goes about earning it."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from semreward.arguments import is_column
from semreward.batch import Batch, source_text
from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError
from semreward.monitor.alarms import Watched
from semreward.monitor.metrics import Component, Values, measure
from semreward.protocols import RewardFunction
from semreward.rewards.base import AsyncReward, Outcome, Reward, as_values, reward_bounds
from semreward.rewards.calling import call_all, is_torch_module, reward_name
from semreward.rewards.composite import CompositeReward
from semreward.rewards.language import LanguageConsistencyReward
from semreward.text import DEFAULT_ANSWER, normalise


@dataclass(frozen=True)
class MonitoredReward(Reward):
    """A reward, unchanged, whose calls are also measured: lengths, groups, components, judges, copies.

    It has the name of the reward inside, earns what that one earns, and logs what it logs. If a trainer offers
    `log_metric`, each call also logs `<name>/monitor/<key>` for the keys in `docs/monitor.md`; otherwise (AsyncGRPO,
    online DPO) nothing is measured and no judge is called. Each process measures its own rows; the trainer averages.

    Args:
        reward: The reward that pays, any callable in TRL's convention. The components of a `CompositeReward` are
            measured one by one; those of weight 0 are judges.
        judges: Reward functions that watch and pay nothing, such as a similarity by another encoder. They are called
            with the same columns, and logged row by row as `<name>/monitor/<judge>` if there is a `log_extra`.
        ignore: Names of components of weight 0, or of judges, that do not count as judges; gates never do.
        reference_column: Column with whose texts lengths are compared; rows without a text there are left out.
        answer: How the answer is found in a completion; by default as the reward inside has it.
        on_error: What becomes of rows whose encoder cannot be reached; by default as the reward inside has it.
        name: Metric key; the name of the reward inside by default.

    Raises:
        ArgumentError: Two judges or components have one name, or `ignore` names neither.
        ArgumentTypeError: A reward is not callable, or is a `torch.nn.Module`; `judges` or `ignore` is no list.

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

    def __post_init__(self) -> None:  # noqa: C901 - a list of checks
        if not callable(self.reward) or is_torch_module(self.reward):
            kind = type(self.reward).__name__
            raise ArgumentTypeError(f"`reward` must be a reward function, got {kind}; wrap it in a class that calls it")
        for name, content in (("judges", "reward functions"), ("ignore", "names")):
            values: Any = getattr(self, name)
            if isinstance(values, (set, frozenset)):
                values = sorted(values, key=str)
            if not is_column(values):
                raise ArgumentTypeError(f"`{name}` must be a list of {content}, got {values!r}; write {name}=[...]")
            object.__setattr__(self, name, tuple(values))
        object.__setattr__(self, "name", self.name or reward_name(self.reward))
        if isinstance(self.reward, Reward):  # the outermost reward decides, and this one is as the one inside
            if self.answer == DEFAULT_ANSWER:
                object.__setattr__(self, "answer", self.reward.answer)
            if self.on_error == "raise":
                object.__setattr__(self, "on_error", self.reward.on_error)
        super().__post_init__()
        if self.judges:
            _panel(self.judges)  # checks them
        names = [*self._components, *map(reward_name, self.judges)]
        if len(set(names)) < len(names):
            raise ArgumentError(
                f"`judges` must have other names than the components, got {', '.join(names)}; rename one: "
                "reward.replace(name=...)"
            )
        if unknown := [name for name in self.ignore if name not in names]:
            raise ArgumentError(
                f"`ignore` must name components or judges, got {', '.join(map(repr, unknown))}; "
                f"there are {', '.join(names)}"
            )

    def replace(self, **changes: Any) -> "MonitoredReward":
        """Another one, equal but for the given parameters; a name that is its reward's follows the reward."""
        if "reward" in changes and self.name == reward_name(self.reward):
            changes = {"name": "", **changes}
        return super().replace(**changes)

    @property
    def _components(self) -> dict[str, tuple[RewardFunction, float]]:
        """Components and weights by name; a reward that is no composite is its own only component."""
        pairs = self.reward.components if isinstance(self.reward, CompositeReward) else [(self.reward, 1.0)]
        return {reward_name(part): (part, weight) for part, weight in pairs}

    @property
    def watched(self) -> Watched:
        """Whose metrics it logs: the components that pay, and the judges, which are components of weight 0, too."""
        gates = self.reward.gates if isinstance(self.reward, CompositeReward) else ()
        paying = {name: part for name, (part, weight) in self._components.items() if weight}
        unpaid = {name: part for name, (part, weight) in self._components.items() if not weight}
        unpaid |= {reward_name(judge): judge for judge in self.judges}
        judges = {name: part for name, part in unpaid.items() if name not in {*gates, *self.ignore}}
        languages = tuple(name for name, part in {**paying, **judges}.items() if _is_language(part))
        return Watched(tuple(paying), tuple(judges), languages)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds of the reward inside."""
        return reward_bounds(self.reward)

    def metric(self, key: str) -> str:
        """The name under which a metric of `semreward.monitor.metrics.measure` is logged."""
        return f"{self.name}/monitor/{key}"

    def score(self, batch: Batch) -> Outcome:
        """What the reward inside finds; if a trainer logs metrics, also what is measured.

        Raises:
            RewardOutputError: The reward inside does not return one number or `None` per completion.
        """
        if isinstance(self.reward, Reward):
            outcome = self.reward.score(batch)
        else:
            rows = len(batch)  # before the reward can change it
            outcome = Outcome(_checked(call_all([self.reward], batch.arguments)[0], reward_name(self.reward), rows))
        if "log_metric" not in batch.hooks:
            return outcome
        parts = {reward_name(self.reward): outcome.values}
        if isinstance(self.reward, CompositeReward):
            parts = {name: _as_array(outcome.extras[name]) for name in self._components}
        for name, found in self._judged(batch).items():
            parts[name] = found
            outcome.extras[self.metric(name)] = as_values(found)
        for key, value in self._measured(batch, outcome.values, parts).items():
            outcome.metrics[self.metric(key)] = value
        return outcome

    def _judged(self, batch: Batch) -> dict[str, Values]:
        """The judges' values by name; they log nothing of their own."""
        if not self.judges:
            return {}
        quiet = copy.copy(batch)
        quiet.hooks = {}
        judged = _panel(self.judges).score(quiet)
        if judged.errors and self.on_error == "raise":
            raise next(iter(judged.errors.values()))
        return {name: _as_array(judged.extras[name]) for name in map(reward_name, self.judges)}

    def _measured(self, batch: Batch, totals: Values, parts: Mapping[str, Values]) -> dict[str, float]:
        """The metrics of a call, given the values of components and judges by name."""
        prompts: Any = batch.columns.get("prompts")
        references: Any = batch.columns.get(self.reference_column)
        is_compared = is_column(references) and len(references) == len(totals)
        return measure(
            batch.answers,
            totals,
            bounds=self.bounds,
            components={
                name: Component(parts[name], weight, reward_bounds(part) or (0.0, 1.0))
                for name, (part, weight) in self._components.items()
                if weight
            },
            judges={name: parts[name] for name in self.watched.judges},
            references=[_texts(reference) for reference in references] if is_compared else (),
            prompts=None if prompts is None else [_prompt_text(prompt, row) for row, prompt in enumerate(prompts)],
        )


def _panel(judges: Sequence[RewardFunction]) -> CompositeReward:
    """Judges as one reward, which checks what they return."""
    return CompositeReward([(judge, 0.0) for judge in judges])


def _is_language(reward: RewardFunction) -> bool:
    return isinstance(reward.reward if isinstance(reward, AsyncReward) else reward, LanguageConsistencyReward)


def _checked(output: Any, name: str, rows: int) -> Values:
    """What a reward has returned, as an array; like a trainer, this takes NaN for `None`."""
    try:
        values = None if isinstance(output, (str, bytes, Mapping)) else list(output)
        array = _as_array(values or [])
    except (TypeError, ValueError, OverflowError) as error:
        raise RewardOutputError(f"`{name}` must return one float or None per completion: {error}") from error
    if values is None or len(values) != rows:
        raise RewardOutputError(f"`{name}` must return a list of {rows} values, one per completion, got {output!r:.80}")
    return array


def _as_array(values: Sequence[float | None]) -> Values:
    if texts := [value for value in values if isinstance(value, (str, bytes))]:
        raise TypeError(f"got the text {texts[0]!r}")
    return np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)


def _texts(reference: Any) -> tuple[str, ...]:
    """The texts of a row's reference; none if it is something else."""
    found: Any = reference if is_column(reference) else [reference]
    return tuple(text for text in found if isinstance(text, str) and normalise(text))


def _prompt_text(prompt: Any, row: int) -> str:
    """The text that a group shares; of a conversation, all that was said in it."""
    return prompt if isinstance(prompt, str) else source_text(prompt, "prompts", row)
