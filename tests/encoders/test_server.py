import asyncio
import dataclasses
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from doubles import BigramEncoder
from embedding_server import answering, embedding_server, encoder_of
from semreward import EmbeddingServerEncoder, SemanticSimilarityReward
from semreward.errors import ArgumentError, EncoderError, EncoderUnavailableError
from semreward.testing import check_reward

TEXTS = [f"text number {number} {'x' * (number % 7)}" for number in range(100)]
EXPECTED = BigramEncoder().encode(TEXTS)


# Vectors


def test_vectors_are_those_of_the_model_behind_the_server_as_unit_rows(server):
    rows = encoder_of(server).encode(TEXTS)
    assert rows == pytest.approx(EXPECTED, abs=1e-6)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_a_server_that_leaves_the_index_out_is_understood():
    def unnumbered(request):
        data = [{"embedding": [1.0, float(len(text))]} for text in request.body["input"]]
        return 200, {}, json.dumps({"data": data}).encode()

    with embedding_server(respond=unnumbered) as state:
        rows = encoder_of(state).encode(["a", "bb"])
    assert rows[:, 1] / rows[:, 0] == pytest.approx([1, 2])


def test_no_texts_need_no_server(dead_url):
    assert len(EmbeddingServerEncoder(dead_url, "bigrams").encode([])) == 0


def test_texts_of_any_kind_survive_the_journey(server):
    texts = ["བོད་ཀྱི་སྐད་ཡིག", 'quote " and \\', "\x00", "line\nbreak", "👩‍👩‍👧", "他买了三个苹果", "a?b"]
    rows = encoder_of(server).encode([*texts[:-1], "a\ud800b"])  # UTF-8 cannot hold a lone surrogate
    assert rows == pytest.approx(BigramEncoder().encode(texts), abs=1e-6)


# Requests


def test_requests_carry_the_model_and_what_the_user_adds(server):
    encoder_of(server, extra_body={"dimensions": 64, "truncate_prompt_tokens": -1}).encode(["a"])
    assert server.requests[0].path == "/v1/embeddings"
    assert server.requests[0].body == {
        "model": "bigrams",
        "dimensions": 64,
        "truncate_prompt_tokens": -1,
        "input": ["a"],
    }


def test_requests_are_bounded_in_texts(server):
    encoder_of(server, texts_per_request=30).encode(TEXTS)
    assert sorted(server.sizes) == [10, 30, 30, 30]


def test_requests_at_a_time_are_limited():
    with embedding_server(delay_s=0.02) as state:
        encoder_of(state, texts_per_request=2, max_concurrency=3).encode(TEXTS)
        assert 2 <= state.most_at_once <= 3


def test_requests_at_a_time_are_limited_for_calls_from_threads():
    with embedding_server(delay_s=0.02) as state:
        encoder = encoder_of(state, texts_per_request=2, max_concurrency=3)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda text: encoder.encode([text]), TEXTS[:40]))
        assert state.most_at_once <= 3


def test_the_prompt_comes_before_each_text(server):
    rows = encoder_of(server, prompt="query: ").encode(["a", "bc"])
    assert rows == pytest.approx(BigramEncoder().encode(["query: a", "query: bc"]), abs=1e-6)


def test_text_beyond_max_chars_is_not_sent_but_counted_and_logged(server, caplog):
    encoder = encoder_of(server, max_chars=4, prompt="q: ")
    assert encoder.truncated_texts == 0
    with caplog.at_level(logging.INFO, logger="semreward"):
        encoder.encode(["abcdefgh", "xy"])
        encoder.encode(["ijklmnop", "z"])
    assert [request.body["input"] for request in server.requests] == [["q: abcd", "q: xy"], ["q: ijkl", "q: z"]]
    assert encoder.truncated_texts == 2
    logged = [(record.levelname, record.message[:15]) for record in caplog.records if "max_chars=4" in record.message]
    assert logged == [("WARNING", "1 of 2 texts so"), ("INFO", "2 of 4 texts so")]


