"""Conformance kit: does a reward keep the contract (`check_reward`), and earn what it should (`check_fixtures`)?"""

from semreward.testing.checking import CHECK_NAMES, CheckResult, ConformanceReport, check_fixtures, check_reward

__all__ = ["CHECK_NAMES", "CheckResult", "ConformanceReport", "check_fixtures", "check_reward"]
