"""The forward pass of a loaded sentence-transformers model: batches bounded in tokens, memory that runs out, checks.

Legend: N texts, B texts of a batch, T tokens of its longest, D width.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semreward.errors import EncoderError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

Features: TypeAlias = Mapping[str, Any]
"""What sentence-transformers makes of texts: tensors by name, and a few values that describe them."""

# Texts are tokenised in growing portions: a small first one, so that an accelerator starts soon, then large ones, so
# that texts of one length in tokens meet in a batch.
_FIRST_PORTION = 64
_FIRST_CPU_PORTION = 1024
_LARGEST_PORTION = 4096

_BYTES_PER_TOKEN = 3  # a cautious guess, for models whose tokens cannot be counted in advance

_LOG_EVERY_S = 60.0

_PROBES = ("a", "The same text must always have the same vector, alone or beside others.")


class ModelForward:
    """A loaded model as a `PreparingModel`: texts in, unit rows out.

    Args:
        model: The model, in evaluation mode, on its device.
        prompt: Text put before each input; `None`: the model's own default.
        batch_tokens: Tokens per forward pass, padding included.
        batch_size: Texts per forward pass, at most.
    """

    def __init__(self, model: "SentenceTransformer", *, prompt: str | None, batch_tokens: int, batch_size: int) -> None:
        self._model = model
        self._prompt = model.prompts.get(model.default_prompt_name) if prompt is None else prompt
        self._batch_tokens, self._batch_size = batch_tokens, batch_size
        self._unpadded = bool(getattr(model, "_can_flatten_inputs", lambda: False)())
        self._next_log = 0.0
        self.counts_texts = True
        self.texts = self.truncated_texts = 0

    def __call__(self, batch: list[str]) -> NDArray[np.float32]:
        """Encode `N` texts without an engine; shape (N, D), in order."""
        rows: dict[str, NDArray[np.float32]] = {}
        for texts, inputs in self.prepared(sorted(dict.fromkeys(batch), key=len, reverse=True)):
            if isinstance(inputs, Exception):
                raise inputs
            rows.update(zip(texts, self.forward(inputs), strict=True))
        return np.stack([rows[text] for text in batch])

    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        """Tokenise texts, longest first, and cut them into batches of at most `batch_tokens`."""
        size = _FIRST_CPU_PORTION if self._model.device.type == "cpu" else _FIRST_PORTION
        start = 0
        while start < len(texts):
            if self._unpadded:  # cannot be cut once it is tokenised
                guess = len(texts[start].encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 2
                tokens = min(guess, self._model.max_seq_length or self._batch_tokens)
                size = max(1, min(self._batch_size, self._batch_tokens // tokens))
            yield from self._tokenised(texts[start : start + size])
            start, size = start + size, min(2 * size, _LARGEST_PORTION)

    def _tokenised(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        try:
            features: Features = self._model.preprocess(texts, prompt=self._prompt)
        except Exception as error:  # noqa: BLE001 - handed to those whose texts they are
            if len(texts) == 1:
                yield texts, error
            else:  # one text that the tokenizer refuses must not harm the others
                for text in texts:
                    yield from self._tokenised([text])
            return
        self._count_truncated(features, len(texts))
        mask = features.get("attention_mask")
        if mask is not None and mask.ndim == 2:  # noqa: PLR2004 - texts x tokens
            yield from self._cut(texts, features, mask)
        else:
            yield texts, features

    def _cut(self, texts: list[str], features: Features, mask_NT: "torch.Tensor") -> Iterator[tuple[list[str], Any]]:  # noqa: N803
        """Batches of a portion, ordered by tokens, each padded to its own longest text only."""
        lengths = mask_NT.sum(dim=1)
        order = lengths.argsort(descending=True, stable=True)
        counts = lengths[order].tolist()
        start = 0
        while start < len(texts):
            longest = max(1, counts[start])
            size = max(1, min(self._batch_size, self._batch_tokens // longest))
            rows = order[start : start + size]
            yield [texts[row] for row in rows.tolist()], _rows_of(features, rows, longest, mask_NT)
            start += size

    def forward(self, inputs: Features) -> NDArray[np.float32]:
        """Unit rows of one batch, shape (B, D), float32; a batch for which the memory does not suffice is halved."""
        import torch

        try:
            return self._forward(inputs)
        except torch.OutOfMemoryError:
            mask = inputs.get("attention_mask")
            if mask is None or len(mask) == 1:
                raise
        # Outside the handler, whose traceback keeps the tensors of the failed attempt alive.
        rows = torch.arange(len(mask))
        half = len(mask) // 2
        self._batch_tokens = max(1, min(self._batch_tokens, half * mask.shape[1]))
        logger.warning("out of memory: batches are halved, to %d tokens", self._batch_tokens)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        parts = (_rows_of(inputs, part, int(mask[part].sum(dim=1).max()), mask) for part in (rows[:half], rows[half:]))
        return np.concatenate([self.forward(part) for part in parts])

    def _forward(self, inputs: Features) -> NDArray[np.float32]:
        import torch

        device = self._model.device
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # of this thread: kernels of attention libraries run there
        with torch.inference_mode():
            features = {
                name: value.to(device, non_blocking=True) if isinstance(value, torch.Tensor) else value
                for name, value in inputs.items()
            }
            vectors: torch.Tensor = self._model(features)["sentence_embedding"]
            if self._model.truncate_dim is not None:
                vectors = vectors[..., : self._model.truncate_dim]
            return torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()

    def _count_truncated(self, features: Features, texts: int) -> None:
        if not self.counts_texts:
            return
        limit, mask = self._model.max_seq_length, features.get("attention_mask")
        truncated = 0
        if encodings := getattr(features, "encodings", None):
            truncated = sum(bool(encoding.overflowing) for encoding in encodings)
        elif limit and mask is not None:  # a slow tokenizer keeps no account: what fills the window counts
            truncated = int((mask.sum(dim=1) >= limit).sum())
        self.texts += texts
        self.truncated_texts += truncated
        if truncated and time.monotonic() >= self._next_log:
            self._next_log = time.monotonic() + _LOG_EVERY_S
            message = "%d of %d texts so far were longer than %s tokens; the encoder does not see the rest of them"
            logger.warning(message, self.truncated_texts, self.texts, limit)


def _rows_of(features: Features, rows: "torch.Tensor", longest: int, mask_NT: "torch.Tensor") -> dict[str, Any]:  # noqa: N803
    """Some rows of tokenised texts, without the padding that none of them needs."""
    import torch

    padded_left = bool((mask_NT[:, 0] == 0).any())
    window = slice(mask_NT.shape[1] - longest, None) if padded_left else slice(longest)
    part = dict(features)
    for name, value in features.items():
        if isinstance(value, torch.Tensor) and value.ndim and len(value) == len(mask_NT):
            part[name] = value[rows]
            if value.shape[:2] == mask_NT.shape:
                part[name] = part[name][:, window].contiguous()
    return part


def check_model(forward: ModelForward, model: "SentenceTransformer", tolerance: float) -> None:
    """Raise `EncoderError` unless all weights are complete and finite, and two passes over a text have cosine 1."""
    remedy = "load the encoder before that (`encoder.warmup()`), or put it behind an embedding server"
    for name, weight in model.named_parameters():
        if weight.is_meta or not weight.numel():
            raise EncoderError(
                f"the encoder's weight `{name}` is empty in this process: DeepSpeed ZeRO-3 partitions what is loaded "
                f"while it is on; {remedy}"
            )
        if not bool(weight.detach().float().sum().isfinite()):
            raise EncoderError(f"the encoder's weight `{name}` is not finite; the checkpoint is damaged")
    forward.counts_texts = False
    together, alone = forward(list(_PROBES))[-1], forward([_PROBES[-1]])[0]
    forward.counts_texts = True
    cosine = float(together @ alone)
    if not abs(cosine - 1.0) <= tolerance:  # catches NaN, too
        raise EncoderError(
            f"two passes of the loaded encoder over one text have cosine {cosine:.6f} instead of 1: its forward pass "
            "is broken. Likely causes are DeepSpeed ZeRO-3, which partitions its weights, and libraries that patch the "
            f"forward passes of transformers (Unsloth, Liger); {remedy}"
        )
