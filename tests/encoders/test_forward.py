"""A loaded model's forward pass: batches by tokens, truncation that is counted, memory that runs out, broken models."""

import logging
import threading

import pytest
import torch
from sentence_transformers import SentenceTransformer

from semreward import SentenceTransformerEncoder
from semreward.encoders import local
from semreward.encoders.engine import Engine, engine_of
from semreward.encoders.loading import check_model
from semreward.encoders.local import ModelForward, _rows_of
from semreward.errors import EncoderError


@pytest.fixture(scope="module")
def model(encoder_folder):
    return SentenceTransformer(str(encoder_folder), device="cpu").eval()


@pytest.fixture(scope="module")
def texts(captions):
    sentences = [text for pair in captions for text in pair]
    mixed = [text * (1 + place % 3) for place, text in enumerate(sentences)]
    return sorted(dict.fromkeys(mixed), key=len, reverse=True)


def forward_of(model, *, batch_tokens=256, prompt=None):
    return ModelForward(model, prompt=prompt, batch_tokens=batch_tokens)


def encoded(forward, texts):
    return Engine(lambda: forward).encode(texts)


def plain(model, texts):
    return model.encode(texts, normalize_embeddings=True)


@pytest.mark.parametrize("prompt", [None, "query: "])
def test_vectors_are_those_of_sentence_transformers(model, texts, prompt):
    expected = model.encode(texts, prompt=prompt, normalize_embeddings=True)
    assert encoded(forward_of(model, prompt=prompt), texts) == pytest.approx(expected, abs=1e-5)


def test_an_encoders_vectors_are_those_of_sentence_transformers(encoder_folder, model, texts):
    encoder = SentenceTransformerEncoder(str(encoder_folder), device="cpu", batch_tokens=300)
    assert encoder.encode(texts) == pytest.approx(plain(model, texts), abs=1e-5)
    encoder.close()


def test_a_models_own_default_prompt_is_used(encoder_folder, texts):
    model = SentenceTransformer(
        str(encoder_folder), device="cpu", prompts={"query": "query: "}, default_prompt_name="query"
    )
    assert encoded(forward_of(model), texts) == pytest.approx(plain(model, texts), abs=1e-5)


def test_batches_keep_to_their_tokens(model, texts):
    sizes = [inputs["input_ids"].numel() for _, inputs in forward_of(model, batch_tokens=400).prepared(texts)]
    assert max(sizes) <= 400
    assert len(sizes) < len(texts) / 2


def test_a_text_larger_than_a_batch_is_a_batch(model, texts):
    batches = list(forward_of(model, batch_tokens=1).prepared(texts))
    assert [len(batch) for batch, _ in batches] == [1] * len(texts)


def test_each_batch_is_padded_to_its_own_longest_text(model, texts):
    for _, inputs in forward_of(model).prepared(texts):
        assert inputs["input_ids"].shape[1] == inputs["attention_mask"].sum(dim=1).max()


def test_padding_on_the_left_is_cut_on_the_left():
    mask = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]])
    features = {"input_ids": torch.arange(12).reshape(3, 4), "attention_mask": mask, "modality": "text"}
    part = _rows_of(features, torch.tensor([0, 1]), 3, mask)
    assert part["input_ids"].tolist() == [[1, 2, 3], [5, 6, 7]]
    assert part["modality"] == "text"


def test_tokenising_and_forward_passes_overlap_in_two_threads(encoder_folder, texts, monkeypatch):
    monkeypatch.setattr(local, "_FIRST_CPU_PORTION", 8)
    encoder = SentenceTransformerEncoder(str(encoder_folder), device="cpu", batch_tokens=300)
    encoder.warmup()
    tokenising, passing = set(), set()
    model = engine_of(encoder).model
    forward = model._forward
    monkeypatch.setattr(model, "truncated", lambda _: tokenising.add(threading.current_thread()) or 0)
    monkeypatch.setattr(model, "_forward", lambda some: (passing.add(threading.current_thread()), forward(some))[1])
    encoder.encode(texts)
    encoder.close()
    assert len(passing) == 1
    assert tokenising - passing


def test_a_text_that_no_tokenizer_takes_fails_alone(encoder_folder, texts):
    encoder = SentenceTransformerEncoder(str(encoder_folder), device="cpu")
    with pytest.raises(EncoderError, match="failed at 'a lone surrogate"):
        encoder.encode([*texts[:4], "a lone surrogate \ud800"])
    batches = {tuple(batch): inputs for batch, inputs in forward_of(model_of(encoder)).prepared(["\ud800", "a"])}
    encoder.close()
    assert isinstance(batches["\ud800",], Exception)
    assert not isinstance(batches["a",], Exception)


def model_of(encoder):
    return engine_of(encoder).open().model.model


def test_a_shortened_dimension_is_kept(encoder_folder, texts):
    model = SentenceTransformer(str(encoder_folder), device="cpu", truncate_dim=8)
    vectors = encoded(forward_of(model), texts)
    assert vectors.shape[1] == 8
    assert vectors == pytest.approx(plain(model, texts), abs=1e-5)


@pytest.fixture
def short(encoder_folder):
    """An encoder that sees eight tokens."""
    encoder = SentenceTransformerEncoder(str(encoder_folder), device="cpu", max_tokens=8)
    encoder.close()  # an equal one may have been counting
    yield encoder
    encoder.close()


