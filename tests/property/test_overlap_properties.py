import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from semreward import BleuReward, ChrfReward
from semreward.evaluation import bleu_score, chrf_score, rouge_l_score
from semreward.evaluation.reading import comparable_text, reading_f1, reading_tokens
from semreward.rewards.overlap import RougeLReward, common_subsequence_length, rouge_l_f1
from semreward.text import units

TEXT = st.text("abཀཁ་字三 .，", max_size=12)
WORDS = TEXT.filter(units)
REWARDS = pytest.mark.parametrize(
    "reward", [BleuReward(), ChrfReward(), RougeLReward()], ids=["bleu", "chrf", "rouge_l"]
)
SCORES = pytest.mark.parametrize("score", [bleu_score, chrf_score, rouge_l_score])


@REWARDS
@given(completion=TEXT, reference=WORDS)
def test_rewards_are_between_zero_and_one(reward, completion, reference):
    assert 0.0 <= reward(completions=[completion], reference=[reference])[0] <= 1.0


@REWARDS
@given(text=WORDS)
def test_the_reference_itself_earns_one(reward, text):
    assert reward(completions=[text], reference=[text]) == pytest.approx([1.0])


@REWARDS
@given(completion=TEXT, reference=WORDS)
def test_nothing_beats_the_reference_itself(reward, completion, reference):
    other, own = reward(completions=[completion, reference], reference=[reference] * 2)
    assert other <= own + 1e-9


@REWARDS
@given(rows=st.lists(st.tuples(TEXT, WORDS), min_size=1, max_size=5))
def test_a_row_does_not_depend_on_the_others(reward, rows):
    together = reward(completions=[row[0] for row in rows], reference=[row[1] for row in rows])
    assert together == [reward(completions=[row[0]], reference=[row[1]])[0] for row in rows]


@SCORES
@given(rows=st.lists(st.tuples(TEXT, WORDS), min_size=1, max_size=5))
def test_scores_are_between_zero_and_one(score, rows):
    assert 0.0 <= score(*zip(*rows, strict=True)).value <= 1.0


@SCORES
@given(rows=st.lists(st.tuples(TEXT, WORDS), min_size=1, max_size=5), data=st.data())
def test_the_order_of_rows_does_not_matter_to_scores(score, rows, data):
    shuffled = data.draw(st.permutations(rows))
    assert score(*zip(*shuffled, strict=True)).value == pytest.approx(score(*zip(*rows, strict=True)).value)


@given(TEXT, TEXT)
def test_rouge_l_is_symmetric(first, second):
    assert rouge_l_f1(first, second) == rouge_l_f1(second, first)


@given(WORDS)
def test_rouge_l_of_a_text_with_itself_is_one(text):
    assert rouge_l_f1(text, text) == 1.0


@given(TEXT, TEXT)
def test_rouge_l_is_zero_only_without_a_common_unit(first, second):
    assert (rouge_l_f1(first, second) == 0.0) == (not set(units(first)) & set(units(second)))


@given(st.lists(st.sampled_from("abcd"), max_size=90), st.lists(st.sampled_from("abcd"), max_size=90))
def test_the_longest_common_subsequence_equals_the_textbooks(first, second):
    lengths = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, left in enumerate(first):
        for j, right in enumerate(second):
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if left == right else max(lengths[i][j + 1], lengths[i + 1][j])
    assert common_subsequence_length(first, second) == lengths[-1][-1]


READING = st.text("北京大学ab 1，。《》.\u3400", max_size=10)


@given(READING, READING)
def test_reading_f1_equals_a_search_over_all_runs(prediction, answer):
    predicted, wanted = reading_tokens(prediction), reading_tokens(answer)
    runs = {tuple(wanted[i:j]) for i in range(len(wanted)) for j in range(i + 1, len(wanted) + 1)}
    common = max(
        (j - i for i in range(len(predicted)) for j in range(i + 1, len(predicted) + 1) if (*predicted[i:j],) in runs),
        default=0,
    )
    expected = 0.0
    if common:
        precision, recall = common / len(predicted), common / len(wanted)
        expected = 2 * precision * recall / (precision + recall)
    assert reading_f1(prediction, answer) == pytest.approx(expected)


@given(READING, READING)
def test_reading_f1_is_symmetric(first, second):
    assert reading_f1(first, second) == reading_f1(second, first)


@given(READING)
def test_reading_f1_of_an_answer_with_itself_is_one(text):
    assume(reading_tokens(text))
    assert reading_f1(text, text) == 1.0


@given(READING)
def test_reading_tokens_keep_every_sign_that_is_compared(text):
    assert "".join(reading_tokens(text)).replace(" ", "") == comparable_text(text).replace(" ", "")
