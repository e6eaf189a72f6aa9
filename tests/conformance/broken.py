"""Rewards that break the contract in what they are, take and return, each in one way, and some that keep it.

They stand in a module so that they pickle by name; those that break it in what they do stand in `misbehaving`.
"""

import asyncio
import itertools
import math
import re

import numpy as np

from semreward.text import answer_text

EXAMPLES = [
    {"completion": "the cat sat", "reference": "the cat sat"},
    {"completion": "a dog", "reference": "the dogs"},
    {"completion": "birds sing", "reference": "two birds"},
]

CONVERSATIONS = [
    {"completion": [{"role": "assistant", "content": row["completion"]}], "reference": row["reference"]}
    for row in EXAMPLES
]


def overlap(answer, reference):
    """Share of the reference's signs that an answer has."""
    if reference is None:
        raise ValueError("`reference` must be a string, got None")
    return len(set(answer) & set(reference)) / len(set(reference))


def sound_function(completions, reference, **columns):
    return [overlap(answer_text(text), wanted) for text, wanted in zip(completions, reference, strict=True)]


async def sound_coroutine(completions, reference, **columns):
    await asyncio.sleep(0)
    return sound_function(completions, reference)


class Sound:
    """Keeps the contract. The broken ones override what they break."""

    name = "sound"

    @property
    def __name__(self):
        return self.name

    def __call__(self, *, completions, log_metric=None, log_extra=None, **columns):
        values = self.finish(self.values(self.answers(completions), columns))
        if log_metric is not None:
            self.log_metrics(log_metric, values)
        if log_extra is not None:
            self.log_columns(log_extra, values)
        return values

    def answers(self, completions):
        return [answer_text(completion) for completion in completions]

    def values(self, answers, columns):
        return [self.value(answer, wanted) for answer, wanted in zip(answers, columns["reference"], strict=True)]

    def value(self, answer, reference):
        return overlap(answer, reference)

    def finish(self, values):
        return values

    def log_metrics(self, log_metric, values):
        log_metric(f"{self.name}/highest", max(values))

    def log_columns(self, log_extra, values):
        log_extra(f"{self.name}/value", values)


class SoundAsync(Sound):
    async def __call__(self, **arguments):
        await asyncio.sleep(0)
        return super().__call__(**arguments)


class NotForAll(Sound):
    def value(self, answer, reference):
        return None if "dog" in answer else overlap(answer, reference)

    def log_metrics(self, log_metric, values):
        log_metric(f"{self.name}/count", float(len(values)))


# ---- identity and the plain call

Module = type("Module", (), {"__module__": "torch.nn.modules.module"})


class IsModule(Sound, Module):
    pass


class BlankInName(Sound):
    name = "my reward"


class NumberForName(Sound):
    name = 7


class NameRaises(Sound):
    @property
    def __name__(self):
        raise ValueError("no name yet")


class NameChanges(Sound):
    def __init__(self):
        self.calls = 0

    @property
    def __name__(self):
        return f"sound_{self.calls > 0}"

    def finish(self, values):
        self.calls += 1
        return values

    log_metrics = log_columns = lambda self, *arguments: None


def positional_only(completions, reference, /, **columns):
    return sound_function(completions, reference)


anonymous = lambda completions, reference, **columns: sound_function(completions, reference)  # noqa: E731


def make_closure(scale):
    def closure(completions, reference, **columns):
        return [scale * value for value in sound_function(completions, reference)]

    return closure


# ---- what comes back


class OneTooFew(Sound):
    def finish(self, values):
        return values[:-1]


class Generates(Sound):
    def finish(self, values):
        return (value for value in values)

    log_metrics = log_columns = lambda self, *arguments: None


class ReturnsDict(Sound):
    def finish(self, values):
        return dict(enumerate(values))

    log_metrics = log_columns = lambda self, *arguments: None


def not_async(completions, reference, **columns):
    return sound_coroutine(completions, reference)


class ReturnsArray(Sound):
    def finish(self, values):
        return np.array(values)

    log_metrics = log_columns = lambda self, *arguments: None


class NumpyNumbers(Sound):
    def finish(self, values):
        return [np.float64(value) for value in values]


class Booleans(Sound):
    def value(self, answer, reference):
        return overlap(answer, reference) > 0.5

    log_metrics = log_columns = lambda self, *arguments: None


class IntegerForBlank(Sound):
    def value(self, answer, reference):
        return overlap(answer, reference) if answer else 0


