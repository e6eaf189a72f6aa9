import math
import pickle

import numpy as np
import pytest

import semreward
from doubles import BigramEncoder, CountingEncoder
from semreward import Answer, SemanticSimilarityReward, calibrate_threshold, threshold_rescale
from semreward.errors import (
    ArgumentError,
    ArgumentTypeError,
    EncoderNotFoundError,
    EncoderUnavailableError,
    MissingColumnError,
)
from semreward.rewards.similarity import similarities


class TableEncoder:
    """Knows four texts at given angles to `right`: their cosines to it are 1, 0.8, 0 and -1."""

    fingerprint = "table"
    vectors = {"right": (1.0, 0.0), "close": (0.8, 0.6), "other": (0.0, 1.0), "opposite": (-1.0, 0.0)}

    def encode(self, texts, /):
        return np.array([self.vectors[text] for text in texts], dtype=np.float32)


@pytest.fixture
def reward():
    return SemanticSimilarityReward(TableEncoder(), threshold=0.6)


def test_equations_1_and_2_by_hand(reward):
    values = reward(completions=["right", "close", "other", "opposite"], reference=["right"] * 4)
    assert values == pytest.approx([1.0, 0.5, 0.0, 0.0], abs=1e-6)


class SilentEncoder:
    """Cannot be reached."""

    fingerprint = "silent"

    def encode(self, texts, /):
        raise EncoderUnavailableError("nobody answers")


def test_similarities_of_an_encoder_that_cannot_be_reached_are_an_error():
    with pytest.raises(EncoderUnavailableError, match="nobody answers"):
        similarities(SilentEncoder(), ["close"], ["right"])


@pytest.mark.parametrize("width", [3, 16, 80])
def test_rounding_does_not_carry_a_similarity_beyond_one(width):
    texts = [f"{number} {number**2} text {number**3}" for number in range(300)]
    assert similarities(BigramEncoder(width), texts, texts).max() == 1.0


def test_an_encoder_may_be_given_by_its_path(tmp_path):
    with pytest.raises(EncoderNotFoundError, match="existing folder"):
        SemanticSimilarityReward(tmp_path / "none", threshold=0.6)


def test_similarities_are_raw_cosines(reward):
    cosines = similarities(reward.encoder, ["right", "close", "other", "opposite"], ["right"] * 4)
    assert cosines == pytest.approx([1.0, 0.8, 0.0, -1.0], abs=1e-6)


def test_values_are_python_floats(reward):
    assert type(reward(completions=["close"], reference=["right"])[0]) is float


def test_no_completions_give_no_values(reward):
    assert reward(completions=[], reference=[]) == []


def test_an_empty_completion_earns_nothing_whatever_the_threshold():
    reward = SemanticSimilarityReward(TableEncoder(), threshold=-1.0)
    assert reward(completions=["", "   ", "<think>right"], reference=["right"] * 3) == [0.0, 0.0, 0.0]


def test_the_similarity_of_an_empty_completion_is_zero(reward):
    assert similarities(reward.encoder, [""], ["right"]).tolist() == [0.0]


def test_the_best_of_several_references_counts(reward):
    assert reward(completions=["close"], reference=[["opposite", "close", "right"]]) == pytest.approx([1.0])


def test_references_may_be_tuples_and_arrays(reward):
    values = reward(completions=["right"] * 2, reference=[("other", "right"), np.array(["right"])])
    assert values == pytest.approx([1.0, 1.0])


def test_a_column_may_be_an_array(reward):
    assert reward(completions=["right"], reference=np.array(["right"])) == pytest.approx([1.0])


def test_reasoning_is_not_judged(reward):
    assert reward(completions=["<think>other</think>right"], reference=["right"]) == pytest.approx([1.0])


def test_reasoning_is_judged_where_it_is_kept():
    with pytest.raises(KeyError, match="think"):
        SemanticSimilarityReward(TableEncoder(), threshold=0.6, answer=Answer(reasoning="keep"))(
            completions=["<think>other</think>right"], reference=["right"]
        )


def test_conversational_completions_are_judged_by_their_answer(reward):
    completions = [[{"role": "assistant", "content": "right"}]]
    assert reward(completions=completions, prompts=[[{"role": "user", "content": "?"}]], reference=["right"]) == (
        pytest.approx([1.0])
    )


def test_the_reference_column_has_a_name_of_choice():
    reward = SemanticSimilarityReward(TableEncoder(), threshold=0.6, reference_column="answer")
    assert reward(completions=["right"], answer=["right"], reference=[None]) == pytest.approx([1.0])


def test_unknown_columns_and_extras_are_ignored(reward):
    values = reward(
        completions=["right"],
        prompts=["?"],
        completion_ids=[[1]],
        reference=["right"],
        trainer_state=object(),
        x=[1, 2],
    )
    assert values == pytest.approx([1.0])


def test_inputs_are_left_as_they_were(reward):
    completions, reference = ["  right "], [["right", "other"]]
    reward(completions=completions, reference=reference)
    assert (completions, reference) == (["  right "], [["right", "other"]])


