"""One call that makes the whole miniature world on disk, in the formats the full-size recipe reads.

Everything is a function of the settings: two builds with equal settings on one machine give equal files. All caption
data (cold start, RL, test, both encoders' pairs) have meanings of their own; none occurs in two files.
"""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from miniature.documents import Mix, sample_documents, switched_slots
from miniature.grammar import Meaning, realise, sample_meaning
from miniature.headlines import main_fact, sample_article
from miniature.models import EncoderShape, PolicyShape, make_policy, make_policy_tokenizer, write_encoder
from miniature.pretraining import pretrain
from miniature.reading import sample_item, sample_items, to_cmrc
from miniature.topics import FAMILIAR, UNFAMILIAR, sample_text

LANGUAGES = ("zh", "bo")
HEADLINE_COLUMNS = ("article_zh", "article_bo", "headline_zh", "headline_bo")

MINED = ("encoder_pairs", "held_out_encoder_pairs")
"""Pairs as they are found in large numbers, code-switched like the policy's pretraining text; the others are clean."""


@dataclass(frozen=True)
class WorldSettings:
    """Size and seed of a world. The defaults show the paper's effects in about three minutes on two CPU cores."""

    seed: int = 0  # decides every random draw
    pairs: int = 1200  # translation pairs for cold start, RL and strong SFT together
    test_pairs: int = 200  # translation pairs for evaluation
    headlines: int = 0  # articles with headlines, for all training on them together
    test_headlines: int = 0  # articles with headlines for evaluation
    replay: int = 0  # questions and answers of the pretraining's kind, to be mixed into fine-tuning
    encoder_pairs: int = 12_800  # translation pairs for each of the two encoders
    questions: int = 500  # reading comprehension items for evaluation
    drift_texts: int = 200  # texts in each of the two drift sets
    pretrain_steps: int = 2000  # of the base policy
    pretrain_batch_size: int = 16  # documents
    pretrain_learning_rate: float = 3e-3  # at its peak
    mix: Mix = field(default=Mix())
    policy: PolicyShape = field(default=PolicyShape())
    encoder: EncoderShape = field(default=EncoderShape())  # pays the reward
    held_out_encoder: EncoderShape = field(default=EncoderShape(width=96, layers=3))  # only evaluates; errs differently


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
        folder: Made if missing. It receives `policy/`, `encoder/` and `held_out_encoder/` (checkpoints with tokenizers;
            the encoders are untrained), `pairs.jsonl`, `test.jsonl`, `encoder_pairs.jsonl` and
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
        _write_jsonl(
            folder / f"{name}.jsonl", [{"text": sample_text(rng, topics)} for _ in range(settings.drift_texts)]
        )

    passages = frozenset(item.passage for item in questions)
    rng = _rng(settings, "replay")
    replayed = [sample_item(rng, passages) for _ in range(settings.replay)]
    _write_jsonl(folder / "replay.jsonl", [{"prompt": item.prompt, "completion": item.answer} for item in replayed])
    count = settings.pretrain_steps * settings.pretrain_batch_size
    documents = list(sample_documents(_rng(settings, "documents"), count, settings.mix, passages))
    texts = [segment.text for document in documents for segment in document]
    write_encoder(folder / "encoder", texts, settings.encoder, seed=settings.seed)
    write_encoder(folder / "held_out_encoder", texts, settings.held_out_encoder, seed=settings.seed + 1_000_000)

    tokenizer = make_policy_tokenizer(texts)
    policy = make_policy(tokenizer, settings.policy, seed=settings.seed)
    size, rate, order = settings.pretrain_batch_size, settings.pretrain_learning_rate, _rng(settings, "batches")
    pretrain(policy, tokenizer, documents, batch_size=size, learning_rate=rate, rng=order)
    policy.save_pretrained(folder / "policy")
    tokenizer.save_pretrained(folder / "policy")


def _rng(settings: WorldSettings, purpose: str) -> random.Random:
    """A generator of its own for each purpose, so that changing one size leaves the other files as they are."""
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
                texts = ["".join(realise(meaning, tag, rng) for meaning in article) for tag in LANGUAGES]
                titles = [realise(main_fact(article), tag, rng) for tag in LANGUAGES]
                rows.append(dict(zip(HEADLINE_COLUMNS, texts + titles, strict=True)))
        _write_jsonl(folder / f"{name}.jsonl", rows)


def _write_jsonl(path: Path, rows: Iterable[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
