"""Sentence encoders of the sentence-transformers library, loaded in this process."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semreward.encoders.engine import (
    DEFAULT_CACHE_BYTES,
    DEFAULT_GATHER_MS,
    DEFAULT_PROGRESS_ABOVE,
    EncodeBatch,
    close_engine,
    engine_of,
)
from semreward.encoders.forward import ModelForward, check_model
from semreward.errors import ArgumentError, EncoderNotFoundError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
Backend: TypeAlias = Literal["torch", "onnx", "openvino"]
BACKENDS: tuple[Backend, ...] = ("torch", "onnx", "openvino")
DTYPES: tuple[Dtype, ...] = ("auto", "float32", "bfloat16", "float16")

# Tokens a forward pass. On a CPU, small batches stay in its caches and need little padding (1,024 beat 4,096 by 15-20 %
# on MiniLM); on an accelerator, what fills it and does not crowd out the policy beside it.
_CPU_BATCH_TOKENS = 1024
_ACCELERATOR_BATCH_TOKENS = 32_768

# How far the cosine of a text with itself may be from 1, over two passes.
_TOLERANCE = 1e-4
_HALF_TOLERANCE = 1e-2

# What decides an encoder's vectors, beside its configuration files: the weights that are read (safetensors before
# pickled ones, as the libraries prefer them) and the tokenizer.
_WEIGHT_PATTERNS = ("*.safetensors", "pytorch_model*.bin")
_BACKEND_PATTERNS = {"torch": (), "onnx": ("onnx/*.onnx", "*.onnx"), "openvino": ("openvino/*.bin", "openvino_*.bin")}
_TOKENIZER_FILES = frozenset(
    {
        "tokenizer.json",
        "sentencepiece.bpe.model",
        "spiece.model",
        "tokenizer.model",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
    }
)
_CONFIG_FILES = frozenset(
    {
        "modules.json",
        "config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",  # the prompt that is put before every input
        "tokenizer_config.json",  # the length at which inputs are cut
    }
)
# Keys of configuration files that say how a model was saved or is compared, not what it computes.
_IRRELEVANT_KEYS = frozenset(
    {
        "__version__",
        "_name_or_path",
        "architectures",
        "backend",
        "dtype",
        "is_local",
        "local_files_only",
        "similarity_fn_name",
        "torch_dtype",
        "transformers_version",
    }
)


@dataclass(frozen=True)
class SentenceTransformerEncoder:
    """A sentence-transformers model as a frozen encoder, loaded at its first use.

    The object describes an encoder and holds no model: it compares, hashes, prints and pickles as what it is. Equal
    descriptions share one loaded model a process.

    Args:
        name_or_path: Hub id, or the path of a folder with a sentence-transformers or a plain transformers model (then
            mean pooling is used).
        device: `"auto"`, or a torch device such as `"cuda:1"` or `"cpu"`. `"auto"` is resolved at the first use, in
            the process that uses it: its own accelerator if it sees one, else the CPU.
        dtype: Precision of the forward pass: `"auto"` (float32 on CPU, bfloat16 on an accelerator), `"float32"`,
            `"bfloat16"` or `"float16"`. Vectors are normalised in float32 in any case.
        max_tokens: Longest input in tokens; the rest of a text is not seen. `None`: the model's own limit.
        prompt: Text put before each input, such as `"query: "`, where the encoder was trained with one.
        revision: Branch, tag or commit of a hub model.
        attention: Attention kernel, as transformers names it: `"sdpa"`, `"eager"`, `"flash_attention_2"` (with which
            sentence-transformers leaves out all padding, where the model allows it). `None`: the library's choice.
        backend: sentence-transformers' own switch: `"torch"`, `"onnx"` or `"openvino"`; the last two need its extras,
            and `dtype` does not reach them.
        batch_tokens: Tokens a forward pass, padding included. `None`: 1,024 on a CPU, 32,768 on an accelerator.
        batch_size: Texts a forward pass, at most.
        cache_bytes: Bound of the cache of vectors: of references first, of completions in the room that is left.
        gather_ms: How long a forward pass may wait for other callers while there are several; a lone one never waits.
        progress_above: A call with more new texts than this shows a progress bar.

    Raises:
        EncoderNotFoundError: `name_or_path` is a path, and no model is there.
        ArgumentError: A number or a dtype is out of its range.
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
        if self.dtype not in DTYPES:
            raise ArgumentError(f"`dtype` must be one of {', '.join(DTYPES)}; got {self.dtype!r}")
        if self.backend not in BACKENDS:
            raise ArgumentError(f"`backend` must be one of {', '.join(BACKENDS)}; got {self.backend!r}")
        for name in ("max_tokens", "batch_tokens", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ArgumentError(f"`{name}` must be at least 1, got {value}")
        for name in ("cache_bytes", "gather_ms", "progress_above"):
            if getattr(self, name) < 0:
                raise ArgumentError(f"`{name}` must not be negative, got {getattr(self, name)}")

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that stand for weights, tokenizer, pooling, `max_tokens` and `prompt`.

        Device and dtype are left out. A hub model that is not in the local cache is downloaded first.
        """
        content = _folder_fingerprint(model_folder(self.name_or_path, self.revision), self.backend)
        return hashlib.sha256(f"{content}|{self.max_tokens}|{self.prompt or ''}".encode()).hexdigest()[:16]

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Encode `N` non-empty texts into unit rows, shape (N, D), float32; see `semreward.encoders.engine`."""
        return engine_of(self).encode(texts)

    def warmup(self) -> None:
        """Load the model and try it now, rather than at the first reward.

        Worth calling before a trainer is made that changes how models are loaded (DeepSpeed ZeRO-3) or run.
        """
        engine_of(self).open()

    def close(self) -> None:
        """Let go of the loaded model and of all vectors; the next use loads it again."""
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
        forward = ModelForward(
            model, prompt=self.prompt, batch_tokens=self._batch_tokens(device), batch_size=self.batch_size
        )
        exact = dtype == torch.float32 and self.backend == "torch"
        check_model(forward, model, tolerance=_TOLERANCE if exact else _HALF_TOLERANCE)
        logger.info("encoder %s loaded on %s in %s", self.name_or_path, device, dtype)
        return forward

    def _batch_tokens(self, device: "torch.device") -> int:
        if self.batch_tokens is not None:
            return self.batch_tokens
        return _CPU_BATCH_TOKENS if device.type == "cpu" else _ACCELERATOR_BATCH_TOKENS


def resolved_name(name_or_path: str | os.PathLike[str]) -> str:
    """The absolute path of a local model folder, or a hub id as it is.

    Raises:
        EncoderNotFoundError: It reads as a path, or its first part is a folder here, and there is no such folder, or
            no model in it.
    """
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
    if not torch.accelerator.is_available():
        if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            _warn_hidden_gpus()
        return torch.device("cpu")
    # Launchers tell each process its GPU; before they have set it, LOCAL_RANK does.
    rank = int(os.environ.get("LOCAL_RANK", "-1"))
    index = rank if 0 <= rank < torch.accelerator.device_count() else torch.accelerator.current_device_index()
    accelerator = torch.accelerator.current_accelerator()
    return torch.device("cpu") if accelerator is None else torch.device(accelerator.type, index)


@lru_cache(maxsize=1)
def _warn_hidden_gpus() -> None:
    logger.warning("CUDA_VISIBLE_DEVICES is empty in this process: its sentence encoders run on the CPU")


def resolved_dtype(dtype: Dtype, device: "torch.device") -> "torch.dtype":
    """The torch dtype that `dtype` means on a device; `"auto"` is float32 on CPU, bfloat16 elsewhere."""
    import torch

    if dtype == "auto":
        dtype = "float32" if device.type == "cpu" else "bfloat16"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]


