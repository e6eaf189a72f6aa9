"""The minimal example as a user runs it, with small random models in place of the hub's."""

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets", reason="needs the extra `train`")
pytest.importorskip("trl", reason="needs the extra `train`")

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def run(policy_folder: Path, encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from grpo_minimal import main

    models = ["--policy", str(policy_folder), "--encoder", str(encoder_folder), "--threshold", "0"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as output:
        patch.chdir(tmp_path_factory.mktemp("minimal"))
        logged = main(models)
    return {"logged": logged, "output": output.getvalue()}


def test_example_makes_one_step(run: dict[str, Any]) -> None:
    assert run["logged"]["step"] == 1


def test_logged_reward_is_the_weighted_sum_of_the_logged_components(run: dict[str, Any]) -> None:
    logged = run["logged"]
    total = 1.5 * logged["semantic_similarity/mean"] + 1.0 * logged["language_consistency/mean"]
    assert logged["semantic_similarity/mean"] > 0
    assert logged["reward"] == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize(
    "name", ["reward", "semantic_similarity/mean", "semantic_similarity/similarity", "language_consistency/mean"]
)
def test_example_prints_reward_and_components(run: dict[str, Any], name: str) -> None:
    assert f"{name:32}{run['logged'][name]:.3f}" in run["output"].splitlines()
