import json
import logging
import os
import pickle
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import sentence_transformers
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

from semreward import SemanticSimilarityReward, SentenceTransformerEncoder
from semreward.encoders import loading
from semreward.encoders.engine import engine_of
from semreward.encoders.loading import resolved_device, resolved_name
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderNotFoundError


@pytest.fixture
def local_encoder(encoder_folder):
    return SentenceTransformerEncoder(str(encoder_folder), device="cpu")


@pytest.fixture(scope="module")
def sentences(captions):
    return [text for pair in captions[:8] for text in pair]


@pytest.fixture
def copied_folder(encoder_folder, tmp_path):
    return Path(shutil.copytree(encoder_folder, tmp_path / "copy"))


@pytest.fixture(scope="session")
def saved_folder(encoder_folder, tmp_path_factory):
    """The encoder in sentence-transformers' own format."""
    folder = tmp_path_factory.mktemp("models") / "saved"
    SentenceTransformer(str(encoder_folder), device="cpu").save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def cino_folder(captions, tmp_path_factory):
    """A checkpoint with the very files that CINO is published in, and no limit of length in its tokenizer."""
    folder = tmp_path_factory.mktemp("models") / "cino"
    folder.mkdir()
    SentencePieceTrainer.train(
        sentence_iterator=iter([text.replace("་", "་ ") for pair in captions for text in pair]),
        model_prefix=str(folder / "sentencepiece.bpe"),
        model_type="unigram",
        vocab_size=200,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
    )
    (folder / "sentencepiece.bpe.vocab").unlink()
    pieces = SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    config = XLMRobertaConfig(
        vocab_size=len(pieces) + 2,  # <s>, <pad>, </s>, <unk> take the place of <unk>, <s>, </s>; <mask> comes last
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=514,
        type_vocab_size=1,
    )
    torch.manual_seed(0)
    weights = XLMRobertaModel(config).state_dict()
    torch.save({f"roberta.{name}": weight for name, weight in weights.items()}, folder / "pytorch_model.bin")
    content = {**config.to_dict(), "architectures": ["XLMRobertaForMaskedLM"]}
    (folder / "config.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rows_are_unit_vectors_in_single_precision(encoder_folder, sentences, dtype):
    rows = SentenceTransformerEncoder(str(encoder_folder), device="cpu", dtype=dtype).encode(sentences)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert rows.dtype == np.float32


def test_a_half_precision_pass_agrees_within_a_hundredth(local_encoder, encoder_folder, sentences):
    half = SentenceTransformerEncoder(str(encoder_folder), device="cpu", dtype="bfloat16")
    assert half.encode(sentences) == pytest.approx(local_encoder.encode(sentences), abs=1e-2)


def test_padding_changes_no_vector(local_encoder, sentences):
    local_encoder.close()
    alone = np.concatenate([local_encoder.encode([text]) for text in sentences])
    local_encoder.close()
    assert local_encoder.encode(sentences) == pytest.approx(alone, abs=1e-5)


def test_the_size_of_batches_changes_no_vector(local_encoder, encoder_folder, sentences):
    small = SentenceTransformerEncoder(str(encoder_folder), device="cpu", batch_tokens=30)
    assert small.encode(sentences) == pytest.approx(local_encoder.encode(sentences), abs=1e-5)


def test_a_plain_checkpoint_is_pooled_by_the_mean(encoder_folder, local_encoder, sentences):
    model = SentenceTransformer(str(encoder_folder), device="cpu")
    tokens = model.encode(sentences[0], output_value="token_embeddings")
    mean = tokens.mean(dim=0)
    assert local_encoder.encode(sentences[:1])[0] == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)


def test_a_saved_model_gives_the_vectors_of_its_checkpoint(local_encoder, saved_folder, sentences):
    saved = SentenceTransformerEncoder(str(saved_folder), device="cpu")
    assert saved.encode(sentences) == pytest.approx(local_encoder.encode(sentences), abs=1e-6)


def test_text_beyond_max_tokens_is_not_seen(encoder_folder, sentences):
    encoder = SentenceTransformerEncoder(str(encoder_folder), device="cpu", max_tokens=8)
    cut, longer = encoder.encode([sentences[1], sentences[1] + sentences[3]])
    assert cut == pytest.approx(longer, abs=1e-6)


