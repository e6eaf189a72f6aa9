import csv
import functools
import gzip
import os
from pathlib import Path

import pytest
import sacrebleu

import semreward
from doubles import BigramEncoder
from reference import sacrebleu_sentences
from semreward import Answer
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderNotFoundError, UnknownLanguageError
from semreward.evaluation import bleu_score, chrf_score, language_consistency_score, rouge_l_score, similarity_score
from semreward.rewards.overlap import common_subsequence_length, rouge_l_f1

SCORES = pytest.mark.parametrize(
    "score",
    [bleu_score, chrf_score, rouge_l_score, functools.partial(similarity_score, BigramEncoder())],
    ids=["bleu", "chrf", "rouge_l", "similarity"],
)
data = pytest.mark.skipif("SEMREWARD_DATA" not in os.environ, reason="SEMREWARD_DATA is not set")


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


def test_similarity_is_the_mean_cosine_without_a_threshold(encoder):
    first, second, third = encoder.encode(["abcd", "abxy", "zzzz"])
    expected = (first @ second + first @ third) / 2
    assert similarity_score(encoder, ["abxy", "zzzz"], ["abcd", "abcd"]).value == pytest.approx(expected, abs=1e-6)


def test_kept_reasoning_is_scored(encoder):
    assert similarity_score(encoder, ["<think>hm</think>abc"], ["abc"], answer=Answer(reasoning="keep")).value < 0.9


def test_the_signature_carries_the_encoders_fingerprint(encoder):
    assert similarity_score(encoder, ["a"], ["a"]).signature == (
        f"similarity|encoder:bigrams-64|nrefs:best|semreward:{semreward.__version__}"
    )


def test_an_encoder_may_be_a_path(encoder_folder):
    assert similarity_score(str(encoder_folder), ["字"], ["字"]).value == pytest.approx(1.0)


def test_an_encoder_path_at_which_nothing_is_is_refused():
    with pytest.raises(EncoderNotFoundError):
        similarity_score("/nowhere/encoder", ["a"], ["a"])


def test_language_consistency_is_the_share_of_consistent_completions():
    assert language_consistency_score(["བོད་ཡིག", "བོད་字", "", "ཀ་ཁ"], "bo").value == 0.5


def test_language_consistency_leaves_reasoning_out():
    assert language_consistency_score(["<think>hm</think>ཀ"], "bo").value == 1.0


def test_the_signature_names_language_and_scripts():
    assert language_consistency_score(["あ"], "ja").signature == (
        f"language_consistency|language:ja|scripts:Hani+Hira+Kana|semreward:{semreward.__version__}"
    )


def test_an_unknown_language_is_refused():
    with pytest.raises(UnknownLanguageError):
        language_consistency_score(["a"], "xx")


def test_language_consistency_of_no_rows_is_refused():
    with pytest.raises(ArgumentError, match="at least one completion"):
        language_consistency_score([], "bo")


@pytest.fixture(scope="module")
def parallel_rows():
    path = Path(os.environ["SEMREWARD_DATA"]) / "bo_zh" / "dev.tsv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@data
@pytest.mark.realdata
def test_tibetan_sentences_are_consistently_tibetan(parallel_rows):
    assert language_consistency_score([row[0] for row in parallel_rows], "bo").value == 1.0


@data
@pytest.mark.realdata
def test_chinese_sentences_are_consistently_chinese(parallel_rows):
    assert language_consistency_score([row[1] for row in parallel_rows], "zh").value == 1.0


@data
@pytest.mark.realdata
def test_chinese_sentences_are_never_tibetan(parallel_rows):
    assert language_consistency_score([row[1] for row in parallel_rows], "bo").value == 0.0


def test_detector_tells_languages_of_one_script_apart():
    def detector(texts):
        return ["fr" if "chien" in text else "en" for text in texts]

    answers = ["A dog.", "Un chien.", ""]
    assert language_consistency_score(answers, "en").value == pytest.approx(2 / 3)
    assert language_consistency_score(answers, "en", detector=detector).value == pytest.approx(1 / 3)


def test_signature_names_the_detector():
    score = language_consistency_score(["A dog."], "en", detector=lambda texts: ["en"] * len(texts))
    assert "detector:" in score.signature
    assert "detector" not in language_consistency_score(["A dog."], "en").signature
