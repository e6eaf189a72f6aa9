"""Warns of reward hacking while training runs.

```python
from semreward.monitor import MonitoredReward, RewardMonitor

reward = MonitoredReward(reward, judges=[...])
GRPOTrainer(reward_funcs=reward, callbacks=[RewardMonitor(reward)], ...)
```

`metrics` measures each call of a reward, `reward` logs that, `detectors` read its course, `callback` ties them to a
trainer. Names resolve on first access, so that only `RewardMonitor` loads transformers.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.monitor.alarms import Alarm, AlarmLimits, RewardHackingWarning
    from semreward.monitor.callback import RewardMonitor
    from semreward.monitor.detectors import KINDS
    from semreward.monitor.reward import MonitoredReward

_HOMES = {
    "KINDS": "detectors",
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
