import json
import os
import random
import sys
import time
from pathlib import Path

import pytest

from semreward.errors import ArgumentError, ArgumentTypeError, MissingDependencyError
from semreward.evaluation import CmrcScores, cmrc_scores, first_questions
from semreward.evaluation import reading as reading_module
from semreward.evaluation.reading import comparable_text, reading_f1, reading_prompts, reading_tokens


def dataset(*questions, passage="他在北京。"):
    """A data set of one passage; a question is an id and its answers."""
    qas = [
        {"id": name, "question": f"{name}？", "answers": [{"text": text, "answer_start": 0} for text in answers]}
        for name, answers in questions
    ]
    return {"data": [{"paragraphs": [{"context": passage, "qas": qas}]}]}


@pytest.mark.parametrize(
    ("text", "comparable"),
    [
        (" 《ABC》, 1/2 ", "abc, 12"),
        ("“北京”。", "北京"),
        ("一、二；三：四", "一二三四"),
        ("A-B_C*D^E", "abcde"),
        ("……", "……"),  # the list's ellipsis has two signs, and no character equals it
        ("(a), b.", "(a), b."),  # only full-width brackets, commas and stops are listed
        ("‘引’", "‘引"),  # of the single quotes only the closing one is listed
        ("。 a", " a"),  # stripped before signs are deleted, not after
        ("", ""),
    ],
)
def test_texts_are_compared_in_cmrcs_form(text, comparable):
    assert comparable_text(text) == comparable


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("北京", ["北", "京"]),
        ("2018年A-B c，3.5%", ["2018", "年", "ab", "c3.5", "%"]),
        ("iPhone手机", ["iphone", "手", "机"]),
        ("don't", ["do", "n't"]),
        ("a。b", ["ab"]),
        ("\u3400\u4e00\u9fa5\u9fa6", ["\u3400", "\u4e00", "\u9fa5", "\u9fa6"]),
        ("\u3400\u3400\u4e00", ["\u3400\u3400", "\u4e00"]),  # characters beyond the range are no tokens of their own
        ("北 京", ["北", "京"]),
        ("", []),
        ("。，", []),
    ],
)
def test_tokens_are_han_characters_and_words(text, tokens):
    assert reading_tokens(text) == tokens


@pytest.mark.parametrize(
    ("prediction", "answer", "f1"),
    [
        ("北京", "北京", 1.0),
        ("在北京。", "北京", 0.8),
        ("北京大学", "北京的大学", 4 / 9),  # the run of two counts, not the subsequence of four
        ("京北", "北京", 0.5),
        ("上海", "北京", 0.0),
        ("", "北京", 0.0),
        ("。", "北京", 0.0),
        ("2018年", "2018", 2 / 3),
        ("ABC", "abc", 1.0),
    ],
)
def test_f1_by_hand(prediction, answer, f1):
    assert reading_f1(prediction, answer) == pytest.approx(f1)


def test_a_full_file_of_predictions_is_scored_in_seconds():
    rng = random.Random(0)
    letters = [chr(rng.randrange(0x4E00, 0x9FA6)) for _ in range(2_000)] + list("0123456789abc，。")
    passages = ["".join(rng.choices(letters, k=500)) for _ in range(1_073)]
    questions = {"data": []}
    for number, passage in enumerate(passages):  # as many questions and answers as the development set of CMRC 2018
        spans = [[passage[(start := rng.randrange(400)) : start + 30] for _ in range(3)] for _ in range(3)]
        questions["data"] += dataset(*((f"{number}-{n}", span) for n, span in enumerate(spans)), passage=passage)[
            "data"
        ]
    predictions = {prompt.id: prompt.passage[:64] for prompt in reading_prompts(questions)}
    began = time.process_time()
    cmrc_scores(predictions, questions)
    assert (len(predictions), time.process_time() - began < 2.0) == (3_219, True)


