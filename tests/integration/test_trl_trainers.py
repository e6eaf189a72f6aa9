"""Two real steps of TRL's trainers: a reward is handed over as it is, and everything it says arrives in the logs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import semreward
from doubles import BigramEncoder

datasets = pytest.importorskip("datasets", reason="needs the extra `train`")
peft = pytest.importorskip("peft", reason="needs the extra `train`")
trl = pytest.importorskip("trl", reason="needs the extra `train`")
trl_utils = pytest.importorskip("trl.trainer.utils", reason="needs the extra `train`")

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing. is deprecated:FutureWarning")

CLASSES = {"grpo": (trl.GRPOTrainer, trl.GRPOConfig), "rloo": (trl.RLOOTrainer, trl.RLOOConfig)}
STEPS, ROWS_A_STEP, GENERATIONS = 2, 4, 2


def paper_reward(encoder: Any) -> semreward.CompositeReward:
    return semreward.paper_reward(encoder, "zh", 0.01)


def train(
    algorithm: str,
    policy: Path,
    reward_funcs: Any,
    rows: list[dict[str, Any]],
    folder: Path,
    *,
    peft_config: Any = None,
    **options: Any,
) -> Any:
    """Train for `STEPS` steps on the CPU and return the trainer."""
    trainer_class, config_class = CLASSES[algorithm]
    config = config_class(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        learning_rate=1e-2,
        max_steps=STEPS,
        per_device_train_batch_size=ROWS_A_STEP,
        num_generations=GENERATIONS,
        max_completion_length=8,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        seed=3,
        **options,
    )
    trainer = trainer_class(
        model=str(policy),
        args=config,
        reward_funcs=reward_funcs,
        train_dataset=datasets.Dataset.from_list(rows),
        peft_config=peft_config,
    )
    trainer.train()
    return trainer


@dataclass(frozen=True)
class Run:
    """A finished training run."""

    rows: list[dict[str, Any]]
    trainer: Any

    @property
    def table(self) -> dict[str, list[Any]]:
        """The last step's completions with all columns, as TRL shows them to people (RLOO writes them to no file)."""
        logs = self.trainer._logs
        columns = {"prompt": logs["prompt"], "completion": logs["completion"], **logs["rewards"], **logs["extra"]}
        return {name: list(values) for name, values in columns.items()}

    @property
    def steps(self) -> list[dict[str, float]]:
        return [entry for entry in self.trainer.state.log_history if "reward" in entry]


@pytest.fixture(scope="module")
def rows(captions: list[tuple[str, str]]) -> dict[str, list[dict[str, Any]]]:
    """Prompts and references by prompt format. Random policies write no Tibetan, so Chinese is the target."""
    return {
        "plain": [{"prompt": bo, "reference": zh} for zh, bo in captions[:8]],
        "chat": [{"prompt": [{"role": "user", "content": bo}], "reference": zh} for zh, bo in captions[:8]],
    }


