"""Encoders that would pay wrong rewards silently: each is refused, or warned of, when it is loaded or first used."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, TaskType
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModel, BertConfig, BertForSequenceClassification, BertModel, BertTokenizer

from semreward import SentenceTransformerEncoder, check_encoder
from semreward.adaptation import AdaptationConfig, adapt_encoder
from semreward.encoders import loading
from semreward.errors import EncoderError, UnreadableTextError

WORDS = ["a", "the", "cat", "dog", "sleeps", "in", "garden", "red", "query", "passage", ":", ".", ",", "3"]
MONGOLIAN = "ᠪᠢ ᠮᠣᠩᠭᠣᠯ ᠬᠦᠮᠦᠨ"


def encoder_of(folder, **options):
    return SentenceTransformerEncoder(str(folder), device="cpu", **options)


def copy_of(folder, tmp_path, **files):
    """A copy of a model, with keys changed in its JSON files."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    for name, changes in files.items():
        path = copy / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return copy


def with_modules(folder, tmp_path):
    """A model as sentence-transformers saves it, with a pooling module."""
    SentenceTransformer(str(folder), device="cpu").save_pretrained(str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory):
    """A BERT checkpoint without a pooler that is used, as transformers saves it."""
    folder = tmp_path_factory.mktemp("models") / "plain"
    folder.mkdir()
    letters = [form for letter in "abcdefghijklmnopqrstuvwxyz" for form in (letter, f"##{letter}")]
    vocabulary = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters])
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(vocabulary), initializer_range=0.3, max_position_embeddings=64, **sizes)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert_folder(plain_folder, tmp_path_factory):
    """The same as a sentence encoder."""
    folder = tmp_path_factory.mktemp("models") / "bert"
    model = Transformer(str(plain_folder))
    SentenceTransformer(modules=[model, Pooling(32, "mean"), Normalize()], device="cpu").save_pretrained(str(folder))
    return folder


# Unknown tokens


def test_a_text_of_unknown_tokens_only_has_no_vector(bert_folder):
    with pytest.raises(UnreadableTextError, match="does not know a single word of 'ᠪᠢ"):
        encoder_of(bert_folder).encode([MONGOLIAN])


@pytest.mark.parametrize(("text", "is_fault"), [("the cát sleéps in the gárden", True), ("the cat sleeps", False)])
def test_a_tokenizer_that_drops_the_marks_of_letters_is_told(bert_folder, text, is_fault):
    report = check_encoder(encoder_of(bert_folder), [text])
    assert (report["marks dropped"], "drops the marks" in report.verdict) == (float(is_fault), is_fault)


@pytest.mark.parametrize("text", [f"{MONGOLIAN}.", "᠃ , ᠪᠢ", "ᠪᠢ 3", "🙂"])
def test_known_punctuation_makes_no_text_readable(bert_folder, text):
    with pytest.raises(UnreadableTextError):
        encoder_of(bert_folder).encode([text])


@pytest.mark.parametrize("text", ["ᠪᠢ cat", "🙂 3", "...", ", ,"])
def test_a_text_with_a_known_word_or_without_unknown_tokens_is_readable(bert_folder, text):
    assert encoder_of(bert_folder).encode([text]).shape == (1, 32)


def test_a_known_prompt_makes_no_text_readable(bert_folder):
    encoder = encoder_of(bert_folder, prompt="query: ")
    assert encoder.encode(["cat"]).shape == (1, 32)
    with pytest.raises(UnreadableTextError):
        encoder.encode([MONGOLIAN])


def test_an_unreadable_text_takes_no_vector_from_the_others(bert_folder):
    forward = encoder_of(bert_folder).open_model()
    batches = list(forward.prepared(["the cat", MONGOLIAN, "a dog"]))
    errors = [batch for batch, inputs in batches if isinstance(inputs, UnreadableTextError)]
    assert errors == [[MONGOLIAN]]
    assert {text for batch, inputs in batches if not isinstance(inputs, Exception) for text in batch} == {
        "the cat",
        "a dog",
    }


