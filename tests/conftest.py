"""What several test modules share: small models, made on the spot with the classes and files of the real ones."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from doubles import BigramEncoder

# The models here are too small to gain from threads, and threads that wait for a busy core cost seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shared machines are slow in spells; a deadline would fail tests for what they do not check.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.fixture
def encoder() -> BigramEncoder:
    return BigramEncoder()


@pytest.fixture(scope="session")
def captions() -> list[tuple[str, str]]:
    """Sixty Chinese-Tibetan caption pairs of distinct meanings."""
    from miniature.grammar import realise, sample_meaning

    rng = random.Random(7)
    meanings = list(dict.fromkeys(sample_meaning(rng) for _ in range(60)))
    return [(realise(meaning, "zh", rng), realise(meaning, "bo", rng)) for meaning in meanings]


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory, captions: list[tuple[str, str]]) -> Path:
    """A small XLM-R checkpoint with random weights, in plain transformers format, as CINO is published."""
    from miniature.models import EncoderShape, write_encoder

    folder = tmp_path_factory.mktemp("models") / "encoder"
    write_encoder(
        folder, [text for pair in captions for text in pair], EncoderShape(width=32, layers=1, heads=2), seed=0
    )
    return folder


@pytest.fixture(scope="session")
def policy_folder(tmp_path_factory: pytest.TempPathFactory, captions: list[tuple[str, str]]) -> Path:
    """A small Qwen3 checkpoint with random weights and a chat template."""
    from miniature.models import PolicyShape, make_policy, make_policy_tokenizer

    folder = tmp_path_factory.mktemp("models") / "policy"
    tokenizer = make_policy_tokenizer([text for pair in captions for text in pair])
    make_policy(tokenizer, PolicyShape(width=32, layers=2, heads=2), seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Writes a file; returns its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(scope="session")
def trained_folder(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose normalisation layers have been trained."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(encoder_folder), device="cpu")
    for name, weight in model.named_parameters():
        if name.endswith("LayerNorm.weight"):
            weight.data += 0.1
    folder = tmp_path_factory.mktemp("models") / "trained"
    model.save_pretrained(str(folder))
    return folder
