import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from doubles import BigramEncoder, CountingEncoder
from semreward import (
    Answer,
    Calibration,
    CalibrationMismatchWarning,
    LanguageConsistencyReward,
    SemanticSimilarityReward,
    calibrate_threshold,
)
from semreward.calibration import area_under_curve, best_split, calibrate, equal_share, mismatched_references
from semreward.errors import ArgumentError, ArgumentTypeError, SemRewardWarning, UnreadableTextError
from semreward.rewards.similarity import similarities

SIMILARITIES = [0.1, 0.2, 0.3, 0.4, 0.9]
NEGATIVES = [-0.1, 0.05, 0.25]


@pytest.mark.parametrize(
    ("statistic", "threshold"), [("mean", 0.38), ("median", 0.3), (0.25, 0.2), (0.875, 0.65), (np.float64(0.5), 0.3)]
)
def test_the_threshold_is_the_statistic(statistic, threshold):
    assert calibrate_threshold(SIMILARITIES, statistic=statistic).threshold == pytest.approx(threshold)


def test_the_mean_is_the_default():
    assert calibrate_threshold(SIMILARITIES).statistic == "mean"


def test_the_dead_zone_is_the_share_of_samples_that_earn_nothing():
    assert calibrate_threshold(SIMILARITIES, statistic="median").dead_zone == pytest.approx(3 / 5)


def test_saturation_is_the_share_of_samples_that_earn_all():
    assert calibrate_threshold([0.0, 0.0, 0.6, 1.0], statistic="median").saturation == pytest.approx(1 / 4)


def test_the_mean_reward_is_that_of_equation_2():
    assert calibrate_threshold([0.0, 0.5, 1.0]).mean_reward == pytest.approx(1 / 3)


def test_the_mean_similarity_is_reported():
    assert calibrate_threshold(SIMILARITIES).mean_similarity == pytest.approx(0.38)


def test_all_samples_count_whatever_their_shape():
    assert calibrate_threshold(np.zeros((3, 4))).samples == 12


# Negatives.


def test_youdens_point_lies_in_the_middle_of_the_gap_that_tells_samples_from_negatives():
    calibration = calibrate_threshold([0.5, 0.7, 0.9], negatives=[0.0, 0.2], statistic="youden")
    assert calibration.threshold == pytest.approx(0.35)


def test_youdens_point_is_the_lowest_of_equally_good_ones():
    # Between 0.1 and 0.2: 2/2 - 1/2; between 0.5 and 0.6: 1/2 - 0/2.
    assert best_split(np.array([0.2, 0.6]), np.array([0.1, 0.5]))[0] == pytest.approx(0.15)


def test_youdens_index_is_the_difference_of_two_shares():
    assert best_split(np.array([0.2, 0.6, 0.8]), np.array([0.1, 0.4]))[1] == pytest.approx(2 / 3)


def test_youdens_point_pays_what_is_above_it_and_nothing_else():
    calibration = calibrate_threshold(SIMILARITIES, negatives=NEGATIVES, statistic="youden")
    # At 0.05 < tau < 0.1 all samples and 1 of 3 negatives are paid: 1 - 1/3; from 0.25 on, 3 of 5: 3/5.
    assert (calibration.threshold, calibration.negatives_paid, calibration.dead_zone) == pytest.approx(
        (0.075, 1 / 3, 0)
    )


def test_youdens_point_needs_negatives():
    with pytest.raises(ArgumentError, match="`negatives` must be given for statistic='youden'"):
        calibrate_threshold(SIMILARITIES, statistic="youden")


@pytest.mark.parametrize("negatives", [[0.95], SIMILARITIES])
def test_youdens_point_is_refused_where_no_threshold_tells_samples_apart(negatives):
    with pytest.raises(ArgumentError, match="no threshold tells them apart"):
        calibrate_threshold(SIMILARITIES, negatives=negatives, statistic="youden")


