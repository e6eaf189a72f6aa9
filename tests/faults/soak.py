"""Races and exceptions at random, against the engine and the client of embedding servers.

    python tests/faults/soak.py --minutes 30 --seed 1

Callers are interrupted between any two bytecodes, models and servers fail, engines are closed while they work. Every
vector must be right, nobody may wait for ever, and threads and memory must return to where they were.
"""

import argparse
import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from doubles import BigramEncoder
from embedding_server import FAULTS, EmbeddingState, encoder_of
from loopback import serving
from semreward import SemanticSimilarityReward
from semreward.encoders import engine as engine_module
from semreward.encoders.engine import Engine
from semreward.errors import EncoderError, EncoderUnavailableError

TRUTH = BigramEncoder(16)
CALLERS = 8
HANG_S = 90.0  # a call that takes longer hangs: its limit is 2 s


class Interrupt(BaseException):
    """Raised in a caller from outside, as Ctrl-C is."""


EXPECTED = (Interrupt, EncoderError, EncoderUnavailableError, MemoryError, asyncio.CancelledError)


def interrupt(thread: threading.Thread) -> None:
    """Raise in another thread, between two of its bytecodes."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Interrupt))


def texts_of(rng: random.Random) -> list[str]:
    texts = [f"text {rng.randrange(3000)} {'x' * rng.randrange(9)}" for _ in range(rng.randint(1, 24))]
    return [*texts, "bad"] if rng.random() < 0.1 else texts


class Model:
    """A forward pass that is sometimes slow, and sometimes fails."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def __call__(self, batch: list[str]) -> np.ndarray:
        time.sleep(self.rng.choice([0, 0, 0, 0.001, 0.01]))
        if self.rng.random() < 0.02:
            raise self.rng.choice([MemoryError, EncoderUnavailableError])("at random")
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
        self.engine = Engine(lambda: Model(self.rng), batch_size=8, cache_bytes=100_000, timeout_s=5)
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
            if missing := set(texts) - set(vectors) - set(errors):
                self.wrong.append(f"neither vector nor error: {missing}")
        elif kind == "server":
            self.check(engine_module.engine_of(self.served).encode_each(texts)[0])
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
        with contextlib.suppress(Interrupt):
            while not self.ended:
                self.since[number] = time.monotonic()
                try:
                    self.call(rng)
                except EXPECTED as error:
                    self.counts[type(error).__name__] += 1

    def started(self, number: int) -> threading.Thread:
        thread = threading.Thread(target=self.caller, args=(number, self.rng.random()), daemon=True)
        self.since[number] = time.monotonic()
        thread.start()
        return thread

    def run(self, seconds: float) -> None:
        """Disturb the callers for a while, and wait for their end."""
        threads = [self.started(number) for number in range(CALLERS)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.rng.uniform(0, 0.02))
            number = self.rng.randrange(CALLERS)
            if threads[number].is_alive():
                interrupt(threads[number])
            else:  # interrupted between two calls
                threads[number] = self.started(number)
            if self.rng.random() < 0.01:
                self.engine.close()
            if self.rng.random() < 0.002:
                self.served.close()
            if (slowest := time.monotonic() - min(self.since)) > HANG_S:
                raise AssertionError(f"a call has not ended for {slowest:.0f} s")
        self.ended = True
        for thread in threads:
            thread.join(HANG_S)
            if thread.is_alive():
                raise AssertionError("a call has not ended")
        self.engine.close()
        self.served.close()


def resident_mb() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def soak(seconds: float, seed: int) -> Counter[str]:
    """Run; raises `AssertionError` for a call that hangs, a wrong vector, or threads that stay."""
    before = set(threading.enumerate())
    state = Server(encoder=TRUTH, faults=FAULTS, fault_share=0.05, hang_s=0.8)
    with serving(state):
        found = Soak(seed, state)
        found.run(seconds)
    engine_module.close_engine(TRUTH)
    if found.wrong:
        raise AssertionError(f"wrong: {found.wrong[:5]}")
    for thread in set(threading.enumerate()) - before:
        if thread.name == "semreward-encoder":
            thread.join(HANG_S)
            assert not thread.is_alive()
    return found.counts


def main() -> None:
    sys.unraisablehook = lambda _: None  # event loops that are interrupted while they are made
    logging.disable()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    end, turn, memory = time.monotonic() + 60 * arguments.minutes, 0, []
    while turn == 0 or time.monotonic() < end:
        counts = soak(min(30.0, 60 * arguments.minutes), arguments.seed + turn)
        memory.append(resident_mb())
        turn += 1
        threads = threading.active_count()
        print(f"turn {turn}: {memory[-1]:.0f} MB, {threads} threads, {dict(counts)}", flush=True)  # noqa: T201
    if len(memory) > 4:  # the first ones fill pools and caches
        assert memory[-1] - memory[3] < 30, memory


if __name__ == "__main__":
    main()
