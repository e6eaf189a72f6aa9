import functools
import math
import pickle

import pytest

from doubles import AngleEncoder, returning
from semreward import (
    CompositeReward,
    LanguageConsistencyReward,
    paper_reward,
    recommended_reward,
)
from semreward.errors import ArgumentError, ArgumentTypeError, RewardOutputError


def length(completions, **columns):
    return [float(len(completion)) for completion in completions]


def bounded(*values, bounds, name="bounded"):
    """A reward function that returns the given values and declares bounds."""
    reward = returning(*values, name=name)
    reward.bounds = bounds
    return reward


def gate(*values, name="gate"):
    return returning(*values, name=name)


def gated(*components, **options):
    """A composite with the gate `gate`."""
    return CompositeReward(components, mode="gate", **{"gates": ["gate"], "floor": -1.0, **options})


@pytest.mark.parametrize(
    ("value", "threshold", "total"),
    [
        (1.0, 0.0, 3.0),
        (0.01, 0.0, 3.0),
        (0.0, 0.0, -1.0),
        (None, 0.0, -1.0),
        (-2.0, 0.0, -1.0),
        (0.5, 0.5, 3.0),
        (0.49, 0.5, -1.0),
        (-0.5, -1.0, -1.0),
    ],
)
def test_a_row_receives_its_sum_only_behind_an_open_gate(value, threshold, total):
    reward = gated((gate(value), 0.0), (returning(3.0), 1.0), gate_threshold=threshold)
    assert reward(completions=["a"]) == [total]


def test_one_of_several_gates_closes_a_row():
    reward = gated(
        (gate(1.0, 1.0, 0.0), 0.0), (gate(1.0, 0.0, 0.0, name="other"), 0.0), (length, 1.0), gates=["gate", "other"]
    )
    assert reward(completions=["a", "bb", "ccc"]) == [1.0, -1.0, -1.0]


def test_a_component_that_does_not_gate_closes_no_row():
    assert gated((gate(1.0), 0.0), (returning(0.0), 1.0))(completions=["a"]) == [0.0]


def test_a_gate_adds_to_the_sum_by_its_weight():
    assert gated((gate(0.5), 2.0), (length, 1.0))(completions=["a"]) == [2.0]


def test_a_row_to_which_nothing_applies_stays_none_behind_gates():
    reward = gated((gate(None, None), 1.0), (returning(None, 1.0), 1.0))
    assert reward(completions=["a", "b"]) == [None, -1.0]


def test_an_async_gate_is_awaited():
    async def gate(completions, **columns):
        return [float(completion == "good") for completion in completions]

    assert gated((gate, 0.0), (length, 1.0))(completions=["good", "bad"]) == [4.0, -1.0]


def test_the_floor_is_the_lowest_total_that_the_components_can_add_up_to():
    penalty = bounded(-1.0, bounds=(-2.0, 0.0), name="penalty")
    bonus = bounded(1.0, bounds=(0.0, 1.0), name="bonus")
    reward = CompositeReward([(penalty, 3.0), (bonus, -0.5), (gate(0.0), 0.0)], mode="gate", gates=["gate"])
    assert reward(completions=["a"]) == [-6.5]


def test_a_component_that_may_not_apply_counts_as_nothing_in_the_lowest_total():
    reward = CompositeReward([(bounded(2.0, bounds=(2, 3)), 1.0), (gate(0.0), 0.0)], mode="gate", gates=["gate"])
    assert reward(completions=["a"]) == [0.0]


def test_a_floor_that_is_stated_is_used():
    reward = CompositeReward(
        [(bounded(1.0, bounds=(0, 1)), 1.0), (gate(0.0), 0.0)], mode="gate", gates=["gate"], floor=-3
    )
    assert reward(completions=["a"]) == [-3.0]


def test_a_floor_that_is_not_known_has_to_be_stated():
    with pytest.raises(ArgumentError, match=r"no bounds .* of length; pass floor=\.\.\."):
        gated((gate(1.0), 0.0), (length, 1.0), floor=None)


def test_a_gate_without_weight_needs_no_bounds():
    reward = gated((gate(0.0), 0.0), (LanguageConsistencyReward("en"), 1.0), floor=None)
    assert reward(completions=["a"]) == [0.0]


def test_a_value_outside_of_its_declared_bounds_is_an_error_where_the_floor_depends_on_it():
    reward = gated((gate(1.0, 1.0), 0.0), (bounded(0.5, -0.5, bounds=(0.0, 1.0)), 1.0), floor=None)
    with pytest.raises(RewardOutputError, match=r"`bounded` declares values in \[0, 1\], got -0\.5 at row 1"):
        reward(completions=["a", "b"])


def test_a_value_outside_of_its_declared_bounds_is_nobodys_business_where_the_floor_is_stated():
    reward = gated((gate(1.0), 0.0), (bounded(-0.5, bounds=(0.0, 1.0)), 1.0), floor=0.0)
    assert reward(completions=["a"]) == [-0.5]


