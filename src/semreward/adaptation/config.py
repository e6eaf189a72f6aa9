"""How an encoder is adapted: the one configuration object, checked when it is made."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from os import PathLike, fspath
from typing import Any

from semreward.arguments import check_choice, check_count, check_number, check_share
from semreward.encoders.loading import resolved_name
from semreward.errors import ArgumentError

_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    **dict.fromkeys(("epochs", "temperature"), partial(check_number, above=0)),
    **dict.fromkeys(("learning_rate", "embedding_learning_rate"), partial(check_number, above=0)),
    **dict.fromkeys(("warmup_ratio", "dropout"), partial(check_share, below_one=True)),
    **dict.fromkeys(("batch_size", "max_tokens", "mini_batch_size", "measure_steps", "patience"), check_count),
    "new_pieces": check_count,
    **dict.fromkeys(("made_negatives", "seed"), partial(check_count, at_least=0)),
    **dict.fromkeys(("bf16", "resume", "use_cpu"), partial(check_choice, choices=(True, False))),
}


@dataclass(frozen=True)
class AdaptationConfig:
    """How an encoder is adapted.

    Args:
        base: Hub id or folder of a pretrained transformer (mean pooling), such as `hfl/cino-base-v2`, or of an encoder,
            whose default prompt is used in training, too.
        output_dir: Folder that receives the adapted encoder, in sentence-transformers' format.
        epochs: Passes over the pairs, > 0.
        batch_size: Pairs per batch and process. The batch's other pairs, over all processes, are the negatives.
        learning_rate: Peak of a cosine schedule, > 0.
        embedding_learning_rate: Peak for the word embeddings; `None`: the same.
        warmup_ratio: Share of the steps during which the learning rate rises, in [0, 1).
        dropout: Dropout during training, in [0, 1); `None`: the base's own.
        temperature: Divides cosines before the softmax, > 0.
        max_tokens: Longest input in tokens.
        new_pieces: Most pieces to add for the pairs' less readable language, at least its characters; `None`: none.
        mini_batch_size: Pairs whose activations are held at a time (gradient caching); `None` holds the whole batch.
        made_negatives: Hard negatives per pair, drawn from what `make_negatives` returns for it.
        bf16: Train in bfloat16 (autocast). Far slower than float32 on a CPU that only emulates it (no AVX-512).
        measure_steps: Steps between measurements on the held-out pairs, each with a checkpoint; `None`: measure before
            and after training only, and write none.
        patience: Stop after this many measurements without a better one, and keep the best; needs `measure_steps`.
        resume: Continue from the last checkpoint in `output_dir`, if there is one.
        seed: Order of the pairs, dropout, choice of made negatives.
        use_cpu: Train on the CPU even if there is an accelerator.

    Raises:
        EncoderNotFoundError: `base` is a path without a model.
    """

    base: str
    output_dir: str
    _: KW_ONLY
    epochs: float = 1.0
    batch_size: int = 128
    learning_rate: float = 2e-5
    embedding_learning_rate: float | None = None
    warmup_ratio: float = 0.1
    dropout: float | None = None
    temperature: float = 0.05
    max_tokens: int = 128
    new_pieces: int | None = None
    mini_batch_size: int | None = None
    made_negatives: int = 0
    bf16: bool = False
    measure_steps: int | None = None
    patience: int | None = None
    resume: bool = False
    seed: int = 0
    use_cpu: bool = False

    def __post_init__(self) -> None:
        for name, kind in (("base", "a hub id or the path of a folder"), ("output_dir", "the path of a folder")):
            value = getattr(self, name)
            if not isinstance(value, (str, PathLike)) or not fspath(value).strip():
                raise ArgumentError(f"`{name}` must be {kind}, got {value!r}")
        object.__setattr__(self, "base", resolved_name(self.base))
        object.__setattr__(self, "output_dir", fspath(self.output_dir))
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if isinstance(value, str):
                raise ArgumentError(f"`{name}` must not be a text, got {value!r}; YAML needs a point, as in 2.0e-5")
            if value is not None or getattr(type(self), name) is not None:
                check(name, value)
        if self.patience is not None and self.measure_steps is None:
            raise ArgumentError("`patience` counts measurements during training; give `measure_steps`, too")
