from pathlib import Path

import pytest

from semreward.adaptation import AdaptationConfig
from semreward.errors import ArgumentError, EncoderNotFoundError


def test_a_base_that_does_not_exist_is_refused():
    with pytest.raises(EncoderNotFoundError):
        AdaptationConfig("/nowhere/encoder", "out")


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"epochs": float("inf")},
        {"batch_size": 0},
        {"learning_rate": -1e-5},
        {"learning_rate": float("nan")},
        {"embedding_learning_rate": 0.0},
        {"temperature": 0.0},
        {"max_tokens": 0},
        {"warmup_ratio": 1.0},
        {"warmup_ratio": -0.1},
        {"dropout": 1.0},
        {"mini_batch_size": 0},
        {"made_negatives": -1},
        {"measure_steps": 0},
        {"patience": 0, "measure_steps": 1},
        {"learning_rate": "2e-5"},
        {"learning_rate": True},
        {"epochs": None},
        {"embedding_learning_rate": float("inf")},
        {"warmup_ratio": None},
        {"dropout": "0.1"},
        {"batch_size": 2.5},
        {"batch_size": None},
        {"max_tokens": True},
        {"measure_steps": 2.5},
        {"new_pieces": 0},
        {"new_pieces": 1e4},
        {"made_negatives": None},
        {"seed": None},
        {"seed": -1},
        {"bf16": "no"},
        {"resume": 1},
        {"use_cpu": None},
    ],
)
def test_an_option_out_of_range_is_named(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}`"):
        AdaptationConfig("org/model", "out", **options)


def test_a_number_that_yaml_reads_as_text_is_told_with_the_spelling_that_works():
    with pytest.raises(ArgumentError, match=r"`learning_rate` must not be a text, got '2e-5'; .* as in 2\.0e-5"):
        AdaptationConfig("org/model", "out", learning_rate="2e-5")


@pytest.mark.parametrize("base", [None, 3])
def test_a_base_that_is_no_name_is_refused(base):
    with pytest.raises(ArgumentError, match="`base` must be a hub id or the path of a folder"):
        AdaptationConfig(base, "out")


@pytest.mark.parametrize("folder", ["", "  ", None, 3])
def test_an_output_folder_that_is_none_is_refused(folder):
    with pytest.raises(ArgumentError, match="`output_dir` must be the path of a folder"):
        AdaptationConfig("org/model", folder)


def test_an_output_folder_may_be_a_path():
    assert AdaptationConfig("org/model", Path("out")).output_dir == "out"


def test_patience_without_measurements_is_refused():
    with pytest.raises(ArgumentError, match="give `measure_steps`"):
        AdaptationConfig("org/model", "out", patience=2)
