"""Small trainings that several modules look at."""

from pathlib import Path

import pytest

from semreward.adaptation import AdaptationConfig, adapt_encoder, training


@pytest.fixture(scope="session")
def quick(encoder_folder, tmp_path_factory):
    """Makes a configuration of a few steps; what is given replaces the defaults."""

    def make(**options):
        folder = options.pop("output_dir", None) or tmp_path_factory.mktemp("models") / "adapted"
        base = str(options.pop("base", encoder_folder))
        defaults = {"batch_size": 8, "learning_rate": 5e-3, "epochs": 1, "use_cpu": True}
        return AdaptationConfig(base, str(folder), **{**defaults, **options})

    return make


@pytest.fixture(scope="session")
def adaptation(quick, captions):
    """A training long enough to learn something, measured on the way."""
    config = quick(epochs=12, batch_size=16, measure_steps=10)
    graded = [(anchor, positive, 1, "across") for anchor, positive in captions[:6]]
    graded += [(captions[row][0], captions[row + 1][1], 0, "across") for row in range(6)]
    return adapt_encoder(config, [*captions[12:], captions[12]], captions[:12], graded=graded)


@pytest.fixture(scope="session")
def adapted_folder(adaptation):
    return Path(adaptation.encoder.name_or_path)


class KilledError(Exception):
    """Stands for a machine that goes away."""


@pytest.fixture
def killed(monkeypatch, captions):
    """Starts an adaptation that ends at a step, after its checkpoint was written."""

    def run(config, step):
        class Killed(training.ContrastiveTrainer):
            def _save_checkpoint(self, *arguments, **options):
                super()._save_checkpoint(*arguments, **options)
                if self.state.global_step == step:
                    raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(training, "ContrastiveTrainer", Killed)
            with pytest.raises(KilledError):
                adapt_encoder(config, captions[:32], captions[32:36])

    return run
