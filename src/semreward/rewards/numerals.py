"""The numbers of a text by value: digits of all scripts, and numbers written out in Chinese, Tibetan, English.

Values are strings in one plain form (`"1234.5"`), so that numbers of any length compare exactly and in linear time.
"""

import re
import unicodedata
from functools import lru_cache

import regex

from semreward.text import normalise, units

_TRILLION = "兆(?!瓦|赫|帕|伏|焦|欧姆|歐姆|位|比特|字[节節]|[带帶宽寬]|[BbHW])"  # elsewhere it is "mega"
_GROUP = r"[,'’\u00A0\u2009\u202F]"
_NUMBER = regex.compile(  # 千 in 3千克 belongs to the unit
    rf"(?:(?P<whole>\d{{1,3}}(?:{_GROUP}\d{{3}})+)(?!\d)(?:\.(?P<part>\d+))?"  # 1,234,567.8
    r"|(?P<whole>\d{1,3}(?:\.\d{3}){2,})(?!\d)(?:,(?P<part>\d+))?"  # 1.234.567,8
    r"|(?P<whole>\d+)(?:\.(?P<part>\d+))?)"
    rf"(?P<scale>百万|百萬|千万|千萬|{_TRILLION}|[万萬]?[亿億]|[万萬]|[千仟](?!克|米|瓦|卡|赫|帕|伏|焦|字节)|[百佰](?!分))?"
)
_FULL_WIDTH = regex.compile(r"(?<=[０-９])[，．](?=[０-９])")
_SIGNS = str.maketrans({"٫": ".", "٬": ","})

_HAN_RUN = regex.compile(rf"(?:[零一二三四五六七八九十百千万亿〇○两兩萬億壹贰貳叁參肆伍陆陸柒捌玖拾佰仟]|{_TRILLION})+")
_VALUES = {"○": 0, "两": 2, "兩": 2, "兆": 10**12}  # Unicode gives them no value, gave none before, or gives two
_TEN, _MYRIAD = 10, 10_000
_LONGEST_HAN_RUN = 24  # "九千九百九十九万亿..." ends before; longer runs are not numbers, and would make long integers

_TIBETAN_ONES = ["གཅིག", "གཉིས", "གསུམ", "བཞི", "ལྔ", "དྲུག", "བདུན", "བརྒྱད", "དགུ"]
_TIBETAN_TEENS = ["བཅུ", "བཅུ་གཅིག", "བཅུ་གཉིས", "བཅུ་གསུམ", "བཅུ་བཞི", "བཅོ་ལྔ", "བཅུ་དྲུག", "བཅུ་བདུན", "བཅོ་བརྒྱད", "བཅུ་དགུ"]
_TIBETAN_TENS = ["ཉི་ཤུ", "སུམ་ཅུ", "བཞི་བཅུ", "ལྔ་བཅུ", "དྲུག་ཅུ", "བདུན་ཅུ", "བརྒྱད་ཅུ", "དགུ་བཅུ"]
_TIBETAN_LINKS = ["ཉེར", "སོ", "ཞེ", "ང", "རེ", "དོན", "གྱ", "གོ"]  # between a ten and its ones, or short for both
_TIBETAN_FUSING = ("བཞི", "ལྔ", "དགུ", "བཅུ", "ཤུ", "ཅུ", "བརྒྱ")  # what ends in a vowel takes case endings
_TIBETAN_ENDINGS = ("འི", "འོ", "འང", "འམ", "ས", "ར")
_ENGLISH_ONES = "one two three four five six seven eight nine".split()  # noqa: SIM905 - a line instead of ten
_ENGLISH_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
_ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905


def digit_numbers(text: str) -> frozenset[str]:
    """The values that a text writes with digits.

    Decimal digits of every script that Python knows count by value. Groups of three separated by a comma, an apostrophe
    or a narrow space are one number, with a point before decimals; so are at least two groups separated by points, with
    a comma before decimals. Zeros that change nothing are dropped. A Chinese 百, 千, 万, 亿 or 兆 multiplies the number
    before. A smaller number right after belongs to it (3万5千), a single digit one place lower (3千5 is 3500). 兆 is
    10**12, but not before units (兆瓦, 兆字节). Signs and units are ignored. Linear time.

    Example:
        >>> sorted(digit_numbers("༡༢ yaks, 1,500.50 kg, 007, 3万5千"))
        ['12', '1500.5', '35000', '7']
    """
    text = _FULL_WIDTH.sub(lambda found: "," if found[0] == "，" else ".", text)
    text = re.sub(r"[^\D0-9]", lambda found: str(int(found[0])), text).translate(_SIGNS)
    numbers: list[str] = []
    end, room = -1, 0  # of the number before: where it ends, and how many zeros of its scale a smaller one may fill
    for found in _NUMBER.finditer(text):
        scale = sum(len(str(_han_value(character))) - 1 for character in found["scale"] or "")
        digits = regex.sub(r"\D", "", found["whole"])
        number = _plain(digits, found["part"] or "", scale)
        if found.start() == end and len(digits) == 1 and not scale and not found["part"]:
            digits = number = digits.ljust(room, "0")  # 3千5
        if found.start() == end and len(number) <= room and (scale or len(digits) == room):
            numbers[-1] = numbers[-1][: -len(number)] + number
        else:
            numbers.append(number)
        end, room = found.end(), 0 if found["part"] else scale
    return frozenset(numbers)


