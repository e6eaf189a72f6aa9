"""The model card: what an adapted encoder was made from and how it measured, beside its weights."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

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

On {held_out} held-out pairs; retrieval is among all of them.

{measures}

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
    """Write `README.md` for people and `adaptation.json` for programs into the encoder's folder."""
    folder, base = Path(config.output_dir), Path(config.base)
    settings = {**asdict(config), "base": base.name if base.is_absolute() else config.base}
    del settings["output_dir"], settings["resume"]  # nothing of this machine
    before, after = ({} if measures is None else measures.flat() for measures in (adaptation.before, adaptation.after))
    numbers = {
        "fingerprint": adaptation.encoder.fingerprint,
        "semreward": semreward.__version__,
        "config": settings,
        "data": {**asdict(adaptation.report), "kept": adaptation.report.kept},
        "lengths": adaptation.lengths._asdict(),
        "held_out": held_out,
        "negatives": dict(adaptation.negatives),
        "before": before or None,
        "after": after or None,
        "curve": list(adaptation.curve),
    }
    text = json.dumps(numbers, ensure_ascii=False, indent=2) + "\n"
    (folder / "adaptation.json").write_text(text, encoding="utf-8")
    measured = []
    for name in filter("precision".__ne__, after):
        label = _LABELS.get(name, name.replace("graded_", "Spearman with grades, "))
        measured.append((label, f"{before.get(name, math.nan):.4f}", f"{after[name]:.4f}"))
    card = _CARD.format(
        base=settings["base"],
        fingerprint=adaptation.encoder.fingerprint,
        held_out=held_out,
        measures=_table(("", "before", "after"), measured),
        data="\n".join(f"- {line}" for line in _data_lines(adaptation)),
        settings=_table(("", "value"), [(name, str(value)) for name, value in settings.items()]),
        version=semreward.__version__,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def _data_lines(adaptation: "Adaptation") -> list[str]:
    lengths = adaptation.lengths
    return [
        str(adaptation.report),
        *(f"dropped: {row}" for row in adaptation.report.named),
        f"{lengths.too_long} of {lengths.texts} texts are longer than {lengths.window} tokens: their ends are not seen",
        f"tokens per text: {lengths.mean:.1f}",
        "hard negatives: " + ", ".join(f"{count} {kind}" for kind, count in adaptation.negatives.items()),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
