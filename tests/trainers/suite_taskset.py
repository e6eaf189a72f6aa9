"""A v1 taskset for verifiers: the suite's prompts and references."""

import verifiers.v1 as vf
from my_reward import reward
from samples import questions

from semreward.integrations.verifiers import task_reward

__all__ = ["SuiteTaskset"]

gated = task_reward(reward)


class SuiteData(vf.TaskData):
    """A prompt and its reference, under the name of the page's hooks and under that of the gated one."""

    answer: str
    reference: str


class SuiteTask(vf.Task[SuiteData]):
    """Its rewards are named in the configuration."""


class SuiteTaskset(vf.Taskset[SuiteTask]):
    """All prompts."""

    def load(self):
        """One task per prompt."""
        for prompt, reference in questions().items():
            yield SuiteTask(SuiteData(prompt=prompt, answer=reference, reference=reference), self.config.task)
