"""TRL's own rewards through the kit. The failures are strict: one that is repaired fails here, and so does a new one.

What they mean for users is in docs/trl_rewards.md, whose table is compared with what the kit finds.
"""

import importlib.util
import re
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from semreward.testing import CHECK_NAMES, check_reward

trl = pytest.importorskip("trl", reason="needs the extra `train`")
if tuple(map(int, trl.__version__.split(".")[:2])) < (1, 16):
    pytest.skip("the findings are of TRL 1.16", allow_module_level=True)
rewards = pytest.importorskip("trl.rewards", reason="needs the extra `train`")

DOCUMENT = Path(__file__).parents[2] / "docs" / "trl_rewards.md"

needs_math_verify = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None, reason="needs math-verify, which TRL asks for"
)


def message(text):
    return [{"role": "assistant", "content": text}]


def rows_of(texts, **columns):
    rows = zip(*columns.values(), strict=True) if columns else [()] * len(texts)
    return [
        {"completion": message(text), **dict(zip(columns, row, strict=True))}
        for text, row in zip(texts, rows, strict=True)
    ]


THIRD, HALF = (rf"The answer is \boxed{{\frac{{1}}{{{value}}}}}." for value in (3, 2))
SEVEN = "The answer is $7$."
SOLUTIONS = [r"$\frac{1}{3}$", r"$\frac{1}{3}$", "$7$"]
ANSWERS = [message(THIRD), message(HALF)]
SHORT_TO_LONG = [message("a b"), message("a b c d e f"), message("a b c d e f g h")]

SINGLE_TEXTS = "it reads completion[0]['content'], the text of the only message"
ONE_MESSAGE = {"plain_form": SINGLE_TEXTS, "content_parts_form": SINGLE_TEXTS, "several_messages": SINGLE_TEXTS}
IDS_ONLY = {"mismatched_lengths": "it counts completion_ids, and does not look at the completions"}
ANY_BOX = {"reasoning_ignored": "a \\boxed answer in the reasoning goes before one without a box after it"}
FOREIGN_COLUMNS = {"log_columns": "it logs solution, gold_parsed and answer_parsed, whoever else does"}

# The reward, its arguments in `check_reward`, the checks that it fails.
CASES = {
    "think_format_reward": (
        rewards.think_format_reward,
        {
            "examples": rows_of(["<think>\nhm\n</think>\nyes", "yes", "<think>hm"]),
            "ordered": [{"completions": [message("<think>hm</think>yes"), message("yes")]}],
            "bounds": (0.0, 1.0),
        },
        {**ONE_MESSAGE, "reasoning_ignored": "it judges the reasoning: that is its purpose"},
    ),
    "soft_overlong_punishment_reward": (
        rewards.get_soft_overlong_punishment(max_completion_len=8, soft_punish_cache=4),
        {
            "examples": rows_of(
                ["a b", "a b c d e f", "a b c d e f g h i"], completion_ids=[[1] * 2, [1] * 6, [1] * 9]
            ),
            "ordered": [{"completions": SHORT_TO_LONG, "completion_ids": [[1] * 2, [1] * 6, [1] * 8]}],
            "bounds": (-1.0, 0.0),
        },
        IDS_ONLY,
    ),
    "repetition_penalty_reward": (
        rewards.get_repetition_penalty_reward(ngram_size=2),
        {
            "examples": rows_of(
                ["a b c d", "a a a a a", "a b a b"], completion_ids=[[1, 2, 3, 4], [1] * 5, [1, 2, 1, 2]]
            ),
            "ordered": [{"completions": SHORT_TO_LONG, "completion_ids": [[1, 2], [1, 2, 1, 2], [1] * 8]}],
            "bounds": (-1.0, 0.0),
        },
        IDS_ONLY,
    ),
    "accuracy_reward": (
        rewards.accuracy_reward,
        {
            "examples": rows_of([THIRD, HALF, SEVEN], solution=SOLUTIONS),
            "ordered": [{"completions": ANSWERS, "solution": SOLUTIONS[0]}],
            "bounds": (0.0, 1.0),
        },
        {**ONE_MESSAGE, **ANY_BOX, **FOREIGN_COLUMNS},
    ),
    "reasoning_accuracy_reward": (
        rewards.reasoning_accuracy_reward,
        {
            "examples": rows_of([f"<think>hm</think>{text}" for text in (THIRD, HALF, SEVEN)], solution=SOLUTIONS),
            "ordered": [{"completions": [message(f"hm</think>{THIRD}"), *ANSWERS], "solution": SOLUTIONS[0]}],
            "bounds": (0.0, 1.0),
        },
        {
            **ONE_MESSAGE,
            **FOREIGN_COLUMNS,
            "second_reasoning": "reasoning after the answer that is cut off counts as no answer",
        },
    ),
    "cosine_scaled_reward": (
        rewards.get_cosine_scaled_reward(max_len=100),
        {
            "examples": rows_of(
                [THIRD, HALF, SEVEN], solution=SOLUTIONS, completion_ids=[[1] * 50, [1] * 50, [1] * 120]
            ),
            "ordered": [
                {"completions": ANSWERS, "solution": SOLUTIONS[0], "completion_ids": [[1] * 90, [1] * 90]},
                {"completions": ANSWERS[:1] * 2, "solution": SOLUTIONS[0], "completion_ids": [[1] * 10, [1] * 90]},
            ],
            "bounds": (-1.0, 1.0),
        },
        {**ONE_MESSAGE, **ANY_BOX},
    ),
}
MATHEMATICAL = {"accuracy_reward", "reasoning_accuracy_reward", "cosine_scaled_reward"}
EACH = [pytest.param(name, marks=needs_math_verify if name in MATHEMATICAL else ()) for name in CASES]