class NotANumber(Sound):
    def value(self, answer, reference):
        return math.nan if "dog" in answer else overlap(answer, reference)

    log_metrics = log_columns = lambda self, *arguments: None


class Tripled(Sound):
    def value(self, answer, reference):
        return 3 * overlap(answer, reference)


class DeclaresTooLittle(Sound):
    bounds = (0.0, 0.5)


class DeclaresNoRange(Sound):
    bounds = "from 0 to 1"


class DeclaresNothingness(Sound):
    bounds = (1.0, 0.0)


class DeclaresItsRange(Sound):
    bounds = (0.0, 1.0)


class BeyondFloat32(Sound):
    def value(self, answer, reference):
        return 1e39 if overlap(answer, reference) == 1 else 0.0


class NegativeForBlank(Sound):
    def value(self, answer, reference):
        return overlap(answer, reference) if answer else -1.0


class NeverApplies(Sound):
    def value(self, answer, reference):
        overlap(answer, reference)

    log_metrics = log_columns = lambda self, *arguments: None


class SwallowsATypo(Sound):
    def values(self, answers, columns):
        try:
            return super().values(answers, {"reference": columns["refrence"]})
        except KeyError:
            return [0.0] * len(answers)


class Moody(Sound):
    moods = itertools.count()

    def finish(self, values):
        mood = next(self.moods)
        return [value + mood for value in values]


class DividesByLength(Sound):
    def value(self, answer, reference):
        return overlap(answer, reference) / len(answer)


class InfiniteForBlank(Sound):
    def value(self, answer, reference):
        return overlap(answer, reference) if answer else -math.inf


class SkipsBlank(Sound):
    def values(self, answers, columns):
        return [value for value, answer in zip(super().values(answers, columns), answers, strict=True) if answer]


class SmallBatches(Sound):
    def answers(self, completions):
        if len(completions) > 8:
            raise MemoryError("at most 8 completions")
        return super().answers(completions)


class NothingForNothing(Sound):
    def __call__(self, *, completions, **arguments):
        return super().__call__(completions=completions, **arguments) if completions else None


class MeanOfNothing(Sound):
    def __call__(self, *, completions, **arguments):
        values = super().__call__(completions=completions, **arguments)
        return values if sum(values) / len(values) >= 0 else []


class PaysForLength(Sound):
    def value(self, answer, reference):
        return overlap(answer, reference) + len(answer) / 10


# ---- what it is given


class ChangesColumn(Sound):
    def values(self, answers, columns):
        values = super().values(answers, columns)
        columns["reference"].clear()
        return values


class SplitsInPlace(Sound):
    def values(self, answers, columns):
        values = super().values(answers, columns)
        columns["reference"][:] = [text.split() for text in columns["reference"]]
        return values


class ChangesColumnOfTexts(ChangesColumn):
    def answers(self, completions):
        return [answer_text("" + completion) for completion in completions]


class ChangesMessages(Sound):
    def answers(self, completions):
        answers = super().answers(completions)
        for completion in completions:
            if not isinstance(completion, str):
                completion[-1].pop("content")
        return answers


class ChangesParts(Sound):
    def answers(self, completions):
        answers = super().answers(completions)
        for completion in completions:
            if not isinstance(completion, str) and isinstance(completion[-1]["content"], list):
                completion[-1]["content"][0]["text"] = ""
        return answers


def no_further_columns(*, completions, reference, prompts=None, completion_ids=None, trainer_state=None, **hooks):
    if not hooks.keys() <= {"log_metric", "log_extra", "environments"}:
        raise TypeError(f"unexpected {sorted(hooks)}")
    return sound_function(completions, reference)


def everything_is_a_column(completions, reference, prompts=None, completion_ids=None, **columns):
    if any(len(column) != len(completions) for column in columns.values()):
        raise ValueError("columns differ in length")
    return sound_function(completions, reference)


def takes_no_token_ids(completions, reference, completion_ids=None, **columns):
    if completion_ids is not None:
        raise TypeError("completion_ids must be None")
    return sound_function(completions, reference)


class BirdsFirst(Sound):
    def values(self, answers, columns):
        bonus = len(answers) > 1 and answers[0] == "birds sing"
        return [value + bonus for value in super().values(answers, columns)]


class AloneIsBetter(Sound):
    def finish(self, values):
        return [value + (len(values) == 1) for value in values]


class SharesABudget(Sound):
    def values(self, answers, columns):
        room = 3 if sum(map(len, answers)) > 10_000 else None
        return super().values([answer[:room] for answer in answers], columns)


