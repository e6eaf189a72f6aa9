"""A report on what an encoder is and how it reads some texts, with a verdict."""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from semreward.encoders.engine import Engine, engine_of
from semreward.encoders.local import MOST_UNKNOWN, ModelForward, SentenceTransformerEncoder
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderError, SemRewardError
from semreward.protocols import Encoder
from semreward.scripts import script_of_letter

# Languages that an encoder was trained on need 1.1 to 2.1 tokens per word, up to 1.1 per character in scripts without
# spaces. Above these limits its tokenizer spells them letter by letter, or byte by byte.
_MOST_TOKENS = {"word": 4.5, "character": 1.5}
_UNSPACED = {"Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"}
_MOST_BEYOND, _MOST_DIFFERENCE = 0.05, 1e-2
_ONE_VECTOR = 1e-4  # cosines of different texts are farther from 1
_FEWEST_MARKS, _MOST_LOST = 0.01, 0.5  # per character of a language that needs them; of all marks
_BATCH, _MOST_TEXTS = 64, 2048


def as_encoder(encoder: object) -> Encoder:
    """An encoder, from a path, a hub id or an encoder; an `ArgumentTypeError` for anything else."""
    if isinstance(encoder, str) or hasattr(encoder, "__fspath__"):
        return SentenceTransformerEncoder(encoder)  # type: ignore[arg-type] # a path becomes a string in there
    if type(encoder).__module__.startswith("sentence_transformers"):
        raise ArgumentTypeError(
            "`encoder` must not be a loaded SentenceTransformer, which cannot be shared or pickled; pass its path or "
            "hub id, or SentenceTransformerEncoder(path) for options"
        )
    # Looked up without reading it: a fingerprint may hash gigabytes.
    has_fingerprint = hasattr(type(encoder), "fingerprint") or "fingerprint" in getattr(encoder, "__dict__", {})
    if isinstance(encoder, type) or not has_fingerprint or not callable(getattr(encoder, "encode", None)):
        raise ArgumentTypeError(
            "`encoder` must be a path or hub id, or an object with `encode(texts)` and `fingerprint`; "
            f"got {encoder if isinstance(encoder, type) else type(encoder).__name__}"
        )
    return encoder  # type: ignore[return-value] # just checked


class Check(NamedTuple):
    """One row of a report."""

    name: str
    value: Any = None  # None: it cannot be seen from outside
    shown: str = "not known"
    fault: str = ""  # why not to train with it, if anything


@dataclass(frozen=True)
class EncoderReport:
    """What `check_encoder` found. It prints as a table and a verdict; `report["unknown tokens"]` is one value."""

    encoder: str
    checks: tuple[Check, ...]

    def __getitem__(self, name: str) -> Any:
        """The value of a row."""
        return {check.name: check.value for check in self.checks}[name]

    @property
    def verdict(self) -> str:
        """One sentence."""
        if faults := [check.fault for check in self.checks if check.fault]:
            return f"Do not train with this: {'; '.join(faults)}."
        return "No fault found; `calibrate` measures whether it tells right answers from wrong ones."

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks) + 2
        rows = [("encoder", self.encoder), *((check.name, check.shown) for check in self.checks)]
        return "\n".join([*(f"{name:<{width}}{shown}" for name, shown in rows), self.verdict])


def check_encoder(encoder: Encoder | str | os.PathLike[str], texts: Sequence[str] = ()) -> EncoderReport:
    """Load an encoder, and look at what it is and how its tokenizer reads some texts.

    `texts` are what it will judge, such as references; the first 2,048 are read. Without any, the report covers the
    model alone. An encoder that cannot be loaded is a fault in the report. An empty text, or a wrong argument of the
    encoder, is an `ArgumentError`.
    """
    encoder = as_encoder(encoder)
    for row, text in enumerate([None] if isinstance(texts, str) else texts):
        if not isinstance(text, str) or not text.strip():
            raise ArgumentError(f"`texts` must be a list of non-empty strings, got {text!r} at row {row}; drop the row")
    distinct = list(dict.fromkeys(texts))[:_MOST_TEXTS]
    name = getattr(encoder, "name_or_path", type(encoder).__name__)
    try:
        model = engine_of(encoder).open().model
        if isinstance(model, ModelForward):
            return EncoderReport(name, (*_of_model(model), *(_of_texts(model, distinct) if distinct else ())))
        unseen = ("kind", "weights", "padding", "prompt", "unknown tokens", "tokens", "window")
        opened: Callable[[], Any] = getattr(encoder, "open_model", lambda: encoder.encode)
        return EncoderReport(name, (*map(Check, unseen), _of_batches(opened, distinct)))
    except Exception as error:
        if isinstance(error, SemRewardError) and not isinstance(error, EncoderError):
            raise
        return EncoderReport(name, (Check("kind", None, "not usable", str(error).strip() or type(error).__name__),))


def _of_model(forward: ModelForward) -> list[Check]:
    """Kind, weights, padding and prompt. Loading has checked the first three."""
    model, side = forward.model, getattr(forward.model.tokenizer, "padding_side", "none")
    kind = " + ".join(map(_module_name, model))
    norms = [weight for name, weight in model.named_parameters() if "norm" in name.lower() and name.endswith("weight")]
    is_new = bool(norms) and all(bool((weight == 1).all()) for weight in norms)
    fault = "the encoder was never trained: its normalisation layers are as they were made" if is_new else ""
    return [
        Check("kind", kind, kind),
        Check("weights", not is_new, "never trained" if is_new else "all loaded", fault),
        Check("padding", side, f"{side}; changes no vector"),
        Check("prompt", forward.prompt or "", repr(forward.prompt or "")),
    ]


