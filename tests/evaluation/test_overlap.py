import pytest
import sacrebleu

import semreward
from reference import sacrebleu_sentences
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.evaluation import bleu_score, chrf_score, rouge_l_score
from semreward.rewards.overlap import common_subsequence_length, rouge_l_f1

SCORES = pytest.mark.parametrize("score", [bleu_score, chrf_score, rouge_l_score])


def test_bleu_equals_sacrebleus_command_line():
    score = bleu_score(sacrebleu_sentences.CORPUS_COMPLETIONS, sacrebleu_sentences.CORPUS_REFERENCES)
    assert score.value == pytest.approx(sacrebleu_sentences.CORPUS_BLEU / 100, abs=1e-8)


def test_chrf_equals_sacrebleus_command_line():
    score = chrf_score(sacrebleu_sentences.CORPUS_COMPLETIONS, sacrebleu_sentences.CORPUS_REFERENCES)
    assert score.value == pytest.approx(sacrebleu_sentences.CORPUS_CHRF / 100, abs=1e-8)


def test_bleu_is_of_the_corpus_not_the_mean_of_sentences():
    # of 10 unigrams 4 match, of 8 bigrams 3, of 6 trigrams 2, of 4 fourgrams 1
    value = (4 / 10 * 3 / 8 * 2 / 6 * 1 / 4) ** 0.25
    assert bleu_score(["a b c d", "u v w x y z"], ["a b c d"] * 2).value == pytest.approx(value)


def test_bleu_of_completions_under_four_units_is_zero():
    assert bleu_score(["a b c"], ["a b c"]).value == 0.0


@pytest.mark.parametrize(
    ("completion", "reference", "value"),
    [
        ("the cat sat", "the cat ran off the mat", 4 / 9),
        ("a c", "a b c", 4 / 5),
        ("c a", "a b c", 2 / 5),
        ("བོད་ཡིག", "བོད་སྐད་ཡིག", 4 / 5),
        ("我爱北京", "我爱你北京", 8 / 9),
        ("a a a", "a", 1 / 2),
        ("x", "y", 0.0),
        ("", "y", 0.0),
        ("་", "y", 0.0),
    ],
)
def test_rouge_l_by_hand(completion, reference, value):
    assert rouge_l_f1(completion, reference) == pytest.approx(value)


def test_rouge_l_is_the_mean_over_rows():
    assert rouge_l_score(["a c", "x"], ["a b c", "y"]).value == pytest.approx(2 / 5)


def test_the_best_of_several_references_counts_for_rouge_l():
    assert rouge_l_score(["a c"], [["x", "a b c", "a c"]]).value == 1.0


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [("abcbdab", "bdcaba", 4), ("", "abc", 0), ("abc", "", 0), ("abc", "abc", 3), ("abc", "cba", 1), ("aaa", "aa", 2)],
)
def test_the_longest_common_subsequence_by_hand(first, second, length):
    assert common_subsequence_length(first, second) == length


@SCORES
def test_references_themselves_score_one(score):
    texts = ["ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།", "他买了三个苹果。"]
    assert score(texts, texts).value == pytest.approx(1.0)


@SCORES
def test_rows_may_have_different_numbers_of_references(score):
    assert score(["a b c d", "e f g h"], [["x", "a b c d"], "e f g h"]).value == pytest.approx(1.0)


@SCORES
def test_an_empty_completion_scores_nothing(score):
    assert score([""], ["a b c d"]).value == 0.0


@SCORES
def test_an_empty_completion_lowers_the_score(score):
    assert score(["a b c d", ""], ["a b c d"] * 2).value < 1.0


@SCORES
def test_reasoning_is_not_scored(score):
    assert score(["<think>hm</think>a b c d"], ["a b c d"]).value == pytest.approx(1.0)


@SCORES
def test_conversational_completions_are_scored_by_their_answer(score):
    assert score([[{"role": "assistant", "content": "a b c d"}]], ["a b c d"]).value == pytest.approx(1.0)


@SCORES
def test_no_rows_are_refused(score):
    with pytest.raises(ArgumentError, match="at least one completion"):
        score([], [])


@SCORES
def test_lengths_that_differ_are_refused(score):
    with pytest.raises(ArgumentError, match="`references` must have one value per completion: 2 expected, got 1"):
        score(["a", "b"], ["a"])


@SCORES
@pytest.mark.parametrize("reference", [None, "", " ", [], ["a", ""]])
def test_a_missing_reference_is_named_by_its_row(score, reference):
    with pytest.raises(ArgumentError, match="`references` .* at row 1"):
        score(["a", "a"], ["a", reference])


@SCORES
@pytest.mark.parametrize("reference", [3, b"a", ["a", 3]])
def test_a_reference_of_the_wrong_type_is_named_by_its_row(score, reference):
    with pytest.raises(ArgumentTypeError, match="`references` .* at row 1"):
        score(["a", "a"], ["a", reference])


@SCORES
def test_a_completion_of_the_wrong_type_is_named_by_its_row(score):
    with pytest.raises(ArgumentTypeError, match="`completions` at row 1"):
        score(["a", None], ["a", "a"])


def test_the_signature_of_bleu_says_what_was_counted():
    assert bleu_score(["a"], ["a"]).signature == (
        "BLEU|nrefs:1|case:mixed|eff:no|tok:units|smooth:exp|"
        f"sacrebleu:{sacrebleu.__version__}|semreward:{semreward.__version__}"
    )


@pytest.mark.parametrize(
    ("references", "number"), [(["a", "b"], "1"), ([["a", "b"]] * 2, "2"), (["a", ["a", "b"]], "var")]
)
def test_the_signature_of_rouge_l_says_how_many_references_a_row_has(references, number):
    assert rouge_l_score(["a", "b"], references).signature == (
        f"ROUGE-L|nrefs:{number}|beta:1|tok:units|semreward:{semreward.__version__}"
    )
