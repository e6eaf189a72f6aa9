import csv
import gzip
import os
from pathlib import Path

import pytest

import semreward
from semreward.errors import ArgumentError, EncoderNotFoundError, UnknownLanguageError
from semreward.evaluation import language_consistency_score, similarity_score

data = pytest.mark.skipif("SEMREWARD_DATA" not in os.environ, reason="SEMREWARD_DATA is not set")


def test_identical_texts_have_similarity_one(encoder):
    assert similarity_score(encoder, ["abc", "བོད"], ["abc", "བོད"]).value == pytest.approx(1.0)


def test_similarity_is_the_mean_cosine_without_a_threshold(encoder):
    first, second, third = encoder.encode(["abcd", "abxy", "zzzz"])
    expected = (first @ second + first @ third) / 2
    assert similarity_score(encoder, ["abxy", "zzzz"], ["abcd", "abcd"]).value == pytest.approx(expected, abs=1e-6)


def test_the_best_of_several_references_counts(encoder):
    assert similarity_score(encoder, ["abc"], [["xyz", "abc"]]).value == pytest.approx(1.0)


def test_a_blank_completion_counts_zero(encoder):
    assert similarity_score(encoder, ["abc", " "], ["abc", "abc"]).value == pytest.approx(0.5)


def test_reasoning_is_not_scored(encoder):
    assert similarity_score(encoder, ["<think>hm</think>abc"], ["abc"]).value == pytest.approx(1.0)


def test_kept_reasoning_is_scored(encoder):
    assert similarity_score(encoder, ["<think>hm</think>abc"], ["abc"], reasoning="keep").value < 0.9


def test_the_signature_carries_the_encoders_fingerprint(encoder):
    assert similarity_score(encoder, ["a"], ["a"]).signature == (
        f"similarity|encoder:bigrams-64|nrefs:best|semreward:{semreward.__version__}"
    )


def test_an_encoder_may_be_a_path(encoder_folder):
    assert similarity_score(str(encoder_folder), ["字"], ["字"]).value == pytest.approx(1.0)


def test_an_encoder_path_at_which_nothing_is_is_refused():
    with pytest.raises(EncoderNotFoundError):
        similarity_score("/nowhere/encoder", ["a"], ["a"])


def test_no_rows_are_refused(encoder):
    with pytest.raises(ArgumentError, match="at least one completion"):
        similarity_score(encoder, [], [])


def test_a_missing_reference_is_named_by_its_row(encoder):
    with pytest.raises(ArgumentError, match="`references` .* at row 1"):
        similarity_score(encoder, ["a", "a"], ["a", None])


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
