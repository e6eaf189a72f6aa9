"""`check_encoder`: what it reports of an encoder and of what its tokenizer makes of texts."""

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from doubles import BigramEncoder, FixedEncoder
from semreward import SentenceTransformerEncoder, check_encoder
from semreward.errors import ArgumentError


@pytest.fixture(scope="module")
def sentences(captions):
    return [text for pair in captions[:8] for text in pair]


def checked(folder, texts=(), **options):
    return check_encoder(SentenceTransformerEncoder(str(folder), device="cpu", **options), texts)


def test_a_sound_encoder_is_described_without_a_fault(trained_folder, sentences):
    report = checked(trained_folder, sentences, prompt="caption: ")
    assert report["kind"] == "Transformer (XLMRobertaModel) + Pooling (mean)"
    assert (report["weights"], report["padding"], report["prompt"]) == (True, "right", "caption: ")
    assert report["beyond the window"] == 0
    assert report["batches of 1 and 64"] == pytest.approx(0, abs=1e-5)
    assert report.verdict.startswith("No fault found")


def test_it_prints_a_table_and_a_verdict(trained_folder, sentences):
    first, *_, last = str(checked(trained_folder, sentences)).splitlines()
    assert first.split() == ["encoder", str(trained_folder)]
    assert last.startswith("No fault found")


def test_without_texts_it_speaks_of_the_model_alone(trained_folder):
    assert [check.name for check in checked(trained_folder).checks] == ["kind", "weights", "padding", "prompt"]


def test_a_path_is_enough(trained_folder, sentences):
    assert check_encoder(str(trained_folder), sentences)["weights"]


@pytest.mark.parametrize(
    ("texts", "options", "fault"),
    [
        (["ᠪᠢ ᠮᠣᠩᠭᠣᠯ", "ᠬᠦᠮᠦᠨ"], {}, "the tokenizer spells letter by letter"),
        (["三个苹果", "两只猫和三个苹果"], {"max_tokens": 3}, "the encoder does not see the end of"),
    ],
)
def test_what_it_cannot_read_is_a_fault(trained_folder, texts, options, fault):
    report = checked(trained_folder, texts, **options)
    assert report.verdict.startswith("Do not train with this: ")
    assert fault in report.verdict


def test_a_tokenizer_that_spells_letter_by_letter_is_a_fault(policy_folder, tmp_path):
    SentenceTransformer(str(policy_folder), device="cpu").save_pretrained(str(tmp_path))
    report = checked(tmp_path, ["ᠪᠢ ᠮᠣᠩᠭᠣᠯ ᠬᠦᠮᠦᠨ"])
    assert report["unknown tokens"] == 0
    assert "the tokenizer spells letter by letter" in report.verdict


@pytest.mark.parametrize(("text", "unit"), [("the red cat", "word"), ("三个苹果", "character"), ("བོད་ཡིག", "character")])
def test_tokens_are_counted_per_word_or_per_character(trained_folder, text, unit):
    assert checked(trained_folder, [text])[f"tokens per {unit}"] > 0


def test_random_weights_are_a_fault(encoder_folder, sentences):
    assert "the encoder was never trained" in checked(encoder_folder, sentences).verdict


@pytest.mark.parametrize("texts", [(), ("三个苹果",)])
def test_an_encoder_that_does_not_load_is_a_fault(policy_folder, texts):
    report = checked(policy_folder, texts)
    assert "is a language model" in report.verdict


def test_a_damaged_folder_is_a_fault(trained_folder, tmp_path):
    (tmp_path / "config.json").write_text("{")
    assert check_encoder(str(tmp_path), ["a"]).verdict.startswith("Do not train with this: ")


def test_of_other_encoders_most_is_not_known(sentences):
    report = check_encoder(BigramEncoder(), sentences)
    assert report["kind"] is None
    assert report["batches of 1 and 64"] == 0
    assert "unknown tokens       not known" in str(report)


def test_vectors_that_depend_on_their_batch_are_a_fault():
    class Neighbourly(FixedEncoder):
        def encode(self, texts, /):
            rows = np.eye(8, dtype=np.float32)[: len(texts)]
            return np.roll(rows, 1, axis=1) if len(texts) > 1 else np.eye(8, dtype=np.float32)[:1]

    assert "depends on the texts beside it" in check_encoder(Neighbourly(None), ["a", "b"]).verdict


@pytest.mark.parametrize("texts", [["a", ""], ["a", None], [" "]])
def test_texts_are_not_empty(texts):
    with pytest.raises(ArgumentError, match="`texts` must be a list of non-empty strings, got"):
        check_encoder(BigramEncoder(), texts)


def test_a_wrong_argument_is_an_error_not_a_fault():
    class Misconfigured(BigramEncoder):
        def encode(self, texts, /):
            raise ArgumentError("`path` must be given")

    with pytest.raises(ArgumentError, match="`path` must be given"):
        check_encoder(Misconfigured(), ["a"])


def test_an_encoder_with_one_vector_for_all_texts_is_damaged():
    class Constant(BigramEncoder):
        def encode(self, texts, /):
            return super().encode(["a"] * len(texts))

    assert "all texts have one vector" in check_encoder(Constant(), ["a cat", "a dog"]).verdict
