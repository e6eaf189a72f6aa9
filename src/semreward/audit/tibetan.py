"""Tibetan, for attacks."""

from typing import TYPE_CHECKING

from semreward.audit.tables import LanguageTable, words
from semreward.audit.wylie import final_letter, wylie

if TYPE_CHECKING:
    import re

_LETTER = "[\u0f40-\u0fbc]"
_START, _STOP = f"(?<!{_LETTER})", f"(?!{_LETTER})"
_END = r"(?=[་།༎\s]*$)"

# Finite verbs at the end of a sentence: མ negates the past, མི the present, the future and modal verbs.
_PAST = "|".join(words("སོང བྱུང ཟིན ཚར ཉོས བཙོངས སྤྲད བཤད ཕྱིན བྱས བསད བཏང བསྡད གསུངས ལབ བཟས བཏུངས བླངས བསླབས བྲིས མཐོང ཐོས སླེབས འབྱོར ཐོབ"))
_PRESENT = "|".join(words("འདུག ཡོང ཐུབ དགོས བྱེད ཤེས འགྱུར འགྲོ འཇུག སྲིད ཆོག དགའ ལྟ ཉོ འཚོང འབྲི འཚོལ འཁྲུད འཁྱེར"))

# A noun phrase: up to five syllables, the agent's marked by its case ending, the recipient's by ལ.
_SYLLABLE = "[\u0f40-\u0fbc]+"
_ERGATIVE = "་[གཀ]ྱིས|་གིས|་ཡིས|(?<=[པབམ])ས|(?<=[པབམ]ོ)ས"
_AGENT = f"(?:^|(?<=[།\\s]))(?P<agent>{_SYLLABLE}(?:་{_SYLLABLE}){{0,3}}?)(?:{_ERGATIVE})"
_RECIPIENT = f"(?P<between>་(?:{_SYLLABLE}་){{0,4}}?)(?P<recipient>{_SYLLABLE}(?:་{_SYLLABLE})?)་ལ{_STOP}"


def ergative(noun: str) -> str:
    """A noun with the case ending of the agent, in the form that its last letter asks for.

    Args:
        noun: A noun without a case ending or a final tsheg.

    Example:
        >>> ergative("བུ་མོ"), ergative("བཀྲ་ཤིས"), ergative("དགེ་རྒན"), ergative("པེ་ཅིང"), ergative("མདའ")
        ('བུ་མོས', 'བཀྲ་ཤིས་ཀྱིས', 'དགེ་རྒན་གྱིས', 'པེ་ཅིང་གིས', 'མདས')
    """
    last = final_letter(noun.rpartition("་")[-1])
    if last == "":
        return noun + "ས"
    if last == "འ":
        return noun.removesuffix("འ") + "ས"
    return noun + {"ད": "་ཀྱིས", "བ": "་ཀྱིས", "ས": "་ཀྱིས", "ག": "་གིས", "ང": "་གིས"}.get(last, "་གྱིས")


def _exchanged(match: "re.Match[str]") -> str:
    return f"{ergative(match['recipient'])}{match['between']}{match['agent']}་ལ"


TIBETAN = LanguageTable(
    "bo",
    joiner=" ",
    word_joiner="་",
    separators="་",
    boilerplate="གོང་གསལ་ནང་དོན་ནི་དཔྱད་གཞི་ཙམ་ཡིན། དོགས་གནད་ཡོད་ན་དུས་ནམ་ཡང་ང་ཚོར་འབྲེལ་བ་གནང་རོགས།",
    preamble="བོད་ཡིག་ཏུ་བསྒྱུར་ན། ",
    function_words=frozenset(
        words("གི ཀྱི གྱི ཡི གིས ཀྱིས གྱིས ཡིས ལ དུ ཏུ སུ རུ ནས ལས དང ནི ཡང ཀྱང འང འདི དེ ཞིག ཅིག ཤིག ཏེ སྟེ བཞིན འདུག ཡོད ཡིན རེད པ བ")
    ),
    negations=(
        (f"{_START}མི?་({_PAST}|{_PRESENT}|རེད|ཡིན){_END}", r"\1"),
        (f"{_START}མེད{_END}", "ཡོད"),
        (f"{_START}མིན{_END}", "ཡིན"),
        (f"{_START}ཡོད{_END}", "མེད"),
        (f"{_START}ཡིན{_END}", "མིན"),
        (f"{_START}(རེད|{_PAST}){_END}", r"མ་\1"),
        (f"{_START}({_PRESENT}){_END}", r"མི་\1"),
    ),
    role_swaps=((_AGENT + _RECIPIENT, _exchanged),),
    number_words=words("གཅིག གཉིས གསུམ བཞི ལྔ དྲུག བདུན བརྒྱད དགུ བཅུ"),
    number_pattern=f"{_START}(?:{{words}}){_STOP}",
    entities=(  # by the sound that they end on, so that case endings stay right
        words("སློབ་མ སྨན་པ ཞིང་པ འབྲོག་པ གྲྭ་པ བཟོ་པ ཚོང་པ བུ་མོ རྒན་པོ"),
        words("དགེ་རྒན བློན་ཆེན"),
        words("ལྷ་ས གཞིས་ཀ་རྩེ ཆབ་མདོ རྒྱལ་རྩེ"),
        words("པེ་ཅིང ཟི་ལིང"),
        words("སྒྲོལ་མ པདྨ རྡོ་རྗེ ནོར་བུ ཉི་མ"),
        words("སློབ་གྲྭ དགོན་པ གྲོང་ཚོ"),
        words("སྨན་ཁང ལྷ་ཁང ཚོང་ཁང"),
    ),
    entity_pattern=f"{_START}(?:{{names}})(?=[སར]?{_STOP}|འི{_STOP})",
    homoglyphs=("་ར", "༌ཪ"),
    transliterate=wylie,
)
"""Tibetan. Sentences are negated at their finite verb, where it is a common one; agent and recipient are exchanged
where both carry their case endings."""
