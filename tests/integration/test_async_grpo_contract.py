"""TRL's AsyncGRPO pickles rewards into a child process that sees no GPU, and calls them there from several threads.

The child calls as `trl.experimental.async_grpo` does: a group at a time, without weights, hooks or trainer state.
"""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import semreward

CHILD = """
import asyncio, json, pickle, sys

async def score(reward, groups):
    return await asyncio.gather(*(asyncio.to_thread(reward, **group) for group in groups))

with open(sys.argv[1], "rb") as file:
    reward, groups = pickle.load(file)
print(json.dumps(asyncio.run(score(reward, groups))))
"""


def test_unpickled_reward_earns_the_same_in_a_process_without_gpus(
    encoder_folder: Path, captions: list[tuple[str, str]], tmp_path: Path
) -> None:
    reward = semreward.paper_reward(str(encoder_folder), "bo", 0.1)
    groups: list[dict[str, Any]] = [
        {
            "completions": [[{"role": "assistant", "content": text}] for text in (bo, captions[row + 1][1], zh, "")],
            "prompts": [[{"role": "user", "content": zh}]] * 4,
            "completion_ids": [[1, 2]] * 4,
            "reference": [bo] * 4,
        }
        for row, (zh, bo) in enumerate(captions[:6])
    ]
    here = [reward(**group) for group in groups]

    carried = tmp_path / "reward.pickle"
    carried.write_bytes(pickle.dumps((reward, groups)))
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(carried)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    for there, values in zip(json.loads(child.stdout), here, strict=True):
        assert there == pytest.approx(values, abs=1e-5)


def test_pickle_carries_no_weights(encoder_folder: Path, captions: list[tuple[str, str]]) -> None:
    reward = semreward.paper_reward(str(encoder_folder), "bo", 0.1)
    reward(completions=[captions[0][1]], reference=[captions[0][1]])
    assert len(pickle.dumps(reward)) < 2000
