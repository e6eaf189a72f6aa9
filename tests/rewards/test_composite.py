import asyncio
import functools
import math
import pickle
import threading

import numpy as np
import pytest
import torch

import semreward
from doubles import AngleEncoder, BigramEncoder, returning
from semreward import (
    Answer,
    CompositeReward,
    LanguageConsistencyReward,
    SemanticSimilarityReward,
    paper_reward,
)
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderUnavailableError, RewardOutputError


def length(completions, **columns):
    return [float(len(completion)) for completion in completions]


async def eventual(completions, **columns):
    await asyncio.sleep(0.02)
    return [10.0 for _ in completions]


class Half:
    async def __call__(self, completions, **columns):
        return [0.5 for _ in completions]


def test_equation_4_by_hand():
    # tau = 0.6: cosine 1 earns 1, cosine 0.8 earns 0.5; the third answer is right, but Chinese
    reward = paper_reward(AngleEncoder(), "bo", 0.6)
    values = reward(completions=["ཀ", "ཁ", "字", ""], reference=["ཀ"] * 4)
    assert values == pytest.approx([2.5, 1.75, 1.5, 0.0], abs=1e-6)


def test_the_papers_weights_are_1_5_and_1():
    assert paper_reward(BigramEncoder(), "bo", 0.55).weights == [1.5, 1.0]


def test_the_papers_reward_is_made_of_its_parts(encoder):
    similarity = SemanticSimilarityReward(encoder, threshold=0.55, reference_column="answer")
    expected = CompositeReward([(similarity, 1.5), (LanguageConsistencyReward("bo"), 1.0)])
    assert paper_reward(encoder, "bo", 0.55, reference_column="answer") == expected


def test_values_are_weighted_and_summed():
    reward = CompositeReward([(length, 2.0), (returning(1.0, -1.0), 0.5)])
    assert reward(completions=["a", "bb"]) == [2.5, 3.5]


def test_weights_may_be_negative():
    assert CompositeReward([(length, -1)])(completions=["abc"]) == [-3.0]


def test_a_weight_of_zero_logs_without_using():
    columns = {}
    reward = CompositeReward([(length, 1.0), (returning(5.0), 0)])
    values = reward(completions=["a"], log_extra=columns.__setitem__)
    assert (values, columns) == ([1.0], {"length": [1.0], "fixed": [5.0]})


def test_values_are_python_floats():
    assert type(CompositeReward([(lambda completions, **_: np.ones(1), 1.0)])(completions=["a"])[0]) is float


def test_no_completions_give_no_values():
    assert CompositeReward([(length, 1.0), (eventual, 1.0)])(completions=[]) == []


def test_a_component_that_is_none_adds_nothing():
    assert CompositeReward([(returning(None), 1.0), (length, 1.0)])(completions=["ab"]) == [2.0]


def test_a_row_is_none_where_every_component_is():
    reward = CompositeReward([(returning(None, 1.0, name="one"), 1.0), (returning(None, None, name="two"), 1.0)])
    assert reward(completions=["a", "b"]) == [None, 1.0]


def test_a_row_is_a_number_where_a_component_of_weight_zero_applies():
    reward = CompositeReward([(returning(None, name="one"), 1.0), (returning(3.0, name="two"), 0.0)])
    assert reward(completions=["a"]) == [0.0]


def test_components_may_return_arrays_and_tensors():
    reward = CompositeReward([(lambda completions, **_: torch.tensor([0.5]), 1.0)])
    assert reward(completions=["a"]) == [0.5]


def test_an_async_component_is_awaited():
    assert CompositeReward([(eventual, 0.5)])(completions=["a", "b"]) == [5.0, 5.0]


def test_sync_and_async_components_keep_their_order():
    parts = CompositeReward([(eventual, 1.0), (length, 1.0), (Half(), 1.0)]).breakdown(completions=["ab"])
    assert {name: values.tolist() for name, values in parts.items()} == {
        "eventual": [10.0],
        "length": [2.0],
        "Half": [0.5],
        "total": [12.5],
    }


def test_a_partial_of_an_async_function_is_awaited():
    assert CompositeReward([(functools.partial(eventual, scale=1), 1.0)])(completions=["a"]) == [10.0]


