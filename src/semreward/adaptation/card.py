"""The model card: what an adapted encoder was made from and how it measured, beside its weights."""

import json
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
- semreward
---

# Sentence encoder, adapted with semreward

Made from `{base}` by contrastive training on pairs. A threshold of another encoder does not fit it.

```python
from semreward import SentenceTransformerEncoder

encoder = SentenceTransformerEncoder("path/of/this/folder")
assert encoder.fingerprint == "{fingerprint}"
```

## Measured on {held_out} held-out pairs

{measures}

## Data

{data}

## Hyperparameters

{settings}

Made with semreward {version}; `adaptation.json` has the same numbers, and the training curve.
"""


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
        "held_out": held_out,
        "negatives": dict(adaptation.negatives),
        "before": before or None,
        "after": after or None,
        "curve": list(adaptation.curve),
    }
    text = json.dumps(numbers, ensure_ascii=False, indent=2) + "\n"
    (folder / "adaptation.json").write_text(text, encoding="utf-8")
    data = [str(adaptation.report), *(f"dropped: {row}" for row in adaptation.report.named)]
    data += [f"hard negatives, {kind}: {count}" for kind, count in adaptation.negatives.items()]
    card = _CARD.format(
        base=settings["base"],
        fingerprint=adaptation.encoder.fingerprint,
        held_out=held_out,
        measures=_table(
            ("", "before", "after"), [(name, f"{before[name]:.4f}", f"{after[name]:.4f}") for name in after]
        ),
        data="\n".join(f"- {line}" for line in data),
        settings=_table(("", "value"), [(name, str(value)) for name, value in settings.items()]),
        version=semreward.__version__,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows])
