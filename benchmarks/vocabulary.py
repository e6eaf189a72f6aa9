"""What an encoder that cannot read a language gains from new pieces in its tokenizer, by the number of pairs.

One cell per run: `--pairs` pairs make the pieces and their embeddings, then train for `--steps` batches (or 0).
Measured is retrieval among held-out pairs, both ways. `--new-pieces 0` keeps the tokenizer, as a control.

* `bo_zh` (`$SEMREWARD_DATA/bo_zh`): Tibetan and classical Chinese; the first 1,000 pairs of `dev.tsv.gz`;
* `en-ti`, `en-km` (`$SEMREWARD_DATA/tico19/all.<name>.tmx.zip`): English with Tigrinya and Khmer; the last 500 pairs.

    SEMREWARD_DATA=path/of/data SEMREWARD_MODELS=path/of/models \
        python benchmarks/vocabulary.py --data bo_zh --pairs 32000 --steps 60

Writes the cell to a file in `--out` (default `docs/results/vocabulary`). Needs the `train` extra.
"""

import argparse
import json
import os
import platform
import tempfile
import time
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import torch
from encoder_adaptation import BF16, cpu
from sentence_transformers import SentenceTransformer

from semreward.adaptation import AdaptationConfig, Pair, adapt_encoder, read_pairs
from semreward.adaptation.training import HeldOutEvaluator, new_model
from semreward.adaptation.vocabulary import extend_vocabulary

HELD_OUT = {"bo_zh": 1000, "en-ti": 500, "en-km": 500}


def read_data(name: str, limit: int | None) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on, and held-out ones of other documents (`bo_zh`) or from the end of the file."""
    folder = Path(os.environ["SEMREWARD_DATA"])
    if name == "bo_zh":
        held_out = read_pairs(folder / name / "dev.tsv.gz", limit=HELD_OUT[name])
        return list(read_pairs(folder / name / "train.tsv.gz", limit=limit)), list(held_out)
    with zipfile.ZipFile(folder / "tico19" / f"all.{name}.tmx.zip") as archive:
        (member,) = [member for member in archive.namelist() if member.endswith(".tmx")]
        tree = ET.fromstring(archive.read(member))  # noqa: S314 - a data set of ours
    units = ([" ".join(side.itertext()).strip() for side in unit.iter("seg")] for unit in tree.iter("tu"))
    pairs = list(read_pairs([sides for sides in units if len(sides) == len(Pair._fields)]))
    return pairs[: -HELD_OUT[name]][:limit], pairs[-HELD_OUT[name] :]


def settings(options: argparse.Namespace, pairs: int, folder: str) -> AdaptationConfig:
    """How the cell is trained."""
    return AdaptationConfig(
        options.base or str(Path(os.environ["SEMREWARD_MODELS"]) / "encoder"),
        folder,
        epochs=max(1, options.steps) * options.batch / pairs,
        batch_size=options.batch,
        mini_batch_size=options.mini_batch,
        learning_rate=options.rate,
        embedding_learning_rate=options.embedding_rate,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        new_pieces=options.new_pieces or None,
        bf16=BF16,
        measure_steps=options.measure_steps,
        seed=options.seed,
        use_cpu=True,
    )


def cell(options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Extend, train and measure."""
    train, held_out = read_data(options.data, options.pairs)
    config, start, found = settings(options, len(train), folder), time.process_time(), {}
    if options.steps:
        adaptation = adapt_encoder(config, train, held_out if config.measure_steps else ())
        found["curve"] = [dict(point) for point in adaptation.curve]
    else:
        model = new_model(config)
        if config.new_pieces:
            found["pieces"] = len(extend_vocabulary(model, train, config.new_pieces))
        model.save_pretrained(folder)
    found["cpu_seconds"] = time.process_time() - start
    return {"pairs": len(train), **found, **measured(folder, held_out)}


def measured(folder: str, held_out: Sequence[Pair]) -> dict[str, Any]:
    """Retrieval, and tokens per text of each side."""
    model = SentenceTransformer(folder, device="cpu")
    measures: dict[str, Any] = HeldOutEvaluator(held_out, ())(model)
    for side in Pair._fields:
        texts = [getattr(pair, side) for pair in held_out]
        tokens = [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        total = sum(map(len, tokens))
        measures[f"tokens_{side}"] = total / len(texts)
        measures[f"unknown_{side}"] = sum(text.count(model.tokenizer.unk_token_id) for text in tokens) / total
    return measures


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=list(HELD_OUT), default="bo_zh")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--new-pieces", type=int, default=16_000)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--measure-steps", type=int, help="also measure every so many batches")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--mini-batch", type=int)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--embedding-rate", type=float, default=2e-3)
    parser.add_argument("--temperature", type=float, default=0.02)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/results/vocabulary"))
    parser.add_argument("--base", help="folder of an encoder to start from, instead of `$SEMREWARD_MODELS/encoder`")
    parser.add_argument("--keep", help="folder that receives the encoder; by default it is thrown away")
    return parser.parse_args()


def main() -> None:
    """Run one cell and write it."""
    options = parsed()
    cpu.raise_malloc_thresholds()
    with tempfile.TemporaryDirectory() as folder:
        result = cell(options, options.keep or folder)
    chosen = {name: value for name, value in vars(options).items() if name not in {"out", "keep"}}
    machine = {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "bf16": BF16,
        **{name: version(name) for name in ("torch", "transformers", "sentence-transformers", "tokenizers")},
    }
    chosen["base"] = options.base and Path(options.base).name
    name = f"{options.data}-{result['pairs']}-pieces{options.new_pieces}-steps{options.steps}-seed{options.seed}"
    name += f"-from-{chosen['base']}" if options.base else ""
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"options": chosen, "machine": machine, **result}, indent=2)
    (options.out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
