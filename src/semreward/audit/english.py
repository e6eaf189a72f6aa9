"""English, for attacks."""

from typing import TYPE_CHECKING

from semreward.audit.tables import LanguageTable, words

if TYPE_CHECKING:
    import re

_LOWERED = frozenset(
    words(
        "the a an this that these those he she it we they his her its our their my your there in on at from by because "
        "if when while before after since every each all some many most several yesterday today tomorrow last next "
        "one two three four five six seven eight nine ten eleven twelve"
    )
)

_AUXILIARIES = "can|could|will|would|should|must|may|might|is|are|was|were"
_PARTICIPLES = r"\w+ed|\w+en|made|done|gone|left|lost|sold|found|bought|built|kept|sent|won|set|put|read|had|held|told"


def _denied(match: "re.Match[str]") -> str:
    first, rest = match.groups()
    return f"It is not true that {first.lower() if first.lower() in _LOWERED else first}{rest}"


ENGLISH = LanguageTable(
    "en",
    boilerplate=(
        "I hope this answer is helpful to you. Please feel free to contact us at any time if you have any further "
        "questions or need more information."
    ),
    preamble="Translation: ",
    function_words=frozenset(
        words(
            "a an the and or but of to in on at by for from with as into about is are was were be been being do does "
            "did has have had will would can could should may might must not no he she it they we you i him her them "
            "us his its their our your my this that these those there then than so if when while who which what"
        )
    ),
    negations=(
        (r"\b(can)not\b", r"\1"),
        (r"\bwon't\b", "will"),
        (r"\bcan't\b", "can"),
        (r"\b(is|are|was|were|do|does|did|has|have|had|could|should|would|must)n't\b", r"\1"),
        (rf"\b({_AUXILIARIES}|did|does|do|has|have|had) (?:not|never)\b", r"\1"),
        (r"\b[Nn]ever ", ""),
        (r"\bno longer\b", "still"),
        (rf"\b({_AUXILIARIES})\b", r"\1 not"),
        (rf"\b(has|have|had) (?=(?:{_PARTICIPLES})\b)", r"\1 not "),
        (r"(?s)^(\w+)(.*)$", _denied),
    ),
    role_swaps=(
        (r"\bfrom ((?:the )?\w+) to ((?:the )?\w+)", r"from \2 to \1"),
        (r"\bbefore\b", "after"),
        (r"\bafter\b", "before"),
        (r"\bmore (\w+) than\b", r"less \1 than"),
        (r"\bmore than\b", "less than"),
    ),
    number_words=words("two three four five six seven eight nine ten eleven twelve"),
    number_pattern=r"(?i:\b(?:{words})\b)",
    entities=(
        words("London Paris Berlin Beijing Shanghai Lhasa Chengdu Delhi Tokyo Kathmandu"),
        words("China India Nepal Japan France Germany Italy Canada"),
        words("Tashi Dolma Tsering Pema Norbu Anna Maria Peter Thomas David"),
        words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
        words("teacher doctor farmer driver soldier merchant student nurse"),
        words("mother father brother sister uncle aunt"),
    ),
    homoglyphs=("aceopxysijABCEHIKMOPTXSJ", "асеорхуѕіјАВСЕНІКМОРТХЅЈ"),
)
"""English. Without an auxiliary verb, a statement is denied as a whole ("It is not true that ...")."""
