"""Warns of reward hacking while training runs. Only `RewardMonitor` loads transformers, on first access."""

from typing import TYPE_CHECKING, Any

from semreward.monitor.alarms import Alarm, AlarmLimits, RewardHackingWarning
from semreward.monitor.reward import MonitoredReward

if TYPE_CHECKING:
    from semreward.monitor.callback import RewardMonitor

__all__ = ["Alarm", "AlarmLimits", "MonitoredReward", "RewardHackingWarning", "RewardMonitor"]


def __getattr__(name: str) -> Any:
    if name != "RewardMonitor":
        raise AttributeError(f"module 'semreward.monitor' has no attribute {name!r}")
    from semreward.monitor.callback import RewardMonitor

    return RewardMonitor
