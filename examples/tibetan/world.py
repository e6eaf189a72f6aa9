"""The miniature in place of downloads: points the settings at a world that was made on the spot."""

from pathlib import Path

from miniature.documents import Mix
from miniature.grammar import judge
from miniature.headlines import judge_headline
from miniature.models import EncoderShape, PolicyShape
from miniature.reading import PROMPT
from miniature.world import WorldSettings
from tibetan.arguments import Settings, WorldArguments

PARSERS = {"translation": judge, "headline": judge_headline}
"""The function that judges an answer against its reference, by the task."""

FILES = {"translation": ("pairs.jsonl", "test.jsonl"), "headline": ("headlines.jsonl", "test_headlines.jsonl")}
"""A world's rows for training and for evaluation, by the task."""


def world_settings(arguments: WorldArguments, seed: int) -> WorldSettings:
    """The world that the arguments describe."""
    sizes = {name.removeprefix("world_"): value for name, value in vars(arguments).items()}
    width = sizes.pop("encoder_width")
    return WorldSettings(
        seed=seed,
        mix=Mix(echoing=sizes.pop("echoing")),
        policy=PolicyShape(width=sizes.pop("policy_width"), layers=sizes.pop("policy_layers")),
        encoder=EncoderShape(width=width),
        held_out_encoder=EncoderShape(width=3 * width // 4, layers=3),  # another shape, so that the two err differently
        **sizes,
    )


def use_world(settings: Settings, world: Path) -> Settings:
    """The same run on a world's files and models."""
    train, test = FILES[settings.data.task]
    return settings.replace(
        model_name_or_path=str(world / "policy"),
        train_data=str(world / train),
        test_data=str(world / test),
        reading_data=str(world / "reading.json"),
        reading_prompt=PROMPT,
        drift_data=str(world / "ood.jsonl"),
        encoder=str(world / "encoder"),
        encoder_pairs=str(world / "encoder_pairs.jsonl"),
        held_out_encoder=str(world / "held_out_encoder"),
        held_out_encoder_pairs=str(world / "held_out_encoder_pairs.jsonl"),
    )
