"""Sentence encoders of the sentence-transformers library, loaded in this process. N texts, T tokens, D width."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from semreward.arguments import check_choice, check_count, check_number
from semreward.encoders import loading
from semreward.encoders.engine import DEFAULT_CACHE_BYTES, EngineEncoder, engine_of
from semreward.encoders.vectors import PreparingModel
from semreward.errors import UnreadableTextError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
Features: TypeAlias = Mapping[str, Any]  # tensors by name, and a few values that describe them

# Tokens per forward pass: on a CPU, small batches stay in its caches (1,024 beat 4,096 by 15-20 % on MiniLM); on an
# accelerator, enough to fill it without crowding out the policy.
_CPU_BATCH_TOKENS = 1024
_ACCELERATOR_BATCH_TOKENS = 32_768

# Texts are tokenised in growing portions: an accelerator starts soon, and later texts of one length meet in a batch.
_FIRST_PORTION = 64
_FIRST_CPU_PORTION = 1024
_LARGEST_PORTION = 4096

MOST_UNKNOWN = 0.05  # share of unknown tokens up to which an encoder knows a language
_FEWEST_TOKENS = 20  # whose share of unknown ones is judged
_EXAMPLES = 5
_SPECIAL = ("bos", "eos", "pad", "cls", "sep", "mask")

_UNREADABLE = (
    "the encoder's tokenizer does not know a single word of {!r}: use an encoder that was trained on this language, or "
    "adapt one"
)


@dataclass(frozen=True)
class SentenceTransformerEncoder(EngineEncoder):
    """A sentence-transformers model as a frozen encoder, loaded at its first use.

    It compares, hashes and pickles without the model. Equal encoders share one loaded model per process.

    Args:
        name_or_path: Hub id, or folder of a sentence-transformers or a plain transformers model (mean pooling).
        device: A torch device; `"auto"` is the accelerator of the process that uses it, else the CPU.
        dtype: Precision of the forward pass; `"auto"` is float32 on a CPU and bfloat16 on an accelerator.
        max_tokens: Longest input in tokens, at least 1; the encoder does not see the rest. `None`: the model's limit.
        prompt: Text before each input, such as `"query: "`, if the model was trained with one, or the name of a prompt
            that the model declares; `""` for none. `None`: the model's default prompt, if it has one.
        revision: Branch, tag or commit of a hub model.
        batch_tokens: Tokens per forward pass, padding included. `None`: 1,024 on a CPU, 32,768 on an accelerator.
        cache_bytes: Size of the vector cache.

    Raises:
        EncoderNotFoundError: `name_or_path` is a path, and no model is there.
        ArgumentError: A number or `dtype` is out of its range.
        EncoderError: When it is loaded: files are damaged, it is no sentence encoder, or vectors depend on padding.
    """

    name_or_path: str
    _: KW_ONLY
    device: str = "auto"
    dtype: Dtype = "auto"
    max_tokens: int | None = None
    prompt: str | None = None
    revision: str | None = None
    batch_tokens: int | None = None
    cache_bytes: int = DEFAULT_CACHE_BYTES

    def __post_init__(self) -> None:
        object.__setattr__(self, "name_or_path", loading.resolved_name(self.name_or_path))
        check_choice("dtype", self.dtype, get_args(Dtype))
        for name in ("max_tokens", "batch_tokens"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        check_number("cache_bytes", self.cache_bytes, at_least=0)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits for weights, tokenizer, pooling, `max_tokens` and `prompt`; not for the device."""
        folder = loading.model_folder(self.name_or_path, self.revision)
        prompts = loading.prompts_of(folder)
        prompt = self.prompt and prompts.get(self.prompt, self.prompt)
        if prompt == "" and prompts.get(""):
            prompt = "\0"  # the default prompt is left out
        return hashlib.sha256(f"{loading.digest_of(folder)}|{self.max_tokens}|{prompt or ''}".encode()).hexdigest()[:16]

    def warmup(self) -> None:
        """Load and check the model now, before a trainer changes how models are loaded (ZeRO-3) or run."""
        engine_of(self).open()  # no text is encoded: every text is unreadable to some model

    def open_model(self) -> PreparingModel:
        """Load and check the model on its device. For the engine; users call `encode`."""
        import torch

        folder, name = loading.model_folder(self.name_or_path, self.revision, only="*.json"), self.name_or_path
        prompts = loading.prompts_of(folder)
        if not loading.has_pooling(folder, name):
            logger.warning("%s was not trained for sentences: its token vectors are averaged; adapt it first", name)
        if self.prompt is None and "" not in prompts and any(prompts.values()):
            advice = "pass the name of one as `prompt`, or prompt='' for none"
            logger.warning("%s declares prompts (%s) and gets none; %s", name, ", ".join(prompts), advice)
        device = loading.resolved_device(self.device)
        automatic = ("float32", _CPU_BATCH_TOKENS) if device.type == "cpu" else ("bfloat16", _ACCELERATOR_BATCH_TOKENS)
        dtype = automatic[0] if self.dtype == "auto" else self.dtype
        model = loading.loaded(name, getattr(torch, dtype), self.revision)
        loading.check_weights(model)
        model = model.eval().to(device)
        loading.limit_tokens(model, self.max_tokens)
        loading.check_model(model, tolerance=1e-4 if dtype == "float32" else 1e-2)
        logger.info("encoder %s loaded on %s in %s", name, device, dtype)
        prompt = self.prompt and prompts.get(self.prompt, self.prompt)
        return ModelForward(model, prompt=prompt, batch_tokens=self.batch_tokens or automatic[1])


