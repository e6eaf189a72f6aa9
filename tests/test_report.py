import builtins
import re

import pytest

from semreward.errors import MissingDependencyError
from semreward.report import Report

BARS = {"copy": (1.5, "bad"), "empty": (0.0, "good")}
CURVES = {"a": [(0.0, 0.1), (1.0, 0.5)], "b": [(0.0, 0.2), (1.0, 0.3)]}


@pytest.mark.parametrize("add", [Report.text, Report.heading])
def test_text_is_escaped(add):
    report = Report("run")
    add(report, "<script>alert('&')</script>")
    assert "<script>" not in report.render()


def test_the_title_is_escaped():
    assert "<title>a &lt; b</title>" in Report("a < b").render()


def test_table_cells_and_heads_are_escaped():
    report = Report("run")
    report.table([{"<b>": "<i>"}], note="<u>")
    assert not re.search("<[biu]>", report.render())


def test_sections_keep_their_order():
    report = Report("run")
    report.heading("first")
    report.text("second")
    report.table([{"third": 1}])
    page = report.render()
    assert page.index("first") < page.index("second") < page.index("third")


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.123456, "0.1235"), (3, "3"), ("ཀ", "ཀ"), (True, "True")])
def test_a_cell_shows_its_value(value, shown):
    report = Report("run")
    report.table([{"value": value}])
    assert f"<td>{shown}</td>" in report.render()


def test_a_column_that_a_row_lacks_shows_a_dash():
    report = Report("run")
    report.table([{"a": 1, "b": 2}, {"a": 3}])
    assert "<td>3</td><td>–</td>" in report.render()


def test_a_table_without_rows_is_empty():
    report = Report("run")
    report.table([])
    assert "<tbody></tbody>" in report.render()


def test_a_table_of_sentences_is_marked_as_prose():
    report = Report("run")
    report.table([{"a": "b"}], prose=True)
    assert '<table class="text">' in report.render()


def test_curves_are_drawn_into_the_page():
    report = Report("run")
    report.curves("rewards <", CURVES, x="step")
    assert re.search(r"<figure><svg.*</svg>\s*<figcaption>rewards &lt;</figcaption>", report.render(), re.DOTALL)


@pytest.mark.parametrize(("labels", "shown"), [(["a"], False), (["a", "b"], True)])
def test_only_several_curves_have_a_legend(labels, shown):
    report = Report("run")
    report.curves("rewards", {label: CURVES[label] for label in labels}, x="step")
    assert ("legend" in report.render()) == shown


def test_bars_are_drawn_into_the_page():
    report = Report("run")
    report.bars("attacks <", BARS, lines={}, x="reward")
    assert re.search(r"<figure><svg.*</svg>\s*<figcaption>attacks &lt;</figcaption>", report.render(), re.DOTALL)


@pytest.mark.parametrize("label", ["copy", "empty", "bad", "good", "gold", "reward"])
def test_bars_name_labels_groups_and_lines(label):
    report = Report("run")
    report.bars("attacks", BARS, lines={"gold": 2.5}, x="reward")
    assert f"<!-- {label} -->" in report.render()


@pytest.mark.parametrize(
    "draw",
    [
        lambda report: report.curves("rewards", CURVES, x="step"),
        lambda report: report.bars("attacks", BARS, lines={"gold": 2.5}, x="reward"),
    ],
    ids=["curves", "bars"],
)
def test_the_same_plot_gives_the_same_page(draw):
    pages = []
    for _ in range(2):
        report = Report("run")
        draw(report)
        pages.append(report.render())
    assert pages[0] == pages[1]


def test_a_page_loads_nothing_from_elsewhere():
    report = Report("run")
    report.curves("rewards", CURVES, x="step")
    report.bars("attacks", BARS, lines={"gold": 2.5}, x="reward")
    assert not re.search(r"<(script|link|img|iframe)|@import|(src|href)=\"(?!#)|url\((?!#)", report.render())


def test_the_written_file_holds_the_page(tmp_path):
    report = Report("བོད")
    report.write(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.render()


def test_a_plot_without_matplotlib_names_the_install_command(monkeypatch):
    real_import = builtins.__import__

    def without_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(MissingDependencyError, match=r"pip install 'semreward\[train\]'"):
        Report("run").curves("rewards", CURVES, x="step")
