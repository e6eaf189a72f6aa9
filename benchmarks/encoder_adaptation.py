"""How good a Tibetan-Chinese encoder gets on two CPU cores, beside counting, and what data and languages are worth.

On real pairs (`$SEMREWARD_DATA/bo_zh`: Buddhist prose and verse, 100,000 to train on, 2,000 of other documents):

(a) counts    n-grams of syllables and characters, truncated SVD of each language, and a linear map between them;
(b) bag       an XLM-R without layers: word embeddings, normalised and averaged;
(c) encoder   an XLM-R with layers on top of the bag's embeddings, for the rest of `--minutes`;
(d) sizes     counts and bag from fewer pairs;
(e) languages the bag from sentences of each language alone, each its own positive (SimCSE), instead of pairs.

All start from random numbers, with a tokenizer trained on the training side, and all encoders are made by
`adapt_encoder`. Figures are of the first 1,000 pairs of `dev.tsv.gz`, retrieval among all 1,000; the other 1,000 pairs
are measured while training. Needs the `train` extra.

    SEMREWARD_DATA=path/of/data python benchmarks/encoder_adaptation.py --minutes 40        # some 55 minutes in all
    SEMREWARD_DATA=path/of/data python benchmarks/encoder_adaptation.py --minutes 3 --only counts bag encoder

Writes `encoder-adaptation.json`, `.png` and the encoders to `--out` (default `runs/benchmarks/encoder-adaptation`).
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import cpu
from semreward.adaptation import AdaptationConfig, Pair, adapt_encoder, measure_encoder, read_pairs
from semreward.evaluation.retrieval import GradedPair, pair_auc, rank_correlation, retrieval_scores

PARTS = ("counts", "bag", "encoder", "sizes", "languages")
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
# Tibetan has almost no spaces. Tokens end at the tsheg, so that no sentence is a word; each Chinese character is one.
SPLIT = r"\p{Han}|[\u0F40-\u0FBC]+\u0F0B?|[A-Za-z]+|\p{N}|[^\s\p{Han}\u0F40-\u0FBCA-Za-z\p{N}]"
TEST_PAIRS = 1000
BF16 = cpu.multiplies_bfloat16()


@dataclass(frozen=True)
class Data:
    """Training pairs, test pairs, pairs to look at while training, and graded pairs of the test side."""

    train: list[Pair]
    test: list[Pair]
    watched: list[Pair]
    graded: list[GradedPair]


def read_data(limit: int | None) -> Data:
    """Tibetan is the anchor, Chinese the positive."""
    folder = os.environ.get("SEMREWARD_DATA")
    if not folder:
        sys.exit("SEMREWARD_DATA must name the folder that holds bo_zh/train.tsv.gz and bo_zh/dev.tsv.gz")
    train = read_pairs(Path(folder) / "bo_zh" / "train.tsv.gz", limit=limit)
    dev = read_pairs(Path(folder) / "bo_zh" / "dev.tsv.gz")
    print(train.report, dev.report, sep="\n", flush=True)
    test, watched = list(dev[:TEST_PAIRS]), list(dev[TEST_PAIRS:])
    return Data(list(train), test, watched, graded_by_the_other_side(test))


def graded_by_the_other_side(pairs: Sequence[Pair], *, each: int = 6) -> list[GradedPair]:
    """Pairs of Tibetan texts graded by how much their Chinese translations share, the other way round, and across.

    A grade is the Jaccard index of character bigrams (Chinese) or syllable bigrams (Tibetan). A text is paired with
    those nearest to it by grade and with random ones, so that all degrees occur. What the graded texts themselves share
    on their surface plays no part in it, other than through what translations share.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    rng = np.random.default_rng(0)
    grades = []
    for side in (0, 1):
        counts = CountVectorizer(binary=True, tokenizer=[syllables, list][side], token_pattern=None, ngram_range=(2, 2))
        table = counts.fit_transform([pair[side] for pair in pairs]).astype(np.float64)
        shared, sizes = (table @ table.T).toarray(), np.asarray(table.sum(axis=1)).ravel()
        grades.append(shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1.0))
    graded = []
    for by, group, left, right in ((1, "bo-bo", 0, 0), (0, "zh-zh", 1, 1), (1, "bo-zh", 0, 1)):
        for row in range(0, len(pairs), 4):
            others = [other for other in np.argsort(-grades[by][row])[: each + 1] if other != row or left != right]
            others += list(rng.integers(0, len(pairs), each))
            graded += [
                GradedPair(pairs[row][left], pairs[other][right], float(grades[by][row, other]), group)
                for other in others
                if other != row or left != right
            ]
    return graded