def written_numbers(text: str) -> frozenset[str]:
    """The values that a text writes out: Chinese numerals, and Tibetan and English words up to 99.

    Fractions, ordinals (`third`) and Tibetan compounds from a hundred on are not known. What looks like a number need
    not be one (一些 "some" holds 一): use these values to recognise a number, not to demand one.

    Example:
        >>> sorted(written_numbers("三百零五, སུམ་ཅུ་སོ་གཉིས།, twenty-one"))
        ['21', '305', '32']
    """
    found = {value for run in _HAN_RUN.findall(normalise(text)) for value in _han_values(run)}
    sequence, place = units(text.casefold()), 0
    words = _words()
    while place < len(sequence):
        length = next((size for size in (4, 3, 2, 1) if tuple(sequence[place : place + size]) in words), 0)
        if length:
            found.add(words[tuple(sequence[place : place + length])])
        place += max(1, length)
    return frozenset(found)


def _plain(whole: str, part: str, shift: int) -> str:
    """A decimal number times 10**shift without zeros that change nothing."""
    part = part.ljust(shift, "0")
    whole, part = (whole + part[:shift]).lstrip("0"), part[shift:].rstrip("0")
    return f"{whole or '0'}.{part}" if part else whole or "0"


def _han_value(sign: str) -> int:
    return int(_VALUES[sign] if sign in _VALUES else unicodedata.numeric(sign, 0))


def _han_values(run: str) -> set[str]:
    """What a run of Chinese numerals may stand for: its digits (一九九零; each of 两三年) or its places (三百零五)."""
    if len(run) > _LONGEST_HAN_RUN:
        return set()
    values = [_han_value(sign) for sign in run]
    if max(values) < _TEN:
        digits = [str(value) for value in values]
        return {_plain("".join(digits), "", 0), *(digits if len(digits) == 2 else ())}  # noqa: PLR2004 - said above
    value = _placed_han_value(values)
    return set() if value is None else {str(value)}


def _placed_han_value(values: list[int]) -> int | None:
    """The value of Chinese numerals by place (三百零五); `None` where they have none."""
    total = section = 0
    digit: int | None = None
    last = 0  # the place before; 0 behind a digit, a zero and at the start
    for value in values:
        if value < _TEN:
            if digit:
                return None  # 三四十, "thirty or forty"
            digit = value
            last = 0 if digit == 0 else last
        elif value < _MYRIAD:
            if digit is None and value != _TEN:
                return None  # 千万, "by all means"
            section, digit, last = section + (1 if digit is None else digit) * value, None, value
        else:
            section += digit or 0
            if not section and not total:
                return None  # 万一, "in case"
            lower = total % value if section else total  # what this place multiplies: 一万五千亿, not the 兆 before
            total += (lower + section) * value - lower
            section, digit, last = 0, None, value
    return total + section + (digit or 0) * (last // 10 if last > _TEN else 1)  # 三百五 is 350


@lru_cache(maxsize=1)
def _words() -> dict[tuple[str, ...], str]:
    """Tibetan and English number words as sequences of units."""
    tibetan_tens = zip(_TIBETAN_TENS, _TIBETAN_LINKS, strict=True)
    tibetan_starts = [(word, (f"{word}་{link}་", f"{word}་རྩ་", f"{link}་")) for word, link in tibetan_tens]
    english_starts = [(word, (f"{word} ", f"{word}-")) for word in _ENGLISH_TENS]
    forms = {"བརྒྱ": 100, "སྟོང": 1000}
    for ones, teens, tens in (
        (_TIBETAN_ONES, _TIBETAN_TEENS, tibetan_starts),
        (_ENGLISH_ONES, _ENGLISH_TEENS, english_starts),
    ):
        forms |= {word: value for value, word in enumerate((*ones, *teens), start=1)}
        for ten, (word, starts) in enumerate(tens, start=2):
            forms[word] = 10 * ten
            forms |= {start + last: 10 * ten + one for one, last in enumerate(ones, start=1) for start in starts}
    fusing = [form for form in forms if form.endswith(_TIBETAN_FUSING)]
    forms |= {form + ending: forms[form] for form in fusing for ending in _TIBETAN_ENDINGS}
    return {tuple(units(form)): str(value) for form, value in forms.items()}
