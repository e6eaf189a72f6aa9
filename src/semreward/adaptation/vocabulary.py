"""Adds pieces for a language that a tokenizer cannot read, each with a first embedding. Loads torch."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, trainers
from torch.nn.functional import embedding_bag

from semreward.adaptation.pairs import Pair
from semreward.errors import ArgumentError

_SAMPLE = 1000  # pairs that decide which language is read worse
_MOST_LINKS = 20_000_000  # between tokens of pairs: some 1.5 GB of memory
_ROUNDS, _SHARPNESS = 5, 2
_SHARED = 0.1  # a piece that the other side has this often, relative to this one, belongs to both; rarer is noise


def extend_vocabulary(model: SentenceTransformer, pairs: Sequence[Pair], most: int) -> list[str]:
    """Add up to `most` pieces (or all characters) of the language that the tokenizer reads worse, and return them.

    That is the side that needs more tokens for the same sentences; an unknown character counts as its bytes. Texts
    without a new piece, so almost all of the other side, tokenise as before. Old embeddings stay. A new one is the mean
    of its translations' by IBM model 1, in the spirit of WECHSEL, https://arxiv.org/abs/2112.06598.
    """
    tokenizer: Any = getattr(model.tokenizer, "backend_tokenizer", None)
    old = json.loads(tokenizer.to_str())["model"] if tokenizer is not None else {}
    if (kind := old.get("type", type(model.tokenizer).__name__)) != "Unigram":
        raise ArgumentError(
            f"`new_pieces` must extend a Unigram tokenizer (XLM-R, multilingual-e5), got {kind}; choose such a `base`"
        )
    plain = _bare(tokenizer, tokenizer.model)
    sides: Any = zip(*pairs, strict=True)
    texts, others = sorted(sides, key=lambda side: -_cost(plain, side[:_SAMPLE], old["unk_id"]))
    vocabulary = dict(old["vocab"])
    added = {number: token.content for number, token in tokenizer.get_added_tokens_decoder().items()}
    for number in range(len(vocabulary), max(added, default=0) + 1):  # tokens besides the model's keep their numbers
        vocabulary[added.get(number, f"<unused{number}>")] = min(vocabulary.values())
    pieces = _new_pieces(_bare(tokenizer, models.BPE()), vocabulary, texts, others, most)
    if not pieces:
        raise ArgumentError("`new_pieces` must find pieces in `train_pairs` that `base` lacks, got none; leave it out")
    tokenizer.model = models.Unigram([*(vocabulary | pieces).items()], old["unk_id"], old["byte_fallback"])
    read = ((_bare(tokenizer, tokenizer.model), texts), (plain, others))  # translations are old tokens
    numbers = ([np.unique(found.ids).astype(int) for found in reader.encode_batch(side)] for reader, side in read)
    _set_embeddings(model[0].auto_model, len(vocabulary), len(pieces), _translations(*numbers))
    return [*pieces]


def _bare(tokenizer: Tokenizer, model: models.Model) -> Tokenizer:
    """A model behind a tokenizer's normaliser and division into words, without a window or special tokens."""
    bare = Tokenizer(model)
    bare.normalizer, bare.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    return bare


def _cost(tokenizer: Tokenizer, texts: Sequence[str], unknown: int | None) -> int:
    return sum(
        len(text[slice(*span)].encode()) if number == unknown else 1
        for text, found in zip(texts, tokenizer.encode_batch(texts), strict=True)
        for number, span in zip(found.ids, found.offsets, strict=True)
    )


def _new_pieces(
    bpe: Tokenizer, known: dict[str, float], texts: Sequence[str], others: Sequence[str], most: int
) -> dict[str, float]:
    """Pieces that BPE merges within words, and all characters, with log-probabilities; deterministic."""
    trainer = trainers.BpeTrainer(vocab_size=most, min_frequency=2, max_token_length=16, show_progress=False)
    bpe.train_from_iterator(texts, trainer)
    own, foreign = ([found.tokens for found in bpe.encode_batch(side)] for side in (texts, others))
    here, elsewhere = ("\n".join(map("".join, side)) for side in (own, foreign))  # foreign: less its other characters
    counts = Counter(chain.from_iterable(own))
    total, lowest = counts.total(), min(known.values())  # the lowest score also decides that of unknown characters
    counts.update(dict.fromkeys(sorted({*"".join(counts)}), 0))
    shared = {piece for piece in counts if piece in elsewhere and elsewhere.count(piece) >= _SHARED * here.count(piece)}
    new = ((piece, count) for piece, count in counts.most_common() if piece not in known and piece not in shared)
    return {piece: max(lowest, math.log(max(count, 0.5) / total)) for piece, count in new}


def _translations(texts: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """Tokens in order, their translations, and the probabilities of these, by IBM model 1."""
    sizes = np.cumsum([len(text) * len(other) for text, other in zip(texts, others, strict=True)])
    pairs = [*zip(texts, others, strict=True)][: max(1, int((sizes <= _MOST_LINKS).sum()))]
    keys = np.concatenate([(text[:, None] << 32 | other).ravel() for text, other in pairs])
    keys, links = np.unique(keys, return_inverse=True)
    starts = np.cumsum([0, *(len(other) for _, other in pairs)])
    places = (np.tile(np.arange(*starts[row : row + 2]), len(text)) for row, (text, _) in enumerate(pairs))
    targets, tokens = np.concatenate([*places]), keys >> 32
    weights: Any = np.ones(len(keys))
    for _ in range(_ROUNDS):
        shares = weights[links]
        shares /= np.bincount(targets, shares)[targets]  # which of the text's tokens a token translates
        weights = np.bincount(links, shares)
        weights /= np.bincount(tokens, weights)[tokens]
    return tokens, keys & 0xFFFFFFFF, weights


def _set_embeddings(model: Any, kept: int, new: int, links: tuple[NDArray[Any], ...]) -> None:
    """Give each new token the mean of its translations' embeddings, at the mean length of embeddings."""
    if model.get_input_embeddings().num_embeddings < kept + new:
        model.resize_token_embeddings(kept + new, mean_resizing=False)
    weight = model.get_input_embeddings().weight.data
    rows = weight[:kept].float().cpu()
    tokens, translations, weights = map(torch.from_numpy, links)
    bags = torch.searchsorted(tokens, torch.arange(kept + new))  # an empty bag's sum is 0
    means = embedding_bag(translations, rows, bags, mode="sum", per_sample_weights=weights.float() ** _SHARPNESS)[kept:]
    means[~means.any(dim=1)] = rows.mean(dim=0)
    means *= rows.norm(dim=1).mean() / means.norm(dim=1, keepdim=True)
    weight[kept : kept + new] = means.to(weight)
