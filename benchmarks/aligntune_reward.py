"""What the semantic reward of aligntune pays where something is wrong, beside this package's.

Needs aligntune (`pip install --no-deps aligntune==0.1.28` is enough) and a folder with a sentence encoder:

    python benchmarks/aligntune_reward.py path/to/all-MiniLM-L6-v2
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from semreward import SemanticSimilarityReward, SentenceTransformerEncoder

try:
    from aligntune.rewards import core
except ImportError as error:
    sys.exit(f"skipped: {error}; pip install --no-deps aligntune==0.1.28")

FOLDER, BROKEN = sys.argv[1], Path(tempfile.mkdtemp(), "model")
CAT, KITTEN, DOG = "The cat sleeps on the sofa.", "A kitten is asleep on the couch.", "A dog barks in the yard."
RAISES = mock.patch.object(SentenceTransformer, "encode", side_effect=RuntimeError("CUDA out of memory"))
FORWARD = mock.patch.object(SentenceTransformer, "forward", side_effect=RuntimeError("CUDA out of memory"))
MISSING = mock.patch.dict(sys.modules, {"sentence_transformers": None})
CASES = [  # what, answer, reference, folder, what is patched
    ("a paraphrase", KITTEN, CAT, FOLDER, ()),
    ("another sentence", DOG, CAT, FOLDER, ()),
    ("`encode` raises", CAT, CAT, FOLDER, (RAISES, FORWARD)),
    ("no reference", CAT, None, FOLDER, ()),
    ("two references, the second is met", CAT, [DOG, CAT], FOLDER, ()),
    ("an empty answer", "", CAT, FOLDER, ()),
    ("the right words in the reasoning only", f"<think>{CAT}</think>{DOG}", CAT, FOLDER, ()),
    ("sentence-transformers is missing", KITTEN, CAT, FOLDER, (MISSING,)),
    ("NaN among the weights", CAT, CAT, str(BROKEN), ()),
    ("a chat message", [{"role": "assistant", "content": KITTEN}], CAT, FOLDER, ()),
]


def theirs(answer: Any, reference: Any, folder: str) -> float:
    """What a trainer of aligntune gets."""
    config = core.RewardConfig(core.RewardType.SEMANTIC_SIMILARITY, model_name=folder)
    return core.CompositeReward([core.SemanticSimilarityReward(config)]).batch_compute([answer], [reference])[0]


def ours(answer: Any, reference: Any, folder: str) -> float | None:
    """The same with this package."""
    encoder = SentenceTransformerEncoder(folder)
    encoder.close()  # each case loads the model anew
    return SemanticSimilarityReward(encoder, threshold=0.5)(completions=[answer], reference=[reference])[0]


def outcome(reward: Callable[..., Any], answer: Any, reference: Any, folder: str, patches: tuple[Any, ...]) -> str:
    """What a reward pays, or the error that it raises."""
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        try:
            return f"{reward(answer, reference, folder):.3f}"
        except Exception as error:  # noqa: BLE001 - raising is one of the two things to be seen
            return f"{type(error).__name__}: {error}"[:150]


shutil.copytree(FOLDER, BROKEN)
weights = load_file(BROKEN / "model.safetensors")
next(weight for weight in weights.values() if weight.is_floating_point()).fill_(float("nan"))
save_file(weights, BROKEN / "model.safetensors", metadata={"format": "pt"})
for what, *case in CASES:
    print(f"| {what} | {outcome(theirs, *case)} | {outcome(ours, *case)} |")