class ModelForward(PreparingModel):
    """A loaded model: texts in, unit rows out. Its batches are bounded in tokens, padding included."""

    def __init__(self, model: "SentenceTransformer", *, prompt: str | None, batch_tokens: int) -> None:
        self.model = model
        self.prompt = model.prompts.get(model.default_prompt_name) if prompt is None else prompt
        self._batch_tokens, self.counter = batch_tokens, TokenCounter(model, self.prompt)

    def prepared(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        """Tokenise texts, longest first, and cut them into batches of at most `batch_tokens`."""
        start, size = 0, _FIRST_CPU_PORTION if self.model.device.type == "cpu" else _FIRST_PORTION
        while start < len(texts):
            yield from self._tokenised(texts[start : start + size])
            start, size = start + size, min(2 * size, _LARGEST_PORTION)

    def _tokenised(self, texts: list[str]) -> Iterator[tuple[list[str], Any]]:
        try:
            features: Features = self.model.preprocess(texts, prompt=self.prompt)
        except Exception as error:  # noqa: BLE001 - handed to those whose texts they are
            if len(texts) == 1:
                yield texts, error
            else:  # one text that the tokenizer refuses must not harm the others
                for text in texts:
                    yield from self._tokenised([text])
            return
        if unreadable := self.counter.unreadable(features, texts):
            for text in unreadable:
                yield [text], UnreadableTextError(_UNREADABLE.format(text[:60]))
            if readable := [text for text in texts if text not in unreadable]:
                yield from self._tokenised(readable)
            return
        self.count(len(texts), self.truncated(features), f"{self.model.max_seq_length} tokens")
        mask_NT = features.get("attention_mask")  # noqa: N806
        if mask_NT is None or mask_NT.ndim != 2:  # noqa: PLR2004 - not texts x tokens
            yield texts, features
            return
        lengths, order = mask_NT.sum(dim=1).sort(descending=True, stable=True)
        while len(order):
            longest = max(1, int(lengths[0]))
            size = max(1, self._batch_tokens // longest)
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

        device = self.model.device
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # of this thread: kernels of attention libraries run there
        with torch.inference_mode():
            vectors: torch.Tensor = self.model(batch_to_device(dict(inputs), device))["sentence_embedding"]
            if self.model.truncate_dim is not None:
                vectors = vectors[..., : self.model.truncate_dim]
            return torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()

    def truncated(self, features: Features) -> int:
        """How many tokenised texts are longer than the window."""
        limit, mask = self.model.max_seq_length, features.get("attention_mask")
        if encodings := getattr(features, "encodings", None):
            return sum(bool(encoding.overflowing) for encoding in encodings)
        if limit and mask is not None:  # a slow tokenizer does not say: a full window counts
            return int((mask.sum(dim=1) >= limit).sum())
        return 0


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


class TokenCounts(NamedTuple):
    """For each of N texts the number of its tokens, without special ones and the prompt's."""

    tokens: NDArray[np.int64]
    unknown: NDArray[np.int64]
    words: NDArray[np.int64]  # known tokens with a letter
    numbers: NDArray[np.int64]  # known tokens with a digit

    def unreadable(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Which texts have no known word; digits make only a text without letters readable."""
        has_letter = np.array([any(map(str.isalpha, text)) for text in texts[: len(self.unknown)]], dtype=bool)
        return (self.unknown > 0) & (self.words <= 0) & (has_letter | (self.numbers <= 0))


class TokenCounter:
    """Counts tokens, and warns once if too many are unknown. A tokenizer that falls back to bytes knows them all."""

    def __init__(self, model: "SentenceTransformer", prompt: str | None) -> None:
        self._model, self._tokenizer = model, model.tokenizer
        special = [getattr(self._tokenizer, f"{name}_token_id", None) for name in _SPECIAL]
        self._special = [number for number in special if number is not None]
        number = getattr(self._tokenizer, "unk_token_id", None)
        if hasattr(self._tokenizer, "token_to_id"):  # of static embeddings
            number = self._tokenizer.token_to_id(getattr(self._tokenizer.model, "unk_token", None) or "[UNK]")
        self._unknown = None if number in self._special else number  # some models name another token so
        self._seen, self._has_warned = np.zeros(2, dtype=np.int64), False
        self._of_prompt = np.zeros((4, 1), dtype=np.int64)
        if prompt and prompt.strip():
            self._of_prompt = np.array(self.count(model.preprocess([prompt.strip()])))

    def count(self, features: Features) -> TokenCounts:
        """The counts of tokenised texts; without an unknown token all tokens count as words."""
        numbers, rows, texts = _flat(features)
        kinds = [~np.isin(numbers, self._special), numbers == self._unknown]
        kinds += [kinds[0], kinds[0]] if self._unknown is None else list(self._kinds[:, numbers])
        return TokenCounts(*(np.array([np.bincount(rows[kind], minlength=texts) for kind in kinds]) - self._of_prompt))

    def unreadable(self, features: Features, texts: Sequence[str]) -> set[str]:
        """The texts of which the tokenizer knows no word."""
        if self._unknown is None:
            return set()
        counts = self.count(features)
        unreadable = counts.unreadable(texts)
        counted = unreadable if unreadable.any() else ...  # the others will come again
        self._seen += (counts.tokens[counted].sum(), counts.unknown[counted].sum())
        tokens, unknown = self._seen.tolist()
        if tokens >= _FEWEST_TOKENS and unknown > MOST_UNKNOWN * tokens and not self._has_warned:
            self._has_warned = True
            words = self.unknown_words([texts[row] for row in np.flatnonzero(counts.unknown > 0).tolist()])
            message = "%.0f %% of the first %d tokens are unknown to the encoder, such as in %s: it cannot judge them"
            logger.warning(message, 100 * unknown / tokens, tokens, ", ".join(words))
        return {texts[row] for row in np.flatnonzero(unreadable).tolist()}

    def unknown_words(self, texts: Sequence[str]) -> list[str]:
        """A few words of texts in which there are unknown tokens."""
        words = list(dict.fromkeys(word for text in texts[:_EXAMPLES] for word in text.split()))
        unknown = self.count(self._model.preprocess(words)).unknown + self._of_prompt[1]
        return [words[row][:20] for row in np.flatnonzero(unknown > 0)[:_EXAMPLES].tolist()]

    @cached_property
    def _kinds(self) -> NDArray[np.bool_]:
        """Which known tokens have a letter, and which a digit."""
        vocabulary = self._tokenizer.get_vocab()
        kinds = np.zeros((2, max(vocabulary.values()) + 1), dtype=bool)
        for token, number in vocabulary.items():
            kinds[:, number] = any(map(str.isalpha, token)), any(map(str.isdigit, token))
        kinds[:, [self._unknown, *self._special]] = False
        return kinds


def _flat(features: Features) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The numbers of all tokens, the text of each, and N; nothing of inputs that are not tokens."""
    numbers, mask, offsets = (features.get(name) for name in ("input_ids", "attention_mask", "offsets"))
    if numbers is not None and mask is not None and numbers.shape == mask.shape:
        rows, columns = np.nonzero(mask.numpy())
        return numbers.numpy()[rows, columns], rows, len(mask)
    if numbers is not None and offsets is not None:  # of static embeddings, one text after the other
        starts = offsets.numpy()
        return numbers.numpy(), np.repeat(np.arange(len(starts)), np.diff([*starts, len(numbers)])), len(starts)
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 0
