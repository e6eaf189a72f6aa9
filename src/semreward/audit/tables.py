"""What attacks need to know about a language, as data: one frozen table per language."""

import functools
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from semreward.errors import ArgumentError, ArgumentTypeError

Rule: TypeAlias = tuple[str, str | Callable[["re.Match[str]"], str]]
"""A regular expression and what its first match becomes: a template as for `re.sub`, or a function of the match."""


@dataclass(frozen=True)
class LanguageTable:
    """What attacks know about the language of the answers. An attack that needs a missing entry does not apply.

    Args:
        language: BCP-47 tag.
        joiner: Goes between two sentences, and `word_joiner` between the words of a bare list.
        separators: Such as the Tibetan tsheg. `preamble` announces a translation, `boilerplate` is a polite phrase.
        function_words: Units (see `semreward.text.units`), in lower case, that a bag of keywords leaves out.
        negations: Rules that turn a statement into its opposite, `role_swaps` those that exchange who does what to
            whom; the first one that changes the text counts.
        number_words: Words for small numbers, which replace each other, and `entities`: groups of names that do.
        number_pattern: Regular expression of a number word in a sentence, with `{words}` for the alternatives, and
            `entity_pattern` of a name, with `{names}`.
        homoglyphs: Letters, and their look-alikes in the same order.
        transliterate: Writes a text in another script; a module-level function, so that the table pickles.

    Raises:
        ArgumentError: The two strings of `homoglyphs` differ in length, or a regular expression is wrong.
    """

    language: str
    joiner: str = " "
    word_joiner: str = " "
    separators: str = ""
    boilerplate: str = ""
    preamble: str = ""
    function_words: frozenset[str] = frozenset()
    negations: tuple[Rule, ...] = ()
    role_swaps: tuple[Rule, ...] = ()
    number_words: tuple[str, ...] = ()
    number_pattern: str = r"\b(?:{words})\b"
    entities: tuple[tuple[str, ...], ...] = ()
    entity_pattern: str = r"\b(?:{names})\b"
    homoglyphs: tuple[str, str] = ("", "")
    transliterate: Callable[[str], str] | None = None

    def __post_init__(self) -> None:
        plain, alike = map(len, self.homoglyphs)
        if plain != alike:
            raise ArgumentError(f"`homoglyphs` must be two strings of equal length, got {plain} letters and {alike}")
        patterns = [pattern for pattern, _ in (*self.negations, *self.role_swaps)]
        try:
            for pattern in (*patterns, self.number_pattern, self.entity_pattern):
                re.compile(pattern.replace("{words}", "").replace("{names}", ""))
        except re.error as error:
            found = f"a wrong pattern {error.pattern!r}: {error}"
            raise ArgumentError(f"the table of {self.language!r} has {found}") from error


def rewritten(text: str, rules: tuple[Rule, ...]) -> str | None:
    """A text after the first rule that changes it; `None` where none does."""
    for pattern, replacement in rules:
        changed = re.sub(pattern, replacement, text, count=1)
        if changed != text:
            return changed
    return None


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Chinese, in simplified characters. It has no transliteration: pinyin needs a dictionary.
_MEASURES = "个本顶朵把张件双盏只条位名块座头匹辆间家次天年月日岁元公点层种杯瓶封篇倍万千百里米斤"

# The Kangxi radicals look like the characters that they are compatible with.
_RADICALS = "".join(chr(code) for code in range(0x2F00, 0x2FD6))