def syllables(text: str) -> list[str]:
    """A Tibetan text's syllables and signs."""
    return [piece for piece in text.replace("\u0f0b", " ").replace("།", " །").split() if piece]


def write_tokenizer(folder: Path, texts: Sequence[str], vocabulary: int) -> int:
    """Train a tokenizer on texts, write it in transformers' format, and return the number of its entries."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(SPLIT), "removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\s+"), "removed"), split])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    roles = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    names = {**dict(zip(roles, SPECIAL, strict=True)), "cls_token": "<s>", "sep_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **names).save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def write_bag(folder: Path, texts: Sequence[str], options: argparse.Namespace) -> None:
    """Write an XLM-R without layers: embeddings, their normalisation, and nothing else.

    With XLM-R's own epsilon of 1e-5 each token is normalised to one length and weighs the same in the mean. An epsilon
    far above the variance of the embeddings lets them pass as they are, so that a token's length can become its weight,
    and layers that start by passing their input on leave the bag's vectors unchanged.
    """
    from transformers import XLMRobertaConfig, XLMRobertaModel

    vocabulary = write_tokenizer(folder, texts, options.vocabulary)
    torch.manual_seed(options.seed)
    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=options.width,
        intermediate_size=options.feed_forward * options.width,
        num_hidden_layers=0,
        num_attention_heads=options.heads,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=130,
        type_vocab_size=1,
        layer_norm_eps=options.norm_epsilon,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    model = XLMRobertaModel(config, add_pooling_layer=False)
    torch.nn.init.normal_(model.embeddings.word_embeddings.weight, std=0.05)
    torch.nn.init.zeros_(model.embeddings.position_embeddings.weight)
    torch.nn.init.zeros_(model.embeddings.token_type_embeddings.weight)
    model.save_pretrained(folder)


def write_layers(folder: Path, bag: Path, options: argparse.Namespace) -> None:
    """Write an XLM-R with a bag's embeddings and layers that start by passing their input on."""
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(options.seed)
    below = XLMRobertaModel.from_pretrained(bag, add_pooling_layer=False)
    config = XLMRobertaConfig.from_pretrained(bag, num_hidden_layers=options.layers)
    model = XLMRobertaModel(config, add_pooling_layer=False)
    model.embeddings.load_state_dict(below.embeddings.state_dict())
    for layer in model.encoder.layer:
        for output in (layer.attention.output.dense, layer.output.dense):
            torch.nn.init.zeros_(output.weight)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(bag).save_pretrained(folder)