def test_async_components_run_together():
    gates = []

    async def waiting(completions, **columns):
        gates.append(asyncio.Event())
        await gates[0].wait()
        return [1.0]

    async def opening(completions, **columns):
        gates[0].set()
        return [1.0]

    assert CompositeReward([(waiting, 1.0), (opening, 1.0)])(completions=["a"]) == [2.0]


def test_it_works_inside_a_running_event_loop():
    async def notebook():
        return CompositeReward([(eventual, 1.0), (length, 1.0)])(completions=["a"])

    assert asyncio.run(notebook()) == [11.0]


def test_an_async_components_error_arrives_inside_a_running_event_loop():
    async def failing(completions, **columns):
        raise OSError("server down")

    async def notebook():
        return CompositeReward([(failing, 1.0)])(completions=["a"])

    with pytest.raises(OSError, match="server down"):
        asyncio.run(notebook())


def test_it_works_in_several_threads_at_once():
    reward = CompositeReward([(eventual, 1.0), (length, 1.0)])
    results = []
    threads = [threading.Thread(target=lambda: results.append(reward(completions=["a"]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[11.0]] * 8


def test_a_components_error_is_not_swallowed():
    def failing(completions, **columns):
        raise OSError("server down")

    with pytest.raises(OSError, match="server down"):
        CompositeReward([(length, 1.0), (failing, 1.0)])(completions=["a"])


def test_every_argument_is_handed_on():
    seen = {}

    def curious(**arguments):
        seen.update(arguments)
        return [0.0]

    state = object()
    CompositeReward([(curious, 1.0)])(
        completions=["a"], prompts=["p"], completion_ids=[[1]], x=[2], trainer_state=state
    )
    assert seen == {"completions": ["a"], "prompts": ["p"], "completion_ids": [[1]], "x": [2], "trainer_state": state}


def test_hooks_are_handed_on_only_where_they_are_given():
    def plain(completions, prompts, completion_ids):
        return [1.0]

    assert CompositeReward([(plain, 1.0)])(completions=["a"]) == [1.0]


def test_components_log_through_the_hooks(encoder):
    metrics = {}
    paper_reward(encoder, "en", 0.5)(completions=["abc"], reference=["abc"], log_metric=metrics.__setitem__)
    assert "semantic_similarity/similarity" in metrics


def test_each_components_mean_is_logged():
    metrics = {}
    reward = CompositeReward([(returning(1.0, None, 3.0), 5.0), (length, 1.0)])
    reward(completions=["a", "bb", "ccc"], log_metric=metrics.__setitem__)
    assert metrics == {"fixed/mean": 2.0, "length/mean": 2.0}


def test_a_component_that_never_applies_has_no_mean():
    metrics = {}
    CompositeReward([(returning(None), 1.0)])(completions=["a"], log_metric=metrics.__setitem__)
    assert metrics == {}


def test_each_components_values_are_logged_as_a_column():
    columns = {}
    CompositeReward([(returning(1.0, None), 5.0)])(completions=["a", "b"], log_extra=columns.__setitem__)
    assert columns == {"fixed": [1.0, None]}


def test_a_breakdown_shows_none_as_nan():
    parts = CompositeReward([(returning(None, 1.0), 2.0)]).breakdown(completions=["a", "b"])
    assert [str(value) for value in [*parts["fixed"], *parts["total"]]] == ["nan", "1.0", "nan", "2.0"]


def test_a_breakdown_holds_double_precision_arrays():
    parts = CompositeReward([(length, 1.0)]).breakdown(completions=["a", "b"])
    assert {(values.dtype, values.shape) for values in parts.values()} == {(np.dtype(np.float64), (2,))}


def test_rewards_and_weights_are_what_a_trainer_takes():
    reward = CompositeReward([(length, 2), (eventual, 0.5)])
    assert (reward.rewards, reward.weights) == ([length, eventual], [2.0, 0.5])


def test_composites_nest():
    inner = CompositeReward([(length, 2.0)], name="inner")
    assert CompositeReward([(inner, 10.0)])(completions=["a"]) == [20.0]


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, "1.0", None, True, 1j])
def test_a_weight_that_is_not_finite_is_named_by_its_reward(weight):
    with pytest.raises(ArgumentError, match="the weight of `length` must be a finite number"):
        CompositeReward([(length, weight)])


@pytest.mark.parametrize("weight", [2, np.float32(2), np.int64(2)])
def test_weights_may_be_any_real_number(weight):
    assert CompositeReward([(length, weight)]).weights == [2.0]


def test_two_components_of_one_name_are_refused(encoder):
    similarities = [(SemanticSimilarityReward(encoder, threshold=threshold), 1.0) for threshold in (0.5, 0.6)]
    with pytest.raises(ArgumentError, match="distinct names .* semantic_similarity, semantic_similarity"):
        CompositeReward(similarities)


def test_a_component_renamed_is_accepted(encoder):
    first = SemanticSimilarityReward(encoder, threshold=0.5)
    reward = CompositeReward([(first, 1.0), (first.replace(threshold=0.6, name="strict"), 1.0)])
    assert list(reward.breakdown(completions=["a"], reference=["a"])) == ["semantic_similarity", "strict", "total"]


def test_a_component_must_not_be_called_total():
    with pytest.raises(ArgumentError, match="other than 'total'"):
        CompositeReward([(returning(1.0, name="total"), 1.0)])


def test_no_components_are_refused():
    with pytest.raises(ArgumentError, match="at least one"):
        CompositeReward([])


@pytest.mark.parametrize("item", [length, (length,), (length, 1.0, 2.0), "ab", 3])
def test_what_is_no_pair_is_refused(item):
    with pytest.raises((ArgumentTypeError, ArgumentError)):
        CompositeReward([item])


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ArgumentTypeError, match="must be callable, got 'model'"):
        CompositeReward([("model", 1.0)])


