import re

import pytest

from semreward.report import Report, markdown_table


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


def test_a_figure_stands_in_the_page_with_its_caption():
    report = Report("run")
    report.figure("<svg></svg>", "rewards <")
    assert re.search(r"<figure><svg.*</svg>\s*<figcaption>rewards &lt;</figcaption>", report.render(), re.DOTALL)


def test_a_markdown_table_has_all_columns_and_reads_well_in_a_terminal():
    assert markdown_table([{"a": 1}, {"a": 0.12345, "b<": "x|y"}]).splitlines() == [
        "| a      | b&lt; |",
        "| ------ | ----- |",
        "| 1      | –     |",
        "| 0.1235 | x\\|y  |",
    ]


def test_a_page_loads_nothing_from_elsewhere():
    report = Report("run")
    report.table([{"a": "b"}], note="c")
    assert not re.search(r"<(script|link|img|iframe)|@import|(src|href)=\"(?!#)|url\((?!#)", report.render())


def test_the_written_file_holds_the_page(tmp_path):
    report = Report("བོད")
    report.write(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.render()
