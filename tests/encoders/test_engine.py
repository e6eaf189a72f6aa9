import gc
import pickle
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from doubles import BigramEncoder, CountingEncoder, FixedEncoder, LazyBigramEncoder
from semreward import SemanticSimilarityReward
from semreward.encoders.checking import as_encoder
from semreward.encoders.engine import Engine, close_engine, engine_of
from semreward.encoders.vectors import PlainModel, VectorCache, _size, unit_rows
from semreward.errors import ArgumentError, ArgumentTypeError, EncoderError

VECTOR = np.zeros(4, dtype=np.float32)


@pytest.fixture
def counting():
    counting = CountingEncoder()
    yield counting
    close_engine(counting)


@pytest.fixture
def lazy(request):
    """A lazily loaded encoder of the test's own, so that its loads and batches can be counted."""
    encoder = LazyBigramEncoder(name=request.node.name)
    yield encoder
    close_engine(encoder)


def test_a_call_of_cached_texts_takes_few_function_calls(lazy):
    texts, calls = ["a", "b", "c", "d"], []
    engine_of(lazy).encode(texts)

    def note(frame, event, _):
        if event == "call" and "semreward" in frame.f_code.co_filename:
            calls.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        engine_of(lazy).encode(texts, keep=texts[:2])
    finally:
        sys.setprofile(None)
    assert 1 < len(calls) <= 6


def test_each_distinct_text_is_encoded_once(counting):
    engine_of(counting).encode(["a", "b", "a", "b", "c"])
    assert sorted(text for batch in counting.batches for text in batch) == ["a", "b", "c"]


def test_kept_texts_are_not_encoded_again(counting):
    engine = engine_of(counting)
    engine.encode(["reference", "first"], keep=["reference"])
    engine.encode(["reference", "second"], keep=["reference"])
    assert counting.batches[1] == ["second"]


def test_other_texts_stay_while_there_is_room(counting):
    engine = engine_of(counting)
    engine.encode(["completion"])
    engine.encode(["completion"])
    assert counting.batches == [["completion"]]


def test_other_texts_take_no_room_from_kept_ones():
    counting = CountingEncoder()
    engine = Engine(lambda: counting.encode, cache_bytes=2_000)
    engine.encode(["reference"], keep=["reference"])
    for number in range(20):
        engine.encode([f"completion {number}"])
    engine.encode(["reference"])
    assert [text for batch in counting.batches for text in batch].count("reference") == 1


def test_rows_come_back_in_the_order_of_the_texts():
    texts = ["a", "longer text", "bb", "a"]
    assert np.array_equal(engine_of(BigramEncoder()).encode(texts), BigramEncoder().encode(texts))


def test_equal_texts_get_bit_identical_vectors():
    rng = np.random.default_rng(0)

    def noisy(batch):  # a forward pass that never gives the same vector twice
        rows = rng.normal(size=(len(batch), 8))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    vectors = Engine(lambda: noisy, batch_size=2).encode(["a", "b", "c", "a", "d", "a"])
    assert np.array_equal(vectors[0], vectors[3])
    assert np.array_equal(vectors[0], vectors[5])


def test_batches_hold_at_most_batch_size_texts(lazy):
    engine_of(lazy).encode([f"text {number}" for number in range(10)])
    assert [len(batch) for batch in lazy.batches[lazy.name]] == [4, 4, 2]


def test_the_longest_texts_are_encoded_first(lazy):
    engine_of(lazy).encode(["a", "aaaa", "aa", "aaa", "aaaaa"])
    assert lazy.batches[lazy.name] == [["aaaaa", "aaaa", "aaa", "aa"], ["a"]]


def test_no_texts_load_no_model(lazy):
    assert engine_of(lazy).encode([]).shape == (0, 0)
    assert lazy.loads[lazy.name] == 0


def test_what_is_returned_can_be_changed_without_harm(encoder):
    engine = engine_of(encoder)
    engine.encode(["kept"], keep=["kept"])[:] = 0
    assert np.array_equal(engine.encode(["kept"]), encoder.encode(["kept"]))


def test_equal_descriptions_share_one_load(lazy):
    same = LazyBigramEncoder(name=lazy.name)
    engine_of(lazy).encode(["a"])
    engine_of(same).encode(["b"])
    assert lazy.loads[lazy.name] == 1


def test_different_descriptions_load_apart():
    assert engine_of(BigramEncoder(8)) is not engine_of(BigramEncoder(16))


