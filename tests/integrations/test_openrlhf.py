"""OpenRLHF's calls, replayed.

Facts: OpenRLHF/OpenRLHF, openrlhf/utils/agent.py (`SingleTurnAgentExecutor`, commit 04655bc3) and
openrlhf/trainer/ppo_utils/samples_generator.py (`_process_response_into_experience`, 03912e47).
"""

import asyncio
import logging
import unicodedata

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from integrations.rewards import BO, OTHER_BO, Listener, failing, similarity_alone, usual
from semreward import ChrfReward, LanguageConsistencyReward
from semreward.errors import ArgumentError
from semreward.integrations.openrlhf import openrlhf_reward, response_of
from semreward.text import without_end_tokens

PROMPT = "<|im_start|>system\nTranslate.<|im_end|>\n<|im_start|>user\n红色的房子<|im_end|>\n<|im_start|>assistant\n"
END = "<|im_end|>"


async def execute(reward_func, prompt, response, label, *, decode=lambda text: text):
    """One sample: its function runs in a thread, and whatever it raises is a line at level INFO."""
    output = {"reward": None, "scores": None, "extra_logs": {}}
    try:
        query = decode(prompt + response)  # with special tokens
        info = await asyncio.to_thread(reward_func, [query], [prompt], [label])
        output.update(
            reward=info.get("rewards"),
            scores=info.get("scores") or info.get("rewards"),
            extra_logs=info.get("extra_logs") or {},
        )
    except Exception as error:  # noqa: BLE001 - as the executor does
        logging.getLogger("openrlhf").info("Failed to fetch reward from remote RM: %s", error)
    return output


def rollout(reward_func, pairs, **options):
    """Several samples under way at once: pairs of a response and its label."""

    async def gather():
        return await asyncio.gather(*(execute(reward_func, PROMPT, *pair, **options) for pair in pairs))

    return asyncio.run(gather())


def experience(output):
    """The tensors of a sample, as the trainer makes them of what the executor returned."""
    info = {"reward": torch.tensor([output["reward"]]), "score": torch.tensor([output["scores"]])}
    for key, value in output["extra_logs"].items():
        info[key] = torch.tensor([value.flatten()[0].item() if isinstance(value, torch.Tensor) else value])
    return info


def test_samples_earn_what_the_reward_pays():
    answers = [BO, OTHER_BO, "Tibetan", ""]
    outputs = rollout(openrlhf_reward(usual()), [(answer + END, BO) for answer in answers])
    expected = usual()(completions=answers, reference=[BO] * 4)
    assert [output["reward"].item() for output in outputs] == pytest.approx(expected)


def test_tensors_of_one_sample_have_shape_one():
    output = rollout(openrlhf_reward(usual()), [(BO + END, BO)])[0]
    assert {key: value.shape for key, value in experience(output).items()} == {
        "reward": (1,),
        "score": (1,),
        "semantic_similarity": (1,),
        "language_consistency": (1,),
    }


def test_tensors_of_several_samples_have_their_number():
    found = openrlhf_reward(usual())([PROMPT + BO, PROMPT + "x", PROMPT], [PROMPT] * 3, [BO] * 3)
    assert found["rewards"].shape == found["scores"].shape == found["extra_logs"]["language_consistency"].shape == (3,)
    assert found["rewards"].dtype == torch.float32


def test_components_are_logged_before_their_weights():
    output = rollout(openrlhf_reward(usual()), [(BO + END, BO)])[0]
    assert output["extra_logs"]["semantic_similarity"].tolist() == pytest.approx([1.0])


def test_scores_are_not_the_same_tensor_as_rewards():
    found = openrlhf_reward(usual())([PROMPT + BO], [PROMPT], [BO])
    found["rewards"] += 1
    assert found["scores"].tolist() == pytest.approx([2.5])


def test_neither_prompt_nor_end_tokens_are_judged():
    listener = Listener()
    rollout(openrlhf_reward(listener), [(f"{BO}{END}\n<|endoftext|>", BO)])
    assert listener.calls[0]["completions"] == [BO]
    assert listener.calls[0]["prompts"] == [PROMPT]
    assert listener.calls[0]["reference"] == [BO]


def answer_before_own_end(completion):
    return without_end_tokens(completion, ["[END]"])


def test_an_end_token_of_ones_own_is_removed_by_the_rewards_answer():
    reward_func = openrlhf_reward(LanguageConsistencyReward("bo", answer=answer_before_own_end))
    assert rollout(reward_func, [(f"{BO}[END]", BO)])[0]["reward"].tolist() == [1.0]


def test_a_prompt_that_the_tokenizer_normalises_is_cut_out():
    prompt = unicodedata.normalize("NFD", "<|user|>café, naïveté, Ångström<|assistant|>")
    assert response_of(unicodedata.normalize("NFC", prompt + BO), prompt) == BO


