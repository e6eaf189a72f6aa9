"""Every reward earns what it earned when the values were frozen, to 1e-9, on 2,000 mixed rows.

`SEMREWARD_UPDATE=1 pytest tests/frozen` rewrites the file and says in a warning which rewards and calls changed. Only
an intended change, with its line under *Changed numbers*, justifies that. An entry that leaves the tables leaves the
file the same way.
"""

import math
from functools import cache
from pathlib import Path

import pytest

from frozen import calls_under_test as calls
from frozen import rewards_under_test as rewards
from frozen.mixed_rows import digest_of
from frozen.value_file import Frozen, differences, first_of, is_updating, read_frozen, update_frozen

pytest.importorskip("sacrebleu", reason="needs the extra `eval`")
pytest.importorskip("nltk", reason="needs the extra `eval`")

FILE = Path(__file__).parent / "values.json.xz"
TOLERANCE = 1e-9


@cache
def values_now(name: str) -> list[float | None]:
    return rewards.values_of(name, calls.rows())


@cache
def result_now(name: str) -> object:
    return calls.CALLS[name]()


@pytest.fixture(scope="module")
def frozen():
    if is_updating():
        values = {name: values_now(name) for name in rewards.NAMES}
        results = {name: result_now(name) for name in calls.CALLS}
        update_frozen(FILE, Frozen(digest_of(calls.rows()), values, results), TOLERANCE)
    return read_frozen(FILE)


def complaint_about(name, expected, earned, rows):
    """How many rows of a reward differ, and the first of them; empty where none does."""
    found = [at for at in range(len(rows)) if any(differences(expected[at], earned[at], TOLERANCE))]
    if not found:
        return ""
    at = found[0]
    return (
        f"`{name}` earns something else on {len(found)} of {len(rows)} rows, first on row {at} ({rows[at].kind}): "
        f"frozen {expected[at]!r}, now {earned[at]!r}; completion {rows[at].completion!r:.300}, "
        f"reference {rows[at].reference!r:.300}"
    )


def test_rows_are_those_whose_values_are_frozen(frozen):
    assert digest_of(calls.rows()) == frozen.rows, "mixed_rows.py makes other rows; no value can be compared"


def test_every_frozen_reward_is_under_test(frozen):
    assert set(frozen.values) == set(rewards.NAMES)


def test_every_frozen_call_is_under_test(frozen):
    assert set(frozen.calls) == set(calls.CALLS)


@pytest.mark.parametrize("name", rewards.NAMES)
def test_reward_earns_its_frozen_values(name, frozen):
    complaint = complaint_about(name, frozen.values[name], values_now(name), calls.rows())
    assert not complaint, complaint


@pytest.mark.parametrize("name", calls.CALLS)
def test_call_returns_its_frozen_result(name, frozen):
    found = list(differences(frozen.calls[name], result_now(name), TOLERANCE))
    assert not found, f"`{name}`: {first_of(found)}"


@pytest.mark.parametrize(
    ("before", "now"),
    [(0.5, 0.5 + 2e-9), (None, 0.0), (0.0, None), (0.5, math.nan), (1.0, True), ([1.0], []), ({"a": 1.0}, {"b": 1.0})],
)
def test_comparison_finds_what_differs(before, now):
    assert list(differences(before, now, TOLERANCE))


def test_comparison_lets_rounding_pass():
    assert not list(differences({"a": [0.5, None, 1]}, {"a": (0.5 + 5e-10, None, 1.0)}, TOLERANCE))


def test_update_keeps_numbers_within_the_tolerance(tmp_path):
    file = tmp_path / "values.json.xz"
    with pytest.warns(UserWarning, match="a; b"):
        update_frozen(file, Frozen("rows", {"a": [0.1], "b": [0.2]}, {}), TOLERANCE)
    with pytest.warns(UserWarning, match="updated: b$"):
        update_frozen(file, Frozen("rows", {"a": [0.1 + 9e-10], "b": [0.3]}, {}), TOLERANCE)
    assert read_frozen(file).values == {"a": (0.1,), "b": (0.3,)}
