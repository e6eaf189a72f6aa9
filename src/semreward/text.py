"""Turns a trainer's arguments into texts to score: answers, references, sources; normalising, units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import regex

from semreward.arguments import check_choice, is_column, is_nothing
from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.protocols import Completion
from semreward.scripts import composed

ReasoningPolicy: TypeAlias = Literal["remove", "keep", "prefilled"]
"""What happens to reasoning, tool calls and template markers in a text; see `remove_reasoning`."""

Texts: TypeAlias = tuple[str, ...]

END_TOKENS: tuple[str, ...] = (
    *("<|im_end|>", "<|endoftext|>", "<|end|>", "<|return|>"),  # Qwen, GPT, Phi, gpt-oss
    *("<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"),  # Llama
    *("</s>", "<end_of_turn>", "<turn|>", "<eos>", "<pad>", "[PAD]", "[|endofturn|]"),  # Mistral, Gemma, EXAONE
    *("<｜end▁of▁sentence｜>", "<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>", "<|END_TEXT|>"),  # DeepSeek, Command
)
"""Tokens that end a turn in common model families, as text decoded with special tokens shows them."""

# What a policy writes besides its answer, from an opening marker to its closing one; in lower or in upper case.
_TAGS = "think thinking thought reasoning reflection scratchpad seed:think mm:think tool_call function_call"
_ATTRIBUTES = r"""(?:\s++[\w:.-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s<>"']++))*+\s*+"""
_BLOCKS = {f"<{tag}>": f"</{tag}>" for tag in _TAGS.split()} | {
    "[think]": "[/think]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|channel>": "<channel|>",  # Gemma 4, and its tool calls
    "<|tool_call>": "<tool_call|>",
    "<|tool_calls_section_begin|>": "<|tool_calls_section_end|>",  # Kimi K2
    "<｜tool▁calls▁begin｜>": "<｜tool▁calls▁end｜>",  # DeepSeek V3, R1
    "<|start_thinking|>": "<|end_thinking|>",  # Command
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<|begin_of_thought|>": "<|end_of_thought|>",  # OpenThinker
    "<start_working_out>": "<end_working_out>",  # Unsloth's notebooks
}
_CLOSINGS = frozenset(_BLOCKS.values())

# Where a turn of the assistant, or its answer proper, begins; and where something else does, up to the next such place.
_ANSWER_BEGINS = (
    r"<\|im_start\|>assistant\b[^\n<]{0,99}\n?",  # Qwen
    r"<\|im_assistant\|>[^\n<]{0,99}<\|im_middle\|>",  # Kimi
    r"<\|start_header_id\|>assistant<\|end_header_id\|>",  # Llama 3
    r"<(?:start_of_turn|\|turn)>model\b",  # Gemma
    r"<\|channel\|>final\b[^<]{0,99}(?:<\|constrain\|>[^<]{0,99})?<\|message\|>",  # gpt-oss
    r"<\|start\|>assistant<\|message\|>|<｜assistant｜>",  # DeepSeek
    r"<\|(?:assistant|chatbot_token|start_response|start_text)\|>",  # Phi, GLM, Command
    r"</tool_response>\s{0,9}(?:assistant\n)?|<tool_response\|>|\[/tool_results\]",  # a tool has the turn before
    r"<｜tool▁outputs▁end｜>|</function_results>",  # DeepSeek; likewise
)
_OTHER_BEGINS = (
    r"<\|(?:im_start|im_user|im_system|start_header_id|channel|start|user|system|tool|observation|user_token)\|>|<｜user｜>",
    r"<start_of_turn>|<\|turn>|<\|?tool_response>|\[tool_(?:calls|results)\]",
    r"<｜tool▁outputs▁begin｜>|<function_results>|<｜dsml｜(?:function|tool)_calls>",  # the last from V3.2 on
)
_MARKER = regex.compile(
    rf"(?=[<\[◁][\w/|｜])(?:(?P<answer>{'|'.join(_ANSWER_BEGINS)})|(?P<other>{'|'.join(_OTHER_BEGINS)})"
    rf"|<(?P<tag>{_TAGS.replace(' ', '|')}){_ATTRIBUTES}>|{'|'.join(map(regex.escape, (*_BLOCKS, *_CLOSINGS)))})",
    regex.IGNORECASE,
)

_OWN_ROLES = frozenset({"assistant", "model", "bot", "ai", "gpt", "chatgpt", "chatbot", "message"})
_OTHER_ROLES = frozenset({"system", "developer", "user", "human", "tool", "function", "observation", "reasoning"})
_OTHER_ENDINGS = ("_call", "_output", "_response", "_result")  # items of the Responses API, tool roles of ms-swift
_CONTENT = ("content", "value", "parts")  # the last two: ShareGPT, Gemini
_WITHOUT_CONTENT = ("tool_calls", "function_call", "refusal", "reasoning_content", "reasoning", "thinking")
_TEXT_PARTS = ("text", "output_text", "input_text")
_OTHER_PARTS = ("image", "audio", "video", "file", "input_", "tool", "server_tool", "thinking", "redacted", "reasoning")

_VISIBLE = regex.compile(r"[^\s\p{DI}\p{Cc}\p{Cf}\p{Cn}\p{Cs}\u2800]")  # U+2800: the blank of Braille

_UNSPACED = r"[\p{L}&&[\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]]"
_UNIT = regex.compile(
    rf"\p{{sc=Han}}|{_UNSPACED}\p{{M}}*+"  # without spaces: each character is a unit
    rf"|[\p{{L}}\p{{M}}\p{{N}}--[\p{{sc=Han}}{_UNSPACED}]]+"  # others end them at spaces, Tibetan at the tsheg
    r"|[^\s\p{Po}\p{L}\p{M}\p{N}\p{C}]"  # symbols and brackets stand alone
    r"|[\p{Po}&&[^\u0F0B\u0F0C]]",  # so does punctuation, except the tsheg, which only separates syllables
    regex.V1,
)


@dataclass(frozen=True)
class Answer:
    """How the answer is found in a completion: its last assistant message, without reasoning, normalised.

    A completion is plain text, or messages in the dialects that `docs/answers.md` lists, with text or parts as content.
    Reasoning in a field, a part or a message of its own is never part of the answer.

    Args:
        reasoning: What becomes of reasoning, tool calls and template markers in the text; see `remove_reasoning`.
        tag: Name of the tag that holds the answer: `"answer"` for `<answer>...</answer>`. The last complete pair
            counts; an answer without one is empty.

    Raises:
        ArgumentError: `reasoning` is not one of its words, or `tag` is not a name.

    Example:
        >>> Answer()([{"role": "assistant", "content": "<think>red is dmar</think> དམར་པོ། "}])
        'དམར་པོ།'
        >>> Answer(tag="answer")("<think>red</think>It is: <answer>དམར་པོ།</answer>")
        'དམར་པོ།'
    """

    reasoning: ReasoningPolicy = "remove"
    tag: str | None = None

    def __post_init__(self) -> None:
        check_choice("reasoning", self.reasoning, get_args(ReasoningPolicy))
        if self.tag is not None and not (isinstance(self.tag, str) and regex.fullmatch(r"[\w:.-]+", self.tag)):
            raise ArgumentError(f"`tag` must be a tag's name without brackets, such as 'answer', got {self.tag!r}")

    def __call__(self, completion: str | Sequence[Mapping[str, Any]]) -> str:
        """The answer in NFC, without outer white space; empty if nothing was answered.

        A completion that is neither a string nor messages in a known dialect is an `ArgumentTypeError`.
        """
        text = completion if isinstance(completion, str) else _last_answer(completion)
        if self.reasoning != "keep":
            text = without_end_tokens(_without_reasoning(text, is_prefilled=self.reasoning == "prefilled"))
        if self.tag is not None:
            tag, attributes = regex.escape(self.tag), r"""(?:\s(?:"[^"]*+"|'[^']*+'|[^<>"'])*+)?"""
            text = "".join(regex.findall(rf"(?is)<{tag}{attributes}>((?:(?!</?{tag}[\s>]).)*+)</{tag}>", text)[-1:])
        return normalise(text)

    def completion_of(self, text: str) -> str:
        """A completion in which this finds a text without markers of its own: behind its reasoning, in its tag."""
        tagged = text if self.tag is None else f"<{self.tag}>{text}</{self.tag}>"
        return f"</think>{tagged}" if self.reasoning == "prefilled" else tagged


DEFAULT_ANSWER = Answer()


def answer_text(completion: str | Sequence[Mapping[str, Any]], *, reasoning: ReasoningPolicy = "remove") -> str:
    """The answer in a completion, as `Answer(reasoning)` finds it."""
    return Answer(reasoning)(completion)


def remove_reasoning(text: str, *, policy: ReasoningPolicy = "remove") -> str:
    """The last turn of a text without reasoning and tool calls, in linear time; `docs/answers.md` lists the markers.

    Text before an opening marker is kept; text before a closing marker without its opening is reasoning. Use the policy
    `"prefilled"` if the chat template always opens the reasoning: then text without any marker was cut off, and is
    left out. `"keep"` changes nothing; another policy is an `ArgumentError`.

    Example:
        >>> remove_reasoning("<think>hm</think>yes"), remove_reasoning("hm</think>yes"), remove_reasoning("<think>hm")
        ('yes', 'yes', '')
    """
    check_choice("reasoning", policy, get_args(ReasoningPolicy))
    return text if policy == "keep" else _without_reasoning(text, is_prefilled=policy == "prefilled")


def _without_reasoning(text: str, *, is_prefilled: bool) -> str:
    if text.startswith("analysis") and "assistantfinal" in text:  # gpt-oss without its special tokens
        return text.rpartition("assistantfinal")[2]
    if regex.match("analysis[A-Z]", text):  # and cut off
        return ""
    kept: list[str] = []
    at, closing, was_closed = 0, "", False  # `closing`: the marker that ends what is being left out
    for marker in _MARKER.finditer(text):
        written = f"<{marker['tag']}>" if marker["tag"] else marker[0]  # without attributes
        found = written.lower()
        is_code = text[marker.start() - 1 : marker.start()] == "`" == text[marker.end() : marker.end() + 1]
        is_mixed = found != written != written.upper() and not marker["answer"] and not marker["other"]
        if (is_code and found != closing) or is_mixed:  # `<think>`, Array<Thought>
            continue
        if found == closing or marker["answer"] or (not closing and found in _CLOSINGS):
            if found != closing:
                kept.clear()
            at, closing, was_closed = marker.end(), "", True
            continue
        if not closing:
            kept.append(text[at : marker.start()])
        if not closing or marker["other"]:
            closing = _BLOCKS.get(found, "the next turn")
    if is_prefilled and not was_closed:
        return ""
    return "".join(kept if closing else [*kept, text[at:]])


def without_end_tokens(text: str, tokens: Sequence[str] = END_TOKENS) -> str:
    """A text without white space and end tokens at its end."""
    end, ends = len(text.rstrip()), tuple(tokens)
    while text.endswith(ends, 0, end):
        end -= next(len(token) for token in ends if text.endswith(token, 0, end))
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]


def normalise(text: str) -> str:
    r"""The form in which texts are compared and encoded: NFC, without outer white space; empty if nothing is visible.

    Example:
        >>> normalise(" cafe\u0301 ") == "café", normalise("\u200b\ufeff")
        (True, '')
    """
    return composed(text).strip() if _VISIBLE.search(text) else ""


def units(text: str) -> list[str]:
    """Split a text into the units that n-gram scores count.

    Han, Thai, Lao, Khmer and Burmese characters count one by one, with their marks, Tibetan by syllable (the tsheg is
    dropped), everything else by runs of letters, marks and digits; punctuation and symbols are units of their own.

    Example:
        >>> units("བོད་ཡིག །"), units("三只red猫")
        (['བོད', 'ཡིག', '།'], ['三', '只', 'red', '猫'])
    """
    found: list[str] = _UNIT.findall(normalise(text))
    return found


def _last_answer(messages: Sequence[Mapping[str, Any]]) -> str:
    if not isinstance(messages, Sequence) or not all(isinstance(message, Mapping) for message in messages):
        raise _unreadable("a completion must be a string or a list of messages", messages)
    spoken = [message for message in messages if _is_answer(message)]
    return _content_text(spoken[-1]) if spoken else ""


def _is_answer(message: Mapping[str, Any]) -> bool:
    """Whether the policy says something in a message to whoever reads it."""
    role = next((message[key] for key in ("role", "from", "type") if message.get(key) is not None), "assistant")
    name, kind = str(role).lower(), str(message.get("type") or "").lower()
    if {name, kind} & _OTHER_ROLES or name.endswith(_OTHER_ENDINGS) or kind.endswith(_OTHER_ENDINGS):
        return False
    if name in _OWN_ROLES:
        return str(message.get("channel") or "final").lower() == "final"
    raise _unreadable("a message's `role` must be a known one, such as assistant, user or tool", message)


def _content_text(message: Mapping[str, Any]) -> str:
    content = next((message[key] for key in _CONTENT if message.get(key) is not None), None)
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and not isinstance(content, bytes):
        return "".join(map(_part_text, content))
    if content is None and "text" not in message and any(key in message for key in (*_CONTENT, *_WITHOUT_CONTENT)):
        return ""
    raise _unreadable("a message must have `content` (or `value`, `parts`): a string or a list of parts", message)


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        kind, text = part.get("type") or "text", part.get("text")
        if kind in _TEXT_PARTS and "text" in part and (text is None or isinstance(text, str)):
            return "" if text is None or part.get("thought") else text
        if str(kind).startswith(_OTHER_PARTS):
            return ""
    raise _unreadable("a part of a message's `content` must be a text or have `type` and `text`", part)


def _unreadable(rule: str, value: Any) -> ArgumentTypeError:
    found = f"{type(value).__name__}: {str(value)[:80]!r}"
    return ArgumentTypeError(f"{rule}, got {found}; convert it, or pass answer=, a function that finds the answer")


def reference_texts(reference: Any, name: str, row: int) -> Texts:
    """One row's reference, a string or a list of strings, as a non-empty tuple of normalised, non-empty texts."""
    if isinstance(reference, str) and (text := normalise(reference)):
        return (text,)
    if is_missing_reference(reference):
        raise ArgumentError(
            f"`{name}` must be a non-empty string or a list of them, got {reference!r} at row {row}; "
            "drop the row, or let the reward pass it: on_missing='none'"
        )
    if not is_column(reference) or not all(isinstance(text, str) for text in reference):
        raise ArgumentTypeError(
            f"`{name}` must be a string or a list of strings, got {str(reference)[:80]!r} "
            f"({type(reference).__name__}) at row {row}; give the plain text"
        )
    texts = tuple(map(normalise, reference))
    if not all(texts):
        raise ArgumentError(f"`{name}` must hold non-empty texts, got a blank one at row {row}; leave it out")
    return texts


def is_missing_reference(reference: Any) -> bool:
    """Whether a reference is `None` (or NaN, as pandas has it), blank, or a list of nothing but such."""
    return all(
        is_nothing(text) or (isinstance(text, str) and not normalise(text))
        for text in (reference if is_column(reference) else [reference])
    )


def source_text(source: Completion, name: str, row: int) -> str:
    """The text of a source: itself, or the texts of its messages, whoever speaks, one per line."""
    if isinstance(source, str):
        return normalise(source)
    if is_nothing(source):
        raise ArgumentError(
            f"`{name}` must be a text or a list of messages, got {source!r} at row {row}; drop the row, or let the "
            "reward pass it: on_missing='none'"
        )
    if not is_column(source) or not all(
        isinstance(message, Mapping) and {"role", "from"} & message.keys() for message in source
    ):
        raise ArgumentTypeError(
            f"`{name}` must be a text or a list of messages with `role` and `content`, got {str(source)[:80]!r} "
            f"({type(source).__name__}) at row {row}"
        )
    try:
        return "\n".join(normalise(_last_answer([{**message, "role": "assistant"}])) for message in source)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"`{name}` at row {row}: {error}") from None
