import pytest

from semreward.rewards.numerals import digit_numbers, written_numbers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", set()),
        ("no number", set()),
        ("3 apples and 12 pears", {"3", "12"}),
        ("7 of 7", {"7"}),
        ("༡༢༣", {"123"}),
        ("٣٫٥", {"3.5"}),
        ("٣٬٥٠٠", {"3500"}),
        ("१२", {"12"}),
        ("１２", {"12"}),
        ("１，２３４．５", {"1234.5"}),
        ("1༢3", {"123"}),
        ("1,234", {"1234"}),
        ("1,234,567.80", {"1234567.8"}),
        ("1.234.567,80", {"1234567.8"}),
        ("1'000'000", {"1000000"}),
        ("10\u202f000", {"10000"}),
        ("1.234", {"1.234"}),
        ("1,2,3", {"1", "2", "3"}),
        ("3,5", {"3", "5"}),
        ("1234,567", {"1234", "567"}),
        ("第1，200人", {"1", "200"}),
        ("10:30", {"10", "30"}),
        ("2024-11-24", {"2024", "11", "24"}),
        ("007", {"7"}),
        ("3.50", {"3.5"}),
        ("3.0", {"3"}),
        ("0", {"0"}),
        ("0.0", {"0"}),
        ("00", {"0"}),
        ("-5 %", {"5"}),
        ("3万", {"30000"}),
        ("1.5亿", {"150000000"}),
        ("2千万人", {"20000000"}),
        ("0.5万", {"5000"}),
        ("1.23456万", {"12345.6"}),
        ("5千克", {"5"}),
        ("1万 2萬 3百万 4百萬 5千万 6千萬", {"10000", "20000", "3000000", "4000000", "50000000", "60000000"}),
        ("7亿 8億", {"700000000", "800000000"}),
        ("②½", set()),
    ],
)
def test_numbers_in_digits_are_read_by_value(text, values):
    assert digit_numbers(text) == values


def test_a_number_of_any_length_is_read_exactly():
    assert digit_numbers("9" * 5000 + "0") == {"9" * 5000 + "0"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("三", {"3"}),
        ("两只", {"2"}),
        ("十", {"10"}),
        ("十五", {"15"}),
        ("二十", {"20"}),
        ("三百零五", {"305"}),
        ("三百五", {"350"}),
        ("一百一十", {"110"}),
        ("一百十五", {"115"}),
        ("一千零一夜", {"1001"}),
        ("一万五", {"15000"}),
        ("一百零五万", {"1050000"}),
        ("三万零五百", {"30500"}),
        ("一亿三千万", {"130000000"}),
        ("一万亿", {"1000000000000"}),
        ("一九九〇年三月", {"1990", "3"}),
        ("兩萬", {"20000"}),
        ("二〇二五年", {"2025"}),
        ("壹仟贰佰叁拾肆", {"1234"}),
        ("伍陆柒", {"567"}),
        ("捌佰玖", {"890"}),
        ("貳拾參億", {"2300000000"}),
        ("壹佰贰拾叁", {"123"}),
        ("两三年", {"23", "2", "3"}),
        ("三四十", set()),
        ("千万不要", set()),
        ("万一", set()),
        ("百货", set()),
        ("一" * 25, set()),
    ],
)
def test_chinese_numerals_are_read_by_value(text, values):
    assert written_numbers(text) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("ཀུ་ཤུ་གསུམ་ཉོས།", {"3"}),
        ("བཅུ་", {"10"}),
        ("བཅོ་ལྔ།", {"15"}),
        ("ཉི་ཤུ་", {"20"}),
        ("ཉི་ཤུ་རྩ་ལྔའོ།", {"25"}),
        ("ཉེར་གཅིག་", {"21"}),
        ("སུམ་ཅུ་སོ་གཉིས", {"32"}),
        ("བརྒྱད་ཅུ་གྱ་བཞི", {"84"}),
        ("དགུ་བཅུ་གོ་དགུ", {"99"}),
        ("བཞིའི", {"4"}),
        ("ལྔས", {"5"}),
        ("དགུར", {"9"}),
        ("བརྒྱ", {"100"}),
        ("སྟོང", {"1000"}),
        ("བོད་ཡིག", set()),
    ],
)
def test_tibetan_number_words_are_read_by_value(text, values):
    assert written_numbers(text) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Seven", {"7"}),
        ("ten", {"10"}),
        ("nineteen", {"19"}),
        ("twenty-one", {"21"}),
        ("ninety nine", {"99"}),
        ("forty", {"40"}),
        ("weighty and often", set()),
        ("the three of us met two", {"3", "2"}),
        ("two three", {"2", "3"}),
    ],
)
def test_english_number_words_are_read_by_value(text, values):
    assert written_numbers(text) == values


ONES = ["གཅིག", "གཉིས", "གསུམ", "བཞི", "ལྔ", "དྲུག", "བདུན", "བརྒྱད", "དགུ"]
TENS = ["ཉི་ཤུ", "སུམ་ཅུ", "བཞི་བཅུ", "ལྔ་བཅུ", "དྲུག་ཅུ", "བདུན་ཅུ", "བརྒྱད་ཅུ", "དགུ་བཅུ"]
LINKS = ["ཉེར", "སོ", "ཞེ", "ང", "རེ", "དོན", "གྱ", "གོ"]


@pytest.mark.parametrize(("ten", "word", "link"), list(zip(range(2, 10), TENS, LINKS, strict=True)))
def test_every_tibetan_number_word_below_a_hundred_has_a_value_of_its_own(ten, word, link):
    for one, last in enumerate(ONES, start=1):
        for start in (f"{word}་རྩ", f"{word}་{link}", link):
            assert written_numbers(f"{start}་{last}") == {f"{ten}{one}"}
    assert written_numbers(word) == {f"{ten}0"}


def test_every_tibetan_word_for_a_number_below_twenty_has_its_value():
    teens = ["གཅིག", "གཉིས", "གསུམ", "བཞི", "", "དྲུག", "བདུན", "", "དགུ"]
    words = [*ONES, "བཅུ", *(f"བཅུ་{one}" if one else "" for one in teens)]
    words[14], words[17] = "བཅོ་ལྔ", "བཅོ་བརྒྱད"
    assert [written_numbers(word) for word in words] == [{f"{value}"} for value in range(1, 20)]


@pytest.mark.parametrize("ending", ["འི", "འོ", "འང", "འམ", "ས", "ར"])
def test_tibetan_number_words_that_end_in_a_vowel_take_case_endings(ending):
    words = {"བཞི": "4", "ལྔ": "5", "དགུ": "9", "བཅུ": "10", "ཉི་ཤུ": "20", "སུམ་ཅུ": "30", "བརྒྱ": "100"}
    assert [written_numbers(word + ending) for word in words] == [{value} for value in words.values()]


def test_every_english_number_word_below_a_hundred_has_its_value():
    ones = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    teens = [
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ]
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    words = [*ones, *teens, *(word for ten in tens for word in (ten, *(f"{ten}-{one}" for one in ones)))]
    assert [written_numbers(word) for word in words] == [{f"{value}"} for value in range(1, 100)]


@pytest.mark.parametrize("sign", ["\U00010d41", "\U000116d1", "\U00011bf1"])
def test_a_digit_that_python_does_not_know_yet_equals_itself(sign):
    assert digit_numbers(f"{sign} horses") & digit_numbers(f"{sign}, 2 horses")
