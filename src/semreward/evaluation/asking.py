"""Asking chat models: a client for their servers, fields of prompts, and answers on disk for runs that stop halfway."""

import hashlib
import json
import os
import string
import threading
import time
from collections.abc import Collection
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from semreward.arguments import check_count, check_number
from semreward.client import Client, Failure, ServedModel, WrongAnswerError
from semreward.errors import ArgumentError, ArgumentTypeError, ChatError, ChatUnavailableError

_WAIT_S = 5.0  # what waits add to the time limit, per attempt
_BEGINNINGS = (b'{"id": ', b'{"key": ')  # of our lines: a cut-off one is removed, a foreign file's is an error


@dataclass(frozen=True)
class ChatServer(ServedModel):
    """A chat model behind an OpenAI-compatible `/chat/completions` endpoint: prompt to answer. Threads may share it.

    Args:
        base_url: Parent of `/chat/completions`, such as `https://api.openai.com/v1`.
        model: The server's name of its model.
        api_key: Bearer token, in no repr, log, pickle, signature, cache or error.
        api_key_env: Environment variable with the key, if none is given or it was pickled. Not set: no key is sent.
        temperature: Sampling temperature; `None`: not sent, for reasoning models that accept only their own.
        max_tokens: Tokens per answer, reasoning included, sent as `max_completion_tokens`. `None`: the server's limit.
        extra_body: Further members of each request, such as `{"seed": 1}`; they win over those above, and they print.
        timeout_s: Time limit of one attempt in seconds.
        max_retries: Further attempts after a temporary failure.
    """

    _: KW_ONLY
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = 0.0
    max_tokens: int | None = 1024
    timeout_s: float = 120.0
    max_retries: int = 5

    def __post_init__(self) -> None:
        self._check_server("/chat/completions")
        if self.temperature is not None:
            check_number("temperature", self.temperature, at_least=0)
        if self.max_tokens is not None:
            check_count("max_tokens", self.max_tokens)
        check_count("max_retries", self.max_retries, at_least=0)

    @property
    def signature(self) -> str:
        """All that decides the answers: the model's name and sampling, but not its address."""
        extra = "" if self.extra_body == "{}" else f"|extra_body:{self.extra_body}"
        return f"{self.model}|temperature:{self.temperature}|max_tokens:{self.max_tokens}{extra}"

    def __call__(self, prompt: str) -> str:
        """The answer to one prompt; empty if the model gave none.

        Raises:
            ChatUnavailableError: No attempt got an answer, the last one included.
            ChatError: The server refuses the request, or answers with something that is not a chat completion.
            ArgumentError: The key was lost in a pickle, and `api_key_env` is not set here.
        """
        sampling = {"temperature": self.temperature, "max_completion_tokens": self.max_tokens}
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            **{name: value for name, value in sampling.items() if value is not None},
            **json.loads(str(self.extra_body)),
        }
        attempts = self.max_retries + 1
        deadline = time.monotonic() + attempts * (self.timeout_s + _WAIT_S)
        post = partial(self._client.post, json.dumps(body).encode(), _answer, deadline=deadline, attempts=attempts)
        outcome = self._client.run(post)
        if not isinstance(outcome, Failure):
            return outcome
        what = f"{self._server} {outcome.what}"
        if outcome.is_temporary and not outcome.is_answered:
            raise ChatUnavailableError(
                f"{what}; is the server running? Otherwise ask fewer at a time, or raise `timeout_s` or `max_retries`"
            )
        raise ChatError(self._refusal(outcome, "check `base_url`, `model` and `extra_body`"))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_client"}

    @cached_property
    def _client(self) -> Client:
        url = f"{self.base_url}/chat/completions"
        return Client(url, self._server, self._key, self.timeout_s, first_wait_s=0.5)


def _answer(content: bytes) -> str:
    try:
        answer = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        answer = content
    if answer is not None and not isinstance(answer, str):
        raise WrongAnswerError(f"no chat completion, but {content.decode(errors='replace')}")
    return answer or ""


class AnswerFile(dict[str, str]):
    """Answers by key, in a file of JSON lines that only grows; without a path they are in memory only.

    Threads may add at the same time; two processes may not share a file. A last line that was cut off is removed. Any
    other line that is not an answer is an `ArgumentError`, and the file is left as it is.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        super().__init__()
        self.path = None if path is None else Path(path)
        self._lock = threading.Lock()
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(0)
            for number, line in enumerate(file.read().splitlines(keepends=True), start=1):
                has_ended = line.endswith(b"\n")
                try:
                    record = json.loads(line.decode("utf-8", errors="surrogatepass"))
                except (ValueError, RecursionError):
                    record = None
                if record is None and not has_ended and any(line.startswith(own[: len(line)]) for own in _BEGINNINGS):
                    file.truncate(file.tell() - len(line))
                    return
                key, answer = map(record.get, ("key", "answer")) if isinstance(record, dict) else (None, None)
                if not isinstance(key, str) or not isinstance(answer, str):
                    raise ArgumentError(
                        f"line {number} of {str(self.path)!r} must be a JSON object with texts `key` and `answer`; "
                        "remove the line, or give the path of another file"
                    )
                self[key] = answer
                if not has_ended:
                    file.write(b"\n")

    def add(self, key: str, answer: str, **more: object) -> None:
        """Keep an answer; `more` are further members of its line, which only people read."""
        line = json.dumps({**more, "key": key, "answer": answer}, ensure_ascii=False) + "\n"
        with self._lock:
            if self.path is not None:
                with self.path.open("ab") as file:
                    file.write(line.encode("utf-8", errors="surrogatepass"))
            self[key] = answer


def key_of(answerer: str, question: str) -> str:
    """The key of an answer: a hash of who is asked, and of everything that is asked."""
    return hashlib.sha256(json.dumps([answerer, question]).encode()).hexdigest()


def answerer_name(answerer: object, *, argument: str, keeps: bool) -> str:
    """The name of a judge or reader: its `signature`, or its Python name if no file `keeps` the answers."""
    if not callable(answerer):
        raise ArgumentTypeError(f"`{argument}` must be callable, got {type(answerer).__name__}")
    if isinstance(signature := getattr(answerer, "signature", None), str):
        return signature
    if keeps:
        raise ArgumentError(
            f"`{argument}` must have a `signature`, because a file keeps its answers, got {answerer!r} without one; "
            f"set {argument}.signature to a text that changes with its answers"
        )
    return str(getattr(answerer, "__qualname__", type(answerer).__qualname__))


def check_fields(template: str, fields: Collection[str], *, argument: str) -> None:
    """Raise unless a template is a string with exactly these fields."""
    if not isinstance(template, str):
        raise ArgumentTypeError(f"`{argument}` must be a string, got {type(template).__name__}")
    try:
        found = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise ArgumentError(f"`{argument}` must double braces that are not fields: {error}") from error
    if found != set(fields):
        raise ArgumentError(
            f"`{argument}` must have the fields {', '.join(sorted(fields))} and no others, got "
            f"{', '.join(sorted(found)) or 'none'}; double braces that are not fields"
        )