CHINESE = LanguageTable(
    "zh",
    joiner="",
    word_joiner="",
    boilerplate="以上内容仅供参考，如有任何疑问，欢迎随时与我们联系，我们将竭诚为您服务。",
    preamble="翻译如下：",
    function_words=frozenset("的了着过在是和与或也都就而及之于从到把被让给向对很又还这那个们吗呢吧啊，。、；：？！"),
    negations=(
        ("并非", ""),
        ("没有在", "正在"),
        ("没有(?=[人谁钱]|什么|任何|时间|问题|办法|关系)", "有"),
        ("没有?", ""),
        ("不(?=是|会|能|可以|应该|愿意|必须|需要|在|想|要)", ""),
        ("正在", "没有在"),
        ("(?<![但还可于而只总就不要真])是(?!否|非)", "不是"),
        ("(?<!不)(可以|能够|应该|愿意|需要|将会)", r"不\1"),
        ("^", "并非"),
    ),
    role_swaps=(
        ("(?<![一二两三四五六七八九十几每这那])把(?![握手守关戏])", "被"),
        ("被(?![子告褥])", "把"),
        ("从([^，。从到]{1,8})(到|去|飞往|前往)([^，。了需要乘坐]{1,8})", r"从\3\2\1"),
        ("([^，。比]{1,8})比([^，。比]{1,8}?)(更|高|大|多|早|晚|快|重|好|长|老|小|低)", r"\2比\1\3"),
    ),
    number_words=tuple("两三四五六七八九"),
    number_pattern=f"(?<![一二两三四五六七八九十百千万])(?:{{words}})(?=[{_MEASURES}])",
    entities=(
        _words("北京 上海 天津 重庆 拉萨 成都 西安 兰州 广州 昆明 武汉 南京"),
        _words("中国 印度 日本 法国 德国 美国 英国 尼泊尔"),
        _words("老师 学生 医生 农民 牧民 士兵 工人 司机 商人 护士"),
        _words("扎西 卓玛 次仁 多吉 白玛 王伟 李娜 张强 刘洋"),
        _words("母亲 父亲 哥哥 姐姐 弟弟 妹妹"),
    ),
    entity_pattern="(?:{names})",
    homoglyphs=("".join(unicodedata.normalize("NFKC", radical) for radical in _RADICALS), _RADICALS),
)

