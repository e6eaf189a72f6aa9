"""The page's module with the reward, with a tiny encoder whose forward passes are counted.

The encoder's class lives here: a process that unpickles the reward imports this module, and so counts as well.
"""

import os
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from semreward import SentenceTransformerEncoder, recommended_reward


class CountedEncoder(SentenceTransformerEncoder):
    """Nothing but a class of this module."""


def note(module, inputs, output):
    """Write down a forward pass of an encoder: its process, and its number of texts."""
    if isinstance(module, SentenceTransformer):
        with Path(os.environ["TRAINERS_PASSES"]).open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {len(output['sentence_embedding'])}\n")


torch.nn.modules.module.register_module_forward_hook(note)

encoder = CountedEncoder(os.environ["TRAINERS_ENCODER"])
reward = recommended_reward(encoder, "zh", 0.55)