@pytest.fixture(scope="session")
def static_folder(encoder_folder, tmp_path_factory):
    """A model that looks words up and has no window."""
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder)
    module = StaticEmbedding(tokenizer, embedding_weights=np.random.default_rng(0).normal(size=(len(tokenizer), 16)))
    folder = tmp_path_factory.mktemp("models") / "static"
    SentenceTransformer(modules=[module], device="cpu").save_pretrained(str(folder))
    return folder


def test_a_model_without_a_window_reads_all_of_a_text(static_folder, sentences):
    encoder = SentenceTransformerEncoder(str(static_folder), device="cpu")
    long = " ".join(sentences)
    whole, beginning = encoder.encode([long * 100, long * 100 + sentences[0] * 2000])
    assert whole @ beginning < 1 - 1e-3


def test_max_tokens_is_refused_for_a_model_without_a_window(static_folder):
    with pytest.raises(ArgumentError, match="`max_tokens` must be None for a model without a window, got 8"):
        SentenceTransformerEncoder(str(static_folder), device="cpu", max_tokens=8).warmup()


def test_max_tokens_above_the_models_limit_keeps_the_limit(encoder_folder, local_encoder, sentences):
    encoder = SentenceTransformerEncoder(str(encoder_folder), device="cpu", max_tokens=100_000)
    long = "".join(sentences) * 10
    assert encoder.encode([long]) == pytest.approx(local_encoder.encode([long]), abs=1e-6)


def test_a_prompt_is_put_before_each_input(encoder_folder, local_encoder, sentences):
    prompted = SentenceTransformerEncoder(str(encoder_folder), device="cpu", prompt="query: ")
    by_hand = local_encoder.encode([f"query: {sentences[0]}"])
    assert prompted.encode(sentences[:1]) == pytest.approx(by_hand, abs=1e-5)


def test_a_checkpoint_laid_out_like_cinos_is_read_as_it_was_trained(cino_folder, sentences):
    pieces = SentencePieceProcessor(model_file=str(cino_folder / "sentencepiece.bpe.model"))
    model = XLMRobertaModel.from_pretrained(cino_folder).eval()
    by_hand = []
    for text in sentences:
        ids = [0, *(piece + 1 if piece else 3 for piece in pieces.encode(text)), 2]  # XLM-R's shift by one
        mean = model(torch.tensor([ids])).last_hidden_state.mean(dim=1)
        by_hand.append((mean / mean.norm()).detach().numpy()[0])
    encoder = SentenceTransformerEncoder(str(cino_folder), device="cpu")
    assert encoder.encode(sentences) == pytest.approx(np.array(by_hand), abs=1e-5)


@pytest.mark.parametrize("limit", [8192, None])
def test_a_model_without_a_table_of_positions_keeps_its_own_limit(limit):
    model = torch.nn.Module()
    model.max_seq_length = limit
    loading.limit_tokens(model, None)
    assert model.max_seq_length == limit


@pytest.mark.parametrize(("padding", "limit"), [(None, 16), (1, 14)])
def test_positions_behind_that_of_padding_are_the_limit(padding, limit):
    model = torch.nn.Module()
    model.max_seq_length = None
    model.position_embeddings = torch.nn.Embedding(16, 4, padding_idx=padding)
    loading.limit_tokens(model, None)
    assert model.max_seq_length == limit


def test_a_text_longer_than_the_position_table_is_cut(cino_folder, sentences):
    encoder = SentenceTransformerEncoder(str(cino_folder), device="cpu")
    long = " ".join(sentences) * 4
    assert encoder.encode([long]) == pytest.approx(encoder.encode([long + sentences[0]]), abs=1e-6)


@pytest.mark.parametrize(
    "options", [{"dtype": "bfloat16"}, {"device": "cuda:1"}, {"batch_tokens": 3}, {"cache_bytes": 0}]
)
def test_a_fingerprint_ignores_how_the_model_runs(local_encoder, encoder_folder, options):
    assert SentenceTransformerEncoder(str(encoder_folder), **options).fingerprint == local_encoder.fingerprint


@pytest.mark.parametrize("options", [{"max_tokens": 64}, {"prompt": "query: "}])
def test_a_fingerprint_changes_with_what_is_encoded(local_encoder, encoder_folder, options):
    assert SentenceTransformerEncoder(str(encoder_folder), **options).fingerprint != local_encoder.fingerprint