def test_the_area_under_the_curve_counts_the_pairs_in_order():
    calibration = calibrate_threshold(SIMILARITIES, negatives=NEGATIVES)
    assert calibration.auc == pytest.approx(13 / 15)  # 0.25 is above 0.1 and 0.2


def test_ties_count_half_of_the_area_under_the_curve():
    assert area_under_curve(np.array([0.5, 0.5, 0.7]), np.array([0.5])) == pytest.approx(2 / 3)


def test_the_overlap_is_what_the_best_threshold_gets_wrong():
    assert calibrate_threshold([0.2, 0.6, 0.8], negatives=[0.1, 0.4]).overlap == pytest.approx(1 / 3)


def test_negatives_that_earn_something_are_counted():
    assert calibrate_threshold([0.1, 0.3], negatives=[0.1, 0.2, 0.21, 0.9]).negatives_paid == pytest.approx(1 / 2)


def test_the_number_and_the_mean_of_negatives_are_reported():
    calibration = calibrate_threshold(SIMILARITIES, negatives=NEGATIVES)
    assert (calibration.negatives, calibration.negative_similarity) == (3, pytest.approx(0.2 / 3))


def test_negatives_leave_the_other_statistics_alone():
    alone = calibrate_threshold(SIMILARITIES)
    assert calibrate_threshold(SIMILARITIES, negatives=NEGATIVES).threshold == alone.threshold


def test_without_negatives_nothing_is_said_of_them():
    calibration = calibrate_threshold(SIMILARITIES)
    assert (calibration.negatives, calibration.negatives_paid, calibration.auc, calibration.overlap) == (None,) * 4


# Groups.

GROUPS = [[0.1, 0.2, 0.3, 0.9], [0.1, 0.1, 0.2, 0.3], [1.0, 1.0, 1.0, 1.0], [0.6, 0.7, 0.8, 0.9]]  # the mean is 0.575


def test_groups_that_teach_nothing_are_measured_where_samples_come_in_groups():
    calibration = calibrate_threshold(GROUPS)
    assert (calibration.equal_groups, calibration.dead_groups) == (2 / 4, 1 / 4)


def test_the_size_of_the_groups_is_that_of_the_samples_by_default():
    calibration = calibrate_threshold(GROUPS)
    assert (calibration.group_size, calibration.samples_per_prompt) == (4, 4)


def test_smaller_groups_are_drawn_from_each_prompts_samples():
    # Of the six pairs of a prompt, 3, 6, 6 and 0 earn the same; the first two prompts' earn nothing.
    calibration = calibrate_threshold(GROUPS, group_size=2)
    assert (calibration.equal_groups, calibration.dead_groups) == pytest.approx((15 / 24, 9 / 24))


def test_pooled_samples_are_drawn_from_all_prompts():
    calibration = calibrate_threshold([0.0, 0.0, 0.0, 0.9, 1.0], statistic="median", group_size=2)
    assert (calibration.equal_groups, calibration.dead_groups) == pytest.approx((3 / 10, 3 / 10))


def test_pooled_samples_say_that_prompts_are_not_known():
    assert calibrate_threshold(SIMILARITIES, group_size=2).samples_per_prompt is None


def test_without_a_group_size_nothing_is_said_of_groups_of_pooled_samples():
    calibration = calibrate_threshold(SIMILARITIES)
    assert (calibration.group_size, calibration.equal_groups, calibration.dead_groups) == (None,) * 3


def test_one_sample_a_prompt_makes_no_groups():
    assert calibrate_threshold(np.array([SIMILARITIES]).T).group_size is None


def test_rewards_that_differ_by_rounding_are_equal():
    assert equal_share([[0.5, 0.5 + 1e-9], [0.5, 0.5 + 1e-4]], 2) == 1 / 2
    assert equal_share([[0.5, 0.5 + 4e-7], [0.5, 0.5 + 6e-7]], 2) == 1 / 2


@pytest.mark.parametrize("group_size", [0, 1, 5, 2.0, True])
def test_a_group_size_out_of_range_is_refused(group_size):
    with pytest.raises(ArgumentError, match="`group_size` must be a whole number from 2 to 4"):
        calibrate_threshold(GROUPS, group_size=group_size)


