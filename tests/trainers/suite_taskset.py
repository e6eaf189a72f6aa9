"""A v1 taskset for verifiers: the suite's prompts and references."""

import my_reward  # noqa: F401 - counts forward passes
import verifiers.v1 as vf
from samples import questions

__all__ = ["SuiteTaskset"]


class SuiteData(vf.TaskData):
    """A prompt and its reference."""

    answer: str


class SuiteTask(vf.Task[SuiteData]):
    """Its rewards are named in the configuration."""


class SuiteTaskset(vf.Taskset[SuiteTask]):
    """All prompts."""

    def load(self):
        """One task per prompt."""
        for prompt, reference in questions().items():
            yield SuiteTask(SuiteData(prompt=prompt, answer=reference), self.config.task)
