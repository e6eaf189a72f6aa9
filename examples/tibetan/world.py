"""The miniature in place of downloads: points the settings at a world that was made on the spot."""

import dataclasses
from pathlib import Path

from miniature.documents import Mix
from miniature.grammar import judge
from miniature.headlines import judge_headline
from miniature.models import EncoderShape, PolicyShape
from miniature.reading import PROMPT
from miniature.world import WorldSettings
from tibetan.arguments import Settings, WorldArguments

PARSERS = {"translation": judge, "headline": judge_headline}
"""What judges an answer against its reference, by the task."""

FILES = {"translation": ("pairs.jsonl", "test.jsonl"), "headline": ("headlines.jsonl", "test_headlines.jsonl")}
"""A world's rows for training and for evaluation, by the task."""


def world_settings(arguments: WorldArguments, seed: int) -> WorldSettings:
    """The world that the arguments describe."""
    width = arguments.world_encoder_width
    return WorldSettings(
        seed=seed,
        pairs=arguments.world_pairs,
        test_pairs=arguments.world_test_pairs,
        headlines=arguments.world_headlines,
        test_headlines=arguments.world_test_headlines,
        replay=arguments.world_replay,
        encoder_pairs=arguments.world_encoder_pairs,
        questions=arguments.world_questions,
        drift_texts=arguments.world_drift_texts,
        pretrain_steps=arguments.world_pretrain_steps,
        mix=Mix(echoing=arguments.world_echoing),
        policy=PolicyShape(width=arguments.world_policy_width, layers=arguments.world_policy_layers),
        encoder=EncoderShape(width=width),
        held_out_encoder=EncoderShape(width=3 * width // 4, layers=3),  # differs, so that the two err differently
    )


def use_world(settings: Settings, world: Path) -> Settings:
    """The same run on a world's files and models."""
    train, test = FILES[settings.data.task]
    data = dataclasses.replace(
        settings.data,
        train_data=str(world / train),
        test_data=str(world / test),
        reading_data=str(world / "reading.json"),
        reading_prompt=PROMPT,
        drift_data=str(world / "ood.jsonl"),
    )
    encoders = dataclasses.replace(
        settings.encoders,
        encoder=str(world / "encoder"),
        encoder_pairs=str(world / "encoder_pairs.jsonl"),
        held_out_encoder=str(world / "held_out_encoder"),
        held_out_encoder_pairs=str(world / "held_out_encoder_pairs.jsonl"),
    )
    policy = dataclasses.replace(settings.policy, model_name_or_path=str(world / "policy"))
    return dataclasses.replace(settings, data=data, policy=policy, encoders=encoders)
