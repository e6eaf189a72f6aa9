"""A pairwise judge: which of two systems does a chat model prefer, asked about every source in both orders."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from semreward.arguments import check_count
from semreward.errors import ArgumentError, ArgumentTypeError, SemRewardError
from semreward.evaluation.answers import AnswerFile, answerer_name, key_of
from semreward.evaluation.prompts import JudgePrompt
from semreward.evaluation.score import evaluated_answers, signature_of
from semreward.evaluation.verdicts import PairwiseScores, judged_pair, scores_of
from semreward.protocols import Completion
from semreward.rewards.base import check_column
from semreward.text import ReasoningPolicy

logger = logging.getLogger(__name__)


Judge: TypeAlias = Callable[[str], str]
"""Whoever answers prompts: `ChatServer`, or your own function. Several threads call it. Its `signature`, if it is a
string, names it in signatures and in the cache."""


class JudgingInterruptedError(SemRewardError, RuntimeError):
    """A judge failed before everything was judged; `scores` holds the pairs with both answers, `None` without any."""

    scores: PairwiseScores | None = None


@dataclass(frozen=True)
class JudgingEstimate:
    """What judging will take.

    Attributes:
        requests: Requests that will be sent.
        answered: Requests whose answers are in the cache.
        identical: Pairs of equal candidates, about which nobody is asked.
        characters: Characters of all prompts that will be sent.
        input_tokens: Their tokens, without chat templates; their UTF-8 bytes, an upper bound, without `count_tokens`.
        output_tokens: `answer_tokens` per request.
        counted: Whether `input_tokens` were counted.
        cost: In the currency of the prices; `None` without prices.
    """

    requests: int
    answered: int
    identical: int
    characters: int
    input_tokens: int
    output_tokens: int
    counted: bool
    cost: float | None

    def __str__(self) -> str:
        bound = "" if self.counted else "at most "
        cost = "" if self.cost is None else f"; cost {bound}{self.cost:.2f}"
        return (
            f"{self.requests:,} requests ({self.answered:,} answered already, {self.identical:,} pairs of equal "
            f"candidates): {self.characters:,} characters, {bound}{self.input_tokens:,} tokens in, about "
            f"{self.output_tokens:,} tokens out{cost}"
        )


class _Request(NamedTuple):
    row: int
    order: str
    key: str
    prompt: str


def pairwise_scores(
    judge: Judge,
    sources: Sequence[str],
    first: Sequence[Completion],
    second: Sequence[Completion],
    *,
    prompt: JudgePrompt,
    cache: str | os.PathLike[str] | None = None,
    judge_name: str | None = None,
    names: tuple[str, str] = ("first", "second"),
    concurrency: int = 8,
    resamples: int = 10_000,
    seed: int = 0,
    reasoning: ReasoningPolicy = "remove",
) -> PairwiseScores:
    """How often a judge prefers the first system's completions to the second's.

    The judge sees the source and two candidates without their names, once in each order. A system wins a pair if the
    judge decides for it in both orders; other pairs with two decisions are ties. Equal candidates tie unasked. Every
    answer is kept as it comes: the same call after an interruption, or one with more rows, asks only for the rest.

    Args:
        judge: Answers prompts. Its errors end the call: `ChatServer` makes its own retries.
        sources: `N` non-blank texts, such as what was translated; `N` at least 1.
        first: `N` completions of the first system, texts or lists of messages; empty ones are judged, too.
        second: `N` completions of the second system.
        prompt: `translation_prompt()`, `headline_prompt()`, or your own.
        cache: JSON lines file that keeps the answers; created if missing. `None`: they are kept during the call.
        judge_name: Name of a judge without a `signature`.
        names: Names of the two systems in the table.
        concurrency: Requests at the same time.
        resamples: Bootstrap samples for the intervals.
        seed: Seed of these samples, at least 0.
        reasoning: What becomes of `<think>` blocks in completions; see `semreward.text.remove_reasoning`.

    Raises:
        JudgingInterruptedError: The judge raised an error, which is the cause. Answers so far are in the cache.
        ArgumentError: There are no rows, lengths differ, a source is blank, a number is out of its range, or a judge
            with a cache has neither `signature` nor `judge_name`.
        ArgumentTypeError: A row, the judge, `prompt` or `names` has the wrong type.

    Source:
        Su et al. 2026, appendix B, https://arxiv.org/abs/2605.14366, which does not say whether both orders were asked.
        Wins in both orders: Zheng et al. 2023, section 3.4, https://arxiv.org/abs/2306.05685

    Example:
        >>> from semreward.evaluation import translation_prompt
        >>> def shorter(prompt):  # a judge that prefers the shorter candidate
        ...     parts = prompt.split("candidate_")
        ...     return "[[1]]" if len(parts[1]) < len(parts[3]) else "[[2]]"
        >>> scores = pairwise_scores(
        ...     shorter, ["ཀ"] * 3, ["我", "我们", "他"], ["我们", "我", "他"], prompt=translation_prompt())
        >>> scores.wins, scores.ties, scores.losses, scores.identical
        (1, 1, 1, 1)
    """
    check_count("concurrency", concurrency)
    check_count("resamples", resamples)
    check_count("seed", seed, at_least=0)
    if not isinstance(names, (tuple, list)) or [type(name) for name in names] != [str, str]:
        raise ArgumentTypeError(f"`names` must be two strings, one per system, got {names!r}")
    name = answerer_name(judge, judge_name, argument="judge", keeps=cache is not None)
    rows = _requests(
        name, prompt, sources, (_answers("first", first, reasoning), _answers("second", second, reasoning))
    )
    answers = AnswerFile(cache)
    answers.prepare()
    signature = signature_of(
        "pairwise", judge=name, prompt=prompt.signature, orders="both", bootstrap=resamples, seed=seed
    )

    def scores(done: list[list[_Request]]) -> PairwiseScores:
        pairs = [judged_pair(*(answers[request.key] for request in row)) for row in done]
        return scores_of(pairs, names, resamples=resamples, seed=seed, signature=signature)

    todo = _missing(rows, answers)
    logger.info("judging %d pairs: %d requests are to be sent", len(rows), len(todo))
    try:
        _ask_all(judge, todo, answers, concurrency)
    except Exception as error:
        kept = "nothing is kept, because there is no `cache`"
        if answers.path is not None:
            kept = f"the answers are kept in {os.fspath(answers.path)!r}: the same call goes on from there"
        answered = len(todo) - len(_missing(rows, answers))
        interrupted = JudgingInterruptedError(
            f"judging stopped after {answered} of {len(todo)} answers, because {type(error).__name__}: {error}; {kept}"
        )
        done = [row for row in rows if not _missing([row], answers)]
        interrupted.scores = scores(done) if done else None
        raise interrupted from error
    return scores(rows)


def judging_estimate(
    judge: Judge,
    sources: Sequence[str],
    first: Sequence[Completion],
    second: Sequence[Completion],
    *,
    prompt: JudgePrompt,
    cache: str | os.PathLike[str] | None = None,
    judge_name: str | None = None,
    count_tokens: Callable[[str], int] | None = None,
    answer_tokens: int = 150,
    input_price: float | None = None,
    output_price: float | None = None,
    reasoning: ReasoningPolicy = "remove",
) -> JudgingEstimate:
    """What `pairwise_scores` with the same arguments would send, and what that would cost. Nothing is sent.

    `count_tokens` counts the tokens of a text, such as `lambda text: len(tokenizer.encode(text))`. `answer_tokens` is
    the expected length of an answer, reasoning included. Prices are per million tokens. Other arguments are those of
    `pairwise_scores`.

    Raises:
        ArgumentError: As for `pairwise_scores`, or only one price is given.

    Example:
        >>> from semreward.evaluation import ChatServer, translation_prompt
        >>> judge = ChatServer("http://127.0.0.1:8000/v1", "a-judge")
        >>> estimate = judging_estimate(judge, ["ཀ"], ["我"], ["你"], prompt=translation_prompt(),
        ...     count_tokens=len, answer_tokens=100, input_price=2.0, output_price=10.0)
        >>> estimate.requests, estimate.output_tokens
        (2, 200)
        >>> estimate.cost == (2.0 * estimate.input_tokens + 10.0 * 200) / 1_000_000
        True
    """
    if (input_price is None) != (output_price is None):
        raise ArgumentError("`input_price` and `output_price` must be given together, got one; give 0 for what is free")
    name = answerer_name(judge, judge_name, argument="judge", keeps=cache is not None)
    rows = _requests(
        name, prompt, sources, (_answers("first", first, reasoning), _answers("second", second, reasoning))
    )
    todo = [request.prompt for request in _missing(rows, AnswerFile(cache))]
    count = count_tokens or (lambda text: len(text.encode("utf-8", errors="surrogatepass")))
    input_tokens, output_tokens = sum(map(count, todo)), answer_tokens * len(todo)
    cost = None
    if input_price is not None and output_price is not None:
        cost = (input_tokens * input_price + output_tokens * output_price) / 1_000_000
    return JudgingEstimate(
        requests=len(todo),
        answered=len(_missing(rows, AnswerFile(None))) - len(todo),
        identical=sum(not row for row in rows),
        characters=sum(map(len, todo)),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        counted=count_tokens is not None,
        cost=cost,
    )


def _requests(
    judge: str, prompt: JudgePrompt, sources: Sequence[str], candidates: tuple[list[str], list[str]]
) -> list[list[_Request]]:
    """The requests of each row, one per order; none for equal candidates."""
    if not isinstance(prompt, JudgePrompt):
        raise ArgumentTypeError(
            f"`prompt` must be a JudgePrompt, got {type(prompt).__name__}; give translation_prompt(), "
            "headline_prompt() or JudgePrompt(name, template)"
        )
    ones, others = candidates
    check_column("second", others, len(ones))
    check_column("sources", sources, len(ones))
    rows = []
    for row, (source, one, other) in enumerate(zip(sources, ones, others, strict=True)):
        if not isinstance(source, str):
            raise ArgumentTypeError(
                f"`sources` must be strings, got {type(source).__name__} at row {row}; drop the row"
            )
        if not source.strip():
            raise ArgumentError(f"`sources` must not be blank, got {source!r} at row {row}; drop the row")
        prompts = {"first, second": prompt.text(source, one, other), "second, first": prompt.text(source, other, one)}
        requests = [_Request(row, order, key_of(judge, text), text) for order, text in prompts.items()]
        rows.append([] if one == other else requests)
    return rows


def _missing(rows: list[list[_Request]], answers: AnswerFile) -> list[_Request]:
    """Requests without an answer, each prompt once."""
    asked = {request.key: request for row in rows for request in row}
    return [request for key, request in asked.items() if key not in answers]


def _ask_all(judge: Judge, requests: list[_Request], answers: AnswerFile, concurrency: int) -> None:
    """Ask, a few at a time; after the first failure wait for those under way, and send no more."""
    from tqdm.auto import tqdm

    stopped = threading.Event()

    def ask(request: _Request) -> None:
        if stopped.is_set():
            return
        try:
            answers.add(request.key, _answer(judge, request.prompt), row=request.row, order=request.order)
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(concurrency, thread_name_prefix="judge") as pool:
        futures = [pool.submit(ask, request) for request in requests]
        try:
            for future in tqdm(as_completed(futures), total=len(futures), desc="judging", unit="request", disable=None):
                future.result()
        finally:
            stopped.set()  # after an interrupt from the keyboard, too


def _answer(judge: Judge, prompt: str) -> str:
    answer: object = judge(prompt)
    if not isinstance(answer, str):
        raise ArgumentTypeError(f"`judge` must return a text, got {type(answer).__name__}")
    return answer


def _answers(name: str, completions: Sequence[Completion], reasoning: ReasoningPolicy) -> list[str]:
    """The answers in a list of completions; errors name the list."""
    try:
        return evaluated_answers(completions, reasoning)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(str(error).replace("`completions`", f"`{name}`")) from None