def count_measures(pairs: Sequence[Pair], test: Sequence[Pair], width: int = 300) -> dict[str, Any]:
    """What counting reaches: n-grams, SVD, and a map from Tibetan to Chinese, by ridge regression and by rotation."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import normalize

    start = time.perf_counter()
    vectors = []
    for side in (0, 1):
        counts = TfidfVectorizer(
            tokenizer=[syllables, list][side], token_pattern=None, ngram_range=(1, 2), min_df=3, sublinear_tf=True
        )
        table = counts.fit_transform([pair[side] for pair in pairs])
        svd = TruncatedSVD(min(width, table.shape[1] - 1), random_state=0)
        known = normalize(svd.fit_transform(table))
        vectors.append((known, normalize(svd.transform(counts.transform([pair[side] for pair in test])))))
    (known_bo, test_bo), (known_zh, test_zh) = vectors
    left, _, right = np.linalg.svd(known_bo.T @ known_zh, full_matrices=False)
    mapped = {
        "ridge": Ridge(alpha=1.0, fit_intercept=False).fit(known_bo, known_zh).predict(test_bo),
        "procrustes": test_bo @ (left @ right),
    }
    results = {name: vector_measures(normalize(rows), test_zh) for name, rows in mapped.items()}
    return {**results, "seconds": time.perf_counter() - start}


def vector_measures(anchors: NDArray[Any], positives: NDArray[Any]) -> dict[str, float]:
    """Precision at 1 both ways, and AUC."""
    anchors, positives = anchors.astype(np.float32), positives.astype(np.float32)
    scores = retrieval_scores(anchors, positives)
    return {
        "forward": scores.forward.precision_at_1,
        "backward": scores.backward.precision_at_1,
        "auc": pair_auc(anchors, positives),
    }


def bag_config(folder: Path, out: Path, options: argparse.Namespace, **changes: Any) -> AdaptationConfig:
    """How a bag is trained: fast, and with large steps."""
    chosen = {
        "epochs": options.bag_epochs,
        "batch_size": options.bag_batch,
        "learning_rate": options.bag_rate,
        "temperature": options.temperature,
        "dropout": options.dropout,
        "mini_batch_size": options.mini_batch,
        "warmup_ratio": 0.03,
        "use_cpu": True,
        "seed": options.seed,
    }
    return AdaptationConfig(str(folder), str(out), **{**chosen, **changes})


def layers_config(folder: Path, out: Path, options: argparse.Namespace, **changes: Any) -> AdaptationConfig:
    """How layers are trained on top of a bag."""
    chosen = {
        "batch_size": options.batch,
        "learning_rate": options.rate,
        "embedding_learning_rate": options.embedding_rate,
        "bf16": BF16,
        "warmup_ratio": 0.05,
    }
    return bag_config(folder, out, options, **{**chosen, **changes})


def adapted(config: AdaptationConfig, pairs: Sequence[Pair], data: Data, **more: Any) -> dict[str, Any]:
    """Train, and measure on the test pairs."""
    start = time.perf_counter()
    watched = data.watched if config.measure_steps else ()
    adaptation = adapt_encoder(config, pairs, watched, **more)
    seconds = time.perf_counter() - start
    measures = measure_encoder(adaptation.encoder, data.test, data.graded)
    adaptation.encoder.close()
    curve = [(point["step"], point["epoch"], measures_of(point)) for point in adaptation.curve]
    return {**measures, "seconds": seconds, "pairs": adaptation.pairs, "epochs": config.epochs, "curve": curve}


def measures_of(point: Mapping[str, float]) -> dict[str, float]:
    """An entry of the trainer's log, by the names of `measure_encoder`."""
    return {name.removeprefix("eval_"): value for name, value in point.items()}


def train_encoder(bag: Path, out: Path, data: Data, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Layers on a bag, for as many epochs as the time allows; a trial of some steps tells how many that are."""
    base, trial = out / "layers-base", 15
    write_layers(base, bag, options)
    start = time.perf_counter()
    sample = data.train[: trial * options.batch]
    adapt_encoder(layers_config(base, out / "trial", options, epochs=1), sample)
    a_step = (time.perf_counter() - start) / (len(sample) // options.batch)
    steps = max(1, int((seconds - (time.perf_counter() - start)) / a_step))
    epochs = steps * options.batch / len(data.train)
    print(f"{a_step:.2f} s a step: {steps} steps, {epochs:.2f} epochs", flush=True)
    config = layers_config(base, out / "encoder", options, epochs=epochs, measure_steps=max(1, math.ceil(steps / 12)))
    return {**adapted(config, data.train, data), "seconds_a_step": a_step}


def train_sizes(base: Path, out: Path, data: Data, options: argparse.Namespace) -> dict[str, Any]:
    """Counts and bags from fewer pairs; small sets are seen more often, up to five times."""
    results = {}
    for size in options.sizes:
        epochs = options.bag_epochs * min(5.0, max(1.0, 30_000 / size))
        config = bag_config(
            base, out / f"bag-{size}", options, epochs=epochs, batch_size=min(options.bag_batch, size // 8)
        )
        results[str(size)] = {
            "counts": count_measures(data.train[:size], data.test),
            "bag": adapted(config, data.train[:size], data),
        }
        print(size, summary(results[str(size)]["bag"]), flush=True)
    return results


def train_languages(base: Path, out: Path, data: Data, options: argparse.Namespace) -> dict[str, Any]:
    """The same bag from pairs, and from the same sentences without knowing which belong together."""
    pairs = data.train[: options.language_pairs]
    sentences = [text for pair in pairs for text in pair]
    epochs = options.bag_epochs
    alone = bag_config(base, out / "monolingual", options, epochs=epochs, dropout=options.view_dropout)
    both = bag_config(base, out / "bilingual", options, epochs=epochs)
    return {
        "untrained": measure_encoder(untrained(base), data.test, data.graded),
        "monolingual": adapted(alone, [Pair(text, text) for text in sentences], data),
        "bilingual": adapted(both, pairs, data),
        "overlap of surfaces": surface_correlations(data.graded),
    }


def untrained(base: Path) -> Any:
    """The base as it is."""
    from semreward import SentenceTransformerEncoder

    return SentenceTransformerEncoder(str(base), device="cpu")


def surface_correlations(graded: Sequence[GradedPair]) -> dict[str, float | None]:
    """What grades correlate with without any meaning: the units that the two texts share."""
    from semreward.text import units

    def shared(pair: GradedPair) -> float:
        first, second = set(units(pair.first)), set(units(pair.second))
        return len(first & second) / max(1, len(first | second))

    groups = dict.fromkeys(pair.group for pair in graded)
    chosen = {group: [pair for pair in graded if pair.group == group] for group in groups}
    return {
        f"graded_{group}": rank_correlation([shared(pair) for pair in pairs], [pair.grade for pair in pairs])
        for group, pairs in chosen.items()
    }


def summary(result: dict[str, Any]) -> str:
    """The numbers of a result on one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in result.items() if isinstance(value, float))