def test_a_value_outside_of_its_declared_bounds_is_nobodys_business_without_weight():
    reward = gated((gate(1.0), 0.0), (bounded(-0.5, bounds=(0.0, 1.0)), 0.0), floor=None)
    assert reward(completions=["a"]) == [0.0]


def test_rounding_beyond_declared_bounds_is_no_error():
    reward = gated((gate(1.0), 0.0), (bounded(1.0 + 1e-9, bounds=(0.0, 1.0)), 1.0), floor=None)
    assert reward(completions=["a"]) == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("components", "bounds"),
    [
        ([(LanguageConsistencyReward("bo"), 2.0)], (0.0, 2.0)),
        ([(LanguageConsistencyReward("bo"), -2.0)], (-2.0, 0.0)),
        ([(LanguageConsistencyReward("bo"), 1.0), (bounded(bounds=(-1, 3)), 0.5)], (-0.5, 2.5)),
        ([(LanguageConsistencyReward("bo").as_async(), 1.0), (length, 0.0)], (0.0, 1.0)),
        ([(functools.partial(bounded(bounds=(0, 4))), 1.0)], (0.0, 4.0)),
        ([(CompositeReward([(LanguageConsistencyReward("bo"), 3.0)], name="inner"), 2.0)], (0.0, 6.0)),
        ([(length, 1.0)], None),
        ([(bounded(bounds=(2, 2)), 1.0)], (0.0, 2.0)),
        ([(bounded(bounds=(3, 1)), 1.0)], None),
        ([(bounded(bounds="wide"), 1.0)], None),
        ([(bounded(bounds=(0.0, math.inf)), 1.0)], None),
        ([(bounded(bounds=(0.0, 1e308)), 10.0)], None),
    ],
)
def test_bounds_follow_from_those_of_the_components(components, bounds):
    assert CompositeReward(components).bounds == bounds


def test_a_stated_floor_widens_the_bounds():
    reward = gated((gate(1.0), 0.0), (bounded(bounds=(0.0, 1.0)), 1.0), floor=-5.0)
    assert reward.bounds == (-5.0, 1.0)


def test_a_breakdown_tells_which_gates_a_row_failed():
    reward = gated((gate(1.0, 0.0, None), 0.0), (length, 1.0), gates=["gate", "length"], gate_threshold=1.0)
    parts = reward.breakdown(completions=["a", "", "c"])
    assert {name: values.tolist() for name, values in parts.items() if name not in {"gate", "length"}} == {
        "gate/failed": [0.0, 1.0, 1.0],
        "length/failed": [0.0, 1.0, 0.0],
        "gated": [0.0, 1.0, 1.0],
        "total": [1.0, -1.0, -1.0],
    }


def test_shares_of_failed_rows_are_logged():
    metrics = {}
    reward = gated((gate(1.0, 0.0), 0.0), (length, 1.0), gates=["gate", "length"])
    reward(completions=["a", ""], log_metric=metrics.__setitem__)
    assert metrics == {
        "gate/mean": 0.5,
        "length/mean": 0.5,
        "composite/gated": 0.5,
        "gate/failed": 0.5,
        "length/failed": 0.5,
    }


def test_failed_gates_are_logged_as_a_column():
    columns = {}
    reward = gated((gate(1.0, 0.0), 0.0), (length, 1.0), gates=["gate", "length"])
    reward(completions=["a", ""], log_extra=columns.__setitem__)
    assert columns == {"gate": [1.0, 0.0], "length": [1.0, 0.0], "composite/failed_gates": ["", "gate, length"]}


def test_columns_are_the_same_whether_a_gate_closes_or_not():
    first, second = {}, {}
    reward = gated((LanguageConsistencyReward("en"), 0.0), (length, 1.0), gates=["language_consistency"])
    reward(completions=["a"], log_extra=first.__setitem__)
    reward(completions=["字"], log_extra=second.__setitem__)
    assert first.keys() == second.keys()


def test_no_completions_log_no_gates():
    metrics = {}
    reward = gated((gate(), 0.0), (length, 1.0))
    assert (reward(completions=[], log_metric=metrics.__setitem__), metrics) == ([], {})


def test_gates_may_be_any_collection_and_repeat():
    assert gated((gate(1.0), 1.0), gates=("gate", "gate")).gates == ("gate",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gates": []}, "needs `gates`"),
        ({"gates": ["gate", "missing"]}, "must name components, got 'missing'; there are gate, fixed"),
        ({"gate_threshold": math.nan}, "`gate_threshold`"),
        ({"gate_threshold": "0.5"}, "`gate_threshold`"),
        ({"floor": math.inf}, "`floor`"),
        ({"floor": True}, "`floor`"),
    ],
)
def test_a_gate_that_cannot_work_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        gated((gate(1.0), 0.0), (returning(1.0), 1.0), **options)


