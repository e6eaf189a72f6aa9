"""Checkpoints as they are published: CINO's layout, tokenizers that do not fit, models without layers."""

import json
import shutil

import numpy as np
import pytest
import torch

from semreward import SentenceTransformerEncoder
from semreward.adaptation import adapt_encoder
from semreward.errors import ArgumentError


@pytest.fixture(scope="module")
def cino_folder(tmp_path_factory, captions):
    """XLM-R as CINO is laid out: config, pickled weights, a sentencepiece model; no fast tokenizer, no safetensors."""
    import sentencepiece
    from transformers import XLMRobertaConfig, XLMRobertaModel

    folder = tmp_path_factory.mktemp("models") / "cino"
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.replace("་", "་ ") for pair in captions for text in pair]),
        model_prefix=str(folder / "trained"),
        vocab_size=250,
        model_type="unigram",
        character_coverage=1.0,
        minloglevel=2,
    )
    (folder / "trained.model").rename(folder / "sentencepiece.bpe.model")
    (folder / "trained.vocab").unlink()
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=252,  # sentencepiece's 250, and XLM-R's own <pad> and <mask>
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=514,
        type_vocab_size=1,
    )
    model = XLMRobertaModel(config)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    published = {**config.to_dict(), "architectures": ["XLMRobertaForMaskedLM"], "model_type": "xlm-roberta"}
    (folder / "config.json").write_text(json.dumps(published), encoding="utf-8")
    return folder


def test_the_layout_is_cinos(cino_folder):
    assert sorted(path.name for path in cino_folder.iterdir()) == [
        "config.json",
        "pytorch_model.bin",
        "sentencepiece.bpe.model",
    ]


def test_a_checkpoint_in_cinos_layout_loads_as_it_is(cino_folder, captions):
    rows = SentenceTransformerEncoder(str(cino_folder), device="cpu").encode([text for text, _ in captions])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_the_sentencepiece_model_splits_texts_as_sentencepiece_does(cino_folder, captions):
    import sentencepiece
    from sentence_transformers import SentenceTransformer

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(cino_folder / "sentencepiece.bpe.model"))
    tokenizer = SentenceTransformer(str(cino_folder), device="cpu").tokenizer
    text = captions[0][1]
    assert tokenizer.tokenize(text) == pieces.encode(text, out_type=str)


def test_a_checkpoint_in_cinos_layout_is_adapted(cino_folder, captions, quick):
    adaptation = adapt_encoder(quick(base=cino_folder, epochs=8), captions[12:], captions[:12])
    assert adaptation.after["precision"] > adaptation.before["precision"]


def test_an_adapted_cino_gives_the_vectors_that_were_trained(cino_folder, captions, quick):
    adaptation = adapt_encoder(quick(base=cino_folder, measure_steps=1), captions[12:20], captions[:12])
    (last,) = [point for point in adaptation.curve if "eval_precision" in point]
    logged = {name: last[f"eval_{name}"] for name in adaptation.after}
    assert adaptation.after == pytest.approx(logged, abs=1e-5)


def test_a_checkpoint_in_cinos_layout_is_extended(cino_folder, captions, quick):
    from sentence_transformers import SentenceTransformer

    adaptation = adapt_encoder(quick(base=cino_folder, new_pieces=400), captions[12:])
    tokenizers = [
        SentenceTransformer(str(path), device="cpu").tokenizer
        for path in (cino_folder, adaptation.encoder.name_or_path)
    ]
    chinese, tibetan = captions[20]
    before, after = ([tokenizer.tokenize(text) for text in (chinese, tibetan)] for tokenizer in tokenizers)
    assert after[0] == before[0]
    assert len(after[1]) < len(before[1])


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(encoder_folder, captions, quick, tmp_path):
    from transformers import XLMRobertaConfig, XLMRobertaModel

    broken = tmp_path / "broken"
    shutil.copytree(encoder_folder, broken)
    config = XLMRobertaConfig.from_pretrained(encoder_folder, vocab_size=50)
    XLMRobertaModel(config).save_pretrained(broken)
    with pytest.raises(ArgumentError, match=r"its tokenizer knows '.*' as number \d+ and the model has 50 embeddings"):
        adapt_encoder(quick(base=broken), captions)


@pytest.fixture
def static_folder(encoder_folder, tmp_path):
    """A bag of embeddings, without layers and without a window."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(encoder_folder / "tokenizer.json"))
    module = StaticEmbedding(tokenizer, embedding_dim=16)
    SentenceTransformer(modules=[module], device="cpu").save_pretrained(str(tmp_path / "static"))
    return tmp_path / "static"


def test_a_base_that_is_no_transformer_is_refused(static_folder, captions, quick):
    with pytest.raises(ArgumentError, match="`base` must be a transformer, got a StaticEmbedding"):
        adapt_encoder(quick(base=static_folder), captions)