# English.
_LOWERED = frozenset(
    _words(
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
    preamble="Translation:",
    function_words=frozenset(
        _words(
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
    number_words=_words("two three four five six seven eight nine ten eleven twelve"),
    number_pattern=r"(?i:\b(?:{words})\b)",
    entities=(
        _words("London Paris Berlin Beijing Shanghai Lhasa Chengdu Delhi Tokyo Kathmandu"),
        _words("China India Nepal Japan France Germany Italy Canada"),
        _words("Tashi Dolma Tsering Pema Norbu Anna Maria Peter Thomas David"),
        _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
        _words("teacher doctor farmer driver soldier merchant student nurse"),
        _words("mother father brother sister uncle aunt"),
    ),
    homoglyphs=("aceopxysijABCEHIKMOPTXSJ", "асеорхуѕіјАВСЕНІКМОРТХЅЈ"),
)

# Tibetan.
_LETTER = "[\u0f40-\u0fbc]"
_START, _STOP = f"(?<!{_LETTER})", f"(?!{_LETTER})"
_END = r"(?=[་།༎\s]*$)"

# Finite verbs at the end of a sentence: མ negates the past, མི the present, the future and modal verbs.
_PAST = "|".join(_words("སོང བྱུང ཟིན ཚར ཉོས བཙོངས སྤྲད བཤད ཕྱིན བྱས བསད བཏང བསྡད གསུངས ལབ བཟས བཏུངས བླངས བསླབས བྲིས མཐོང ཐོས སླེབས འབྱོར ཐོབ"))
_PRESENT = "|".join(_words("འདུག ཡོང ཐུབ དགོས བྱེད ཤེས འགྱུར འགྲོ འཇུག སྲིད ཆོག དགའ ལྟ ཉོ འཚོང འབྲི འཚོལ འཁྲུད འཁྱེར"))

# A noun phrase: up to five syllables, the agent's marked by its case ending, the recipient's by ལ.
_SYLLABLE = "[\u0f40-\u0fbc]+"
_ERGATIVE = "་[གཀ]ྱིས|་གིས|་ཡིས|(?<=[པབམ])ས|(?<=[པབམ]ོ)ས"
_AGENT = f"(?:^|(?<=[།\\s]))(?P<agent>{_SYLLABLE}(?:་{_SYLLABLE}){{0,3}}?)(?:{_ERGATIVE})"
_RECIPIENT = f"(?P<between>་(?:{_SYLLABLE}་){{0,4}}?)(?P<recipient>{_SYLLABLE}(?:་{_SYLLABLE})?)་ལ{_STOP}"
_ENDINGS = dict.fromkeys(("d", "b", "bs", "s"), "་ཀྱིས") | dict.fromkeys(("g", "gs", "ng", "ngs"), "་གིས")


def wylie(text: str) -> str:
    """A text in Wylie (EWTS), except that white space does not become `_`; other scripts stay as they are."""
    return re.sub("[\u0f00-\u0fff]+", lambda match: _converter().toWylie(match.group()), text)


@functools.cache
def _converter() -> Any:
    from pyewts import pyewts  # type: ignore[import-untyped] # 0.1 s, only for Tibetan

    return pyewts()


def ergative(noun: str) -> str:
    """A noun, without case ending or final tsheg, with the agent's case ending, which follows its last letter."""
    final = re.split("[aeiou]", wylie(noun))[-1]
    if final in ("", "'"):
        return noun.removesuffix("འ") + "ས"
    return noun + _ENDINGS.get(final, "་གྱིས")


def _exchanged(match: "re.Match[str]") -> str:
    return f"{ergative(match['recipient'])}{match['between']}{match['agent']}་ལ"


TIBETAN = LanguageTable(
    "bo",
    word_joiner="་",
    separators="་",
    boilerplate="གོང་གསལ་ནང་དོན་ནི་དཔྱད་གཞི་ཙམ་ཡིན། དོགས་གནད་ཡོད་ན་དུས་ནམ་ཡང་ང་ཚོར་འབྲེལ་བ་གནང་རོགས།",
    preamble="བོད་ཡིག་ཏུ་བསྒྱུར་ན།",
    function_words=frozenset(
        _words("གི ཀྱི གྱི ཡི གིས ཀྱིས གྱིས ཡིས ལ དུ ཏུ སུ རུ ནས ལས དང ནི ཡང ཀྱང འང འདི དེ ཞིག ཅིག ཤིག ཏེ སྟེ བཞིན འདུག ཡོད ཡིན རེད པ བ")
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
    number_words=_words("གཅིག གཉིས གསུམ བཞི ལྔ དྲུག བདུན བརྒྱད དགུ བཅུ"),
    number_pattern=f"{_START}(?:{{words}}){_STOP}",
    entities=(  # by the sound that they end on, so that case endings stay right
        _words("སློབ་མ སྨན་པ ཞིང་པ འབྲོག་པ གྲྭ་པ བཟོ་པ ཚོང་པ བུ་མོ རྒན་པོ"),
        _words("དགེ་རྒན བློན་ཆེན"),
        _words("ལྷ་ས གཞིས་ཀ་རྩེ ཆབ་མདོ རྒྱལ་རྩེ"),
        _words("པེ་ཅིང ཟི་ལིང"),
        _words("སྒྲོལ་མ པདྨ རྡོ་རྗེ ནོར་བུ ཉི་མ"),
        _words("སློབ་གྲྭ དགོན་པ གྲོང་ཚོ"),
        _words("སྨན་ཁང ལྷ་ཁང ཚོང་ཁང"),
    ),
    entity_pattern=f"{_START}(?:{{names}})(?=[སར]?{_STOP}|འི{_STOP})",
    homoglyphs=("་ར", "༌ཪ"),
    transliterate=wylie,
)

TABLES: dict[str, LanguageTable] = {table.language: table for table in (TIBETAN, CHINESE, ENGLISH)}
"""The language tables that the package ships, by tag."""


def table_of(language: str | LanguageTable | None) -> LanguageTable:
    """The table of a language: a given one, a shipped one by the first part of its tag, or an empty one."""
    if isinstance(language, LanguageTable):
        return language
    if language is not None and not isinstance(language, str):
        raise ArgumentTypeError(f"`language` must be a BCP-47 tag such as 'bo' or a LanguageTable, got {language!r}")
    tag = language or "und"
    return TABLES.get(re.split("[-_]", tag)[0].lower(), LanguageTable(tag))
