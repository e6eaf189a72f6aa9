"""The forms that a completion comes in, and the hard texts that policies write."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

HOSTILE_TEXTS = (
    "",
    "   ",
    "\n\t",
    "\x00",
    "\ufeff",
    "\u200d",
    "་་། 12",
    "!?…",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁷󠁬󠁳󠁿",
    "e" + "\u0301" * 500,
    "\u202eمرحبا שלום\u202c abc",
    "<think>cut off while reasoning",
    "བོད་" * 2500,
)
"""Texts that policies do write: blank, unprintable, joined, right to left, unfinished, ten thousand characters."""

THOUGHT = "Hmm, 我想 that བོད means Tibet: 42."
REASONING = f"<think>{THOUGHT}</think>\n"
_TOOL_CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"word": "བོད"}}}

FORMS: Mapping[str, Callable[[str, str], Any]] = {
    "plain": lambda text, _: text,
    "message": lambda text, role: [{"role": role, "content": text}],
    "reasoned": lambda text, role: [{"role": role, "content": text, "reasoning_content": REASONING}],
    "parts": lambda text, role: [{"role": role, "content": [{"type": "text", "text": text}]}],
    "after_a_tool": lambda text, role: [
        {"role": role, "content": "", "tool_calls": [_TOOL_CALL]},
        {"role": "tool", "name": "look_up", "content": "Tibet 西藏 42"},
        {"role": role, "content": text},
    ],
}
"""Each makes a completion or a prompt out of a text and a role."""


def form_of(completion: Any) -> str:
    """The form that a completion has."""
    if isinstance(completion, str):
        return "plain"
    return "parts" if completion and isinstance(completion[-1].get("content"), list) else "message"


def text_of(value: Any) -> str | None:
    """The text of a completion or prompt; `None` unless it is a text or one message that holds only text."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Sequence) or len(value) != 1 or not isinstance(value[0], Mapping):
        return None
    content = value[0].get("content")
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    texts = [part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    return "".join(texts) if len(texts) == len(content) else None
