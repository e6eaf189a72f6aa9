"""A judge that prefers the longer candidate, and three pairs to put before it."""

import threading

from judge_server import prefer_longer
from semreward.evaluation import pairwise_scores, translation_prompt

PROMPT = translation_prompt()

# Three pairs, of which the judge that prefers the longer candidate gives one to either side.
SOURCES = ["ཀ", "ཁ", "ག"]
FIRST = ["我们好", "你", "他"]
SECOND = ["我", "你们", "她"]


class CountingJudge:
    """Prefers the longer candidate, remembers what it was asked, and fails at the request that it is told."""

    signature = "counting"

    def __init__(self, fails_at=None):
        self.prompts = []
        self.fails_at = fails_at
        self.lock = threading.Lock()

    def __call__(self, prompt):
        with self.lock:
            self.prompts.append(prompt)
            if len(self.prompts) == self.fails_at:
                raise RuntimeError("the judge fell asleep")
        return prefer_longer(prompt)


def judged(judge, first=FIRST, second=SECOND, sources=SOURCES, **options):
    return pairwise_scores(judge, sources, first, second, prompt=PROMPT, **{"concurrency": 1, **options})


def counts(scores):
    return scores.wins, scores.ties, scores.losses, scores.unparsable
