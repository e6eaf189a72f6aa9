"""The whole recipe at Qwen3-4B's size on a CPU: seconds and memory per stage, killed in the middle of GRPO and resumed.

Weights are random, so the scores mean nothing. Shapes, tokens and code paths are those of a real run:

* a policy of Qwen3-4B's shape in bfloat16, with Qwen's vocabulary out of the PyPI wheel `dashscope`;
* Tibetan-Chinese pairs (`$SEMREWARD_DATA/bo_zh`), and a small XLM-R that is adapted on them;
* `examples/grpo_tibetan.py` with `paper_mt.yaml`, but few rows, steps and tokens. SIGKILL ends it after GRPO's first
  checkpoint. Started again, it must go on from there.

    SEMREWARD_DATA=path/of/data python benchmarks/full_size.py --tiny     # 2 layers of width 64: two minutes
    SEMREWARD_DATA=path/of/data python benchmarks/full_size.py            # 8 GB of weights, some 15 GB of disk

Needs Linux and the extras `train` and `eval`. All other options, such as `--max_steps 3`, go to `grpo_tibetan.py` and
win over `OPTIONS` below. Memory is the run's resident memory, looked at every 50 ms; pages of a mapped weight file are
resident, but not anonymous. Seed 0. Prints a table and writes `full-size.json` to `--work` (default `runs/full-size`).
"""

import argparse
import base64
import gzip
import json
import os
import random
import re
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import normalizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from transformers.convert_slow_tokenizer import TikTokenConverter

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from miniature.models import CHAT_TEMPLATE, POLICY_TOKENS, EncoderShape, write_encoder
from tibetan.arguments import DataArguments, parse
from tibetan.plan import QWEN3_4B
from tibetan.results import provenance
from tibetan.stages import Stages

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
OPTIONS = """
--config {examples}/configs/paper_mt.yaml --output_dir {work}/run --seed 0 --use_cpu true --save_steps 1
--model_name_or_path {work}/policy --train_data {work}/train.tsv --test_data {work}/test.tsv
--encoder {work}/encoder --encoder_pairs {work}/train.tsv --encoder_max_tokens 128
--cold_start_size 4 --cold_start_epochs 1 --sft_batch_size 2 --sft_accumulation_steps 1 --strong_sft false
--calibration_size 2 --rl_size 8 --max_steps 2 --num_generations 4 --per_device_train_batch_size 4
--gradient_accumulation_steps 1 --max_completion_length 32 --test_size 4 --generation_batch 8
"""
"""The run: two optimiser steps of the cold start; two of GRPO, each of one prompt with four samples."""

TINY = {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2, "layer_types": None}
TINY |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
TRAIN_ROWS, TEST_ROWS, COUNTED_ROWS = 400, 50, 5000
QWEN_TOKENS = 151_643  # without special tokens
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TIBETAN_SYLLABLE = re.compile("[\u0f40-\u0fbc]+")


class QwenConverter(TikTokenConverter):
    """Makes a fast tokenizer of ranked tokens; reads the file without the library tiktoken."""

    @staticmethod
    def load_tiktoken_bpe(tiktoken_url: str) -> dict[bytes, int]:
        """Tokens and their ranks: on each line a token in base64 and a number."""
        lines = (line.split() for line in Path(tiktoken_url).read_bytes().splitlines())
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        if len(ranks) != QWEN_TOKENS:
            raise SystemExit(f"{tiktoken_url} must hold Qwen's {QWEN_TOKENS:,} tokens, got {len(ranks):,}")
        return ranks


def download_vocabulary(folder: Path) -> None:
    """Fetch `qwen.tiktoken` from PyPI."""
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "dashscope")
    subprocess.run(pip, check=True)  # noqa: S603 - pip, with fixed arguments
    with zipfile.ZipFile(next(folder.glob("dashscope-*.whl"))) as wheel:
        (folder / "qwen.tiktoken").write_bytes(wheel.read("dashscope/resources/qwen.tiktoken"))


