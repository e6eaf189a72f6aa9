"""A pairwise judge: which of two systems does a chat model prefer, asked about every source in both orders."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from semreward.arguments import check_count
from semreward.errors import ArgumentError, ArgumentTypeError, SemRewardError
from semreward.evaluation.answers import AnswerFile, answerer_name, key_of
from semreward.evaluation.prompts import JudgePrompt
from semreward.evaluation.score import evaluated_answers, signature_of
from semreward.evaluation.verdicts import EQUAL_PAIR, JudgedPair, PairwiseScores, judged_pair, scores_of
from semreward.protocols import Completion
from semreward.rewards.base import check_column
from semreward.text import ReasoningPolicy

logger = logging.getLogger(__name__)

_MILLION = 1_000_000

_ORDERS = ("first, second", "second, first")


class Judge(Protocol):
    """Whoever answers prompts: `ChatServer`, or a function of your own.

    Where it has a text `signature`, this names it in signatures and in the cache.
    """

    def __call__(self, prompt: str, /) -> str:
        """The answer to one prompt. Threads call it at the same time, as many as `concurrency` says."""
        ...


class JudgingInterruptedError(SemRewardError, RuntimeError):
    """A judge failed before all was judged.

    Attributes:
        scores: Of the pairs for which both answers are there; `None` where there is no such pair.
    """

    scores: PairwiseScores | None = None


@dataclass(frozen=True)
class JudgingEstimate:
    """What judging will take.

    Attributes:
        requests: Requests that will be sent.
        answered: Requests whose answers are in the cache already.
        identical: Pairs of equal candidates, about which nobody is asked.
        characters: Characters of all prompts that will be sent.
        input_tokens: Their tokens; without `count_tokens` their UTF-8 bytes, more than which no byte-level vocabulary
            makes of them. What a chat template adds, some ten tokens a request, is not in it.
        output_tokens: `answer_tokens` a request.
        counted: Whether `input_tokens` were counted, or are that bound.
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


class _Plan(NamedTuple):
    """What there is to ask: the requests of each row in both orders, none for equal candidates."""

    rows: list[tuple[_Request, ...]]

    def open_requests(self, answers: AnswerFile) -> list[_Request]:
        """Those without an answer, each prompt once."""
        asked = {request.key: request for requests in self.rows for request in requests}
        return [request for key, request in asked.items() if key not in answers]

    @property
    def identical(self) -> int:
        return sum(not requests for requests in self.rows)


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

    The judge sees the source and two candidates without their names, once in each order. A system wins a pair if it is
    decided for in both orders; everything else is a tie, but for pairs with an unparsable answer. Nobody is asked about
    equal candidates: they tie.

    Every answer is kept as it comes, under a hash of who is asked and what: a call that was interrupted, or one with
    more rows, asks only for what is missing. Unparsable answers are answers, too, and are not asked for again.

    Args:
        judge: Answers prompts; see `Judge`. A failing one is not asked again: `ChatServer` makes its own retries.
        sources: `N` non-blank texts, such as what was translated; `N` at least 1.
        first: `N` completions of the first system, texts or lists of messages; empty ones are judged, too.
        second: `N` completions of the second system.
        prompt: `translation_prompt()`, `headline_prompt()`, or one of your own.
        cache: File of JSON lines that keeps the answers; made where there is none. `None`: they are kept until the call
            ends.
        judge_name: What a judge without a `signature` is called in the signature and the cache.
        names: What the two systems are called in the table.
        concurrency: Requests at a time.
        resamples: Bootstrap samples for the intervals.
        seed: Seed of these samples, an integer of at least 0.
        reasoning: What becomes of `<think>` blocks in completions; see `semreward.text.remove_reasoning`.

    Returns:
        Wins, ties and losses of the first system, with 95 % intervals, and what was unparsable or inconsistent.

    Raises:
        JudgingInterruptedError: The judge raised an error, which is its cause. Answers that had come are in the cache,
            and scores of the pairs that were finished in the error's `scores`.
        ArgumentError: There are no rows, lengths differ, a source is blank, a number is out of its range, or a judge
            with a cache has neither `signature` nor `judge_name`.
        ArgumentTypeError: A row, the judge, `prompt` or `names` has the wrong type.

    Source:
        Su et al. 2026, appendix B, https://arxiv.org/abs/2605.14366, which does not say whether it asked in both
        orders; wins that have to hold in both are those of Zheng et al. 2023, section 3.4,
        https://arxiv.org/abs/2306.05685

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
    _check_names(names)
    name = answerer_name(judge, judge_name, argument="judge", keeps=cache is not None)
    plan = _plan(name, sources, (first, second), prompt, reasoning)
    answers = AnswerFile(cache)
    answers.prepare()
    signature = signature_of(
        "pairwise", judge=name, prompt=prompt.signature, orders="both", bootstrap=resamples, seed=seed
    )

    def scores(rows: list[tuple[_Request, ...]]) -> PairwiseScores:
        pairs = [_pair(requests, answers) for requests in rows]
        return scores_of(pairs, names, resamples=resamples, seed=seed, signature=signature)

    todo = plan.open_requests(answers)
    logger.info("judging %d pairs: %d requests are to be sent", len(plan.rows), len(todo))
    try:
        _ask_all(judge, todo, answers, concurrency)
    except Exception as error:
        left = len(plan.open_requests(answers))
        interrupted = JudgingInterruptedError(_interruption(error, answers, len(todo) - left, len(todo)))
        done = [row for row in plan.rows if all(request.key in answers for request in row)]
        interrupted.scores = scores(done) if done else None
        raise interrupted from error
    return scores(plan.rows)


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

    Args:
        judge: As for `pairwise_scores`; it is not called.
        sources: As for `pairwise_scores`.
        first: As for `pairwise_scores`.
        second: As for `pairwise_scores`.
        prompt: As for `pairwise_scores`.
        cache: As for `pairwise_scores`; answers in it cost nothing.
        judge_name: As for `pairwise_scores`.
        count_tokens: Counts the tokens of a text, such as `lambda text: len(tokenizer.encode(text))`.
        answer_tokens: Tokens that an answer is expected to have, reasoning included.
        input_price: Price of a million tokens of prompts.
        output_price: Price of a million tokens of answers.
        reasoning: As for `pairwise_scores`.

    Raises:
        ArgumentError: As for `pairwise_scores`, or only one price is given.
        ArgumentTypeError: As for `pairwise_scores`.

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
    plan = _plan(name, sources, (first, second), prompt, reasoning)
    todo = [request.prompt for request in plan.open_requests(AnswerFile(cache))]
    everything = len(plan.open_requests(AnswerFile(None)))
    count = count_tokens or (lambda text: len(text.encode("utf-8", errors="surrogatepass")))
    input_tokens, output_tokens = sum(map(count, todo)), answer_tokens * len(todo)
    cost = None
    if input_price is not None and output_price is not None:
        cost = (input_tokens * input_price + output_tokens * output_price) / _MILLION
    return JudgingEstimate(
        requests=len(todo),
        answered=everything - len(todo),
        identical=plan.identical,
        characters=sum(map(len, todo)),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        counted=count_tokens is not None,
        cost=cost,
    )


