"""One call that makes the whole miniature world on disk, in the formats the full-size recipe reads.

Everything is a function of the settings: two builds with equal settings on one machine give equal files. All caption
data (cold start, RL, test, both encoders' pairs) have meanings of their own; none occurs in two files.
"""

import json
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from miniature.documents import Document, Mix, sample_documents, switched_slots
from miniature.grammar import Meaning, realise, sample_meaning
from miniature.headlines import main_fact, realise_headline, sample_article
from miniature.models import EncoderShape, PolicyShape, make_policy, make_policy_tokenizer, write_encoder
from miniature.pretraining import pretrain
from miniature.reading import PROMPT, sample_item, sample_items, to_cmrc
from miniature.topics import FAMILIAR, UNFAMILIAR, sample_text

LANGUAGES = ("zh", "bo")

MINED = ("encoder_pairs", "held_out_encoder_pairs")
"""Pairs as they are found in large numbers, code-switched like the policy's pretraining text; the others are clean."""


@dataclass(frozen=True)
class WorldSettings:
    """Size and seed of a world. The defaults show the paper's effects in about three minutes on two CPU cores.

    Attributes:
        seed: Decides every random draw.
        pairs: Translation pairs for cold start, RL and strong SFT together.
        test_pairs: Translation pairs for evaluation.
        headlines: Articles with headlines, for all training on them together.
        test_headlines: Articles with headlines for evaluation.
        replay: Questions and answers of the kind that the base learned in pretraining, to be mixed into fine-tuning.
        encoder_pairs: Translation pairs for each of the two encoders.
        questions: Reading comprehension items for evaluation.
        drift_texts: Texts in each of the two drift sets.
        pretrain_steps: Optimizer steps of the base policy.
        pretrain_batch_size: Documents a step.
        pretrain_learning_rate: Peak learning rate.
        mix: What the base policy reads.
        policy: Size of the policy.
        encoder: Size of the encoder that pays the reward.
        held_out_encoder: Size of the encoder that only evaluates; differs, so that the two err differently.
    """

    seed: int = 0
    pairs: int = 1200
    test_pairs: int = 200
    headlines: int = 0
    test_headlines: int = 0
    replay: int = 0
    encoder_pairs: int = 12_800
    questions: int = 500
    drift_texts: int = 200
    pretrain_steps: int = 2000
    pretrain_batch_size: int = 16
    pretrain_learning_rate: float = 3e-3
    mix: Mix = field(default=Mix())
    policy: PolicyShape = field(default=PolicyShape())
    encoder: EncoderShape = field(default=EncoderShape())
    held_out_encoder: EncoderShape = field(default=EncoderShape(width=96, layers=3))


SMOKE = WorldSettings(
    pairs=48,
    test_pairs=8,
    headlines=24,
    test_headlines=8,
    replay=8,
    encoder_pairs=64,
    questions=8,
    drift_texts=8,
    pretrain_steps=5,
    policy=PolicyShape(width=32, layers=2, heads=2),
    encoder=EncoderShape(width=32, layers=1, heads=2),
    held_out_encoder=EncoderShape(width=16, layers=1, heads=2),
)
"""Everything tiny: shows in seconds that a pipeline runs, not that anything is learned."""