def test_scores_are_means_in_percent():
    questions = dataset(("q1", ["北京"]), ("q2", ["上海"]), ("q3", ["广州"]))
    assert cmrc_scores({"q1": "北京", "q2": "在上海。", "q3": "深圳"}, questions) == CmrcScores(
        exact_match=pytest.approx(100 / 3),
        f1=pytest.approx(60.0),
        average=pytest.approx(140 / 3),
        total=3,
        missing=0,
        absent=2,
    )


def test_signs_and_case_do_not_spoil_an_exact_match():
    assert cmrc_scores({"q": "《ABC公司》。"}, dataset(("q", ["abc公司"]))).exact_match == 100.0


def test_the_best_of_several_answers_counts():
    assert cmrc_scores({"q": "京城"}, dataset(("q", ["北京", "京城"]))).average == 100.0


def test_exact_match_and_f1_may_come_from_different_answers():
    # "。" is exactly the answer "，" once signs are gone, though they share no token
    assert cmrc_scores({"q": "。"}, dataset(("q", ["，", "北京"]))) == CmrcScores(100.0, 0.0, 50.0, 1, 0)


def test_a_question_without_a_prediction_counts_zero():
    scores = cmrc_scores({"q1": "北京"}, dataset(("q1", ["北京"]), ("q2", ["上海"])))
    assert (scores.average, scores.total, scores.missing) == (50.0, 2, 1)


def test_answers_that_stand_in_no_passage_are_counted():
    questions = dataset(("q1", ["北京"]), ("q2", ["上海"]), ("q3", ["上海", "京"]), ("q4", ["北京 "]))
    assert cmrc_scores({}, questions).absent == 2


def test_an_answer_that_stands_in_no_passage_counts_like_others():
    assert cmrc_scores({"q": "上海"}, dataset(("q", ["上海"]))).average == 100.0


def test_first_questions_are_kept_with_their_passages_and_answers():
    two = {
        "data": [*dataset(("a", ["北京"]), ("b", ["上海"]))["data"], *dataset(("c", ["广州"]), passage="文")["data"]]
    }
    assert reading_prompts(first_questions(two, 1)) == reading_prompts(dataset(("a", ["北京"])))


def test_first_questions_may_reach_into_several_articles():
    two = {"data": [*dataset(("a", ["北京"]))["data"], *dataset(("b", ["广州"]), ("c", []))["data"]]}
    assert [prompt.id for prompt in reading_prompts(first_questions(two, 2))] == ["a", "b"]


def test_more_questions_than_there_are_keep_all():
    whole = dataset(("a", ["北京"]), ("b", []))
    assert reading_prompts(first_questions(whole, 9)) == reading_prompts(whole)


def test_first_questions_leave_the_data_set_as_it_is():
    whole = dataset(("a", ["北京"]), ("b", ["上海"]))
    first_questions(whole, 1)
    assert whole == dataset(("a", ["北京"]), ("b", ["上海"]))


def test_no_first_questions_are_refused():
    with pytest.raises(ArgumentError, match="`count` must be a whole number of at least 1, got 0"):
        first_questions(dataset(("a", ["北京"])), 0)


def test_a_data_set_may_be_a_file(tmp_path):
    path = tmp_path / "cmrc.json"
    path.write_text(json.dumps(dataset(("q", ["北京"]))), encoding="utf-8")
    assert cmrc_scores({"q": "北京"}, path).average == 100.0


def test_prompts_come_in_the_data_sets_order_and_need_no_answers():
    questions = {"data": [{"paragraphs": [{"context": "文", "qas": [{"id": i, "question": i} for i in ("b", "a")]}]}]}
    assert reading_prompts(questions) == [("b", "文", "b", ()), ("a", "文", "a", ())]


def test_an_unknown_prediction_is_named():
    with pytest.raises(ArgumentError, match="unknown id 'q9'"):
        cmrc_scores({"q9": "北京"}, dataset(("q", ["北京"])))


