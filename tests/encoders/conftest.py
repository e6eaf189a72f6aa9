"""What the tests of encoders behind servers share."""

import socket

import pytest

from embedding_server import embedding_server
from semreward.encoders import server as server_module


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SEMREWARD_API_KEY", raising=False)


@pytest.fixture
def server():
    with embedding_server() as state:
        yield state


@pytest.fixture
def long_attempts(monkeypatch):
    """One attempt may take all of the time limit."""
    monkeypatch.setattr(server_module, "_ATTEMPT_SHARE", 1.0)


@pytest.fixture
def dead_url():
    """An address of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