class FirstRowWins(Sound):
    def finish(self, values):
        return [value + (row == 0) for row, value in enumerate(values)]


class MinusMean(Sound):
    def finish(self, values):
        return [value - sum(values) / len(values) for value in values]


class ForgetsAfter64(Sound):
    def finish(self, values):
        return [value if row < 64 else 0.0 for row, value in enumerate(values)]


class SharedAmongCopies(Sound):
    def values(self, answers, columns):
        values = super().values(answers, columns)
        return [value / answers.count(answer) for value, answer in zip(values, answers, strict=True)]


class DropsCopies(Sound):
    def values(self, answers, columns):
        values = super().values(answers, columns)
        return [values[row] for row, answer in enumerate(answers) if answer not in answers[:row]]


class Jitters(Sound):
    def finish(self, values):
        return [value + 1e-7 * row for row, value in enumerate(values)]


class TextOnly(Sound):
    def answers(self, completions):
        return [answer_text("" + completion) for completion in completions]


class RendersMessages(Sound):
    def answers(self, completions):
        return [answer_text(str(completion)) for completion in completions]


class MessagesOnly(Sound):
    def answers(self, completions):
        return [answer_text("" + completion[-1]["content"]) for completion in completions]


class NoPlainText(Sound):
    def answers(self, completions):
        if any(isinstance(completion, str) for completion in completions):
            raise TypeError("completions must be messages")
        return super().answers(completions)


class FirstMessage(Sound):
    def answers(self, completions):
        return [
            answer_text(completion if isinstance(completion, str) else completion[:1]) for completion in completions
        ]


class NoParts(Sound):
    def answers(self, completions):
        return [
            answer_text(completion if isinstance(completion, str) else str(completion[-1]["content"]))
            for completion in completions
        ]


class ReadsReasoningField(Sound):
    def answers(self, completions):
        return [
            answer_text(completion)
            + ("" if isinstance(completion, str) else completion[-1].get("reasoning_content", ""))
            for completion in completions
        ]


class ReadsReasoning(Sound):
    def answers(self, completions):
        return [answer_text(completion, reasoning="keep") for completion in completions]


class KeepsUnfinishedReasoning(Sound):
    def answers(self, completions):
        texts = [answer_text(completion, reasoning="keep") for completion in completions]
        return [text.split("</think>")[-1].strip() for text in texts]


class FindsTheAnswerInReasoning(Sound):
    def answers(self, completions):
        texts = [answer_text(completion, reasoning="keep") for completion in completions]
        found = [re.search("a dog|birds sing|the cat sat", text) for text in texts]
        return [match.group() if match else "" for match in found]


class NeedsTheOpeningTag(Sound):
    def answers(self, completions):
        texts = [answer_text(completion, reasoning="keep") for completion in completions]
        return [re.sub("<think>.*?(</think>|$)", "", text, flags=re.DOTALL).strip() for text in texts]


class ReadsTheLastMessage(Sound):
    def answers(self, completions):
        last = [completion if isinstance(completion, str) else completion[-1]["content"] for completion in completions]
        return [answer_text([{"role": "assistant", "content": content}]) for content in last]


class RemovesOneThought(Sound):
    def answers(self, completions):
        texts = [answer_text(completion, reasoning="keep") for completion in completions]
        after = [text.partition("</think>")[2] if "</think>" in text else text for text in texts]
        return ["" if text.startswith(("<think>cut", "<think>Hmm")) else text.strip() for text in after]


class ZeroWithoutColumn(Sound):
    def values(self, answers, columns):
        return super().values(answers, columns) if "reference" in columns else [0.0] * len(answers)


class UnclearWithoutColumn(Sound):
    def values(self, answers, columns):
        return super().values(answers, {"reference": list(columns.get("reference"))})


class ShortestWins(Sound):
    def values(self, answers, columns):
        return [self.value(answer, wanted) for answer, wanted in zip(answers, columns["reference"], strict=False)]


class ZeroForNone(Sound):
    def value(self, answer, reference):
        return 0.0 if reference is None else overlap(answer, reference)


class ReadsAnything(Sound):
    def value(self, answer, reference):
        return overlap(answer, reference if reference is None else str(reference))


class EqualOrNothing(Sound):
    def value(self, answer, reference):
        return overlap(answer, reference) if isinstance(reference, (str, type(None))) else float(answer == reference)


class DropsNone(Sound):
    def values(self, answers, columns):
        pairs = zip(answers, columns["reference"], strict=True)
        return [self.value(answer, wanted) for answer, wanted in pairs if wanted is not None]