def test_samples_of_three_axes_are_refused():
    with pytest.raises(ArgumentError, match=r"shape \(N,\) or \(P, M\)"):
        calibrate_threshold(np.zeros((2, 2, 2)))


# Files and printing.

FULL = {"negatives": NEGATIVES, "group_size": 3, "encoder_fingerprint": "abc"}


def test_a_calibration_is_the_same_after_saving(tmp_path):
    calibration = calibrate_threshold(SIMILARITIES, statistic=0.25, **FULL)
    calibration.save(tmp_path / "tau.json")
    assert Calibration.load(tmp_path / "tau.json") == calibration


def test_a_file_of_the_first_version_still_loads(tmp_path):
    first = {
        "threshold": 0.5,
        "statistic": "mean",
        "samples": 4,
        "mean_similarity": 0.5,
        "mean_reward": 0.2,
        "dead_zone": 0.5,
        "saturation": 0.0,
        "encoder_fingerprint": "abc",
    }
    (tmp_path / "tau.json").write_text(json.dumps(first))
    calibration = Calibration.load(tmp_path / "tau.json")
    assert (calibration.threshold, calibration.auc) == (0.5, None)


def test_a_file_with_fields_of_a_later_version_still_loads(tmp_path):
    calibration = calibrate_threshold(SIMILARITIES)
    calibration.save(tmp_path / "tau.json")
    content = json.loads((tmp_path / "tau.json").read_text())
    (tmp_path / "tau.json").write_text(json.dumps({**content, "shape": "ramp"}))
    assert Calibration.load(tmp_path / "tau.json") == calibration


def test_a_file_names_the_version_that_measured_it(tmp_path):
    calibrate_threshold(SIMILARITIES).save(tmp_path / "tau.json")
    assert json.loads((tmp_path / "tau.json").read_text())["semreward"].count(".") == 2


@pytest.mark.parametrize("content", ["", "[]", "[" * 200_000, '"text"', "{}", "3", '{"threshold": 0.5, "tau": 1}'])
def test_a_file_with_something_else_is_refused(tmp_path, content):
    path = tmp_path / "tau.json"
    path.write_text(content)
    with pytest.raises(ArgumentError, match="saved calibration"):
        Calibration.load(path)


@pytest.mark.parametrize("threshold", ["0.5", math.nan, 1.0, None])
def test_a_file_without_a_lawful_threshold_is_refused(tmp_path, threshold):
    calibrate_threshold(SIMILARITIES).save(tmp_path / "tau.json")
    content = json.loads((tmp_path / "tau.json").read_text())
    (tmp_path / "tau.json").write_text(json.dumps({**content, "threshold": threshold}))
    with pytest.raises(ArgumentError, match="saved calibration: `threshold`"):
        Calibration.load(tmp_path / "tau.json")


@pytest.mark.parametrize("name", ["none.json", "."])
def test_what_is_no_file_is_refused(tmp_path, name):
    with pytest.raises(ArgumentError, match="must be a saved calibration: .*give another path"):
        Calibration.load(tmp_path / name)


def test_a_calibration_prints_one_line_a_number():
    printed = str(calibrate_threshold(GROUPS, **FULL)).splitlines()
    assert [line.split("  ")[0] for line in printed[:-1]] == [
        "threshold",
        "similarity",
        "reward",
        "dead zone",
        "saturation",
        "dead groups",
        "equal groups",
        "mismatched",
        "mismatched paid",
        "AUC",
        "overlap",
        "encoder",
    ]


def test_a_calibration_prints_only_what_was_measured():
    printed = str(calibrate_threshold(SIMILARITIES))
    assert not any(word in printed for word in ("groups", "mismatched", "AUC", "None", "nan"))


def test_a_printed_calibration_says_where_shares_of_groups_are_bounds():
    bounded = {
        shape: "at least" in str(calibrate_threshold(similarities, group_size=2))
        for shape, similarities in (("pooled", SIMILARITIES), ("groups", GROUPS))
    }
    assert bounded == {"pooled": True, "groups": False}


