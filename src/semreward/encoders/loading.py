"""Loading a model: what its files say, its device and window, and whether it is whole and works."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semreward.errors import ArgumentError, ArgumentTypeError, EncoderError, EncoderNotFoundError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

# The files that decide the vectors; libraries prefer safetensors.
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model*.bin")
_TOKENIZER = re.compile(r"(tokenizer|sentencepiece\.bpe|spiece|spm)\.model|(tokenizer|vocab)\.json|(vocab|merges)\.txt")
_CONFIG = re.compile(r"(modules|((sentence_\w+|tokenizer|router|adapter)_)?config|config_sentence_transformers)\.json")
# Keys of a configuration that say how a model was saved or is compared, not what it computes.
_IRRELEVANT_KEYS = re.compile(
    "__version__|_name_or_path|architectures|backend|base_model_name_or_path|dtype|inference_mode|is_local"
    "|local_files_only|peft_version|similarity_fn_name|torch_dtype|transformers_version"
)

# What the names of a model's family, modules or architecture say that it is; the first that matches.
_OTHER_KINDS = {
    "CrossEncoder|cross_encoder|SequenceClassification|Ranking|RewardModel": "a cross-encoder or reranker (of pairs)",
    "Sparse|sparse_encoder": "a sparse encoder (SPLADE)",
    "ColBERT|MultiVector|multi_vector|pylate|ForRetrieval": "a late-interaction model (ColBERT)",
    "ForCausalLM|LMHeadModel|ForConditionalGeneration": "a language model",
    "headless": "a language model without a head, and no modules.json says how to pool its tokens (often `lasttoken`)",
    "ForTokenClassification|ForQuestionAnswering|ForMultipleChoice": "a model of another task",
}

_SHOWN_WEIGHTS = 5
_REPLACE = "if a file is damaged or missing, copy the folder or download it again"
_PROBES = ["a", "The same text must always have the same vector, alone or beside others."]
_FIRST_THAT_MARKS = 5  # version of transformers that marks each weight that it loads, so as not to initialise it


def resolved_name(name_or_path: str | os.PathLike[str]) -> str:
    """The absolute path of a local model folder, or a hub id as it is; an error for a path without a model."""
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise ArgumentTypeError(f"`name_or_path` must be a hub id or a path, got {name_or_path!r}")
    name = os.fspath(name_or_path)
    path = Path(name).expanduser()
    if name and path.is_dir():
        if any((path / f"{kind}.json").is_file() for kind in ("modules", "config", "adapter_config")):
            return str(path.resolve())
        raise EncoderNotFoundError(
            f"`name_or_path` must hold a model, but {name!r} has neither modules.json nor config.json; correct the path"
        )
    parts = Path(name).parts
    looks_local = not name or name.startswith((".", "~", "/")) or "\\" in name or len(parts) > 2  # noqa: PLR2004
    if looks_local or path.exists() or (len(parts) > 1 and Path(parts[0]).is_dir()):
        raise EncoderNotFoundError(f"`name_or_path` must be a hub id or an existing folder, got {name!r}; correct it")
    return name


def model_folder(name_or_path: str, revision: str | None = None, *, only: str | None = None) -> Path:
    """The local folder of a model, from the cache or the hub: all files, or only those like `only`."""
    if Path(name_or_path).is_dir():
        return Path(name_or_path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    name = _hub_id(name_or_path)
    if only is not None:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[only]))
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if any(path for pattern in _WEIGHTS for path in folder.rglob(pattern)):  # else only its configuration is here
            return folder
    except LocalEntryNotFoundError:
        pass
    return Path(snapshot_download(name, revision=revision))


def _hub_id(name: str) -> str:
    """The full id of a hub model: sentence-transformers takes short names for its own, with old exceptions."""
    if "/" in name:
        return name
    from sentence_transformers.util.misc import ORIGINAL_TRANSFORMER_MODELS

    return name if name.lower() in ORIGINAL_TRANSFORMER_MODELS else f"sentence-transformers/{name}"


def digest_of(folder: Path) -> str:
    """A hash of all files that decide the vectors: of the modules, their routes, adapters, and the adapters' bases."""
    files = hashlib.sha256()
    for name, path in _relevant_files(folder):
        status = path.stat()
        files.update(name.encode())
        files.update(_file_digest(path, status.st_size, status.st_mtime_ns))
    return files.hexdigest()