# Not applicable to any of them: they are sync, hold no key and sign nothing.
NEVER_CHECKED = {"awaited_together", "hides_secrets", "signature", "signature_complete"}


@pytest.fixture(scope="module")
def report_of():
    reports = {}

    def find(name):
        if name not in reports:
            reward, arguments, _ = CASES[name]
            reports[name] = check_reward(reward, **arguments)
        return reports[name]

    return find


def documented(name):
    """A reward's row in the document: how many checks it passes, which it fails, which tell nothing about it."""
    row = next(line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| `{name}` |"))
    _, passed, failed, skipped = row.strip("| ").split(" | ")
    return int(passed), set(re.findall("`(.*?)`", failed)), set(re.findall("`(.*?)`", skipped))


@pytest.mark.parametrize("name", EACH)
def test_the_failures_are_those_that_are_expected(name, report_of):
    report = report_of(name)
    assert report.reward == name
    assert {result.name for result in report.with_status("failed")} == set(CASES[name][2])


@pytest.mark.parametrize("name", EACH)
def test_the_document_tells_what_the_kit_finds(name, report_of):
    report = report_of(name)
    passed, failed, skipped = documented(name)
    assert passed == len(report.with_status("passed"))
    assert failed == set(CASES[name][2])
    assert {result.name for result in report.with_status("skipped")} == skipped | NEVER_CHECKED


@pytest.mark.parametrize("name", CASES)
def test_the_document_counts_every_check(name):
    passed, failed, skipped = documented(name)
    assert passed + len(failed) + len(skipped) + len(NEVER_CHECKED) == len(CHECK_NAMES)


# ---- what the document says beside the checks


def test_the_think_format_is_never_right_where_the_template_opens_the_block():
    assert rewards.think_format_reward([message("hm\n</think>\nyes")]) == [0.0]


def test_the_think_format_is_never_right_where_the_reasoning_has_a_field_of_its_own():
    completion = [{"role": "assistant", "content": "yes", "reasoning_content": "hm"}]
    assert rewards.think_format_reward([completion]) == [0.0]


def test_with_tools_the_first_message_is_judged():
    calls = [{"role": "assistant", "content": "<think>hm</think>", "tool_calls": []}, {"role": "tool", "content": "42"}]
    assert rewards.think_format_reward([[*calls, *message("no tags")]]) == [1.0]


@needs_math_verify
def test_the_remedy_of_the_document_judges_the_last_message():
    scope = {"accuracy_reward": rewards.accuracy_reward}
    exec(re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL).group(1), scope)  # noqa: S102 - our own text
    calls = [{"role": "assistant", "content": "", "tool_calls": []}, {"role": "tool", "content": "1/3"}]
    completions = [[*calls, *message(THIRD)]]
    assert rewards.accuracy_reward(completions, solution=SOLUTIONS[:1]) == [0.0]
    assert scope["last_message_accuracy"](completions, solution=SOLUTIONS[:1]) == [1.0]


@needs_math_verify
@pytest.mark.parametrize(
    ("reasoning", "answer", "wrong", "right"),
    [
        (HALF, r"The answer is $\frac{1}{3}$.", 0.0, 1.0),
        (r"\boxed{\frac{1}{2}}", r"\boxed{\frac{1}{3}}", 0.0, 1.0),
        (THIRD, "I do not know.", 1.0, 0.0),
    ],
    ids=["box_before_no_box", "boxes_side_by_side", "no_answer"],
)
def test_an_answer_inside_reasoning_decides(reasoning, answer, wrong, right):
    completion = message(f"<think>{reasoning}</think>{answer}")
    assert rewards.accuracy_reward([completion], SOLUTIONS[:1]) == [wrong]
    assert rewards.reasoning_accuracy_reward([completion], SOLUTIONS[:1]) == [right]


@needs_math_verify
def test_an_answer_inside_unfinished_reasoning_is_paid():
    completion = message(f"<think>Let me see: {THIRD} But wait")
    assert rewards.accuracy_reward([completion], SOLUTIONS[:1]) == [1.0]
    assert rewards.reasoning_accuracy_reward([completion], SOLUTIONS[:1]) == [0.0]


@needs_math_verify
def test_a_solution_that_is_a_number_and_no_text_is_passed_over():
    assert rewards.accuracy_reward([message(SEVEN)], ["7"]) == [1.0]
    assert rewards.accuracy_reward([message(SEVEN)], [7]) == [None]


@needs_math_verify
def test_two_accuracy_rewards_write_into_the_same_columns():
    trainer = SimpleNamespace(_pending_extra_logs=defaultdict(list))

    def log_extra(column, values):
        trl.GRPOTrainer._log_completion_extra(trainer, column, values)

    for reward in (rewards.accuracy_reward, rewards.reasoning_accuracy_reward):
        reward(completions=[message(THIRD)], solution=SOLUTIONS[:1], log_extra=log_extra)
    assert trainer._pending_extra_logs["answer_parsed"][1] == "[incomplete reasoning]"
    assert {len(values) for values in trainer._pending_extra_logs.values()} == {2}  # for one completion