@pytest.mark.parametrize(("statistic", "said"), [("median", "median"), (0.25, "quantile 0.25"), ("youden", "youden")])
def test_a_printed_calibration_names_its_statistic(statistic, said):
    first = str(calibrate_threshold(SIMILARITIES, negatives=NEGATIVES, statistic=statistic)).splitlines()[0]
    assert first.endswith(f"{said}, 5 samples")


def test_the_number_of_a_calibration_is_its_threshold():
    calibration = calibrate_threshold(SIMILARITIES)
    assert float(calibration) == calibration.threshold


# Refusals.


@pytest.mark.parametrize("similarities", [[], [0.5]])
def test_too_few_samples_are_refused(similarities):
    with pytest.raises(ArgumentError, match="at least 2 samples"):
        calibrate_threshold(similarities)


@pytest.mark.parametrize(
    "similarities", [["a", "b"], ["0.5", "0.6"], [0.5, "0.6"], [{}, {}], {"a": 0.5}, [1j, 0.5], [0.5, object()]]
)
def test_what_are_no_numbers_is_refused(similarities):
    with pytest.raises(ArgumentTypeError, match="`similarities` must be numbers"):
        calibrate_threshold(similarities)


def test_a_row_without_a_similarity_is_refused_by_its_place():
    with pytest.raises(ArgumentError, match="`similarities` must be cosines in .* at position 1"):
        calibrate_threshold([0.5, None])


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(ArgumentError, match="`similarities` must be numbers, in one row or in rows of one length"):
        calibrate_threshold([[0.1, 0.2], [0.3]])


def test_tensors_in_half_precision_and_in_training_are_read():
    tensor = torch.tensor([[0.25, 0.5], [0.75, 0.5]], dtype=torch.bfloat16, requires_grad=True)
    assert calibrate_threshold(tensor, negatives=tensor) == calibrate_threshold(
        [[0.25, 0.5], [0.75, 0.5]], negatives=[0.25, 0.5, 0.75, 0.5]
    )


def test_a_tensor_of_doubles_loses_no_digit():
    assert calibrate_threshold(torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64)) == calibrate_threshold(
        [0.1, 0.2, 0.7]
    )


def test_no_negatives_at_all_are_refused():
    with pytest.raises(ArgumentError, match="`negatives` must hold at least 1"):
        calibrate_threshold(SIMILARITIES, negatives=[])


@pytest.mark.parametrize("statistic", ["mode", 0.0, 1.0, 1.5, math.nan, 1, None])
def test_an_unknown_statistic_is_refused(statistic):
    with pytest.raises(ArgumentError, match="`statistic`"):
        calibrate_threshold(SIMILARITIES, statistic=statistic)


def test_samples_that_repeat_their_references_give_no_threshold():
    with pytest.raises(ArgumentError, match="must be below 1"):
        calibrate_threshold([1.0, 1.0])


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -2.0, 3.0])
@pytest.mark.parametrize("name", ["similarities", "negatives"])
def test_what_is_no_cosine_is_refused_by_its_place(name, wrong):
    given = {"similarities": SIMILARITIES, name: [0.1, wrong]}
    with pytest.raises(ArgumentError, match=f"`{name}` must be cosines in .* at position 1"):
        calibrate_threshold(given.pop("similarities"), **given)


def test_what_rounding_adds_to_a_cosine_is_cut():
    assert calibrate_threshold([1.0 + 1e-7, 0.0]).mean_similarity == 0.5


# References of other prompts.


def test_every_row_gets_a_reference_of_another_row():
    references = [f"reference {number}" for number in range(7)]
    others = mismatched_references(references)
    assert all(own != other for own, other in zip(references, others, strict=True))
    assert sorted(others) == references


def test_rows_of_one_reference_get_the_same_other_one():
    assert mismatched_references(["a", "a", "b", "b"]) == ["b", "b", "a", "a"]