class OwnModule(torch.nn.Module):
    """A module of a user's own."""


@pytest.mark.parametrize("module", [torch.nn.Linear(1, 1), OwnModule(), torch.nn.Module()])
def test_a_torch_module_is_refused(module):
    name = type(module).__name__
    with pytest.raises(ArgumentTypeError, match=rf"must not be a torch\.nn\.Module, got {name}"):
        CompositeReward([(module, 1.0)])


def test_a_class_is_no_torch_module_for_its_name():
    class Module:
        def __call__(self, completions, **columns):
            return [1.0 for _ in completions]

    assert CompositeReward([(Module(), 2.0)])(completions=["a"]) == [2.0]


def test_an_unknown_mode_is_refused():
    with pytest.raises(ArgumentError, match="`mode`"):
        CompositeReward([(length, 1.0)], mode="product")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ([1.0], "2 expected, got 1"),
        ([1.0, 2.0, 3.0], "2 expected, got 3"),
        ([1.0, math.nan], "finite values, got nan at row 1"),
        ([math.inf, 1.0], "finite values, got inf at row 0"),
        ([1.0, "high"], "one float or None per completion"),
        (None, "one float or None per completion"),
        (1.0, "one float or None per completion"),
    ],
)
def test_what_a_component_must_not_return_is_named(output, message):
    def broken(completions, **columns):
        return output

    with pytest.raises(RewardOutputError, match=f"`broken` must return .*{message}"):
        CompositeReward([(broken, 1.0)])(completions=["a", "b"])


def test_a_component_that_shortens_the_list_of_completions_is_caught():
    def eats(completions, **columns):
        completions.pop()
        return [1.0] * len(completions)

    with pytest.raises(RewardOutputError, match="`eats` must return"):
        CompositeReward([(eats, 1.0)])(completions=["a", "b"])


@pytest.mark.parametrize("name", ["prompts", "completion_ids"])
def test_columns_of_another_length_are_refused(name):
    with pytest.raises(ArgumentError, match=f"`{name}` must have one value per completion"):
        CompositeReward([(length, 1.0)])(completions=["a", "b"], **{name: ["a"]})


def test_completions_that_are_no_list_are_refused():
    with pytest.raises(ArgumentTypeError, match="`completions` must be a list"):
        CompositeReward([(length, 1.0)])(completions="text")


