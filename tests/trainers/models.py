"""The tiny encoder and the tiny policy of all trainers: `python models.py FOLDER`, some seconds."""

import random
import sys
from pathlib import Path

import torch
from samples import samples

from miniature.models import EncoderShape, PolicyShape, make_policy, make_policy_tokenizer, write_encoder

STEPS = 120


def main(folder: Path) -> None:
    """Write both."""
    torch.set_num_threads(1)
    texts = [text for sample in samples() for text in sample]
    write_encoder(folder / "encoder", texts, EncoderShape(width=32, layers=1, heads=2), seed=0)
    tokenizer = make_policy_tokenizer(texts)
    policy = make_policy(tokenizer, PolicyShape(width=64, layers=2, heads=2), seed=0)
    teach(policy, tokenizer)
    policy.save_pretrained(folder / "policy")
    tokenizer.save_pretrained(folder / "policy")


def teach(policy, tokenizer) -> None:
    """Teach the policy some of the answers, so that what it writes earns different rewards."""
    rng = random.Random(0)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=5e-3)
    pairs = [(sample.prompt, answer) for sample in samples()[::4] for answer in (sample.answer, sample.reference)]
    for _ in range(STEPS):
        rows = [token_ids(tokenizer, *pair) for pair in rng.sample(pairs, 8)]
        longest = max(len(prompt) + len(answer) for prompt, answer in rows)
        ids_NT = torch.full((len(rows), longest), tokenizer.pad_token_id)  # noqa: N806 - axes
        labels_NT = torch.full((len(rows), longest), -100)  # noqa: N806
        for row, (prompt, answer) in enumerate(rows):
            end = len(prompt) + len(answer)
            ids_NT[row, :end] = torch.tensor(prompt + answer)
            labels_NT[row, len(prompt) : end] = torch.tensor(answer)
        policy(input_ids=ids_NT, labels=labels_NT).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def token_ids(tokenizer, prompt: str, answer: str) -> tuple[list[int], list[int]]:
    """A prompt in the chat format, and its answer with the end of the turn."""
    messages = [{"role": "user", "content": prompt}]
    chat = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ends = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (chat, answer + tokenizer.eos_token)]
    return ends[0], ends[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
