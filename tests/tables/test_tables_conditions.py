from tables.conditions import (
    Condition,
    cold_start,
    paper_conditions,
    rl,
    strong_sft,
    tradeoff_conditions,
    with_starts,
)

PAPER = paper_conditions(["mt", "hg"], forget_rate=10, forget_length=3)


def tradeoff(**changes: object) -> list[Condition]:
    given = {"rates": [0.3, 1.0], "lengths": [0.5, 1.0], "replay": 0.1, "known": PAPER, **changes}
    return tradeoff_conditions("mt", **given)  # type: ignore[arg-type] # as a test changes them


def test_no_two_conditions_of_a_task_share_a_name() -> None:
    names = [(condition.task, condition.name) for condition in (*PAPER, *tradeoff(known=()))]
    own = [(condition.task, condition.name) for condition in PAPER]
    assert len(own) == len(set(own))
    assert len(set(names)) == len(names) - 2  # base and cold start are in both


def test_everything_starts_before_what_goes_on_from_it() -> None:
    ordered = [(one.task, one.name) for one in with_starts(reversed(PAPER))]
    for condition in PAPER:
        if condition.start is not None:
            start = ordered.index((condition.start.task, condition.start.name))
            assert start < ordered.index((condition.task, condition.name))


def test_ablation_has_what_the_papers_table_lacks() -> None:
    rewards = {condition.name: condition.reward for condition in PAPER}
    starts = {condition.name: condition.start and condition.start.method for condition in PAPER}
    assert rewards["rl_embedding"] == ("semantic_similarity",)
    assert starts["rl_no_cold_start"] == "untrained"


def test_one_task_alone_has_no_transfer() -> None:
    names = {condition.name for condition in paper_conditions(["mt"], forget_rate=10, forget_length=3)}
    assert not {name for name in names if name.startswith("transfer")}


def test_tradeoff_takes_the_cells_that_the_tables_have() -> None:
    assert {"base", "cold_start", "rl", "strong_sft"} <= {condition.name for condition in tradeoff()}


def test_tradeoff_has_every_rate_and_length_of_every_method() -> None:
    found = [
        (one.method, one.replay, one.rate, one.length) for one in tradeoff() if one.name not in {"base", "cold_start"}
    ]
    assert len(found) == len(set(found)) == 3 * 2 * 2


def test_tradeoff_without_replay_has_two_methods() -> None:
    assert not [condition for condition in tradeoff(replay=None) if condition.replay]


def test_name_and_label_do_not_tell_conditions_apart() -> None:
    one = strong_sft("mt")
    assert one.same_as(Condition("other", "other", "mt", "sft", rows="all"))
    assert not one.same_as(cold_start("mt"))
    assert not rl("mt").same_as(rl("hg"))
