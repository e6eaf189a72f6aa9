"""Attacks on a reward: which answers that nobody would accept does it pay, and how much?

`audit_reward` runs them, `AuditReport` says what it found.
"""

from semreward.audit.attacks import DEFAULT_ATTACKS, KINDS, WRONG_ANSWERS, Attack, AttackNegatives, AuditRow, Corpus
from semreward.audit.auditing import audit_reward
from semreward.audit.rendering import compare_audits
from semreward.audit.results import SCHEMA, AttackResult, AuditReport, BreakEven, GradedResult, Level, Margins
from semreward.audit.tables import CHINESE, ENGLISH, TABLES, TIBETAN, LanguageTable

__all__ = [
    "CHINESE",
    "DEFAULT_ATTACKS",
    "ENGLISH",
    "KINDS",
    "SCHEMA",
    "TABLES",
    "TIBETAN",
    "WRONG_ANSWERS",
    "Attack",
    "AttackNegatives",
    "AttackResult",
    "AuditReport",
    "AuditRow",
    "BreakEven",
    "Corpus",
    "GradedResult",
    "LanguageTable",
    "Level",
    "Margins",
    "audit_reward",
    "compare_audits",
]
