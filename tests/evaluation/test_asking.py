import copy
import json
import re

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.evaluation import READING_PROMPT, ChatModel, cmrc_scores, reading_answers

QUESTIONS = {
    "data": [
        {
            "paragraphs": [
                {"context": passage, "qas": [{"id": name, "question": "在哪里？", "answers": [{"text": place}]}]}
            ]
        }
        for name, passage, place in [
            ("q1", "他在北京。", "北京"),
            ("q2", "她和我都在上海。", "上海"),
            ("q3", "我在拉萨。", "拉萨"),
        ]
    ]
}


class Reader:
    """Answers with what stands in the passage after the character for "in", and remembers its batches."""

    signature = "reader"

    def __init__(self, fails_at=None):
        self.batches = []
        self.fails_at = fails_at

    def __call__(self, prompts):
        self.batches.append(list(prompts))
        if len(self.batches) == self.fails_at:
            raise MemoryError("too much")
        return [re.search("短文：.*在(.*)。", prompt)[1] for prompt in prompts]

    @property
    def prompts(self):
        return [prompt for batch in self.batches for prompt in batch]


def test_answers_come_by_id_in_the_order_of_the_data_set():
    assert list(reading_answers(Reader(), QUESTIONS).items()) == [("q1", "北京"), ("q2", "上海"), ("q3", "拉萨")]


def test_answers_can_be_scored():
    assert cmrc_scores(reading_answers(Reader(), QUESTIONS), QUESTIONS).average == 100.0


def test_passage_and_question_stand_in_the_prompt():
    reader = Reader()
    reading_answers(reader, QUESTIONS)
    assert READING_PROMPT.format(passage="他在北京。", question="在哪里？") in reader.prompts


def test_a_prompt_of_ones_own_is_used():
    asked = []
    reading_answers(
        lambda prompts: asked.extend(prompts) or ["a"] * len(prompts), QUESTIONS, prompt="{question}|{passage}"
    )
    assert "在哪里？|他在北京。" in asked


def test_the_longest_prompts_come_first_in_batches():
    reader = Reader()
    reading_answers(reader, QUESTIONS, batch_size=2)
    assert ([len(batch) for batch in reader.batches], "她和我" in reader.prompts[0]) == ([2, 1], True)


def test_braces_in_a_passage_stay_as_they_are():
    questions = copy.deepcopy(QUESTIONS)
    questions["data"][0]["paragraphs"][0]["context"] = "{question}在{}。"
    assert reading_answers(Reader(), questions)["q1"] == "{}"


def test_reasoning_and_outer_white_space_are_removed():
    answers = reading_answers(lambda prompts: ["<think>哪里？</think>\n 北京 \n"] * len(prompts), QUESTIONS)
    assert answers["q1"] == "北京"


def test_an_answer_cut_off_while_reasoning_is_empty():
    assert reading_answers(lambda prompts: ["<think>哪里"] * len(prompts), QUESTIONS)["q1"] == ""


def test_what_an_answer_is_made_of_is_not_normalised():
    ideograph = "\uf900"  # NFC has another one for it, by which the passage would not be matched
    assert reading_answers(lambda prompts: [ideograph] * len(prompts), QUESTIONS)["q1"] == ideograph


# The file


