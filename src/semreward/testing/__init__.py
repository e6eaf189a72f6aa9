"""Conformance kit: does a reward keep the contract (`check_reward`), and earn what it should (`check_fixtures`)?

`CHECK_NAMES` lists the checks. The Hypothesis strategies `texts`, `completions` and `conversations` make what policies
produce, for property tests.
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
