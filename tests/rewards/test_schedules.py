"""Weights of a composite that are functions of the trainer's state."""

import asyncio
import math
import pickle
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace as State

import pytest

from doubles import CountingEncoder, returning
from integrations.test_every_adapter import every_adapter
from semreward import ChrfReward, CompositeReward, LanguageConsistencyReward, MonitoredReward, SemanticSimilarityReward
from semreward.errors import ArgumentError
from semreward.testing import check_reward

ROWS = {"completions": ["ཀ", "ཁ ab", "ab"], "prompts": ["p"] * 3, "reference": ["ཀ", "ཁ", "ཀ"]}


def ramp(state):
    return min(1.0, state.global_step / 100)


@dataclass(frozen=True)
class Ramp:
    steps: int

    def __call__(self, state):
        return min(1.0, state.global_step / self.steps)


def weighted(weight, **options):
    return CompositeReward([(LanguageConsistencyReward("bo"), weight), (ChrfReward(), 2.0)], **options)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (25, 0.25), (100, 1.0), (500, 1.0)])
@pytest.mark.parametrize("schedule", [ramp, Ramp(100), lambda state: min(100, state.global_step) / 100])
@pytest.mark.parametrize("options", [{}, {"mode": "gate", "gates": ["language_consistency"], "floor": -1.0}])
def test_a_schedule_pays_what_its_number_pays(schedule, step, weight, options):
    values = weighted(schedule, **options)(**ROWS, trainer_state=State(global_step=step))
    assert values == weighted(weight, **options)(**ROWS)


def test_a_schedule_is_asked_once_per_call_and_before_any_component():
    asked = []
    reward = CompositeReward([(lambda **_: asked.append("reward") or [1.0], lambda state: asked.append(state) or 0.5)])
    assert reward(completions=["a"], trainer_state=3) == [0.5]
    assert reward(completions=["a"], trainer_state=4) == [0.5]
    assert asked == [3, "reward", 4, "reward"]


@pytest.mark.parametrize("value", [math.nan, math.inf, None, True, "1.0", [1.0]])
def test_a_schedule_that_returns_no_finite_number_is_named(value):
    reward = CompositeReward([(returning(1.0, name="short"), lambda _: value)])
    with pytest.raises(ArgumentError, match=r"weight of `short` must be a finite number, got .*; correct its schedule"):
        reward(completions=["a"], trainer_state=0)


def test_a_schedule_that_raises_is_named_with_its_component():
    with pytest.raises(ArgumentError, match=r"`ramp` of the weight of `language_cons.*` raised .*global_step") as error:
        weighted(ramp)(**ROWS, trainer_state=State(step=1))
    assert isinstance(error.value.__cause__, AttributeError)


def test_a_call_without_a_state_is_refused_before_anything_is_encoded():
    encoder = CountingEncoder()
    reward = CompositeReward([(SemanticSimilarityReward(encoder, threshold=0.1), ramp)])
    with pytest.raises(ArgumentError, match=r"`semantic_similarity`, `ramp`, needs `trainer_state`.*; use a number"):
        reward(**ROWS, trainer_state=None)
    assert not encoder.batches


@pytest.mark.parametrize("weight", [float, ChrfReward(), ChrfReward().as_async()])
def test_a_class_or_a_reward_is_no_schedule(weight):
    with pytest.raises(ArgumentError, match="the weight of `fixed` must be a finite number, got"):
        CompositeReward([(returning(1.0), weight)])


def test_schedules_show_in_signature_and_repr_without_addresses():
    for schedule, shown in ((ramp, "ramp"), (Ramp(7), "7"), (Ramp(7).__call__, "__call__")):
        texts = weighted(schedule).signature(), repr(weighted(schedule))
        assert all(shown in text and " at 0x" not in text for text in texts)
    assert len({weighted(weight).signature() for weight in (1.0, ramp, Ramp(7), Ramp(8))}) == 4


def test_a_pickled_or_replaced_reward_keeps_its_schedule():
    assert pickle.loads(pickle.dumps(weighted(ramp))) == weighted(ramp)
    assert weighted(ramp, name="other").replace(name="composite") == weighted(ramp)


def test_without_bounds_gates_need_a_floor_and_a_trainer_cannot_weigh():
    assert weighted(ramp).bounds is None
    with pytest.raises(ArgumentError, match="must be a finite number, got <function ramp.*; pass the composite itself"):
        _ = weighted(ramp).weights
    with pytest.raises(ArgumentError, match=r"or a schedule\) of language_consistency; pass floor=\.\.\."):
        weighted(ramp, mode="gate", gates=["chrf"])


@pytest.mark.parametrize("step", [0, 50])
def test_the_monitor_measures_with_the_weight_of_the_call(step):
    found, expected = {}, {}
    MonitoredReward(weighted(ramp))(**ROWS, trainer_state=State(global_step=step), log_metric=found.__setitem__)
    MonitoredReward(weighted(step / 100 or 1e-12))(**ROWS, log_metric=expected.__setitem__)
    assert found.pop("composite/language_consistency/weight") == step / 100
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("spawn", [False, True])
def test_nested_and_async_schedules_pay_log_and_keep_the_contract(spawn):
    reward, log = CompositeReward([(weighted(ramp).as_async(), 1.0)], name="outer") if spawn else weighted(ramp), {}
    call = {**ROWS, "trainer_state": State(global_step=50)}
    assert asyncio.run(reward.as_async()(**call, log_metric=log.__setitem__)) == weighted(0.5)(**ROWS)
    assert reward.breakdown(**call)["total"].tolist() == weighted(0.5)(**ROWS)
    assert log["composite/language_consistency/weight"] == 0.5
    examples = [{"completion": text, "reference": text} for text in ("བོད་ཡིག", "a book")]
    check_reward(reward, examples, spawn=spawn).raise_on_failure()


@every_adapter
def test_adapters_refuse_a_schedule_and_take_a_state_that_is_bound(pay):
    with pytest.raises(ArgumentError, match="needs `trainer_state`"):
        pay(weighted(ramp), "ཀ", "ཀ")
    assert pay(partial(weighted(ramp), trainer_state=State(global_step=50)), "ཀ", "ཀ") == pytest.approx(2.5)


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing. is deprecated:FutureWarning")
def test_trl_logs_a_weight_that_rises_with_its_steps(policy_folder, captions, tmp_path):
    from integration.test_trl_trainers import STEPS, train

    rows = [{"prompt": bo, "reference": zh} for zh, bo in captions[:8]]
    reward = CompositeReward([(ChrfReward(), Ramp(4))])
    first, second = train("grpo", policy_folder, reward, rows, tmp_path).state.log_history[:STEPS]
    assert (first["composite/chrf/weight"], first["rewards/composite/mean"]) == (0.0, 0.0)
    assert second["composite/chrf/weight"] == 0.25
    assert second["rewards/composite/mean"] == pytest.approx(0.25 * second["chrf/mean"], rel=1e-5) != 0