def build_world(folder: Path, settings: WorldSettings) -> None:
    """Write a world.

    Args:
        folder: Where to write; made if missing. It receives `policy/`, `encoder/` and `held_out_encoder/` (checkpoints
            with tokenizers; the encoders are untrained), `pairs.jsonl`, `test.jsonl`, `encoder_pairs.jsonl` and
            `held_out_encoder_pairs.jsonl` (columns `zh`, `bo`), `headlines.jsonl` and `test_headlines.jsonl` (columns
            `article_zh`, `article_bo`, `headline_zh`, `headline_bo`), `replay.jsonl` (columns `prompt`, `completion`),
            `reading.json` (CMRC 2018 layout), `ood.jsonl` and `in_domain.jsonl` (column `text`).
        settings: Sizes and seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_headlines(folder, settings, _write_pairs(folder, settings))
    questions = sample_items(_rng(settings, "questions"), settings.questions)
    reading = json.dumps(to_cmrc(questions), ensure_ascii=False, indent=1)
    (folder / "reading.json").write_text(reading, encoding="utf-8")
    for name, topics in (("ood", UNFAMILIAR), ("in_domain", FAMILIAR)):
        rng = _rng(settings, name)
        rows = [{"text": sample_text(rng, topics)} for _ in range(settings.drift_texts)]
        _write_jsonl(folder / f"{name}.jsonl", rows)

    passages = frozenset(item.passage for item in questions)
    _write_replay(folder / "replay.jsonl", settings, passages)
    count = settings.pretrain_steps * settings.pretrain_batch_size
    documents = list(sample_documents(_rng(settings, "documents"), count, settings.mix, passages))
    _write_encoders(folder, documents, settings)
    _write_policy(folder / "policy", documents, settings)


def _rng(settings: WorldSettings, purpose: str) -> random.Random:
    """Return a generator of its own for each purpose, so that changing one size leaves the other files as they are."""
    return random.Random(f"{settings.seed}-{purpose}")  # noqa: S311 - made-up sentences, no cryptography


def _write_pairs(folder: Path, settings: WorldSettings) -> set[Meaning]:
    """Write the four files of translation pairs, no meaning in two of them; returns their meanings."""
    used: set[Meaning] = set()
    for name, count in (
        ("test", settings.test_pairs),
        ("pairs", settings.pairs),
        ("encoder_pairs", settings.encoder_pairs),
        ("held_out_encoder_pairs", settings.encoder_pairs),
    ):
        rng = _rng(settings, name)
        rows: list[dict[str, str]] = []
        while len(rows) < count:
            meaning = sample_meaning(rng)
            if meaning not in used:
                used.add(meaning)
                switched = switched_slots(rng, settings.mix) if name in MINED else ()
                rows.append({"zh": realise(meaning, "zh", rng), "bo": realise(meaning, "bo", rng, switched=switched)})
        _write_jsonl(folder / f"{name}.jsonl", rows)
    return used


def _write_headlines(folder: Path, settings: WorldSettings, used: set[Meaning]) -> None:
    """Write both files of articles with headlines; no sentence of an article has a meaning that is used elsewhere."""
    for name, count in (("test_headlines", settings.test_headlines), ("headlines", settings.headlines)):
        rng = _rng(settings, name)
        rows: list[dict[str, str]] = []
        while len(rows) < count:
            article = sample_article(rng)
            if used.isdisjoint(article):
                used.update(article)
                rows.append(
                    {f"article_{tag}": "".join(realise(meaning, tag, rng) for meaning in article) for tag in LANGUAGES}
                    | {f"headline_{tag}": realise_headline(main_fact(article), tag, rng) for tag in LANGUAGES}
                )
        _write_jsonl(folder / f"{name}.jsonl", rows)


def _write_replay(path: Path, settings: WorldSettings, excluded: Collection[str]) -> None:
    """Write questions with their right answers, none about a passage of the evaluation."""
    rng = _rng(settings, "replay")
    rows: list[dict[str, str]] = []
    while len(rows) < settings.replay:
        item = sample_item(rng)
        if item.passage not in excluded:
            prompt = PROMPT.format(passage=item.passage, question=item.question)
            rows.append({"prompt": prompt, "completion": item.answer})
    _write_jsonl(path, rows)


def _write_encoders(folder: Path, documents: list[Document], settings: WorldSettings) -> None:
    """Write both untrained encoders."""
    texts = [segment.text for document in documents for segment in document]
    write_encoder(folder / "encoder", texts, settings.encoder, seed=settings.seed)
    write_encoder(folder / "held_out_encoder", texts, settings.held_out_encoder, seed=settings.seed + 1_000_000)


def _write_policy(folder: Path, documents: list[Document], settings: WorldSettings) -> None:
    """Pretrain the base policy and write it with its tokenizer."""
    tokenizer = make_policy_tokenizer(segment.text for document in documents for segment in document)
    model = make_policy(tokenizer, settings.policy, seed=settings.seed)
    pretrain(
        model,
        tokenizer,
        documents,
        batch_size=settings.pretrain_batch_size,
        learning_rate=settings.pretrain_learning_rate,
        rng=_rng(settings, "batches"),
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_jsonl(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write one JSON object a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
