"""The pretraining loop of the base policy: a module of its own because it trains, and `miniature.models` only builds.

Plain next-token prediction with three additions. Tokens carry weights (`miniature.documents` says why); documents of
like length share a batch, so that little is padding; and the forward pass runs in bfloat16 where that is faster: it
nearly doubles the speed.
"""

import random
from collections.abc import Iterator, Sequence

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from cpu import multiplies_bfloat16, raise_malloc_thresholds
from miniature.documents import Document

# Axes: B documents of a batch, T tokens, V vocabulary.
TokensAndWeights = tuple[torch.Tensor, torch.Tensor]

WARMUP_STEPS = 40
BATCHES_PER_BUCKET = 50
FINAL_LEARNING_RATE = 0.05
"""Share of the peak learning rate that is left at the last step."""


def pretrain(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    documents: Sequence[Document],
    *,
    batch_size: int,
    learning_rate: float,
    rng: random.Random,
) -> None:
    """Train a policy in place on documents, each seen once; what does not fill a last batch is left out.

    The learning rate is the peak of the schedule: linear warm-up, then linear decay.
    """
    raise_malloc_thresholds()
    batches = list(_batches(_encode(documents, tokenizer), batch_size, rng))
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.05, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, len(batches)))
    model.train()
    progress = tqdm(batches, desc="pretraining", unit="step", mininterval=2)
    bfloat16 = torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16())
    for tokens_bt, weights_bt in progress:
        with bfloat16:
            logits_btv = model(input_ids=tokens_bt[:, :-1], use_cache=False).logits
        logits, targets = logits_btv.float().flatten(0, 1), tokens_bt[:, 1:].flatten()
        losses = functional.cross_entropy(logits, targets, reduction="none")
        loss = (losses * weights_bt[:, 1:].flatten()).sum() / weights_bt[:, 1:].sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    model.eval()  # type: ignore[no-untyped-call] # transformers leaves it unannotated


def _rate(step: int, steps: int) -> float:
    """The learning rate of a step as a share of the peak."""
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    done = (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
    return 1 - (1 - FINAL_LEARNING_RATE) * done


def _encode(documents: Sequence[Document], tokenizer: PreTrainedTokenizerFast) -> list[TokensAndWeights]:
    """Token ids and a weight for each; plain documents end with the end-of-text token."""
    texts = [segment.text for document in documents for segment in document]
    ids = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    encoded: list[TokensAndWeights] = []
    for document in documents:
        tokens: list[int] = []
        weights: list[float] = []
        for segment in document:
            tokens += next(ids)
            weights += [segment.weight] * (len(tokens) - len(weights))
        tokens_t = torch.tensor([*tokens, tokenizer.pad_token_id])
        encoded.append((tokens_t, torch.tensor([*weights, document[-1].weight])))
    return encoded


def _batches(documents: list[TokensAndWeights], batch_size: int, rng: random.Random) -> Iterator[TokensAndWeights]:
    """Yield token ids and weights, both of shape (B, T), of documents of like length, in random order.

    Padding stands on the right with weight 0. Under causal attention no token before it can see it: no mask is needed.
    """
    bucket_size = batch_size * BATCHES_PER_BUCKET
    for start in range(0, len(documents), bucket_size):
        bucket = sorted(documents[start : start + bucket_size], key=lambda document: len(document[0]))
        firsts = list(range(0, len(bucket) - batch_size + 1, batch_size))
        rng.shuffle(firsts)
        for first in firsts:
            tokens, weights = zip(*bucket[first : first + batch_size], strict=True)
            yield pad_sequence(list(tokens), batch_first=True), pad_sequence(list(weights), batch_first=True)
