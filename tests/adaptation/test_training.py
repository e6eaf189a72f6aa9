import logging
from pathlib import Path

import pytest
import torch

from semreward.adaptation import TrainingDivergedError, adapt_encoder, training
from semreward.adaptation.losses import rows_of, sorted_parts
from semreward.errors import ArgumentError


class KilledError(Exception):
    """Stands for a machine that goes away."""


@pytest.fixture
def killed(monkeypatch, captions):
    """Starts an adaptation that ends at a step, after its checkpoint was written."""

    def run(config, step, **options):
        class Killer(training.TrainerCallback):
            def on_save(self, args, state, control, **_):
                if state.global_step == step:
                    raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(training, "_LogCallback", Killer)
            with pytest.raises(KilledError):
                adapt_encoder(config, captions[:32], captions[32:36], **options)

    return run


@pytest.fixture
def kept(quick, tmp_path):
    """Makes a configuration that keeps checkpoints in a folder of its own."""

    def make(**options):
        defaults = {"epochs": 2, "save_steps": 2, "dropout": 0.1, "output_dir": tmp_path / "resumed"}
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


def test_resuming_skips_the_monolingual_stage_that_is_done(kept, killed, captions):
    sentences = [pair[0] for pair in captions[:16]]
    killed(kept(save_steps=3), 3, monolingual=sentences)
    resumed = adapt_encoder(kept(save_steps=3, resume=True), captions[:32], captions[32:36], monolingual=sentences)
    assert list(resumed.curve) == ["pairs"]


def test_other_sentences_than_those_of_the_stage_that_is_done_are_refused(kept, killed, captions):
    killed(kept(save_steps=3), 3, monolingual=[pair[0] for pair in captions[:16]])
    with pytest.raises(ArgumentError, match="these differ: data "):
        adapt_encoder(
            kept(save_steps=3, resume=True), captions[:32], captions[32:36], monolingual=[p[0] for p in captions[1:17]]
        )


def test_adapters_resume_too(kept, killed, captions, tmp_path):
    options = {"lora_rank": 4, "learning_rate": 1e-2}
    whole = adapt_encoder(kept(**options, output_dir=tmp_path / "whole"), captions[:32], captions[32:36])
    killed(kept(**options), 4)
    resumed = adapt_encoder(kept(**options, resume=True), captions[:32], captions[32:36])
    assert resumed.encoder.encode(["字"]) == pytest.approx(whole.encoder.encode(["字"]), abs=1e-5)


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
    """The folder of the pairs' stage."""
    return tmp_path / "resumed" / "training" / "pairs"


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("files", [{}, {"trainer_state.json": ""}, {"trainer_state.json": '{"epoch": 1'}])
def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over(kept, killed, captions, caplog, files):
    killed(kept(), 4)
    stage = Path(kept().output_dir) / "training" / "pairs"
    broken = stage / "checkpoint-6"
    broken.mkdir()
    for name, content in files.items():
        (broken / name).write_text(content)
    with caplog.at_level(logging.INFO, logger="semreward"):
        adapt_encoder(kept(resume=True), captions[:32], captions[32:36])
    assert f"{broken} was not written to its end: passed over" in caplog.text
    assert f"resuming from {stage / 'checkpoint-4'}" in caplog.text


@pytest.mark.parametrize("content", ["[]", "", '{"base": "or'])
def test_settings_that_were_cut_off_are_an_error_with_the_remedy(kept, killed, captions, stage, content):
    killed(kept(), 2)
    (stage / "settings.json").write_text(content)
    with pytest.raises(ArgumentError, match=r"settings\.json, but that file is damaged .*with resume=False"):
        adapt_encoder(kept(resume=True), captions[:32], captions[32:36])


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "rng_state.pth", "config.json"])
def test_a_checkpoint_whose_files_are_cut_off_is_named_with_the_remedy(kept, killed, captions, stage, name):
    killed(kept(), 2)
    cut_off(stage / "checkpoint-2" / name)
    with pytest.raises(ArgumentError, match=r"checkpoint-2 cannot be loaded: .*with resume=False"):
        adapt_encoder(kept(resume=True), captions[:32], captions[32:36])


def test_adapters_that_are_cut_off_are_named_too(kept, killed, captions, stage):
    killed(kept(lora_rank=4), 2)
    cut_off(stage / "checkpoint-2" / "adapter_model.safetensors")
    with pytest.raises(ArgumentError, match=r"checkpoint-2 cannot be loaded: .*with resume=False"):
        adapt_encoder(kept(lora_rank=4, resume=True), captions[:32], captions[32:36])


def test_a_finished_stage_whose_model_is_cut_off_is_named(kept, killed, captions, stage):
    sentences = [pair[0] for pair in captions[:16]]
    killed(kept(save_steps=3), 3, monolingual=sentences)
    cut_off(stage.parent / "monolingual" / "finished" / "model.safetensors")
    with pytest.raises(ArgumentError, match=r"finished cannot be loaded: .*with resume=False"):
        adapt_encoder(kept(save_steps=3, resume=True), captions[:32], captions[32:36], monolingual=sentences)


def test_resuming_where_nothing_is_starts_from_the_beginning(quick, captions):
    assert adapt_encoder(quick(resume=True, save_steps=1), captions[:16]).pairs == 16


def test_training_stops_when_the_held_out_pairs_gain_no_more(quick, captions):
    config = quick(epochs=50, learning_rate=1e-8, measure_steps=1, patience=2)
    steps = [point.step for point in adapt_encoder(config, captions[:16], captions[16:24]).curve["pairs"]]
    assert max(steps) == 3


@pytest.mark.parametrize("options", [{"learning_rate": 2e-2}, {"learning_rate": 1e-1, "lora_rank": 4}])
def test_the_best_model_is_kept(quick, captions, options):
    config = quick(epochs=6, measure_steps=2, patience=50, **options)
    adaptation = adapt_encoder(config, captions[12:], captions[:12])
    measured = [p.measures["precision"] for p in adaptation.curve["pairs"] if "precision" in p.measures]
    assert adaptation.after.precision == pytest.approx(max(measured))


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


def test_parts_hold_the_tokens_they_may():
    mask = torch.tensor([[1] * length + [0] * (9 - length) for length in (2, 9, 3, 3, 5)])
    order, parts = sorted_parts(mask, 9)
    parts = [part.tolist() for part in parts]
    assert (order.tolist(), parts) == ([1, 4, 2, 3, 0], [[1], [4], [2, 3, 0]])


def test_rows_lose_the_padding_that_none_of_them_needs():
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]])
    features = {"input_ids": torch.arange(12).reshape(3, 4), "attention_mask": mask, "prompt_length": 1}
    part = rows_of(features, torch.tensor([2, 0]), mask)
    assert (part["input_ids"].tolist(), part["prompt_length"]) == ([[8, 9], [0, 1]], 1)


def test_padding_on_the_left_is_cut_on_the_left():
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    features = {"input_ids": torch.arange(8).reshape(2, 4), "attention_mask": mask}
    assert rows_of(features, torch.tensor([0]), mask)["input_ids"].tolist() == [[2, 3]]
