"""The model card: what an adapted encoder was made from and how it measured, beside its weights."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import semreward
from semreward.adaptation.config import AdaptationConfig

if TYPE_CHECKING:
    from semreward.adaptation.adapting import Adaptation

_CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- sentence-similarity
- semreward
---

# Sentence encoder, adapted with semreward

Adapted from `{base}` by contrastive training. Texts that mean the same, in the languages of the pairs below, have a
cosine near 1.

```python
from semreward import SentenceTransformerEncoder

encoder = SentenceTransformerEncoder("path/of/this/folder")
assert encoder.fingerprint == "{fingerprint}"
```

The fingerprint covers weights, tokenizer and pooling. Rewards and calibrations refer to it: a threshold that was
calibrated with another encoder does not fit this one.

## Measured

{measured}

## Data

{data}

## Hyperparameters

{settings}

Made with semreward {version}; `adaptation.json` has the same numbers, and the training curve.
"""

_LABELS = {
    "forward": "precision@1, anchor to positive",
    "backward": "precision@1, positive to anchor",
    "mrr_forward": "mean reciprocal rank, anchor to positive",
    "mrr_backward": "mean reciprocal rank, positive to anchor",
    "auc": "AUC of true against mismatched pairs",
    "anisotropy": "anisotropy (mean cosine of two texts)",
    "graded": "Spearman with grades, all pairs",
}


def write_card(config: AdaptationConfig, adaptation: "Adaptation", *, held_out: int) -> None:
    """Write `README.md` for people and `adaptation.json` for programs into the encoder's folder.

    Args:
        config: Hyperparameters.
        adaptation: All else; its encoder lies in the folder already.
        held_out: How many pairs it was measured on.
    """
    settings = _public(config)
    before, after = adaptation.before, adaptation.after
    numbers = {
        "fingerprint": adaptation.encoder.fingerprint,
        "semreward": semreward.__version__,
        "config": settings,
        "data": {**asdict(adaptation.report), "kept": adaptation.report.kept},
        "lengths": asdict(adaptation.lengths),
        "held_out": held_out,
        "negatives": dict(adaptation.negatives),
        "before": before and before.flat(),
        "after": after and after.flat(),
        "curve": [point._asdict() for point in adaptation.curve],
    }
    card = _CARD.format(
        base=settings["base"],
        fingerprint=adaptation.encoder.fingerprint,
        measured=_measured(adaptation, held_out),
        data=_data(adaptation),
        settings=_table(("", "value"), [(name, str(value)) for name, value in settings.items()]),
        version=semreward.__version__,
    )
    folder = Path(config.output_dir)
    text = json.dumps(numbers, ensure_ascii=False, indent=2) + "\n"
    (folder / "adaptation.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")


def _public(config: AdaptationConfig) -> dict[str, Any]:
    """The configuration without this machine's folders."""
    base = Path(config.base)
    shown = {**asdict(config), "base": base.name if base.is_absolute() else config.base}
    return {name: value for name, value in shown.items() if name not in {"output_dir", "resume"}}


def _measured(adaptation: "Adaptation", held_out: int) -> str:
    if adaptation.before is None or adaptation.after is None:
        return "Nothing: no held-out pairs were given."
    before, after = adaptation.before.flat(), adaptation.after.flat()
    rows = []
    for name, value in after.items():
        if name != "precision":
            label = _LABELS.get(name) or f"Spearman with grades, {name.removeprefix('graded_')}"
            rows.append((label, f"{before[name]:.4f}" if name in before else "", f"{value:.4f}"))
    table = _table(("", "before", "after"), rows)
    return f"On {held_out} held-out pairs; retrieval is among all of them.\n\n{table}"


def _data(adaptation: "Adaptation") -> str:
    lengths = adaptation.lengths
    lines = [f"- {adaptation.report}"]
    lines += [f"- dropped: {row}" for row in adaptation.report.named]
    lines.append(
        f"- {lengths.too_long} of {lengths.texts} texts are longer than {lengths.window} tokens: their ends are not "
        f"seen; a text has {lengths.mean:.1f} tokens on average"
    )
    if any(adaptation.negatives.values()):
        lines.append(
            "- hard negatives: " + ", ".join(f"{count} {kind}" for kind, count in adaptation.negatives.items())
        )
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