@pytest.fixture
def tibetan_folder(tmp_path):
    """Static embeddings that know one Tibetan word."""
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "བོད": 1}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = WhitespaceSplit()
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    model.save_pretrained(str(tmp_path))
    return tmp_path


def test_static_embeddings_know_no_word_either(tibetan_folder):
    with pytest.raises(UnreadableTextError):
        encoder_of(tibetan_folder).encode([MONGOLIAN])


def test_warming_up_needs_no_text_that_the_model_knows(tibetan_folder):
    encoder = encoder_of(tibetan_folder)
    encoder.warmup()
    assert encoder.encode(["བོད"]).shape == (1, 8)


def test_many_unknown_tokens_are_a_warning_with_their_share_and_words(bert_folder, caplog):
    texts = [f"the cat sleeps in the {word}" for word in (*MONGOLIAN.split(), "ᠴᠢ", "ᠬᠣᠨᠢ")]
    with caplog.at_level(logging.WARNING, logger="semreward"):
        encoder_of(bert_folder, revision="unknown").encode(texts)
        encoder_of(bert_folder, revision="unknown").encode([f"{text} ." for text in texts])
    (message,) = [record.message for record in caplog.records if "unknown to the encoder" in record.message]
    assert message.startswith("17 % of the first 30 tokens are unknown to the encoder, such as in ")
    assert "ᠮᠣᠩᠭᠣᠯ" in message


def test_a_rare_unknown_token_is_not_a_warning(bert_folder, caplog):
    with caplog.at_level(logging.WARNING, logger="semreward"):
        encoder_of(bert_folder, revision="rare").encode(["the cat sleeps in the garden . " * 4, "a dog 🙂"])
    assert "unknown to the encoder" not in caplog.text


def test_a_tokenizer_that_spells_in_bytes_knows_all_texts(policy_folder, tmp_path, caplog):
    encoder = encoder_of(with_modules(policy_folder, tmp_path))
    with caplog.at_level(logging.WARNING, logger="semreward"):
        assert encoder.encode([MONGOLIAN * 10]).shape[0] == 1
    assert "unknown to the encoder" not in caplog.text


def test_a_report_names_the_share_of_unknown_tokens_and_words(bert_folder):
    report = check_encoder(str(bert_folder), [f"the cat {word}" for word in MONGOLIAN.split()])
    assert report["unknown tokens"] == pytest.approx(1 / 3)
    assert "33% of the tokens are unknown to the encoder, such as in ᠪᠢ, ᠮᠣᠩᠭᠣᠯ" in report.verdict


# Weights that never arrived


def renamed(folder, tmp_path, change):
    """A copy whose checkpoint has other names, or fewer."""
    copy = copy_of(folder, tmp_path)
    weights = load_file(copy / "model.safetensors")
    changed = {change(name): weight for name, weight in weights.items() if change(name)}
    save_file(changed, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda name: f"_orig_mod.{name}", "embeddings.word_embeddings.weight"),
        (lambda name: "" if ".layer.1." in name else name, "encoder.layer.1.attention.self.query.weight"),
        (lambda name: "" if name.startswith("pooler") or "layer.1.output.dense" in name else name, "layer.1.output"),
    ],
)
def test_weights_that_are_not_in_the_checkpoint_are_an_error_that_names_them(bert_folder, tmp_path, change, named):
    with pytest.raises(EncoderError, match=f"lacks weights, which are random now.*{named}") as caught:
        encoder_of(renamed(bert_folder, tmp_path, change)).warmup()
    assert "pooler" not in str(caught.value)


def test_a_pooler_that_nothing_uses_may_be_missing(bert_folder, tmp_path):
    folder = renamed(bert_folder, tmp_path, lambda name: "" if name.startswith("pooler") else name)
    whole, without = encoder_of(bert_folder).encode(["the cat"]), encoder_of(folder).encode(["the cat"])
    assert np.array_equal(whole, without)