def test_a_reward_is_none_when_its_reference_is_missing(encoder):
    reward = SemanticSimilarityReward(encoder, threshold=0.5, on_missing="none")
    missing = [None, "", "  ", [], ["", None]]
    assert reward(completions=["a"] * 5, reference=missing) == [None] * 5


def test_a_missing_reference_leaves_the_other_rows_alone(encoder):
    reward = SemanticSimilarityReward(encoder, threshold=0.5, on_missing="none")
    assert reward(completions=["abc", "abc"], reference=[None, "abc"]) == [None, pytest.approx(1.0)]


@pytest.mark.parametrize("reference", [None, "", " \n", [], [None], ["", ""]])
def test_a_missing_reference_is_named_by_its_row(reward, reference):
    with pytest.raises(ArgumentError, match=r"`reference` must be a non-empty string .* at row 1; drop the row"):
        reward(completions=["right", "right"], reference=["right", reference])


@pytest.mark.parametrize("on_missing", ["raise", "none"])
@pytest.mark.parametrize("reference", [3, 2.5, b"right", {"text": "right"}, ["right", 3], ["right", None], [["right"]]])
def test_a_reference_of_the_wrong_type_is_named_by_its_row(reference, on_missing):
    reward = SemanticSimilarityReward(TableEncoder(), threshold=0.6, on_missing=on_missing)
    with pytest.raises(ArgumentTypeError, match=r"`reference` must be a string .* at row 1; give the plain text"):
        reward(completions=["right", "right"], reference=["right", reference])


def test_a_blank_text_among_references_is_named_by_its_row(reward):
    with pytest.raises(ArgumentError, match="got a blank one at row 0"):
        reward(completions=["right"], reference=[["right", " "]])


def test_a_column_that_is_none_is_not_said_to_be_missing(reward):
    with pytest.raises(MissingColumnError, match="column `reference` is None .columns of this call: reference"):
        reward(completions=["right"], reference=None)


@pytest.mark.parametrize("columns", [{}, {"Reference": ["right"]}])
def test_a_missing_column_is_named(reward, columns):
    with pytest.raises(MissingColumnError, match="column `reference` is missing .*remove_unused_columns"):
        reward(completions=["right"], **columns)


def test_a_missing_column_lists_those_of_the_call(reward):
    with pytest.raises(MissingColumnError, match=r"columns of this call: answer, id\)"):
        reward(completions=["right"], answer=["right"], id=[1])


@pytest.mark.parametrize("name", ["reference", "prompts", "completion_ids"])
def test_columns_of_another_length_are_refused(reward, name):
    columns = {"reference": ["right", "right"], name: ["right"]}
    with pytest.raises(ArgumentError, match=f"`{name}` must have one value per completion: 2 expected, got 1"):
        reward(completions=["right", "right"], **columns)


def test_a_single_reference_is_no_column(reward):
    with pytest.raises(ArgumentTypeError, match="`reference` must be a list"):
        reward(completions=["right"], reference="right")


@pytest.mark.parametrize("completions", ["right", None, 3, {"a": 1}])
def test_completions_that_are_no_list_are_refused(reward, completions):
    with pytest.raises(ArgumentTypeError, match="`completions` must be a list"):
        reward(completions=completions, reference=["right"])


def test_a_completion_of_the_wrong_type_is_named_by_its_row(reward):
    with pytest.raises(ArgumentTypeError, match="`completions` at row 1: .* got NoneType"):
        reward(completions=["right", None], reference=["right", "right"])


@pytest.mark.parametrize("threshold", [1.0, -1.5, math.nan, True, "0.5", None])
def test_a_threshold_out_of_range_fails_at_construction(encoder, threshold):
    with pytest.raises(ArgumentError, match="`threshold`"):
        SemanticSimilarityReward(encoder, threshold=threshold)


def test_a_threshold_is_required(encoder):
    with pytest.raises(TypeError, match="threshold"):
        SemanticSimilarityReward(encoder)


