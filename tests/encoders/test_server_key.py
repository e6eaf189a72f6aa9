import copy
import dataclasses
import json
import logging
import os
import pickle
import subprocess
import sys

import pytest

from embedding_server import answering, embedding_server, encoder_of
from semreward import EmbeddingServerEncoder, SemanticSimilarityReward
from semreward.errors import ArgumentError, EncoderError, EncoderUnavailableError

KEY = "sk-Very/Secret+Key=="


def test_the_key_is_sent_as_a_bearer_token(server):
    encoder_of(server, api_key=KEY).encode(["a"])
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_is_read_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    encoder_of(server, api_key_env="MY_KEY").encode(["a"])
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent(server):
    encoder_of(server).encode(["a"])
    assert "authorization" not in server.requests[0].headers


def test_the_key_shows_nowhere_but_in_requests(server, caplog):
    with caplog.at_level(logging.DEBUG):
        encoder = encoder_of(server, api_key=KEY)
        reward = SemanticSimilarityReward(encoder, threshold=0.5)
        reward(completions=["a"], reference=["ab"])
        shown = [repr(encoder), str(encoder), repr(vars(encoder)), str(dataclasses.asdict(encoder)), repr(reward)]
        shown += [reward.signature(), encoder.fingerprint, repr(pickle.dumps(encoder)), repr(pickle.dumps(reward))]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert [text for text in [*shown, caplog.text] if KEY in text] == []


@pytest.mark.parametrize("status", [200, 400, 401, 413, 500])
def test_a_server_that_repeats_the_key_does_not_bring_it_into_errors(status, caplog):
    echo = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}}).encode()
    with answering(status, echo) as state, caplog.at_level(logging.DEBUG):
        encoder = encoder_of(state, api_key=KEY, timeout_s=0.6)
        with pytest.raises((EncoderError, EncoderUnavailableError)) as caught:
            encoder.encode(["a"])
    assert "Incorrect API key provided: ***" in str(caught.value)
    assert KEY not in str(caught.value) + caplog.text
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_encoders_are_equal_whatever_their_keys():
    one, other, none = (EmbeddingServerEncoder("http://127.0.0.1:1", "m", api_key=key) for key in ("a", "b", None))
    assert one == other == none
    assert len({one, other, none}) == 1


def test_a_corrected_key_is_used_though_the_connections_were_opened_with_another():
    def only_right(request):
        return None if request.headers["authorization"] == "Bearer right" else (401, {}, b"")

    with embedding_server(respond=only_right) as state:
        with pytest.raises(EncoderError, match="401"):
            encoder_of(state, api_key="wrong").encode(["a"])
        assert len(encoder_of(state, api_key="right").encode(["a"])) == 1


def test_a_replaced_and_a_copied_encoder_keep_the_key(server):
    encoder = encoder_of(server, api_key=KEY)
    for twin in (dataclasses.replace(encoder, timeout_s=5), copy.copy(encoder), copy.deepcopy(encoder)):
        twin.encode([repr(id(twin))])
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}


def test_an_unpickled_encoder_is_equal_to_its_original(server):
    encoder = encoder_of(server, api_key=KEY, extra_body={"dimensions": 3})
    assert pickle.loads(pickle.dumps(encoder)) == encoder


def test_an_unpickled_encoder_takes_the_key_of_an_equal_one_in_its_process(server):
    clone = pickle.loads(pickle.dumps(encoder_of(server, api_key=KEY)))
    clone.encode(["a"])
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_unpickled_encoder_reads_the_key_from_the_environment(server, monkeypatch):
    clone = pickle.loads(pickle.dumps(encoder_of(server, api_key=KEY)))
    monkeypatch.setenv("SEMREWARD_API_KEY", "another")
    assert len(clone.encode(["a"])) == 1


def in_another_process(reward, **environment):
    """The last line that a new interpreter prints when it unpickles a reward and calls it."""
    script = (
        "import pickle, sys\nreward = pickle.load(sys.stdin.buffer)\n"
        "try: print(reward(completions=['ab'], reference=['ab']))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(reward),
        capture_output=True,
        env={**os.environ, **environment},
        check=True,
        timeout=120,
    )
    return run.stdout.decode().strip()


def test_a_reward_in_another_process_takes_the_key_from_there(server):
    reward = SemanticSimilarityReward(encoder_of(server, api_key=KEY), threshold=0.5)
    assert "ArgumentError" in (missing := in_another_process(reward))
    assert "SEMREWARD_API_KEY" in missing
    assert in_another_process(reward, SEMREWARD_API_KEY="there") == "[1.0]"
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer there"}


@pytest.mark.parametrize("key", ["", "two words", "sk-naïve", "a\nb"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key):
    with pytest.raises(ArgumentError, match="`api_key` must be printable ASCII") as caught:
        EmbeddingServerEncoder("http://127.0.0.1:1", "m", api_key=key)
    assert not key or key not in str(caught.value)