def test_a_replaced_composite_differs_in_one_parameter():
    reward = CompositeReward([(length, 1.0)])
    assert reward.replace(components=[(length, 2.0)]).weights == [2.0]


def test_composites_of_equal_components_are_equal(encoder):
    assert len({paper_reward(BigramEncoder(), "bo", 0.5) for _ in range(2)}) == 1


@pytest.mark.parametrize("other", [paper_reward(BigramEncoder(), "bo", 0.6), paper_reward(BigramEncoder(), "zh", 0.5)])
def test_composites_of_different_components_differ(other):
    assert paper_reward(BigramEncoder(), "bo", 0.5) != other


def test_a_composite_is_the_same_after_pickling(encoder):
    reward = paper_reward(encoder, "bo", 0.5)
    assert pickle.loads(pickle.dumps(reward)) == reward


def test_the_signature_holds_those_of_the_components(encoder):
    reward = CompositeReward([(LanguageConsistencyReward("bo"), 1.0), (length, 0.5)])
    assert reward.signature() == (
        "CompositeReward|answer:Answer(reasoning='remove', tag=None)|"
        f"components:(([{LanguageConsistencyReward('bo').signature()}],1.0),(length,0.5))|floor:None|"
        f"gate_threshold:0.0|gates:()|mode:sum|name:composite|on_error:raise|semreward:{semreward.__version__}"
    )


@pytest.mark.parametrize("wrap", [functools.partial, lambda reward: reward.__call__])
def test_the_signature_tells_wrapped_rewards_apart(wrap):
    found = [CompositeReward([(wrap(LanguageConsistencyReward(tag)), 1.0)]).signature() for tag in ("bo", "en", "bo")]
    assert found[0] == found[2] != found[1]


def test_the_signature_names_the_function_of_a_partial_and_its_arguments():
    assert "((length((scale,2)),0.5))" in CompositeReward([(functools.partial(length, scale=2), 0.5)]).signature()


def test_the_signature_changes_with_the_encoder():
    signatures = {paper_reward(BigramEncoder(width), "bo", 0.5).signature() for width in (32, 64)}
    assert len(signatures) == 2


def test_a_composite_prints_its_components():
    assert repr(CompositeReward([(LanguageConsistencyReward("bo"), 1.0)])).startswith(
        "CompositeReward(name='composite', answer=Answer(reasoning='remove', tag=None), on_error='raise', "
        "components=((LanguageConsistencyReward(name='language_consistency', "
    )


def test_the_name_is_its_function_name():
    assert CompositeReward([(length, 1.0)], name="mine").__name__ == "mine"


def test_sum_that_overflows_is_an_error_that_names_the_row() -> None:
    def huge(completions, **_):
        return [0.0, 1e308]

    with pytest.raises(RewardOutputError, match="overflows at row 1"):
        CompositeReward([(huge, 10.0)])(completions=["a", "b"])


def test_components_of_components_must_have_names_of_their_own():
    inner = [CompositeReward([(LanguageConsistencyReward(tag), 1.0)], name=tag) for tag in ("en", "bo")]
    with pytest.raises(ArgumentError, match="`components`, and theirs, must have distinct names"):
        CompositeReward([(reward, 1.0) for reward in inner])


def test_a_component_inside_an_async_one_keeps_its_name():
    reward = LanguageConsistencyReward("en").as_async()
    assert CompositeReward([(reward, 1.0)])(completions=["yes"]) == [1.0]


@pytest.mark.parametrize("components", [None, LanguageConsistencyReward("en"), {"a": 1.0}])
def test_components_that_are_no_list_are_refused(components):
    with pytest.raises(ArgumentTypeError, match="`components` must be a list of pairs"):
        CompositeReward(components)


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("12", "must return a list of values, got str"),
        ({0: 1.0, 1: 1.0}, "must return a list of values, got dict"),
        (["1", "2"], "got the text '1'"),
        ([10**400, 1], "too large"),
    ],
)
def test_values_that_are_no_numbers_are_refused(output, problem):
    def reward(completions, **columns):
        return output

    with pytest.raises(RewardOutputError, match=problem):
        CompositeReward([(reward, 1.0)])(completions=["a", "b"])


# What belongs to the outermost reward.