def _relevant_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files that decide the vectors, in a fixed order, without checkpoints of a training beside them."""
    for subfolder in sorted(_module_folders(folder)):
        for pattern in _WEIGHTS:
            if weights := sorted(subfolder.glob(pattern)):
                yield from ((path.relative_to(folder).as_posix(), path) for path in weights)
                break
        for path in sorted(subfolder.glob("*")):
            if _TOKENIZER.fullmatch(path.name) or _CONFIG.fullmatch(path.name):
                yield path.relative_to(folder).as_posix(), path
        if base := _content(subfolder / "adapter_config.json").get("base_model_name_or_path"):
            yield from ((f"base/{name}", path) for name, path in _relevant_files(model_folder(base)))


def _module_folders(folder: Path) -> set[Path]:
    """The folder itself, and those of its modules and of a router's modules."""
    found, pending = {folder}, [folder / module["path"] for module in _content(folder / "modules.json", list)]
    while pending:
        found.add(module := pending.pop())
        for name in ("router_config.json", "config.json"):
            routes = _content(module / name).get("types", ())
            pending += [module / route for route in routes if (module / route).is_dir() and module / route not in found]
    return found


@lru_cache(maxsize=1024)
def _file_digest(path: Path, size: int, modified_ns: int) -> bytes:  # noqa: ARG001 - they key the cache
    if _CONFIG.fullmatch(path.name):
        config = _content(path, object)
        if isinstance(config, dict):
            config = {key: value for key, value in config.items() if not _IRRELEVANT_KEYS.fullmatch(key)}
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).digest()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.digest()


def prompts_of(folder: Path) -> Mapping[str, str]:
    """The prompts that a model declares, by name; also its default prompt, by the name `""`."""
    config = _content(folder / "config_sentence_transformers.json")
    prompts = {name: text or "" for name, text in (config.get("prompts") or {}).items()}
    default = config.get("default_prompt_name")
    return prompts | ({"": prompts[default]} if default in prompts else {})


def has_pooling(folder: Path, name: str) -> bool:
    """Whether a model is a sentence encoder; False for a transformers model whose token vectors have to be pooled.

    Raises an `EncoderError` if it is another kind of model.
    """
    from transformers.models.auto import modeling_auto as auto

    modules = _content(folder / "modules.json", list)
    family = _content(folder / "config_sentence_transformers.json").get("model_type", "")
    names = [family, *(module["type"] for module in modules)]
    if not modules:
        base = _content(folder / "adapter_config.json").get("base_model_name_or_path")
        root = model_folder(base, only="*.json") if base else folder
        config = _content(root / "config.json")
        names += config.get("architectures") or ()
        others = auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES | auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
        if config.get("model_type") in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.keys() - others.keys():
            names.append("headless")
    for words, kind in _OTHER_KINDS.items():
        if any(re.search(words, name) for name in names):
            remedy = "name another model, or adapt a pretrained one: semreward.adaptation"
            raise EncoderError(f"`name_or_path` must be a sentence encoder, but {name!r} is {kind}; {remedy}")
    return bool(modules)


def _content(path: Path, kind: type = dict) -> Any:
    """The content of a JSON file; empty if there is no such file, or its content is of another kind."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise EncoderError(f"{path} is not JSON ({error}); {_REPLACE}") from error
    return content if isinstance(content, kind) else kind()


def loaded(name: str, dtype: "torch.dtype", revision: str | None = None) -> "SentenceTransformer":
    """A model on the CPU; an `EncoderError` if it does not load."""
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(name, device="cpu", revision=revision, model_kwargs={"dtype": dtype})
    except Exception as error:
        raise EncoderError(f"the encoder in {name!r} does not load: {error!r}; {_REPLACE}") from error


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
    remedy = "put the encoder behind a server; with ZeRO-3, loading it before that (`encoder.warmup()`) helps, too"
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
        if not np.allclose(encode(), vectors):  # otherwise it is not used, like many poolers
            missing.append(name)
        weight.data.copy_(values)
    if missing:
        raise EncoderError(
            f"the encoder's checkpoint lacks weights, which are random now: {', '.join(missing)}; the names in it "
            "must be those of the model, without a prefix such as `_orig_mod.`"
        )