def test_a_base_that_lacks_weights_is_not_adapted(bert_folder, tmp_path, captions):
    folder = renamed(bert_folder, tmp_path, lambda name: f"_orig_mod.{name}")
    config = AdaptationConfig(str(folder), str(tmp_path / "out"), batch_size=4, use_cpu=True)
    with pytest.raises(EncoderError, match="lacks weights"):
        adapt_encoder(config, captions[:8])


# Models that are not sentence encoders


@pytest.fixture
def saved_as(plain_folder, tmp_path):
    """Saves the model with another head, or as a model of another family."""

    def save(kind):
        folder = tmp_path / "other"
        if kind == "cross-encoder":
            BertForSequenceClassification.from_pretrained(plain_folder, num_labels=1).save_pretrained(folder)
            BertTokenizer.from_pretrained(plain_folder).save_pretrained(folder)
            CrossEncoder(str(folder), device="cpu").save_pretrained(str(folder))
            return folder
        shutil.copytree(plain_folder, folder)
        modules = [{"idx": 0, "name": "0", "path": "", "type": kind}] if "." in kind else []
        if modules:
            (folder / "modules.json").write_text(json.dumps(modules))
        elif kind.startswith("Bert"):
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps(config | {"architectures": [kind]}))
        else:
            (folder / "config_sentence_transformers.json").write_text(json.dumps({"model_type": kind}))
        return folder

    return save


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cross-encoder", "is a cross-encoder or reranker"),
        ("BertForSequenceClassification", "is a cross-encoder or reranker"),
        ("BertLMHeadModel", "is a language model; name another model, or adapt"),
        ("BertForCausalLM", "is a language model; name another model, or adapt"),
        ("BertForTokenClassification", "is a model of another task"),
        ("SparseEncoder", r"is a sparse encoder \(SPLADE\)"),
        ("sentence_transformers.sparse_encoder.models.MLMTransformer", "is a sparse encoder"),
        ("MultiVectorEncoder", "is a late-interaction model"),
        ("ColBERT", "is a late-interaction model"),
        ("pylate.models.Dense.Dense", "is a late-interaction model"),
    ],
)
def test_a_model_of_another_kind_is_an_error_that_says_what_it_is(saved_as, kind, message):
    with pytest.raises(EncoderError, match=message):
        encoder_of(saved_as(kind)).warmup()


def test_a_policy_is_not_an_encoder(policy_folder):
    with pytest.raises(EncoderError, match="is a language model"):
        encoder_of(policy_folder).warmup()


@pytest.fixture
def headless(policy_folder, tmp_path):
    """A decoder as `Qwen3Model` saves it."""
    folder = Path(shutil.copytree(policy_folder, tmp_path / "headless"))
    AutoModel.from_pretrained(policy_folder).save_pretrained(folder)
    return folder


def test_a_decoder_without_its_head_and_pooling_is_a_language_model(headless):
    assert json.loads((headless / "config.json").read_text())["architectures"] == ["Qwen3Model"]
    with pytest.raises(EncoderError, match=r"a language model without a head, and no modules\.json says how to pool"):
        encoder_of(headless).warmup()


def test_a_decoder_with_a_pooling_of_its_last_token_is_a_sentence_encoder(headless, tmp_path):
    model = Transformer(str(headless))
    SentenceTransformer(modules=[model, Pooling(32, "lasttoken"), Normalize()]).save_pretrained(str(tmp_path / "whole"))
    assert encoder_of(tmp_path / "whole").encode(["三个苹果"]).shape == (1, 32)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BREAKS = [
    *((Path.unlink, name) for name in ("config.json", "model.safetensors")),
    *((truncate, name) for name in ("config.json", "model.safetensors", "tokenizer.json", "modules.json")),
]


