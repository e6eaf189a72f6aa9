"""verifiers before 0.4: `SingleTurnEnv.evaluate` with the page's `Rubric`; a chat server knows the answers."""

import os

from chat_server import ChatServer
from datasets import Dataset
from recording import record, start_counting
from samples import ANSWERS, PROMPTS, questions

from loopback import serving

os.environ["ANY_KEY"] = "none is needed"

import verifiers as vf
import verifiers.v1
from my_environment import rubric
from verifiers.types import ClientConfig


def outputs_of(rows):
    """The rollouts of questions with their answers."""
    dataset = Dataset.from_list(rows)
    environment = vf.SingleTurnEnv(dataset=dataset, eval_dataset=dataset, rubric=rubric)
    with serving(ChatServer()) as server:
        client = ClientConfig(api_key_var="ANY_KEY", api_base_url=server.base_url)
        return environment.evaluate_sync(
            client, model="known-answers", num_examples=len(rows), rollouts_per_example=ANSWERS
        )["outputs"]


start_counting()
outputs = outputs_of([{"question": prompt, "answer": reference} for prompt, reference in questions().items()])


def text_of(message) -> str:
    """The text of a message, which is a mapping or an object."""
    return message["content"] if isinstance(message, dict) else message.content


found = [
    {"answer": text_of(output["completion"][-1]), "reference": output["answer"], "values": {"total": output["reward"]}}
    for output in outputs
]
assert len(found) == PROMPTS * ANSWERS, f"{len(found)} rollouts"
assert {"composite"} <= outputs[0]["metrics"].keys(), outputs[0]["metrics"]
record("`SingleTurnEnv.evaluate` with a `Rubric`", found)
failed = outputs_of([{"question": prompt, "answer": ""} for prompt in questions()][:1])
assert [output["reward"] for output in failed] == [0.0] * ANSWERS, "a rubric no longer hides errors"
