"""Rules of how a reward behaves as a pickle and in another process."""

import copy
import dataclasses
import pickle
from typing import Any

from semreward.rewards.calling import call_all, reward_name
from semreward.testing.probe import NotApplicableError, Probe, rule, said, short

_LARGEST_PICKLE = 2**20


@rule(
    "a pickled copy must load and earn the same values",
    remedy="define the reward at module level, and leave models, clients and locks out in __getstate__",
    after="deterministic",
)
def _pickles(probe: Probe) -> str | None:
    twin = _twin(probe)
    if reward_name(twin) != probe.name:
        return f"{probe.name!r} came back as {reward_name(twin)!r}"
    return probe.difference(list(call_all([twin], copy.deepcopy(probe.batch))[0]))


@rule(
    "calls must leave nothing behind on the reward: its pickle must be the same before and after them",
    remedy="keep what a call finds out in the call, and what many calls share out of __getstate__",
    after="pickles",
)
def _unchanged_by_calls(probe: Probe) -> str | None:
    now = probe.pickled
    if now == probe.first_pickle:
        return None
    return f"{len(probe.first_pickle)} bytes became {len(now)} others"


@rule(
    f"a pickle must carry no weights: at most {_LARGEST_PICKLE} bytes, also after calls",
    remedy="leave models and caches out in __getstate__, and load them at the first call in each process",
    after="pickles",
)
def _pickles_without_weights(probe: Probe) -> str | None:
    size = len(probe.pickled)
    return f"it has {size} bytes" if size > _LARGEST_PICKLE else None


@rule(
    "secrets must show neither in repr and signature nor in a pickle",
    remedy="read them from the environment where they are used, and leave them out in __repr__ and __getstate__",
)
def _hides_secrets(probe: Probe) -> str | None:
    if not probe.secrets:
        raise NotApplicableError("no secret is named; pass secrets=[...] if the reward was given one")
    shown = {"repr": repr(probe.reward), "signature": str(probe.signature())}
    try:
        shown["pickle"] = probe.pickled.decode("utf-8", errors="replace")
    except Exception:  # noqa: BLE001 - that a reward must pickle is a rule of its own
        shown["pickle"] = ""
    places = [place for place, text in shown.items() if any(secret in text for secret in probe.secrets)]
    return f"one shows in its {' and its '.join(places)}" if places else None


@rule(
    "a pickled copy must earn the same values in a new process, which sees no GPU",
    remedy="open what the reward needs at its first call in each process, on the devices that are there",
    after="pickles",
)
def _spawned_process(probe: Probe) -> str | None:
    answer = probe.child
    if answer.failure is not None:
        return answer.failure
    return probe.difference(answer.values) if answer.name == probe.name else f"{probe.name!r} is called {answer.name!r}"


@rule(
    "a new process must be able to begin with calls that are under way at the same time, a group each and without log "
    "hooks, as the worker of TRL's AsyncGRPO does",
    remedy="load under a lock, in any thread, and do without signals and the main thread's event loop",
    after="spawned_process",
)
def _async_grpo_call(probe: Probe) -> str | None:
    groups = probe.child.groups
    if isinstance(groups, str):
        return f"it raised {groups}"
    return probe.first_difference(groups, [probe.values(batch) for batch in probe.shifted])


@rule(
    "`signature()` must return a constant string that survives calls and pickling",
    remedy="render parameters, not objects, addresses or counters",
    after="pickles",
)
def _signature(probe: Probe) -> str | None:
    first = probe.first_signature
    if first is None:
        raise NotApplicableError("the reward has no `signature()`")
    if isinstance(first, Exception):
        return f"it raised {said(first)}"
    if not isinstance(first, str) or not first:
        return f"it returned {short(first)}"
    if (later := probe.signature()) != first:
        return f"{short(first)} became {short(later)}"
    second = _twin(probe).signature()
    return None if second == first else f"{short(first)} came back as {short(second)}"


@rule(
    "rewards that differ in a parameter must have different signatures",
    remedy="render every field of the dataclass, or mark those that decide no number with field(compare=False)",
    after="signature",
)
def _signature_complete(probe: Probe) -> str | None:
    reward: Any = probe.reward
    if not dataclasses.is_dataclass(reward):
        raise NotApplicableError("the reward is no dataclass; its parameters are not known")
    for item in dataclasses.fields(reward):
        value = getattr(reward, item.name)
        if item.init and item.compare and _signature_with(reward, item.name, _another(value)) == probe.first_signature:
            return f"another `{item.name}` than {short(value)} left it as it was"
    return None


def _signature_with(reward: Any, parameter: str, value: object) -> object:
    """The signature that a reward would have with another parameter; what it raised where that has the wrong type."""
    twin = copy.copy(reward)
    object.__setattr__(twin, parameter, value)
    try:
        return twin.signature()
    except Exception as error:  # noqa: BLE001 - it looked at the parameter, which is all that is asked here
        return error


def _another(value: object) -> object:
    """A value that differs from the given one, of its type where that is simple."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return f"{value}, another" if isinstance(value, str) else "another"


def _twin(probe: Probe) -> Any:
    """A copy by way of a pickle."""
    return pickle.loads(probe.pickled)  # noqa: S301 - just written


PROCESS_RULES = (
    _pickles,
    _unchanged_by_calls,
    _pickles_without_weights,
    _hides_secrets,
    _spawned_process,
    _async_grpo_call,
    _signature,
    _signature_complete,
)