@pytest.mark.parametrize(("harm", "name"), BREAKS)
def test_a_broken_folder_is_an_error_with_its_name_its_cause_and_a_remedy(bert_folder, tmp_path, harm, name):
    folder = copy_of(bert_folder, tmp_path)
    harm(folder / name)
    with pytest.raises(EncoderError, match="copy the folder or download it again") as caught:
        encoder_of(folder).warmup()
    assert str(folder) in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "modules.json"])
def test_a_broken_configuration_has_no_fingerprint(bert_folder, tmp_path, name):
    folder = copy_of(bert_folder, tmp_path)
    truncate(folder / name)
    with pytest.raises(EncoderError, match=f"{name} is not JSON"):
        _ = encoder_of(folder).fingerprint


def test_a_broken_base_is_not_adapted(bert_folder, tmp_path, captions):
    truncate(copy_of(bert_folder, tmp_path) / "model.safetensors")
    config = AdaptationConfig(str(tmp_path / "copy"), str(tmp_path / "out"), batch_size=4, use_cpu=True)
    with pytest.raises(EncoderError, match="does not load: SafetensorError"):
        adapt_encoder(config, captions[:8])


def test_a_language_model_with_modules_is_a_sentence_encoder(policy_folder, tmp_path):
    assert encoder_of(with_modules(policy_folder, tmp_path)).encode(["三个苹果"]).shape[0] == 1


@pytest.mark.parametrize("has_modules", [False, True])
def test_a_plain_transformer_without_pooling_warns(plain_folder, tmp_path, caplog, has_modules):
    folder = with_modules(plain_folder, tmp_path) if has_modules else plain_folder
    with caplog.at_level(logging.WARNING, logger="semreward"):
        encoder_of(folder, revision="warns").warmup()
    assert ("was not trained for sentences: its token vectors are averaged" in caplog.text) != has_modules


# Padding


def test_vectors_that_depend_on_padding_are_an_error(bert_folder, tmp_path):
    folder = copy_of(bert_folder, tmp_path, tokenizer_config={"padding_side": "left"})
    with pytest.raises(EncoderError, match=r"vectors depend on padding: .* pads on the left"):
        encoder_of(folder).warmup()


# Fingerprints


@pytest.fixture(scope="module")
def adapter_folder(plain_folder, tmp_path_factory):
    """A LoRA adapter, saved by sentence-transformers without its base."""
    folder = tmp_path_factory.mktemp("models") / "adapter"
    model = SentenceTransformer(str(plain_folder), device="cpu")
    model.add_adapter(LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, r=2, target_modules=["query"]))
    model.save_pretrained(str(folder))
    return folder


def test_an_adapter_on_another_base_has_another_fingerprint(adapter_folder, plain_folder, tmp_path):
    base = tmp_path / "base"
    model = BertModel.from_pretrained(plain_folder)
    model.encoder.layer[0].attention.self.query.weight.data += 0.1
    model.save_pretrained(base)
    moved = copy_of(adapter_folder, tmp_path, adapter_config={"base_model_name_or_path": str(base)})
    assert encoder_of(moved).fingerprint != encoder_of(adapter_folder).fingerprint


def test_an_adapter_keeps_its_fingerprint_where_its_base_moves(adapter_folder, plain_folder, tmp_path):
    shutil.copytree(plain_folder, tmp_path / "base")
    moved = copy_of(adapter_folder, tmp_path, adapter_config={"base_model_name_or_path": str(tmp_path / "base")})
    assert encoder_of(moved).fingerprint == encoder_of(adapter_folder).fingerprint


def test_an_adapter_loads_with_all_its_weights(adapter_folder):
    assert encoder_of(adapter_folder).encode(["the cat"]).shape == (1, 32)


