import json
import logging
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives

from semreward import SentenceTransformerEncoder
from semreward.adaptation import Pair, adapt_encoder, measure_encoder, read_pairs, training
from semreward.errors import ArgumentError, MissingDependencyError


def truncated(pair, rng=None):
    """A maker of negatives: the first half."""
    return [pair.positive[: len(pair.positive) // 2]]


def test_retrieval_of_held_out_pairs_improves(adaptation):
    assert adaptation.after["precision"] > adaptation.before["precision"]


def test_the_adapted_encoder_is_at_its_folder(adaptation, adapted_folder):
    assert adaptation.encoder == SentenceTransformerEncoder(str(adapted_folder), device="cpu")


def test_what_is_reported_is_the_adapted_encoders_retrieval(adaptation, captions):
    measured = measure_encoder(adaptation.encoder, captions[:12])
    assert measured == pytest.approx({name: adaptation.after[name] for name in measured}, abs=1e-5)


def test_adapting_changes_the_fingerprint(adaptation, encoder_folder):
    assert adaptation.encoder.fingerprint != SentenceTransformerEncoder(str(encoder_folder)).fingerprint


def test_training_moves_the_vectors(encoder_folder, adaptation):
    base = SentenceTransformerEncoder(str(encoder_folder), device="cpu")
    assert adaptation.encoder.encode(["字"]) != pytest.approx(base.encode(["字"]), abs=1e-2)


def test_an_adapted_encoder_sees_max_tokens(adaptation, adapted_folder, captions):
    long = "".join(text for pair in captions for text in pair)
    limited = SentenceTransformerEncoder(str(adapted_folder), device="cpu", max_tokens=128)
    assert adaptation.encoder.encode([long]) == pytest.approx(limited.encode([long]), abs=1e-6)


def test_vectors_have_unit_length_for_users_of_the_folder_too(adapted_folder):
    row = SentenceTransformer(str(adapted_folder), device="cpu").encode("字")
    assert np.linalg.norm(row) == pytest.approx(1.0, abs=1e-5)


def test_measures_are_taken_every_so_many_steps(adaptation):
    measured = [point["step"] for point in adaptation.curve if "eval_precision" in point]
    assert measured == [10, 20, 30, 36]


def test_the_loss_falls(adaptation):
    losses = [point["loss"] for point in adaptation.curve if "loss" in point]
    assert losses[-1] < losses[0]


def test_duplicates_are_reported(adaptation):
    assert (adaptation.pairs, adaptation.report.dropped) == (48, {"duplicates": 1})


def test_no_checkpoints_are_left(adapted_folder):
    assert not (adapted_folder / training.CHECKPOINTS).exists()


def test_the_card_carries_fingerprint_numbers_and_data(adaptation, adapted_folder):
    card = (adapted_folder / "README.md").read_text(encoding="utf-8")
    expected = [
        f'encoder.fingerprint == "{adaptation.encoder.fingerprint}"',
        f'"forward": {adaptation.before["forward"]}',
        f'"forward": {adaptation.after["forward"]}',
        '"graded_across": ',
        '"duplicates": 1',
        '"batch_size": 16',
    ]
    assert [line for line in expected if line not in card] == []


def test_the_card_names_no_folder_of_this_machine(adapted_folder, encoder_folder):
    card = (adapted_folder / "README.md").read_text(encoding="utf-8")
    assert str(encoder_folder.parent) not in card
    assert str(adapted_folder) not in card


def test_the_numbers_are_there_for_programs(adaptation, adapted_folder):
    numbers = json.loads((adapted_folder / "adaptation.json").read_text(encoding="utf-8"))
    assert (numbers["fingerprint"], numbers["after"], numbers["data"]["kept"]) == (
        adaptation.encoder.fingerprint,
        adaptation.after,
        48,
    )


def test_the_card_changes_no_fingerprint(adaptation, adapted_folder):
    (adapted_folder / "README.md").write_text("something else", encoding="utf-8")
    assert SentenceTransformerEncoder(str(adapted_folder)).fingerprint == adaptation.encoder.fingerprint


def test_adapting_into_the_same_folder_again_measures_the_new_encoder(quick, captions, tmp_path):
    config = quick(output_dir=tmp_path / "adapted", learning_rate=1e-6)
    before = adapt_encoder(config, captions[12:28], captions[:2]).encoder.encode(["字"])
    config = quick(output_dir=tmp_path / "adapted", epochs=3)
    after = adapt_encoder(config, captions[12:28], captions[:2]).encoder.encode(["字"])
    assert not np.array_equal(before, after)


def test_passing_parts_of_a_batch_changes_no_result(quick, captions):
    options = {"batch_size": 16, "epochs": 3, "learning_rate": 1e-3}
    configs = quick(**options), quick(**options, mini_batch_size=4)
    first, second = (adapt_encoder(config, captions[12:28]).encoder.encode(["字"]) for config in configs)
    assert first == pytest.approx(second, abs=1e-4)


def test_equal_seeds_give_equal_encoders(quick, captions):
    first, second = (adapt_encoder(quick(dropout=0.1), captions[:16]).encoder.fingerprint for _ in range(2))
    assert first == second


def test_an_embedding_rate_of_its_own_trains_the_embeddings(quick, captions):
    slow = quick(learning_rate=1e-7, embedding_learning_rate=1e-2)
    fast_moved = adapt_encoder(slow, captions[:16]).encoder.encode(["字"])
    still = adapt_encoder(quick(learning_rate=1e-7), captions[:16]).encoder.encode(["字"])
    assert fast_moved != pytest.approx(still, abs=1e-3)


def test_training_in_bfloat16_learns_too(quick, captions):
    adaptation = adapt_encoder(quick(epochs=12, batch_size=16, bf16=True), captions[12:], captions[:12])
    assert adaptation.after["precision"] > adaptation.before["precision"]


def test_sentences_that_are_their_own_positives_are_spread_out(quick, captions):
    sentences = [(text, text) for pair in captions[12:] for text in pair]
    adaptation = adapt_encoder(quick(epochs=4), sentences, captions[:12])
    assert adaptation.after["anisotropy"] < adaptation.before["anisotropy"]


def test_made_negatives_are_used_and_counted(quick, captions):
    adaptation = adapt_encoder(quick(made_negatives=1), captions[:16], make_negatives=truncated)
    assert adaptation.negatives == {"made": 16, "filled": 0}


def test_negatives_that_cannot_be_made_are_filled(quick, captions):
    adaptation = adapt_encoder(quick(made_negatives=2, batch_size=4), captions, make_negatives=truncated)
    assert adaptation.negatives == {"made": 60, "filled": 60}


def test_made_negatives_draw_apart(quick, captions):
    """A truncation ends up farther from its anchor than without it among the negatives."""
    plain = adapt_encoder(quick(epochs=10), captions[:32]).encoder
    warned = adapt_encoder(quick(epochs=10, made_negatives=1), captions[:32], make_negatives=truncated).encoder

    def cosine(encoder):
        cut = [truncated(Pair(*pair))[0] for pair in captions[:32]]
        return float(np.mean(np.sum(encoder.encode([a for a, _ in captions[:32]]) * encoder.encode(cut), axis=1)))

    assert cosine(warned) < cosine(plain)


def test_mined_negatives_may_come_from_sentence_transformers(quick, captions):
    rows = datasets.Dataset.from_dict({"anchor": [a for a, _ in captions], "positive": [p for _, p in captions]})
    base = SentenceTransformer(quick().base, device="cpu")
    mined = {}
    for row in mine_hard_negatives(rows, base, num_negatives=1, output_format="triplet", verbose=False):
        mined.setdefault((row["anchor"], row["positive"]), []).append(row["negative"])
    options = {"made_negatives": 1, "batch_size": 4}
    adaptation = adapt_encoder(quick(**options), captions, make_negatives=lambda pair, rng: mined.get(pair, []))
    assert adaptation.negatives["made"] > 0


@pytest.fixture
def trained_on(monkeypatch):
    """The pairs that would be trained on, in place of the training."""
    seen = []

    def train(model, config, rows, measure):
        seen.extend(zip(rows["anchor"], rows["positive"], strict=True))
        (Path(config.output_dir) / training.CHECKPOINTS).mkdir(parents=True)
        return []

    monkeypatch.setattr(training, "train", train)
    return seen


def test_duplicate_pairs_are_dropped(trained_on, quick):
    adapt_encoder(quick(batch_size=1), [("a", "b"), (" a", "b "), ("a", "c")])
    assert trained_on == [("a", "b"), ("a", "c")]


def test_pairs_that_share_a_sentence_with_the_held_out_ones_are_dropped(trained_on, quick):
    adapt_encoder(quick(batch_size=1), [("a", "b"), ("x", "d"), ("e", "y"), ("y", "f")], [("x", "y")])
    assert trained_on == [("a", "b")]


def test_pairs_that_share_a_sentence_with_the_graded_ones_are_dropped(trained_on, quick):
    adapt_encoder(quick(batch_size=1), [("a", "b"), ("x", "d")], graded=[("x", "y", 1.0), ("x", "z", 0.0)])
    assert trained_on == [("a", "b")]


def test_what_was_dropped_is_logged(trained_on, quick, caplog):
    with caplog.at_level(logging.WARNING, logger="semreward"):
        adapt_encoder(quick(batch_size=1), [("a", "b"), ("a", "b")])
    assert "1 of 2 training pairs" in caplog.text


def test_the_number_of_distinct_pairs_is_reported(trained_on, quick):
    assert adapt_encoder(quick(batch_size=1), [("a", "b"), ("a", "b")]).pairs == 1


def test_nothing_is_measured_without_held_out_pairs(trained_on, quick):
    adaptation = adapt_encoder(quick(batch_size=1), [("a", "b")])
    assert (adaptation.before, adaptation.after) == (None, None)


def test_the_report_of_reading_reaches_the_card(trained_on, quick):
    config = quick(batch_size=1)
    adapt_encoder(config, read_pairs([("a", "b"), ("c", "")]))
    card = (Path(config.output_dir) / "README.md").read_text(encoding="utf-8")
    assert '"with a blank side": 1' in card
    assert "row 2 with a blank side: ('c', '')" in card


def test_fewer_pairs_than_a_batch_are_refused(quick):
    with pytest.raises(ArgumentError, match="must fill a batch of 2, got 1 distinct"):
        adapt_encoder(quick(batch_size=2), [("a", "b"), ("a", "b")])


def test_pairs_that_fill_no_batch_without_duplicates_are_refused(quick):
    with pytest.raises(ArgumentError, match="that share no text"):
        adapt_encoder(quick(batch_size=4), [(f"马{row}", "རྟ") for row in range(8)])


@pytest.mark.parametrize(
    "pair", [("a", ""), (" ", "b"), ("a", None), ("a",), ("a", "b", "c"), "ab", None, 3, {"a": "b"}]
)
@pytest.mark.parametrize("name", ["train_pairs", "eval_pairs"])
def test_a_bad_pair_is_named_by_its_row(quick, name, pair):
    pairs = {"train_pairs": [("a", "b")], name: [("x", "y"), pair]}
    with pytest.raises(ArgumentError, match=f"`{name}` must be pairs of non-empty strings, .* at row 1"):
        adapt_encoder(quick(batch_size=1), **pairs)


@pytest.mark.parametrize("name", ["train_pairs", "eval_pairs"])
def test_a_pair_with_a_lone_surrogate_is_named_by_its_row(quick, name):
    pairs = {"train_pairs": [("a", "b")], name: [("x", "y"), ("a\ud800", "b")]}
    with pytest.raises(ArgumentError, match=f"`{name}` must be pairs .* not valid UTF-8 at row 1"):
        adapt_encoder(quick(batch_size=1), **pairs)


@pytest.mark.parametrize(("made", "maker"), [(1, None), (0, truncated)])
def test_a_number_of_made_negatives_without_a_maker_is_refused_and_the_other_way_round(quick, made, maker):
    with pytest.raises(ArgumentError, match="give both or neither"):
        adapt_encoder(quick(batch_size=1, made_negatives=made), [("a", "b"), ("c", "d")], make_negatives=maker)


def test_a_missing_library_is_told_with_the_install_command(quick, captions, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'semreward\[train\]'"):
        adapt_encoder(quick(), captions)
