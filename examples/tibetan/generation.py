"""Answers of a policy: in batches of like length, and on a CPU with each prompt read once for all of its samples."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from tqdm.auto import tqdm
from transformers import DynamicCache

from tibetan.arguments import Settings
from tibetan.data import Row


def generate(
    model: Any, tokenizer: Any, rows: Sequence[Row], settings: Settings, *, temperature: float = 0.0
) -> list[str]:
    """Answer the prompts of rows, in their order; greedily at temperature 0."""
    run, size = settings.grpo, settings.evaluation.generation_batch
    sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if temperature:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": run.top_p, "top_k": 0}
    turns = [row["prompt"] for row in rows]
    prompts = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))  # like lengths share a batch
    answers = [""] * len(prompts)
    model.eval()
    for start in tqdm(range(0, len(order), size), desc="answering", unit="batch", leave=False):
        chosen = [prompts[index] for index in order[start : start + size]]
        batch = tokenizer(chosen, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        with torch.no_grad():
            output = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=run.max_completion_length or 256,
                pad_token_id=tokenizer.pad_token_id,
                **sampling,
            )
        decoded = tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        for index, answer in zip(order[start:], decoded, strict=False):  # the rest is for later batches
            answers[index] = answer
    return answers


def rollout(prompts: Sequence[list[dict[str, str]]], trainer: Any) -> dict[str, Any]:  # TRL is untyped
    """Sample completions for a GRPO step on a CPU; TRL's `rollout_func`.

    TRL reads a prompt once per sample and keeps the adapter beside the weights. Here equal prompts in a row are read
    once, and the adapter is merged while sampling. The distribution is the same; the random numbers are not.

    Returns:
        `prompt_ids` and `completion_ids`, one list of token ids per sample; `logprobs` is `None`: TRL computes them.
    """
    tokenizer, config = trainer.processing_class, trainer.args
    model = trainer.accelerator.unwrap_model(trainer.model)
    groups = [(prompt, len(list(equal))) for prompt, equal in groupby(prompts)]
    batch = tokenizer.apply_chat_template(
        [prompt for prompt, _ in groups],
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
        padding=True,
        tokenizer_kwargs={"padding_side": "left"},
    ).to(model.device)
    training = model.training
    model.eval()
    with torch.no_grad(), merged_adapter(model):
        completions = sample_groups(
            model,
            batch["input_ids"],
            batch["attention_mask"],
            [count for _, count in groups],
            max_new_tokens=config.max_completion_length,
            do_sample=True,
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=config.top_k,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    model.train(training)
    prompt_ids = []
    for ids, mask, (_, count) in zip(batch["input_ids"], batch["attention_mask"], groups, strict=True):
        prompt_ids += [ids[mask.bool()].tolist()] * count
    completion_ids = []
    for ids in completions.tolist():
        end = ids.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in ids else None
        completion_ids.append(ids[:end])
    return {"prompt_ids": prompt_ids, "completion_ids": completion_ids, "logprobs": None}


def sample_groups(
    model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, counts: Sequence[int], **sampling: Any
) -> torch.Tensor:
    """Complete each of `P` prompts, padded on the left to `T` tokens, as often as `counts` says.

    Returns:
        The new tokens, one row per completion, in the order of the prompts; shape (sum of counts, longest completion).
    """
    cache = DynamicCache(config=model.config)
    model(
        input_ids=input_ids[:, :-1],
        attention_mask=attention_mask[:, :-1],
        position_ids=(attention_mask[:, :-1].cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    rows = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(input_ids.device)
    cache.batch_select_indices(rows)
    output: torch.Tensor = model.generate(
        input_ids=input_ids[rows], attention_mask=attention_mask[rows], past_key_values=cache, **sampling
    )
    return output[:, input_ids.shape[1] :]


@contextmanager
def merged_adapter(model: PeftModel) -> Iterator[None]:
    """The adapter inside the weights; afterwards the weights are bit for bit what they were."""
    layers = [layer.get_base_layer() for layer in model.modules() if isinstance(layer, LoraLayer)]
    originals = [layer.weight.data for layer in layers]
    for layer in layers:
        layer.weight.data = layer.weight.data.clone()
    model.merge_adapter()
    try:
        yield
    finally:
        model.unmerge_adapter()
        for layer, original in zip(layers, originals, strict=True):
            layer.weight.data = original