@pytest.fixture(scope="module", params=["grpo-plain", "grpo-chat", "rloo-plain", "rloo-chat"])
def run(
    request: pytest.FixtureRequest, policy_folder: Path, rows: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """The composite as the only reward function."""
    algorithm, prompt_format = request.param.split("-")
    folder = tmp_path_factory.mktemp(request.param)
    chosen = rows[prompt_format]
    trainer = train(algorithm, policy_folder, paper_reward(BigramEncoder()), chosen, folder)
    return Run(chosen, trainer)


def test_trainer_logs_the_composite_under_its_name(run: Run) -> None:
    assert [step["rewards/composite/mean"] for step in run.steps] == pytest.approx(
        [step["reward"] for step in run.steps]
    )
    assert len(run.steps) == STEPS


def test_every_component_and_its_metrics_reach_the_log_at_every_step(run: Run) -> None:
    expected = {
        "semantic_similarity/mean",
        "semantic_similarity/similarity",
        "semantic_similarity/dead_zone",
        "semantic_similarity/saturation",
        "semantic_similarity/unreadable",
        "language_consistency/mean",
    }
    assert all(expected <= step.keys() for step in run.steps)


def test_logged_components_add_up_to_the_logged_total(run: Run) -> None:
    sums = [1.5 * step["semantic_similarity/mean"] + step["language_consistency/mean"] for step in run.steps]
    assert sums == pytest.approx([step["reward"] for step in run.steps], abs=1e-5)


def test_columns_of_the_completions_table_belong_to_their_rows(run: Run) -> None:
    table = run.table
    shown = [plain(prompt) for prompt in table["prompt"]]  # TRL before 1.15 shows chats as rendered by their template
    references = [row["reference"] for prompt in shown for row in run.rows if plain(row["prompt"]) in prompt]
    parts = paper_reward(BigramEncoder()).breakdown(completions=table["completion"], reference=references)
    assert len(set(table["semantic_similarity"])) > 1
    assert table["semantic_similarity"] == pytest.approx(parts["semantic_similarity"])
    assert table["language_consistency"] == pytest.approx(parts["language_consistency"])
    assert table["composite"] == pytest.approx(parts["total"], abs=1e-6)


def test_raw_cosines_stand_beside_the_rewards_they_become(run: Run) -> None:
    cosines = np.array(run.table["semantic_similarity/similarity"])
    assert run.table["semantic_similarity"] == pytest.approx(np.maximum(0, (cosines - 0.01) / 0.99))


def test_policy_learns_from_the_reward(run: Run, policy_folder: Path) -> None:
    assert changed_parameters(run.trainer.model, policy_folder)


@pytest.mark.parametrize("algorithm", CLASSES)
def test_components_given_as_a_list_earn_the_totals_of_the_composite(
    algorithm: str, policy_folder: Path, rows: dict[str, Any], tmp_path: Path
) -> None:
    reward = paper_reward(BigramEncoder())
    whole = train(algorithm, policy_folder, reward, rows["chat"], tmp_path / "whole")
    parts = train(
        algorithm, policy_folder, reward.rewards, rows["chat"], tmp_path / "parts", reward_weights=reward.weights
    )
    assert totals(parts) == pytest.approx(totals(whole), abs=1e-5)


@pytest.mark.parametrize("algorithm", CLASSES)
def test_components_given_as_a_list_are_logged_by_the_trainer(
    algorithm: str, policy_folder: Path, rows: dict[str, Any], tmp_path: Path
) -> None:
    reward = paper_reward(BigramEncoder())
    trainer = train(algorithm, policy_folder, reward.rewards, rows["plain"], tmp_path, reward_weights=reward.weights)
    last = trainer.state.log_history[STEPS - 1]
    assert {
        "rewards/semantic_similarity/mean",
        "rewards/language_consistency/mean",
        "semantic_similarity/dead_zone",
    } <= last.keys()


@pytest.mark.skipif(
    not hasattr(trl_utils, "is_async_callable"), reason="this TRL does not know objects whose call is async"
)
@pytest.mark.parametrize("algorithm", CLASSES)
def test_awaited_rewards_are_awaited_by_the_trainer(
    algorithm: str, policy_folder: Path, rows: dict[str, Any], tmp_path: Path
) -> None:
    reward = paper_reward(BigramEncoder())
    awaited = [part.as_async() for part in reward.rewards]
    trainer = train(algorithm, policy_folder, awaited, rows["plain"], tmp_path, reward_weights=reward.weights)
    assert all(map(trl_utils.is_async_callable, awaited))
    last = trainer.state.log_history[STEPS - 1]
    assert {
        "rewards/semantic_similarity/mean",
        "rewards/language_consistency/mean",
        "semantic_similarity/dead_zone",
    } <= last.keys()


@pytest.mark.parametrize("algorithm", CLASSES)
def test_real_encoder_pays_a_lora_policy(
    algorithm: str, policy_folder: Path, encoder_folder: Path, rows: dict[str, Any], tmp_path: Path
) -> None:
    lora = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    reward = paper_reward(str(encoder_folder))
    trainer = train(algorithm, policy_folder, reward, rows["chat"], tmp_path, peft_config=lora)
    moved = [name for name, value in trainer.model.named_parameters() if "lora_B" in name and value.abs().sum() > 0]
    assert len(moved) == 2 * 7  # layers x projections; B is zero before training


class AsyncBrevity:
    """1 for completions of fewer than five characters; async, as a reward that asks a server would be."""

    __name__ = "brevity"

    async def __call__(self, *, completions: list[Any], **columns: Any) -> list[float]:
        return [float(len(plain(completion)) < 5) for completion in completions]


async def length(*, completions: list[Any], **columns: Any) -> list[float]:
    return [len(plain(completion)) / 100 for completion in completions]


@pytest.mark.parametrize("algorithm", CLASSES)
def test_async_components_run_inside_the_composite(
    algorithm: str, policy_folder: Path, rows: dict[str, Any], tmp_path: Path
) -> None:
    similarity = semreward.SemanticSimilarityReward(BigramEncoder(), threshold=0.01)
    reward = semreward.CompositeReward([(similarity, 1.0), (AsyncBrevity(), 0.5), (length, 1.0)])
    trainer = train(algorithm, policy_folder, reward, rows["chat"], tmp_path)
    step = trainer.state.log_history[0]
    total = step["semantic_similarity/mean"] + 0.5 * step["brevity/mean"] + step["length/mean"]
    assert step["length/mean"] > 0
    assert step["reward"] == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("algorithm", CLASSES)
def test_missing_column_stops_training_and_names_the_remedy(
    algorithm: str, policy_folder: Path, rows: dict[str, Any], tmp_path: Path
) -> None:
    without = [{"prompt": row["prompt"], "translation": row["reference"]} for row in rows["plain"]]
    with pytest.raises(
        semreward.SemRewardError, match=r"`reference` is missing .*translation.*; add it to the data set"
    ):
        train(algorithm, policy_folder, paper_reward(BigramEncoder()), without, tmp_path)


@pytest.mark.parametrize("algorithm", CLASSES)
def test_column_of_another_name_is_read(
    algorithm: str, policy_folder: Path, rows: dict[str, Any], tmp_path: Path
) -> None:
    renamed = [{"prompt": row["prompt"], "translation": row["reference"]} for row in rows["plain"]]
    reward = semreward.SemanticSimilarityReward(BigramEncoder(), threshold=0.01, reference_column="translation")
    trainer = train(algorithm, policy_folder, reward, renamed, tmp_path)
    assert trainer.state.log_history[0]["rewards/semantic_similarity/mean"] > 0


def plain(messages: Any) -> str:
    """The text of a prompt or completion in either format."""
    return messages if isinstance(messages, str) else str(messages[0]["content"])


def totals(trainer: Any) -> list[float]:
    return [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]


def changed_parameters(model: torch.nn.Module, folder: Path) -> list[str]:
    """Names of the parameters that differ from the checkpoint's."""
    before = load_file(folder / "model.safetensors")
    return [name for name, value in model.named_parameters() if not torch.equal(value, before[name])]