# Arguments


@pytest.mark.parametrize(
    "url",
    [
        "http://user:sesame@127.0.0.1:1/v1",
        "http://127.0.0.1:1/v1?token=sesame",
        "http://127.0.0.1:1/v1#sesame",
        "http://user:sesame@127.0.0.1:port",
    ],
)
def test_secrets_in_an_address_are_refused_without_being_shown(url):
    with pytest.raises(ArgumentError, match="`base_url` .* give a key as `api_key`") as caught:
        EmbeddingServerEncoder(url, "m")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", 3, None])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ArgumentError, match="`base_url` must be an http or https address"):
        EmbeddingServerEncoder(url, "m")


def test_the_endpoint_itself_is_no_base_url():
    with pytest.raises(ArgumentError, match="leave /embeddings out"):
        EmbeddingServerEncoder("http://127.0.0.1:1/v1/embeddings/", "m")


@pytest.mark.parametrize(
    "options",
    [
        {"model": ""},
        {"model": None},
        {"api_key_env": ""},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"timeout_s": None},
        {"api_key": 3},
        {"max_chars": 0},
        {"texts_per_request": 0},
        {"texts_per_request": 2.5},
        {"max_concurrency": True},
        {"cache_bytes": -1},
        {"extra_body": 3},
        {"extra_body": "{"},
        {"extra_body": {"a": object()}},
        {"extra_body": {"input": "a"}},
    ],
)
def test_an_argument_out_of_range_is_named(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}`"):
        EmbeddingServerEncoder(**{"base_url": "http://127.0.0.1:1", "model": "m", **options})


def test_addresses_are_equal_with_and_without_a_slash():
    assert EmbeddingServerEncoder("http://a/v1/", "m") == EmbeddingServerEncoder("http://a/v1", "m")


def test_errors_name_an_address_of_version_six_in_brackets():
    with pytest.raises(EncoderUnavailableError, match=r"at \[::1\]:1 "):
        EmbeddingServerEncoder("http://[::1]:1", "m", timeout_s=0.2).encode(["a"])


# Fingerprint


def test_the_fingerprint_is_asked_for_once(server):
    encoder = encoder_of(server)
    assert encoder.fingerprint == encoder.fingerprint
    assert len(server.requests) == 1


def test_the_fingerprint_does_not_depend_on_the_address(server):
    with embedding_server() as elsewhere:
        assert encoder_of(server).fingerprint == encoder_of(elsewhere, texts_per_request=3).fingerprint


def test_the_fingerprint_depends_on_the_model(server):
    with embedding_server(encoder=BigramEncoder(16)) as other:
        assert encoder_of(server).fingerprint != encoder_of(other).fingerprint


@pytest.mark.parametrize("options", [{"model": "m"}, {"prompt": "query: "}, {"max_chars": 9}, {"extra_body": {"a": 1}}])
def test_the_fingerprint_depends_on_what_decides_the_vectors(server, options):
    encoder = encoder_of(server)
    assert dataclasses.replace(encoder, **options).fingerprint != encoder.fingerprint


def test_rounding_errors_do_not_change_the_fingerprint(server):
    class Noisy:
        def encode(self, texts):
            return BigramEncoder().encode(texts) + np.random.default_rng(0).normal(0, 1e-7, (len(texts), 64))

    with embedding_server(encoder=Noisy()) as noisy:
        assert encoder_of(server).fingerprint == encoder_of(noisy).fingerprint


# Rewards


def test_a_reward_over_a_server_earns_what_the_local_encoder_earns(server):
    completions, reference = TEXTS[:20], TEXTS[20:40]
    remote = SemanticSimilarityReward(encoder_of(server), threshold=0.2)
    local = SemanticSimilarityReward(BigramEncoder(), threshold=0.2)
    assert remote(completions=completions, reference=reference) == (
        pytest.approx(local(completions=completions, reference=reference), abs=1e-6)
    )


def test_a_reward_over_a_server_keeps_the_contract(server):
    examples = [
        {"completion": "he bought three apples", "reference": "he bought apples"},
        {"completion": "another thing", "reference": "he bought apples"},
        {"completion": "བོད་ཀྱི་སྐད་ཡིག", "reference": "བོད་ཀྱི་སྐད་ཡིག"},
    ]
    report = check_reward(SemanticSimilarityReward(encoder_of(server), threshold=0.3), examples, bounds=(0.0, 1.0))
    assert report.passed, str(report)
    assert {result.name for result in report.results if result.status == "passed"} >= {"spawned_process", "threads"}


def test_calls_from_threads_get_their_own_rows(server):
    encoder = encoder_of(server)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: encoder.encode([text])[0], TEXTS))
    assert np.stack(rows) == pytest.approx(EXPECTED, abs=1e-6)


def test_an_encoder_works_inside_a_running_event_loop(server):
    async def encode():
        return encoder_of(server).encode(TEXTS)

    assert asyncio.run(encode()) == pytest.approx(EXPECTED, abs=1e-6)


def test_a_warm_up_asks_the_server(server):
    encoder_of(server).warmup()
    assert server.sizes == [1]


def test_a_warm_up_shows_a_server_that_refuses():
    with answering(404) as state, pytest.raises(EncoderError, match="404"):
        encoder_of(state).warmup()


@pytest.mark.usefixtures("long_attempts")
def test_an_attempt_that_the_deadline_cuts_off_is_not_what_the_error_tells():
    answers = [(200, {}, b"{}")]

    def hang_later(request):
        if answers:
            return answers.pop()
        time.sleep(2)
        return None

    with embedding_server(respond=hang_later) as state, pytest.raises(EncoderError, match="no list `data`"):
        encoder_of(state, timeout_s=1).encode(["a"])


def test_a_closed_encoder_opens_again(server):
    encoder = encoder_of(server)
    encoder.encode(["a"])
    encoder.close()
    assert len(encoder.encode(["a"])) == 1
    assert len(server.requests) == 2


def test_a_dead_server_may_leave_rows_without_a_reward(dead_url, caplog):
    encoder = EmbeddingServerEncoder(dead_url, "m", timeout_s=0.3)
    reward = SemanticSimilarityReward(encoder, threshold=0.5, on_error="none")
    metrics, columns = {}, {}
    with caplog.at_level(logging.WARNING, logger="semreward"):
        values = reward(
            completions=["a", "", "c"],
            reference=["b"] * 3,
            log_metric=metrics.__setitem__,
            log_extra=columns.__setitem__,
        )
    assert values == [None, 0.0, None]
    assert metrics["semantic_similarity/encoder_errors"] == 2.0
    assert columns == {"semantic_similarity/similarity": [None, 0.0, None]}
    assert "semantic_similarity: 2 rows get no reward: the model 'm' at 127.0.0.1" in caplog.text


def test_a_server_that_answers_leaves_no_error_to_count(server):
    metrics = {}
    reward = SemanticSimilarityReward(encoder_of(server), threshold=0.5, on_error="none")
    assert reward(completions=["a"], reference=["a"], log_metric=metrics.__setitem__) == pytest.approx([1.0])
    assert metrics["semantic_similarity/encoder_errors"] == 0.0


@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_server_that_refuses_or_answers_wrongly_raises_whatever_is_said_of_dead_ones(status):
    with answering(status, b"{}") as state:
        encoder = encoder_of(state, timeout_s=0.6)
        reward = SemanticSimilarityReward(encoder, threshold=0.5, on_error="none")
        with pytest.raises(EncoderError):
            reward(completions=["a"], reference=["b"])


def test_an_unknown_policy_for_errors_is_named(encoder):
    with pytest.raises(ArgumentError, match="`on_error` must be one of raise, none; got 'zero'"):
        SemanticSimilarityReward(encoder, threshold=0.5, on_error="zero")
