"""What every client of a server has to check: its address, and a key that shows itself nowhere."""

from urllib.parse import urlsplit

from semreward.errors import ArgumentError


class ApiKey:
    """A secret that shows itself nowhere: it prints as `***`, and a pickle of it only says that a key was given."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> tuple[type["ApiKey"], tuple[()]]:
        return ApiKey, ()

    def __copy__(self) -> "ApiKey":
        return self

    def __deepcopy__(self, memo: object) -> "ApiKey":
        return self

    def reveal(self) -> str | None:
        """The key itself; `None` where it was left behind in another process."""
        return self._value or None


def checked_base_url(base_url: object) -> str:
    """A URL without a slash at its end; an `ArgumentError`, which does not show what may be secret, for another."""
    rule = "`base_url` must be an http or https address such as 'http://127.0.0.1:8080/v1'"
    if not isinstance(base_url, str):
        raise ArgumentError(f"{rule}, got {type(base_url).__name__}")
    if any(sign in base_url for sign in "@?#"):
        raise ArgumentError(f"{rule}, without user name, password, query and fragment; give a key as `api_key`")
    try:
        parts = urlsplit(base_url.strip())
        complete = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        complete = False
    if not complete:
        raise ArgumentError(f"{rule}, got {base_url[:80]!r}")
    address = base_url.strip().rstrip("/")
    if address.endswith("/embeddings"):
        raise ArgumentError(f"{rule}, the parent of /embeddings; leave /embeddings out")
    return address


def place_of(base_url: str) -> str:
    """Host and port of a checked URL."""
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or {'http': 80, 'https': 443}[parts.scheme]}"


def checked_key(key: str, what: str) -> str:
    """A key without white space around it; an `ArgumentError` that names `what`, never the key, for no key."""
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ArgumentError(f"{what} must be printable ASCII without blanks (its value is not shown); copy it again")
    return key
