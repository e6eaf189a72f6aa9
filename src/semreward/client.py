"""The client for embedding and chat servers: deadlines, retries, and an API key that never shows."""

import asyncio
import json
import logging
import math
import os
import random
import re
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx2

from semreward.arguments import check_number, check_text
from semreward.errors import ArgumentError

T = TypeVar("T")
Read: TypeAlias = Callable[[bytes], T]
Probe: TypeAlias = Callable[[float], Awaitable[object]]

logger = logging.getLogger(__name__)

_TEMPORARY = frozenset({408, 409, 424, 425, 429})  # 424: TEI's status when its model failed
_OF_INPUT = frozenset({400, 413, 422, 424, 500})  # what a server may say because of the input
_LASTING = 3  # attempts after which a failure may be due to the input
_NO_PROXY = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://127.0.0.0/8", "all://[::1]"))
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_JITTER = random.Random()  # noqa: S311 - spreads waits; a seeded training keeps its random numbers


class ApiKey:
    """A secret: it prints as `***`, and its pickle says only that there was a key."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> tuple[type["ApiKey"], tuple[()]]:
        return ApiKey, ()

    def __deepcopy__(self, memo: object) -> "ApiKey":
        return self

    def reveal(self) -> str:
        """The key; empty if it was lost in a pickle."""
        return self._value


@dataclass(frozen=True)
class ServedModel:
    """A model behind a server. It compares, hashes, prints and pickles without its API key."""

    base_url: str
    model: str
    _: KW_ONLY
    api_key: str | ApiKey | None = field(default=None, repr=False, compare=False)
    api_key_env: str = "SEMREWARD_API_KEY"
    timeout_s: float = 60.0
    extra_body: Mapping[str, Any] | str = "{}"

    def _check_server(self, endpoint: str, reserved: Collection[str] = ()) -> None:
        object.__setattr__(self, "base_url", _checked_base_url(self.base_url, endpoint))
        check_text("model", self.model)
        check_text("api_key_env", self.api_key_env)
        check_number("timeout_s", self.timeout_s, above=0)
        object.__setattr__(self, "extra_body", _as_json_object(self.extra_body, reserved))
        if self.api_key is not None and not isinstance(self.api_key, ApiKey):
            object.__setattr__(self, "api_key", ApiKey(_checked_key(self.api_key, "`api_key`")))

    @property
    def _server(self) -> str:
        return f"the model {self.model!r} at {urlsplit(self.base_url).netloc}"

    def _refusal(self, failure: "Failure", remedy: str) -> str:
        if failure.status in {401, 403}:
            remedy = f"give the right key as `api_key`, or set the environment variable {self.api_key_env}"
        return f"{self._server} {failure.what}; {remedy}"

    def _key(self) -> str | None:
        """The given key, or the one in the environment; `None` if no key was ever given."""
        if isinstance(self.api_key, ApiKey) and (given := self.api_key.reveal()):
            return given
        if key := os.environ.get(self.api_key_env, "").strip():
            return _checked_key(key, f"the environment variable {self.api_key_env}")
        if self.api_key is None:
            return None
        raise ArgumentError(
            f"`api_key` of {self._server} was lost, because pickles leave it out; set the environment variable "
            f"{self.api_key_env} in the process that uses it"
        )


def _checked_base_url(base_url: object, endpoint: str) -> str:
    address = str(base_url).strip().rstrip("/")
    may_hold_secret = any(character in address for character in "@?#")
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # the port is not a number
        is_address = False
    if may_hold_secret or not is_address or address.endswith(endpoint):
        shown = "one that may hold a secret" if may_hold_secret else repr(base_url)[:80]
        raise ArgumentError(
            "`base_url` must be an http or https address such as 'http://127.0.0.1:8080/v1', without user name, "
            f"password, query and fragment; give a key as `api_key`, and leave {endpoint} out; got {shown}"
        )
    return address


def _checked_key(key: object, name: str) -> str:
    text = key.strip() if isinstance(key, str) else ""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ArgumentError(f"{name} must be printable ASCII without blanks (its value is not shown); copy it again")
    return text


def _as_json_object(extra_body: object, reserved: Collection[str]) -> str:
    try:
        members = dict(extra_body) if isinstance(extra_body, Mapping) else json.loads(str(extra_body))
        text = json.dumps(members, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        members, text = None, ""
    if not isinstance(members, dict):
        raise ArgumentError(f"`extra_body` must be a mapping that JSON can hold, got {str(extra_body)[:80]!r}")
    if used := members.keys() & set(reserved):
        raise ArgumentError(f"`extra_body` must not hold {min(used)!r}, which semreward sets itself")
    return text


class WrongAnswerError(ValueError):
    """A server answered with something that cannot be used; it is asked again."""


@dataclass(frozen=True)
class Failure:
    """Why a request failed."""

    what: str  # at the last attempt, without the API key
    status: int | None = None  # only if the server reported an error
    is_temporary: bool = True
    is_answered: bool = False  # every attempt got an answer, but one that cannot be used
    is_of_input: bool = False  # the server refuses this input, and takes another one
    retry_after_s: float = 0.0


@dataclass(eq=False)
class Client:
    """Posts JSON to one address. Threads may share it, and a forked process reconnects."""

    url: str
    server: str  # its name in messages
    key: Callable[[], str | None]  # asked for at every attempt
    attempt_timeout_s: float
    first_wait_s: float = 0.1  # between attempts; later waits double, up to 5 s

    def __post_init__(self) -> None:
        self._process = os.getpid()
        self._loop = _event_loop(self._process)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        self._http = httpx2.AsyncClient(limits=limits, timeout=None, mounts=_NO_PROXY)
        weakref.finalize(self, _close, self._http, self._loop, self._process).atexit = False

    def run(self, coroutine: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine that posts; it is cancelled when the caller is interrupted."""
        if self._process != os.getpid():  # a forked child does not have the thread of its parent's event loop
            self.__post_init__()
        future = asyncio.run_coroutine_threadsafe(coroutine(), self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    async def post(
        self, body: bytes, read: Read[T], *, deadline: float, attempts: float = math.inf, probe: Probe | None = None
    ) -> T | Failure:
        """Post until `read` accepts, time or attempts run out, or it fails for good: as when a `probe` succeeds."""
        failure: Failure | None = None
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._attempt(body, read, deadline)
            if not isinstance(outcome, Failure):
                return outcome
            is_lasting = not outcome.is_temporary or attempt >= _LASTING
            is_suspect = is_lasting and (outcome.is_answered or outcome.status in _OF_INPUT)
            if probe and is_suspect and not isinstance(await probe(deadline), Failure):
                return replace(outcome, is_of_input=True)
            if not outcome.is_temporary:
                return outcome
            remaining_s = deadline - time.monotonic()
            if failure is None:
                failure = outcome
            elif remaining_s > 0:  # an attempt that the deadline cut short says nothing
                failure = replace(outcome, is_answered=outcome.is_answered and failure.is_answered)
            longest_s = min(5.0, self.first_wait_s * 2 ** min(attempt - 1, 10))
            wait_s = max(outcome.retry_after_s, longest_s * _JITTER.uniform(0.5, 1.0))
            if attempt >= attempts or wait_s >= remaining_s:
                asks = f", and it asks to wait {wait_s:.3g} s" if outcome.retry_after_s > remaining_s else ""
                return replace(failure, what=f"{failure.what}, at attempt {attempt}{asks}")
            logger.info("%s %s; asking again in %.2g s", self.server, outcome.what, wait_s)
            await asyncio.sleep(wait_s)

    async def _attempt(self, body: bytes, read: Read[T], deadline: float) -> T | Failure:
        """Post once. Failures are returned, because the exceptions of httpx2 carry the key in their headers."""
        limit_s = max(0.0, min(self.attempt_timeout_s, deadline - time.monotonic()))
        key = self.key()
        authorization = {} if key is None else {"Authorization": f"Bearer {key}"}
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **authorization}
        try:
            response = await asyncio.wait_for(self._http.post(self.url, content=body, headers=headers), limit_s)
        except asyncio.TimeoutError:
            return Failure(f"did not answer within {limit_s:.3g} s")
        except httpx2.HTTPError as error:
            return Failure(f"could not be reached ({type(error).__name__}: {_shown(str(error), key)})")
        if not response.is_success:
            status, asked = response.status_code, response.headers.get("Retry-After", "")
            wait_s = float(asked) if _SECONDS.fullmatch(asked) else 0.0  # a date is passed over
            what = f"answered {status} {_shown(response.text, key)}".rstrip()
            return Failure(what, status, status in _TEMPORARY or response.is_server_error, retry_after_s=wait_s)
        try:
            return read(response.content)
        except WrongAnswerError as error:
            return Failure(f"answered wrongly: {_shown(str(error), key)}", is_answered=True)


@lru_cache(maxsize=1)
def _event_loop(process: int) -> asyncio.AbstractEventLoop:  # noqa: ARG001 - a forked process gets its own
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="semreward-client", daemon=True).start()
    return loop


def _close(http: httpx2.AsyncClient, loop: asyncio.AbstractEventLoop, process: int) -> None:
    if process == os.getpid():  # not in a forked process, which does not have the loop's thread
        loop.call_soon_threadsafe(lambda: loop.create_task(http.aclose()))


def _shown(text: str, key: str | None) -> str:
    """The beginning of a foreign message on one line, with the API key masked."""
    for secret in (key, json.dumps(key)[1:-1]) if key else ():
        text = text.replace(secret, "***")
    return " ".join(text.split())[:200]
