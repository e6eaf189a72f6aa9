"""Rewards that the adapters are tested with."""

from doubles import BigramEncoder
from semreward import CompositeReward, LanguageConsistencyReward, SemanticSimilarityReward

BO = "བོད་ཡིག་འདི་ཀློག"
OTHER_BO = "ཁང་པ་དམར་པོ"


def usual(**options):
    """Similarity and language, as in the paper; `options` go to the similarity."""
    similarity = SemanticSimilarityReward(BigramEncoder(), threshold=0.1, **options)
    return CompositeReward([(similarity, 1.5), (LanguageConsistencyReward("bo"), 1.0)])


def similarity_alone(**options):
    return SemanticSimilarityReward(BigramEncoder(), threshold=0.1, **options)


def trl_style(completions, reference, **columns):
    """What a TRL user writes."""
    return [float(completion == wanted) for completion, wanted in zip(completions, reference, strict=True)]


async def async_trl_style(completions, reference, **columns):
    return trl_style(completions, reference)


def failing(completions, **columns):
    raise RuntimeError("out of order")


class Listener:
    """Remembers its calls."""

    __name__ = "listener"

    def __init__(self):
        self.calls = []

    def __call__(self, **arguments):
        self.calls.append(arguments)
        return [1.0] * len(arguments["completions"])
