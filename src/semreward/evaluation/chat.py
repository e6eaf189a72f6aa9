"""A chat model behind an OpenAI-compatible server (OpenAI, vLLM, Ollama, llama.cpp) as a function of a prompt."""

import json
import time
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from typing import Any

from semreward.arguments import check_count, check_number
from semreward.client import Client, Failure, ServedModel, WrongAnswerError
from semreward.errors import ChatError, ChatUnavailableError

_WAIT_S = 5.0  # what waits add to the time limit, per attempt


@dataclass(frozen=True)
class ChatServer(ServedModel):
    """A chat model behind an OpenAI-compatible `/chat/completions` endpoint: prompt to answer, as a judge is asked.

    The object compares, hashes, prints and pickles without its API key and connections. Threads may share it.

    Args:
        base_url: Parent of `/chat/completions`, such as `https://api.openai.com/v1`.
        model: The server's name of its model.
        api_key: Bearer token, in no repr, log, pickle, signature, cache or error.
        api_key_env: Environment variable with the key, if none is given or it was pickled. Not set: no key is sent.
        temperature: Sampling temperature; 0 for repeatable answers. `None`: not sent, for reasoning models that accept
            only their own.
        max_tokens: Tokens per answer at most, reasoning included, sent as `max_completion_tokens`. `None`: the server's
            limit. For servers that know only the older name, put `max_tokens` into `extra_body`.
        extra_body: Further members of each request, such as `{"seed": 1}`; they win over those above. It prints: no
            place for secrets.
        timeout_s: Time limit of one attempt in seconds.
        max_retries: Further attempts after a temporary failure (no connection, a timeout, status 408, 409, 424, 425,
            429 or 5xx, an answer that is not a chat completion), with waits from 0.5 to 5 s or as `Retry-After` asks.

    Raises:
        ArgumentError: An argument is out of range or has the wrong type.

    Example:
        >>> judge = ChatServer("http://127.0.0.1:8000/v1", "Qwen/Qwen3-32B", api_key="secret")
        >>> judge.signature
        'Qwen/Qwen3-32B|temperature:0.0|max_tokens:1024'
        >>> judge("Which is better? ...")  # doctest: +SKIP
        'Reason: ... Decision: [[1]]'
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
        """What decides the answers: the model's name and how it is sampled, but not where it runs."""
        parts = [self.model, f"temperature:{self.temperature}", f"max_tokens:{self.max_tokens}"]
        if self.extra_body != "{}":
            parts.append(f"extra_body:{self.extra_body}")
        return "|".join(parts)

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
        if isinstance(outcome, Failure):
            raise self._error(outcome)
        return outcome

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_client"}

    @cached_property
    def _client(self) -> Client:
        url = f"{self.base_url}/chat/completions"
        return Client(url, self._server, self._key, self.timeout_s, first_wait_s=0.5)

    def _error(self, failure: Failure) -> ChatError | ChatUnavailableError:
        what = f"{self._server} {failure.what}"
        if failure.status in {401, 403}:
            remedy = f"give the right key as `api_key`, or set the environment variable {self.api_key_env}"
            return ChatError(f"{what}; {remedy}")
        if failure.is_answered or not failure.is_temporary:
            return ChatError(f"{what}; check `base_url`, `model` and `extra_body`")
        return ChatUnavailableError(
            f"{what}; is the server running? Otherwise ask fewer at a time, or raise `timeout_s` or `max_retries`"
        )


def _answer(content: bytes) -> str:
    try:
        answer = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        answer = content
    if answer is not None and not isinstance(answer, str):
        raise WrongAnswerError(f"no chat completion, but {content.decode(errors='replace')}")
    return answer or ""
