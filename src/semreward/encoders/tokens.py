"""What a tokenizer makes of texts: how many tokens, and how many of them it does not know. N texts."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

MOST_UNKNOWN = 0.05
"""Share of unknown tokens up to which an encoder knows a language."""

_FEWEST_TOKENS = 20  # whose share of unknown ones is judged
_EXAMPLES = 5
_SPECIAL = ("bos", "eos", "pad", "cls", "sep", "mask")


class TokenCounts(NamedTuple):
    """For each of N texts the number of its tokens, without special ones and the prompt's."""

    tokens: NDArray[np.int64]
    unknown: NDArray[np.int64]
    words: NDArray[np.int64]  # known tokens with a letter or a digit

    @property
    def unreadable(self) -> NDArray[np.bool_]:
        """Texts of which the tokenizer knows no word."""
        return (self.unknown > 0) & (self.words <= 0)


class TokenCounter:
    """Counts tokens, and warns once if too many are unknown. A tokenizer that falls back to bytes knows them all."""

    def __init__(self, model: "SentenceTransformer", prompt: str | None) -> None:
        self._model, self._tokenizer = model, model.tokenizer
        special = [getattr(self._tokenizer, f"{name}_token_id", None) for name in _SPECIAL]
        self._special = [number for number in special if number is not None]
        number = getattr(self._tokenizer, "unk_token_id", None)
        if hasattr(self._tokenizer, "token_to_id"):  # of static embeddings
            number = self._tokenizer.token_to_id(getattr(self._tokenizer.model, "unk_token", None) or "[UNK]")
        self._unknown = None if number in self._special else number  # some name another token so
        self._seen, self._has_warned = np.zeros(2, dtype=np.int64), False
        self._of_prompt = (0, 0, 0)
        if self._unknown is not None and prompt and prompt.strip():
            tokens, unknown, words = self.count(model.preprocess([prompt.strip()]))
            self._of_prompt = int(tokens[0]), int(unknown[0]), int(words[0])

    def count(self, features: Mapping[str, Any]) -> TokenCounts:
        """The counts of tokenised texts; of a tokenizer that knows all tokens no words."""
        numbers, rows, texts = _flat(features)
        kept = ~np.isin(numbers, self._special)
        tokens = np.bincount(rows[kept], minlength=texts)
        unknown = np.bincount(rows[numbers == self._unknown], minlength=texts)
        words = np.bincount(rows[self._is_word[numbers]], minlength=texts) if unknown.any() or texts == 1 else tokens
        return TokenCounts(
            *(counts - own for counts, own in zip((tokens, unknown, words), self._of_prompt, strict=True))
        )

    def unreadable(self, features: Mapping[str, Any], texts: Sequence[str]) -> set[str]:
        """The texts of which the tokenizer knows no word."""
        if self._unknown is None:
            return set()
        counts = self.count(features)
        counted = counts.unreadable if counts.unreadable.any() else ...  # the others will come again
        self._seen += (counts.tokens[counted].sum(), counts.unknown[counted].sum())
        if not self._has_warned and self._seen[0] >= _FEWEST_TOKENS and self._seen[1] > MOST_UNKNOWN * self._seen[0]:
            self._has_warned = True
            message = (
                "%.0f %% of the first %d tokens are unknown to the encoder, such as in %s: it cannot judge such texts"
            )
            words = self.unknown_words([texts[row] for row in np.flatnonzero(counts.unknown > 0).tolist()])
            logger.warning(message, 100 * self._seen[1] / self._seen[0], self._seen[0], ", ".join(words))
        return {texts[row] for row in np.flatnonzero(counts.unreadable).tolist()}

    def unknown_words(self, texts: Sequence[str]) -> list[str]:
        """A few words of texts in which there are unknown tokens."""
        words = list(dict.fromkeys(word for text in texts[:_EXAMPLES] for word in text.split()))
        unknown = self.count(self._model.preprocess(words)).unknown + self._of_prompt[1]
        return [words[row][:20] for row in np.flatnonzero(unknown > 0)[:_EXAMPLES].tolist()]

    @cached_property
    def _is_word(self) -> NDArray[np.bool_]:
        vocabulary = self._tokenizer.get_vocab()
        is_word = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
        is_word[[number for token, number in vocabulary.items() if any(map(str.isalnum, token))]] = True
        is_word[[self._unknown, *self._special]] = False
        return is_word


def _flat(features: Mapping[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The numbers of all tokens, the text of each, and N; nothing of inputs that are not tokens."""
    numbers, mask, offsets = (features.get(name) for name in ("input_ids", "attention_mask", "offsets"))
    if numbers is not None and mask is not None and numbers.shape == mask.shape:
        rows, columns = np.nonzero(mask.numpy())
        return numbers.numpy()[rows, columns], rows, len(mask)
    if numbers is not None and offsets is not None:  # of static embeddings, one text after the other
        starts = offsets.numpy()
        return numbers.numpy(), np.repeat(np.arange(len(starts)), np.diff([*starts, len(numbers)])), len(starts)
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 0
