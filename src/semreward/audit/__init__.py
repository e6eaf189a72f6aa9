"""Attacks on a reward: which answers that nobody would accept does it pay, and how much?"""

from semreward.audit.attacks import DEFAULT_ATTACKS, KINDS, WRONG_ANSWERS, Attack, AttackNegatives, AuditRow, Corpus
from semreward.audit.auditing import audit_reward
from semreward.audit.results import SCHEMA, AttackResult, AuditReport, Level
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
    "Corpus",
    "LanguageTable",
    "Level",
    "audit_reward",
]