def test_no_row_gets_a_text_of_its_own():
    references = [["a", "b"], ["b", "c"], ["c", "d"], "a", "d", [" a ", "e"]]
    own = [{"a", "b"}, {"b", "c"}, {"c", "d"}, {"a"}, {"d"}, {"a", "e"}]
    others = [set(map(str.strip, other)) for other in mismatched_references(references)]
    assert not any(mine & other for mine, other in zip(own, others, strict=True))


def test_mismatches_do_not_depend_on_the_order_of_rows():
    references = ["one", "two", "three", "four", "five"]
    forward = dict(zip(references, mismatched_references(references), strict=True))
    backward = dict(zip(references[::-1], mismatched_references(references[::-1]), strict=True))
    assert forward == backward


@pytest.mark.parametrize("references", [["a", "a"], ["a", " a"], [["a", "b"], ["b", "c"], ["c", "b"]]])
def test_references_that_share_a_text_with_all_others_are_refused(references):
    with pytest.raises(ArgumentError, match="shares a text with all others"):
        mismatched_references(references)


def one_by_one(references):
    """What `mismatched_references` promises, read off its docstring: try reference after reference."""
    texts = [tuple([reference] if isinstance(reference, str) else reference) for reference in references]
    distinct = sorted(set(texts))
    found = []
    for own in texts:
        start = distinct.index(own) + len(distinct) // 2
        others = [distinct[(start + step) % len(distinct)] for step in range(len(distinct))]
        other = next((other for other in others if not set(own) & set(other)), None)
        if other is None:
            return None
        found.append(references[texts.index(other)])
    return found


@given(st.lists(st.one_of(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=3))))
def test_mismatches_are_those_found_one_by_one(references):
    expected = one_by_one(references)
    if expected is None:
        with pytest.raises(ArgumentError, match="shares a text with all others"):
            mismatched_references(references)
    else:
        assert mismatched_references(references) == expected


# The whole way, from samples.

COMPLETIONS = ["abcd", "abxy", "wxyz", "wxab"]
REFERENCES = ["abcd", "abcd", "wxyz", "wxyz"]


def test_a_calibration_from_samples_is_that_of_their_similarities(encoder):
    cosines = similarities(encoder, COMPLETIONS, REFERENCES).reshape(2, 2)
    negatives = similarities(encoder, COMPLETIONS, REFERENCES[::-1])
    expected = calibrate_threshold(cosines, negatives=negatives, encoder_fingerprint=encoder.fingerprint)
    assert calibrate(encoder, COMPLETIONS, REFERENCES, samples_per_prompt=2) == expected


def test_a_calibration_from_samples_may_do_without_mismatched_references(encoder):
    assert calibrate(encoder, COMPLETIONS, ["same"] * 4, mismatched=False).auc is None


def test_a_calibration_from_samples_takes_messages_and_several_references(encoder):
    messages = [[{"role": "assistant", "content": f"<think>?</think>{text}"}] for text in COMPLETIONS]
    several = [[reference] for reference in REFERENCES]
    assert calibrate(encoder, messages, several) == calibrate(encoder, COMPLETIONS, REFERENCES)


def test_mismatched_references_cost_no_encoding():
    encoder = CountingEncoder()
    calibrate(encoder, COMPLETIONS, REFERENCES)
    assert sorted(text for batch in encoder.batches for text in batch) == sorted({*COMPLETIONS, *REFERENCES})


def test_a_missing_reference_is_refused(encoder):
    with pytest.raises(ArgumentError, match="at row 1"):
        calibrate(encoder, COMPLETIONS, ["a", None, "b", "c"])


def test_samples_that_are_no_whole_groups_are_refused(encoder):
    with pytest.raises(ArgumentError, match="3 samples of each prompt, got 4 completions"):
        calibrate(encoder, COMPLETIONS, REFERENCES, samples_per_prompt=3)


