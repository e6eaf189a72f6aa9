"""A base that cannot read Tibetan gets pieces for it."""

import json
import os
from itertools import islice
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from semreward.adaptation import AdaptationConfig, Pair, adapt_encoder, read_pairs, training, vocabulary
from semreward.adaptation.vocabulary import extend_vocabulary
from semreward.errors import ArgumentError

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def write_base(folder, letters):
    """An XLM-R with random weights whose Unigram tokenizer knows some letters only."""
    scores = dict.fromkeys(SPECIAL, 0.0) | {"▁": -2.0} | dict.fromkeys(letters, -6.0)
    tokenizer = Tokenizer(models.Unigram([*scores.items()], SPECIAL.index("<unk>"), False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(scores) + 3,  # as multilingual-e5, a few embeddings more than tokens
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=130,
        type_vocab_size=1,
    )
    XLMRobertaModel(config).save_pretrained(folder)


@pytest.fixture(scope="module")
def chinese_folder(tmp_path_factory, captions):
    folder = tmp_path_factory.mktemp("models") / "chinese"
    write_base(folder, sorted({letter for text, _ in captions for letter in text if letter != " "}))
    return folder


@pytest.fixture
def model(chinese_folder, quick):
    return training.new_model(quick(base=chinese_folder))


@pytest.fixture
def pairs(captions):
    return [Pair(*pair) for pair in captions]


def unknown_share(model, texts):
    numbers = [number for text in texts for number in model.tokenizer(text, add_special_tokens=False)["input_ids"]]
    return numbers.count(model.tokenizer.unk_token_id) / len(numbers)


def test_no_token_of_the_unread_language_stays_unknown(model, pairs):
    texts = [tibetan for _, tibetan in pairs]
    assert unknown_share(model, texts) > 0.4
    extend_vocabulary(model, pairs, 100)
    assert unknown_share(model, texts) == 0


def test_the_unread_language_is_found_on_either_side(model, pairs):
    pieces = extend_vocabulary(model, [Pair(tibetan, chinese) for chinese, tibetan in pairs], 100)
    assert all(any("\u0f00" <= letter <= "\u0fff" for letter in piece) for piece in pieces)


def test_an_unread_language_counts_by_its_bytes_though_its_unknown_tokens_are_few(model):
    pieces = extend_vocabulary(model, [Pair("一 二 三", "བཀྲ་ཤིས་བདེ་ལེགས་")] * 2, 10)
    assert pieces
    assert all(letter >= "\u0f00" for piece in pieces for letter in piece.replace("▁", ""))


def test_frequent_words_become_one_piece(model):
    pairs = [Pair("一", "ཤིང་"), Pair("二", "ཤིང་ ཤིང་")]
    assert "▁ཤིང་" in extend_vocabulary(model, pairs, 50)


def test_the_other_language_tokenises_as_before(model, pairs):
    texts = [chinese for chinese, _ in pairs]
    before = model.tokenizer(texts)["input_ids"]
    extend_vocabulary(model, pairs, 100)
    assert model.tokenizer(texts)["input_ids"] == before


@pytest.mark.parametrize("stray", [Pair("一 ཤིང་ཤིང་", "ཤིང་ཤིང་"), Pair("ཤིང་ཤིང་", "一")])
def test_a_stray_text_on_the_other_side_costs_no_piece(model, stray):
    clean = [Pair("一 二 三", "ཤིང་ཤིང་ ཤིང་ཤིང་ ཤིང་ཤིང་")] * 20
    extend_vocabulary(model, [*clean, stray], 50)
    assert unknown_share(model, [tibetan for _, tibetan in clean]) == 0


def test_a_text_without_tokens_is_no_obstacle(model, pairs):
    assert extend_vocabulary(model, [*pairs, Pair("一", "\u200b")], 100)


def test_a_word_that_both_sides_use_gets_no_piece(model):
    pairs = [Pair("一 covid", "ཤིང་ covid"), Pair("二 covid", "ཤིང་ covid")]
    assert "▁covid" not in extend_vocabulary(model, pairs, 50)


def test_old_embeddings_stay_bit_for_bit(model, pairs):
    tokens = len(model.tokenizer)
    before = model[0].auto_model.get_input_embeddings().weight.detach()[:tokens].clone()
    extend_vocabulary(model, pairs, 100)
    assert torch.equal(model[0].auto_model.get_input_embeddings().weight[:tokens], before)


def test_there_is_one_embedding_per_piece(model, pairs):
    tokens = len(model.tokenizer)
    pieces = extend_vocabulary(model, pairs, 100)
    assert model.tokenizer.convert_tokens_to_ids(pieces) == list(range(tokens, tokens + len(pieces)))
    assert model[0].auto_model.get_input_embeddings().num_embeddings == tokens + len(pieces)


def direction(model, piece):
    weight = model[0].auto_model.get_input_embeddings().weight.detach()
    return torch.nn.functional.normalize(weight[model.tokenizer.convert_tokens_to_ids(piece)], dim=0)


def test_a_piece_starts_in_the_direction_of_its_only_translation(model):
    letters = sorted(set(model.tokenizer.get_vocab()) - {*SPECIAL, "▁"})[:2]
    pairs = [Pair(letters[0], "ཤིང་"), Pair(letters[0], "ཤིང་"), Pair(letters[1], "ཆུ་"), Pair(letters[1], "ཆུ་")]
    model.tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # no ▁ beside the letter
    extend_vocabulary(model, pairs, 50)
    assert float(direction(model, "ཤིང་") @ direction(model, letters[0])) == pytest.approx(1.0, abs=1e-5)


def test_a_piece_starts_at_the_length_that_embeddings_have(model, pairs):
    tokens = len(model.tokenizer)
    pieces = extend_vocabulary(model, pairs, 100)
    lengths = model[0].auto_model.get_input_embeddings().weight.detach().norm(dim=1)
    expected = [float(lengths[:tokens].mean())] * len(pieces)
    assert lengths[tokens:].tolist() == pytest.approx(expected, rel=1e-4)


def test_what_another_word_explains_is_not_taken_for_a_translation(model):
    first, second = sorted(set(model.tokenizer.get_vocab()) - {*SPECIAL, "▁"})[:2]
    pairs = [Pair(first + second, "ཤིང་ ཆུ་"), Pair(first, "ཤིང་")] * 2
    extend_vocabulary(model, pairs, 50)
    water = direction(model, "▁ཆུ་")
    assert water @ direction(model, second) > 0.9 > water @ direction(model, first)


def test_a_piece_without_a_translation_starts_from_the_mean_of_all(model, pairs, monkeypatch):
    monkeypatch.setattr(vocabulary, "_MOST_LINKS", 1)  # of the first pair alone
    tokens = len(model.tokenizer)
    pieces = extend_vocabulary(model, pairs, 100)
    late = next(piece for piece in pieces if not set(piece) & set("▁" + pairs[0].positive))
    mean = model[0].auto_model.get_input_embeddings().weight.detach()[:tokens].mean(dim=0)
    assert float(direction(model, late) @ mean / mean.norm()) == pytest.approx(1.0, abs=1e-5)


def test_an_unknown_character_costs_what_it_did(model, pairs):
    def lowest():
        return min(score for _, score in json.loads(model.tokenizer.backend_tokenizer.to_str())["model"]["vocab"])

    before = lowest()  # from which the tokenizer computes the score of unknown characters
    extend_vocabulary(model, pairs, 100)
    assert lowest() == before


def test_the_same_pairs_give_the_same_model(chinese_folder, quick, pairs):
    weights = []
    for _ in range(2):
        model = training.new_model(quick(base=chinese_folder))
        pieces = extend_vocabulary(model, pairs, 100)
        weights.append((pieces, model[0].auto_model.get_input_embeddings().weight.detach()))
    assert weights[0][0] == weights[1][0]
    assert torch.equal(weights[0][1], weights[1][1])


def test_a_token_beside_the_tokenizers_model_keeps_its_number(model, pairs):
    model.tokenizer.add_tokens([AddedToken("<mask>", special=True)])
    number = model.tokenizer.convert_tokens_to_ids("<mask>")
    pieces = extend_vocabulary(model, pairs, 100)
    assert model.tokenizer.convert_tokens_to_ids(["<mask>", pieces[0]]) == [number, number + 1]


def test_another_kind_of_tokenizer_is_refused(quick, captions):
    with pytest.raises(ArgumentError, match="`new_pieces` must extend a Unigram tokenizer .*, got BPE"):
        adapt_encoder(quick(new_pieces=100), captions)


def test_pairs_without_anything_new_are_refused(model, pairs):
    with pytest.raises(ArgumentError, match="`new_pieces` must find pieces .* got none"):
        extend_vocabulary(model, [Pair(chinese, chinese) for chinese, _ in pairs], 100)


def test_the_written_encoder_has_the_vectors_that_were_measured(chinese_folder, quick, captions):
    adaptation = adapt_encoder(quick(base=chinese_folder, new_pieces=100, epochs=8), captions[12:], captions[:12])
    assert adaptation.after["precision"] > adaptation.before["precision"]
    loaded = SentenceTransformer(adaptation.encoder.name_or_path, device="cpu")
    texts = [text for pair in captions[:12] for text in pair]
    assert unknown_share(loaded, texts) == 0
    assert adaptation.encoder.encode(texts) == pytest.approx(loaded.encode(texts), abs=1e-5)
    evaluate = training.HeldOutEvaluator([Pair(*pair) for pair in captions[:12]], ())
    assert evaluate(loaded) == pytest.approx(adaptation.after, abs=1e-5)


def test_resuming_finds_the_pieces_again(chinese_folder, quick, killed, captions, tmp_path):
    options = {"base": chinese_folder, "new_pieces": 100, "epochs": 2, "measure_steps": 2}
    whole = adapt_encoder(quick(**options), captions[:32], captions[32:36])
    options["output_dir"] = tmp_path / "resumed"
    killed(quick(**options), 4)
    resumed = adapt_encoder(quick(**options, resume=True), captions[:32], captions[32:36])
    assert resumed.encoder.encode([captions[0][1]]) == pytest.approx(whole.encoder.encode([captions[0][1]]), abs=1e-5)


@pytest.mark.realdata
@pytest.mark.skipif(
    not {"SEMREWARD_DATA", "SEMREWARD_MODELS"} <= os.environ.keys(),
    reason="SEMREWARD_DATA or SEMREWARD_MODELS is not set",
)
def test_multilingual_e5_reads_tibetan_and_chinese_as_before(tmp_path):
    data, base = Path(os.environ["SEMREWARD_DATA"], "bo_zh"), Path(os.environ["SEMREWARD_MODELS"], "encoder")
    model = training.new_model(AdaptationConfig(str(base), str(tmp_path), use_cpu=True))
    tibetan, chinese = zip(*islice(read_pairs(data / "dev.tsv.gz"), 500), strict=True)
    before = model.tokenizer(list(chinese))["input_ids"]
    assert unknown_share(model, tibetan) > 0.4
    extend_vocabulary(model, list(read_pairs(data / "train.tsv.gz", limit=2000)), 4000)
    assert unknown_share(model, tibetan) < 0.001
    assert model.tokenizer(list(chinese))["input_ids"] == before
