import logging
import sys

import numpy as np
import pytest

from semreward import SentenceTransformerEncoder
from semreward.adaptation import AdaptationConfig, adapt_encoder, checked_pairs, retrieval_precision
from semreward.errors import ArgumentError, EncoderNotFoundError, MissingDependencyError


class Lookup:
    """Texts of equal first letters get equal vectors."""

    fingerprint = "lookup"

    def encode(self, texts, /):
        return np.stack([np.eye(26, dtype=np.float32)[ord(text[0]) - ord("a")] for text in texts])


@pytest.fixture(scope="module")
def config(encoder_folder, tmp_path_factory):
    return AdaptationConfig(
        str(encoder_folder),
        str(tmp_path_factory.mktemp("models") / "adapted"),
        epochs=12,
        batch_size=16,
        learning_rate=5e-3,
        use_cpu=True,
    )


@pytest.fixture(scope="module")
def adaptation(config, captions):
    return adapt_encoder(config, captions[12:], captions[:12])


def test_retrieval_of_held_out_pairs_improves(adaptation):
    assert sum(adaptation.after) > sum(adaptation.before)


def test_the_adapted_encoder_is_at_its_folder(adaptation, config):
    assert adaptation.encoder == SentenceTransformerEncoder(config.output_dir, device="cpu")


def test_what_is_reported_is_the_adapted_encoders_retrieval(adaptation, captions):
    assert retrieval_precision(adaptation.encoder, checked_pairs(captions[:12], "pairs")) == adaptation.after


def test_adapting_changes_the_fingerprint(adaptation, encoder_folder):
    assert adaptation.encoder.fingerprint != SentenceTransformerEncoder(str(encoder_folder)).fingerprint


def test_an_adapted_encoder_sees_max_tokens(adaptation, config, captions):
    long = "".join(text for pair in captions for text in pair)
    limited = SentenceTransformerEncoder(config.output_dir, device="cpu", max_tokens=config.max_tokens)
    assert adaptation.encoder.encode([long]) == pytest.approx(limited.encode([long]), abs=1e-6)


def test_adapting_into_the_same_folder_again_measures_the_new_encoder(encoder_folder, captions, tmp_path):
    options = {"batch_size": 16, "epochs": 3, "use_cpu": True}
    first = AdaptationConfig(str(encoder_folder), str(tmp_path / "adapted"), learning_rate=1e-6, **options)
    second = AdaptationConfig(str(encoder_folder), str(tmp_path / "adapted"), learning_rate=5e-3, **options)
    before = adapt_encoder(first, captions[12:28], captions[:2]).encoder.encode(["字"])
    after = adapt_encoder(second, captions[12:28], captions[:2]).encoder.encode(["字"])
    assert not np.array_equal(before, after)


def test_holding_part_of_a_batch_at_a_time_changes_no_result(encoder_folder, captions, tmp_path):
    options = {"batch_size": 16, "epochs": 3, "learning_rate": 1e-3, "use_cpu": True}
    whole = AdaptationConfig(str(encoder_folder), str(tmp_path / "whole"), **options)
    parts = AdaptationConfig(str(encoder_folder), str(tmp_path / "parts"), mini_batch_size=4, **options)
    first, second = (adapt_encoder(config, captions[12:28]).encoder.encode(["字"]) for config in (whole, parts))
    assert first == pytest.approx(second, abs=1e-4)


def test_training_moves_the_vectors(encoder_folder, adaptation):
    base = SentenceTransformerEncoder(str(encoder_folder), device="cpu")
    assert adaptation.encoder.encode(["字"]) != pytest.approx(base.encode(["字"]), abs=1e-2)


@pytest.fixture
def trained_on(monkeypatch):
    """The pairs that would be trained on, in place of the training."""
    seen = []
    monkeypatch.setattr("semreward.adaptation._train", lambda config, pairs: seen.extend(pairs))
    return seen


@pytest.fixture
def small(encoder_folder):
    """A configuration whose result is its own base, for tests without training."""
    return AdaptationConfig(str(encoder_folder), str(encoder_folder), batch_size=1, use_cpu=True)


def test_duplicate_pairs_are_dropped(trained_on, small):
    adapt_encoder(small, [("a", "b"), (" a", "b "), ("a", "c")])
    assert trained_on == [("a", "b"), ("a", "c")]


def test_pairs_that_share_a_sentence_with_the_held_out_ones_are_dropped(trained_on, small):
    adapt_encoder(small, [("a", "b"), ("x", "d"), ("e", "y"), ("y", "f")], [("x", "y")])
    assert trained_on == [("a", "b")]


def test_what_was_dropped_is_logged(trained_on, small, caplog):
    with caplog.at_level(logging.WARNING, logger="semreward"):
        adapt_encoder(small, [("a", "b"), ("a", "b")])
    assert "1 of 2 training pairs" in caplog.text


def test_the_number_of_distinct_pairs_is_reported(trained_on, small):
    assert adapt_encoder(small, [("a", "b"), ("a", "b")]).pairs == 1


def test_nothing_is_measured_without_held_out_pairs(trained_on, small):
    assert adapt_encoder(small, [("a", "b")])[2:] == (None, None)


def test_fewer_pairs_than_a_batch_are_refused(small):
    with pytest.raises(ArgumentError, match="must fill a batch of 2, got 1 distinct"):
        adapt_encoder(small.__class__(small.base, small.output_dir, batch_size=2), [("a", "b"), ("a", "b")])


@pytest.mark.parametrize(
    "pair", [("a", ""), (" ", "b"), ("a", None), ("a",), ("a", "b", "c"), "ab", None, 3, {"a": "b"}]
)
@pytest.mark.parametrize("name", ["train_pairs", "eval_pairs"])
def test_a_bad_pair_is_named_by_its_row(small, name, pair):
    pairs = {"train_pairs": [("a", "b")], name: [("x", "y"), pair]}
    with pytest.raises(ArgumentError, match=f"`{name}` must be pairs of non-empty strings, .* at row 1"):
        adapt_encoder(small, **pairs)


def test_a_base_that_does_not_exist_is_refused():
    with pytest.raises(EncoderNotFoundError):
        AdaptationConfig("/nowhere/encoder", "out")


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": -1e-5},
        {"learning_rate": float("nan")},
        {"temperature": 0.0},
        {"max_tokens": 0},
        {"warmup_ratio": 1.0},
        {"warmup_ratio": -0.1},
    ],
)
def test_an_option_out_of_range_is_named(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}`"):
        AdaptationConfig("org/model", "out", **options)


def test_retrieval_counts_translations_that_are_nearest():
    pairs = [("a1", "a2"), ("b1", "b2"), ("c1", "x2"), ("d1", "y2")]
    assert retrieval_precision(Lookup(), pairs) == (0.5, 0.5)


def test_retrieval_is_measured_in_both_directions():
    assert retrieval_precision(Lookup(), [("a1", "a2"), ("a3", "b2"), ("c1", "c2")]) == (2 / 3, 1 / 3)


def test_ties_are_misses():
    assert retrieval_precision(Lookup(), [("a1", "a2"), ("a3", "a4")]) == (0.0, 0.0)


def test_a_missing_library_is_told_with_the_install_command(config, captions, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'semreward\[train\]'"):
        adapt_encoder(config, captions)


def test_retrieval_among_no_pairs_is_an_error(encoder):
    with pytest.raises(ArgumentError, match="at least one pair"):
        retrieval_precision(encoder, [])
