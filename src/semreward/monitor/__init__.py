"""Warns of reward hacking while training runs.

`metrics` measures each call of a reward, `reward` logs that, `alarms` reads its course, `callback` connects them to a
trainer. Names resolve on first access, so only `RewardMonitor` loads transformers.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.monitor.alarms import KINDS, Alarm, AlarmLimits, RewardHackingWarning
    from semreward.monitor.callback import RewardMonitor
    from semreward.monitor.reward import MonitoredReward

_HOMES = {
    "KINDS": "alarms",
    "Alarm": "alarms",
    "AlarmLimits": "alarms",
    "MonitoredReward": "reward",
    "RewardHackingWarning": "alarms",
    "RewardMonitor": "callback",
}

__all__ = ["KINDS", "Alarm", "AlarmLimits", "MonitoredReward", "RewardHackingWarning", "RewardMonitor"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semreward.monitor' has no attribute {name!r}")
    return getattr(importlib.import_module(f"semreward.monitor.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
