"""A reward that also reports, through the trainer's log, how the policy goes about earning it."""

import copy
from collections.abc import Collection, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from semreward.arguments import in_one_order, is_column
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.monitor.alarms import Watched
from semreward.monitor.metrics import Component, measure
from semreward.protocols import RewardFunction
from semreward.rewards.base import Batch, Outcome, Reward
from semreward.rewards.calling import AsyncReward, is_torch_module, reward_bounds, reward_name
from semreward.rewards.composite import CompositeReward
from semreward.rewards.language import LanguageConsistencyReward
from semreward.text import DEFAULT_ANSWER, normalise


@dataclass(frozen=True)
class MonitoredReward(Reward):
    """A reward, unchanged, whose calls are also measured: lengths, groups, components, judges, copies.

    It has the name of the reward inside it, and earns and logs the same. If a trainer offers `log_metric`, each call
    also logs `<name>/monitor/<key>` for the keys in `docs/monitor.md`; otherwise (AsyncGRPO, online DPO) nothing is
    measured and no judge is called. Each process measures its own rows; the trainer averages.

    Args:
        reward: The reward that pays, any callable in TRL's convention. The components of a `CompositeReward` are
            measured one by one; those of weight 0 are judges.
        judges: Reward functions that watch and pay nothing, such as a similarity by another encoder; logged row by row
            as `<name>/monitor/<judge>` if there is a `log_extra`.
        ignore: Names of components of weight 0, or of judges, that do not count as judges; gates never do.
        reference_column: Column of the texts to compare lengths with; rows without one are left out.
        name: Metric key; the name of the reward inside by default.
        answer, on_error: Those of the reward inside by default; given here, they hold for it, too.

    Raises:
        ArgumentError: Two judges or components have one name, or `ignore` names neither.
        ArgumentTypeError: A reward is not callable, or is a `torch.nn.Module`; `judges` or `ignore` is not a list.
        RewardOutputError: In a call: a reward does not return one finite float or `None` per completion.

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
    answer: Any = None  # this and the next: until the reward inside is known
    on_error: Any = None

    def __post_init__(self) -> None:
        if not callable(self.reward) or is_torch_module(self.reward):
            kind = type(self.reward).__name__
            raise ArgumentTypeError(f"`reward` must be a reward function, got {kind}; wrap it in a class that calls it")
        for name in ("judges", "ignore"):
            values: Any = getattr(self, name)
            if isinstance(values, str) or not isinstance(values, Collection):
                raise ArgumentTypeError(f"`{name}` must be a list, got {values!r}; write {name}=[...]")
            object.__setattr__(self, name, in_one_order(values))
        if isinstance(self.reward, AsyncReward):  # this one is awaited as a whole
            object.__setattr__(self, "reward", self.reward.reward)
        object.__setattr__(self, "name", self.name or reward_name(self.reward))
        ours = self.reward if isinstance(self.reward, Reward) else None
        for name, default in (("answer", DEFAULT_ANSWER), ("on_error", "raise")):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(ours, name, default))
        super().__post_init__()
        if ours is not None:  # both say the same
            object.__setattr__(self, "reward", ours.replace(answer=self.answer, on_error=self.on_error))
        self._check_names()

    def _check_names(self) -> None:
        if not isinstance(self.reward, Reward):
            _composite([self.reward])  # checks it
        if self.judges:
            _composite(self.judges)
        names = [name for name, _, _ in self._parts]
        if len(set(names)) < len(names):
            raise ArgumentError(f"`judges` must have other names than the components, got {names}; rename one")
        if unknown := [name for name in self.ignore if name not in names]:
            raise ArgumentError(f"`ignore` must name components or judges, got {unknown}; there are {', '.join(names)}")

    def replace(self, **changes: Any) -> "MonitoredReward":
        """Another reward, equal except for the given parameters; a new reward inside brings its own settings."""
        own = {"answer": None, "on_error": None} if "reward" in changes else {}
        return super().replace(**{**own, **changes})

    @property
    def _parts(self) -> list[tuple[str, RewardFunction, Any]]:
        """Name, reward and weight of each component (a reward other than a composite: itself) and of each judge."""
        pairs: Any = self.reward.components if isinstance(self.reward, CompositeReward) else [(self.reward, 1.0)]
        pairs = [*pairs, *((judge, 0.0) for judge in self.judges)]
        return [
            (reward_name(part), part.reward if isinstance(part, AsyncReward) else part, weight)
            for part, weight in pairs
        ]

    @property
    def watched(self) -> Watched:
        """Whose metrics it logs: the components that pay, and the judges, which are components of weight 0, too."""
        gates = self.reward.gates if isinstance(self.reward, CompositeReward) else ()
        paying = tuple(name for name, _, weight in self._parts if weight)
        judges = tuple(name for name, _, weight in self._parts if not weight and name not in {*gates, *self.ignore})
        languages = (name for name, part, _ in self._parts if isinstance(part, LanguageConsistencyReward))
        return Watched(paying, judges, tuple(name for name in languages if name in {*paying, *judges}))

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds of the reward inside."""
        return reward_bounds(self.reward)

    def metric(self, key: str) -> str:
        """The name under which a metric of `semreward.monitor.metrics.measure` is logged."""
        return f"{self.name}/monitor/{key}"

    def score(self, batch: Batch) -> Outcome:
        """The outcome of the reward inside, with measurements if a trainer logs metrics."""
        if isinstance(self.reward, Reward):
            outcome = self.reward.score(batch)
        else:
            outcome = Outcome(_composite([self.reward]).score(batch).values)
        if "log_metric" not in batch.hooks:
            return outcome
        found = {reward_name(self.reward): outcome.values, **outcome.parts}
        if self.judges:
            quiet = copy.copy(batch)
            quiet.hooks = {}  # judges log nothing of their own
            panel = _composite(self.judges).replace(name=self.metric("judges"), on_error="none")
            judged = panel.decided(quiet)
            found |= judged.parts
            outcome.extras |= {self.metric(name): judged.extras[name] for name in panel.names}
        prompts: Any = None if batch.columns.get("prompts") is None else batch.sources("prompts")
        references: Any = batch.columns.get(self.reference_column)
        is_compared = is_column(references) and len(references) == len(outcome.values)
        own, now = reward_name(self.reward), outcome.metrics  # which has the weights that are scheduled
        measured = measure(
            batch.answers,
            outcome.values,
            components={
                name: Component(found[name], now.get(f"{own}/{name}/weight", weight), reward_bounds(part) or (0.0, 1.0))
                for name, part, weight in self._parts
                if weight
            },
            judges={name: found[name] for name in self.watched.judges},
            references=[_texts(reference) for reference in references] if is_compared else (),
            prompts=prompts,
        )
        outcome.metrics.update({self.metric(key): value for key, value in measured.items()})
        return outcome


def _composite(rewards: Sequence[RewardFunction]) -> CompositeReward:
    """Rewards of any kind as one, which checks them and what they return."""
    return CompositeReward([(reward, 1.0) for reward in rewards], name="judges")


def _texts(reference: Any) -> tuple[str, ...]:
    """The texts of a row's reference; none if it is something else."""
    found: Any = reference if is_column(reference) else [reference]
    return tuple(text for text in found if isinstance(text, str) and normalise(text))
