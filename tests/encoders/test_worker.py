"""The engine under many callers: gathering, isolation of errors, threads and processes that come and go."""

import gc
import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from doubles import BigramEncoder, LazyBigramEncoder
from semreward import SemanticSimilarityReward, SentenceTransformerEncoder
from semreward.encoders import engine as engine_module
from semreward.encoders.engine import Engine, close_engine, engine_of
from semreward.encoders.vectors import ahead
from semreward.errors import EncoderError, EncoderUnavailableError

ENCODER = BigramEncoder()


class Recorder:
    """A forward pass that takes a while, and remembers its batches and threads."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.batches = []
        self.threads = set()

    def __call__(self, batch):
        self.batches.append(batch)
        self.threads.add(threading.current_thread())
        time.sleep(self.seconds)
        if "bad" in batch:
            raise ValueError("a bad text")
        rows = ENCODER.encode(batch)
        rows[[text == "broken" for text in batch]] = np.nan
        return rows


def together(count, call):
    """The results, or the exceptions, of `call(0)` ... `call(count - 1)`, each in a thread of its own, at once."""
    start = threading.Barrier(count)

    def run(number):
        start.wait()
        try:
            return call(number)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def while_busy(recorder, engine, calls):
    """The outcomes of calls that came in while a forward pass ran, and are therefore gathered."""
    busy = threading.Thread(target=engine.encode, args=(["first"],))
    busy.start()
    while not recorder.batches:
        time.sleep(0.001)
    outcomes = together(len(calls), lambda number: engine.encode(calls[number]))
    busy.join()
    return outcomes


def test_callers_with_one_text_each_share_forward_passes():
    recorder = Recorder(0.05)
    engine = Engine(lambda: recorder)
    results = together(64, lambda number: engine.encode([f"text {number}"]))
    assert all(np.array_equal(row, ENCODER.encode([f"text {number}"])) for number, row in enumerate(results))
    assert len(recorder.batches) <= 16


def test_callers_that_come_again_and_again_share_forward_passes(monkeypatch):
    monkeypatch.setattr(engine_module, "_GATHER_S", 0.2)
    recorder = Recorder(0.002)
    engine = Engine(lambda: recorder)
    together(16, lambda number: [engine.encode([f"text {number} {turn}"]) for turn in range(10)])
    assert len(recorder.batches) <= 80


def test_a_caller_who_stays_alone_waits_twice_at_most(monkeypatch):
    monkeypatch.setattr(engine_module, "_GATHER_S", 0.5)
    waits, take = [], engine_module.Worker._take

    def noted(self, calls, timeout_s):
        waits.append(timeout_s)
        return take(self, calls, timeout_s)

    engine = Engine(lambda: Recorder(0.01))
    together(8, lambda number: engine.encode([f"text {number}"]))
    monkeypatch.setattr(engine_module.Worker, "_take", noted)
    for turn in range(10):
        engine.encode([f"alone {turn}"])
    assert sum(bool(timeout_s) for timeout_s in waits) <= 2


def test_a_text_that_is_on_its_way_is_not_encoded_twice():
    recorder = Recorder(0.2)
    engine = Engine(lambda: recorder, cache_bytes=0)
    while_busy(recorder, engine, [["same", f"other {number}"] for number in range(8)])
    assert [text for batch in recorder.batches for text in batch].count("same") <= 2


def test_callers_of_one_text_get_bit_identical_vectors():
    rng = np.random.default_rng(0)
    recorder = Recorder(0.01)

    def noisy(batch):  # never the same vector twice
        recorder(batch)
        rows = rng.normal(size=(len(batch), 8))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    engine = Engine(lambda: noisy)
    results = together(16, lambda number: engine.encode([f"own {number}", "same"])[1])
    assert all(np.array_equal(row, results[0]) for row in results)
    assert np.array_equal(engine.encode(["same"])[0], results[0])


def test_the_rest_of_a_failed_call_is_encoded_and_kept():
    recorder = Recorder()
    engine = Engine(lambda: recorder)
    with pytest.raises(EncoderError, match="failed at 'bad'"):
        engine.encode(["longer than bad", "bad", "b", "c"])
    done = len(recorder.batches)
    assert engine.encode(["longer than bad", "b", "c"]).shape == (3, 64)
    assert len(recorder.batches) == done


def test_a_model_that_exits_stops_its_caller_not_its_worker():
    def forward(batch):
        if batch == ["exit"]:
            raise SystemExit("out")
        return ENCODER.encode(batch)

    engine = Engine(lambda: forward)
    with pytest.raises(SystemExit):
        engine.encode(["exit"])
    assert engine.encode(["a"]).shape == (1, 64)


def test_a_batch_of_several_callers_that_fails_is_split_until_the_bad_text_stands_alone():
    recorder = Recorder(0.05)
    engine = Engine(lambda: recorder)
    outcomes = while_busy(recorder, engine, [["good"], ["bad"], ["better"], ["bad", "fine"], ["broken"]])
    assert [type(outcome) for outcome in outcomes] == [np.ndarray, EncoderError, np.ndarray, EncoderError, EncoderError]


def test_an_outage_is_not_split():
    recorder = Recorder(0.05)

    def away(batch):
        recorder(batch)
        if batch != ["first"]:
            raise EncoderUnavailableError("nobody there")
        return ENCODER.encode(batch)

    engine = Engine(lambda: away)
    outcomes = while_busy(recorder, engine, [["a"], ["b"], ["c"]])
    assert [type(outcome) for outcome in outcomes] == [EncoderUnavailableError] * 3
    assert len(recorder.batches) <= 4


class Interrupted:
    """What a caller waits for, interrupted as by Ctrl-C."""

    def acquire(self, timeout=None):
        if timeout is not None:
            raise KeyboardInterrupt

    def release(self):
        """As a lock."""


def test_an_interrupted_caller_leaves_the_others_alone(monkeypatch):
    recorder = Recorder(0.1)
    engine = Engine(lambda: recorder, batch_size=1)
    engine.encode(["before"])
    with monkeypatch.context() as patch:
        patch.setattr(engine_module.threading, "Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.encode(["in its forward pass", "interrupted"])
    assert engine.encode(["other", "in its forward pass"]).shape == (2, 64)
    assert ["interrupted"] not in recorder.batches


@pytest.mark.parametrize("place", ["_take", "_round", "_serve", "_forward"])
def test_a_worker_that_dies_or_fails_anywhere_leaves_nobody_waiting(monkeypatch, place):
    monkeypatch.setattr(engine_module, "_CHECK_S", 0.01)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    engine = Engine(Recorder)
    engine.encode(["before"])
    failures = iter([MemoryError("once")])
    whole = getattr(engine_module.Worker, place)

    def failing(self, *arguments):
        for failure in failures:
            raise failure
        return whole(self, *arguments)

    monkeypatch.setattr(engine_module.Worker, place, failing)
    outcomes = together(4, lambda number: engine.encode([f"text {number}", "shared"]))
    failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert all(isinstance(error, MemoryError) or "worker thread died" in str(error) for error in failed)
    assert engine.encode([f"text {number}" for number in range(4)]).shape == (4, 64)


def test_a_model_that_leaves_a_text_out_is_an_error():
    class Forgetful(engine_module.PreparingModel):
        def prepared(self, texts):
            yield texts[:-1], texts[:-1]

        def forward(self, inputs):
            return ENCODER.encode(inputs)

    with pytest.raises(EncoderError, match="no vector for this text"):
        Engine(Forgetful).encode(["a", "b"])


def test_nobody_waits_for_an_interpreter_that_shuts_down(monkeypatch):
    engine = Engine(Recorder)
    engine.encode(["before"])
    monkeypatch.setattr(engine_module.sys, "is_finalizing", lambda: True)
    with pytest.raises(EncoderError, match="shutting down"):
        engine.encode(["after"])


def test_an_encoder_that_encodes_with_itself_is_told():
    class Circular(BigramEncoder):
        def encode(self, texts, /):
            return engine_of(self).encode(texts)

    encoder = Circular()
    with pytest.raises(EncoderError, match="must not encode with itself"):
        engine_of(encoder).encode(["a"])
    close_engine(encoder)


def test_a_small_call_does_not_wait_for_a_large_one(monkeypatch):
    monkeypatch.setattr(engine_module, "_ROUND_TEXTS", 8)
    recorder = Recorder(0.002)
    engine = Engine(lambda: recorder, batch_size=4)
    large = threading.Thread(target=engine.encode, args=([f"large {number}" for number in range(800)],))
    large.start()
    engine.encode(["small"])
    running = large.is_alive()
    large.join()
    assert running


def test_rows_stay_in_order_under_concurrency():
    engine = Engine(lambda: Recorder(0.001), batch_size=8)
    texts = [[f"{'x' * (number * place % 17)} {number} {place}" for place in range(20)] for number in range(16)]
    results = together(16, lambda number: engine.encode(texts[number]))
    assert all(np.array_equal(rows, ENCODER.encode(asked)) for rows, asked in zip(results, texts, strict=True))


def test_forward_passes_run_in_one_daemon_thread():
    recorder = Recorder(0.001)
    engine = Engine(lambda: recorder)
    together(8, lambda number: engine.encode([f"text {number}"]))
    assert [thread.daemon for thread in recorder.threads] == [True]
    assert threading.current_thread() not in recorder.threads


def test_a_closed_engine_works_again_and_vanishes_again():
    recorder = Recorder()
    engine = Engine(lambda: recorder)
    engine.close()
    assert engine.encode(["a"]).shape == (1, 64)
    engine.close()
    assert not any(thread.is_alive() for thread in recorder.threads)


def test_closing_from_the_model_does_not_wait_for_itself():
    def forward(batch):
        engine.close()
        return ENCODER.encode(batch)

    engine = Engine(lambda: forward)
    assert engine.encode(["a"]).shape == (1, 64)


def test_calls_survive_an_encoder_that_is_closed_all_the_time():
    engine = Engine(lambda: Recorder(0.001), batch_size=4)
    ended = threading.Event()

    def close_often():
        while not ended.is_set():
            engine.close()

    closing = threading.Thread(target=close_often)
    closing.start()
    outcomes = together(
        4, lambda number: [engine.encode([f"{number} {turn} {i}" for i in range(9)]) for turn in range(9)]
    )
    ended.set()
    closing.join()
    assert all(isinstance(outcome, list) for outcome in outcomes)


def test_the_worker_of_a_dropped_engine_ends():
    recorder = Recorder()
    Engine(lambda: recorder).encode(["a"])
    gc.collect()
    for thread in recorder.threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in recorder.threads)


def test_a_worker_at_rest_keeps_nothing_of_its_calls():
    engine = Engine(Recorder)
    engine.encode(["a", "b"])
    with pytest.raises(EncoderError, match="a bad text"):
        engine.encode(["bad"])
    deadline = time.monotonic() + 60
    while kept := [thing for thing in gc.get_objects() if type(thing) is engine_module.Call]:
        if time.monotonic() > deadline:
            break
        del kept
        gc.collect()
    assert not kept


def test_a_model_is_loaded_in_its_callers_thread():
    threads = []

    def open_model():
        threads.append(threading.current_thread())
        return ENCODER.encode

    Engine(open_model).encode(["a"])
    assert threads == [threading.current_thread()]


def test_a_worker_works_on_its_callers_gpu(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", lambda gpu: chosen.append((gpu, threading.current_thread().name)))
    Engine(Recorder).encode(["a"])
    assert chosen == [(3, "semreward-encoder")]


def in_child(function):
    """Whether a function returned True in a forked child; one that hangs is ended after a minute."""
    if (child := os.fork()) == 0:
        os._exit(0 if function() else 1)
    deadline = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    return ended == (child, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_encodes_although_its_parent_was_busy_and_held_all_locks():
    encoder, recorder = LazyBigramEncoder(name="forked"), Recorder(0.3)
    engine, held, release = engine_of(encoder), threading.Event(), threading.Event()

    def hold():
        with engine_module._table_lock, engine._lock, engine._cache._lock:
            held.set()
            release.wait(120)

    engine._open_model = lambda: recorder
    threads = [threading.Thread(target=engine.encode, args=(["slow"],)), threading.Thread(target=hold)]
    threads[0].start()
    while not recorder.batches:
        time.sleep(0.001)
    threads[1].start()
    held.wait(10)
    of_the_table = in_child(lambda: np.array_equal(engine_of(encoder).encode(["b"]), ENCODER.encode(["b"])))
    of_its_parent = in_child(lambda: np.array_equal(engine.encode(["b"]), ENCODER.encode(["b"])))
    release.set()
    for thread in threads:
        thread.join()
    close_engine(encoder)
    assert (of_the_table, of_its_parent) == (True, True)


def score(reward):
    return reward(completions=["one", "two"], reference=["one", "three"])


def test_a_spawned_child_computes_the_same_rewards():
    reward = SemanticSimilarityReward(LazyBigramEncoder(name="spawned"), threshold=0.1)
    expected = score(reward)  # the parent's engine runs while its child starts
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(reward, kwds={"completions": ["one", "two"], "reference": ["one", "three"]}) == expected
    close_engine(reward.encoder)


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_a_long_stream_of_texts_stays_within_the_caches_memory():
    budget = 16 * 2**20
    row = np.zeros(128, dtype=np.float32)
    row[0] = 1.0
    engine = Engine(lambda: lambda batch: np.tile(row, (len(batch), 1)), batch_size=1024, cache_bytes=budget)
    engine.encode(["first"])
    before = resident_bytes()
    for start in range(0, 100_000, 2_000):
        texts = [f"a completion with the number {number}" for number in range(start, start + 2_000)]
        engine.encode(texts, keep=texts[::8])
    assert engine._cache.used_bytes > 0.9 * budget
    assert resident_bytes() - before < budget + 50 * 10**6


def test_batches_are_made_ready_while_one_is_worked_on():
    made = []

    def batches():
        for number in range(4):
            made.append(number)
            yield [str(number)], number

    consumer = ahead(batches(), 4)
    next(consumer)
    deadline = time.monotonic() + 60
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(made) >= 3
    assert [inputs for _, inputs in consumer] == [1, 2, 3]


def test_a_single_batch_needs_no_helper():
    threads = []

    def batches():
        threads.append(threading.current_thread())
        yield ["a", "b"], None

    assert list(ahead(batches(), 2)) == [(["a", "b"], None)]
    assert threads == [threading.current_thread()]


def test_a_helper_raises_in_its_consumer_and_ends_with_it():
    def batches():
        yield ["a"], 0
        raise ValueError("no more")

    before = threading.active_count()
    with pytest.raises(ValueError, match="no more"):
        list(ahead(batches(), 2))
    consumer = ahead(((([str(number)], number) for number in range(100))), 100)
    next(consumer)
    consumer.close()
    assert threading.active_count() == before


def test_many_threads_share_a_real_tokenizer(encoder_folder, captions):
    encoder = SentenceTransformerEncoder(str(encoder_folder), device="cpu", cache_bytes=20_000)
    texts = [text for pair in captions for text in pair]
    expected = dict(zip(texts, encoder.encode(texts), strict=True))
    encoder.close()

    def call_often(number):
        rng = np.random.default_rng(number)
        for _ in range(25):
            asked = [texts[place] for place in rng.integers(len(texts), size=3)]
            assert encoder.encode(asked) == pytest.approx(np.stack([expected[text] for text in asked]), abs=1e-5)

    outcomes = together(16, call_often)
    encoder.close()
    assert outcomes == [None] * 16
