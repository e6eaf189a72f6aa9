"""OpenRLHF: `reward_func(queries, prompts, labels)` for `--reward.remote_url file.py`."""

from collections.abc import Callable, Sequence
from typing import Any

from semreward.errors import ArgumentError
from semreward.integrations.scoring import END_TOKENS, SCORE, Adapter, OnNone, as_composite, loudly
from semreward.protocols import RewardFunction
from semreward.rewards.base import check_rows
from semreward.rewards.calling import reward_name
from semreward.scripts import composed

# So much of a prompt that was cut on its left must be found again, or it cannot be told from the response.
_LEAST_OVERLAP = 16


def openrlhf_reward(
    reward: RewardFunction,
    *,
    reference_column: str = "reference",
    on_none: OnNone = "raise",
    end_tokens: Sequence[str] = END_TOKENS,
) -> Callable[..., dict[str, Any]]:
    r"""A reward as OpenRLHF's `reward_func(queries, prompts, labels)`.

    A query is prompt and response in one text with all special tokens. The response is cut out, and its end tokens are
    removed, which a language reward would take for foreign letters. `labels` are the reward's references.

    Args:
        reward: Any reward of this package, or any callable in TRL's convention.
        reference_column: The reward's column that `labels` fills.
        on_none: What a sample earns to which the reward does not apply: a finite number, or an error.
        end_tokens: What a response may end with; give your model's own where the default lacks them.

    Returns:
        A function. For `N` samples (OpenRLHF calls with one) it returns float32 tensors of shape (N,): `rewards`,
        `scores`, and in `extra_logs` one a component, before its weight, NaN where it does not apply.

    Raises:
        ArgumentError: A component is called `score`; at a call: the reward does not apply and `on_none="raise"`, or a
            query does not begin with its prompt. OpenRLHF leaves a sample without a reward whatever is raised, and says
            so at level INFO; it is therefore logged as an error first.

    Source:
        OpenRLHF/OpenRLHF, openrlhf/utils/agent.py, openrlhf/trainer/ppo_utils/samples_generator.py

    Example:
        >>> from semreward import LanguageConsistencyReward
        >>> reward_func = openrlhf_reward(LanguageConsistencyReward("bo"))
        >>> prompt = "<|im_start|>user\nTranslate<|im_end|>\n<|im_start|>assistant\n"
        >>> reward_func([prompt + "བོད་ཡིག<|im_end|>"], [prompt], ["བོད་ཡིག"])["rewards"]
        tensor([1.])
    """
    options: dict[str, Any] = {"on_none": on_none, "end_tokens": end_tokens}
    return _OpenRLHF(as_composite(reward), reference_column=reference_column, **options)


class _OpenRLHF(Adapter):
    def __call__(self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> Any:
        """Score `N` samples."""
        import torch

        with loudly("OpenRLHF", "the sample is left without a reward, for which a later step fails"):
            check_rows(queries, {"prompts": prompts, "labels": labels})
            responses = [response_of(query, prompt) for query, prompt in zip(queries, prompts, strict=True)]
            call = {"completions": list(map(self.answer, responses)), "prompts": prompts, self.reference_column: labels}
            rows = self.rows(call)
        names = [SCORE, *map(reward_name, self.reward.rewards)]
        tensors = {name: torch.tensor([row[name] for row in rows], dtype=torch.float32) for name in names}
        rewards = tensors.pop(SCORE)
        return {"rewards": rewards, "scores": rewards.clone(), "extra_logs": tensors}


def response_of(query: str, prompt: str) -> str:
    """What follows the prompt in a decoded sequence.

    The sequence holds the prompt as a tokenizer gives it back: in NFC (Qwen), with other white space, as around special
    tokens (SentencePiece), or, where it was too long, without its beginning and with half a character in its place.

    Args:
        query: Prompt and response, decoded with special tokens.
        prompt: The prompt as it went into the tokenizer, chat template included.

    Returns:
        The response, in NFC and without leading white space unless the query begins with the very prompt.

    Raises:
        ArgumentError: Neither the prompt nor an end of it (16 characters or more) stands at the query's beginning,
            white space apart.

    Example:
        >>> response_of("<s> [INST] hi [/INST] yes", "<s>[INST] hi [/INST]")
        'yes'
    """
    if query.startswith(prompt):
        return query[len(prompt) :]
    text = composed(query).lstrip("\ufffd")
    places = [place for place, sign in enumerate(text) if not sign.isspace()]
    signs, start = "".join(text.split()), "".join(composed(prompt).split())
    if not start:
        return text
    least = min(_LEAST_OVERLAP, len(start))
    cut = start.find(signs[:least]) if len(signs) >= least else -1
    while cut >= 0:
        if signs.startswith(start[cut:]):
            return text[places[len(start) - cut - 1] + 1 :].lstrip()
        cut = start.find(signs[:least], cut + 1)
    raise ArgumentError(
        f"`queries` must begin with their prompts, got {query[:80]!r} for the prompt {prompt[:80]!r}; without it, or "
        "an end of it, the response cannot be cut out"
    )