def _plan(
    name: str,
    sources: Sequence[str],
    candidates: tuple[Sequence[Completion], Sequence[Completion]],
    prompt: JudgePrompt,
    reasoning: ReasoningPolicy,
) -> _Plan:
    if not isinstance(prompt, JudgePrompt):
        raise ArgumentTypeError(
            f"`prompt` must be a JudgePrompt, got {type(prompt).__name__}; give translation_prompt(), "
            "headline_prompt() or JudgePrompt(name, template)"
        )
    ones, others = _texts("first", candidates[0], reasoning), _texts("second", candidates[1], reasoning)
    check_column("second", others, len(ones))
    check_column("sources", sources, len(ones))
    rows = []
    for row, (source, one, other) in enumerate(zip(sources, ones, others, strict=True)):
        _check_source(source, row)
        texts = [] if one == other else [prompt.text(source, one, other), prompt.text(source, other, one)]
        rows.append(
            tuple(_Request(row, order, key_of(name, text), text) for order, text in zip(_ORDERS, texts, strict=False))
        )
    return _Plan(rows)


def _ask_all(judge: Judge, requests: list[_Request], answers: AnswerFile, concurrency: int) -> None:
    """Ask, a few at a time; after the first failure those that are under way are waited for, and no more are sent."""
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
            stopped.set()  # an interrupt from the keyboard comes here, too


def _answer(judge: Judge, prompt: str) -> str:
    answer: object = judge(prompt)
    if not isinstance(answer, str):
        raise ArgumentTypeError(f"`judge` must return a text, got {type(answer).__name__}")
    return answer


def _pair(requests: tuple[_Request, ...], answers: AnswerFile) -> JudgedPair:
    return judged_pair(*(answers[request.key] for request in requests)) if requests else EQUAL_PAIR


def _interruption(error: Exception, answers: AnswerFile, answered: int, asked: int) -> str:
    kept = (
        "nothing is kept, because there is no `cache`"
        if answers.path is None
        else f"the answers are kept in {os.fspath(answers.path)!r}: the same call goes on from there"
    )
    return f"judging stopped after {answered} of {asked} answers, because {type(error).__name__}: {error}; {kept}"


def _texts(name: str, completions: Sequence[Completion], reasoning: ReasoningPolicy) -> list[str]:
    """The answers in one of two lists of completions; errors name the list."""
    try:
        return evaluated_answers(completions, reasoning)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(str(error).replace("`completions`", f"`{name}`")) from None


def _check_source(source: object, row: int) -> None:
    if not isinstance(source, str):
        raise ArgumentTypeError(f"`sources` must be strings, got {type(source).__name__} at row {row}; drop the row")
    if not source.strip():
        raise ArgumentError(f"`sources` must not be blank, got {source!r} at row {row}; drop the row")


def _check_names(names: object) -> None:
    of_two = isinstance(names, (tuple, list)) and len(names) == len(_ORDERS)
    if not of_two or not all(isinstance(name, str) for name in names):  # type: ignore[attr-defined] # a list by then
        raise ArgumentTypeError(f"`names` must be two strings, one a system, got {names!r}")
