"""Attacks on a reward: which answers that nobody would accept does it pay, and how much?

`audit_reward` runs them, `AuditReport` says what it found. Names resolve on first access.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semreward.audit.attacks import DEFAULT_ATTACKS, KINDS, Attack, AuditRow, Corpus
    from semreward.audit.auditing import TABLES, audit_reward
    from semreward.audit.chinese import CHINESE
    from semreward.audit.english import ENGLISH
    from semreward.audit.negatives import WRONG_ANSWERS, AttackNegatives
    from semreward.audit.rendering import compare_audits
    from semreward.audit.results import (
        SCHEMA,
        AttackResult,
        AuditReport,
        BreakEven,
        GradedResult,
        Level,
        Margins,
    )
    from semreward.audit.tables import LanguageTable
    from semreward.audit.tibetan import TIBETAN

_HOMES = {
    "CHINESE": "chinese",
    "DEFAULT_ATTACKS": "attacks",
    "ENGLISH": "english",
    "KINDS": "attacks",
    "SCHEMA": "results",
    "TABLES": "auditing",
    "TIBETAN": "tibetan",
    "WRONG_ANSWERS": "negatives",
    "Attack": "attacks",
    "AttackNegatives": "negatives",
    "AttackResult": "results",
    "AuditReport": "results",
    "AuditRow": "attacks",
    "BreakEven": "results",
    "Corpus": "attacks",
    "GradedResult": "results",
    "LanguageTable": "tables",
    "Level": "results",
    "Margins": "results",
    "audit_reward": "auditing",
    "compare_audits": "rendering",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semreward.audit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"semreward.audit.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
