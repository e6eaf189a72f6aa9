"""The ways to train that the paper compares, and those that its tables lack, as data.

Learning rate and length are factors of what the task's configuration says, so that one list serves the miniature and
the presets.
"""

import dataclasses
import itertools
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


def standard(task: str) -> dict[str, Condition]:
    """The policy before any training, a little SFT, the paper's method and its baseline, by their names."""
    cold_start = Condition("cold_start", "cold-start SFT", task, "sft", rows="cold_start")
    found = (
        Condition("base", "base", task, "none"),
        cold_start,
        Condition("rl", "RL", task, "grpo", start=cold_start, rows="rl", reward=(SIMILARITY, LANGUAGE)),
        Condition("strong_sft", "strong SFT", task, "sft", rows="all"),
    )
    return {condition.name: condition for condition in found}


def ablations(rl: Condition) -> list[Condition]:
    """Table 5, and what it lacks: no language reward, no cold start; and the length reward that it reports in words."""
    rewards = (
        ("rl_bleu_language", "BLEU + language", (BLEU, LANGUAGE)),
        ("rl_bleu_embedding_language", "BLEU + embedding + language", (BLEU, SIMILARITY, LANGUAGE)),
        ("rl_bleu_embedding", "BLEU + embedding", (BLEU, SIMILARITY)),
        ("rl_embedding", "embedding", (SIMILARITY,)),
        ("rl_length", "embedding + language + length", (SIMILARITY, LANGUAGE, LENGTH)),
    )
    found = [dataclasses.replace(rl, name=name, label=label, reward=reward) for name, label, reward in rewards]
    untrained = Condition("untrained", "new adapter", rl.task, "untrained")
    label = "embedding + language, no cold start"
    return [*found, dataclasses.replace(rl, name="rl_no_cold_start", label=label, start=untrained)]


def paper_conditions(sweep: Sweep) -> list[Condition]:
    """Everything that Tables 1 to 6 need for a sweep's tasks; what starts elsewhere comes after it.

    One SFT is so hard that it has to forget: it shows that the tax can be seen where there is one. Table 4 fine-tunes
    each translation policy on a few headlines.
    """
    found = [condition for task in sweep.tasks for condition in standard(task).values()]
    if "mt" in sweep.tasks:
        rate, length = sweep.forget_rate, sweep.forget_length
        label = f"strong SFT, {rate:g} x rate, {length:g} x epochs"
        found.append(Condition("forgetting_sft", label, "mt", "sft", rows="all", rate=rate, length=length))
        found += ablations(standard("mt")["rl"])
    if {"mt", "hg"} <= set(sweep.tasks):
        for name, label, start in (("base", "base", ""), ("sft", "MT-SFT", "strong_sft"), ("rl", "MT-RL", "rl")):
            begun = standard("mt").get(start)
            found.append(Condition(f"transfer_{name}", label, "hg", "sft", start=begun, rows="few"))
    return found


def tradeoff_conditions(sweep: Sweep, task: str) -> list[Condition]:
    """SFT, GRPO and, if asked for, SFT with replay, at every rate and length of a sweep.

    Where a condition of the paper trains alike, its name is taken, so that its result is, too.
    """
    known, plain = paper_conditions(sweep), standard(task)
    sft = plain["strong_sft"]
    methods = {"sft": sft, "grpo": plain["rl"]}
    if sweep.tradeoff_replay is not None:
        methods["replay"] = dataclasses.replace(sft, label="SFT with replay", replay=sweep.tradeoff_replay)
    found = [plain["base"], plain["cold_start"]]
    for (method, whole), rate, length in itertools.product(
        methods.items(), sweep.tradeoff_rates, sweep.tradeoff_lengths
    ):
        name = f"{method}_rate_{rate:g}_length_{length:g}"
        made = dataclasses.replace(whole, name=name, rate=rate, length=length)
        found.append(next((condition for condition in known if condition.same_as(made)), made))
    return found