@pytest.mark.parametrize("gates", ["gate", None, 3])
def test_gates_that_are_no_list_are_refused(gates):
    with pytest.raises(ArgumentTypeError, match="`gates` must be a list"):
        gated((gate(1.0), 1.0), gates=gates)


@pytest.mark.parametrize("options", [{"gates": ["fixed"]}, {"gate_threshold": 0.5}, {"floor": 0.0}])
def test_a_sum_has_no_gates(options):
    with pytest.raises(ArgumentError, match="need mode='gate'"):
        CompositeReward([(returning(1.0), 1.0)], **options)


def test_a_component_must_not_be_called_gated():
    with pytest.raises(ArgumentError, match="other than 'total', 'gated' and 'composite'"):
        CompositeReward([(returning(1.0, name="gated"), 1.0)])


def test_the_signature_tells_the_gates():
    assert "|floor:-1.0|gate_threshold:0.0|gates:(gate)|mode:gate|" in gated((gate(1.0), 1.0)).signature()


def test_a_composite_with_gates_is_the_same_after_pickling(encoder):
    reward = recommended_reward(encoder, "bo", 0.5, source_column="source")
    assert pickle.loads(pickle.dumps(reward)) == reward


def test_a_wrong_language_earns_nothing_of_the_recommended_reward():
    # the third answer has the reference's meaning, but is Chinese; the last one is empty
    reward = recommended_reward(AngleEncoder(), "bo", 0.6)
    values = reward(completions=["ཀ", "ཁ", "字", ""], reference=["ཀ"] * 4)
    assert values == pytest.approx([2.5, 1.75, 0.0, 0.0], abs=1e-6)


def test_the_recommended_reward_is_the_papers_where_every_gate_is_open(encoder):
    rows = {"completions": ["ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།"], "reference": ["ཁོས་ཀུ་ཤུ་གསུམ་ཉོས་སོང་།"], "source": ["他买了三个苹果"]}
    recommended = recommended_reward(encoder, "bo", 0.1, source_column="source")(**rows)
    assert recommended == paper_reward(encoder, "bo", 0.1)(**rows)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ("ཁོང་གིས་苹果་༣་ཉོས།", "language_consistency"),
        ("ཀུ༣", "length_ratio"),
        ("ཁོང་གིས་ཀུ་ཤུ་༣་ཉོས།" * 3, "length_ratio, repetition"),
        ("ཁོང་གིས་ཀུ་ཤུ་༤་ཉོས།", "number_recall"),
        ("བོད་ཡིག་གི་ཚིག་མཛོད་ཆེན་མོ༣།", "source_copy"),
    ],
)
def test_each_gate_of_the_recommended_reward_closes(encoder, answer, failed):
    columns = {}
    values = recommended_reward(encoder, "bo", 0.1, source_column="source")(
        completions=[answer],
        reference=["ཁོང་གིས་ཀུ་ཤུ་༣་ཉོས།"],
        source=["3 个 བོད་ཡིག་གི་ཚིག་མཛོད་ཆེན་མོ"],
        log_extra=columns.__setitem__,
    )
    assert (values, columns["composite/failed_gates"]) == ([0.0], [failed])


def test_the_recommended_rewards_band_of_lengths_can_be_widened(encoder):
    row = {"completions": ["a red hat and a blue coat"], "reference": ["a red hat"]}
    rewards = [recommended_reward(encoder, "en", -1.0, **options) for options in ({}, {"length": (0.3, 3.0)})]
    assert [reward(**row)[0] > 0 for reward in rewards] == [False, True]


def test_the_recommended_reward_demands_numbers_that_are_written_out_on_demand(encoder):
    row = {"completions": ["ཁོས་ཀུ་ཤུ་བཞི་ཉོས།"], "reference": ["ཁོས་ཀུ་ཤུ་གསུམ་ཉོས།"]}
    rewards = [recommended_reward(encoder, "bo", -1.0, written_out=choice) for choice in (False, True)]
    assert [reward(**row)[0] > 0 for reward in rewards] == [True, False]


def test_without_a_source_column_nothing_counts_as_copied(encoder):
    assert "source_copy" not in recommended_reward(encoder, "bo", 0.5).gates


def test_the_recommended_reward_reads_the_columns_it_is_told(encoder):
    reward = recommended_reward(encoder, "en", 0.5, source_column="prompts", reference_column="answer")
    values = reward(completions=["a red hat"], answer=["a red hat"], prompts=[[{"role": "user", "content": "ein Hut"}]])
    assert values == pytest.approx([2.5])


def test_gates_of_a_set_have_one_order():
    components = [(gate(1.0, name=name), 1.0) for name in ("c", "a", "b")]
    reward = CompositeReward(components, mode="gate", gates={"c", "a", "b"}, floor=0.0)
    assert reward.gates == ("a", "b", "c")