def write_policy(folder: Path, *, vocabulary: Path, shape: Qwen3Config) -> None:
    """Write a policy with random weights in bfloat16, and Qwen's tokenizer."""
    converter = QwenConverter(str(vocabulary), QWEN_SPLIT, extra_special_tokens=POLICY_TOKENS)  # type: ignore[no-untyped-call]
    fast = converter.converted()
    fast.normalizer = normalizers.NFC()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # transformers leaves it unannotated
        tokenizer_object=fast,
        eos_token="<|im_end|>",  # noqa: S106 - a token of text, no secret
        pad_token="<|endoftext|>",  # noqa: S106
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(folder)
    shape.eos_token_id, shape.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    Qwen3ForCausalLM(shape).save_pretrained(folder)
    torch.set_default_dtype(torch.float32)


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Tibetan and Chinese sentences, shuffled."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        pairs = [(left, right) for left, right in (line.rstrip("\n").split("\t") for line in file)]
    random.Random(0).shuffle(pairs)  # noqa: S311 - the order of rows, no cryptography
    return pairs


def write_pairs(path: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Write TSV with a header; TSV has no quoting."""
    path.write_text("".join(f"{left}\t{right}\n" for left, right in [("bo", "zh"), *pairs]), encoding="utf-8")


def count_tokens(policy: Path, texts: Sequence[str], data: DataArguments) -> dict[str, float]:
    """What Tibetan sentences cost in the policy's tokens."""
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(policy)
    tokens = sum(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
    turns = [[{"role": "user", "content": data.prompt.format(source=text)}] for text in texts]
    prompts = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    too_long = sum(len(prompt) > data.max_prompt_tokens for prompt in prompts)
    return {
        "sentences": len(texts),
        "tokens per Tibetan syllable": tokens / sum(len(TIBETAN_SYLLABLE.findall(text)) for text in texts),
        "mean tokens per Tibetan sentence": tokens / len(texts),
        f"share of prompts above {data.max_prompt_tokens} tokens": too_long / len(texts),
    }


def run_recipe(options: Sequence[str], *, kill_at: Path | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """Run `grpo_tibetan.py`; kill it once the file `kill_at` is whole. Returns its stages and the lines it printed."""
    command = (sys.executable, str(EXAMPLES / "grpo_tibetan.py"), *options)
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
    stages: list[dict[str, Any]] = [{"stage": "(imports)"}]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 - ours
        threading.Thread(target=watch, args=(process, stages, kill_at), daemon=True).start()
        begun = time.perf_counter()
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
            if match := re.match(r"\[(\w+)\] (\.\.\.|done)", line):
                stages[-1].setdefault("seconds", time.perf_counter() - begun)
                if match[2] == "...":
                    begun = time.perf_counter()
                    stages.append({"stage": match[1]})
    if kill_at is not None:
        stages[-1] |= {"stage": f"{stages[-1]['stage']}, until killed", "seconds": time.perf_counter() - begun}
    expected = 0 if kill_at is None else -signal.SIGKILL
    if process.returncode != expected:
        raise SystemExit(f"the run must end with status {expected}, got {process.returncode}; see what it printed")
    return stages, lines


def watch(process: subprocess.Popen[str], stages: list[dict[str, Any]], kill_at: Path | None) -> None:
    """Note the highest memory of the stage that runs; kill the process when a JSON file was written to its end."""
    while process.poll() is None:
        with suppress(OSError, json.JSONDecodeError):  # the process ends, or the file is not whole
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            for key, name in (("peak_gb", "VmRSS"), ("anonymous_gb", "RssAnon")):
                if match := re.search(rf"{name}:\s+(\d+) kB", status):
                    stages[-1][key] = max(stages[-1].get(key, 0.0), int(match[1]) * 1024 / 1e9)
            if kill_at is not None:
                json.loads(kill_at.read_text(encoding="utf-8"))
                process.kill()
        time.sleep(0.05)


def report(work: Path, found: dict[str, Any]) -> None:
    """Write `full-size.json` and print it in Markdown."""
    log = json.loads((work / "run" / "grpo" / "log.json").read_text(encoding="utf-8"))
    git = ("git", "-C", str(EXAMPLES), "describe", "--always", "--dirty")
    made = provenance()
    made["machine"]["threads"] = torch.get_num_threads()
    found |= {
        **made,
        "seconds of each GRPO step": [round(line["step_time"], 1) for line in log if "step_time" in line],
        "commit": subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip(),  # noqa: S603
        "command": shlex.join(sys.argv),
    }
    (work / "full-size.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print("\n| stage | seconds | peak GB | of it anonymous |\n|---|---|---|---|")
    for row in found.pop("stages"):
        memory = (f"{row[key]:.1f}" if key in row else "" for key in ("peak_gb", "anonymous_gb"))
        print(f"| {row['stage']} | {row['seconds']:.0f} | {' | '.join(memory)} |")
    counts = [f"* {key}: {round(value, 3):,}" for key, value in found.pop("counts").items()]
    print("\n".join(["", *counts, *(f"* {key}: {value}" for key, value in found.items())]))


def make_models(work: Path, texts: Sequence[str], vocabulary: Path | None, shape: Qwen3Config) -> dict[str, Any]:
    """Write an encoder and the policy; returns what making the policy took."""
    write_encoder(work / "encoder", texts, EncoderShape(), seed=0)
    stages = Stages(work)
    vocabulary = vocabulary or stages.run("vocabulary", download_vocabulary, {}) / "qwen.tiktoken"
    stood = (work / "policy").exists()
    stages.run("policy", partial(write_policy, vocabulary=vocabulary, shape=shape), {"shape": shape.to_dict()})
    row = {"stage": "(making the policy)", "seconds": stages.seconds()["policy"]}
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return row if stood else {**row, "peak_gb": peak_gb}


def main() -> None:
    """Make the models, run, kill, run again, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    data = os.environ.get("SEMREWARD_DATA")
    parser.add_argument("--data", type=Path, default=data, required=data is None, help="folder of bo_zh/train.tsv.gz")
    parser.add_argument("--vocabulary", type=Path, help="qwen.tiktoken; downloaded from PyPI by default")
    parser.add_argument("--work", type=Path, default=Path("runs/full-size"), help="folder of all that is made")
    parser.add_argument("--tiny", action="store_true", help="try the script on 2 layers of width 64")
    arguments, others = parser.parse_known_args()
    work: Path = arguments.work
    told = [*(option.format(examples=EXAMPLES, work=work) for option in OPTIONS.split()), *others]
    settings, _ = parse(told)  # so that a mistake shows before 8 GB are written
    if (work / "run").exists():
        raise SystemExit(f"{work / 'run'} must not exist, because stages that it holds are not run again; delete it")
    work.mkdir(parents=True, exist_ok=True)

    shape = Qwen3Config(**{**QWEN3_4B.to_dict(), **(TINY if arguments.tiny else {})})
    train, test = (read_pairs(arguments.data / "bo_zh" / f"{name}.tsv.gz") for name in ("train", "dev"))
    write_pairs(work / "train.tsv", train[:TRAIN_ROWS])
    write_pairs(work / "test.tsv", test[:TEST_ROWS])
    policy = make_models(work, [text for pair in train[:TRAIN_ROWS] for text in pair], arguments.vocabulary, shape)
    counts = count_tokens(work / "policy", [source for source, _ in train[:COUNTED_ROWS]], settings.data)
    checkpoint = work / "run" / "grpo.partial" / "training" / "checkpoint-1"
    killed, _ = run_recipe(told, kill_at=checkpoint / "trainer_state.json")
    resumed, lines = run_recipe(told)
    if f"going on from {checkpoint}\n" not in lines:
        raise SystemExit(f"the second run must go on from {checkpoint}, but did not say so; see what it printed")
    report(work, {"stages": [policy, *killed, *resumed], "counts": counts})


if __name__ == "__main__":
    main()