@pytest.mark.parametrize("options", [{"on_missing": "skip"}, {"answer": "keep"}, {"name": ""}, {"name": None}])
def test_an_option_out_of_range_is_named(encoder, options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}`"):
        SemanticSimilarityReward(encoder, threshold=0.5, **options)


@pytest.mark.parametrize("thing", [None, 3, ["path"], lambda texts: texts])
def test_what_is_no_encoder_fails_at_construction(thing):
    with pytest.raises(ArgumentTypeError, match="`encoder`"):
        SemanticSimilarityReward(thing, threshold=0.5)


def test_metrics_describe_the_call(reward):
    metrics = {}
    reward(completions=["right", "close", "other", "opposite"], reference=["right"] * 4, log_metric=metrics.__setitem__)
    assert metrics == {
        "semantic_similarity/similarity": pytest.approx(0.2),
        "semantic_similarity/dead_zone": 0.5,
        "semantic_similarity/saturation": 0.25,
        "semantic_similarity/unreadable": 0.0,
    }


def test_raw_similarities_are_logged_as_a_column(encoder):
    columns = {}
    reward = SemanticSimilarityReward(encoder, threshold=0.5, on_missing="none")
    reward(completions=["abc", "abc"], reference=["abc", None], log_extra=columns.__setitem__)
    assert columns == {"semantic_similarity/similarity": [pytest.approx(1.0), None]}


def test_the_same_column_is_logged_where_no_row_has_a_reference(encoder):
    columns = {}
    reward = SemanticSimilarityReward(encoder, threshold=0.5, on_missing="none")
    reward(completions=["abc"], reference=[None], log_extra=columns.__setitem__)
    assert columns == {"semantic_similarity/similarity": [None]}


def test_no_metric_of_cosines_is_logged_where_no_row_has_a_reference(encoder):
    metrics = {}
    reward = SemanticSimilarityReward(encoder, threshold=0.5, on_missing="none")
    reward(completions=["abc"], reference=[None], log_metric=metrics.__setitem__)
    assert metrics == {"semantic_similarity/unreadable": 0.0}


def test_metrics_carry_the_rewards_own_name(encoder):
    metrics = {}
    reward = SemanticSimilarityReward(encoder, threshold=0.5, name="meaning")
    reward(completions=["abc"], reference=["abc"], log_metric=metrics.__setitem__)
    assert all(key.startswith("meaning/") for key in metrics)


def test_the_name_is_its_function_name(encoder):
    assert SemanticSimilarityReward(encoder, threshold=0.5).__name__ == "semantic_similarity"


def test_the_shape_is_that_of_threshold_rescale(encoder):
    reward = SemanticSimilarityReward(encoder, threshold=0.3)
    completions, reference = ["abcd", "abxy", "aabb"], ["abcd", "abcd", "bbaa"]
    expected = threshold_rescale(similarities(encoder, completions, reference), 0.3)
    assert reward(completions=completions, reference=reference) == expected.tolist()


def test_a_replaced_reward_differs_in_one_parameter(encoder):
    reward = SemanticSimilarityReward(encoder, threshold=0.5)
    assert reward.replace(threshold=0.6) == SemanticSimilarityReward(encoder, threshold=0.6)


def test_a_parameter_that_does_not_exist_cannot_be_replaced(encoder):
    with pytest.raises(TypeError, match="tau"):
        SemanticSimilarityReward(encoder, threshold=0.5).replace(tau=0.6)


def test_a_replaced_parameter_is_checked(encoder):
    with pytest.raises(ArgumentError, match="`threshold`"):
        SemanticSimilarityReward(encoder, threshold=0.5).replace(threshold=2)


def test_a_reward_cannot_be_changed(encoder):
    with pytest.raises(AttributeError):
        SemanticSimilarityReward(encoder, threshold=0.5).threshold = 0.6


def test_equal_parameters_make_equal_rewards(encoder):
    assert len({SemanticSimilarityReward(BigramEncoder(), threshold=0.5) for _ in range(2)}) == 1


def test_a_reward_is_the_same_after_pickling(encoder):
    reward = SemanticSimilarityReward(encoder, threshold=0.5)
    assert pickle.loads(pickle.dumps(reward)) == reward


def test_a_reward_prints_its_parameters(encoder):
    assert repr(SemanticSimilarityReward(encoder, threshold=0.5)) == (
        "SemanticSimilarityReward(name='semantic_similarity', answer=Answer(reasoning='remove', tag=None), "
        "on_error='raise', encoder=BigramEncoder(width=64), threshold=0.5, "
        "reference_column='reference', on_missing='raise')"
    )


def test_the_signature_renders_what_decides_the_numbers(encoder):
    assert SemanticSimilarityReward(encoder, threshold=0.5).signature() == (
        "SemanticSimilarityReward|answer:Answer(reasoning='remove', tag=None)|encoder:bigrams-64|"
        "name:semantic_similarity|on_error:raise|on_missing:raise|reference_column:reference|threshold:0.5|"
        f"semreward:{semreward.__version__}"
    )


def test_all_texts_of_a_call_are_encoded_together():
    encoder = CountingEncoder()
    SemanticSimilarityReward(encoder, threshold=0.5)(completions=["a", "b"], reference=["c", "d"])
    assert len(encoder.batches) == 1


# A calibration as the threshold.


def calibration_of(fingerprint):
    return calibrate_threshold([0.4, 0.6], encoder_fingerprint=fingerprint)


def test_a_calibration_is_a_threshold(encoder):
    reward = SemanticSimilarityReward(encoder, threshold=calibration_of(encoder.fingerprint))
    assert reward == SemanticSimilarityReward(encoder, threshold=0.5)


def test_the_threshold_of_a_calibrated_reward_is_a_number(encoder):
    threshold = SemanticSimilarityReward(encoder, threshold=calibration_of("another")).threshold
    assert (isinstance(threshold, float), repr(threshold)) == (True, "0.5")


def test_a_calibrated_reward_has_the_signature_of_its_numbers(encoder):
    calibrated = SemanticSimilarityReward(encoder, threshold=calibration_of(encoder.fingerprint))
    assert calibrated.signature() == SemanticSimilarityReward(encoder, threshold=0.5).signature()
