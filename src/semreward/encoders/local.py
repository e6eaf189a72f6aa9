"""Sentence encoders of the sentence-transformers library, loaded in this process. N texts, T tokens, D width."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from semreward.arguments import check_choice, check_count, check_number
from semreward.encoders.engine import DEFAULT_CACHE_BYTES, EngineEncoder
from semreward.encoders.worker import PreparingModel
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderError, EncoderNotFoundError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
Features: TypeAlias = Mapping[str, Any]  # tensors by name, and a few values that describe them

# Tokens per forward pass: on a CPU, small batches stay in its caches (1,024 beat 4,096 by 15-20 % on MiniLM); on an
# accelerator, what fills it and does not crowd out the policy beside it.
_CPU_BATCH_TOKENS = 1024
_ACCELERATOR_BATCH_TOKENS = 32_768

# The files that decide the vectors; libraries prefer safetensors.
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_TOKENIZER = re.compile(r"(tokenizer|sentencepiece\.bpe|spiece)\.model|(tokenizer|vocab)\.json|(vocab|merges)\.txt")
_CONFIG = re.compile(r"(modules|config|sentence_bert_config|config_sentence_transformers|tokenizer_config)\.json")
# Keys of a configuration that say how a model was saved or is compared, not what it computes.
_IRRELEVANT_KEYS = re.compile(
    "__version__|_name_or_path|architectures|backend|dtype|is_local|local_files_only|similarity_fn_name|torch_dtype"
    "|transformers_version"
)

# Texts are tokenised in growing portions: an accelerator starts soon, and later texts of one length meet in a batch.
_FIRST_PORTION = 64
_FIRST_CPU_PORTION = 1024
_LARGEST_PORTION = 4096

_PROBES = ["a", "The same text must always have the same vector, alone or beside others."]


@dataclass(frozen=True)
class SentenceTransformerEncoder(EngineEncoder):
    """A sentence-transformers model as a frozen encoder, loaded at its first use.

    It compares, hashes and pickles without the model. Equal encoders share one loaded model per process.

    Args:
        name_or_path: Hub id, or folder of a sentence-transformers or a plain transformers model (mean pooling).
        device: A torch device; `"auto"` is the accelerator of the process that uses it, else the CPU.
        dtype: Precision of the forward pass; `"auto"` is float32 on a CPU and bfloat16 on an accelerator.
        max_tokens: Longest input in tokens, at least 1; the encoder does not see the rest. `None`: the model's limit.
        prompt: Text before each input, such as `"query: "`, if the model was trained with one.
        revision: Branch, tag or commit of a hub model.
        batch_tokens: Tokens per forward pass, padding included. `None`: 1,024 on a CPU, 32,768 on an accelerator.
        batch_size: Texts per forward pass, at most.
        cache_bytes: Size of the vector cache.

    Raises:
        EncoderNotFoundError: `name_or_path` is a path, and no model is there.
        ArgumentError: A number or `dtype` is out of its range.
    """

    name_or_path: str
    _: KW_ONLY
    device: str = "auto"
    dtype: Dtype = "auto"
    max_tokens: int | None = None
    prompt: str | None = None
    revision: str | None = None
    batch_tokens: int | None = None
    batch_size: int = 1024
    cache_bytes: int = DEFAULT_CACHE_BYTES

    def __post_init__(self) -> None:
        object.__setattr__(self, "name_or_path", resolved_name(self.name_or_path))
        check_choice("dtype", self.dtype, get_args(Dtype))
        check_count("batch_size", self.batch_size)
        for name in ("max_tokens", "batch_tokens"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        check_number("cache_bytes", self.cache_bytes, at_least=0)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits for weights, tokenizer, pooling, `max_tokens` and `prompt`; not for the device."""
        folder = model_folder(self.name_or_path, self.revision)
        files = hashlib.sha256()
        for path in _relevant_files(folder):
            status = path.stat()
            files.update(path.relative_to(folder).as_posix().encode())
            files.update(_file_digest(path, status.st_size, status.st_mtime_ns))
        text = f"{files.hexdigest()}|{self.max_tokens}|{self.prompt or ''}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def open_model(self) -> PreparingModel:
        """Load and check the model on its device. For the engine; users call `encode`."""
        import torch
        from sentence_transformers import SentenceTransformer

        device = resolved_device(self.device)
        on_cpu = device.type == "cpu"
        automatic = "float32" if on_cpu else "bfloat16"
        dtype = automatic if self.dtype == "auto" else self.dtype
        options = {"dtype": getattr(torch, dtype)}
        model = SentenceTransformer(
            self.name_or_path, device=str(device), revision=self.revision, model_kwargs=options
        ).eval()
        limit_tokens(model, self.max_tokens)
        check_model(model, tolerance=1e-4 if dtype == "float32" else 1e-2)
        logger.info("encoder %s loaded on %s in %s", self.name_or_path, device, dtype)
        batch_tokens = self.batch_tokens or (_CPU_BATCH_TOKENS if on_cpu else _ACCELERATOR_BATCH_TOKENS)
        return ModelForward(model, prompt=self.prompt, batch_tokens=batch_tokens, batch_size=self.batch_size)


