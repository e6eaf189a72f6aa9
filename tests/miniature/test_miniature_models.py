"""Tokenizers of the miniature: nothing is unknown, captions are short, and the formats are those of the real models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from miniature.documents import CHAT_TURN
from miniature.models import make_encoder_tokenizer, make_policy_tokenizer


@pytest.fixture(scope="module")
def texts(captions: list[tuple[str, str]]) -> list[str]:
    return [text for pair in captions for text in pair]


@pytest.fixture(scope="module")
def tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    return make_policy_tokenizer(texts)


@given(text=st.text())
def test_any_text_survives_the_policy_tokenizer(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokenizer.decode(ids) == text


def test_captions_take_about_one_token_a_character_or_syllable(
    tokenizer: PreTrainedTokenizerFast, captions: list[tuple[str, str]]
) -> None:
    lengths = [len(tokenizer(bo)["input_ids"]) for _, bo in captions]
    assert max(lengths) <= 32


def test_chat_template_opens_turns_as_pretraining_does(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = [{"role": "user", "content": "你好"}]
    opened = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert opened == CHAT_TURN.format(prompt="你好")


def test_encoder_tokens_stand_where_xlm_r_expects_them(texts: list[str]) -> None:
    tokenizer = make_encoder_tokenizer(texts)
    ids = tokenizer("藏文")["input_ids"]
    assert (ids[0], tokenizer.pad_token_id, ids[-1]) == (0, 1, 2)
