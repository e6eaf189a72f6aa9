"""Makes a sentence encoder out of a pretrained one: stages, measurements, and the folder that is left."""

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from semreward.adaptation.card import Card, write_card
from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.measuring import Measures, measure_encoder
from semreward.adaptation.negatives import MakeNegatives
from semreward.adaptation.pairs import Pair, PairReport, checked_pairs, checked_sentences, without_leaks
from semreward.encoders.local import SentenceTransformerEncoder
from semreward.errors import ArgumentError, MissingDependencyError
from semreward.evaluation.graded import GradedPair, checked_graded

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from semreward.adaptation.models import LengthReport
    from semreward.adaptation.training import CurvePoint

    Measure: TypeAlias = Callable[[SentenceTransformer], Measures]

logger = logging.getLogger(__name__)

# Where a stage that is done keeps its model while the next one runs.
_FINISHED = "finished"


class Adaptation(NamedTuple):
    """An adapted encoder and what was measured on the held-out pairs.

    Attributes:
        encoder: The encoder, not loaded yet.
        pairs: How many training pairs were left.
        before: Measures of the base; `None` without held-out pairs.
        after: Measures of the adapted encoder.
        curve: Losses and measures during training, by stage: `monolingual`, `pairs`.
        report: Where the pairs come from, and what became of the rows.
        lengths: How many training texts are longer than the encoder's window.
        negatives: Hard negatives by kind: mined, made, filled.
    """

    encoder: SentenceTransformerEncoder
    pairs: int
    before: Measures | None
    after: Measures | None
    curve: "Mapping[str, Sequence[CurvePoint]]"
    report: PairReport
    lengths: "LengthReport"
    negatives: Mapping[str, int]


def adapt_encoder(
    config: AdaptationConfig,
    train_pairs: Sequence[tuple[str, str]],
    eval_pairs: Sequence[tuple[str, str]] = (),
    *,
    monolingual: Sequence[str] = (),
    make_negatives: MakeNegatives | None = None,
    graded: Sequence[GradedPair | tuple[Any, ...]] = (),
) -> Adaptation:
    r"""Train an encoder so that translations meet: multiple-negatives ranking, in both directions.

    $$-\frac{1}{2N} \sum_i \left(\log \frac{e^{c_{ii} / t}}{\sum_j e^{c_{ij} / t}}
    + \log \frac{e^{c_{ii} / t}}{\sum_j e^{c_{ji} / t}}\right)$$

    with cosines c of a batch's N pairs and the temperature t; hard negatives are further candidates of the first
    direction. A batch holds no text twice. Duplicate pairs, and training pairs that share a sentence with the held-out
    ones or the graded ones, are dropped.

    The folder receives the encoder in sentence-transformers' format, a model card, and `adaptation.json` with all
    numbers; while training it holds checkpoints, too, if `save_steps` or `patience` asks for them.

    Args:
        config: Model and hyperparameters.
        train_pairs: Translation pairs, at least one batch of them; none for a monolingual stage alone. `read_pairs`
            makes them from files.
        eval_pairs: Held-out pairs; none: nothing is measured.
        monolingual: Sentences for a stage before the pairs' one, in which each is its own positive, seen twice with
            other dropout (SimCSE); without dropout the stage only spreads the sentences out.
        make_negatives: Makes hard negatives of a pair, see `semreward.adaptation.negatives`; used where
            `made_negatives` is not 0.
        graded: Graded pairs for the correlations among the measures.

    Returns:
        The adapted encoder, the measurements, and what became of the data.

    Raises:
        ArgumentError: A pair lacks a side, there are fewer rows than a batch holds, tokenizer and model do not belong
            together, or `resume` finds a checkpoint of other settings or a damaged one.
        TrainingDivergedError: The loss is not finite.
        MissingDependencyError: The `train` extra is not installed.

    Source:
        Su et al. 2026, sections 3.4 and 4.1, https://arxiv.org/abs/2605.14366. Pooling (mean), temperature, sizes and
        the loss's two directions are not stated there. Monolingual stage: Gao et al. 2021,
        https://arxiv.org/abs/2104.08821. Gradient caching: Gao et al. 2021, https://arxiv.org/abs/2101.06983.
    """
    held_out, grades = checked_pairs(eval_pairs, "eval_pairs"), checked_graded(graded)
    unseen = {text for pair in held_out for text in pair} | {text for pair in grades for text in pair[:2]}
    pairs, report = without_leaks(train_pairs, unseen)
    sentences = [text for text in checked_sentences(monolingual, "monolingual") if text not in unseen]
    _check_amounts(config, pairs, sentences, make_negatives)
    if dropped := len(train_pairs) - len(pairs):
        logger.warning(
            "%d of %d training pairs are duplicates or occur in the evaluation: dropped", dropped, len(train_pairs)
        )
    _check_libraries(config)
    from semreward.adaptation import models

    model = models.new_model(config)
    measure = partial(_measured, held_out=held_out, graded=grades) if held_out else None
    before = measure(model) if measure else None
    lengths = models.text_lengths(model, [*sentences, *(text for pair in pairs for text in pair)])
    curve, negatives = _train(
        config, model, pairs=pairs, sentences=sentences, measure=measure, make_negatives=make_negatives
    )
    device = "cpu" if config.use_cpu else "auto"
    encoder = SentenceTransformerEncoder(config.output_dir, device=device)
    measured = SentenceTransformerEncoder(config.output_dir, device=device, dtype="float32")
    for description in (encoder, measured):
        description.close()  # what an earlier run left in this folder may still be loaded
    after = measure_encoder(measured, held_out, grades) if held_out else None
    measured.close()
    logger.info("before %s, after %s", before, after)
    card = Card(
        config, report, lengths, len(held_out), len(sentences), negatives, before, after, curve, encoder.fingerprint
    )
    if _is_main_process():
        write_card(card)
    return Adaptation(encoder, len(pairs), before, after, curve, report, lengths, negatives)