def resolved_name(name_or_path: str | os.PathLike[str]) -> str:
    """The absolute path of a local model folder, or a hub id as it is; an error for a path without a model."""
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise ArgumentTypeError(f"`name_or_path` must be a hub id or a path, got {name_or_path!r}")
    name = os.fspath(name_or_path)
    path = Path(name).expanduser()
    if name and path.is_dir():
        if (path / "modules.json").is_file() or (path / "config.json").is_file():
            return str(path.resolve())
        raise EncoderNotFoundError(
            f"`name_or_path` must hold a model, but {name!r} has neither modules.json nor config.json; correct the path"
        )
    parts = Path(name).parts
    looks_local = not name or name.startswith((".", "~", "/")) or "\\" in name or len(parts) > 2  # noqa: PLR2004
    if looks_local or path.exists() or (len(parts) > 1 and Path(parts[0]).is_dir()):
        raise EncoderNotFoundError(
            f"`name_or_path` must be a hub id or an existing folder, got {name!r}; correct the path"
        )
    return name


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


def model_folder(name_or_path: str, revision: str | None = None) -> Path:
    """The local folder of a model; a hub model is taken from the local cache, or downloaded into it."""
    if Path(name_or_path).is_dir():
        return Path(name_or_path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name_or_path, revision=revision, local_files_only=True))
        if any(path for pattern in _WEIGHTS for path in folder.rglob(pattern)):  # else only its configuration is here
            return folder
    except LocalEntryNotFoundError:
        pass
    return Path(snapshot_download(name_or_path, revision=revision))


def _relevant_files(folder: Path) -> Iterator[Path]:
    """The files that decide the vectors, in a fixed order, without checkpoints of a training beside them."""
    modules = folder / "modules.json"
    paths = [module["path"] for module in json.loads(modules.read_text(encoding="utf-8"))] if modules.is_file() else []
    for subfolder in sorted({folder, *(folder / path for path in paths)}):
        for pattern in _WEIGHTS:
            if weights := sorted(subfolder.glob(pattern)):
                yield from weights
                break
        files = sorted(subfolder.glob("*"))
        yield from (path for path in files if _TOKENIZER.fullmatch(path.name) or _CONFIG.fullmatch(path.name))


@lru_cache(maxsize=1024)
def _file_digest(path: Path, size: int, modified_ns: int) -> bytes:  # noqa: ARG001 - they key the cache
    if _CONFIG.fullmatch(path.name):
        config = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(config, dict):
            config = {key: value for key, value in config.items() if not _IRRELEVANT_KEYS.fullmatch(key)}
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).digest()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.digest()


