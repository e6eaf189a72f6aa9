"""How an encoder is adapted: the one configuration object, checked when it is made."""

from dataclasses import KW_ONLY, dataclass
from os import PathLike, fspath
from typing import Any, Literal, TypeAlias

from semreward.arguments import is_finite_number
from semreward.encoders.local import resolved_name
from semreward.errors import ArgumentError

Pooling: TypeAlias = Literal["mean", "cls", "max"]
"""How a text's token vectors become one."""

POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "max")

_POSITIVE = ("epochs", "monolingual_epochs", "learning_rate", "temperature")
_OPTIONAL_POSITIVE = ("embedding_learning_rate",)
_SHARES = ("warmup_ratio", "mining_margin", "dropout")
_COUNTS = ("batch_size", "max_tokens")
_OPTIONAL_COUNTS = (
    "mini_batch_size",
    "forward_tokens",
    "measure_steps",
    "save_steps",
    "patience",
    "lora_rank",
    "lora_alpha",
)
_AMOUNTS = ("mined_negatives", "made_negatives", "seed")
_SWITCHES = ("bf16", "resume", "use_cpu")


@dataclass(frozen=True)
class AdaptationConfig:
    """How an encoder is adapted.

    Args:
        base: Hub id or folder of a pretrained encoder, for example `hfl/cino-base-v2`, or of an adapted one.
        output_dir: Folder that receives the adapted encoder, in sentence-transformers' format.
        epochs: Passes over the pairs.
        batch_size: Pairs a batch and process; the rest of the batch are each pair's negatives, over all processes.
        learning_rate: Peak of a cosine schedule.
        embedding_learning_rate: Peak for the table of word embeddings; `None`: the same. A table that starts from
            random numbers learns faster with 5 to 10 times the rate of the layers above it.
        warmup_ratio: Share of the steps during which the learning rate rises.
        weight_decay: AdamW's.
        dropout: Dropout during training; `None`: the base's own. Two views of a sentence differ by it.
        temperature: Divides cosines before the softmax, > 0.
        max_tokens: Longest input in tokens.
        pooling: `"mean"`, `"cls"` or `"max"` on a plain transformers checkpoint; `None`: the base's own modules, or
            mean pooling where it has none.
        mini_batch_size: Pairs whose activations are held at a time (gradient caching: a second forward pass buys
            batches that memory does not hold); `None` holds the whole batch.
        forward_tokens: Tokens a forward pass, padding included: a batch's texts are ordered by length and passed in
            portions, so that short texts are not padded to the batch's longest. `None`: the whole batch in one pass.
            No result depends on it but for rounding. Not together with `mini_batch_size`, which cuts by pairs.
        mined_negatives: Hard negatives a pair, mined from the other pairs' positives with the encoder as it is when
            the pairs' training starts. Worth it from an encoder that already retrieves well: adapt twice.
        mining_margin: How far below its positive's cosine, as a share of it, a mined negative must be, in [0, 1);
            keeps translations that merely stand in another row from becoming negatives.
        made_negatives: Hard negatives a pair, drawn from what `make_negatives` returns for it.
        monolingual_epochs: Passes over the monolingual sentences, if any are given.
        lora_rank: Rank of LoRA adapters on all linear layers, merged at the end; `None` trains all weights.
        lora_alpha: LoRA's scale; `None`: twice the rank.
        bf16: Train in bfloat16 (autocast).
        measure_steps: Measure on the held-out pairs every so many steps, and after the last; `None`: before and after
            the training only.
        patience: Stop after so many measurements without a better one, and keep the best; needs `measure_steps`.
        save_steps: Write a checkpoint every so many steps, from which `resume` goes on; `None`: none, or with
            `patience` at each measurement. With `patience`, a multiple of `measure_steps`.
        resume: Go on from the last checkpoint in `output_dir`, if there is one.
        seed: Order of the pairs, dropout, choice of made negatives.
        use_cpu: Train on the CPU though an accelerator is there.

    Raises:
        ArgumentError: A value is out of its range, or two of them exclude each other.
        EncoderNotFoundError: `base` is a path at which no model is.
    """

    base: str
    output_dir: str
    _: KW_ONLY
    epochs: float = 1.0
    batch_size: int = 128
    learning_rate: float = 2e-5
    embedding_learning_rate: float | None = None
    warmup_ratio: float = 0.1
    weight_decay: float = 0.0
    dropout: float | None = None
    temperature: float = 0.05
    max_tokens: int = 128
    pooling: Pooling | None = None
    mini_batch_size: int | None = None
    forward_tokens: int | None = None
    mined_negatives: int = 0
    mining_margin: float = 0.05
    made_negatives: int = 0
    monolingual_epochs: float = 1.0
    lora_rank: int | None = None
    lora_alpha: int | None = None
    bf16: bool = False
    measure_steps: int | None = None
    patience: int | None = None
    save_steps: int | None = None
    resume: bool = False
    seed: int = 0
    use_cpu: bool = False

    def __post_init__(self) -> None:
        self._check_folders()
        object.__setattr__(self, "base", resolved_name(self.base))
        self._check_numbers()
        self._check_counts()
        self._check_combinations()

    def _check_folders(self) -> None:
        if not isinstance(self.base, (str, PathLike)):
            raise ArgumentError(f"`base` must be a hub id or the path of a folder, got {self.base!r}")
        if not isinstance(self.output_dir, (str, PathLike)) or not str(self.output_dir).strip():
            raise ArgumentError(f"`output_dir` must be the path of a folder, got {self.output_dir!r}")
        object.__setattr__(self, "output_dir", fspath(self.output_dir))

    def _check_numbers(self) -> None:
        for name in (*_POSITIVE, *_OPTIONAL_POSITIVE):
            value = getattr(self, name)
            if not (value is None and name in _OPTIONAL_POSITIVE) and not (is_finite_number(value) and value > 0):
                raise ArgumentError(f"`{name}` must be a positive number, got {_shown(value)}")
        for name in _SHARES:
            value = getattr(self, name)
            if not (value is None and name == "dropout") and not (is_finite_number(value) and 0 <= value < 1):
                raise ArgumentError(f"`{name}` must be a number in [0, 1), got {_shown(value)}")
        if not is_finite_number(self.weight_decay) or self.weight_decay < 0:
            raise ArgumentError(f"`weight_decay` must be a number, not negative, got {_shown(self.weight_decay)}")

    def _check_counts(self) -> None:
        for name in (*_COUNTS, *_OPTIONAL_COUNTS):
            value = getattr(self, name)
            if not (value is None and name in _OPTIONAL_COUNTS) and not (_is_whole(value) and value >= 1):
                raise ArgumentError(f"`{name}` must be a positive whole number, got {_shown(value)}")
        for name in _AMOUNTS:
            value = getattr(self, name)
            if not _is_whole(value) or value < 0:
                raise ArgumentError(f"`{name}` must be a whole number, not negative, got {_shown(value)}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ArgumentError(f"`{name}` must be True or False, got {getattr(self, name)!r}")

    def _check_combinations(self) -> None:
        if self.pooling is not None and self.pooling not in POOLINGS:
            raise ArgumentError(f"`pooling` must be one of {', '.join(POOLINGS)}; got {self.pooling!r}")
        if self.mini_batch_size is not None and self.forward_tokens is not None:
            raise ArgumentError(
                "`mini_batch_size` and `forward_tokens` both cut a batch into forward passes; give one of them"
            )
        if self.patience is not None and self.measure_steps is None:
            raise ArgumentError("`patience` counts measurements during training; give `measure_steps`, too")
        if (
            self.patience is not None
            and self.measure_steps is not None
            and self.save_steps is not None
            and self.save_steps % self.measure_steps
        ):
            raise ArgumentError(
                f"`save_steps` must be a multiple of `measure_steps` where the best model is kept (`patience`), "
                f"got {self.save_steps} and {self.measure_steps}"
            )

    @property
    def saves_every(self) -> int | None:
        """Steps between two checkpoints; `None`: there are none."""
        if self.save_steps is None and self.patience is not None:
            return self.measure_steps
        return self.save_steps


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A wrong value, with the remedy where YAML may have made a text of a number."""
    return repr(value) + ("; in YAML write a number with a point, as 2.0e-5" if isinstance(value, str) else "")
