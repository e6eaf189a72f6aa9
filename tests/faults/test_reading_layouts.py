"""Reading comprehension in the layouts in which people have it, and answers that are null."""

import gzip
import json

import pytest

from semreward.errors import ArgumentError
from semreward.evaluation import cmrc_scores, first_questions
from semreward.evaluation.reading import reading_prompts


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "他在北京买苹果。",
                    "qas": [
                        {"id": "q1", "question": "在哪里？", "answers": [{"text": "北京"}]},
                        {"id": "q2", "question": "买什么？", "answers": [{"text": "苹果"}, {"text": "买苹果"}]},
                    ],
                }
            ]
        }
    ]
}
CMRC = [
    {
        "context_id": "DEV_0",
        "context_text": "他在北京买苹果。",
        "qas": [
            {"query_id": "q1", "query_text": "在哪里？", "answers": ["北京"]},
            {"query_id": "q2", "query_text": "买什么？", "answers": ["苹果", "买苹果"]},
        ],
        "title": "他",
    }
]
FLAT = [
    {
        "id": "q1",
        "context": "他在北京买苹果。",
        "question": "在哪里？",
        "answers": {"text": ["北京"], "answer_start": [2]},
    },
    {
        "id": "q2",
        "context": "他在北京买苹果。",
        "question": "买什么？",
        "answers": {"text": ["苹果", "买苹果"], "answer_start": [5, 4]},
    },
]


@pytest.mark.parametrize("dataset", [CMRC, FLAT])
def test_other_layouts_ask_what_squads_asks(dataset):
    assert reading_prompts(dataset) == reading_prompts(SQUAD)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(CMRC, indent=1)),
        ("a.json", json.dumps(FLAT)),
        ("a.json", lines(*FLAT)),
        ("a.jsonl", lines(*FLAT)),
        ("a.jsonl.gz", gzip.compress(lines(*FLAT).encode())),
    ],
)
def test_other_layouts_are_read_from_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert reading_prompts(tmp_path / name) == reading_prompts(SQUAD)


def test_rows_of_a_hub_data_set_are_read_from_parquet(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist(FLAT), tmp_path / "a.parquet")
    assert cmrc_scores({"q1": "北京", "q2": "苹果"}, tmp_path / "a.parquet").average == 100.0


@pytest.mark.parametrize("dataset", [SQUAD, CMRC, FLAT])
def test_the_first_questions_of_any_layout_are_rows(dataset):
    assert [(row["id"], row["answers"]["text"]) for row in first_questions(dataset, 1)] == [("q1", ("北京",))]


NULLS = [
    {"data": [{"paragraphs": [{"context": "文", "qas": [{"id": "q", "question": "？", "answers": None}]}]}]},
    [{"context_text": "文", "qas": [{"query_id": "q", "query_text": "？", "answers": None}]}],
    [{"context": "文", "id": "q", "question": "？", "answers": None}],
    [{"context": "文", "id": "q", "question": "？", "answers": {"text": None, "answer_start": None}}],
]


@pytest.mark.parametrize("dataset", NULLS)
def test_null_answers_are_no_answers(dataset):
    assert reading_prompts(dataset) == [("q", "文", "？", ())]


@pytest.mark.parametrize("dataset", NULLS)
def test_a_question_with_null_answers_is_named_when_it_is_scored(dataset):
    with pytest.raises(ArgumentError, match="must answer every question, got none for 'q'"):
        cmrc_scores({}, dataset)


@pytest.mark.parametrize("answers", [[None], [3]])
@pytest.mark.parametrize("build", [lambda texts: {"text": texts}, lambda texts: {"text": texts, "answer_start": [0]}])
def test_an_answer_that_is_no_text_is_named_by_its_question(answers, build):
    with pytest.raises(ArgumentError, match="texts only; a member of 'q' is not"):
        reading_prompts([{"context": "文", "id": "q", "question": "？", "answers": build(answers)}])


@pytest.mark.parametrize(
    "row", [{}, {"context_text": "文"}, {"id": "q"}, {"id": "q", "question": "？", "answers": "北"}]
)
def test_a_row_of_no_layout_is_told_with_its_number(row):
    with pytest.raises(ArgumentError, match="failed after question 2"):
        reading_prompts([*FLAT, row])


def test_a_lone_text_is_one_answer_and_not_its_characters():
    row = {"context_text": "他在北京。", "qas": [{"query_id": "q", "query_text": "？", "answers": "北京"}]}
    assert reading_prompts([row])[0].answers == ("北京",)
