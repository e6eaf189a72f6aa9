"""Rewards that break the contract in what they do: in threads, processes and event loops, in logs, by exceptions."""

import asyncio
import importlib
import itertools
import logging
import math
import os
import random
import signal
import tempfile
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from conformance.broken import Sound, SoundAsync, overlap

# ---- threads, processes, event loops


class RunsALoop(Sound):
    def finish(self, values):
        coroutine = asyncio.sleep(0, values)
        try:
            return asyncio.run(coroutine)
        finally:
            coroutine.close()  # where it could not be run


class RemembersCalls(Sound):
    def __init__(self):
        self.seen = set()

    def finish(self, values):
        self.seen.update(values)
        return values


class KeepsTheCall(Sound):
    def __getstate__(self):
        return {}

    def answers(self, completions):
        self.current = super().answers(completions)
        time.sleep(0.002)
        return self.current


class KeepsTheCallInItsThread(SoundAsync):
    current = threading.local()

    async def __call__(self, **arguments):
        self.current.values = Sound.__call__(self, **arguments)
        await asyncio.sleep(0.002)
        return self.current.values


class HoldsALock(Sound):
    def __init__(self):
        self.lock = threading.Lock()


class ForgetsItsScale(Sound):
    def __init__(self, scale=1.0):
        self.scale = scale

    def __reduce__(self):
        return type(self), ()

    def value(self, answer, reference):
        return self.scale * overlap(answer, reference)


class ForgetsItsName(Sound):
    def __init__(self, name="unnamed"):
        self.name = name

    def __reduce__(self):
        return type(self), ()


class BoundToItsProcess(Sound):
    def __init__(self):
        self.process = os.getpid()

    def value(self, answer, reference):
        if os.getpid() != self.process:
            raise RuntimeError("the connection belongs to another process")
        return overlap(answer, reference)


class NamedAfterItsProcess(BoundToItsProcess):
    @property
    def __name__(self):
        return "parent" if os.getpid() == self.process else "child"

    def value(self, answer, reference):
        return overlap(answer, reference)


class NeedsAGpu(Sound):
    def finish(self, values):
        if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            raise RuntimeError("No CUDA GPUs are available")
        return values


class BeginsInTheMainThread(Sound):
    begun = False

    def finish(self, values):
        if not self.begun:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # only the main thread may do this
            type(self).begun = True
        return values


class LoadsWithoutALock(Sound):
    model = None

    def finish(self, values):
        if self.model is None:
            type(self).model = []
            time.sleep(0.2)
            self.model.append(overlap)
        return [value + 0 * len(self.model[0].__name__) for value in values]


class ForgetsValuesInThreads(BoundToItsProcess):
    def value(self, answer, reference):
        elsewhere = os.getpid() != self.process and threading.current_thread() is not threading.main_thread()
        return 0.0 if elsewhere else overlap(answer, reference)


class CarriesWeights(Sound):
    def __init__(self):
        self.weights = bytes(2**21)


class LoadsWeightsIntoItself(Sound):
    weights = b""

    def finish(self, values):
        self.weights = bytes(2**21)
        return values


KEY = "a-key-that-nobody-may-see"


class CarriesAKey(Sound):
    def __init__(self, key=KEY):
        self.key = key


class ShowsAKey(Sound):
    def __repr__(self):
        return f"ShowsAKey({KEY!r})"


class SignsWithAKey(Sound):
    def signature(self):
        return f"sound with {KEY}"


class SignedWithAddress(Sound):
    def signature(self):
        return f"sound@{id(self)}"


class SignedWithCounter(Sound):
    calls = itertools.count()

    def signature(self):
        return f"sound, asked {next(self.calls)} times"


class CannotSign(Sound):
    def signature(self):
        raise ConnectionError("no server")


@dataclass(frozen=True)
class Weighted(Sound):
    weight: float = 1.0
    lower: bool = False
    note: str = field(default="", compare=False)

    def value(self, answer, reference):
        return self.weight * overlap(answer, reference)

    def signature(self):
        return f"Weighted(weight={self.weight}, lower={self.lower})"


@dataclass(frozen=True)
class ForgetsAParameter(Weighted):
    def signature(self):
        return f"Weighted(weight={self.weight})"


class SignedWithNumber(Sound):
    def signature(self):
        return 7


# ---- what a process shares


def _torch(name, *values):  # not imported above: processes start sooner
    getattr(importlib.import_module("torch"), name)(*values)


MEDDLING = {
    "random": lambda: random.seed(7),
    "numpy": lambda: np.random.seed(7),  # noqa: NPY002 - the generator that all share
    "torch": lambda: _torch("manual_seed", 7),
    "gradients off": lambda: _torch("set_grad_enabled", False),
    "gradients on": lambda: _torch("set_grad_enabled", True),
    "half precision": lambda: _torch("set_default_dtype", importlib.import_module("torch").float16),
    "one thread": lambda: _torch("set_num_threads", 1),
    "environment": lambda: os.environ.update(CONFORMANCE_VARIABLE="1"),
    "numpy errors": lambda: np.seterr(all="ignore"),
    "one numpy error": lambda: np.seterr(invalid="ignore"),
    "logging": lambda: logging.disable(logging.WARNING),
    "folder": lambda: os.chdir(tempfile.gettempdir()),
}


class Meddles(Sound):
    """Changes one thing that all code of a process shares."""

    def __init__(self, what):
        self.what = what

    def finish(self, values):
        MEDDLING[self.what]()
        return values


# ---- logging


class LogsForeignColumn(Sound):
    def log_columns(self, log_extra, values):
        log_extra("value", values)


class LogsShortColumn(Sound):
    def log_columns(self, log_extra, values):
        log_extra("sound/highest", [max(values)])


class LogsTwice(Sound):
    def log_columns(self, log_extra, values):
        for _ in range(2):
            log_extra("sound/value", values)


class LogsSometimes(Sound):
    def log_columns(self, log_extra, values):
        if 1.0 in values:
            log_extra("sound/perfect", values)


class LogsForeignMetric(Sound):
    def log_metrics(self, log_metric, values):
        log_metric("highest", max(values))


class LogsNaN(Sound):
    def log_metrics(self, log_metric, values):
        log_metric("sound/spread", math.nan)


class Wrapper(Sound):
    name = "wrapper"

    def __init__(self, reward):
        self.reward = reward

    def __call__(self, **arguments):
        return self.reward(**arguments)


# ---- exceptions


class Ends(Sound):
    """Raises what ends a process."""

    def __init__(self, error):
        self.error = error

    def finish(self, values):
        raise self.error


class EndsForBlank(Ends):
    def value(self, answer, reference):
        if not answer:
            raise self.error
        return overlap(answer, reference)

    def finish(self, values):
        return values


class EndsOtherProcesses(BoundToItsProcess):
    def value(self, answer, reference):
        if os.getpid() != self.process:
            raise SystemExit(0)
        return overlap(answer, reference)


class AlwaysRaises(Sound):
    def finish(self, values):
        raise ZeroDivisionError("division by zero")
