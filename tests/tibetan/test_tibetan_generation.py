from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from tibetan.generation import merged_adapter, rollout, sample_groups


@pytest.fixture
def tokenizer(policy_folder: Any) -> Any:
    return AutoTokenizer.from_pretrained(policy_folder, padding_side="left")


@pytest.fixture
def model(policy_folder: Any) -> Any:
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(policy_folder, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    return get_peft_model(base, config).eval()


@pytest.fixture
def batch(tokenizer: Any) -> Any:
    prompts = ["གཅིག", "གཉིས་གསུམ་བཞི་ལྔ་དྲུག་", "第三句话在这里"]
    return tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)


def test_shared_prompts_give_what_repeated_ones_give(model: Any, tokenizer: Any, batch: Any) -> None:
    counts = [2, 1, 3]
    greedy = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": tokenizer.pad_token_id}
    with torch.no_grad():
        shared = sample_groups(model, batch["input_ids"], batch["attention_mask"], counts, **greedy)
        rows = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
        repeated = {name: batch[name][rows] for name in ("input_ids", "attention_mask")}
        plain = model.generate(**repeated, **greedy)
    assert torch.equal(shared, plain[:, batch["input_ids"].shape[1] :])


def test_merged_adapter_computes_the_same(model: Any, batch: Any) -> None:
    with torch.no_grad():
        beside = model(**batch).logits
        with merged_adapter(model):
            merged = model(**batch).logits
    assert torch.allclose(beside, merged, atol=1e-4)


def test_weights_are_bit_for_bit_the_same_after_merging(model: Any) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with merged_adapter(model):
        changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert changed
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_are_restored_after_an_error(model: Any) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="out of memory"), merged_adapter(model):
        raise RuntimeError("out of memory")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_rollout_returns_unpadded_prompts_and_completions_in_order(model: Any, tokenizer: Any) -> None:
    prompts = [[{"role": "user", "content": text}] for text in ("一", "一", "二二二", "二二二")]
    args = SimpleNamespace(max_completion_length=5, temperature=1.0, top_p=1.0, top_k=0)
    accelerator = SimpleNamespace(unwrap_model=lambda given: given)
    trainer = SimpleNamespace(processing_class=tokenizer, args=args, model=model, accelerator=accelerator)
    found = rollout(prompts, trainer)
    wanted = [
        tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
        for prompt in prompts
    ]
    assert found["prompt_ids"] == wanted
    assert [1 <= len(ids) <= 5 for ids in found["completion_ids"]] == [True] * 4
