import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from semreward.errors import ArgumentError
from tibetan import choice
from tibetan.choice import _log_likelihoods, choice_scores

PASSAGE = "他在北京买了三个苹果。"


def squad(*questions, passage=PASSAGE):
    asked = [
        {"id": f"{passage[0]}{number}", "question": question, "answers": [{"text": text} for text in answers]}
        for number, (question, *answers) in enumerate(questions)
    ]
    return {"data": [{"paragraphs": [{"context": passage, "qas": asked}]}]}


QUESTIONS = squad(("他在哪里？", "北京"), ("他买了什么？", "苹果", "三个苹果"), ("他买了几个？", "三个"))


@pytest.fixture(scope="module")
def tokenizer(policy_folder):
    return AutoTokenizer.from_pretrained(policy_folder)


@pytest.fixture(scope="module")
def model(policy_folder):
    policy = AutoModelForCausalLM.from_pretrained(policy_folder, dtype=torch.float32)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(3)  # fresh weights are so small that all answers are equally likely
    return policy.eval()


def test_likelihoods_equal_those_of_whole_texts(model, tokenizer):
    endings, answers = ["\n他在哪里？\n", "\n", "\n他买了什么东西？答："], ["北京", "三个苹果", "他"]
    found, lengths = _log_likelihoods(model, tokenizer, PASSAGE, endings, answers)
    for row, ending in enumerate(endings):
        before = tokenizer(PASSAGE)["input_ids"] + tokenizer(ending, add_special_tokens=False)["input_ids"]
        for column, answer in enumerate(answers):
            ids = tokenizer(" " + answer, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                log_p = model(torch.tensor([before + ids])).logits[0].log_softmax(-1)
            expected = sum(log_p[len(before) - 1 + at, token].item() for at, token in enumerate(ids))
            assert found[row, column].item() == pytest.approx(expected, abs=1e-4)
            assert lengths[column] == len(ids)


def test_scores_count_questions_and_chance(model, tokenizer):
    scores = choice_scores(model, tokenizer, QUESTIONS)
    assert scores.questions == 3
    assert scores.chance == pytest.approx((1 / 4 + 2 / 4 + 1 / 4) / 3)
    assert scores.gain == pytest.approx(sum(scores.right.values()) / 3)


def test_policy_that_ignores_the_question_gains_nothing_from_it(model, tokenizer, monkeypatch):
    monkeypatch.setattr(choice, "QUESTION", choice.BLIND)
    scores = choice_scores(model, tokenizer, QUESTIONS)
    assert scores.likelihood == scores.blind


def test_passage_with_one_distinct_answer_is_left_out(model, tokenizer):
    single = squad(("他在哪里？", "北京"), ("哪个城市？", " 北京 "), passage="又去北京。")
    both = {"data": QUESTIONS["data"] + single["data"]}
    assert choice_scores(model, tokenizer, both).right == choice_scores(model, tokenizer, QUESTIONS).right
    with pytest.raises(ArgumentError, match="a passage with two distinct answers"):
        choice_scores(model, tokenizer, single)


def test_questions_know_their_passage(model, tokenizer):
    second = squad(("谁？", "她"), ("哪里？", "上海"), passage="她在上海。")
    scores = choice_scores(model, tokenizer, {"data": QUESTIONS["data"] + second["data"]})
    assert list(scores.passages.values()) == [0, 0, 0, 1, 1]


def test_model_is_left_as_it_was(model, tokenizer):
    training = copy.deepcopy(model).train()
    choice_scores(training, tokenizer, QUESTIONS)
    assert training.training
