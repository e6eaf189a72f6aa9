"""The ways to train that the paper compares, and those that its tables lack, as data.

A condition says what one policy of a sweep is: where it starts, on which rows and how it is trained, and what pays.
Learning rate and length are factors of what the task's configuration says, so that one list serves the miniature and
the presets.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Method: TypeAlias = Literal["none", "untrained", "sft", "grpo"]
Rows: TypeAlias = Literal["", "cold_start", "rl", "all", "few"]

TRANSLATION, HEADLINE = "mt", "hg"
"""The two tasks, by the names that a sweep file gives them."""

SIMILARITY, LANGUAGE, BLEU, LENGTH = "semantic_similarity", "language_consistency", "bleu", "length_ratio"
"""What can pay, by the names of the rewards."""


@dataclass(frozen=True)
class Condition:
    """One way to get a policy.

    Attributes:
        name: Name of its folder and of its cells; decides nothing.
        label: How tables call it; decides nothing.
        task: What it is trained and measured on.
        method: `none`: the base itself; `untrained`: a new adapter; `sft`; `grpo`.
        start: The condition whose adapter is trained on; `None`: a new adapter on the base.
        rows: `cold_start`, `rl` and `all` (both) as the recipe splits them, or a `few` of all for transfer.
        reward: Which rewards pay.
        rate: Learning rate, as a factor.
        length: Epochs of SFT or steps of GRPO, as a factor.
        replay: Share, in [0, 1), of SFT's rows that are replayed questions of what the base could do before.
    """

    name: str
    label: str
    task: str
    method: Method
    start: "Condition | None" = None
    rows: Rows = ""
    reward: tuple[str, ...] = ()
    rate: float = 1.0
    length: float = 1.0
    replay: float = 0.0

    def same_as(self, other: "Condition") -> bool:
        """Whether both train alike, whatever they are called."""
        return dataclasses.replace(self, name="", label="") == dataclasses.replace(other, name="", label="")


def base(task: str) -> Condition:
    """The policy before any training."""
    return Condition("base", "base", task, "none")


def cold_start(task: str) -> Condition:
    """A little SFT."""
    return Condition("cold_start", "cold-start SFT", task, "sft", rows="cold_start")


def rl(task: str) -> Condition:
    """The paper's method."""
    return Condition("rl", "RL", task, "grpo", start=cold_start(task), rows="rl", reward=(SIMILARITY, LANGUAGE))


def strong_sft(task: str) -> Condition:
    """The paper's baseline."""
    return Condition("strong_sft", "strong SFT", task, "sft", rows="all")


def forgetting(task: str, rate: float, length: float) -> Condition:
    """SFT so hard that it has to forget: shows that the tax can be seen where there is one."""
    label = f"strong SFT, {rate:g} x rate, {length:g} x epochs"
    return Condition("forgetting_sft", label, task, "sft", rows="all", rate=rate, length=length)


def ablations(task: str) -> list[Condition]:
    """Table 5, and what it lacks: no language reward, no cold start; and the length reward that it reports in words."""
    rewards = {
        "rl_bleu_language": ("BLEU + language", (BLEU, LANGUAGE)),
        "rl_bleu_embedding_language": ("BLEU + embedding + language", (BLEU, SIMILARITY, LANGUAGE)),
        "rl_bleu_embedding": ("BLEU + embedding", (BLEU, SIMILARITY)),
        "rl_embedding": ("embedding", (SIMILARITY,)),
        "rl_length": ("embedding + language + length", (SIMILARITY, LANGUAGE, LENGTH)),
    }
    found = [
        dataclasses.replace(rl(task), name=name, label=label, reward=reward)
        for name, (label, reward) in rewards.items()
    ]
    untrained = Condition("untrained", "new adapter", task, "untrained")
    label = "embedding + language, no cold start"
    return [*found, dataclasses.replace(rl(task), name="rl_no_cold_start", label=label, start=untrained)]


def transfers() -> list[Condition]:
    """Table 4: each translation policy, fine-tuned on a few headlines."""
    starts = {"base": None, "sft": strong_sft(TRANSLATION), "rl": rl(TRANSLATION)}
    labels = {"base": "base", "sft": "MT-SFT", "rl": "MT-RL"}
    return [
        Condition(f"transfer_{name}", labels[name], HEADLINE, "sft", start=start, rows="few")
        for name, start in starts.items()
    ]


def paper_conditions(tasks: Iterable[str], *, forget_rate: float, forget_length: float) -> list[Condition]:
    """Everything that Tables 1 to 6 need, in an order in which what starts elsewhere comes after it.

    Args:
        tasks: The tasks that a sweep has; conditions of others are left out.
        forget_rate: Learning rate of the SFT that has to forget, as a factor.
        forget_length: Its epochs, as a factor.
    """
    known = tuple(tasks)
    found = [make(task) for task in known for make in (base, cold_start, rl, strong_sft)]
    if TRANSLATION in known:
        found += [forgetting(TRANSLATION, forget_rate, forget_length), *ablations(TRANSLATION)]
    if {TRANSLATION, HEADLINE} <= set(known):
        found += transfers()
    return found


def tradeoff_conditions(
    task: str, *, rates: Iterable[float], lengths: Iterable[float], replay: float | None, known: Iterable[Condition]
) -> list[Condition]:
    """SFT, GRPO and, if asked for, SFT with replay, at every rate and length.

    Args:
        task: The task.
        rates: Factors of the learning rate.
        lengths: Factors of epochs or steps.
        replay: Share of replayed rows of the third method; `None`: two methods only.
        known: Conditions of other programs; where one trains alike, its name is taken, so that its result is, too.
    """
    others = list(known)
    methods = {"sft": strong_sft(task), "grpo": rl(task)}
    if replay is not None:
        methods["replay"] = dataclasses.replace(strong_sft(task), label="SFT with replay", replay=replay)
    found = [base(task), cold_start(task)]
    for method, whole in methods.items():
        for rate in rates:
            for length in lengths:
                name = f"{method}_rate_{rate:g}_length_{length:g}"
                point = dataclasses.replace(whole, name=name, rate=rate, length=length)
                found.append(next((other for other in others if other.same_as(point)), point))
    return found


def with_starts(conditions: Iterable[Condition]) -> list[Condition]:
    """Conditions and what they start from, each once, starts first."""
    ordered: dict[tuple[str, str], Condition] = {}

    def add(condition: Condition) -> None:
        if condition.start is not None:
            add(condition.start)
        ordered.setdefault((condition.task, condition.name), condition)

    for condition in conditions:
        add(condition)
    return list(ordered.values())