def test_the_file_holds_ids_and_answers(tmp_path):
    reading_answers(Reader(), QUESTIONS, path=tmp_path / "runs" / "answers.jsonl")
    lines = (tmp_path / "runs" / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert {record["id"]: record["answer"] for record in map(json.loads, lines)} == {
        "q1": "北京",
        "q2": "上海",
        "q3": "拉萨",
    }


def test_a_second_call_asks_nothing(tmp_path):
    whole = reading_answers(Reader(), QUESTIONS, path=tmp_path / "answers.jsonl")
    again = Reader()
    assert (reading_answers(again, QUESTIONS, path=tmp_path / "answers.jsonl"), again.batches) == (whole, [])


def test_an_interrupted_call_asks_only_for_what_is_missing(tmp_path):
    with pytest.raises(MemoryError):
        reading_answers(Reader(fails_at=2), QUESTIONS, path=tmp_path / "answers.jsonl", batch_size=2)
    again = Reader()
    assert reading_answers(again, QUESTIONS, path=tmp_path / "answers.jsonl") == reading_answers(Reader(), QUESTIONS)
    assert len(again.prompts) == 1


def test_a_last_line_that_was_cut_off_is_asked_again(tmp_path):
    path = tmp_path / "answers.jsonl"
    reading_answers(Reader(), QUESTIONS, path=path)
    path.write_bytes(path.read_bytes()[:-5])
    again = Reader()
    assert reading_answers(again, QUESTIONS, path=path) == reading_answers(Reader(), QUESTIONS)
    assert len(again.prompts) == 1


def test_a_line_cut_off_inside_a_character_is_asked_again(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_bytes('{"id": "q1", "answer": "北'.encode()[:-1])
    assert len(reading_answers(Reader(), QUESTIONS, path=path)) == 3
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def test_another_prompt_is_asked_anew_beside_the_first(tmp_path):
    path = tmp_path / "answers.jsonl"
    reading_answers(Reader(), QUESTIONS, path=path)
    reading_answers(Reader(), QUESTIONS, path=path, prompt="短文：{passage}{question}")
    again = Reader()
    reading_answers(again, QUESTIONS, path=path)
    assert (again.batches, len(path.read_text(encoding="utf-8").splitlines())) == ([], 6)


def test_another_reader_is_asked_anew(tmp_path):
    reading_answers(Reader(), QUESTIONS, path=tmp_path / "answers.jsonl")
    again = Reader()
    again.signature = "another"
    reading_answers(again, QUESTIONS, path=tmp_path / "answers.jsonl")
    assert len(again.prompts) == 3


def test_a_function_with_a_file_needs_a_signature(tmp_path):
    with pytest.raises(ArgumentError, match="`reader` must have a `signature`, .* set reader.signature"):
        reading_answers(lambda prompts: ["a"] * len(prompts), QUESTIONS, path=tmp_path / "answers.jsonl")


# Bad input


@pytest.mark.parametrize("prompt", ["{passage}", "{question}", "{passage} {question} {id}", "{passage} {question} {"])
def test_a_prompt_with_other_fields_is_refused(prompt):
    with pytest.raises(ArgumentError, match="`prompt` must"):
        reading_answers(Reader(), QUESTIONS, prompt=prompt)


def test_a_prompt_that_is_no_text_is_refused():
    with pytest.raises(ArgumentTypeError, match="`prompt` must be a string, got NoneType"):
        reading_answers(Reader(), QUESTIONS, prompt=None)


def test_a_policy_for_reasoning_that_is_none_shows_before_anything_is_asked():
    reader = Reader()
    with pytest.raises(ArgumentError, match="`reasoning` must be one of"):
        reading_answers(reader, QUESTIONS, reasoning="bad")
    assert reader.batches == []


@pytest.mark.parametrize("size", ["16", 2.5, True, None])
def test_a_size_of_batches_that_is_no_integer_is_refused(size):
    with pytest.raises(ArgumentError, match="`batch_size` must be a whole number of at least 1"):
        reading_answers(Reader(), QUESTIONS, batch_size=size)


@pytest.mark.parametrize("returned", [None, "北京上", {"q1": "北京"}, 3])
def test_a_reader_that_returns_no_list_is_refused(returned):
    with pytest.raises(ArgumentTypeError, match="`reader` must return a list of texts, one per prompt, got"):
        reading_answers(lambda prompts: returned, QUESTIONS)


def test_a_batch_of_none_is_refused():
    with pytest.raises(ArgumentError, match="`batch_size` must be a whole number of at least 1, got 0"):
        reading_answers(Reader(), QUESTIONS, batch_size=0)


def test_a_reader_that_returns_too_few_answers_is_refused():
    with pytest.raises(ArgumentError, match="`reader` must return one answer per prompt: 3 expected, got 1"):
        reading_answers(lambda prompts: ["a"], QUESTIONS)


def test_a_reader_that_returns_no_texts_is_refused():
    with pytest.raises(ArgumentTypeError, match="`reader` must return texts, got NoneType"):
        reading_answers(lambda prompts: [None] * len(prompts), QUESTIONS)


def test_a_reader_that_cannot_be_called_is_refused():
    with pytest.raises(ArgumentTypeError, match="`reader` must be callable, got str"):
        reading_answers("Qwen/Qwen3-4B-Instruct-2507", QUESTIONS)


# A model in this process


@pytest.fixture(scope="module")
def tokenizer(policy_folder):
    return AutoTokenizer.from_pretrained(policy_folder)


@pytest.fixture(scope="module")
def model(policy_folder):
    return AutoModelForCausalLM.from_pretrained(policy_folder, dtype=torch.float32).eval()


@pytest.fixture
def chat(model, tokenizer):
    return ChatModel(model, tokenizer, max_tokens=5)


@pytest.fixture(scope="module")
def prompts(captions):
    return [caption for pair in captions[:4] for caption in pair]


def greedily(model, tokenizer, prompt, tokens):
    """Token by token, the likeliest one, without cache or padding."""
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
    )
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    answer = []
    while len(answer) < tokens:
        with torch.no_grad():
            token = model(torch.tensor([ids + answer])).logits[0, -1].argmax().item()
        answer.append(token)
        if token == model.generation_config.eos_token_id:
            break
    return tokenizer.decode(answer, skip_special_tokens=True)


def test_answers_are_greedy_and_a_batch_does_not_change_them(chat, model, tokenizer, prompts):
    assert chat(prompts) == [greedily(model, tokenizer, prompt, 5) for prompt in prompts]


def test_no_prompts_get_no_answers(chat):
    assert chat([]) == []


def test_the_models_generation_settings_do_not_sample(model, tokenizer, prompts):
    sampling = copy.deepcopy(model)
    sampling.generation_config.update(do_sample=True, temperature=5.0, top_p=0.9, top_k=50, repetition_penalty=1.5)
    assert ChatModel(sampling, tokenizer, max_tokens=5)(prompts) == ChatModel(model, tokenizer, max_tokens=5)(prompts)


def test_batches_are_padded_on_the_left_whatever_the_tokenizer_does(chat, model, tokenizer, prompts):
    right = copy.deepcopy(tokenizer)
    right.padding_side = "right"
    assert ChatModel(model, right, max_tokens=5)(prompts) == chat(prompts)


def test_a_tokenizer_without_a_padding_token_will_do(chat, model, tokenizer, prompts):
    without = copy.deepcopy(tokenizer)
    without.pad_token = None
    assert ChatModel(model, without, max_tokens=5)(prompts) == chat(prompts)


def test_a_model_is_left_in_its_mode(model, tokenizer, prompts):
    training = copy.deepcopy(model).train()
    ChatModel(training, tokenizer, max_tokens=1)(prompts[:1])
    assert training.training


def test_options_reach_the_chat_template(model, tokenizer, monkeypatch):
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = "{{ messages[0].content }}{{ ending }}"
    chat = ChatModel(model, plain, template_options={"ending": "猫"})
    read = []
    monkeypatch.setattr(model, "generate", lambda *, input_ids, **_: read.append(input_ids.tolist()) or input_ids)
    assert chat(["红"]) == [""]
    assert read == [[plain("红猫", add_special_tokens=False)["input_ids"]]]


def test_a_model_answers_a_reading_test_and_goes_on(chat, tmp_path):
    whole = reading_answers(chat, QUESTIONS, path=tmp_path / "answers.jsonl", batch_size=2)
    lines = (tmp_path / "answers.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "answers.jsonl").write_bytes(lines[0])
    assert reading_answers(chat, QUESTIONS, path=tmp_path / "answers.jsonl", batch_size=2) == whole


def test_a_models_signature_is_that_of_equal_weights(model, tokenizer):
    assert ChatModel(copy.deepcopy(model), tokenizer).signature == ChatModel(model, tokenizer).signature


def test_a_models_signature_changes_with_its_weights(model, tokenizer):
    moved = copy.deepcopy(model)
    with torch.no_grad():
        moved.model.norm.weight.add_(0.01)
    assert ChatModel(moved, tokenizer).signature != ChatModel(model, tokenizer).signature


def test_a_models_signature_changes_with_settings(model, tokenizer):
    chats = [
        ChatModel(model, tokenizer),
        ChatModel(model, tokenizer, max_tokens=3),
        ChatModel(model, tokenizer, template_options={"enable_thinking": False}),
    ]
    assert len({chat.signature for chat in chats}) == 3


def test_a_models_signature_changes_where_its_adapter_is_off(model, tokenizer):
    adapted = get_peft_model(copy.deepcopy(model), LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    chat = ChatModel(adapted, tokenizer)
    on = chat.signature
    with adapted.disable_adapter():
        off = chat.signature
    assert (chat.signature, on != off) == (on, True)


def test_a_tokenizer_without_a_chat_template_is_refused(model, tokenizer):
    without = copy.deepcopy(tokenizer)
    without.chat_template = None
    with pytest.raises(ArgumentError, match="must have a chat template"):
        ChatModel(model, without)


def test_answers_of_no_tokens_are_refused(model, tokenizer):
    with pytest.raises(ArgumentError, match="`max_tokens` must be a whole number of at least 1, got 0"):
        ChatModel(model, tokenizer, max_tokens=0)