class ModelForward(PreparingModel):
    """A loaded model: texts in, unit rows out. Its batches are bounded in tokens, padding included, and in texts."""

    def __init__(self, model: "SentenceTransformer", *, prompt: str | None, batch_tokens: int, batch_size: int) -> None:
        self._model = model
        self._prompt = model.prompts.get(model.default_prompt_name) if prompt is None else prompt
        self._batch_tokens, self._batch_size = batch_tokens, batch_size

    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        """Tokenise texts, longest first, and cut them into batches of at most `batch_tokens`."""
        start, size = 0, _FIRST_CPU_PORTION if self._model.device.type == "cpu" else _FIRST_PORTION
        while start < len(texts):
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
        mask_NT = features.get("attention_mask")  # noqa: N806
        if mask_NT is None or mask_NT.ndim != 2:  # noqa: PLR2004 - not texts x tokens
            yield texts, features
            return
        lengths, order = mask_NT.sum(dim=1).sort(descending=True, stable=True)
        while len(order):
            longest = max(1, int(lengths[0]))
            size = max(1, min(self._batch_size, self._batch_tokens // longest))
            yield [texts[row] for row in order[:size].tolist()], _rows_of(features, order[:size], longest, mask_NT)
            lengths, order = lengths[size:], order[size:]

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
        rows, half = torch.arange(len(mask)), len(mask) // 2
        self._batch_tokens = max(1, min(self._batch_tokens, half * mask.shape[1]))
        logger.warning("out of memory: batches are halved, to %d tokens", self._batch_tokens)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        parts = (_rows_of(inputs, part, int(mask[part].sum(dim=1).max()), mask) for part in (rows[:half], rows[half:]))
        return np.concatenate([self.forward(part) for part in parts])

    def _forward(self, inputs: Features) -> NDArray[np.float32]:
        import torch
        from sentence_transformers.util import batch_to_device

        device = self._model.device
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # of this thread: kernels of attention libraries run there
        with torch.inference_mode():
            vectors: torch.Tensor = self._model(batch_to_device(dict(inputs), device))["sentence_embedding"]
            if self._model.truncate_dim is not None:
                vectors = vectors[..., : self._model.truncate_dim]
            return torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()

    def _count_truncated(self, features: Features, texts: int) -> None:
        limit, mask, truncated = self._model.max_seq_length, features.get("attention_mask"), 0
        if encodings := getattr(features, "encodings", None):
            truncated = sum(bool(encoding.overflowing) for encoding in encodings)
        elif limit and mask is not None:  # a slow tokenizer keeps no account: what fills the window counts
            truncated = int((mask.sum(dim=1) >= limit).sum())
        self.count(texts, truncated, f"{limit} tokens")


def _rows_of(features: Features, rows: "torch.Tensor", longest: int, mask_NT: "torch.Tensor") -> dict[str, Any]:  # noqa: N803
    """Some rows of tokenised texts, without the padding that none of them needs."""
    import torch

    padded_left = bool(((mask_NT[:, 0] == 0) & (mask_NT[:, -1] != 0)).any())  # a text may have no token at all
    window = slice(mask_NT.shape[1] - longest, None) if padded_left else slice(longest)
    part = dict(features)
    for name, value in features.items():
        if isinstance(value, torch.Tensor) and value.ndim and len(value) == len(mask_NT):
            part[name] = value[rows]
            if value.shape[:2] == mask_NT.shape:
                part[name] = part[name][:, window].contiguous()
    return part


def check_model(model: "SentenceTransformer", tolerance: float) -> None:
    """Raise `EncoderError` unless all weights are complete and finite, and two passes over a text have cosine 1."""
    remedy = "load the encoder before that (`encoder.warmup()`), or put it behind an embedding server"
    for name, weight in model.named_parameters():
        if weight.is_meta or not weight.numel():
            cause = "DeepSpeed ZeRO-3 partitions what is loaded while it is on"
            raise EncoderError(f"the encoder's weight `{name}` is empty in this process: {cause}; {remedy}")
        if not bool(weight.detach().float().sum().isfinite()):
            raise EncoderError(f"the encoder's weight `{name}` is not finite; the checkpoint is damaged")
    encode = partial(model.encode, normalize_embeddings=True, show_progress_bar=False)
    cosine = float(encode(_PROBES)[-1] @ encode(_PROBES[-1]))
    if not abs(cosine - 1.0) <= tolerance:  # catches NaN, too
        raise EncoderError(
            f"two passes of the loaded encoder over one text have cosine {cosine:.6f} instead of 1: its forward pass "
            "is broken. Likely causes are DeepSpeed ZeRO-3, which partitions its weights, and libraries that patch the "
            f"forward passes of transformers (Unsloth, Liger); {remedy}"
        )
