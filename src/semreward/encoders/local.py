"""Sentence encoders of the sentence-transformers library, loaded in this process."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from semreward.arguments import check_choice, check_count, check_number
from semreward.encoders.engine import (
    DEFAULT_CACHE_BYTES,
    DEFAULT_GATHER_MS,
    DEFAULT_PROGRESS_ABOVE,
    EncodeBatch,
    close_engine,
    engine_of,
)
from semreward.encoders.forward import ModelForward, check_model
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderNotFoundError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
Backend: TypeAlias = Literal["torch", "onnx", "openvino"]

# Tokens per forward pass. On a CPU, small batches stay in its caches and need little padding (1,024 beat 4,096 by
# 15-20 % on MiniLM); on an accelerator, what fills it and does not crowd out the policy beside it.
_CPU_BATCH_TOKENS = 1024
_ACCELERATOR_BATCH_TOKENS = 32_768

# The files that decide the vectors: weights (safetensors before pickled ones, as the libraries prefer them), tokenizer,
# and configuration, with the default prompt and the length at which inputs are cut.
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_BACKEND_WEIGHTS = {"torch": (), "onnx": ("onnx/*.onnx", "*.onnx"), "openvino": ("openvino/*.bin", "openvino_*.bin")}
_TOKENIZER = re.compile(r"(tokenizer|sentencepiece\.bpe|spiece)\.model|(tokenizer|vocab)\.json|(vocab|merges)\.txt")
_CONFIG = re.compile(r"(modules|config|sentence_bert_config|config_sentence_transformers|tokenizer_config)\.json")
# Keys of configuration files that say how a model was saved or is compared, not what it computes.
_IRRELEVANT_KEYS = re.compile(
    "__version__|_name_or_path|architectures|backend|dtype|is_local|local_files_only|similarity_fn_name|torch_dtype"
    "|transformers_version"
)


@dataclass(frozen=True)
class SentenceTransformerEncoder:
    """A sentence-transformers model as a frozen encoder, loaded at its first use.

    The object is a description without a model: it compares, hashes and pickles as such. Equal descriptions share one
    loaded model per process.

    Args:
        name_or_path: Hub id, or folder of a sentence-transformers or a plain transformers model (mean pooling).
        device: `"auto"`, or a torch device such as `"cuda:1"`. `"auto"` is resolved at the first use, in the process
            that uses it: its own accelerator if it sees one, else the CPU.
        dtype: Precision of the forward pass: `"auto"` (float32 on a CPU, bfloat16 on an accelerator), `"float32"`,
            `"bfloat16"` or `"float16"`. Vectors are normalized in float32 in any case.
        max_tokens: Longest input in tokens, at least 1; the encoder does not see the rest. `None`: the model's limit.
        prompt: Text put before each input, such as `"query: "`, where the encoder was trained with one.
        revision: Branch, tag or commit of a hub model.
        attention: Attention kernel, as transformers names it: `"sdpa"`, `"eager"`, `"flash_attention_2"` (without
            padding, where the model allows it). `None`: the library's choice.
        backend: `"torch"`, `"onnx"` or `"openvino"`; the last two need extras of sentence-transformers and ignore
            `dtype`.
        batch_tokens: Tokens per forward pass, padding included. `None`: 1,024 on a CPU, 32,768 on an accelerator.
        batch_size: Texts per forward pass, at most.
        cache_bytes: Bound of the cache of vectors: references first, completions in the room that is left.
        gather_ms: How long a forward pass may wait for other callers while there are several; a lone one never waits.
        progress_above: A call with more new texts than this shows a progress bar.

    Raises:
        EncoderNotFoundError: `name_or_path` is a path, and no model is there.
        ArgumentError: A number, `dtype` or `backend` is out of its range.
    """

    name_or_path: str
    _: KW_ONLY
    device: str = "auto"
    dtype: Dtype = "auto"
    max_tokens: int | None = None
    prompt: str | None = None
    revision: str | None = None
    attention: str | None = None
    backend: Backend = "torch"
    batch_tokens: int | None = None
    batch_size: int = 1024
    cache_bytes: int = DEFAULT_CACHE_BYTES
    gather_ms: float = DEFAULT_GATHER_MS
    progress_above: int = DEFAULT_PROGRESS_ABOVE

    def __post_init__(self) -> None:
        object.__setattr__(self, "name_or_path", resolved_name(self.name_or_path))
        check_choice("dtype", self.dtype, get_args(Dtype))
        check_choice("backend", self.backend, get_args(Backend))
        check_count("batch_size", self.batch_size)
        for name in ("max_tokens", "batch_tokens"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        for name in ("cache_bytes", "gather_ms", "progress_above"):
            check_number(name, getattr(self, name), at_least=0)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits for weights, tokenizer, pooling, `max_tokens` and `prompt`; not device and dtype.

        A hub model that is not in the local cache is downloaded first.
        """
        folder = model_folder(self.name_or_path, self.revision)
        files = hashlib.sha256()
        for path in _relevant_files(folder, self.backend):
            status = path.stat()
            files.update(path.relative_to(folder).as_posix().encode())
            files.update(_file_digest(path, status.st_size, status.st_mtime_ns))
        text = f"{files.hexdigest()}|{self.max_tokens}|{self.prompt or ''}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Encode `N` non-empty texts into unit rows, shape (N, D), float32; see `semreward.encoders.engine`."""
        return engine_of(self).encode(texts)

    def warmup(self) -> None:
        """Load and check the model now: before a trainer changes how models are loaded (DeepSpeed ZeRO-3) or run."""
        engine_of(self).open()

    def close(self) -> None:
        """Free the loaded model and all vectors; the next use loads it again."""
        close_engine(self)

    @property
    def truncated_texts(self) -> int:
        """How many texts were longer than the model's window since it was loaded in this process."""
        return getattr(engine_of(self).model, "truncated_texts", 0)

    def open_model(self) -> EncodeBatch:
        """Load the model on its device and return its forward pass. For the engine; users call `encode`."""
        import torch
        from sentence_transformers import SentenceTransformer

        device = resolved_device(self.device)
        dtype = resolved_dtype(self.dtype, device)
        options: dict[str, Any] = {"dtype": dtype} if self.backend == "torch" else {}
        if self.attention is not None:
            options["attn_implementation"] = self.attention
        model = SentenceTransformer(
            self.name_or_path, device=str(device), revision=self.revision, backend=self.backend, model_kwargs=options
        )
        model.eval()
        limit_tokens(model, self.max_tokens)
        tokens = _CPU_BATCH_TOKENS if device.type == "cpu" else _ACCELERATOR_BATCH_TOKENS
        forward = ModelForward(
            model, prompt=self.prompt, batch_tokens=self.batch_tokens or tokens, batch_size=self.batch_size
        )
        exact = dtype == torch.float32 and self.backend == "torch"
        check_model(forward, model, tolerance=1e-4 if exact else 1e-2)
        logger.info("encoder %s loaded on %s in %s", self.name_or_path, device, dtype)
        return forward


