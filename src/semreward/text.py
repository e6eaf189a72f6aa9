"""From what a policy produced to the text that is scored: answer extraction, normalising, units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import regex

from semreward.arguments import check_choice
from semreward.errors import ArgumentTypeError
from semreward.scripts import composed

ReasoningPolicy: TypeAlias = Literal["remove", "keep", "prefilled"]
"""What happens to reasoning between `<think>` and `</think>`; see `remove_reasoning`."""

REASONING_POLICIES: tuple[ReasoningPolicy, ...] = ("remove", "keep", "prefilled")

_OPEN, _CLOSE = "<think>", "</think>"

_UNIT = regex.compile(
    r"\p{sc=Han}"  # Chinese writes no spaces: each character is a unit
    r"|[\p{L}\p{M}\p{N}&&[^\p{sc=Han}]]+"  # Tibetan syllables end at the tsheg, other words at spaces and punctuation
    r"|[^\s\p{Po}\p{L}\p{M}\p{N}\p{C}]"  # symbols and brackets stand alone
    r"|[\p{Po}&&[^\u0F0B\u0F0C]]",  # so does punctuation, except the tsheg, which only separates syllables
    regex.V1,
)


@dataclass(frozen=True)
class Answer:
    """How the answer is found in a completion: its last assistant message, without reasoning, normalised.

    A completion is plain text, or messages with `role` and `content`, where `content` is a string, `None` (a message
    that only calls tools) or a list of parts, whose text parts are joined. Reasoning that a chat template put into a
    field of its own (`reasoning_content`, `thinking`) is never part of the answer.

    Args:
        reasoning: What becomes of `<think>` blocks; see `remove_reasoning`.

    Raises:
        ArgumentError: `reasoning` is none of its words.

    Example:
        >>> Answer()([{"role": "assistant", "content": "<think>red is dmar</think> དམར་པོ། "}])
        'དམར་པོ།'
    """

    reasoning: ReasoningPolicy = "remove"

    def __post_init__(self) -> None:
        check_choice("reasoning", self.reasoning, REASONING_POLICIES)

    def __call__(self, completion: str | Sequence[Mapping[str, Any]]) -> str:
        """The answer in NFC, without outer white space; empty if nothing was answered.

        Raises:
            ArgumentTypeError: The completion is neither a string nor messages.
        """
        text = completion if isinstance(completion, str) else _last_assistant_content(completion)
        if self.reasoning == "keep" or (self.reasoning == "remove" and "think>" not in text):
            return normalise(text)
        return normalise(remove_reasoning(text, policy=self.reasoning))


DEFAULT_ANSWER = Answer()


def answer_text(completion: str | Sequence[Mapping[str, Any]], *, reasoning: ReasoningPolicy = "remove") -> str:
    """The answer in a completion, as `Answer(reasoning)` finds it."""
    return Answer(reasoning)(completion)


def remove_reasoning(text: str, *, policy: ReasoningPolicy = "remove") -> str:
    """The text after its reasoning.

    | text | `remove` | `prefilled` | `keep` |
    |---|---|---|---|
    | `answer` | `answer` | empty: the reasoning never closed | unchanged |
    | `<think>r</think>answer` | `answer` | `answer` | unchanged |
    | `r</think>answer` (the chat template opened the block) | `answer` | `answer` | unchanged |
    | `<think>r` (cut off while reasoning) | empty | empty | unchanged |

    Text before an opening `<think>` is kept: an answer given before thinking counts. Use `prefilled` if the chat
    template always opens the block; only then is text without any tag known to be reasoning.

    Raises:
        ArgumentError: `policy` is none of the three.

    Example:
        >>> remove_reasoning("<think>hm</think>yes"), remove_reasoning("hm</think>yes"), remove_reasoning("<think>hm")
        ('yes', 'yes', '')
    """
    check_choice("reasoning", policy, REASONING_POLICIES)
    if policy == "keep":
        return text
    first_open, first_close = text.find(_OPEN), text.find(_CLOSE)
    at = 0
    if first_close >= 0 and not 0 <= first_open < first_close:  # opened by the template
        at = first_close + len(_CLOSE)
    elif policy == "prefilled" and first_close < 0:
        return ""
    kept: list[str] = []
    while (start := text.find(_OPEN, at)) >= 0:
        kept.append(text[at:start])
        end = text.find(_CLOSE, start)
        at = end + len(_CLOSE) if end >= 0 else len(text)
    return "".join([*kept, text[at:]])


def normalise(text: str) -> str:
    r"""The form in which texts are compared and encoded: NFC, without outer white space.

    Example:
        >>> normalise(" cafe\u0301 ") == "café"
        True
    """
    return composed(text).strip()


def units(text: str) -> list[str]:
    """Split a text into the units that n-gram scores count.

    Han characters count one by one, Tibetan by syllable (the tsheg is dropped), everything else by runs of letters,
    marks and digits; punctuation and symbols are units of their own.

    Example:
        >>> units("བོད་ཡིག །"), units("三只red猫")
        (['བོད', 'ཡིག', '།'], ['三', '只', 'red', '猫'])
    """
    found: list[str] = _UNIT.findall(normalise(text))
    return found


def _last_assistant_content(messages: Sequence[Mapping[str, Any]]) -> str:
    if not isinstance(messages, Sequence) or not all(isinstance(message, Mapping) for message in messages):
        raise ArgumentTypeError(
            "a completion must be a string or a list of messages, "
            f"got {type(messages).__name__}: {str(messages)[:80]!r}"
        )
    spoken = [message for message in messages if message.get("role", "assistant") == "assistant"]
    return _content_text(spoken[-1].get("content")) if spoken else ""


def _content_text(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = [part for part in content if isinstance(part, Mapping) and part.get("type", "text") == "text"]
        return "".join(str(part.get("text") or "") for part in parts)
    raise ArgumentTypeError(f"a message's `content` must be a string or a list of parts, got {type(content).__name__}")