@pytest.mark.parametrize("prediction", [None, 3, ["北京"]])
def test_a_prediction_of_the_wrong_type_is_named(prediction):
    with pytest.raises(ArgumentTypeError, match="for 'q'"):
        cmrc_scores({"q": prediction}, dataset(("q", ["北京"])))


def test_predictions_that_are_no_mapping_are_refused():
    with pytest.raises(ArgumentTypeError, match="`predictions` must map"):
        cmrc_scores(["北京"], dataset(("q", ["北京"])))


def test_a_question_without_answers_is_named():
    with pytest.raises(ArgumentError, match="none for 'q2'"):
        cmrc_scores({}, dataset(("q1", ["北京"]), ("q2", [])))


def test_a_repeated_question_is_named():
    with pytest.raises(ArgumentError, match="the id 'q' twice"):
        cmrc_scores({}, dataset(("q", ["北京"]), ("q", ["上海"])))


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"data": None},
        {"data": [{}]},
        {"data": [{"paragraphs": [{"context": "文", "qas": [{"id": "q"}]}]}]},
        {"data": [{"paragraphs": [{"context": "文", "qas": [{"id": "q", "question": "？", "answers": 3}]}]}]},
    ],
)
def test_another_layout_is_refused(broken):
    with pytest.raises(ArgumentError, match="layout of SQuAD"):
        cmrc_scores({}, broken)


@pytest.mark.parametrize("broken", [dataset(("q", [3])), dataset(("q", ["北"]), passage=None)])
def test_what_is_no_text_is_named_by_its_question(broken):
    with pytest.raises(ArgumentError, match="`dataset` must hold texts only; .* of 'q' is not"):
        cmrc_scores({"q": "北京"}, broken)


def test_a_data_set_without_questions_is_refused():
    with pytest.raises(ArgumentError, match="at least one question"):
        cmrc_scores({}, {"data": []})


@pytest.mark.parametrize("thing", [3, ["q"], None])
def test_a_data_set_of_the_wrong_type_is_refused(thing):
    with pytest.raises(ArgumentTypeError, match="a mapping or a path"):
        cmrc_scores({}, thing)


def test_a_file_that_is_no_json_is_refused(tmp_path):
    path = tmp_path / "cmrc.json"
    path.write_text("id,text")
    with pytest.raises(ArgumentError, match="cmrc.json' cannot be read"):
        cmrc_scores({}, path)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(ArgumentError, match="none.json' does not exist"):
        cmrc_scores({}, tmp_path / "none.json")


@pytest.fixture
def without_nltk(monkeypatch):
    reading_module._words.cache_clear()
    monkeypatch.setitem(sys.modules, "nltk", None)


@pytest.mark.usefixtures("without_nltk")
def test_a_missing_library_is_told_with_the_install_command():
    with pytest.raises(MissingDependencyError, match=r"pip install 'semreward\[eval\]'"):
        reading_tokens("a b")


@pytest.mark.usefixtures("without_nltk")
def test_han_characters_need_no_library():
    assert reading_tokens("北京") == ["北", "京"]


data = pytest.mark.skipif("SEMREWARD_DATA" not in os.environ, reason="SEMREWARD_DATA is not set")


@pytest.fixture(scope="module")
def trial_file():
    return Path(os.environ["SEMREWARD_DATA"]) / "cmrc2018" / "cmrc2018_trial.json"


@data
@pytest.mark.realdata
def test_every_question_of_the_trial_data_is_read(trial_file):
    assert len(list(reading_prompts(trial_file))) == 1002


@data
@pytest.mark.realdata
def test_the_answers_of_the_trial_data_score_full_marks(trial_file):
    articles = json.loads(trial_file.read_text(encoding="utf-8"))["data"]
    answers = {
        question["id"]: question["answers"][0]["text"]
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    assert cmrc_scores(answers, trial_file) == CmrcScores(100.0, 100.0, 100.0, 1002, 0)
