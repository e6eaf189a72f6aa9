"""verifiers 0.4: `vf-eval` with the page's v1 hooks, against a chat server that knows the answers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import verifiers as vf
from chat_server import ChatServer
from recording import FOLDER, record, start_counting
from samples import ANSWERS, PROMPTS

from loopback import serving

assert not hasattr(vf, "Rubric"), "docs/trainers.md says that this version has no `Rubric`"
PAGE = Path(__file__).parents[2] / "docs" / "trainers.md"
(REWARDS,) = re.findall(
    r"^```toml\n(\[env\.taskset.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)

CONFIGURATION = """
model = "known-answers"
num_rollouts = {rollouts}
push = false
output_dir = "{folder}/output"
[client]
base_url = "{url}"
api_key_var = "ANY_KEY"
[env.taskset]
id = "suite_taskset"
[env.agent.runtime]
type = "subprocess"
[env.agent.harness]
id = "suite_harness"
{rewards}gated = {{ fn = "suite_taskset:gated" }}
"""


def text_of(content) -> str:
    """The text of a message's content."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def score_of(value) -> float:
    """A reward in a trace, which may come with its weight."""
    return value["score"] if isinstance(value, dict) else value


start_counting()
file = FOLDER / "suite.toml"
with serving(ChatServer()) as server:
    file.write_text(
        CONFIGURATION.format(rollouts=ANSWERS, folder=FOLDER, url=server.base_url, rewards=REWARDS), encoding="utf-8"
    )
    subprocess.run(
        [Path(sys.executable).parent / "vf-eval", "@", file, "--no-rich"],
        check=True,
        env={**os.environ, "ANY_KEY": "none is needed"},
    )

found = []
for path in FOLDER.glob("output/**/traces.jsonl"):
    for line in path.read_text(encoding="utf-8").splitlines():
        content = json.loads(line)
        for trace in content.get("traces", [content]):
            assert trace["nodes"], trace["errors"]
            rewards = trace["rewards"]
            values = {
                "semantic_similarity": score_of(rewards["similarity"]),
                "language_consistency": score_of(rewards["language"]),
                "total": score_of(rewards["gated"]),
            }
            answer = text_of(trace["nodes"][-1]["message"]["content"])
            found.append({"answer": answer, "reference": trace["task"]["data"]["answer"], "values": values})
assert len(found) == PROMPTS * ANSWERS, f"{len(found)} traces"
record("`vf-eval` with three hooks of a v1 task, one of them with gates", found)