def _train(
    config: AdaptationConfig,
    model: "SentenceTransformer",
    *,
    pairs: Sequence[Pair],
    sentences: Sequence[str],
    measure: "Measure | None",
    make_negatives: MakeNegatives | None,
) -> "tuple[dict[str, Sequence[CurvePoint]], Mapping[str, int]]":
    """Run the stages, write the encoder, and return what happened by stage, and the negatives by kind."""
    from semreward.adaptation import models, training
    from semreward.adaptation.hardness import pair_rows

    curve: dict[str, Sequence[CurvePoint]] = {}
    negatives: Mapping[str, int] = {}
    base = config.base
    if sentences:
        stage = training.Stage("monolingual", {"anchor": sentences, "positive": sentences}, config.monolingual_epochs)
        finished = training.stage_folder(config, stage.name) / _FINISHED
        if not (config.resume and training.is_finished(config, stage, finished)):
            models.add_adapters(model, config)
            curve[stage.name] = training.train_stage(model, config, stage, measure)
            _save(models.merged(model, config, base), finished)
        base = str(finished)
        with training.named_damage(base):
            model = models.new_model(config, base)
    if pairs:
        rows, negatives = pair_rows(pairs, config, model, make_negatives)
        models.add_adapters(model, config)
        curve["pairs"] = training.train_stage(model, config, training.Stage("pairs", rows, config.epochs), measure)
        model = models.merged(model, config, base)
    _save(model, Path(config.output_dir))
    if _is_main_process():
        training.remove_checkpoints(config)
    return curve, negatives


def _save(model: "SentenceTransformer", folder: Path) -> None:
    """Write a model by one process, while the others wait."""
    from accelerate import PartialState

    if _is_main_process():
        model.save_pretrained(str(folder), create_model_card=False)
    PartialState().wait_for_everyone()  # no process reads before it is written


def _is_main_process() -> bool:
    from accelerate import PartialState

    main: bool = PartialState().is_main_process
    return main


def _measured(model: "SentenceTransformer", *, held_out: Sequence[Pair], graded: Sequence[GradedPair]) -> Measures:
    from semreward.adaptation.models import live_encoder

    with live_encoder(model) as encoder:
        return measure_encoder(encoder, held_out, graded)


def _check_amounts(
    config: AdaptationConfig, pairs: Sequence[Pair], sentences: Sequence[str], make_negatives: MakeNegatives | None
) -> None:
    if len(pairs) < config.batch_size and (pairs or not sentences):
        raise ArgumentError(
            f"`train_pairs` must fill a batch of {config.batch_size}, got {len(pairs)} distinct ones; "
            "lower `batch_size` or add pairs"
        )
    if sentences and len(sentences) < config.batch_size:
        raise ArgumentError(
            f"`monolingual` must fill a batch of {config.batch_size}, got {len(sentences)} distinct sentences; "
            "lower `batch_size` or add sentences"
        )
    if bool(config.made_negatives) != (make_negatives is not None):
        raise ArgumentError(
            "`made_negatives` in the configuration says how many of `make_negatives` a pair gets: give both or "
            f"neither, got {config.made_negatives} and {make_negatives!r}"
        )
    if (config.made_negatives or config.mined_negatives) and len(pairs) == 1:
        raise ArgumentError("`train_pairs` must hold at least two pairs where negatives are asked for, got 1")


def _check_libraries(config: AdaptationConfig) -> None:
    try:
        for name in ("accelerate", "datasets", *(["peft"] if config.lora_rank is not None else [])):
            importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(f"{error}; install it with: pip install 'semreward[train]'") from error