def test_texts_beyond_the_window_are_counted(short, texts):
    before_it_is_loaded = short.truncated_texts
    short.encode(["a", texts[0], texts[1]])
    assert (before_it_is_loaded, short.truncated_texts) == (0, 2)


def test_a_text_that_just_fits_is_not_counted(short, texts):
    short.warmup()
    tokenizer = model_of(short).tokenizer
    fitting = tokenizer.decode(
        tokenizer(texts[0], max_length=8, truncation=True)["input_ids"], skip_special_tokens=True
    )
    assert len(tokenizer(fitting)["input_ids"]) == 8
    short.encode([fitting])
    assert short.truncated_texts == 0


def test_the_first_truncation_is_a_warning(short, texts, caplog):
    with caplog.at_level(logging.INFO, logger="semreward.encoders.vectors"):
        short.encode(["a", texts[0]])
        short.encode([texts[1]])
    logged = [(record.levelname, record.message[:40]) for record in caplog.records if "tokens" in record.message]
    assert logged == [
        ("WARNING", "1 of 2 texts so far were longer than 8 t"),
        ("INFO", "2 of 3 texts so far were longer than 8 t"),
    ]


def test_a_tokenizer_without_an_account_counts_what_fills_the_window(model):
    forward = forward_of(model)
    mask = torch.zeros((2, model.max_seq_length), dtype=torch.long)
    mask[0] = 1
    truncated = forward.truncated({"attention_mask": mask})
    assert truncated == 1


class Scarce:
    """A forward pass that runs out of memory above a number of texts."""

    def __init__(self, forward, most):
        self.forward = forward
        self.most = most
        self.sizes = []

    def __call__(self, inputs):
        self.sizes.append(len(inputs["input_ids"]))
        if len(inputs["input_ids"]) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.forward(inputs)


@pytest.fixture
def scarce(model, monkeypatch):
    """A forward pass with memory for four texts."""
    forward = forward_of(model, batch_tokens=10**6)
    monkeypatch.setattr(forward, "_forward", Scarce(forward._forward, 4))
    return forward


def test_a_batch_that_is_too_large_is_halved_until_it_fits(scarce, model, texts):
    assert encoded(scarce, texts[:16]) == pytest.approx(plain(model, texts[:16]), abs=1e-5)
    assert scarce._forward.sizes == [16, 8, 4, 4, 8, 4, 4]


def test_batches_stay_small_once_memory_ran_out(scarce, texts):
    encoded(scarce, texts[:16])
    scarce._forward.sizes.clear()
    encoded(scarce, texts[:16])
    assert max(scarce._forward.sizes) <= 8


def test_running_out_of_memory_is_logged(scarce, texts, caplog):
    with caplog.at_level(logging.WARNING, logger="semreward"):
        encoded(scarce, texts[:5])
    assert "out of memory" in caplog.text


def test_one_text_that_does_not_fit_is_an_error(scarce, texts):
    scarce._forward.most = 0
    with pytest.raises(torch.OutOfMemoryError):
        encoded(scarce, texts[:4])


@pytest.fixture
def fresh(encoder_folder):
    """A model of the test's own, to break."""
    return SentenceTransformer(str(encoder_folder), device="cpu").eval()


def check(model):
    check_model(model, tolerance=1e-4)


def test_a_whole_model_passes(fresh):
    assert check(fresh) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_named(fresh, value):
    dict(fresh.named_parameters())["0.model.embeddings.word_embeddings.weight"].data[3, 3] = value
    with pytest.raises(EncoderError, match=r"word_embeddings\.weight` is not finite"):
        check(fresh)


def test_a_partitioned_weight_names_zero_3(fresh):
    dict(fresh.named_parameters())["0.model.embeddings.word_embeddings.weight"].data = torch.empty(0)
    with pytest.raises(EncoderError, match="ZeRO-3 partitions"):
        check(fresh)


def test_a_forward_pass_that_is_broken_names_likely_causes(fresh):
    fresh[-1].register_forward_hook(
        lambda _module, _inputs, output: {
            **output,
            "sentence_embedding": output["sentence_embedding"] + torch.randn_like(output["sentence_embedding"]),
        }
    )
    with pytest.raises(EncoderError, match="patch the forward passes"):
        check(fresh)


def test_vectors_that_are_not_finite_name_likely_causes(fresh):
    fresh[-1].register_forward_hook(
        lambda _module, _inputs, output: {**output, "sentence_embedding": output["sentence_embedding"] * torch.nan}
    )
    with pytest.raises(EncoderError, match="cosine nan"):
        check(fresh)


def test_a_broken_model_fails_when_it_is_loaded(encoder_folder, monkeypatch):
    def broken(self, *args, **options):
        load(self, *args, **options)
        next(self.parameters()).data.fill_(torch.nan)

    load = SentenceTransformer.__init__
    monkeypatch.setattr(SentenceTransformer, "__init__", broken)
    with pytest.raises(EncoderError, match="not finite"):
        SentenceTransformerEncoder(str(encoder_folder), device="cpu", revision="broken").warmup()


def test_warming_up_loads_the_model(encoder_folder):
    encoder = SentenceTransformerEncoder(str(encoder_folder), device="cpu", revision="warm")
    encoder.warmup()
    loaded = engine_of(encoder).model is not None
    encoder.close()
    assert loaded