def _of_texts(forward: ModelForward, texts: Sequence[str]) -> list[Check]:
    """How the tokenizer reads texts, and whether vectors depend on their batch."""
    model, prompt = forward.model, forward.prompt
    features = model.preprocess(list(texts), prompt=prompt)
    counts, beyond = forward.counter.count(features), forward.truncated(features) / len(texts)
    words = " ".join(texts).split()
    script, _ = Counter(map(script_of_letter, "".join(words)[:1000])).most_common(1)[0]
    unit, units = ("character", sum(map(len, words))) if script in _UNSPACED else ("word", len(words))
    tokens = int(counts.tokens.sum())
    unknown, per_unit = float(counts.unknown.sum() / max(1, tokens)), tokens / units
    examples = ", ".join(forward.counter.unknown_words(texts)) if unknown else ""
    strange = f"{unknown:.0%} of the tokens are unknown to the encoder, such as in {examples}"
    spelt = "the tokenizer spells letter by letter: it was not made for this language"
    cut_off = f"the encoder does not see the end of {beyond:.0%} of the texts"
    shown = f"{beyond:.1%} of texts, longer than {model.max_seq_length} tokens"
    decode = getattr(model.tokenizer, "batch_decode", lambda _: texts)  # static embeddings cannot
    marks = _marks(texts)
    lost = max(0.0, 1 - _marks(decode(features["input_ids"])) / marks) if marks else 0.0
    bare = "the tokenizer drops the marks of letters, such as accents and vowel signs: words become equal"
    is_marked = marks > _FEWEST_MARKS * sum(map(len, texts)) and unknown <= MOST_UNKNOWN
    readable = [text for text, is_unreadable in zip(texts, counts.unreadable(texts), strict=False) if not is_unreadable]
    make = partial(ModelForward, model, prompt=prompt, batch_tokens=2**40)
    return [
        Check("unknown tokens", unknown, f"{unknown:.1%}", strange if unknown > MOST_UNKNOWN else ""),
        Check(f"tokens per {unit}", per_unit, f"{per_unit:.2f}", spelt if per_unit > _MOST_TOKENS[unit] else ""),
        Check("marks dropped", lost, f"{lost:.1%}", bare if is_marked and lost > _MOST_LOST else ""),
        Check("beyond the window", beyond, shown, cut_off if beyond > _MOST_BEYOND else ""),
        _of_batches(make, readable),
    ]


def _marks(texts: Sequence[str]) -> int:
    """How many marks letters have: accents, vowel signs."""
    return sum(map(bool, map(unicodedata.combining, unicodedata.normalize("NFD", "".join(texts)))))


def _of_batches(open_model: Callable[[], Any], texts: Sequence[str]) -> Check:
    """The largest change of a cosine of two texts between encoding them one by one and together."""
    name, texts = "batches of 1 and 64", texts[:_BATCH]
    if not texts:
        return Check(name)
    engine = Engine(open_model, batch_size=_BATCH, cache_bytes=0)
    alone, together = np.concatenate([engine.encode([text]) for text in texts]), engine.encode(texts)
    engine.close()
    change = float(np.abs(alone @ alone.T - together @ together.T).max())
    fault = "a text's vector depends on the texts beside it" if change > _MOST_DIFFERENCE else ""
    if len(texts) > 1 and (together @ together.T).min() > 1 - _ONE_VECTOR:
        fault = "all texts have one vector: the checkpoint is damaged"
    return Check(name, change, f"cosines differ by up to {change:.1e}", fault)


def _module_name(module: Any) -> str:
    detail = getattr(module, "pooling_mode", None) or type(getattr(module, "auto_model", None)).__name__
    return type(module).__name__ + ("" if detail == "NoneType" else f" ({detail})")


@dataclass(frozen=True)
class EncoderComparison:
    """The largest difference between the cosines of two encoders, in [0, 2], and the two texts where it occurs."""

    cosine_difference: float
    pair: tuple[str, str]


def compare_encoders(a: Encoder, b: Encoder, texts: Sequence[str]) -> EncoderComparison:
    r"""Compare two encoders on all pairs of some texts: how far a similarity can move.

    $$\max_{i<j} \left|\cos(a_i, a_j) - \cos(b_i, b_j)\right|$$

    Args:
        a: An encoder.
        b: Another one.
        texts: At least 2 distinct non-empty texts of the kind that will be judged.

    Returns:
        0 for equal encoders, up to 1e-5 for one model in float32 on two machines, up to 1e-2 in half precision.

    Raises:
        ArgumentError: There are fewer than 2 distinct texts, or one is empty.
        EncoderError: An encoder returned something else than one finite unit vector per text.
    """
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < 2 or not all(isinstance(text, str) and text for text in distinct):  # noqa: PLR2004 - a pair
        raise ArgumentError(f"`texts` must hold at least 2 distinct non-empty texts, got {len(distinct)}")
    first, second = (engine_of(encoder).encode(distinct).astype(np.float64) for encoder in (a, b))
    for vectors in (first, second):
        vectors[:] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # rounded norms make no difference
    differences = np.abs(first @ first.T - second @ second.T)
    differences[np.tril_indices(len(distinct))] = -1.0  # each pair counts once
    row, other = divmod(int(differences.argmax()), len(distinct))
    return EncoderComparison(float(differences[row, other]), (distinct[row], distinct[other]))