def test_a_copy_has_the_same_fingerprint_of_sixteen_digits(local_encoder, copied_folder):
    assert SentenceTransformerEncoder(str(copied_folder)).fingerprint == local_encoder.fingerprint
    assert len(local_encoder.fingerprint) == 16
    assert int(local_encoder.fingerprint, 16) >= 0


@pytest.mark.parametrize(
    ("model", "file"),
    [
        ("encoder_folder", "model.safetensors"),
        ("encoder_folder", "tokenizer.json"),
        ("cino_folder", "pytorch_model.bin"),
        ("cino_folder", "sentencepiece.bpe.model"),
    ],
)
def test_a_fingerprint_changes_with_weights_and_tokenizer(request, tmp_path, model, file):
    original = request.getfixturevalue(model)
    folder = Path(shutil.copytree(original, tmp_path / "copy"))
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    fingerprints = {SentenceTransformerEncoder(path).fingerprint for path in (original, folder)}
    assert len(fingerprints) == 2


@pytest.mark.parametrize(
    ("file", "change", "counts"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "cls"}, True),
        ("config_sentence_transformers.json", {"prompts": {"query": "q: "}, "default_prompt_name": "query"}, True),
        ("tokenizer_config.json", {"model_max_length": 16}, True),
        ("config.json", {"layer_norm_eps": 1e-3}, True),
        ("config_sentence_transformers.json", {"__version__": {"pytorch": "9"}, "similarity_fn_name": "dot"}, False),
        ("config.json", {"transformers_version": "9", "dtype": "bfloat16", "_name_or_path": "elsewhere"}, False),
    ],
)
def test_a_fingerprint_changes_with_what_a_configuration_computes_only(saved_folder, tmp_path, file, change, counts):
    folder = Path(shutil.copytree(saved_folder, tmp_path / "copy"))
    shutil.copytree(saved_folder, folder / "checkpoint-500")  # of a training, which does not count
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    fingerprints = {SentenceTransformerEncoder(name).fingerprint for name in (saved_folder, folder)}
    assert len(fingerprints) == 1 + counts


def test_a_fingerprint_loads_no_model(copied_folder, monkeypatch):
    monkeypatch.setattr(SentenceTransformerEncoder, "open_model", lambda _: pytest.fail("loaded"))
    assert SentenceTransformerEncoder(str(copied_folder)).fingerprint


def test_an_encoder_pickles_without_its_weights(local_encoder, sentences):
    local_encoder.encode(sentences)
    assert len(pickle.dumps(local_encoder)) < 1000


def test_an_unpickled_encoder_shares_the_loaded_model(local_encoder, sentences):
    local_encoder.encode(sentences)
    assert engine_of(pickle.loads(pickle.dumps(local_encoder))) is engine_of(local_encoder)


def test_a_closed_encoder_gives_the_same_vectors_again(local_encoder, sentences):
    before = local_encoder.encode(sentences)
    local_encoder.close()
    assert np.array_equal(local_encoder.encode(sentences), before)


def test_a_path_and_its_spellings_name_one_encoder(encoder_folder, monkeypatch):
    monkeypatch.chdir(encoder_folder.parent)
    assert SentenceTransformerEncoder("./encoder") == SentenceTransformerEncoder(encoder_folder)


def test_a_reward_takes_a_path(encoder_folder, sentences):
    reward = SemanticSimilarityReward(encoder_folder, threshold=0.5)
    assert reward(completions=sentences[:1], reference=sentences[:1]) == pytest.approx([1.0])


@pytest.mark.parametrize("name", ["/nowhere/encoder", "./encoder", "~/no such encoder", "a/b/c", "", "c:\\encoder"])
def test_a_path_at_which_nothing_is_fails_at_construction(name):
    with pytest.raises(EncoderNotFoundError, match="hub id or an existing folder"):
        SentenceTransformerEncoder(name)


def test_what_is_no_path_is_refused():
    with pytest.raises(ArgumentTypeError, match="`name_or_path` must be a hub id or a path, got None"):
        SentenceTransformerEncoder(None)