@pytest.mark.parametrize("samples", [0, -1, 1.5, True])
def test_a_number_of_samples_that_is_none_is_refused(encoder, samples):
    with pytest.raises(ArgumentError, match="`samples_per_prompt` must be a whole number of at least 1"):
        calibrate(encoder, COMPLETIONS, REFERENCES, samples_per_prompt=samples)


@pytest.mark.parametrize("references", [REFERENCES[:3], [*REFERENCES, "more"]])
def test_references_of_another_number_are_refused(encoder, references):
    with pytest.raises(ArgumentError, match="`references` must have one value per completion: 4 expected"):
        calibrate(encoder, COMPLETIONS, references)


@pytest.mark.parametrize("thing", [LanguageConsistencyReward("bo"), None, 3])
def test_what_is_no_encoder_is_refused(thing):
    with pytest.raises(ArgumentTypeError, match="`encoder` must be a path or hub id, or an object"):
        calibrate(thing, COMPLETIONS, REFERENCES)


def test_a_calibrated_reward_is_zero_on_its_dead_zone(encoder):
    calibration = calibrate(encoder, COMPLETIONS, REFERENCES)
    reward = SemanticSimilarityReward(encoder, threshold=calibration)
    values = np.array(reward(completions=COMPLETIONS, reference=REFERENCES))
    assert (values == 0).mean() == calibration.dead_zone


def test_a_calibration_of_the_same_encoder_does_not_warn(encoder):
    calibration = calibrate(encoder, COMPLETIONS, REFERENCES)
    calibration.check(encoder)  # warnings of semreward are errors here
    assert calibration.encoder_fingerprint == encoder.fingerprint


def test_a_calibration_warns_of_another_encoder_with_both_fingerprints(encoder):
    calibration = calibrate_threshold([0.4, 0.6], encoder_fingerprint="0123")
    with pytest.warns(CalibrationMismatchWarning, match="fingerprint 0123, .* has bigrams-64, .* calibrate again"):
        calibration.check(encoder)


def test_a_calibration_without_a_fingerprint_checks_nothing(encoder):
    calibration = calibrate_threshold([0.4, 0.6])
    calibration.check(encoder)  # warnings of semreward are errors here
    assert calibration.encoder_fingerprint is None


def test_how_the_answer_is_found_is_an_argument(encoder):
    completions = [f"<think>{text}</think>" for text in COMPLETIONS]
    kept = calibrate(encoder, completions, REFERENCES, answer=Answer(reasoning="keep"))
    with pytest.warns(SemRewardWarning, match="4 of 4 answers are empty"):
        removed = calibrate(encoder, completions, REFERENCES, statistic=0.5)
    assert (removed.mean_similarity, kept.mean_similarity > 0) == (0, True)


def test_references_that_differ_among_the_samples_of_a_prompt_are_an_error(encoder):
    with pytest.raises(ArgumentError, match="`references` must repeat .* that of row 1 differs from that of row 0"):
        calibrate(encoder, COMPLETIONS, ["a", "b", "b", "a"], samples_per_prompt=2)


def test_a_sample_that_the_encoder_cannot_read_counts_as_0():
    class Reads(BigramEncoder):
        def encode(self, texts, /):
            if "?" in texts:
                raise UnreadableTextError("?")
            return super().encode(texts)

    cosines = similarities(Reads(80), ["?", "a b"], ["a b", "a b"])
    assert cosines.tolist() == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize(
    ("negatives", "verdict"),
    [
        (None, "Whether this encoder tells right from wrong references was not measured."),
        ([0.1, 0.2], "Fine: this encoder tells right from wrong references (AUC 1.000)."),
        ([0.1, 0.65], "This encoder confuses references (AUC 0.833): look for a better one."),
        ([0.5, 0.6], "This encoder cannot tell right from wrong references (AUC 0.667): do not train with it."),
    ],
)
def test_a_calibration_ends_in_a_verdict(negatives, verdict):
    calibration = calibrate_threshold([0.4, 0.7, 0.8], negatives=negatives)
    assert str(calibration).splitlines()[-1] == calibration.verdict == verdict