class Away:
    """An encoder that cannot be reached."""

    fingerprint = "away"

    def encode(self, texts, /):
        raise EncoderUnavailableError("nobody answers")


def with_outage(**options):
    components = [(SemanticSimilarityReward(Away(), threshold=0.5), 1.5), (LanguageConsistencyReward("en"), 1.0)]
    return CompositeReward(components, **options)


ROWS = {"completions": ["yes", "да", ""], "reference": ["yes"] * 3}


def test_a_row_whose_encoder_is_away_has_no_reward_at_all():
    assert with_outage(on_error="none")(**ROWS) == [None, None, 0.0]


def test_a_row_whose_encoder_is_away_passes_no_gate_and_receives_no_floor():
    reward = with_outage(on_error="none", mode="gate", gates=["language_consistency"])
    assert reward(**ROWS) == [None, None, 0.0]


def test_an_encoder_that_is_away_is_an_error_by_default():
    with pytest.raises(EncoderUnavailableError):
        with_outage()(**ROWS)
    with pytest.raises(EncoderUnavailableError):
        with_outage().breakdown(**ROWS)


def test_an_outage_in_a_composite_of_composites_is_the_outermost_ones():
    outer = CompositeReward([(with_outage(name="inner"), 1.0), (length, 0.0)], on_error="none")
    assert outer(**ROWS) == [None, None, 0.0]


def test_rows_without_a_reward_are_counted_under_the_outermost_name():
    logged = {}
    with_outage(on_error="none")(**ROWS, log_metric=logged.__setitem__)
    assert logged["composite/encoder_errors"] == 2.0


def test_the_composite_says_how_its_components_find_the_answer():
    reward = CompositeReward([(LanguageConsistencyReward("bo"), 1.0)], answer=Answer(reasoning="keep"))
    assert reward(completions=["<think>hm</think>བོད"]) == [0.0]
    assert reward.rewards[0](completions=["<think>hm</think>བོད"]) == [0.0]


def test_an_async_component_that_is_taken_out_finds_the_answer_as_the_composite_does():
    reward = CompositeReward([(LanguageConsistencyReward("bo").as_async(), 1.0)], answer=Answer(reasoning="keep"))
    assert asyncio.run(reward.rewards[0](completions=["<think>hm</think>བོད", "བོད"])) == [0.0, 1.0]


@pytest.mark.parametrize("option", [{"answer": Answer(reasoning="keep")}, {"on_error": "none"}])
@pytest.mark.parametrize("form", [lambda reward: reward, LanguageConsistencyReward.as_async])
def test_a_component_with_an_option_of_the_outermost_reward_is_refused(option, form):
    with pytest.raises(ArgumentError, match=f"`{next(iter(option))}` belongs to the outermost reward"):
        CompositeReward([(form(LanguageConsistencyReward("bo", **option)), 1.0)])


@pytest.mark.parametrize("options", [{"on_error": "none"}, {"mode": "gate", "gates": ["language_consistency"]}])
def test_a_composite_that_a_trainers_sum_cannot_replace_is_not_taken_apart(options):
    with pytest.raises(ArgumentError, match="cannot be taken apart"):
        CompositeReward([(LanguageConsistencyReward("bo"), 1.0)], **options).rewards  # noqa: B018 - a property


def test_a_component_must_not_be_called_as_the_whole():
    inner = CompositeReward([(length, 1.0)])
    with pytest.raises(ArgumentError, match="rename one"):
        CompositeReward([(inner, 1.0)])


def test_async_components_run_together_under_as_async_too():
    encoding, judged = threading.Event(), threading.Event()

    class Waiting(BigramEncoder):
        """Encodes once the judge has run."""

        def encode(self, texts, /):
            encoding.set()
            assert judged.wait(10)
            return super().encode(texts)

    async def judge(completions, **columns):
        while not encoding.is_set():  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(0.001)
        judged.set()
        return [1.0 for _ in completions]

    similarity = SemanticSimilarityReward(Waiting(80), threshold=0.5)
    reward = CompositeReward([(similarity.as_async(), 1.0), (judge, 1.0)])
    assert asyncio.run(reward.as_async()(completions=["a b"], reference=["a b"])) == [pytest.approx(2.0)]