def test_a_prompt_that_was_cut_on_its_left_is_cut_out():
    assert response_of(PROMPT[30:] + BO, PROMPT) == BO


def test_a_prompt_that_was_cut_inside_a_character_is_cut_out():
    assert response_of("\ufffd\ufffd" + PROMPT[44:] + BO, PROMPT) == BO


def test_a_prompt_without_its_leading_space_is_cut_out():
    assert response_of("Q: a? A:" + BO, " Q: a? A:") == BO


@pytest.mark.parametrize("gap", ["", " ", "\n"])
def test_a_prompt_with_spaces_around_its_special_tokens_is_cut_out(gap):
    assert response_of(f"<s> [INST] 红色 的房子. [/INST]{gap}{BO} ཡིན", "<s>[INST] 红色 的房子 . [/INST]") == f"{BO} ཡིན"


@given(st.data(), st.text("ab <|\né", min_size=20), st.text("xyz ", max_size=20))
def test_white_space_and_a_cut_do_not_move_the_boundary(data, prompt, response):
    prompt += "<|assistant|>\n<think>"
    gaps = data.draw(st.lists(st.sampled_from(["", " ", "\n"]), min_size=len(prompt), max_size=len(prompt)))
    cut = data.draw(st.integers(0, len(prompt) - 20))
    seen = "".join(gap + sign for gap, sign in zip(gaps, prompt, strict=True))[cut:]
    assume(len("".join(seen.split())) >= 16 and seen != prompt)
    assert response_of(seen + response, prompt) == response.lstrip()


@pytest.mark.parametrize("cut", [0, 3])
def test_a_tokenizers_own_text_is_taken_apart(captions, cut):
    from miniature.models import make_policy_tokenizer

    tokenizer = make_policy_tokenizer(text for pair in captions for text in pair)
    listener = Listener()
    for zh, bo in captions[:20]:
        messages = [{"role": "user", "content": zh}]
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"][cut:]
        ids += [*tokenizer(bo, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        openrlhf_reward(listener)([tokenizer.decode(ids, skip_special_tokens=False)], [prompt], [bo])
    assert [call["completions"] for call in listener.calls] == [[bo] for _, bo in captions[:20]]


def test_a_long_prompt_that_was_cut_is_cut_out_at_its_longest_end():
    assert response_of("a b " * 500 + BO, "a b " * 1000) == BO


def test_a_prompt_of_white_space_leaves_the_whole_query():
    assert response_of(BO, " \n") == BO


def test_a_response_that_repeats_the_prompt_is_kept():
    assert response_of(PROMPT + PROMPT + BO, PROMPT) == PROMPT + BO


def test_too_short_an_end_of_a_prompt_is_not_taken_for_it():
    with pytest.raises(ArgumentError, match="`queries` must begin with their prompts, got 'tant"):
        response_of("tant\n" + BO, PROMPT)


def test_a_query_shorter_than_what_must_be_found_is_an_error():
    with pytest.raises(ArgumentError, match="`queries` must begin with their prompts"):
        response_of("sistant", PROMPT.strip())


def test_a_query_without_its_prompt_is_an_error():
    with pytest.raises(ArgumentError, match="`queries` must begin with their prompts"):
        response_of(BO, PROMPT)


def test_labels_fill_the_named_column():
    reward_func = openrlhf_reward(ChrfReward(reference_column="target"), reference_column="target")
    assert rollout(reward_func, [(BO + END, BO)])[0]["reward"].tolist() == [1.0]


def test_further_arguments_are_ignored():
    assert openrlhf_reward(usual())([PROMPT + BO], [PROMPT], [BO], step=3)["rewards"].tolist() == pytest.approx([2.5])


@pytest.mark.parametrize(
    ("reward", "label", "message"),
    [
        (failing, BO, "out of order"),
        (similarity_alone(), "", "`reference` must be a non-empty string"),
        (similarity_alone(), None, "`reference` must be a non-empty string"),
        (similarity_alone(reference_column="target"), BO, "column `target` is missing"),
        (similarity_alone(on_missing="none"), None, "`on_none` must be a number"),
    ],
    ids=["raising", "blank", "missing", "wrong column", "does not apply"],
)
def test_an_error_that_openrlhf_hides_is_logged_as_one(reward, label, message, caplog):
    output = rollout(openrlhf_reward(reward), [(BO + END, label)])[0]
    assert output["reward"] is None
    loud = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(loud) == 1
    assert "OpenRLHF hides the error" in loud[0].getMessage()
    assert message in str(loud[0].exc_info[1])


def test_a_sample_to_which_the_reward_does_not_apply_earns_the_given_number():
    reward_func = openrlhf_reward(similarity_alone(on_missing="none"), on_none=0.25)
    output = rollout(reward_func, [(BO + END, None)])[0]
    assert output["reward"].tolist() == [0.25]
    assert output["extra_logs"]["semantic_similarity"].isnan().tolist() == [True]