def limit_tokens(model: "SentenceTransformer", max_tokens: int | None) -> None:
    """Bound a model's input by `max_tokens`, by its tokenizer's limit, and by the positions that it has.

    XLM-R counts positions from its padding index: 514 of them hold 512 tokens, which not every checkpoint says. A model
    without a window (static embeddings) reads all of a text.

    Raises:
        ArgumentError: `max_tokens` is given for a model without a window.
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


def _folder_fingerprint(folder: Path, backend: Backend) -> str:
    digest = hashlib.sha256()
    for path in _relevant_files(folder, backend):
        digest.update(path.relative_to(folder).as_posix().encode())
        status = path.stat()
        digest.update(_file_digest(path, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()


def _relevant_files(folder: Path, backend: Backend) -> Iterator[Path]:
    """The files that decide the vectors, in a fixed order; checkpoints of a training that lie beside them do not."""
    modules = folder / "modules.json"
    paths = [module["path"] for module in json.loads(modules.read_text(encoding="utf-8"))] if modules.is_file() else []
    for subfolder in sorted({folder, *(folder / path for path in paths)}):
        for pattern in (*_BACKEND_PATTERNS[backend], *_WEIGHT_PATTERNS):
            if weights := sorted(subfolder.glob(pattern)):
                yield from weights
                break
        yield from sorted(path for path in subfolder.glob("*") if path.name in _TOKENIZER_FILES | _CONFIG_FILES)


@lru_cache(maxsize=1024)
def _file_digest(path: Path, size: int, modified_ns: int) -> bytes:  # noqa: ARG001 - they key the cache
    if path.name in _CONFIG_FILES:
        return hashlib.sha256(json.dumps(_relevant_config(path), sort_keys=True).encode()).digest()
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 22):
            digest.update(block)
        return digest.digest()


def _relevant_config(path: Path) -> Any:
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        return {key: value for key, value in content.items() if key not in _IRRELEVANT_KEYS}
    return content
