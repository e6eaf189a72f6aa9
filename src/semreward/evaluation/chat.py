"""A chat model behind an OpenAI-compatible server (OpenAI, vLLM, Ollama, llama.cpp) as a function of a prompt."""

import importlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

from semreward.arguments import check_count
from semreward.encoders.endpoints import ApiKey, checked_base_url, checked_key, place_of
from semreward.errors import ArgumentError, ChatError, ChatUnavailableError, MissingDependencyError, SemRewardError

# Status codes of requests that may well succeed later; the client has tried them again already.
_PASSING = frozenset({408, 409, 425, 429})
_KEY_REFUSED = frozenset({401, 403})
_SERVER_ERROR = 500

# Longest part of a server's own message that is shown.
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class ChatServer:
    """A chat model behind an OpenAI-compatible `/chat/completions` endpoint: prompt to answer, as a judge is asked.

    Connections, retries and waiting are the `openai` client's. The object compares, hashes, prints and pickles as what
    it describes, without its API key and without connections, and threads may share it.

    Args:
        base_url: Parent of `/chat/completions`, such as `https://api.openai.com/v1`, with neither user name, password
            nor query.
        model: Name under which the server knows its model.
        api_key: Sent as a bearer token. It is in no repr, log, pickle, signature, cache or error: an unpickled object
            reads the key from `api_key_env`.
        api_key_env: Environment variable that holds the key where none is given; without it, no key is sent.
        temperature: Sampling temperature; 0 for answers that can be repeated. `None`: not sent, as reasoning models
            demand that accept no other than their own.
        max_tokens: Tokens of an answer at most, at least 1, reasoning included; `None`: as many as the server allows.
            Sent as `max_completion_tokens`; for servers that know only the older name, put `max_tokens` into
            `extra_body` as well.
        extra_body: What else goes into every request, such as `{"seed": 1}`, in place of what is above where it has the
            same name; kept as JSON text. It prints: no place for secrets.
        timeout_s: Seconds after which an attempt is given up.
        max_retries: Further attempts after one that failed in passing (no connection, a time-out, status 408, 409, 429
            or 5xx), after waits that grow, or as long as `Retry-After` says.

    Raises:
        ArgumentError: An argument is out of its range, or has the wrong type.

    Example:
        >>> judge = ChatServer("http://127.0.0.1:8000/v1", "Qwen/Qwen3-32B", api_key="secret")
        >>> judge.signature
        'Qwen/Qwen3-32B|temperature:0.0|max_tokens:1024'
        >>> judge("Which is better? ...")  # doctest: +SKIP
        'Reason: ... Decision: [[1]]'
    """

    base_url: str
    model: str
    _: KW_ONLY
    api_key: str | ApiKey | None = field(default=None, repr=False, compare=False)
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = 0.0
    max_tokens: int | None = 1024
    extra_body: Mapping[str, Any] | str = "{}"
    timeout_s: float = 120.0
    max_retries: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", checked_base_url(self.base_url))
        for name in ("model", "api_key_env"):
            if not isinstance(value := getattr(self, name), str) or not value:
                raise ArgumentError(f"`{name}` must be a non-empty string, got {value!r}")
        if self.temperature is not None and not (_is_number(self.temperature) and 0 <= self.temperature < math.inf):
            raise ArgumentError(f"`temperature` must be a number of at least 0, or None, got {self.temperature!r}")
        if self.max_tokens is not None:
            check_count("max_tokens", self.max_tokens)
        if not (_is_number(self.timeout_s) and 0 < self.timeout_s < math.inf):
            raise ArgumentError(f"`timeout_s` must be a positive number of seconds, got {self.timeout_s!r}")
        check_count("max_retries", self.max_retries, at_least=0)
        object.__setattr__(self, "extra_body", _as_members(self.extra_body))
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", ApiKey(checked_key(self.api_key, "`api_key`")))

    @property
    def signature(self) -> str:
        """What decides the answers: the model's name and how it is sampled, but not where it runs."""
        parts = [self.model, f"temperature:{self.temperature}", f"max_tokens:{self.max_tokens}"]
        if self.extra_body != "{}":
            parts.append(f"extra_body:{self.extra_body}")
        return "|".join(parts)

    def __call__(self, prompt: str) -> str:
        """The answer to one prompt; empty where the model gave none.

        Raises:
            ChatUnavailableError: No answer came, also not at the last attempt.
            ChatError: The server refuses the request, or sends something that is no chat completion.
            ArgumentError: A key was given where the object was made, and `api_key_env` is not set here.
            MissingDependencyError: openai is not installed.
        """
        openai = _openai_module()
        try:
            completion = self._client.chat.completions.create(
                model=self.model, messages=[{"role": "user", "content": prompt}], **self._options
            )
        except openai.APIError as error:
            failure = self._failure(error, connected=not isinstance(error, openai.APIConnectionError))
        except ValueError as error:  # an answer that is cut off is no JSON
            failure = ChatError(f"{self._place} sent something that is no chat completion: {self._shown(error)}")
        else:
            return self._text(completion)
        raise failure  # out here, so that the client's error, which holds the request's headers, is not its context

    def __getstate__(self) -> dict[str, Any]:
        cached = ("_client", "_options")
        return {name: value for name, value in self.__dict__.items() if name not in cached}

    @cached_property
    def _client(self) -> Any:  # the client's type needs the client
        return _openai_module().OpenAI(
            base_url=self.base_url,
            api_key=self._key() or "none",
            timeout=self.timeout_s,
            max_retries=self.max_retries,
        )

    @cached_property
    def _options(self) -> dict[str, Any]:
        sampling = {"temperature": self.temperature, "max_completion_tokens": self.max_tokens}
        options: dict[str, Any] = {name: value for name, value in sampling.items() if value is not None}
        if self._key() is None:
            options["extra_headers"] = {"Authorization": _openai_module().Omit()}
        return options | {"extra_body": json.loads(str(self.extra_body))}

    @property
    def _place(self) -> str:
        return f"the model {self.model!r} at {place_of(self.base_url)}"

    def _key(self) -> str | None:
        """The key that was given, or the one in the environment; `None` where there never was one."""
        if isinstance(self.api_key, ApiKey) and (given := self.api_key.reveal()) is not None:
            return given
        if key := os.environ.get(self.api_key_env, "").strip():
            return checked_key(key, f"the environment variable {self.api_key_env}")
        if self.api_key is None:
            return None
        raise ArgumentError(
            f"{self._place} was given an `api_key`, which pickles leave out; set the environment variable "
            f"{self.api_key_env} in the process that uses it"
        )

    def _text(self, completion: Any) -> str:  # whatever the server sent
        try:
            content = completion.choices[0].message.content
        except (AttributeError, IndexError, TypeError):
            content = completion
        if isinstance(content, str) and content is not completion:
            return content
        if content is None and completion is not None:
            return ""
        raise ChatError(f"{self._place} sent something that is no chat completion: {self._shown(completion)}")

    def _failure(self, error: Any, *, connected: bool) -> SemRewardError:
        status = getattr(error, "status_code", None)
        attempts = f"{self.max_retries + 1} attempts of up to {self.timeout_s:g} s"
        if not connected:
            return ChatUnavailableError(
                f"{self._place} did not answer in {attempts}: {self._shown(error)}; is the server running?"
            )
        if status in _PASSING or (status or 0) >= _SERVER_ERROR:
            return ChatUnavailableError(
                f"{self._place} still answered with status {status} after {attempts}: {self._shown(error)}; try again "
                "later, ask fewer at a time, or raise `max_retries`"
            )
        if status in _KEY_REFUSED:
            return ChatError(
                f"{self._place} refuses the key (status {status}): {self._shown(error)}; give the right one as "
                f"`api_key`, or set the environment variable {self.api_key_env}"
            )
        return ChatError(f"{self._place} refuses the request (status {status}): {self._shown(error)}")

    def _shown(self, thing: object) -> str:
        """The beginning of what a server or client says, without the key, should a server repeat it."""
        text = " ".join(str(thing).split())
        key = self._key()
        return (text.replace(key, "***") if key else text)[:_SHOWN_CHARACTERS]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_members(extra_body: object) -> str:
    """The members of a JSON object as text, in one order."""
    try:
        text = extra_body if isinstance(extra_body, str) else json.dumps(extra_body, allow_nan=False)
        members: object = json.loads(text)
        if isinstance(members, dict):
            return json.dumps(members, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        pass  # told below
    raise ArgumentError(f"`extra_body` must be a mapping that JSON can write, got {str(extra_body)[:80]!r}")


def _openai_module() -> Any:
    try:
        return importlib.import_module("openai")
    except ModuleNotFoundError as error:
        if error.name != "openai":
            raise  # openai is there, and something that it needs is not
        raise MissingDependencyError("a chat server needs openai; pip install 'semreward[judge]'") from error
