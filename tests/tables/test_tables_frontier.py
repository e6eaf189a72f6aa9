from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_cells import cell, write_cells
from tables.conditions import standard
from tables.frontier import Point, frontier, points, tell
from tables.intervals import Estimate
from tradeoff import main


def point(quality: float, drift: float, reading: float = 50.0, *, method: str = "SFT") -> Point:
    return Point(method, 1.0, 1.0, *(Estimate(value, None, 1) for value in (quality, drift, reading)))


found_points = st.lists(
    st.builds(point, st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([40.0, 60.0])),
    min_size=1,
    max_size=8,
)


@given(found=found_points, by=st.sampled_from(["drift", "reading"]))
def test_no_point_of_a_frontier_is_beaten(found: list[Point], by: str) -> None:
    best = frontier(found, by=by)
    assert best
    for kept in best:
        for other in found:
            better = other.drift.mean < kept.drift.mean if by == "drift" else other.reading.mean > kept.reading.mean
            assert not (other.quality.mean >= kept.quality.mean and better)


@given(found=found_points)
def test_more_quality_costs_more_along_a_frontier(found: list[Point]) -> None:
    best = frontier(found, by="drift")
    costs = [kept.drift.mean for kept in best]
    assert costs == sorted(costs)


def test_beaten_points_are_left_out() -> None:
    good, bad, dear = point(0.8, 0.1), point(0.7, 0.2), point(0.9, 0.3)
    assert frontier([bad, dear, good], by="drift") == [good, dear]


def test_methods_are_compared_where_they_are_equally_good() -> None:
    found = [point(0.6, 0.1), point(0.9, 0.4), point(0.75, 0.2, method="GRPO")]
    told = tell({"A": found}, quality="exact meaning").splitlines()
    assert "| 0.7 | SFT | 0.4000 (1) | 1, 1 | 50.0 (1) | 1, 1 |" in told
    assert "| 0.7 | GRPO | 0.2000 (1) | 1, 1 | 50.0 (1) | 1, 1 |" in told
    assert "| 0.8 | GRPO | not reached | | | |" in told


def test_points_are_means_over_seeds_of_what_was_measured() -> None:
    cells = [cell("rl", seed, exact=0.8 + 0.1 * seed, kl=0.1, em=60.0) for seed in (0, 1)] + [
        cell("strong_sft", exact=0.7, kl=0.2)
    ]
    (found,) = points(cells, standard("mt").values())  # strong SFT lacks reading
    assert (found.method, found.quality.mean, found.quality.seeds) == ("GRPO", pytest.approx(0.85), 2)


def test_figure_is_one_file_that_opens_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cells(
        tmp_path,
        cell("base", None, em=61.0, exact=0.0),
        cell("cold_start", em=61.5, exact=0.2, kl=0.02),
        cell("rl", exact=0.9, kl=0.1, em=59.0),
        cell("strong_sft", exact=0.95, kl=0.3, em=57.0),
        cell("sft_rate_1_length_2", exact=0.97, kl=0.5, em=55.0),
    )
    main(["--output_dir", str(tmp_path), "--render"])
    told, figure = capsys.readouterr().out, (tmp_path / "tradeoff_mt.svg").read_text(encoding="utf-8")
    assert "| 0.9 | GRPO | 0.1000 (1) | 1, 1 | 59.0 (1) | 1, 1 |" in told
    assert "<svg" in figure
    assert 'href="http' not in figure
