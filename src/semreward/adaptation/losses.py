"""The contrastive loss: sentence-transformers' own, with the texts of a batch ordered by length.

Without it a batch of hundreds of texts is padded to its longest one, and most of the work is done on padding.
Legend: N pairs of a batch, T tokens of the longest text.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)

from semreward.adaptation.config import AdaptationConfig


class SortedNegativesRankingLoss(MultipleNegativesRankingLoss):  # type: ignore[misc] # the library is untyped
    """Multiple-negatives ranking with forward passes of a bounded number of tokens over texts of like length.

    Equal to its parent but for rounding, and for dropout's random numbers.

    Args:
        model: The model.
        forward_tokens: Tokens a forward pass, padding included; a longer text passes alone.
        options: The parent's.
    """

    def __init__(self, model: SentenceTransformer, *, forward_tokens: int, **options: Any) -> None:
        super().__init__(model, **options)
        self.forward_tokens = forward_tokens

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
        """The loss of one batch, from one set of features a column: anchors, positives, negatives."""
        embeddings = [self._embedded(features) for features in sentence_features]
        loss: torch.Tensor = self.compute_loss_from_embeddings(embeddings, labels)
        return loss

    def _embedded(self, features: dict[str, Any]) -> torch.Tensor:
        mask_NT = features.get("attention_mask")  # noqa: N806 - axes in names
        if mask_NT is None:  # a model without padding
            whole: torch.Tensor = self.model(features)["sentence_embedding"]
            return whole
        order, parts = sorted_parts(mask_NT, self.forward_tokens)
        rows = torch.cat([self.model(rows_of(features, part, mask_NT))["sentence_embedding"] for part in parts])
        return rows[order.argsort()]


class SortedCachedLoss(CachedMultipleNegativesRankingLoss):  # type: ignore[misc] # the library is untyped
    """Gradient caching over pairs that are ordered by length; the order of a batch's pairs changes no loss."""

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
        """The loss of one batch; its gradients are computed in portions of `mini_batch_size` pairs."""
        columns = list(sentence_features)
        masks = [features["attention_mask"] for features in columns if "attention_mask" in features]
        if len(masks) == len(columns):  # else a model without padding
            lengths = torch.stack([mask.sum(dim=1) for mask in masks]).sum(dim=0)
            order = lengths.argsort(descending=True, stable=True)
            columns = [rows_of(features, order, mask) for features, mask in zip(columns, masks, strict=True)]
        loss: torch.Tensor = super().forward(columns, labels)
        return loss


def contrastive_loss(model: SentenceTransformer, config: AdaptationConfig) -> torch.nn.Module:
    """In-batch negatives in both directions, a softmax for each; across processes, if there are several."""
    options: dict[str, Any] = {
        "scale": 1.0 / config.temperature,
        "directions": ("query_to_doc", "doc_to_query"),
        "partition_mode": "per_direction",
        "gather_across_devices": torch.distributed.is_available() and torch.distributed.is_initialized(),
    }
    if config.mini_batch_size is not None:
        return SortedCachedLoss(model, mini_batch_size=config.mini_batch_size, **options)
    if config.forward_tokens is not None:
        return SortedNegativesRankingLoss(model, forward_tokens=config.forward_tokens, **options)
    loss: torch.nn.Module = MultipleNegativesRankingLoss(model, **options)
    return loss


def sorted_parts(mask_NT: torch.Tensor, tokens: int) -> tuple[torch.Tensor, Iterator[torch.Tensor]]:  # noqa: N803
    """The rows of a batch by falling length, whole and in portions of at most `tokens`, padding included.

    Args:
        mask_NT: Attention mask, shape (N, T).
        tokens: Tokens a portion; a longer row is a portion of its own.
    """
    lengths = mask_NT.sum(dim=1)
    order = lengths.argsort(descending=True, stable=True)
    counts = lengths[order].tolist()

    def parts() -> Iterator[torch.Tensor]:
        start = 0
        while start < len(counts):
            size = max(1, tokens // max(1, counts[start]))
            yield order[start : start + size]
            start += size

    return order, parts()


def rows_of(features: dict[str, Any], rows: torch.Tensor, mask_NT: torch.Tensor) -> dict[str, Any]:  # noqa: N803
    """Some rows of a batch, without the padding that none of them needs.

    Args:
        features: What the model takes, tensors by name.
        rows: Their numbers.
        mask_NT: The batch's attention mask, shape (N, T), 1 where a token is.
    """
    used = mask_NT[rows].any(dim=0).nonzero()
    window = slice(int(used.min()), int(used.max()) + 1) if len(used) else slice(1)
    part = dict(features)
    for name, value in features.items():
        if isinstance(value, torch.Tensor) and value.ndim and len(value) == len(mask_NT):
            part[name] = value[rows]
            if value.shape[:2] == mask_NT.shape:
                part[name] = part[name][:, window].contiguous()
    return part