def test_rewards_that_were_unpickled_separately_share_one_load(lazy):
    content = pickle.dumps(SemanticSimilarityReward(lazy, threshold=0.5))
    for _ in range(2):
        pickle.loads(content)(completions=["a"], reference=["b"])
    assert lazy.loads[lazy.name] == 1


def test_encoders_that_cannot_be_hashed_have_an_engine_each():
    class Unhashable(BigramEncoder):
        __hash__ = None

    first, second = Unhashable(), Unhashable()
    assert engine_of(first) is engine_of(first)
    assert engine_of(first) is not engine_of(second)
    close_engine(first)
    close_engine(second)


def test_closing_frees_the_model():
    class Model:
        def encode(self, batch):
            return BigramEncoder().encode(batch)

    class Lazy(LazyBigramEncoder):
        def open_model(self):
            model = Model()
            alive.append(weakref.ref(model))
            return model.encode

    alive = []
    encoder = Lazy(name="freed")
    engine_of(encoder).encode(["a"])
    close_engine(encoder)
    gc.collect()
    assert alive[0]() is None


def test_a_closed_encoder_loads_anew(lazy):
    engine_of(lazy).encode(["a"])
    close_engine(lazy)
    engine_of(lazy).encode(["a"])
    assert lazy.loads[lazy.name] == 2


def test_closing_what_was_never_used_does_nothing(lazy):
    close_engine(lazy)
    assert lazy.loads[lazy.name] == 0


def test_a_failed_load_is_tried_again():
    attempts = []

    def open_model():
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("out of luck")
        return BigramEncoder().encode

    engine = Engine(open_model)
    with pytest.raises(OSError, match="out of luck"):
        engine.encode(["a"])
    assert engine.encode(["a"]).shape == (1, 64)


def test_the_cache_stays_within_its_budget_under_a_stream_of_texts():
    budget = 500_000
    engine = Engine(lambda: BigramEncoder(32).encode, batch_size=500, cache_bytes=budget)
    highest = 0
    for start in range(0, 20_000, 500):
        texts = [f"reference number {number}" for number in range(start, start + 500)]
        engine.encode(texts, keep=texts)
        highest = max(highest, engine._cache.used_bytes)
    assert budget * 0.9 < highest <= budget


def cached(cache, texts):
    """Those of the texts that are in a cache, without a look that makes them recent."""
    return [text for text in texts if text in cache._kept or text in cache._others]


def test_the_caches_count_of_bytes_is_true():
    cache = VectorCache(4_000)
    texts = [f"text {number}" for number in range(100)]
    cache.put({text: np.zeros(number, dtype=np.float32) for number, text in enumerate(texts)})
    found, _ = cache.get(texts)
    assert cache.used_bytes == sum(_size(text, vector) for text, vector in found.items())


def test_what_python_adds_to_a_string_later_does_not_change_its_size():
    text = "ཀ" * 1000
    size = _size(text, VECTOR)
    text.encode()
    assert _size(text, VECTOR) == size


@pytest.mark.parametrize("keep", [frozenset(), frozenset("abc")])
def test_the_least_recently_used_vector_makes_room(keep):
    cache = VectorCache(2 * _size("a", VECTOR))
    cache.put({"a": VECTOR, "b": VECTOR}, keep)
    cache.get(["a"])
    cache.put({"c": VECTOR}, keep)
    assert cached(cache, "abc") == ["a", "c"]


def test_a_vector_larger_than_the_cache_is_not_kept():
    cache = VectorCache(1_000)
    cache.put({"small": VECTOR, "large": np.zeros(4_000, dtype=np.float32)})
    assert cached(cache, ["small", "large"]) == ["small"]


def test_a_kept_vector_does_not_keep_its_batch_alive():
    cache = VectorCache(10_000)
    cache.put({"a": np.zeros((64, 4), dtype=np.float32)[0]})
    assert cache.get(["a"])[0]["a"].base is None


def test_a_vector_that_is_asked_to_be_kept_later_is_kept_from_then_on():
    cache = VectorCache(2 * _size("a", VECTOR))
    cache.put({"a": VECTOR})
    cache.get(["a"], keep=frozenset("a"))
    for text in "bcd":
        cache.put({text: VECTOR})
    assert "a" in cached(cache, "abcd")


def test_a_cache_of_no_bytes_keeps_nothing():
    engine = Engine(lambda: BigramEncoder().encode, cache_bytes=0)
    engine.encode(["a"], keep=["a"])
    assert cached(engine._cache, ["a"]) == []


