"""OpenRLHF: `reward_func(queries, prompts, labels)` for `--reward.remote_url file.py`."""

from collections.abc import Callable, Sequence
from typing import Any

from semreward.arguments import check_column
from semreward.errors import ArgumentError
from semreward.integrations.scoring import SCORE, Adapter, OnNone, errors_logged
from semreward.protocols import RewardFunction
from semreward.scripts import composed
from semreward.text import without_end_tokens

_LEAST_OVERLAP = 16  # this many characters of a prompt that was cut on its left must be found in the query


def openrlhf_reward(
    reward: RewardFunction, *, reference_column: str = "reference", on_none: OnNone = "raise"
) -> Callable[..., dict[str, Any]]:
    """A reward as OpenRLHF's `reward_func(queries, prompts, labels)`.

    A query is prompt and response in one text, with special tokens. The response is cut out, and its end tokens, which
    are foreign letters to a language reward, are removed. Arguments: see `semreward.integrations`.

    Returns:
        A function that returns float32 tensors of shape (N,), where OpenRLHF calls it with N = 1: `rewards`, `scores`,
        and in `extra_logs` one per component, before its weight, NaN where it does not apply.

    Source:
        OpenRLHF/OpenRLHF, openrlhf/utils/agent.py, openrlhf/trainer/ppo_utils/samples_generator.py
    """
    return _OpenRLHF(reward, reference_column=reference_column, on_none=on_none)


class _OpenRLHF(Adapter):
    def __call__(self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> Any:
        import torch

        with errors_logged("OpenRLHF", "the sample is left without a reward, for which a later step fails"):
            for name, column in (("prompts", prompts), ("labels", queries if labels is None else labels)):
                check_column(name, column, len(queries))
            answers = [without_end_tokens(response_of(*texts)) for texts in zip(queries, prompts, strict=True)]
            rows = self.rows({"completions": answers, "prompts": prompts, self.reference_column: labels})
        names = [SCORE, *self.composite.names]
        tensors = {name: torch.tensor([row[name] for row in rows], dtype=torch.float32) for name in names}
        rewards = tensors.pop(SCORE)
        return {"rewards": rewards, "scores": rewards.clone(), "extra_logs": tensors}


def response_of(query: str, prompt: str) -> str:
    """The response in a decoded query; in NFC and without leading white space, unless it follows the exact prompt.

    A query has the prompt as a tokenizer returns it: in NFC (Qwen), with other white space, as around special tokens
    (SentencePiece), or, if it was too long, without its beginning and with half a character in its place.
    """
    if query.startswith(prompt):
        return query[len(prompt) :]
    text = composed(query).lstrip("\ufffd")
    dense_query, dense_prompt = "".join(text.split()), "".join(composed(prompt).split())
    if not dense_prompt:
        return text
    least = min(_LEAST_OVERLAP, len(dense_prompt))
    cut = dense_prompt.find(dense_query[:least]) if len(dense_query) >= least else -1
    while cut >= 0 and not dense_query.startswith(dense_prompt[cut:]):
        cut = dense_prompt.find(dense_query[:least], cut + 1)
    if cut < 0:
        raise ArgumentError(
            f"`queries` must begin with their prompts, got {query[:80]!r} for the prompt {prompt[:80]!r}; without it, "
            "or an end of it, the response cannot be cut out"
        )
    positions = [position for position, character in enumerate(text) if not character.isspace()]
    return text[positions[len(dense_prompt) - cut - 1] + 1 :].lstrip()
