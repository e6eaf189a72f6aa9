import re

import pytest

from semreward.report import Section, html_page, markdown_page, markdown_table


def page(*sections, title="run"):
    return html_page(title, sections)


def table(*rows, **options):
    return page(Section(rows=rows, **options))


@pytest.mark.parametrize("part", ["heading", "text", "note"])
def test_text_is_escaped(part):
    assert "<script>" not in page(Section(**{part: "<script>alert('&')</script>"}))


def test_the_title_is_escaped():
    assert "<title>a &lt; b</title>" in page(title="a < b")


def test_table_cells_and_heads_are_escaped():
    assert not re.search("<[bi]>", table({"<b>": "<i>"}))


@pytest.mark.parametrize("make", [html_page, markdown_page])
def test_sections_keep_their_order(make):
    made = make("run", [Section("first", text="second"), Section(rows=[{"third": 1}], note="fourth")])
    assert made.index("first") < made.index("second") < made.index("third") < made.index("fourth")


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.123456, "0.1235"), (3, "3"), ("ཀ", "ཀ"), (True, "True")])
def test_a_cell_shows_its_value(value, shown):
    assert f"<td>{shown}</td>" in table({"value": value})


def test_a_column_that_a_row_lacks_shows_a_dash():
    assert "<td>3</td><td>–</td>" in table({"a": 1, "b": 2}, {"a": 3})


def test_a_table_has_one_head():
    assert (table({"a": 1}, {"a": 2}).count("<th>a</th>"), table({"a": 1}, {"a": 2}).count("<td>")) == (1, 2)


@pytest.mark.parametrize("make", [html_page, markdown_page])
def test_what_a_section_lacks_leaves_nothing(make):
    assert make("run", [Section()]).split() == make("run", []).split()


def test_a_table_of_sentences_is_marked_as_prose():
    assert '<table class="text">' in table({"a": "b"}, prose=True)


def test_a_drawing_is_in_the_page_as_it_is_above_its_note():
    made = page(Section(drawing="<svg></svg>", note="rewards <"))
    assert re.search(r"<figure><svg></svg></figure>\s*<p class=\"note\">rewards &lt;</p>", made)


def test_a_markdown_table_has_all_columns_and_reads_well_in_a_terminal():
    assert markdown_table([{"a": 1}, {"a": 0.12345, "b<": "x|y"}]).splitlines() == [
        "| a      | b&lt; |",
        "| ------ | ----- |",
        "| 1      | –     |",
        "| 0.1235 | x\\|y  |",
    ]


def test_a_page_loads_nothing_from_elsewhere():
    made = table({"a": "b"}, note="c")
    assert not re.search(r"<(script|link|img|iframe)|@import|(src|href)=\"(?!#)|url\((?!#)", made)
