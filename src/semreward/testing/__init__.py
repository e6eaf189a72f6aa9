"""Conformance kit: does a reward function keep the reward contract, and does it earn what it should?

```python
from semreward.testing import check_fixtures, check_reward

def test_my_reward_keeps_the_contract():
    check_reward(MyReward(), [{"completion": "...", "reference": "..."}, ...]).raise_on_failure()

def test_my_reward_earns_what_it_should():
    check_fixtures(MyReward(), "tests/my_reward.jsonl").raise_on_failure()
```

`CHECK_NAMES` lists the checks. The Hypothesis strategies `texts`, `completions` and `conversations` make what policies
produce, for property tests of a reward.
"""

from semreward.testing.checking import CHECK_NAMES, CheckResult, ConformanceReport, check_fixtures, check_reward
from semreward.testing.strategies import completions, conversations, texts

__all__ = [
    "CHECK_NAMES",
    "CheckResult",
    "ConformanceReport",
    "check_fixtures",
    "check_reward",
    "completions",
    "conversations",
    "texts",
]
