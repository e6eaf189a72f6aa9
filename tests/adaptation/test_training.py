import logging
from pathlib import Path

import datasets
import pytest
import torch

from semreward.adaptation import TrainingDivergedError, adapt_encoder, training
from semreward.errors import ArgumentError


@pytest.fixture
def kept(quick, tmp_path):
    """Makes a configuration that keeps checkpoints in a folder of its own."""

    def make(**options):
        defaults = {"epochs": 2, "measure_steps": 2, "dropout": 0.1, "output_dir": tmp_path / "resumed"}
        return quick(**{**defaults, **options})

    return make


def test_a_killed_training_goes_on_where_it_was(kept, killed, captions, tmp_path):
    whole = adapt_encoder(kept(output_dir=tmp_path / "whole"), captions[:32], captions[32:36])
    killed(kept(), 4)
    resumed = adapt_encoder(kept(resume=True), captions[:32], captions[32:36])
    assert resumed.encoder.encode(["字"]) == pytest.approx(whole.encoder.encode(["字"]), abs=1e-5)


def test_a_resumed_training_starts_from_the_last_checkpoint(kept, killed, captions, caplog):
    killed(kept(), 4)
    with caplog.at_level(logging.INFO, logger="semreward"):
        adapt_encoder(kept(resume=True), captions[:32], captions[32:36])
    assert "checkpoint-4" in caplog.text


@pytest.mark.parametrize("changed", [{"learning_rate": 1e-3}, {"epochs": 3}])
def test_resuming_with_other_settings_is_refused(kept, killed, captions, changed):
    killed(kept(), 2)
    with pytest.raises(ArgumentError, match=f"these differ: {next(iter(changed))} "):
        adapt_encoder(kept(**changed, resume=True), captions[:32], captions[32:36])


def test_resuming_with_other_data_is_refused(kept, killed, captions):
    killed(kept(), 2)
    with pytest.raises(ArgumentError, match="these differ: data "):
        adapt_encoder(kept(resume=True), captions[16:48])


@pytest.fixture
def stage(tmp_path):
    """The folder of the checkpoints."""
    return tmp_path / "resumed" / training.CHECKPOINTS


@pytest.mark.parametrize("files", [{}, {"trainer_state.json": ""}, {"trainer_state.json": '{"epoch": 1'}])
def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over(kept, killed, captions, caplog, files):
    killed(kept(), 4)
    stage = Path(kept().output_dir) / training.CHECKPOINTS
    broken = stage / "checkpoint-6"
    broken.mkdir()
    for name, content in files.items():
        (broken / name).write_text(content)
    with caplog.at_level(logging.INFO, logger="semreward"):
        adapt_encoder(kept(resume=True), captions[:32], captions[32:36])
    assert f"{broken} was not written to its end: passed over" in caplog.text
    assert f"resuming from {stage / 'checkpoint-4'}" in caplog.text


@pytest.mark.parametrize("content", ["", '{"base": "or'])
def test_settings_that_were_cut_off_are_an_error(kept, killed, captions, stage, content):
    killed(kept(), 2)
    (stage / "settings.json").write_text(content)
    with pytest.raises(ArgumentError, match=r"settings\.json' cannot be read"):
        adapt_encoder(kept(resume=True), captions[:32], captions[32:36])


def test_resuming_where_nothing_is_starts_from_the_beginning(quick, captions):
    assert adapt_encoder(quick(resume=True, measure_steps=1), captions[:16]).pairs == 16


def test_training_stops_when_the_held_out_pairs_gain_no_more(quick, captions):
    config = quick(epochs=50, learning_rate=1e-8, measure_steps=1, patience=2)
    steps = [point["step"] for point in adapt_encoder(config, captions[:16], captions[16:24]).curve]
    assert max(steps) == 3


def test_patience_without_held_out_pairs_is_refused(quick, captions):
    with pytest.raises(ArgumentError, match="`patience` counts measurements on `eval_pairs`, got none"):
        adapt_encoder(quick(measure_steps=1, patience=2), captions)


def test_a_folder_named_training_is_the_users(quick, captions):
    config = quick()
    kept = Path(config.output_dir, "training", "train.tsv")
    kept.parent.mkdir(parents=True)
    kept.write_text("bo\tzh\n")
    adapt_encoder(config, captions)
    assert kept.exists()


def test_the_best_model_is_kept(quick, captions):
    config = quick(epochs=6, measure_steps=2, patience=50, learning_rate=2e-2)
    adaptation = adapt_encoder(config, captions[12:], captions[:12])
    measured = [p["eval_precision"] for p in adaptation.curve if "eval_precision" in p]
    assert adaptation.after["precision"] == pytest.approx(max(measured))


def test_a_loss_that_is_no_number_is_an_error_with_its_step(quick, captions, monkeypatch):
    original = training.contrastive_loss

    def spoiled(model, config):
        loss = original(model, config)
        forward, calls = loss.forward, []

        def broken(*arguments):
            calls.append(1)
            return forward(*arguments) * (float("nan") if len(calls) == 2 else 1.0)

        loss.forward = broken
        return loss

    monkeypatch.setattr(training, "contrastive_loss", spoiled)
    with pytest.raises(TrainingDivergedError, match=r"the loss is nan at step 2; lower `learning_rate`"):
        adapt_encoder(quick(epochs=3), captions[:16])


def test_losses_are_logged(quick, captions, caplog):
    with caplog.at_level(logging.INFO, logger="semreward"):
        adapt_encoder(quick(epochs=3, measure_steps=3), captions[:16], captions[16:20])
    assert "step 3 of 6: eval_forward" in caplog.text


def test_training_prints_nothing(quick, captions, capsys):
    adapt_encoder(quick(measure_steps=1), captions[:16], captions[16:20])
    assert capsys.readouterr().out == ""


def test_batches_of_gradient_caching_are_ordered_by_length():
    dataset = datasets.Dataset.from_dict(
        {"anchor": list("abcdef"), "positive": ["x" * size for size in (3, 1, 9, 4, 7, 2)]}
    )
    sampler = training.LongestFirstSampler(dataset, batch_size=3, drop_last=True, generator=torch.Generator())
    lengths = [[len(dataset[row]["positive"]) for row in batch] for batch in sampler]
    assert sorted(size for batch in lengths for size in batch) == [1, 2, 3, 4, 7, 9]
    assert all(batch == sorted(batch, reverse=True) for batch in lengths)


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, None),
        ({"measure_steps": 5}, 5),
        ({"measure_steps": 5, "patience": 2}, 5),
    ],
)
def test_checkpoints_are_written_at_each_measurement(quick, options, steps):
    arguments = training.training_arguments(quick(**options), measures=True)
    assert (arguments.save_steps if arguments.save_strategy == "steps" else None) == steps