def test_concurrent_threads_share_one_load(lazy):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: engine_of(lazy).encode([str(number)]), range(32)))
    assert lazy.loads[lazy.name] == 1


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.full((1, 4), np.nan), "norm nan"),
        (np.array([[np.inf, 0.0]]), "norm inf"),
        (np.zeros((1, 4)), "norm 0 "),
        (np.array([[2.0, 0.0]]), "norm 2 "),
        (np.array([[1.01, 0.0]]), r"norm 1\.01 "),
        (np.array([1.0, 0.0]), r"returned shape \(2,\) for 1 texts; expected \(1, D\)"),
        (np.array([[1.0, 0.0], [1.0, 0.0]]), r"shape \(2, 2\)"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.ones((1, 1, 1)), r"shape \(1, 1, 1\)"),
        (np.float32(1.0), r"shape \(\)"),
        (np.zeros((1, 0)), "norm 0 "),
        ([[1.0], [0.0, 1.0]], "returned list; expected an array"),
        (None, r"returned shape|returned None"),
        ("vectors", "returned str; expected an array"),
    ],
)
def test_what_is_no_unit_row_a_text_is_refused(vectors, message):
    encoder = FixedEncoder(vectors)
    with pytest.raises(EncoderError, match=message):
        engine_of(encoder).encode(["text"])
    close_engine(encoder)


@pytest.mark.parametrize("cache_bytes", [0, 2**20])
def test_vectors_of_another_width_than_before_are_refused(cache_bytes):
    encoder = FixedEncoder(np.array([[0.0, 1.0]]))
    engine = Engine(lambda: encoder.encode, cache_bytes=cache_bytes)
    engine.encode(["first"])
    encoder.vectors = np.array([[0.0, 0.0, 1.0]])
    with pytest.raises(EncoderError, match=r"FixedEncoder.encode returned shape \(1, 3\) .* \(1, 2\), .* one width"):
        engine.encode(["first", "second"][cache_bytes == 0 :])
    encoder.vectors = np.array([[1.0, 0.0]])
    assert engine.encode(["second"]).tolist() == [[1.0, 0.0]]


def test_a_bad_row_is_named_by_its_text():
    first, second = unit_rows(np.array([[1.0, 0.0], [0.0, 0.0]]), ["first", "second"], PlainModel(list, 1))
    assert first.tolist() == [1.0, 0.0]
    assert "norm 0 for 'second'" in str(second)


def test_rows_rounded_to_half_precision_pass():
    rows = BigramEncoder().encode(["a", "some longer text"]).astype(np.float16)
    assert all(row.dtype == np.float32 for row in unit_rows(rows, ["a", "some longer text"], PlainModel(list, 1)))


def test_vectors_that_are_no_array_but_convertible_pass():
    assert unit_rows([[1.0, 0.0]], ["a"], PlainModel(list, 1))[0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("texts", "message"), [("ab", "got 'ab'"), (["a", None], "None at row 1"), ([""], "row 0")])
def test_texts_that_are_no_list_of_texts_are_refused_and_harm_no_later_call(texts, message):
    engine = Engine(lambda: BigramEncoder().encode)
    with pytest.raises((ArgumentError, ArgumentTypeError), match=f"`texts` must be .*{message}"):
        engine.encode(texts)
    assert engine.encode(["a", "b"]).shape == (2, 64)


def test_texts_of_a_generator_are_not_lost():
    with pytest.raises(ArgumentTypeError, match="`texts` must be a list of strings, got .*put it into a list"):
        Engine(lambda: BigramEncoder().encode).encode(text for text in ["a", "b"])


@pytest.mark.parametrize("thing", [None, 3, object(), len, lambda texts: texts, BigramEncoder])
def test_what_is_no_encoder_is_refused(thing):
    with pytest.raises(ArgumentTypeError, match="`encoder` must"):
        as_encoder(thing)


def test_checking_an_encoder_does_not_read_its_fingerprint():
    class Large(BigramEncoder):
        @property
        def fingerprint(self):
            raise AssertionError("it may hash gigabytes")

    encoder = Large()
    assert as_encoder(encoder) is encoder


def test_an_encoder_may_reuse_its_array():
    class Reusing(BigramEncoder):
        buffer = np.zeros((64, 48), dtype=np.float32)

        def encode(self, texts, /):
            self.buffer[: len(texts)] = super().encode(texts)
            return self.buffer[: len(texts)]

    texts = [f"{number} texts" for number in range(100)]
    plain = BigramEncoder(48)
    assert np.array_equal(engine_of(Reusing(48)).encode(texts), plain.encode(texts))