def resolved_name(name_or_path: str | os.PathLike[str]) -> str:
    """The absolute path of a local model folder, or a hub id as it is; an error for a path without a model."""
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise ArgumentTypeError(f"`name_or_path` must be a hub id or a path, got {name_or_path!r}")
    name = os.fspath(name_or_path)
    path = Path(name).expanduser()
    if name and path.is_dir():
        if not any((path / file).is_file() for file in ("modules.json", "config.json")):
            raise EncoderNotFoundError(
                f"`name_or_path` must hold a model, but the folder {name!r} has neither modules.json nor config.json; "
                "correct the path"
            )
        return str(path.resolve())
    parts = Path(name).parts
    looks_local = not name or name.startswith((".", "~", "/")) or "\\" in name or len(parts) > 2  # noqa: PLR2004
    if looks_local or path.exists() or (len(parts) > 1 and Path(parts[0]).is_dir()):
        raise EncoderNotFoundError(
            f"`name_or_path` must be a hub id or an existing folder, got {name!r}; "
            "adapt an encoder first, or correct the path"
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
            _warn_hidden_gpus()
        return torch.device("cpu")
    # Launchers tell each process its GPU; before they have set it, LOCAL_RANK does.
    rank = int(os.environ.get("LOCAL_RANK", "-1"))
    index = rank if 0 <= rank < torch.accelerator.device_count() else torch.accelerator.current_device_index()
    return torch.device(accelerator.type, index)


@lru_cache(maxsize=1)
def _warn_hidden_gpus() -> None:
    logger.warning("CUDA_VISIBLE_DEVICES is empty in this process: its sentence encoders run on the CPU")


def resolved_dtype(dtype: Dtype, device: "torch.device") -> "torch.dtype":
    """The torch dtype that `dtype` means on a device; `"auto"` is float32 on a CPU, bfloat16 elsewhere."""
    import torch

    if dtype == "auto":
        dtype = "float32" if device.type == "cpu" else "bfloat16"
    resolved: torch.dtype = getattr(torch, dtype)
    return resolved


def limit_tokens(model: "SentenceTransformer", max_tokens: int | None) -> None:
    """Bound a model's input by `max_tokens`, by its tokenizer's limit, and by the positions that it has.

    XLM-R counts positions from its padding index: 514 positions hold 512 tokens, which not every checkpoint says.
    Static embeddings have no window, and `max_tokens` is an error for them.
    """
    import torch

    limits = [limit for limit in (max_tokens, model.max_seq_length) if limit is not None]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - skipped)
    if not limits or min(limits) == model.max_seq_length:
        return
    try:
        model.max_seq_length = min(limits)
    except AttributeError:
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
        return Path(snapshot_download(name_or_path, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return Path(snapshot_download(name_or_path, revision=revision))


def _relevant_files(folder: Path, backend: Backend) -> Iterator[Path]:
    """The files that decide the vectors, in a fixed order, without checkpoints of a training beside them."""
    modules = folder / "modules.json"
    paths = [module["path"] for module in json.loads(modules.read_text(encoding="utf-8"))] if modules.is_file() else []
    for subfolder in sorted({folder, *(folder / path for path in paths)}):
        for pattern in (*_BACKEND_WEIGHTS[backend], *_WEIGHTS):
            if weights := sorted(subfolder.glob(pattern)):
                yield from weights
                break
        names = sorted(path for path in subfolder.glob("*"))
        yield from (path for path in names if _TOKENIZER.fullmatch(path.name) or _CONFIG.fullmatch(path.name))


@lru_cache(maxsize=1024)
def _file_digest(path: Path, size: int, modified_ns: int) -> bytes:  # noqa: ARG001 - they key the cache
    if _CONFIG.fullmatch(path.name):
        config = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(config, dict):
            config = {key: value for key, value in config.items() if not _IRRELEVANT_KEYS.fullmatch(key)}
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).digest()
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 22):
            digest.update(block)
        return digest.digest()
