"""Loading a model into this process: its device, its window, and whether it is whole and works."""

import logging
import os
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from semreward.errors import ArgumentError, EncoderError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_SHOWN_WEIGHTS = 5
_PROBES = ["a", "The same text must always have the same vector, alone or beside others."]
_FIRST_THAT_MARKS = 5  # version of transformers that marks each weight that it loads, so as not to initialise it


def resolved_device(device: str) -> "torch.device":
    """The torch device that `device` means in this process; `"auto"` is its own accelerator, else the CPU."""
    import torch

    if device != "auto":
        return torch.device(device)
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            logger.warning("CUDA_VISIBLE_DEVICES is empty in this process: its sentence encoders run on the CPU")
        return torch.device("cpu")
    rank = int(os.environ.get("LOCAL_RANK", "-1"))  # says which one before a launcher has set it
    index = rank if 0 <= rank < torch.accelerator.device_count() else torch.accelerator.current_device_index()
    return torch.device(accelerator.type, index)


def limit_tokens(model: "SentenceTransformer", max_tokens: int | None) -> None:
    """Bound a model's input by `max_tokens`, by its tokenizer's limit, and by the positions that it has."""
    import torch

    limits = [limit for limit in (max_tokens, model.max_seq_length) if limit is not None]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1  # XLM-R counts from there
            limits.append(module.num_embeddings - skipped)
    if not limits or min(limits) == model.max_seq_length:
        return
    try:
        model.max_seq_length = min(limits)
    except AttributeError:  # of static embeddings
        raise ArgumentError(
            f"`max_tokens` must be None for a model without a window, got {max_tokens}; cut the texts instead"
        ) from None


def check_model(model: "SentenceTransformer", tolerance: float) -> None:
    """Raise `EncoderError` unless all weights are complete and finite, and a text has one vector, alone or not."""
    remedy = "load the encoder before that (`encoder.warmup()`), or put it behind an embedding server"
    for name, weight in model.named_parameters():
        if weight.is_meta or not weight.numel():
            cause = "DeepSpeed ZeRO-3 partitions what is loaded while it is on"
            raise EncoderError(f"the encoder's weight `{name}` is empty in this process: {cause}; {remedy}")
        if not bool(weight.detach().float().sum().isfinite()):
            raise EncoderError(f"the encoder's weight `{name}` is not finite; the checkpoint is damaged")
    encode = partial(model.encode, normalize_embeddings=True, show_progress_bar=False)
    short, long = (float(row @ encode(text)) for row, text in zip(encode(_PROBES), _PROBES, strict=True))
    if not abs(long - 1.0) <= tolerance:  # catches NaN, too
        raise EncoderError(
            f"two passes of the loaded encoder over one text have cosine {long:.6f} instead of 1: its forward pass "
            "is broken. Likely causes are DeepSpeed ZeRO-3, which partitions its weights, and libraries that patch the "
            f"forward passes of transformers (Unsloth, Liger); {remedy}"
        )
    if not abs(short - 1.0) <= tolerance:
        raise EncoderError(
            f"the encoder's vectors depend on padding: a text beside a longer one has cosine {short:.6f} with itself "
            f"alone. Its tokenizer pads on the {model.tokenizer.padding_side}; correct tokenizer_config.json"
        )


def check_weights(model: "SentenceTransformer") -> None:
    """Raise `EncoderError` if weights that decide the vectors were not in the checkpoint. For models on the CPU."""
    from transformers import PreTrainedModel, __version__

    if int(__version__.partition(".")[0]) < _FIRST_THAT_MARKS:
        return
    encode = partial(model.encode, _PROBES, show_progress_bar=False)
    missing: list[str] = []
    transformers = (module for module in model.modules() if isinstance(module, PreTrainedModel))
    for name, weight in chain.from_iterable(transformer.named_parameters() for transformer in transformers):
        is_loaded = getattr(weight, "_is_hf_initialized", False) or not weight.numel() or not weight.is_floating_point()
        if is_loaded or len(missing) == _SHOWN_WEIGHTS:
            continue
        values, vectors = weight.detach().clone(), encode()
        weight.data.fill_(float("nan"))
        if not np.allclose(encode(), vectors):  # otherwise it is not used, as many a pooler is not
            missing.append(name)
        weight.data.copy_(values)
    if missing:
        raise EncoderError(
            f"the encoder's checkpoint lacks weights, which are random now: {', '.join(missing)}; the names in it "
            "must be those of the model, without a prefix such as `_orig_mod.`"
        )
