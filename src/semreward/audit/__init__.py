"""Attacks on a reward: which answers that nobody would accept does it pay, and how much?"""

from semreward.audit.attacks import DEFAULT_ATTACKS, LEAKS, WRONG_ANSWERS, Attack, AttackNegatives, AuditRow, Corpus
from semreward.audit.auditing import audit_reward
from semreward.audit.codemixing import learn_lexicon, omission_pairs
from semreward.audit.results import AttackResult, AuditReport
from semreward.audit.tables import TABLES, LanguageTable

__all__ = ["DEFAULT_ATTACKS", "LEAKS", "TABLES", "WRONG_ANSWERS", "Attack", "AttackNegatives", "AuditRow", "Corpus"]
__all__ += ["AttackResult", "AuditReport", "LanguageTable", "audit_reward", "learn_lexicon", "omission_pairs"]
