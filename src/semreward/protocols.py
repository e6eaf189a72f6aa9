"""What users hand us: encoders and reward functions. Protocols only, so nothing has to be subclassed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Message: TypeAlias = Mapping[str, Any]
"""One chat message: `role`, `content` (a string or a list of content parts) and whatever a trainer adds."""

Completion: TypeAlias = str | Sequence[Message]
"""What a policy produced for one prompt: plain text, or the messages that it appended to the conversation."""

RewardValues: TypeAlias = list[float | None]
"""One finite float per completion, in order; `None` where the reward does not apply."""

RewardFunction: TypeAlias = Callable[..., Sequence[float | None] | Awaitable[Sequence[float | None]]]
"""A reward function as TRL calls it: by keyword, with lists of equal length, unknown columns ignored; sync or async."""


@runtime_checkable
class Encoder(Protocol):
    """Maps texts to unit vectors, such that the dot product of two rows is the cosine of their meanings."""

    @property
    def fingerprint(self) -> str:
        """Short hash of all that decides the vectors (weights, tokenizer, pooling), the same on every machine."""
        ...

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Encode `N` non-empty texts, possibly with duplicates; shape (N, D), float32, rows of Euclidean norm 1."""
        ...
