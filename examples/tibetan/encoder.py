"""The sentence encoders: one pays the reward, a second one, trained on other pairs, only judges."""

import dataclasses
import json
from functools import partial
from pathlib import Path

from semreward import SentenceTransformerEncoder
from semreward.adaptation import AdaptationConfig, adapt_encoder
from tibetan.arguments import EncoderArguments, Settings
from tibetan.data import read_pairs
from tibetan.stages import Stages, process_state

EVALUATION_PAIRS = 500


def adapt_encoders(
    settings: Settings, stages: Stages
) -> tuple[SentenceTransformerEncoder, SentenceTransformerEncoder | None]:
    """The encoder that pays the reward, and one that only judges; each adapted if pairs are given for it."""

    def adapted(stage: str, base: str, pairs: str | None, prompt: str | None) -> SentenceTransformerEncoder:
        path = base
        if pairs is not None:
            work = partial(adapt, base=base, pairs_name=pairs, settings=settings)
            path = str(stages.run(stage, work, adaptation_settings(base, pairs, settings), every_process=True))
        return reward_encoder(path, settings.encoders, prompt)

    encoders = settings.encoders
    paying = adapted("encoder", encoders.encoder, encoders.encoder_pairs, encoders.encoder_prompt)
    if encoders.held_out_encoder is None:
        return paying, None
    judge = (encoders.held_out_encoder, encoders.held_out_encoder_pairs, encoders.held_out_encoder_prompt)
    return paying, adapted("held_out_encoder", *judge)


def adapt(folder: Path, *, base: str, pairs_name: str, settings: Settings) -> None:
    """Adapt an encoder on translation pairs; writes it into `folder`, with `retrieval.json` before and after.

    At most 500 pairs, and at most a tenth of them, are held out for retrieval.
    """
    encoders, data = settings.encoders, settings.data
    pairs = read_pairs(pairs_name, encoders.encoder_pair_columns or (data.source_column, data.target_column))
    held_out = min(EVALUATION_PAIRS, len(pairs) // 10)
    config = AdaptationConfig(
        base=base,
        output_dir=str(folder),
        epochs=encoders.encoder_epochs,
        batch_size=encoders.encoder_batch_size,
        learning_rate=encoders.encoder_learning_rate,
        temperature=encoders.encoder_temperature,
        max_tokens=encoders.encoder_max_tokens,
        seed=settings.grpo.seed,
        use_cpu=settings.grpo.use_cpu,
    )
    adaptation = adapt_encoder(config, pairs[held_out:], pairs[:held_out])
    measured = {
        name: value and value._asdict() for name, value in (("before", adaptation.before), ("after", adaptation.after))
    }
    if process_state().is_main_process:
        (folder / "retrieval.json").write_text(json.dumps({"pairs": adaptation.pairs, **measured}, indent=2))
        print(f"retrieval precision@1 of {held_out} held-out pairs: {measured}")
    adaptation.encoder.close()  # evaluation and training load it when they need it


def reward_encoder(name_or_path: str, encoders: EncoderArguments, prompt: str | None) -> SentenceTransformerEncoder:
    """An encoder as the reward and the evaluation use it."""
    return SentenceTransformerEncoder(name_or_path, max_tokens=encoders.encoder_max_tokens, prompt=prompt)


def adaptation_settings(base: str, pairs: str, settings: Settings) -> dict[str, object]:
    """All that decides an adapted encoder."""
    others: tuple[str, ...] = ("encoder", "encoder_pairs", "encoder_prompt")
    others = (*others, *(f"held_out_{name}" for name in others))
    recipe = {name: value for name, value in dataclasses.asdict(settings.encoders).items() if name not in others}
    return {"base": base, "pairs": pairs, **recipe, "seed": settings.grpo.seed}
