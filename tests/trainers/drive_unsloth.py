"""Unsloth without a GPU: its CPU backend; in a second process its code for GPUs, as far as that runs on a CPU."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from unittest import TestCase

import numpy as np
import pandas as pd
from datasets import Dataset
from my_reward import encoder
from recording import FOLDER, POLICY
from samples import ANSWERS, PROMPTS, questions
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForCausalLM
from trl_cases import GROUPS, fresh_reward, prompts, record_table

SIZES = {"per_device_train_batch_size": PROMPTS * ANSWERS, "gradient_accumulation_steps": 1, "max_steps": 1}
FOR_GPUS = {"UNSLOTH_ALLOW_CPU": "1", "UNSLOTH_COMPILE_DISABLE": "1"}  # without torch.compile, which needs a compiler
TEXTS = list(questions().values())


def check_vectors(loaded):
    """An encoder that was loaded before Unsloth was imported, and one that is loaded now, return the same."""
    now = replace(loaded, cache_bytes=1)
    for one in (loaded, now):
        assert np.allclose(one.encode(TEXTS), wanted[loaded], atol=1e-6), one
    now.close()


def train(what, trainer, model, tokenizer=None):
    """One step of TRL's class, as Unsloth leaves it."""
    from trl import GRPOConfig, GRPOTrainer

    assert GRPOTrainer.__name__ == trainer, GRPOTrainer
    args = GRPOConfig(output_dir=str(FOLDER / trainer), **GROUPS, **SIZES)
    data = {"train_dataset": Dataset.from_list(prompts()), "processing_class": tokenizer}
    GRPOTrainer(model=model, args=args, reward_funcs=fresh_reward(), **data).train()
    record_table(what, pd.read_parquet(FOLDER / trainer / "completions" / "completions_00001.parquet"))


def drive(is_for_gpus):
    """A step with TRL's trainer; for GPUs with the one that Unsloth writes. Its models for GPUs do not load here."""
    from unsloth import FastLanguageModel

    if not is_for_gpus:
        found = FastLanguageModel.from_pretrained(POLICY, 512, load_in_4bit=False, full_finetuning=True)
        return train("its CPU backend: `FastLanguageModel`, and TRL's `GRPOTrainer`, one step", "GRPOTrainer", *found)
    from unsloth.models import rl

    rl.patch_trl_rl_trainers()
    model = AutoModelForCausalLM.from_pretrained(POLICY)
    for name in ("for_training", "for_inference"):  # methods of Unsloth's models
        setattr(model, name, partial(getattr(FastLanguageModel, name), model))
    return train("driven in part: the `GRPOTrainer` that it writes for GPUs, one step", "UnslothGRPOTrainer", model)


def check_patches(other, qwen3):
    """On a GPU a Qwen3 policy's `from_pretrained` begins so. It breaks loaded encoders of Qwen3, and no other."""
    from unsloth.models.qwen3 import FastQwen3Model

    FastQwen3Model.pre_patch()
    check_vectors(other)
    with TestCase().assertRaisesRegex(AttributeError, "extend_rope_embedding"):  # noqa: PT027 - no pytest here
        qwen3.encode(TEXTS)


SentenceTransformer(POLICY).save(str(FOLDER / "qwen3"))  # with a pooling: an encoder of the policy's architecture
other = replace(encoder, cache_bytes=0)
encoders = (other, replace(other, name_or_path=str(FOLDER / "qwen3")))
wanted = {one: one.encode(TEXTS) for one in encoders}
drive(is_for_gpus := "UNSLOTH_ALLOW_CPU" in os.environ)
for one in encoders:
    check_vectors(one)
if is_for_gpus:
    check_patches(*encoders)
else:
    subprocess.run([sys.executable, __file__], check=True, env={**os.environ, **FOR_GPUS})
