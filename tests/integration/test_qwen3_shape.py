"""The paper's policy and adapter at full size, on the meta device: shapes without memory."""

from typing import Any

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

peft = pytest.importorskip("peft", reason="needs the extra `train`")

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.fixture(scope="module")
def policy() -> Any:
    """Qwen3-4B (https://huggingface.co/Qwen/Qwen3-4B-Instruct-2507, config.json) with the paper's LoRA."""
    config = Qwen3Config(
        vocab_size=151_936,
        hidden_size=2560,
        intermediate_size=9728,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    )
    lora = peft.LoraConfig(r=64, lora_alpha=128, lora_dropout=0.05, target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    with torch.device("meta"):
        return peft.get_peft_model(Qwen3ForCausalLM(config), lora)


def test_base_policy_has_four_billion_parameters(policy: Any) -> None:
    assert sum(value.numel() for value in policy.parameters() if not value.requires_grad) == 4_022_468_096


def test_adapter_trains_132_million_parameters(policy: Any) -> None:
    assert sum(value.numel() for value in policy.parameters() if value.requires_grad) == 132_120_576


def test_adapter_sits_on_every_projection_of_every_layer(policy: Any) -> None:
    adapted = [name for name, module in policy.named_modules() if isinstance(module, peft.tuners.lora.LoraLayer)]
    assert len(adapted) == 36 * len(PROJECTIONS) == 252


def test_embeddings_and_output_layer_stay_frozen(policy: Any) -> None:
    trainable = {name for name, value in policy.named_parameters() if value.requires_grad}
    assert not any("embed_tokens" in name or "lm_head" in name for name in trainable)
