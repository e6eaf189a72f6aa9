"""The sentence encoders: one pays the reward, a second one, trained on other pairs, only judges."""

import dataclasses
import json
from functools import partial
from pathlib import Path

from semreward import SentenceTransformerEncoder
from semreward.adaptation import AdaptationConfig, adapt_encoder
from tibetan.arguments import Settings
from tibetan.data import read_rows
from tibetan.stages import Stages, process_state

EVALUATION_PAIRS = 500


def adapt_encoders(
    settings: Settings, stages: Stages
) -> tuple[SentenceTransformerEncoder, SentenceTransformerEncoder | None]:
    """The encoder that pays the reward, and one that only judges; each adapted if pairs are given for it."""
    paying = prepare_encoder("encoder", settings, stages)
    if settings.encoders.held_out_encoder is None:
        return paying, None
    return paying, prepare_encoder("held_out_encoder", settings, stages)


def prepare_encoder(name: str, settings: Settings, stages: Stages) -> SentenceTransformerEncoder:
    """The encoder that an argument names, adapted by a stage of the same name if there are pairs for it."""
    encoders = dataclasses.asdict(settings.encoders)
    base, pairs, prompt = (encoders[f"{name}{ending}"] for ending in ("", "_pairs", "_prompt"))
    if pairs is not None:
        for which in ("encoder", "held_out_encoder"):
            for ending in ("", "_pairs", "_prompt"):
                del encoders[f"{which}{ending}"]
        work = partial(adapt, base=base, pairs_name=pairs, settings=settings)
        decides = {"base": base, "pairs": pairs, **encoders, "seed": settings.grpo.seed}
        base = str(stages.run(name, work, decides, every_process=True))
    return SentenceTransformerEncoder(base, max_tokens=settings.encoders.encoder_max_tokens, prompt=prompt)


def adapt(folder: Path, *, base: str, pairs_name: str, settings: Settings) -> None:
    """Adapt an encoder on translation pairs; writes it into `folder`, with `retrieval.json` before and after.

    At most 500 pairs, and at most a tenth of them, are held out for retrieval.
    """
    encoders, data = settings.encoders, settings.data
    columns = encoders.encoder_pair_columns or [data.source_column, data.target_column]
    pairs = [(row[columns[0]], row[columns[1]]) for row in read_rows(pairs_name, columns)]
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
    measured = {"before": adaptation.before, "after": adaptation.after}
    if process_state().is_main_process:
        (folder / "retrieval.json").write_text(json.dumps({"pairs": adaptation.pairs, **measured}, indent=2))
        print(f"retrieval precision@1 of {held_out} held-out pairs: {measured}")
    adaptation.encoder.close()  # evaluation and training load it when they need it
