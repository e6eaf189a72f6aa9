"""Each rule of the kit is tried on a reward that breaks it, and on nothing else."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from conformance import broken, misbehaving
from semreward import LanguageConsistencyReward
from semreward.errors import ContractError
from semreward.testing import CHECK_NAMES, check_reward

pytestmark = pytest.mark.usefixtures("unchanged_process")

FORM_CHECKS = {
    "plain_form",
    "conversational_form",
    "content_parts_form",
    "several_messages",
    "reasoning_ignored",
    "large_batch",
}
COLUMN_CHECKS = {"missing_column", "mismatched_lengths", "missing_value", "wrong_type"}
PROCESS_CHECKS = {"spawned_process", "async_grpo_call"}  # with spawn=False
UNASKED_CHECKS = {"ordered_cases", "hides_secrets"}  # without the arguments that they check
UNIT = {"bounds": (0.0, 1.0)}
ORDERED = {"ordered": [{"completions": ["the cat", "a cat, or dog, or bird", ""], "reference": "the cat"}]}
SECRETS = {"secrets": [misbehaving.KEY]}
SPAWN = {"spawn": True}

# Reward, the checks that must fail and no others, arguments of check_reward.
BROKEN = [
    (broken.IsModule(), {"not_a_module"}, {}),
    (broken.positional_only, {"called_by_keyword"}, {}),
    (misbehaving.AlwaysRaises(), {"called_by_keyword"}, {}),
    (broken.BlankInName(), {"stable_name"}, {}),
    (broken.NumberForName(), {"stable_name"}, {}),
    (broken.NameRaises(), {"called_by_keyword", "stable_name"}, {}),
    (broken.NameChanges(), {"stable_name", "pickles"}, {}),
    (broken.anonymous, {"stable_name", "pickles"}, {}),
    (broken.OneTooFew(), {"one_value_a_completion"}, {}),
    (broken.Generates(), {"one_value_a_completion"}, {}),
    (broken.ReturnsDict(), {"one_value_a_completion"}, {}),
    (broken.not_async, {"one_value_a_completion"}, {}),
    (broken.ReturnsArray(), {"python_floats"}, {}),
    (broken.NumpyNumbers(), {"python_floats"}, {}),
    (broken.Booleans(), {"python_floats"}, {}),
    (broken.IntegerForBlank(), {"python_floats"}, {}),
    (broken.NotANumber(), {"finite_values"}, UNIT),
    (broken.BeyondFloat32(), {"finite_values"}, {}),
    (broken.Tripled(), {"within_bounds"}, UNIT),
    (broken.DeclaresTooLittle(), {"within_bounds"}, {}),
    (broken.DeclaresNoRange(), {"within_bounds"}, {}),
    (broken.DeclaresNothingness(), {"within_bounds"}, {}),
    (broken.NegativeForBlank(), {"within_bounds"}, UNIT),
    (broken.NeverApplies(), {"applies_to_examples"}, {}),
    (broken.SwallowsATypo(), {"applies_to_examples"}, {}),
    (broken.Moody(), {"deterministic"}, {}),
    (broken.DividesByLength(), {"hostile_texts"}, {}),
    (broken.InfiniteForBlank(), {"hostile_texts"}, {}),
    (broken.SkipsBlank(), {"hostile_texts"}, {}),
    (broken.SmallBatches(), {"hostile_texts"}, {}),
    (broken.NothingForNothing(), {"empty_batch"}, {}),
    (broken.MeanOfNothing(), {"empty_batch"}, {}),
    (broken.PaysForLength(), {"ordered_cases"}, ORDERED),
    (broken.ChangesColumn(), {"inputs_unchanged"}, {}),
    (broken.ChangesColumnOfTexts(), {"inputs_unchanged", "conversational_form", "content_parts_form"}, {}),
    (broken.SplitsInPlace(), {"inputs_unchanged"}, {}),
    (broken.ChangesMessages(), {"inputs_unchanged"}, {}),
    (broken.ChangesParts(), {"inputs_unchanged"}, {}),
    (broken.no_further_columns, {"ignores_unknown_columns"}, {}),
    (broken.everything_is_a_column, {"takes_trainer_arguments"}, {}),
    (broken.takes_no_token_ids, {"grpo_call"}, {}),
    (broken.BirdsFirst(), {"row_order"}, {}),
    (broken.AloneIsBetter(), {"batch_split"}, {}),
    (broken.FirstRowWins(), {"row_order", "batch_split", "identical_rows"}, {}),
    (broken.MinusMean(), {"batch_split", "hostile_neighbours"}, {}),
    (broken.SharedAmongCopies(), {"identical_rows"}, {}),
    (broken.DropsCopies(), {"identical_rows", "hostile_texts"}, {}),
    (broken.Jitters(), {"identical_rows"}, {}),
    (broken.SharesABudget(), {"hostile_neighbours"}, {}),
    (broken.ForgetsAfter64(), {"large_batch"}, {}),
    (broken.TextOnly(), {"conversational_form", "content_parts_form"}, {}),
    (broken.RendersMessages(), {"conversational_form", "content_parts_form"}, {}),
    (broken.MessagesOnly(), {"plain_form", "content_parts_form"}, {"examples": broken.CONVERSATIONS}),
    (broken.NoPlainText(), {"plain_form"}, {"examples": broken.CONVERSATIONS}),
    (broken.NoParts(), {"content_parts_form"}, {}),
    (broken.FirstMessage(), {"several_messages"}, {}),
    (broken.ReadsTheLastMessage(), {"trailing_tool_message"}, {}),
    (broken.ReadsReasoningField(), {"conversational_form"}, {}),
    (broken.ReadsReasoning(), {"reasoning_ignored"}, {}),
    (broken.NeedsTheOpeningTag(), {"reasoning_ignored"}, {}),
    (broken.FindsTheAnswerInReasoning(), {"reasoning_ignored"}, {}),
    (broken.KeepsUnfinishedReasoning(), {"unfinished_reasoning"}, {}),
    (broken.RemovesOneThought(), {"second_reasoning"}, {}),
    (broken.ZeroWithoutColumn(), {"missing_column"}, {}),
    (broken.UnclearWithoutColumn(), {"missing_column"}, {}),
    (broken.ShortestWins(), {"mismatched_lengths"}, {}),
    (broken.ZeroForNone(), {"missing_value"}, {}),
    (broken.DropsNone(), {"missing_value"}, {}),
    (broken.ReadsAnything(), {"wrong_type"}, {}),
    (broken.EqualOrNothing(), {"wrong_type"}, {}),
    (misbehaving.RunsALoop(), {"inside_event_loop"}, {}),
    (misbehaving.KeepsTheCall(), {"threads"}, {}),
    (misbehaving.KeepsTheCallInItsThread(), {"awaited_together"}, {}),
    (misbehaving.HoldsALock(), {"pickles"}, {}),
    (broken.make_closure(2.0), {"pickles"}, {}),
    (misbehaving.ForgetsItsScale(2.0), {"pickles"}, {}),
    (misbehaving.ForgetsItsName("named"), {"pickles"}, {}),
    (misbehaving.CarriesWeights(), {"pickles_without_weights"}, {}),
    (misbehaving.LoadsWeightsIntoItself(), {"unchanged_by_calls", "pickles_without_weights"}, {}),
    (misbehaving.RemembersCalls(), {"unchanged_by_calls"}, {}),
    (misbehaving.CarriesAKey(), {"hides_secrets"}, SECRETS),
    (misbehaving.ShowsAKey(), {"hides_secrets"}, SECRETS),
    (misbehaving.SignsWithAKey(), {"hides_secrets"}, SECRETS),
    (misbehaving.BoundToItsProcess(), {"spawned_process"}, SPAWN),
    (misbehaving.NeedsAGpu(), {"spawned_process"}, SPAWN),
    (misbehaving.BeginsInTheMainThread(), {"async_grpo_call"}, SPAWN),
    (misbehaving.LoadsWithoutALock(), {"async_grpo_call"}, SPAWN),
    (misbehaving.ForgetsValuesInThreads(), {"async_grpo_call"}, SPAWN),
    (misbehaving.SignedWithAddress(), {"signature"}, {}),
    (misbehaving.SignedWithNumber(), {"signature"}, {}),
    (misbehaving.SignedWithCounter(), {"signature"}, {}),
    (misbehaving.CannotSign(), {"signature"}, {}),
    (misbehaving.ForgetsAParameter(), {"signature_complete"}, {}),
    *((misbehaving.Meddles(what), {"random_generators"}, {}) for what in ("random", "numpy", "torch")),
    *((misbehaving.Meddles(what), {"process_settings"}, {}) for what in list(misbehaving.MEDDLING)[3:]),
    (misbehaving.LogsForeignColumn(), {"log_columns"}, {}),
    (misbehaving.LogsShortColumn(), {"log_columns"}, {}),
    (misbehaving.LogsTwice(), {"log_columns"}, {}),
    (misbehaving.LogsSometimes(), {"log_columns"}, {}),
    (misbehaving.LogsForeignMetric(), {"log_metrics"}, {}),
    (misbehaving.LogsNaN(), {"log_metrics"}, {}),
]


def checked(reward, *, examples=broken.EXAMPLES, spawn=False, **options):
    return check_reward(reward, examples, spawn=spawn, **options)


def named(report, status):
    return {result.name for result in report.results if result.status == status}


def message_of(report, name):
    return next(result.message for result in report.results if result.name == name)


def title(value):
    return getattr(value, "__qualname__", type(value).__name__)


@pytest.mark.parametrize(("reward", "failing", "options"), BROKEN, ids=[title(row[0]) for row in BROKEN])
def test_only_the_broken_rules_fail(reward, failing, options):
    report = checked(reward, **options)
    assert named(report, "failed") == failing, str(report)


def test_every_check_is_the_only_one_that_some_reward_fails():
    assert {name for _, failing, _ in BROKEN for name in failing if len(failing) == 1} == set(CHECK_NAMES)


UNSENDABLE = [{**row, "checker": lambda text: text} for row in broken.EXAMPLES]
WITHOUT_REFERENCE = [{**row, "reference": None} for row in broken.EXAMPLES]
OUT_OF_RANGE = (
    "values must lie in the declared range, but row 0 earned 3.0, outside [0.0, 1.0]; "
    "clip them, or declare the true range"
)

# Reward, arguments of check_reward, a check, and what its message says.
MESSAGES = [
    (broken.Tripled(), UNIT, "within_bounds", OUT_OF_RANGE),
    (misbehaving.AlwaysRaises(), {}, "called_by_keyword", "it raised ZeroDivisionError: division by zero"),
    (misbehaving.AlwaysRaises(), {}, "threads", "not run, because `deterministic` did not pass"),
    (broken.DividesByLength(), {}, "hostile_texts", "the completion '' raised ZeroDivisionError"),
    (broken.SmallBatches(), {}, "hostile_texts", "13 completions together raised MemoryError"),
    (broken.UnclearWithoutColumn(), {}, "missing_column", "is not iterable, which does not name the column"),
    (broken.ZeroForNone(), {"examples": WITHOUT_REFERENCE}, "missing_value", "no example has a value"),
    (broken.Sound(), {"examples": broken.EXAMPLES[:1] * 3}, "row_order", "give examples that earn different values"),
    (misbehaving.ForgetsAParameter(), {}, "signature_complete", "another `lower` than False left it as it was"),
    (misbehaving.CarriesAKey(), SECRETS, "hides_secrets", "one shows in its pickle;"),
    (broken.Sound(), {"examples": UNSENDABLE, **SPAWN}, "spawned_process", "examples cannot be sent to a process"),
    (misbehaving.BoundToItsProcess(), SPAWN, "spawned_process", "RuntimeError: the connection belongs to another"),
    (misbehaving.NamedAfterItsProcess(), SPAWN, "spawned_process", "'parent' is called 'child'"),
    (misbehaving.BeginsInTheMainThread(), SPAWN, "async_grpo_call", "it raised ValueError: signal only works in main"),
    (misbehaving.ForgetsValuesInThreads(), SPAWN, "async_grpo_call", "row 0 earned 0.0 instead of 1.0"),
]


@pytest.mark.parametrize(("reward", "options", "check", "text"), MESSAGES, ids=[row[3][:40] for row in MESSAGES])
def test_a_message_says_rule_row_value_and_remedy(reward, options, check, text):
    report = checked(reward, **options)
    assert text in message_of(report, check)
    assert misbehaving.KEY not in str(report)


@pytest.mark.parametrize(
    "reward",
    [
        broken.Sound(),
        broken.SoundAsync(),
        broken.NotForAll(),
        broken.DeclaresItsRange(),
        misbehaving.Weighted(0.5),
        broken.sound_function,
        broken.sound_coroutine,
    ],
    ids=title,
)
@pytest.mark.parametrize("examples", [broken.EXAMPLES, broken.CONVERSATIONS], ids=["plain", "conversational"])
def test_a_sound_reward_passes(reward, examples):
    report = checked(reward, examples=examples, bounds=(0.0, 1.0))
    assert report.passed, str(report)


def test_a_sound_reward_leaves_only_what_it_lacks_unchecked():
    report = checked(broken.Sound(), bounds=(0.0, 1.0))
    assert named(report, "skipped") == PROCESS_CHECKS | UNASKED_CHECKS | {
        "awaited_together",
        "signature",
        "signature_complete",
    }


@pytest.mark.parametrize("reward", [broken.Sound(), broken.SoundAsync()], ids=title)
def test_a_sound_reward_passes_in_a_spawned_process(reward):
    assert named(checked(reward, spawn=True), "passed") >= PROCESS_CHECKS


def test_one_process_answers_all_checks(monkeypatch):
    started = []
    monkeypatch.setattr(
        subprocess, "run", lambda *args, _run=subprocess.run, **named: started.append(args) or _run(*args, **named)
    )
    checked(broken.Sound(), spawn=True)
    assert len(started) == 1


def test_a_reward_that_declares_its_range_is_held_to_it():
    assert "within_bounds" in named(checked(broken.DeclaresItsRange()), "passed")


def test_a_range_that_is_passed_goes_before_the_declared_one():
    assert "within_bounds" in named(checked(broken.DeclaresTooLittle(), bounds=(0.0, 1.0)), "passed")


def test_ordered_answers_in_order_pass():
    cases = [{"completions": ["the cat", "the hat", "xyz", ""], "reference": "the cat", "prompt": "?"}]
    assert "ordered_cases" in named(checked(broken.Sound(), ordered=cases), "passed")


def test_ordered_answers_come_with_their_own_token_ids():
    def brevity(completions, completion_ids, **columns):
        return [1 / len(ids) for ids in completion_ids]

    rows = [{"completion": "a b", "completion_ids": [1, 2]}]
    cases = [{"completions": ["a", "a b"], "completion_ids": [[1], [1, 2]]}]
    assert "ordered_cases" in named(checked(brevity, examples=rows, ordered=cases), "passed")


def test_examples_that_reason_are_put_into_reasoning_without_their_own():
    rows = [{**row, "completion": f"<think>hm</think>{row['completion']}"} for row in broken.EXAMPLES]
    report = checked(broken.Sound(), examples=rows)
    assert {"reasoning_ignored", "unfinished_reasoning"} <= named(report, "passed")


def test_ordered_answers_may_be_messages():
    cases = [{"completions": [row["completion"] for row in broken.CONVERSATIONS[:2]], "reference": "the cat sat"}]
    assert "ordered_cases" in named(checked(broken.Sound(), ordered=cases), "passed")


def test_an_answer_that_is_out_of_order_is_named_with_both_values():
    cases = [
        {"completions": ["the cat", ""], "reference": "the cat"},
        {"completions": ["the", "cat the", "the cat!", "t"], "reference": "the cat"},
    ]
    message = message_of(checked(broken.Sound(), ordered=cases), "ordered_cases")
    assert "case 1: 'cat the' earned 1.0, more than the better answer 'the' earned 0.5" in message
    assert "case 0" not in message


def test_ordered_answers_within_the_tolerance_are_equal():
    cases = [{"completions": ["the", "the cat", "x"], "reference": "the cat"}]
    assert "ordered_cases" in named(checked(broken.Sound(), ordered=cases, tolerance=0.5, bounds=(0, 1)), "failed")
    cases = [{"completions": ["the ca", "the cat", ""], "reference": "the cats"}]
    assert "ordered_cases" in named(checked(broken.Sound(), ordered=cases, tolerance=0.2), "passed")


def test_ordered_answers_that_all_earn_the_same_fail():
    cases = [{"completions": ["the cat", "cat the"], "reference": "the cat"}]
    message = message_of(checked(broken.Sound(), ordered=cases), "ordered_cases")
    assert "the best, 'the cat' earned 1.0, and the worst, 'cat the' earned 1.0" in message


def test_an_ordered_answer_without_a_value_fails():
    cases = [{"completions": ["the cat", "a dog", ""], "reference": "the cat"}]
    message = message_of(checked(broken.NotForAll(), ordered=cases), "ordered_cases")
    assert "'a dog' earned None, which cannot be ordered" in message


def test_an_ordered_case_that_cannot_be_called_fails():
    cases = [{"completions": ["the cat", ""]}]
    assert "it raised KeyError: 'reference'" in message_of(checked(broken.Sound(), ordered=cases), "ordered_cases")


def test_a_reward_that_cannot_be_pickled_may_hide_its_secrets():
    assert "hides_secrets" in named(checked(misbehaving.HoldsALock(), **SECRETS), "passed")


def test_parameters_that_decide_no_number_need_not_be_signed():
    assert {"signature", "signature_complete"} <= named(checked(misbehaving.Weighted()), "passed")


def test_metrics_of_wrapped_rewards_are_named_after_them():
    report = checked(misbehaving.Wrapper(broken.Sound()))
    assert report.passed, str(report)


def test_a_report_is_plain_data():
    report = checked(broken.Tripled(), bounds=(0.0, 1.0))
    data = json.loads(json.dumps(dataclasses.asdict(report)))
    assert (data["reward"], report.passed) == ("sound", False)
    assert [row["name"] for row in data["results"]] == list(CHECK_NAMES)
    assert all(row.keys() == {"name", "status", "message"} for row in data["results"])


def test_a_reward_in_main_is_not_spawned(monkeypatch):
    monkeypatch.setattr(broken.SoundAsync, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "SoundAsync", broken.SoundAsync, raising=False)
    report = checked(broken.SoundAsync(), spawn=True)
    assert "move it to a module" in message_of(report, "spawned_process")


def test_the_error_lists_every_failure():
    report = checked(broken.FirstRowWins())
    with pytest.raises(ContractError, match=r"(?s)3 of 48 checks:.*row_order: .*batch_split: .*identical_rows: "):
        report.raise_on_failure()


def test_the_report_of_a_sound_reward_raises_nothing():
    assert checked(broken.Sound()).raise_on_failure() is None


def test_the_report_prints_a_line_for_each_check():
    report = checked(broken.Sound())
    assert [line.split()[1] for line in str(report).splitlines()[1:]] == list(CHECK_NAMES)


def test_the_report_prints_a_summary_first():
    report = checked(broken.Tripled(), bounds=(0.0, 1.0))
    assert str(report).splitlines()[0] == "sound: 40 passed, 1 failed, 7 skipped"


def test_what_follows_a_failure_is_skipped():
    report = checked(broken.Moody())
    assert message_of(report, "row_order") == "not run, because `deterministic` did not pass"


def test_the_tolerance_decides_what_counts_as_equal():
    assert "batch_split" in named(checked(broken.MinusMean(), tolerance=1.0), "passed")


def test_one_example_leaves_the_batch_unchecked():
    report = checked(broken.Sound(), examples=broken.EXAMPLES[:1])
    assert named(report, "skipped") >= {"row_order", "batch_split"}


def test_examples_of_several_messages_leave_the_forms_unchecked():
    calls = [{"role": "assistant", "content": "let me see"}, {"role": "tool", "content": "42"}]
    rows = [{**row, "completion": [*calls, *row["completion"]]} for row in broken.CONVERSATIONS]
    report = checked(broken.Sound(), examples=rows)
    assert report.passed
    assert named(report, "skipped") >= FORM_CHECKS


def test_columns_that_a_reward_does_not_use_are_left_alone():
    rows = [{**row, "difficulty": 3} for row in broken.EXAMPLES]
    report = checked(broken.Sound(), examples=rows)
    assert report.passed, str(report)


def test_columns_may_hold_arrays_and_mappings():
    rows = [{**row, "features": np.arange(3.0), "info": {"tags": ["easy"]}} for row in broken.EXAMPLES]
    report = checked(broken.Sound(), examples=rows)
    assert report.passed, str(report)


def test_examples_without_columns_leave_columns_unchecked():
    rows = [{"completion": "yes"}, {"completion": "是"}]
    report = checked(LanguageConsistencyReward("en"), examples=rows, **UNIT)
    assert named(report, "skipped") == COLUMN_CHECKS | PROCESS_CHECKS | UNASKED_CHECKS | {"awaited_together"}


def test_examples_may_be_content_parts():
    parts = [[{"role": "assistant", "content": [{"type": "text", "text": text}]}] for text in ("yes", "是")]
    rows = [{"completion": completion} for completion in parts]
    report = checked(LanguageConsistencyReward("en"), examples=rows, **UNIT)
    assert named(report, "skipped") == COLUMN_CHECKS | PROCESS_CHECKS | UNASKED_CHECKS | {"awaited_together"}


def test_completions_that_are_more_than_text_leave_the_forms_unchecked():
    seen = [
        [{"role": "assistant", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        for text in ("yes", "是")
    ]
    report = checked(LanguageConsistencyReward("en"), examples=[{"completion": completion} for completion in seen])
    assert named(report, "skipped") >= FORM_CHECKS


def test_prompts_reach_the_reward_in_the_form_of_the_completions():
    rows = [{**row, "prompt": "say it"} for row in broken.EXAMPLES]
    seen = []

    def listener(completions, prompts, reference, **columns):
        seen.extend((type(prompt), type(completion)) for prompt, completion in zip(prompts, completions, strict=True))
        return broken.sound_function(completions, reference)

    checked(listener, examples=rows)
    assert set(seen) >= {(str, str), (list, list)}
