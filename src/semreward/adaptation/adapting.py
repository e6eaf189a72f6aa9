"""Makes a sentence encoder out of a pretrained one, measures both, and writes the folder."""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import semreward
from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.pairs import MakeNegatives, Pair, PairReport, checked_pairs, pair_rows, without_leaks
from semreward.encoders.local import SentenceTransformerEncoder
from semreward.errors import ArgumentError, MissingDependencyError
from semreward.evaluation.retrieval import GradedPair, checked_graded

logger = logging.getLogger(__name__)


_CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, semreward]
---

# Sentence encoder, adapted with semreward

Made from `{base}` by contrastive training on pairs. A threshold of another encoder does not fit it.

```python
from semreward import SentenceTransformerEncoder

encoder = SentenceTransformerEncoder("path/of/this/folder")
assert encoder.fingerprint == "{fingerprint}"
```

How it was made, and how it measured on held-out pairs before and after (`adaptation.json` also has the training curve):

```json
{numbers}
```
"""


class Adaptation(NamedTuple):
    """An adapted encoder, not loaded yet, and its measures on the held-out pairs, as of `measure_encoder`."""

    encoder: SentenceTransformerEncoder
    pairs: int  # how many it was trained on
    before: dict[str, float] | None  # measures of the base; `None` without held-out pairs
    after: dict[str, float] | None
    curve: Sequence[Mapping[str, float]]  # the trainer's log of losses and measures, with `step` and `epoch`
    report: PairReport  # where the pairs come from, and which rows were dropped
    negatives: Mapping[str, int]  # how many hard negatives were made, and filled with other pairs' positives


def adapt_encoder(
    config: AdaptationConfig,
    train_pairs: Sequence[tuple[str, str]],
    eval_pairs: Sequence[tuple[str, str]] = (),
    *,
    make_negatives: MakeNegatives | None = None,
    graded: Sequence[GradedPair | tuple[Any, ...]] = (),
) -> Adaptation:
    r"""Train an encoder so that translations meet: multiple-negatives ranking, in both directions.

    $$-\frac{1}{2N} \sum_i \left(\log \frac{e^{c_{ii} / t}}{\sum_j e^{c_{ij} / t}}
    + \log \frac{e^{c_{ii} / t}}{\sum_j e^{c_{ji} / t}}\right)$$

    with cosines c of a batch's N pairs and the temperature t; hard negatives are further candidates of the first
    direction. A batch holds no text twice. Duplicate pairs, and training pairs that share a sentence with the held-out
    or the graded ones, are dropped.

    `output_dir` receives the encoder, a model card, and `adaptation.json` with all numbers.

    `read_pairs` makes pairs from files. Without held-out `eval_pairs` nothing is measured; `graded` pairs add their
    correlations. `make_negatives` makes hard negatives of a pair, such as `semreward.audit.AttackNegatives`.

    Raises:
        ArgumentError: A pair lacks a side, there are fewer pairs than a batch holds, tokenizer and model do not belong
            together, `new_pieces` cannot be added, or `resume` finds a checkpoint of other settings.
        TrainingDivergedError: The loss is not finite.
        MissingDependencyError: The `train` extra is not installed.

    Source:
        Su et al. 2026, sections 3.4 and 4.1, https://arxiv.org/abs/2605.14366. Pooling (mean), temperature, sizes and
        the loss's two directions are not stated there. Gradient caching: Gao et al. 2021,
        https://arxiv.org/abs/2101.06983.
    """
    held_out, grades = checked_pairs(eval_pairs, "eval_pairs"), checked_graded(graded)
    unseen = {text for pair in held_out for text in pair} | {text for pair in grades for text in pair[:2]}
    pairs, report = without_leaks(train_pairs, unseen)
    _check_amounts(config, pairs, make_negatives)
    if config.patience and not held_out:
        raise ArgumentError("`patience` counts measurements on `eval_pairs`, got none; give some, or leave it out")
    if dropped := len(train_pairs) - len(pairs):
        logger.warning("dropped %d of %d training pairs: %s", dropped, len(train_pairs), report)
    try:
        import datasets  # noqa: F401
        from accelerate import PartialState
    except ImportError as error:
        raise MissingDependencyError(f"{error}; install it with: pip install 'semreward[train]'") from error
    from semreward.adaptation import training
    from semreward.adaptation.vocabulary import extend_vocabulary

    model = training.new_model(config)
    evaluator = training.HeldOutEvaluator(held_out, grades) if held_out else None
    before = evaluator(model) if evaluator else None
    if config.new_pieces is not None:
        pieces = extend_vocabulary(model, pairs, config.new_pieces)
        logger.info("`new_pieces` added %d pieces, such as %s", len(pieces), ", ".join(pieces[:5]))
    rows, negatives = pair_rows(pairs, make_negatives, config.made_negatives, config.seed)
    curve = training.train(model, config, rows, evaluator)
    after = evaluator(model) if evaluator else None
    if PartialState().is_main_process:
        model.save_pretrained(config.output_dir, create_model_card=False)
        shutil.rmtree(Path(config.output_dir, training.CHECKPOINTS))
    PartialState().wait_for_everyone()  # no process reads the folder before it is written
    encoder = SentenceTransformerEncoder(config.output_dir, device="cpu" if config.use_cpu else "auto")
    encoder.close()  # an earlier run's model from this folder may still be loaded
    adaptation = Adaptation(encoder, len(pairs), before, after, curve, report, negatives)
    if PartialState().is_main_process:
        _write_card(config, adaptation, held_out=len(held_out))
    return adaptation


def _check_amounts(config: AdaptationConfig, pairs: Sequence[Pair], make_negatives: MakeNegatives | None) -> None:
    needed = config.batch_size * int(os.environ.get("WORLD_SIZE", "1"))  # as accelerate and torchrun count processes
    if len(pairs) < needed:
        raise ArgumentError(
            f"`train_pairs` must fill a batch of {needed}, got {len(pairs)} distinct; lower `batch_size` or add pairs"
        )
    if bool(config.made_negatives) != (make_negatives is not None):
        raise ArgumentError(
            "`made_negatives` says how many of `make_negatives` a pair gets: give both or neither, got "
            f"{config.made_negatives} and {make_negatives!r}"
        )


def _write_card(config: AdaptationConfig, adaptation: Adaptation, *, held_out: int) -> None:
    """Write `README.md` for people and `adaptation.json` for programs into the encoder's folder."""
    settings = {**asdict(config), "base": Path(config.base).name if Path(config.base).is_absolute() else config.base}
    del settings["output_dir"], settings["resume"]  # nothing of this machine
    numbers = {
        "fingerprint": adaptation.encoder.fingerprint,
        "semreward": semreward.__version__,
        "config": settings,
        "data": {**asdict(adaptation.report), "kept": adaptation.report.kept},
        "held_out": held_out,
        **{name: getattr(adaptation, name) for name in ("negatives", "before", "after")},
    }
    as_json = partial(json.dumps, ensure_ascii=False, indent=2)
    card = _CARD.format(base=settings["base"], fingerprint=numbers["fingerprint"], numbers=as_json(numbers))
    folder = Path(config.output_dir)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "adaptation.json").write_text(as_json({**numbers, "curve": adaptation.curve}), encoding="utf-8")
