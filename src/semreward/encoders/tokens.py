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

MOST_UNKNOWN = 0.05  # share of unknown tokens up to which an encoder knows a language
_FEWEST_TOKENS = 20  # whose share of unknown ones is judged
_EXAMPLES = 5
_SPECIAL = ("bos", "eos", "pad", "cls", "sep", "mask")


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

    def count(self, features: Mapping[str, Any]) -> TokenCounts:
        """The counts of tokenised texts; without an unknown token all tokens count as words."""
        numbers, rows, texts = _flat(features)
        kinds = [~np.isin(numbers, self._special), numbers == self._unknown]
        kinds += [kinds[0], kinds[0]] if self._unknown is None else list(self._kinds[:, numbers])
        return TokenCounts(*(np.array([np.bincount(rows[kind], minlength=texts) for kind in kinds]) - self._of_prompt))

    def unreadable(self, features: Mapping[str, Any], texts: Sequence[str]) -> set[str]:
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
