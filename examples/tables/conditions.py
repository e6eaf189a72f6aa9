"""The ways to train that the paper compares, and those that its tables lack, as data.

Learning rate and length are factors of what the task's configuration says, so that one list serves the miniature and
the presets.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from tables.sweep import Sweep

SIMILARITY, LANGUAGE, BLEU, LENGTH = "semantic_similarity", "language_consistency", "bleu", "length_ratio"
"""What can pay, by the names of the rewards."""


@dataclass(frozen=True)
class Condition:
    """One way to get a policy: where it starts, on which rows and how it is trained, and what pays."""

    name: str  # of its folder and of its cells; decides nothing
    label: str  # how tables call it; decides nothing
    task: str  # `mt` or `hg`
    method: Literal["none", "untrained", "sft", "grpo"]  # `none`: the base itself; `untrained`: a new adapter
    start: "Condition | None" = None  # whose adapter is trained on; `None`: a new adapter on the base
    rows: Literal["", "cold_start", "rl", "all", "few"] = ""  # `all`: cold start and RL; `few` of all for transfer
    reward: tuple[str, ...] = ()  # which rewards pay
    rate: float = 1.0  # learning rate, as a factor
    length: float = 1.0  # epochs of SFT or steps of GRPO, as a factor
    replay: float = 0.0  # share, in [0, 1), of SFT's rows that are replayed questions of what the base could do before

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


def ablations(task: str) -> list[Condition]:
    """Table 5, and what it lacks: no language reward, no cold start; and the length reward that it reports in words."""
    plain, untrained = rl(task), Condition("untrained", "new adapter", task, "untrained")
    found = [
        dataclasses.replace(plain, name=name, label=label, reward=reward)
        for name, label, reward in (
            ("rl_bleu_language", "BLEU + language", (BLEU, LANGUAGE)),
            ("rl_bleu_embedding_language", "BLEU + embedding + language", (BLEU, SIMILARITY, LANGUAGE)),
            ("rl_bleu_embedding", "BLEU + embedding", (BLEU, SIMILARITY)),
            ("rl_embedding", "embedding", (SIMILARITY,)),
            ("rl_length", "embedding + language + length", (SIMILARITY, LANGUAGE, LENGTH)),
        )
    ]
    label = "embedding + language, no cold start"
    return [*found, dataclasses.replace(plain, name="rl_no_cold_start", label=label, start=untrained)]


def paper_conditions(sweep: Sweep) -> list[Condition]:
    """Everything that Tables 1 to 6 need for a sweep's tasks; what starts elsewhere comes after it.

    One SFT is so hard that it has to forget: it shows that the tax can be seen where there is one. Table 4 fine-tunes
    each translation policy on a few headlines.
    """
    found = [make(task) for task in sweep.tasks for make in (base, cold_start, rl, strong_sft)]
    if "mt" in sweep.tasks:
        rate, length = sweep.forget_rate, sweep.forget_length
        label = f"strong SFT, {rate:g} x rate, {length:g} x epochs"
        found.append(Condition("forgetting_sft", label, "mt", "sft", rows="all", rate=rate, length=length))
        found += ablations("mt")
    if {"mt", "hg"} <= set(sweep.tasks):
        for name, label, start in (
            ("base", "base", None),
            ("sft", "MT-SFT", strong_sft("mt")),
            ("rl", "MT-RL", rl("mt")),
        ):
            found.append(Condition(f"transfer_{name}", label, "hg", "sft", start=start, rows="few"))
    return found


def tradeoff_conditions(sweep: Sweep, task: str) -> list[Condition]:
    """SFT, GRPO and, if asked for, SFT with replay, at every rate and length of a sweep.

    Where a condition of the paper trains alike, its name is taken, so that its result is, too.
    """
    known = paper_conditions(sweep)
    methods = {"sft": strong_sft(task), "grpo": rl(task)}
    if sweep.tradeoff_replay is not None:
        methods["replay"] = dataclasses.replace(strong_sft(task), label="SFT with replay", replay=sweep.tradeoff_replay)
    found = [base(task), cold_start(task)]
    for method, plain in methods.items():
        for rate in sweep.tradeoff_rates:
            for length in sweep.tradeoff_lengths:
                name = f"{method}_rate_{rate:g}_length_{length:g}"
                made = dataclasses.replace(plain, name=name, rate=rate, length=length)
                found.append(next((condition for condition in known if condition.same_as(made)), made))
    return found
