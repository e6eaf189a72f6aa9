"""Races and exceptions at random, against the engine and the client of embedding servers.

    python tests/faults/soak.py --minutes 30 --seed 1

Callers are interrupted between any two bytecodes, models and servers fail, engines are closed while they work. Every
vector must be right, nobody may wait for ever, and threads and memory must return to where they were.
"""

import argparse
import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import json
import logging
import os
import random
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from doubles import BigramEncoder
from embedding_server import FAULTS, EmbeddingState, encoder_of
from loopback import serving
from semreward import SemanticSimilarityReward
from semreward.encoders.engine import Engine, close_engine, engine_of
from semreward.errors import EncoderError, EncoderUnavailableError

TRUTH = BigramEncoder(16)
STARTING = threading.RLock()
CALLERS = 8
HANG_S = 90.0  # a call that takes longer hangs: its limit is 2 s


Interrupt = type("Interrupt", (BaseException,), {})  # raised in a caller from outside, as Ctrl-C is
EXPECTED = (Interrupt, EncoderError, EncoderUnavailableError, MemoryError, ValueError, asyncio.CancelledError)


def texts_of(rng: random.Random) -> list[str]:
    texts = [f"text {rng.randrange(3000)} {'x' * rng.randrange(9)}" for _ in range(rng.randint(1, 24))]
    return [*texts, "bad"] if rng.random() < 0.1 else texts


def forward(batch: list[str]) -> np.ndarray:
    """A forward pass that is sometimes slow, and sometimes fails."""
    time.sleep(random.choice([0, 0, 0, 0.001, 0.01]))
    if random.random() < 0.02:
        raise random.choice([MemoryError, EncoderUnavailableError])("at random")
    if "bad" in batch:
        raise ValueError("a bad text")
    return TRUTH.encode(batch)


class Server(EmbeddingState):
    """A server that hangs, dies in the middle of an answer, or refuses a text."""

    def answer(self, number, request):
        if self.random.random() < 0.02:
            return 200, {"Connection": "close"}, json.dumps({"data": []}).encode()[:3]
        if "bad" in request.body["input"]:
            return 400, {}, b"no"
        return super().answer(number, request)


class Soak:
    """The callers, those who disturb them, and what was found."""

    def __init__(self, seed: int, server: Server) -> None:
        self.rng = random.Random(seed)
        self.engine = Engine(lambda: forward, batch_size=8, cache_bytes=100_000, timeout_s=5)
        self.served = encoder_of(server, timeout_s=2, texts_per_request=8, cache_bytes=100_000)
        self.reward = SemanticSimilarityReward(TRUTH, threshold=0.1)
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.ended = False
        self.since = [time.monotonic()] * CALLERS

    def check(self, vectors: dict[str, np.ndarray]) -> None:
        for text, vector in vectors.items():
            if not np.allclose(vector, TRUTH.encode([text])[0], atol=1e-5):
                self.wrong.append(text)

    def call(self, rng: random.Random) -> None:
        """One call of a random kind."""
        texts, kind = texts_of(rng), rng.choice(["engine", "engine", "each", "server", "reward", "async"])
        self.counts[kind] += 1
        if kind == "engine":
            self.check(dict(zip(texts, self.engine.encode(texts, keep=texts[:2]), strict=True)))
        elif kind == "each":
            vectors, errors = self.engine.encode_each(texts)
            self.check(vectors)
            self.wrong += set(texts) - set(vectors) - set(errors)
        elif kind == "server":
            self.check(engine_of(self.served).encode_each(texts)[0])
        elif kind == "reward":
            if not np.allclose(self.reward(completions=texts, reference=texts), 1.0):
                self.wrong.append("a reward")
        else:
            asyncio.run(self.cancelled(texts, rng))

    async def cancelled(self, texts: list[str], rng: random.Random) -> None:
        task = asyncio.ensure_future(self.reward.as_async()(completions=texts, reference=texts))
        await asyncio.sleep(rng.choice([0, 0.001, 0.01]))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def caller(self, number: int, seed: float) -> None:
        rng = random.Random(seed)
        while not self.ended:
            with contextlib.suppress(Interrupt):
                self.since[number] = time.monotonic()
                try:
                    self.call(rng)
                except EXPECTED as error:
                    self.counts[type(error).__name__] += 1

    def run(self, seconds: float) -> None:
        """Disturb the callers for a while, and wait for their end."""
        seeds = [(number, self.rng.random()) for number in range(CALLERS)]
        threads = [threading.Thread(target=self.caller, args=seed, daemon=True) for seed in seeds]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.rng.uniform(0, 0.02))
            thread = self.rng.choice(threads)
            with STARTING:  # before Python 3.12, a thread that the caller starts would be hit in its place
                name = ctypes.c_ulong(thread.ident or 0)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(name, ctypes.py_object(Interrupt))
            if self.rng.random() < 0.01:
                self.engine.close()
            if self.rng.random() < 0.002:
                self.served.close()
            assert time.monotonic() - min(self.since) < HANG_S, "a call does not end"
        self.ended = True
        for thread in threads:
            thread.join(HANG_S)
            assert not thread.is_alive(), "a call does not end"
        self.engine.close()
        self.served.close()


def soak(seconds: float, seed: int) -> Counter[str]:
    """Run; raises `AssertionError` for a call that hangs, a wrong vector, or threads that stay."""
    before, start = set(threading.enumerate()), threading.Thread.start

    def started(thread: threading.Thread) -> None:
        with STARTING:
            start(thread)

    state = Server(encoder=TRUTH, faults=FAULTS, fault_share=0.05, hang_s=0.8)
    with serving(state):
        found = Soak(seed, state)
        with mock.patch.object(threading.Thread, "start", started):
            found.run(seconds)
    close_engine(TRUTH)
    assert not found.wrong, found.wrong[:5]
    for thread in set(threading.enumerate()) - before:
        if thread.name == "semreward-encoder" and thread.is_alive():
            thread.join(HANG_S)
            assert not thread.is_alive()
    return found.counts


def main() -> None:
    sys.unraisablehook = lambda _: None  # event loops that are interrupted while they are made
    warnings.simplefilter("ignore", RuntimeWarning)  # and their coroutines
    logging.disable()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    end, turn, memory = time.monotonic() + 60 * arguments.minutes, 0, []
    while turn == 0 or time.monotonic() < end:
        faulthandler.dump_traceback_later(10 * HANG_S, exit=True)
        counts = soak(min(30.0, 60 * arguments.minutes), arguments.seed + turn)
        gc.collect()
        memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
        turn += 1
        state = f"{memory[-1]:.0f} MB, {threading.active_count()} threads"
        print(f"turn {turn}: {state}, {dict(counts)}", flush=True)  # noqa: T201
    if len(memory) > 4:  # the first ones fill pools and caches
        assert memory[-1] < 1.5 * memory[3], memory


if __name__ == "__main__":
    main()
