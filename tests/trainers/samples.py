"""The 64 samples that every trainer is given: 16 prompts with four answers each, in the miniature's languages."""

import random
from typing import NamedTuple

from miniature.grammar import realise, sample_meaning

PROMPTS, ANSWERS = 16, 4


class Sample(NamedTuple):
    """One answer to a prompt, with the prompt's reference."""

    prompt: str
    reference: str
    answer: str


def samples() -> list[Sample]:
    """A Tibetan sentence to translate; as answers another wording, half of it, an unrelated one, the wrong language."""
    rng = random.Random(15)
    meanings = [sample_meaning(rng) for _ in range(PROMPTS)]
    references = [realise(meaning, "zh", rng) for meaning in meanings]
    found = []
    for number, meaning in enumerate(meanings):
        prompt = realise(meaning, "bo", rng)
        wording = realise(meaning, "zh", rng)
        unrelated = references[(number + 5) % PROMPTS]
        answers = [wording, wording[: len(wording) // 2], unrelated, realise(meaning, "bo", rng)]
        found += [Sample(prompt, references[number], answer) for answer in answers]
    return found


def questions() -> dict[str, str]:
    """The references by prompt."""
    return {sample.prompt: sample.reference for sample in samples()}