def draw(results: dict[str, Any], path: Path) -> None:
    """Precision over data and over training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_size, by_epoch = figure.subplots(1, 2)
    measured = results.get("sizes", {})
    lines = {"counts": [best_precision(found["counts"]) for found in measured.values()]}
    lines["bag"] = [found["bag"]["precision"] for found in measured.values()]
    for name, values in lines.items():
        by_size.plot([int(size) for size in measured], values, marker="o", label=name)
    if "encoder" in results:
        by_size.plot([results["encoder"]["pairs"]], [results["encoder"]["precision"]], marker="*", label="encoder")
    by_size.set(xscale="log", xlabel="training pairs", ylabel="precision@1 of 1,000, both ways", ylim=(0, 1))
    for name in ("bag", "encoder"):
        curve = results.get(name, {}).get("curve", ())
        points = [(epoch, found["precision"]) for _, epoch, found in curve if "precision" in found]
        by_epoch.plot(
            [x for x, _ in points], [y for _, y in points], marker=".", label=f"{name}, the other 1,000 pairs"
        )
    by_epoch.set(xlabel="epochs", ylabel="precision@1", ylim=(0, 1))
    for axes in (by_size, by_epoch):
        axes.legend()
    figure.savefig(path, dpi=120)


def best_precision(found: dict[str, Any]) -> float:
    """The better map's mean of both directions."""
    return max((found[name]["forward"] + found[name]["backward"]) / 2 for name in ("ridge", "procrustes"))


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    libraries = {name: version(name) for name in ("torch", "transformers", "sentence-transformers", "scikit-learn")}
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bf16": BF16,
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        **libraries,
    }


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40.0, help="for bag and encoder together")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run; the encoder needs the bag"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/encoder-adaptation"))
    parser.add_argument("--pairs", type=int, help="read so many training pairs only")
    parser.add_argument("--vocabulary", type=int, default=16_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--feed-forward", type=int, default=2, help="times the width")
    parser.add_argument("--norm-epsilon", type=float, default=1.0, help="of the layer normalisation; XLM-R's is 1e-5")
    parser.add_argument("--bag-epochs", type=float, default=6.0)
    parser.add_argument("--bag-batch", type=int, default=1024)
    parser.add_argument("--bag-rate", type=float, default=5e-3)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--embedding-rate", type=float, default=1e-3)
    parser.add_argument("--temperature", type=float, default=0.05)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--view-dropout", type=float, default=0.1, help="of the monolingual training")
    parser.add_argument("--mini-batch", type=int, default=256, help="pairs whose activations are held at a time")
    parser.add_argument("--language-pairs", type=int, default=30_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10_000, 30_000, 100_000])
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Run the parts, print and write what they found."""
    options = parsed()
    cpu.raise_malloc_thresholds()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    data = read_data(options.pairs)
    base = out / "bag-base"
    write_bag(base, [text for pair in data.train for text in pair], options)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "counts": lambda: count_measures(data.train, data.test),
        "bag": lambda: adapted(bag_config(base, out / "bag", options, measure_steps=50), data.train, data),
        "encoder": lambda: train_encoder(
            out / "bag", out, data, options, 60 * options.minutes - results["bag"]["seconds"]
        ),
        "sizes": lambda: train_sizes(base, out, data, options),
        "languages": lambda: train_languages(base, out, data, options),
    }
    results: dict[str, Any] = {"machine": machine(), "options": {k: str(v) for k, v in vars(options).items()}}
    for name in PARTS:
        if name in options.only:
            results[name] = parts[name]()
            print(name, summary(results[name]) or json.dumps(results[name], indent=1, default=str)[:2000], flush=True)
            (out / "encoder-adaptation.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    draw(results, out / "encoder-adaptation.png")


if __name__ == "__main__":
    main()
