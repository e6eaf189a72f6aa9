"""Tokenizers, the policy's architecture, and untrained encoder checkpoints.

* Tokens: byte-level BPE over text that is split into Chinese characters and Tibetan syllables first, so a caption takes
  about seventeen tokens in Tibetan; bytes cover whatever else turns up, so nothing is unknown.
* Policy: Qwen3 at width 128. The LoRA targets, the chat template and the trainers' code paths are those of the
  full-size policy. Wider models learn no more in the same minutes.
* Encoders: XLM-R checkpoints in plain transformers format, as CINO is, so adapting them takes the same code path.
  Random weights suffice as a start: one epoch of contrastive training separates the meanings.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, XLMRobertaConfig, XLMRobertaModel

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Qwen's chat format without tools and thinking."""

POLICY_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ENCODER_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
"""XLM-R's special tokens in its own order: the position embeddings rely on `<pad>` being number 1."""

SPLIT = r"\s|\p{Han}|[\u0F40-\u0FBC]+\u0F0B?|[A-Za-z]+|\p{N}|[^\s\p{Han}\u0F40-\u0FBCA-Za-z\p{N}]"
"""What a token may span at most: a Chinese character, a Tibetan syllable and tsheg, a Latin word, a digit, a sign."""


class PolicyShape(NamedTuple):
    """Size of the policy."""

    width: int = 128
    layers: int = 3
    heads: int = 4


class EncoderShape(NamedTuple):
    """Size of an encoder."""

    width: int = 128
    layers: int = 2
    heads: int = 4


def make_policy_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a tokenizer with Qwen's chat format, whose end of sequence is the end of a turn; it pads on the left."""
    tokenizer = _train_bpe(texts, POLICY_TOKENS)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # transformers leaves it unannotated
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",  # noqa: S106 - a token of text, no secret
        pad_token="<|endoftext|>",  # noqa: S106
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def make_encoder_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train an encoder's tokenizer, which puts `<s>` and `</s>` around a text."""
    tokenizer = _train_bpe(texts, ENCODER_TOKENS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # transformers leaves it unannotated
        tokenizer_object=tokenizer,
        bos_token="<s>",  # noqa: S106 - tokens of text, no secrets
        cls_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        sep_token="</s>",  # noqa: S106
        pad_token="<pad>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        mask_token="<mask>",  # noqa: S106
        model_max_length=128,
        clean_up_tokenization_spaces=False,
    )


def make_policy(tokenizer: PreTrainedTokenizerFast, shape: PolicyShape, *, seed: int) -> Qwen3ForCausalLM:
    """Return a policy with random weights that fits the tokenizer."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=3 * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=max(1, shape.heads // 2),
        head_dim=shape.width // shape.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.06,  # 0.02 is made for widths in the thousands; here it delays copying by hundreds of steps
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen3ForCausalLM(config)


def write_encoder(folder: Path, texts: Iterable[str], shape: EncoderShape, *, seed: int) -> None:
    """Write an untrained XLM-R checkpoint, with a tokenizer that was trained on texts."""
    tokenizer = make_encoder_tokenizer(texts)
    torch.manual_seed(seed)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=2 * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        hidden_dropout_prob=0.0,  # every pair is seen once: nothing to regularise
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=130,  # 128 tokens, counted from the padding index
        type_vocab_size=1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    XLMRobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _train_bpe(texts: Iterable[str], special_tokens: tuple[str, ...]) -> Tokenizer:
    """Train byte-level BPE that merges within characters and syllables only."""
    tokenizer = Tokenizer(models.BPE())
    by_character = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([by_character, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,  # the miniature's texts saturate at about half of it
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
