import pytest
from hypothesis import given
from hypothesis import strategies as st

from semreward.rewards.guards import (
    LengthRatioGuard,
    NumberRecallReward,
    RepetitionGuard,
    SourceCopyGuard,
    copied_share,
    repeated_share,
)
from semreward.rewards.numerals import digit_numbers, written_numbers
from semreward.text import normalise

TEXT = st.text("abcཀཁི་字三十3༤。 ,.\u0301", max_size=40)
WORDS = TEXT.filter(normalise)
ROW = st.tuples(TEXT, WORDS, TEXT)
GUARDS = [
    LengthRatioGuard(),
    LengthRatioGuard(0.8, 1.2, slack=0),
    RepetitionGuard(ngram=1),
    RepetitionGuard(ngram=1, reference_column="reference"),
    SourceCopyGuard(ngram=1),
    NumberRecallReward(),
    NumberRecallReward(source_column="source", written_out=True),
]
ALL = pytest.mark.parametrize("guard", GUARDS)


def called(guard, rows):
    answers, references, sources = zip(*rows, strict=True)
    return guard(completions=list(answers), reference=list(references), source=list(sources))


@ALL
@given(rows=st.lists(ROW, min_size=1, max_size=4))
def test_values_are_between_zero_and_one(guard, rows):
    assert all(0.0 <= value <= 1.0 for value in called(guard, rows))


@ALL
@given(rows=st.lists(ROW, min_size=1, max_size=4))
def test_a_row_does_not_depend_on_the_others(guard, rows):
    assert called(guard, rows) == [called(guard, [row])[0] for row in rows]


@pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard.reference_column])
@given(reference=WORDS, source=TEXT)
def test_nothing_is_wrong_with_the_reference_itself(guard, reference, source):
    assert called(guard, [(reference, reference, source)]) == [1.0]


@pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard.reference_column])
@given(answer=TEXT, references=st.lists(WORDS, min_size=1, max_size=3), source=TEXT)
def test_more_references_never_hurt(guard, answer, references, source):
    alone = called(guard, [(answer, reference, source) for reference in references])
    among = guard(completions=[answer], reference=[references], source=[source])[0]
    assert among >= max(alone) - 1e-12


@given(length=st.integers(1, 60), wanted=st.integers(1, 60))
def test_a_length_nearer_to_the_references_is_never_worse(length, wanted):
    guard = LengthRatioGuard(slack=0)
    nearer = length + (wanted > length) - (wanted < length)
    far, near = guard(completions=["a" * length, "a" * nearer], reference=["a" * wanted] * 2)
    assert near >= far


def naive_repeated_share(text, ngram):
    light = "abcཀཁ་ི3༤\u0301"
    signs = "".join(sign * (1 if sign in light else 4) for sign in text if not sign.isspace())
    size = 4 * ngram
    covered = set()
    for start in range(len(signs) - size + 1):
        if any(signs[before : before + size] == signs[start : start + size] for before in range(start)):
            covered |= set(range(start, start + size))
    return len(covered) / len(signs) if signs else 0.0


@given(text=TEXT, ngram=st.integers(1, 3))
def test_the_repeated_share_equals_a_search_over_all_pairs(text, ngram):
    assert repeated_share(text, ngram) == pytest.approx(naive_repeated_share(text, ngram))


@given(text=st.text("abcdefghijklm字母表", min_size=20, max_size=60), times=st.integers(2, 5))
def test_a_text_said_several_times_is_repeated_for_all_but_the_first(text, times):
    assert repeated_share(text * times) >= 1 - 1 / times - 1e-12


@given(reference=st.text("abc字母", min_size=20, max_size=60).filter(normalise), times=st.integers(2, 5))
def test_saying_everything_again_fails_whatever_the_reference_repeats(reference, times):
    guard = RepetitionGuard(reference_column="reference")
    assert guard(completions=[reference * times], reference=[reference]) == [0.0]


@given(answer=TEXT, source=TEXT, ngram=st.integers(1, 3))
def test_a_copied_share_is_a_share(answer, source, ngram):
    assert 0.0 <= copied_share(answer, source, ngram=ngram) <= 1.0


@given(source=st.text("abcdeཀཁགང字", min_size=1, max_size=40), prefix=TEXT)
def test_a_copy_of_the_source_is_copied_whole(source, prefix):
    assert copied_share(source, prefix + source) == 1.0


@given(answer=TEXT, source=TEXT)
def test_nothing_is_copied_that_a_reference_has(answer, source):
    assert copied_share(answer, source, [answer]) == 0.0


@given(
    number=st.integers(0, 10**15),
    digits=st.sampled_from(["0123456789", "༠༡༢༣༤༥༦༧༨༩", "٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９"]),
)
def test_digits_of_all_scripts_are_equal_by_value(number, digits):
    text = str(number).translate(str.maketrans("0123456789", digits))
    assert digit_numbers(f"a {text}!") == {str(number)}


@given(st.integers(0, 10**12), st.integers(0, 999))
def test_thousands_may_be_parted(number, part):
    assert digit_numbers(f"{number:,}.{part:03d}") == digit_numbers(f"{number}.{part:03d}0")


def chinese(number):
    """A positive number below 10**8 in Chinese numerals, by the book."""
    if number >= 10**4:
        rest = number % 10**4
        link = "零" if 0 < rest < 1000 else ""
        return chinese(number // 10**4) + "万" + link + (chinese(rest) if rest else "")
    signs, pending = "", False
    for place, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            signs += "零" * pending + "零一二三四五六七八九"[digit] + unit
        pending = digit == 0 and bool(signs)
    return signs


@given(st.integers(1, 10**8 - 1))
def test_chinese_numerals_are_read_back(number):
    assert str(number) in written_numbers(chinese(number))


@given(st.integers(10, 10**6), st.integers(1, 9))
def test_a_changed_number_is_seen(number, change):
    guard = NumberRecallReward()
    assert guard(completions=[f"{number + change}"], reference=[f"{number}"]) == [0.0]