def test_a_folder_beside_an_existing_one_is_no_hub_id(tmp_path, monkeypatch):
    (tmp_path / "outputs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderNotFoundError, match="'outputs/encoder'"):
        SentenceTransformerEncoder("outputs/encoder")


def test_a_folder_without_a_model_fails_at_construction(tmp_path):
    with pytest.raises(EncoderNotFoundError, match=r"neither modules\.json nor config\.json"):
        SentenceTransformerEncoder(tmp_path)


@pytest.mark.parametrize("name", ["hfl/cino-base-v2", "bert-base-uncased", "BAAI/bge-m3"])
def test_a_hub_id_stays_as_it_is(name):
    assert resolved_name(name) == name


def test_a_loaded_model_is_refused(encoder_folder):
    with pytest.raises(ArgumentTypeError, match="must not be a loaded SentenceTransformer"):
        SemanticSimilarityReward(SentenceTransformer(str(encoder_folder), device="cpu"), threshold=0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "float64"},
        {"dtype": None},
        {"max_tokens": 0},
        {"max_tokens": "512"},
        {"batch_tokens": 0},
        {"cache_bytes": -1},
    ],
)
def test_an_option_out_of_range_is_named(encoder_folder, options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}`"):
        SentenceTransformerEncoder(str(encoder_folder), **options)


@pytest.fixture
def two_gpus(monkeypatch):
    """A process that sees two GPUs and works on the first."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 0)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))


@pytest.mark.parametrize(
    ("rank", "device"), [("0", "cuda:0"), ("1", "cuda:1"), ("2", "cuda:0"), ("5", "cuda:0"), ("-1", "cuda:0")]
)
@pytest.mark.usefixtures("two_gpus")
def test_auto_is_the_gpu_of_the_local_rank(monkeypatch, rank, device):
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert resolved_device("auto") == torch.device(device)


@pytest.mark.usefixtures("two_gpus")
def test_auto_is_the_current_gpu_without_a_rank():
    assert resolved_device("auto") == torch.device("cuda:0")


@pytest.mark.usefixtures("two_gpus")
def test_a_named_device_is_taken():
    assert resolved_device("cpu") == torch.device("cpu")


def test_auto_is_the_cpu_without_an_accelerator(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert resolved_device("auto") == torch.device("cpu")


def test_hidden_gpus_are_logged(monkeypatch, caplog):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "")
    with caplog.at_level(logging.WARNING, logger="semreward"):
        resolved_device("auto")
    assert "its sentence encoders run on the CPU" in caplog.text


@pytest.mark.parametrize(
    ("dtype", "device", "resolved"),
    [
        ("auto", "cpu", torch.float32),
        ("auto", "cuda", torch.bfloat16),
        ("float16", "cuda", torch.float16),
        ("bfloat16", "cpu", torch.bfloat16),
    ],
)
def test_auto_is_half_precision_on_accelerators_only(monkeypatch, encoder_folder, dtype, device, resolved):
    asked = {}

    def load(name, **options):
        asked.update(options["model_kwargs"])
        return SentenceTransformer(name, device="cpu")

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", load)
    monkeypatch.setattr(SentenceTransformer, "to", lambda model, device: model)
    SentenceTransformerEncoder(str(encoder_folder), device=device, dtype=dtype).open_model()
    assert asked == {"dtype": resolved}


@pytest.fixture
def hub(monkeypatch, encoder_folder):
    """A hub client that has nothing cached, and remembers what it was asked for."""
    asked = []

    def snapshot_download(name, *, revision, local_files_only=False):
        asked.append((name, revision, local_files_only))
        if local_files_only:
            raise LocalEntryNotFoundError("not cached")
        return str(encoder_folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_a_hub_model_is_downloaded_only_where_it_is_not_cached(hub):
    loading.model_folder("org/model", "v1")
    assert hub == [("org/model", "v1", True), ("org/model", "v1", False)]


@pytest.mark.parametrize(("weights", "downloads"), [(["model.safetensors"], []), ([], [False])])
def test_a_hub_model_is_cached_if_its_weights_are(monkeypatch, tmp_path, weights, downloads):
    for name in ("config.json", *weights):
        (tmp_path / name).write_bytes(b"{}")
    asked = []

    def snapshot_download(name, *, revision, local_files_only=False):
        asked.append(local_files_only)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert (loading.model_folder("org/model"), asked) == (tmp_path, [True, *downloads])


@pytest.mark.usefixtures("hub")
def test_a_hub_model_has_the_fingerprint_of_its_files(local_encoder):
    assert SentenceTransformerEncoder("org/model").fingerprint == local_encoder.fingerprint
