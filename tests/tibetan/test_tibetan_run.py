"""The example as a user runs it: killed in the middle of GRPO, started again, and looked at afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STEPS = 30
TIMEOUT_S = 400


def _command(folder: Path, *more: str) -> list[str]:
    script, config = ROOT / "examples" / "grpo_tibetan.py", ROOT / "examples" / "configs" / "smoke.yaml"
    sizes = ("--max_steps", str(STEPS), "--save_steps", "2", "--similarity_only", "true")
    return [sys.executable, str(script), "--config", str(config), "--output_dir", str(folder), *sizes, *more]


def _kill_in_the_middle_of_grpo(folder: Path) -> None:
    with (folder.parent / "killed.log").open("wb") as log:
        process = subprocess.Popen(_command(folder), stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + TIMEOUT_S
        while not list(folder.glob("grpo.partial/training/checkpoint-*/trainer_state.json")):
            assert process.poll() is None, (folder.parent / "killed.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    _kill_in_the_middle_of_grpo(folder)
    whole_when_killed = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/stage.json")}
    again = subprocess.run(_command(folder), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert again.returncode == 0, again.stderr[-3000:]
    return {"folder": folder, "finished": whole_when_killed, "output": again.stdout}


def test_killed_run_had_finished_what_comes_before_grpo(run: dict[str, Any]) -> None:
    before = {"world", "data", "encoder", "held_out_encoder", "cold_start", "calibration"}
    assert set(run["finished"]) == before


def test_finished_stages_are_not_run_again(run: dict[str, Any]) -> None:
    now = {name: (run["folder"] / name / "stage.json").stat().st_mtime_ns for name in run["finished"]}
    assert now == run["finished"]


def test_grpo_goes_on_from_its_checkpoint(run: dict[str, Any]) -> None:
    assert "going on from" in run["output"]


def test_log_of_grpo_has_every_step_once(run: dict[str, Any]) -> None:
    log = json.loads((run["folder"] / "grpo" / "log.json").read_text())
    assert [line["step"] for line in log if "reward" in line] == list(range(1, STEPS + 1))


def test_grpo_leaves_the_alarms_of_the_whole_run(run: dict[str, Any]) -> None:
    lines = (run["folder"] / "grpo" / "alarms.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(0 < json.loads(line)["step"] <= STEPS for line in lines)


def test_nothing_half_is_left(run: dict[str, Any]) -> None:
    assert not list(run["folder"].glob("*.partial"))


def test_results_hold_every_policy_with_its_signatures(run: dict[str, Any]) -> None:
    results = json.loads((run["folder"] / "results.json").read_text())
    assert list(results["models"]) == ["base", "cold_start", "grpo", "strong_sft", "grpo_similarity_only"]
    assert all("semreward:" in scores["bleu"]["signature"] for scores in results["models"].values())


def test_results_tell_how_they_came_about(run: dict[str, Any]) -> None:
    results = json.loads((run["folder"] / "results.json").read_text())
    assert {"seed", "settings", "versions", "machine", "date", "seconds", "calibration"} <= set(results)


def test_report_opens_offline_and_shows_curves_and_answers(run: dict[str, Any]) -> None:
    page = (run["folder"] / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "src=" not in page.replace("src=&quot;", "")
    assert "Training: RL" in page


def test_other_settings_in_the_same_folder_are_refused(run: dict[str, Any]) -> None:
    command = _command(run["folder"], "--encoder_learning_rate", "0.5")
    refused = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env={**os.environ}
    )
    assert "was made with other values of encoder_learning_rate" in refused.stderr
