"""What an audit found open, made into hard negatives for the encoder."""

import random
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Protocol

from semreward.audit.attacks import DEFAULT_ATTACKS, Attack, AuditRow, Corpus, check_attacks
from semreward.audit.auditing import TABLES
from semreward.audit.tables import LanguageTable, table_of
from semreward.errors import ArgumentError

_WRONG = ("shuffled", "numbers_changed", "negation", "entity_swap", "role_swap")
WRONG_ANSWERS: tuple[Attack, ...] = tuple(attack for attack in DEFAULT_ATTACKS if attack.name in _WRONG)
"""Attacks that keep the words and lose the meaning: what no guard stops, and an encoder can learn to see."""

_SEEDS = 2**32


class TranslationPair(Protocol):
    """A pair as `semreward.adaptation` hands it out."""

    @property
    def anchor(self) -> str:
        """The source."""
        ...

    @property
    def positive(self) -> str:
        """Its translation."""
        ...


@dataclass(frozen=True)
class AttackNegatives:
    """Hard negatives of a translation pair: what attacks make of its translation.

    For `adapt_encoder(..., make_negatives=AttackNegatives("bo"))`. A negative must be wrong: leave out attacks that
    keep the meaning, such as `padding` or `preamble`, or the encoder learns to tell equals apart.

    Args:
        language: Language of the pairs' second side: a tag of `TABLES`, or a table of your own.
        attacks: What to make, `WRONG_ANSWERS` by default. Attacks that need another row make nothing.

    Raises:
        ArgumentError: There are no attacks.
        ArgumentTypeError: `language` or an attack is something else.

    Example:
        >>> from semreward.adaptation import Pair
        >>> negatives = AttackNegatives("zh")(Pair("She is a doctor.", "她是医生。"), random.Random(0))
        >>> "她不是医生。" in negatives
        True
    """

    language: str | LanguageTable
    _: KW_ONLY
    attacks: Sequence[Attack] = WRONG_ANSWERS

    def __post_init__(self) -> None:
        table_of(self.language, TABLES)
        check_attacks(self.attacks)
        object.__setattr__(self, "attacks", tuple(self.attacks))
        if not self.attacks:
            raise ArgumentError("`attacks` must hold at least one attack, got none; leave it out for the default ones")

    def __call__(self, pair: TranslationPair, rng: random.Random) -> list[str]:
        """One negative an attack that applies; none of them is the translation itself."""
        row = AuditRow(pair.positive, source=pair.anchor)
        corpus = Corpus([row], table_of(self.language, TABLES), seed=rng.randrange(_SEEDS))
        made = [attack.make(row, corpus) for attack in self.attacks]
        return [text for text in made if text and text != pair.positive]
