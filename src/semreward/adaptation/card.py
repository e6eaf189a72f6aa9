"""The model card: what an adapted encoder was made of and what it is worth, beside its weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import semreward
from semreward.adaptation.config import AdaptationConfig
from semreward.adaptation.measuring import Measures
from semreward.adaptation.pairs import PairReport

if TYPE_CHECKING:
    from semreward.adaptation.models import LengthReport
    from semreward.adaptation.training import CurvePoint

CARD_NAME = "README.md"
NUMBERS_NAME = "adaptation.json"

_HEADER = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- sentence-similarity
- semreward
---

# Sentence encoder, adapted with semreward"""
_ABOUT = """Adapted from `{base}` by contrastive training. Texts that mean the same, in the languages of the pairs
below, have a cosine near 1."""
_FINGERPRINT = """The fingerprint stands for weights, tokenizer and pooling. Rewards and calibrations refer to it; a
threshold that was calibrated with another encoder does not fit this one."""

_LABELS = {
    "forward": "precision@1, anchor to positive",
    "backward": "precision@1, positive to anchor",
    "mrr_forward": "mean reciprocal rank, anchor to positive",
    "mrr_backward": "mean reciprocal rank, positive to anchor",
    "auc": "AUC of true against mismatched pairs",
    "anisotropy": "anisotropy (mean cosine of two texts)",
    "graded": "Spearman with grades, all pairs",
}


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        config: Hyperparameters.
        report: Where the training pairs come from, and what became of the rows.
        lengths: How many training texts are longer than the window.
        held_out: How many pairs were measured on.
        sentences: How many monolingual sentences were trained on.
        negatives: Hard negatives by kind.
        before: Measures of the base; `None` without held-out pairs.
        after: Measures of the adapted encoder.
        curve: Losses and measures during training, by stage.
        fingerprint: The adapted encoder's.
    """

    config: AdaptationConfig
    report: PairReport
    lengths: "LengthReport"
    held_out: int
    sentences: int
    negatives: Mapping[str, int]
    before: Measures | None
    after: Measures | None
    curve: Mapping[str, Sequence["CurvePoint"]]
    fingerprint: str


def write_card(card: Card) -> None:
    """Write `README.md` for people and `adaptation.json` for programs into the encoder's folder."""
    folder = Path(card.config.output_dir)
    numbers = {
        "fingerprint": card.fingerprint,
        "semreward": semreward.__version__,
        "config": _public(card.config),
        "data": {**asdict(card.report), "kept": card.report.kept},
        "lengths": asdict(card.lengths),
        "held_out": card.held_out,
        "sentences": card.sentences,
        "negatives": dict(card.negatives),
        "before": card.before and card.before.flat(),
        "after": card.after and card.after.flat(),
        "curve": {stage: [point._asdict() for point in points] for stage, points in card.curve.items()},
    }
    (folder / NUMBERS_NAME).write_text(json.dumps(numbers, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (folder / CARD_NAME).write_text(card_text(card), encoding="utf-8")


def card_text(card: Card) -> str:
    """The card in Markdown, with the header that the Hugging Face hub reads."""
    usage = (
        "```python\nfrom semreward import SentenceTransformerEncoder\n\n"
        'encoder = SentenceTransformerEncoder("path/of/this/folder")\n'
        f'assert encoder.fingerprint == "{card.fingerprint}"\n```'
    )
    settings = _table(("", "value"), [(name, str(value)) for name, value in _public(card.config).items()])
    sections = [
        _HEADER,
        _ABOUT.format(base=_base(card.config)),
        usage,
        _FINGERPRINT,
        _measured(card),
        _data(card),
        f"## Hyperparameters\n\n{settings}",
        f"Made with semreward {semreward.__version__}; `{NUMBERS_NAME}` has the same numbers, and training's curves.",
    ]
    return "\n\n".join(sections) + "\n"


def _measured(card: Card) -> str:
    if card.before is None or card.after is None:
        return "## Measured\n\nNothing: no held-out pairs were given."
    before, after = card.before.flat(), card.after.flat()
    names = [name for name in after if name != "precision"]
    rows = [(_label(name), f"{before[name]:.4f}" if name in before else "", f"{after[name]:.4f}") for name in names]
    return f"## Measured\n\nOn {card.held_out} held-out pairs; retrieval is among all of them.\n\n" + _table(
        ("", "before", "after"), rows
    )


def _label(name: str) -> str:
    return _LABELS.get(name) or f"Spearman with grades, {name.removeprefix('graded_')}"


def _data(card: Card) -> str:
    lines = [f"- {card.report}"]
    lines += [f"- dropped: {row}" for row in card.report.named]
    lines.append(
        f"- {card.lengths.too_long} of {card.lengths.texts} texts are longer than {card.lengths.window} tokens: their "
        f"ends are not seen; a text has {card.lengths.mean:.1f} tokens on average"
    )
    if card.sentences:
        lines.append(f"- {card.sentences} monolingual sentences, each its own positive")
    if any(card.negatives.values()):
        lines.append("- hard negatives: " + ", ".join(f"{count} {kind}" for kind, count in card.negatives.items()))
    return "## Data\n\n" + "\n".join(lines)


def _public(config: AdaptationConfig) -> dict[str, Any]:
    """The configuration without this machine's folders."""
    hidden = ("output_dir", "resume")
    shown = {name: value for name, value in asdict(config).items() if name not in hidden}
    return {**shown, "base": _base(config)}


def _base(config: AdaptationConfig) -> str:
    path = Path(config.base)
    return path.name if path.is_absolute() else config.base


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
