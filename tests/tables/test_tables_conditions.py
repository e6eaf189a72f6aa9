import dataclasses
from pathlib import Path

from tables.conditions import Condition, paper_conditions, standard, tradeoff_conditions
from tables.sweep import Sweep

SWEEP = Sweep(
    Path("runs"),
    seeds=[0],
    tasks={"mt": {}, "hg": {}},
    bases={"A": {}},
    forget_rate=10,
    forget_length=3,
    tradeoff_rates=[0.3, 1.0],
    tradeoff_lengths=[0.5, 1.0],
    tradeoff_replay=0.1,
)
PAPER = paper_conditions(SWEEP)


def tradeoff(**changes: object) -> list[Condition]:
    return tradeoff_conditions(dataclasses.replace(SWEEP, **changes), "mt")  # type: ignore[arg-type]


def test_no_two_conditions_of_a_task_share_a_name() -> None:
    made = {condition for condition in (*PAPER, *tradeoff()) if condition.start is None or condition.start in PAPER}
    names = [(condition.task, condition.name) for condition in made]
    assert len(set(names)) == len(names)


def test_everything_starts_before_what_goes_on_from_it() -> None:
    for number, condition in enumerate(PAPER):
        start = condition.start
        assert start is None or start.method == "untrained" or start in PAPER[:number]


def test_ablation_has_what_the_papers_table_lacks() -> None:
    rewards = {condition.name: condition.reward for condition in PAPER}
    starts = {condition.name: condition.start and condition.start.method for condition in PAPER}
    assert rewards["rl_embedding"] == ("semantic_similarity",)
    assert starts["rl_no_cold_start"] == "untrained"


def test_one_task_alone_has_no_transfer() -> None:
    names = {condition.name for condition in paper_conditions(dataclasses.replace(SWEEP, tasks={"mt": {}}))}
    assert not {name for name in names if name.startswith("transfer")}


def test_tradeoff_takes_the_cells_that_the_tables_have() -> None:
    assert {"base", "cold_start", "rl", "strong_sft"} <= {condition.name for condition in tradeoff()}


def test_tradeoff_has_every_rate_and_length_of_every_method() -> None:
    found = [
        (one.method, one.replay, one.rate, one.length) for one in tradeoff() if one.name not in {"base", "cold_start"}
    ]
    assert len(found) == len(set(found)) == 3 * 2 * 2


def test_tradeoff_without_replay_has_two_methods() -> None:
    assert not [condition for condition in tradeoff(tradeoff_replay=None) if condition.replay]


def test_name_and_label_do_not_tell_conditions_apart() -> None:
    one = standard("mt")["strong_sft"]
    assert one.same_as(Condition("other", "other", "mt", "sft", rows="all"))
    assert not one.same_as(standard("mt")["cold_start"])
    assert not standard("mt")["rl"].same_as(standard("hg")["rl"])