def test_a_routers_weights_are_part_of_the_fingerprint(plain_folder, tmp_path):
    routes = [[Transformer(str(plain_folder)), Pooling(32, "mean")] for _ in range(2)]
    router = Router.for_query_document(query_modules=routes[0], document_modules=routes[1], default_route="document")
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(tmp_path / "router"))
    before = encoder_of(tmp_path / "router").fingerprint
    weights = sorted((tmp_path / "router").rglob("model.safetensors"))
    content = weights[-1].read_bytes()
    weights[-1].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert (len(weights), encoder_of(tmp_path / "router").fingerprint == before) == (2, False)


# Prompts


@pytest.fixture
def prompted(bert_folder, tmp_path):
    """Saves the encoder with prompts."""

    def save(default=None):
        prompts = {"prompts": {"query": "query : ", "document": ""}, "default_prompt_name": default}
        return copy_of(bert_folder, tmp_path, config_sentence_transformers=prompts)

    return save


def test_a_prompt_is_named(prompted):
    folder = prompted()
    named, given = encoder_of(folder, prompt="query"), encoder_of(folder, prompt="query : ")
    assert np.array_equal(named.encode(["the cat"]), given.encode(["the cat"]))
    assert named.fingerprint == given.fingerprint


def test_a_prompt_that_is_no_name_is_a_text(prompted):
    folder = prompted()
    assert encoder_of(folder, prompt="passage").fingerprint != encoder_of(folder, prompt="").fingerprint


@pytest.mark.parametrize(
    ("default", "options", "warns"),
    [
        (None, {}, True),
        (None, {"prompt": ""}, False),
        (None, {"prompt": "document"}, False),
        (None, {"prompt": "query : "}, False),
        ("query", {}, False),
    ],
)
def test_declared_prompts_of_which_none_is_used_are_a_warning(prompted, caplog, default, options, warns):
    with caplog.at_level(logging.WARNING, logger="semreward"):
        encoder_of(prompted(default), **options).warmup()
    assert ("declares prompts (query, document) and gets none" in caplog.text) == warns


def test_leaving_out_a_default_prompt_changes_the_fingerprint(prompted):
    folder = prompted("query")
    assert encoder_of(folder).fingerprint != encoder_of(folder, prompt="").fingerprint


@pytest.mark.parametrize(("default", "expected"), [("query", "query : "), (None, None)])
def test_an_encoder_is_trained_with_the_prompt_with_which_it_is_used(  # noqa: PLR0917 - fixtures
    prompted, tmp_path, captions, monkeypatch, default, expected
):
    seen = []
    collect = SentenceTransformer.preprocess
    monkeypatch.setattr(
        SentenceTransformer,
        "preprocess",
        lambda model, texts, prompt=None, **options: seen.append(prompt) or collect(model, texts, prompt, **options),
    )
    config = AdaptationConfig(str(prompted(default)), str(tmp_path / "out"), batch_size=4, use_cpu=True)
    adaptation = adapt_encoder(config, captions[:8])
    assert {prompt or None for prompt in seen} == {expected}
    assert (adaptation.encoder.open_model().prompt or None) == expected


def test_a_model_that_was_trained_without_a_prompt_declares_none(prompted, tmp_path, captions, caplog):
    config = AdaptationConfig(str(prompted()), str(tmp_path / "out"), batch_size=4, use_cpu=True)
    encoder = adapt_encoder(config, captions[:8]).encoder
    with caplog.at_level(logging.WARNING, logger="semreward"):
        encoder.warmup()
    assert "declares prompts" not in caplog.text


# Short names


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
        ("bert-base-uncased", "bert-base-uncased"),
        ("org/model", "org/model"),
    ],
)
def test_a_short_name_is_that_of_sentence_transformers(monkeypatch, bert_folder, name, asked):
    import huggingface_hub

    names = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: names.append(name) or str(bert_folder))
    assert loading.model_folder(name) == bert_folder
    assert SentenceTransformerEncoder(name).fingerprint == encoder_of(bert_folder).fingerprint
    assert set(names) == {asked}
