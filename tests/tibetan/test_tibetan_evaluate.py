"""The sheet of answers that people grade before training."""

from itertools import pairwise

import pytest

from semreward.files import read_rows
from tibetan.evaluate import write_sheet

ROWS = [{"source": f"source {number // 8}", "reference": f"reference {number // 8}"} for number in range(40 * 8)]


@pytest.fixture
def sheet(tmp_path):
    """Writes the sheet for the answers; returns its rows."""

    def write(answers):
        write_sheet(tmp_path / "to_grade.tsv", ROWS, answers)
        return list(read_rows(tmp_path / "to_grade.tsv"))

    return write


def test_the_sheet_asks_for_a_hundred_grades_of_four_answers_per_prompt(sheet):
    rows = sheet([f"answer {number}" for number in range(len(ROWS))])
    assert (len(rows), len({row["source"] for row in rows})) == (100, 25)


def test_the_sheet_shows_texts_and_an_empty_grade(sheet):
    rows = sheet([f"answer {number}" for number in range(len(ROWS))])
    number = int(rows[0]["number"])
    assert rows[0] == {"number": str(number), **ROWS[number], "answer": f"answer {number}", "grade": ""}


def test_the_answers_of_a_prompt_do_not_stand_together(sheet):
    rows = sheet([f"answer {number}" for number in range(len(ROWS))])
    pairs = pairwise(rows)
    assert sum(row["source"] == following["source"] for row, following in pairs) < 20  # of 75 if they did


def test_the_sheet_shows_each_answer_to_a_prompt_once(sheet):
    rows = sheet(["one", "other"] * 4 * 40)
    assert len(rows) == len({(row["source"], row["answer"]) for row in rows}) == 80


def test_prompts_with_one_answer_are_not_on_the_sheet(sheet):
    rows = sheet(["one"] * 8 + ["one", "other"] * 4 * 39)
    assert "source 0" not in {row["source"] for row in rows}


def test_line_breaks_and_tabs_do_not_break_the_sheet(sheet):
    rows = sheet(["a\tb", "a\nc\td"] * 4 * 40)
    assert {row["answer"] for row in rows} == {"a b", "a c d"}
