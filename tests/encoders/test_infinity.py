"""Against a real Infinity server on loopback; `make test-server` installs it and runs this."""

import contextlib
import os
import random
import socket
import subprocess
import time

import httpx2
import numpy as np
import pytest

from semreward import EmbeddingServerEncoder, SemanticSimilarityReward, SentenceTransformerEncoder, compare_encoders

START_S = 300
WORDS = ["the", "a", "red", "old", "house", "river", "teacher", "apples", "bought", "sold", "slowly", "42", "bridge"]

# What `make test-server` sets: the server's executable, and the folder of the model that it serves.
SERVER = os.environ.get("SEMREWARD_SERVER", "")
MODEL = os.environ.get("SEMREWARD_SERVER_MODEL", "")

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not SERVER, reason="needs an Infinity server: make test-server"),
]


def texts_of(number, *, words):
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=rng.randint(*words))) for _ in range(number)]


@pytest.fixture(scope="module")
def base_url(tmp_path_factory):
    """The address of an Infinity server that is started for these tests, and stopped after them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("infinity") / "log"
    command = [SERVER, "v2", "--model-id", MODEL, "--served-model-name", "minilm", "--port"]
    command += [str(port), "--host", "127.0.0.1", "--engine", "torch", "--device", "cpu", "--no-bettertransformer"]
    environment = {**os.environ, "INFINITY_URL_PREFIX": "/v1", "DO_NOT_TRACK": "1"}
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def wait_for(url, server, log):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(url, trust_env=False).is_success:
                return
        time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


@pytest.fixture(scope="module")
def remote(base_url):
    return EmbeddingServerEncoder(base_url, "minilm")


@pytest.fixture(scope="module")
def local():
    return SentenceTransformerEncoder(MODEL, device="cpu")


def test_vectors_agree_with_the_local_encoder(remote, local):
    texts = texts_of(200, words=(1, 150))
    difference = np.abs(remote.encode(texts) - local.encode(texts)).max()
    print(f"largest difference of {len(texts)} vectors: {difference:.1e}")  # noqa: T201 - `pytest -s` shows it
    assert difference <= 1e-3


def test_cosines_agree_with_the_local_encoder(remote, local):
    comparison = compare_encoders(remote, local, texts_of(50, words=(3, 40)))
    assert comparison.cosine_difference <= 1e-3


def test_a_reward_earns_what_it_earns_with_the_local_encoder(remote, local):
    rows = {"completions": ["a red house", "the river", ""], "reference": ["an old red house", "a bridge", "a house"]}
    behind, here = (SemanticSimilarityReward(encoder, threshold=0.2)(**rows) for encoder in (remote, local))
    assert behind == pytest.approx(here, abs=1e-3)
    assert here[0] > here[1]


def test_more_texts_than_the_server_takes_at_once_come_back(remote):
    texts = [f"{text} number {row}" for row, text in enumerate(texts_of(3000, words=(1, 3)))]
    rows = remote.encode(texts)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)
