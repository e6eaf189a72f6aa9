"""The sentence encoders: one pays the reward, a second one, trained on other pairs, only judges."""

import dataclasses
import json
from pathlib import Path

from semreward import SentenceTransformerEncoder
from semreward.adaptation import AdaptationConfig, adapt_encoder
from tibetan.arguments import EncoderArguments, Settings
from tibetan.data import read_pairs
from tibetan.stages import process_state

EVALUATION_PAIRS = 500


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


def reward_encoder(name_or_path: str, encoders: EncoderArguments) -> SentenceTransformerEncoder:
    """An encoder as the reward and the evaluation use it."""
    return SentenceTransformerEncoder(name_or_path, max_tokens=encoders.encoder_max_tokens)


def adaptation_settings(base: str, pairs: str, settings: Settings) -> dict[str, object]:
    """All that decides an adapted encoder."""
    others = ("encoder", "encoder_pairs", "held_out_encoder", "held_out_encoder_pairs")
    recipe = {name: value for name, value in dataclasses.asdict(settings.encoders).items() if name not in others}
    return {"base": base, "pairs": pairs, **recipe, "seed": settings.grpo.seed}
